"""Opening and closing a file while others use it: nobody is cut off in the middle of a commit."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from stentor import MailboxEntry, MailboxQuery, Message
from stentor.storage import SQLiteStore
from stentor.storage._database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.real_clock


def mail(payload: object) -> list[MailboxEntry]:
    return [MailboxEntry("a", Message("a", payload))]


class Gate:
    """Stands before a method of a database: once it is shut, a worker thread waits there until it is let through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        self._reached = trio.Event()
        self._open = threading.Event()
        self._open.set()
        monkeypatch.setattr(Database, method, self._pass(getattr(Database, method)))

    def _pass(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def passing(*args: Any) -> Any:
            if not self._open.is_set():
                trio.from_thread.run_sync(self._reached.set)
            assert self._open.wait(10), "nobody opened the gate"
            return method(*args)

        return passing

    def shut(self) -> None:
        """Let nobody through from now on."""
        self._open.clear()

    async def reached(self) -> None:
        """Wait until the thread stands there."""
        await self._reached.wait()

    def let_through(self) -> None:
        """Let the thread through, and everybody after it."""
        self._open.set()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails where two threads are at one database at the same time."""
    inside: set[int] = set()
    met: list[str] = []

    def watched(method: Callable[..., Any], name: str) -> Callable[..., Any]:
        def watching(*args: Any) -> Any:
            me = threading.get_ident()
            outermost = me not in inside
            if inside - {me}:
                met.append(name)
            inside.add(me)
            try:
                return method(*args)
            finally:
                if outermost:
                    inside.discard(me)

        return watching

    for name in ("open", "run", "close"):
        monkeypatch.setattr(Database, name, watched(getattr(Database, name), name))
    yield
    assert met == []


@pytest.mark.usefixtures("alone")
async def test_closing_waits_for_a_commit_and_for_those_in_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, "run")
    store = SQLiteStore(tmp_path / "mail.db", sync="normal")
    async with store, trio.open_nursery() as nursery:
        gate.shut()
        nursery.start_soon(store.append, mail(1))
        await gate.reached()
        nursery.start_soon(store.append, mail(2))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(store.aclose)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.ClosedResourceError):
            await store.append(mail(3))
        gate.let_through()
    async with store:
        assert [stored.message.payload for stored in await store.read("a")] == [1, 2]


@pytest.mark.usefixtures("alone")
async def test_who_calls_while_the_file_is_opened_again_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is open: a call must not meet a file that is half open."""
    store = SQLiteStore(tmp_path / "mail.db", sync="normal")
    async with store:
        await store.aclose()
        with monkeypatch.context() as patch:
            gate = Gate(patch, "open")
            gate.shut()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.__aenter__)
                await gate.reached()
                assert repr(store).endswith(", closed>")
                with pytest.raises(trio.ClosedResourceError):
                    await store.append(mail(1))
                gate.let_through()
        assert await store.append(mail(2)) == (1,)


@pytest.mark.usefixtures("alone")
async def test_who_enters_while_the_last_leaves_finds_it_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SQLiteStore(tmp_path / "mail.db", sync="normal")
    await store.__aenter__()
    gate = Gate(monkeypatch, "close")
    gate.shut()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(store.__aexit__, None, None, None))
        await gate.reached()
        nursery.start_soon(store.__aenter__)
        await trio.testing.wait_all_tasks_blocked()
        gate.let_through()
    assert await store.append(mail(1)) == (1,)
    await store.__aexit__(None, None, None)
    assert not await trio.Path(f"{store.path}-wal").exists()


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("seed", range(3))
async def test_tasks_that_come_and_go_never_meet_at_the_file(tmp_path: Path, seed: int) -> None:
    """Each finds the store open for as long as it is inside, unless somebody closes it for everybody."""
    store = SQLiteStore(tmp_path / "mail.db", sync="normal")
    stored: list[int] = []

    async def visit(number: int) -> None:
        for _ in range((number + seed) % 5):
            await trio.lowlevel.checkpoint()
        async with store:
            for _ in range(3):
                stored.extend(await store.append(mail(number)))

    async with trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(visit, number)
    assert len(stored) == 90
    async with store:
        assert await store.count(MailboxQuery()) == 90


async def test_cancelling_an_opening_leaves_the_file_free(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    for passes in range(6):
        store = SQLiteStore(path)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_after, passes, scope)
                async with store:
                    await trio.sleep_forever()
        async with SQLiteStore(path):
            pass


async def _cancel_after(passes: int, scope: trio.CancelScope) -> None:
    for _ in range(passes):
        await trio.lowlevel.checkpoint()
    scope.cancel()

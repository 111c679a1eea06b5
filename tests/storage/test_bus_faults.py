"""A store that fails is its durable agents' trouble: publishers are told, and the bus goes on for all others."""

from __future__ import annotations

import contextlib
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import trio

import stentor
from stentor.storage import SQLiteStore, StoreCorruptError, StoreLockedError, StoreVersionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stentor import Bus

pytestmark = pytest.mark.real_clock


def remember(got: list[Any]) -> Callable[[stentor.Message], Any]:
    """A handler that adds payloads to a list."""

    async def handle(message: stentor.Message) -> None:
        got.append(message.payload)

    return handle


def register(bus: Bus) -> tuple[list[Any], list[Any]]:
    """A durable agent for `all.*` and `durable.*`, and an ordinary one for `all.*` and `other.*`: what each gets."""
    durable: list[Any] = []
    other: list[Any] = []
    ledger = bus.register("ledger", remember(durable), durable=True)
    ledger.subscribe("all.*")
    ledger.subscribe("durable.*")
    screen = bus.register("screen", remember(other))
    screen.subscribe("all.*")
    screen.subscribe("other.*")
    return durable, other


async def test_a_store_without_room_refuses_and_the_others_go_on(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "mail.db", quota=200_000, retention=stentor.Retention(count=0))
    async with stentor.open_bus(store=store) as bus:
        durable, other = register(bus)
        await bus.send("ledger", 0)
        await bus.settled()
        filler = [stentor.MailboxEntry("away", stentor.Message("away", "x" * 20_000)) for _ in range(8)]
        kept = await store.append(filler)
        with pytest.raises(stentor.StoreFullError):
            await bus.publish("durable.x", "x" * 50_000)
        with pytest.raises(stentor.StoreFullError):
            await bus.publish("all.x", "x" * 50_000)
        await bus.publish("other.x", 1)
        await bus.settled()
        assert (durable, other) == ([0], [1])
        await store.acknowledge("away", kept)
        await bus.publish("all.x", 2)
        await bus.settled()
        assert (durable, other) == ([0, 2], [1, 2])
    assert bus.left == ()


async def test_a_full_disk_is_the_trouble_of_durable_agents_until_there_is_room(small_disk: Path) -> None:
    """What was accepted is handled once, and acknowledged as soon as that can be written."""
    ballast = small_disk / "ballast"
    handled: list[Any] = []
    last = trio.Event()

    async def handle(message: stentor.Message) -> None:
        handled.append(message.payload)
        if message.payload == "last":
            last.set()

    async with stentor.open_bus(store=SQLiteStore(small_disk / "mail.db")) as bus:
        _, other = register(bus)
        bus.register("books", handle, durable=True)
        accepted = 0
        with pytest.raises(stentor.StoreFullError):
            while True:
                await bus.send("books", accepted)
                accepted += 1
                if accepted == 20:
                    _fill_up(ballast)
        await bus.publish("other.x", 1)
        await bus.settled()
        assert other == [1]
        ballast.unlink()
        await bus.send("books", "last")
        await last.wait()
        await bus.settled()
        assert handled == [*range(accepted), "last"]
        assert await bus.store.count(stentor.MailboxQuery(states=["unread", "handed_out"])) == 0


def _fill_up(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


async def test_a_file_that_is_damaged_while_it_is_open_is_the_trouble_of_durable_agents(tmp_path: Path) -> None:
    """SQLite meets the damage when it reads what it does not have in memory."""
    path = tmp_path / "mail.db"
    async with SQLiteStore(path, sync="normal") as store:
        await store.append([stentor.MailboxEntry("ledger", stentor.Message("a", "x" * 3000)) for _ in range(3000)])
    async with stentor.open_bus(store=SQLiteStore(path), drain_timeout=60) as bus:
        with path.open("r+b") as file:
            file.seek(10 * 4096)
            file.write(b"\xa5" * (path.stat().st_size - 10 * 4096))
        durable, other = register(bus)
        await bus.publish("other.x", 1)
        await bus.settled()
        with pytest.raises(StoreCorruptError):
            await bus.store.page(stentor.MailboxQuery(), limit=3000)
        await bus.publish("other.x", 2)
        await bus.settled()
        assert other == [1, 2]
        assert len(durable) < 3000
        start = trio.current_time()
    assert trio.current_time() - start < 10


@pytest.mark.parametrize("fault", ["damaged", "newer"])
async def test_a_bus_does_not_open_on_a_file_that_its_store_refuses(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "mail.db"
    async with SQLiteStore(path, sync="normal") as store:
        await store.append([stentor.MailboxEntry("a", stentor.Message("a", "x" * 3000)) for _ in range(30)])
    if fault == "damaged":
        size = path.stat().st_size
        path.write_bytes(path.read_bytes()[:4096] + b"\xa5" * (size - 4096))
    else:
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreCorruptError if fault == "damaged" else StoreVersionError):
        async with stentor.open_bus(store=SQLiteStore(path)):
            pytest.fail("the bus opened on a store that is none")


async def test_a_bus_says_at_once_that_its_store_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    async with SQLiteStore(path):
        with pytest.raises(StoreLockedError) as caught:
            async with stentor.open_bus(store=SQLiteStore(path)):
                pytest.fail("the bus opened on a store of somebody else")
    assert str(caught.value) == f"{str(path)!r} is in use by another process or another store"


async def test_a_store_that_is_closed_under_a_bus_is_an_error_for_those_who_need_it(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "mail.db")
    async with stentor.open_bus(store=store) as bus:
        durable, other = register(bus)
        store._database._connection.close()  # type: ignore[union-attr]  # as if the disk were gone
        with pytest.raises(stentor.StoreError):
            await bus.publish("durable.x", 1)
        await bus.publish("other.x", 2)
        await bus.settled()
        assert (durable, other) == ([], [2])


async def test_a_bus_on_a_file_of_another_program_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE t (x)")
    before = path.read_bytes()
    with pytest.raises(StoreCorruptError):
        async with stentor.open_bus(store=SQLiteStore(path)):
            pytest.fail("the bus opened on the file of another program")
    assert path.read_bytes() == before

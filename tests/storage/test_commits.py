"""Group commit: calls that come together share a transaction, in their order, and one's failure is its own."""

from __future__ import annotations

import signal
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from stentor import MailboxEntry, MailboxQuery, Message, Retention, StoreError, StoreFullError
from stentor.storage import SQLiteStore, StoreStatistics
from stentor.storage._codec import encoder
from stentor.storage._commits import MOST, Commits
from stentor.storage._connection import connect
from stentor.storage._database import Database
from stentor.storage._mailboxes import Limits, Mailboxes
from stentor.storage._rows import Moment, encode_entry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from stentor.storage._database import Operation, Outcome

pytestmark = pytest.mark.real_clock


class Worker:
    """In the place of a database: it answers each operation with the operation's own name."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []

    def work(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Take note of a batch, and answer it."""
        self.batches.append(list(operations))
        return [(operation, None) for operation in operations]


def operation(name: Any) -> Any:
    """An operation that is its own name."""
    return name


async def test_calls_that_come_together_share_a_batch() -> None:
    worker = Worker()
    commits = Commits(worker.work)
    answers: dict[int, int] = {}

    async def call(number: int) -> None:
        for _ in range(10):
            answers[number] = await commits.call(operation(number))

    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(call, number)
    assert answers == {number: number for number in range(50)}
    assert [len(batch) for batch in worker.batches] == [50] * 10


async def test_a_batch_has_an_upper_size() -> None:
    worker = Worker()
    commits = Commits(worker.work)
    async with trio.open_nursery() as nursery:
        for number in range(2 * MOST + 5):
            nursery.start_soon(commits.call, operation(number))
    assert [len(batch) for batch in worker.batches] == [MOST, MOST, 5]


async def test_calls_of_one_task_keep_their_order() -> None:
    worker = Worker()
    commits = Commits(worker.work)
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(commits.call, operation(number))
            await trio.testing.wait_all_tasks_blocked()
    called = [number for batch in worker.batches for number in batch]
    assert called == sorted(called)


@pytest.mark.parametrize("passes", range(5))
async def test_cancelling_the_leader_passes_the_lead_on(passes: int) -> None:
    """At each of its steps: nobody is left waiting, and what was not cancelled is done."""
    for _ in range(20):  # trio shuffles the tasks of a pass
        await _cancel_the_leader(passes)


async def _cancel_the_leader(passes: int) -> None:
    worker = Worker()
    commits = Commits(worker.work)
    done: list[str] = []

    async def call(name: str) -> None:
        await commits.call(operation(name))
        done.append(name)

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(_after, passes, scope.cancel)
            for name in ("b", "c"):
                nursery.start_soon(_call_after_a_pass, call, name)
            await call("a")
        leader_was_cancelled = scope.cancelled_caught
    ran = [name for batch in worker.batches for name in batch]
    assert sorted(done) == sorted(ran) == (["b", "c"] if leader_was_cancelled else ["a", "b", "c"])


async def _call_after_a_pass(call: Callable[[str], Awaitable[None]], name: str) -> None:
    await trio.lowlevel.checkpoint()
    await call(name)


async def _after(passes: int, action: Callable[[], object]) -> None:
    for _ in range(passes):
        await trio.lowlevel.checkpoint()
    action()


@trio.lowlevel.enable_ki_protection
async def _press_ctrl_c(passes: int) -> None:
    """Protected, so that it is not this task that is interrupted but the main task, as soon as it waits."""
    await _after(passes, partial(signal.raise_signal, signal.SIGINT))


@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize("passes", range(5))
def test_ctrl_c_ends_the_call_of_the_main_task_and_nobody_elses(passes: int, *, leads: bool) -> None:
    """At each of its steps: nobody is left waiting, everything else is done once, and calls after it are."""
    for _ in range(10):
        worker, done = trio.run(_interrupt_a_call, passes, leads)
        ran = [name for batch in worker.batches for name in batch]
        assert sorted(ran) == sorted(done)
        assert set(done) - {"a"} == {"b", "c", "later"}


async def _interrupt_a_call(passes: int, leads: bool) -> tuple[Worker, list[str]]:
    worker = Worker()
    commits = Commits(worker.work)
    done: list[str] = []

    async def call(name: str) -> None:
        await commits.call(operation(name))
        done.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_press_ctrl_c, passes)
        for name in ("b", "c"):
            nursery.start_soon(partial(_call_after_a_pass, call) if leads else call, name)
        if not leads:
            await trio.lowlevel.cancel_shielded_checkpoint()
        interrupted = False
        try:
            await call("a")
            await trio.sleep_forever()
        except KeyboardInterrupt:
            interrupted = True
    assert interrupted
    with trio.fail_after(10):
        await call("later")
    return worker, done


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
async def test_whatever_ends_the_work_reaches_all_who_wait(kind: type[BaseException]) -> None:
    def fail(_: Sequence[Operation]) -> list[Outcome]:
        msg = "the thread broke"
        raise kind(msg)

    commits = Commits(fail)
    caught: list[str] = []

    async def call(number: int) -> None:
        with pytest.raises(kind) as error:
            await commits.call(operation(number))
        caught.append(str(error.value))

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(call, number)
    assert caught == ["the thread broke"] * 3


async def test_where_no_thread_can_be_started_the_store_has_failed_and_goes_on_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    worker = Worker()
    commits = Commits(worker.work)
    with monkeypatch.context() as patch:
        patch.setattr("trio.to_thread.run_sync", refuse)
        with pytest.raises(StoreError) as error:
            await commits.call(operation("a"))
    assert str(error.value) == "nothing was done: there is no thread to do it in: can't start new thread"
    assert await commits.call(operation("b")) == "b"
    assert worker.batches == [["b"]]


def database(path: Path, *, capacity: int = 100) -> Database:
    """An open database."""
    made = Database(path, Limits(capacity=capacity, quota=None, retention=Retention()), partial(connect, path, "full"))
    made.open()
    return made


def append(agent: str, payload: object) -> partial[Any]:
    """The operation that appends one message."""
    row = encode_entry(MailboxEntry(agent, Message("t", payload)), encoder("json"), Moment(1.8e9, 0.0))
    return partial(Mailboxes.append, rows=[row], cursors={}, now=1.8e9)


def broken(mailboxes: Mailboxes) -> None:
    """An operation that writes, and then fails."""
    append("a", "half")(mailboxes)
    mailboxes.write()
    mailboxes._connection.execute("SELECT missing")


def test_an_operation_that_fails_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    opened = database(tmp_path / "mail.db")
    outcomes = opened.run([append("a", 1), broken, append("a", 2)])
    assert [value for value, _ in outcomes] == [(1,), None, (2,)]
    error = outcomes[1][1]
    assert isinstance(error, StoreError)
    assert str(error) == f"{str(tmp_path / 'mail.db')!r}: no such column: missing"
    ((count, _),) = opened.run([partial(Mailboxes.count, query=MailboxQuery(), now=1.8e9)])
    assert count == 2
    opened.close()


def test_a_refusal_does_not_undo_its_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = database(tmp_path / "mail.db", capacity=1)
    transactions: list[int] = []
    once = Database._transact

    def counted(self: Database, operations: Sequence[Operation]) -> list[Outcome]:
        transactions.append(len(operations))
        return once(self, operations)

    monkeypatch.setattr(Database, "_transact", counted)
    outcomes = opened.run([append("a", 1), append("a", 2), append("b", 3)])
    assert transactions == [3]
    assert [value for value, _ in outcomes] == [(1,), None, (2,)]
    assert isinstance(outcomes[1][1], StoreFullError)
    opened.close()


def test_closing_leaves_one_file(tmp_path: Path) -> None:
    opened = database(tmp_path / "mail.db")
    opened.run([append("a", 1)])
    assert {path.name for path in tmp_path.iterdir()} == {"mail.db", "mail.db-wal"}
    opened.close()
    assert {path.name for path in tmp_path.iterdir()} == {"mail.db"}
    opened.close()


@pytest.mark.parametrize(("sync", "level"), [("full", 2), ("normal", 1)])
def test_sync_is_what_was_asked_for(tmp_path: Path, sync: Any, level: int) -> None:
    connection = connect(tmp_path / "mail.db", sync)
    assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA locking_mode").fetchone() == ("exclusive",)
    connection.close()


async def test_publishers_share_commits(tmp_path: Path) -> None:
    """Counted by SQLite's own hook on the end of a transaction."""
    store = SQLiteStore(tmp_path / "mail.db", sync="normal")
    async with store:
        statements: list[str] = []
        connection = store._database._connection
        assert connection is not None
        connection.set_trace_callback(statements.append)

        async def publish(task: int) -> None:
            for number in range(20):
                await store.append([MailboxEntry(f"agent-{task}", Message("t", number))])

        async with trio.open_nursery() as nursery:
            for task in range(50):
                nursery.start_soon(publish, task)
        assert statements.count("COMMIT") == 20
        assert store.statistics() == StoreStatistics(transactions=20, calls=1000, peak=50, waiting=0)
        assert await store.count(MailboxQuery()) == 1000


async def test_the_log_stays_short_and_is_cut_back_when_it_was_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stentor.storage._connection.LOG_LIMIT", 2**20)
    log = tmp_path / "mail.db-wal"

    async def append(times: int, together: int) -> None:
        for _ in range(times):
            await store.append([MailboxEntry("a", Message("t", "x" * 8000)) for _ in range(together)])

    async with SQLiteStore(tmp_path / "mail.db", sync="normal") as store:
        await append(40, 50)
        assert log.stat().st_size < 6 * 2**20, "the pages of 16 MB went into the file, and the log began anew"
        await append(1, 2000)
        assert log.stat().st_size > 15 * 2**20
        await append(2, 1)
        assert log.stat().st_size <= 2**20


async def test_a_file_goes_on_after_an_error(tmp_path: Path) -> None:
    """A statement that fails in the middle of everything leaves the store as it was."""
    store = SQLiteStore(tmp_path / "mail.db", sync="normal")
    async with store:
        await store.append([MailboxEntry("a", Message("t", 1))])
        with pytest.raises(StoreError):
            await store._commits.call(broken)
        assert await store.append([MailboxEntry("a", Message("t", 2))]) == (2,)
        assert [stored.message.payload for stored in await store.read("a")] == [1, 2]


def test_the_file_is_closed_when_opening_fails(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    path.write_bytes(b"x" * 10_000)
    with pytest.raises(sqlite3.DatabaseError):
        connect(path, "full")
    path.unlink()
    connect(path, "full").close()

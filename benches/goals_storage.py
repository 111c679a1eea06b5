"""The durable store beside bare `sqlite3` and the disk itself: ``python -m benches.goals_storage``.

All three goals are ratios within one run: in every round each side has its turn, and a figure is the median of the
rounds' ratios. With ``--million`` a store is filled with 1,000,000 messages and looked at. Everything lies in one
folder, which should be on a real disk: a file system in memory syncs for nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import trio

import stentor
from stentor.storage import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS: Final = 25
PUBLISHERS: Final = 100
EACH: Final = 20
"""Messages of one publisher, in a round."""
BATCH: Final = 100
SINGLES: Final = 100
READ: Final = 2_000
PAGE: Final = b"x" * 4096
MILLION: Final = 1_000_000

TABLE: Final = """
    CREATE TABLE mail (id INTEGER PRIMARY KEY AUTOINCREMENT, agent TEXT, state INTEGER, stored_at REAL, message_id TEXT,
        topic TEXT, sender TEXT, priority INTEGER, payload TEXT)
"""
INSERT: Final = "INSERT INTO mail VALUES (NULL, ?, 0, ?, ?, ?, ?, ?, ?)"


def main() -> None:
    """Measure the goals, and the million when it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where to put the files (default: a temporary folder)")
    parser.add_argument("--million", action="store_true", help="fill a store with 1,000,000 messages instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        _say(f"SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}, files in {folder.parent}")
        if arguments.million:
            trio.run(measure_million, folder)
        else:
            measure_goals(folder, arguments.rounds)


def measure_goals(folder: Path, rounds: int) -> None:
    """The three ratios, and beside the first the same through a bus."""
    found: dict[str, list[float]] = {"publish": [], "bus": [], "single": [], "read": []}
    for number in range(rounds):
        own = folder / str(number)
        own.mkdir()
        many, hand = trio.run(_publish_together, own), _batches_by_hand(own)
        through = trio.run(_publish_on_a_bus, own)
        alone, synced = trio.run(_publish_alone, own)
        read, read_by_hand = trio.run(_read, own), _read_by_hand(own)
        found["publish"].append(many / hand)
        found["bus"].append(through / hand)
        found["single"].append(alone / synced)
        found["read"].append(read / read_by_hand)
        _say(
            f"round {number + 1}: publish {many:,.0f}/s, on a bus {through:,.0f}/s, by hand {hand:,.0f}/s; "
            f"one {alone * 1e3:.2f} ms, fdatasync {synced * 1e3:.2f} ms; "
            f"read and acknowledge {read:,.0f}/s, by hand {read_by_hand:,.0f}/s"
        )
    goals = {
        "publish": f"{PUBLISHERS} publishers / bare sqlite3 by hand in {BATCH}s, full sync, rates: >= 0.5, worst 0.25",
        "bus": "the same, published on a bus to durable agents that are away",
        "single": "one publish, p50 / one fdatasync of 4 KB, p50: <= 2, worst 4",
        "read": f"read and acknowledge by {BATCH} / the same statements on bare sqlite3, by rate: >= 0.6, worst 0.3",
    }
    for name, goal in goals.items():
        ratios = found[name]
        _say(f"{statistics.median(ratios):9.3g}  ({min(ratios):.2f} to {max(ratios):.2f})  {goal}")


def _message(publisher: int, number: int) -> stentor.Message:
    return stentor.Message(
        "ai.models.gpt4",
        {"query": "x" * 60, "number": number},
        id=f"{publisher}-{number}",
        sender=f"publisher-{publisher}",
        timestamp=trio.current_time(),
    )


async def _publish_together(folder: Path) -> float:
    """Messages a second, many publishers at once, each waiting for its commit."""

    async def publish(store: SQLiteStore, publisher: int) -> None:
        for number in range(EACH):
            entry = stentor.MailboxEntry(f"agent-{publisher % 10}", _message(publisher, number))
            await store.append([entry])

    async with SQLiteStore(folder / "store.db") as store:
        start = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for publisher in range(PUBLISHERS):
                nursery.start_soon(publish, store, publisher)
        return PUBLISHERS * EACH / (time.perf_counter() - start)


async def _publish_on_a_bus(folder: Path) -> float:
    """The same through a bus, to ten durable agents that are away."""

    async def publish(bus: stentor.Bus, publisher: int) -> None:
        for number in range(EACH):
            payload = {"query": "x" * 60, "number": number}
            await bus.publish(f"ai.models.{publisher % 10}", payload, sender=f"publisher-{publisher}")

    async with stentor.open_bus(store=SQLiteStore(folder / "bus.db")) as bus:
        for number in range(10):
            agent = bus.register(f"agent-{number}", _ignore, durable=True)
            agent.subscribe(f"ai.models.{number}")
            agent.leave()
        start = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for publisher in range(PUBLISHERS):
                nursery.start_soon(publish, bus, publisher)
        return PUBLISHERS * EACH / (time.perf_counter() - start)


async def _ignore(message: stentor.Message) -> None:
    del message


def _by_hand(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _batches_by_hand(folder: Path) -> float:
    """Messages a second, one loop that writes batches of its own making."""
    with closing(_by_hand(folder / "hand.db")) as connection:
        connection.execute(TABLE)
        connection.execute("CREATE INDEX by_state ON mail (agent, state, id)")
        start = time.perf_counter()
        for number in range(PUBLISHERS * EACH // BATCH):
            rows = [
                (
                    f"agent-{publisher % 10}",
                    time.time(),
                    f"{publisher}-{number}",
                    "ai.models.gpt4",
                    f"publisher-{publisher}",
                    1,
                    json.dumps({"query": "x" * 60, "number": number}),
                )
                for publisher in range(BATCH)
            ]
            connection.execute("BEGIN")
            connection.executemany(INSERT, rows)
            connection.execute("COMMIT")
        return PUBLISHERS * EACH / (time.perf_counter() - start)


async def _publish_alone(folder: Path) -> tuple[float, float]:
    """The medians of the seconds that one publish takes alone, and writing and syncing 4 KB, one after the other."""
    times: list[float] = []
    synced: list[float] = []
    with (folder / "log").open("wb", buffering=0) as log:
        async with SQLiteStore(folder / "alone.db") as store:
            for number in range(SINGLES):
                entry = stentor.MailboxEntry("agent", _message(0, number))
                start = time.perf_counter()
                await store.append([entry])
                middle = time.perf_counter()
                log.write(PAGE)
                os.fdatasync(log.fileno())
                synced.append(time.perf_counter() - middle)
                times.append(middle - start)
    return statistics.median(times), statistics.median(synced)


async def _fill(path: Path, agents: int, messages: int) -> None:
    async with SQLiteStore(path, sync="normal", capacity=messages) as store:
        for first in range(0, messages, 10_000):
            last = min(messages, first + 10_000)
            await store.append(
                stentor.MailboxEntry(f"agent-{n % agents}", _message(n % 97, n)) for n in range(first, last)
            )


async def _read(folder: Path) -> float:
    """Messages a second, read and acknowledged in batches."""
    await _fill(folder / "read.db", 1, READ)
    await _fill(folder / "read-by-hand.db", 1, READ)
    keep = stentor.Retention(count=None)
    async with SQLiteStore(folder / "read.db", retention=keep) as store:
        start = time.perf_counter()
        while found := await store.read("agent-0", limit=BATCH):
            await store.acknowledge("agent-0", [stored.id for stored in found])
        return READ / (time.perf_counter() - start)


def _read_by_hand(folder: Path) -> float:
    """The same with the same statements on the same tables, and as many commits, without a store."""
    with closing(_by_hand(folder / "read-by-hand.db")) as connection:
        start = time.perf_counter()
        while True:
            connection.execute("BEGIN")
            rows = connection.execute(
                "SELECT * FROM entries WHERE agent = ? AND place = 0 ORDER BY id LIMIT ?", ("agent-0", BATCH)
            ).fetchall()
            if not rows:
                break
            payloads = [json.loads(row[-1]) for row in rows]
            connection.execute(
                "UPDATE entries SET place = 2, state = 1, handouts = handouts + 1 "
                "WHERE agent = ? AND place = 0 AND id <= ?",
                ("agent-0", rows[-1][0]),
            )
            connection.execute("COMMIT")
            connection.execute("BEGIN")
            ids = json.dumps([row[0] for row in rows])
            connection.execute(
                "UPDATE entries SET place = 3, state = 2, acknowledged_at = ? "
                "WHERE id IN (SELECT value FROM json_each(?))",
                (time.time(), ids),
            )
            connection.execute("COMMIT")
            assert len(payloads) == len(rows)
        return READ / (time.perf_counter() - start)


async def measure_million(folder: Path) -> None:
    """A store with a million messages: how long it takes to open, to count, to turn a page, and how big it is."""
    path = folder / "million.db"
    start = time.perf_counter()
    await _fill(path, 100, MILLION)
    _say(f"filled with {MILLION:,} messages of 100 agents in {time.perf_counter() - start:.0f} s")
    _say(f"file size: {path.stat().st_size / 2**20:,.0f} MB, {path.stat().st_size / MILLION:.0f} bytes a message")
    store = SQLiteStore(path, capacity=MILLION)
    start = time.perf_counter()
    async with store:
        _say(f"opened in {(time.perf_counter() - start) * 1e3:.1f} ms")
        agent = stentor.MailboxQuery(agent="agent-7")
        unread = stentor.MailboxQuery(agent="agent-7", states=["unread"])
        sender = stentor.MailboxQuery(senders=["publisher-13"])
        await _time("unread count of a mailbox", lambda: store.count(unread))
        await _time("summary of all mailboxes", store.mailboxes)
        await _time("first page of a mailbox", lambda: store.page(agent))
        await _time("page in the middle of a mailbox", lambda: store.page(agent, after=MILLION // 2))
        await _time("first page of everything", lambda: store.page(stentor.MailboxQuery()))
        await _time("page in the middle of everything", lambda: store.page(stentor.MailboxQuery(), after=MILLION // 2))
        await _time("page of one sender in 97", lambda: store.page(sender, after=MILLION // 2))
        await _time("count of one sender in 97", lambda: store.count(sender), times=3)
        await _time("read 100 and release them", lambda: _read_and_release(store))
        await _time("one append", lambda: store.append([stentor.MailboxEntry("agent-7", _message(0, 0))]))
        start = time.perf_counter()
    _say(f"closed in {(time.perf_counter() - start) * 1e3:.1f} ms")


async def _read_and_release(store: SQLiteStore) -> None:
    await store.read("agent-7")
    await store.release("agent-7")


async def _time(what: str, call: Callable[[], object], times: int = 21) -> None:
    taken: list[float] = []
    for _ in range(times):
        start = time.perf_counter()
        await call()  # type: ignore[misc]
        taken.append(time.perf_counter() - start)
    _say(f"{what}: first {taken[0] * 1e3:.2f} ms, median {statistics.median(taken) * 1e3:.2f} ms")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

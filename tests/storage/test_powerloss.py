"""When the power fails, a store at full sync loses nothing; at normal sync it loses the last, and is whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from stentor import MailboxEntry, Message, Retention
from stentor.storage._codec import encoder
from stentor.storage._connection import prepare
from stentor.storage._database import Database
from stentor.storage._mailboxes import Limits, Mailboxes
from stentor.storage._rows import Moment, encode_entry
from tests.storage.inspection import faults

apsw = pytest.importorskip("apsw", reason="apsw is not installed: pip install 'stentor[test]'")

from tests.storage.powerloss import Connection, Disk, RecordingVFS, as_sqlite  # noqa: E402 - needs apsw

if TYPE_CHECKING:
    from pathlib import Path

TRANSACTIONS = 150
LIMITS = Limits(capacity=10**6, quota=None, retention=Retention(count=200))
MOMENT = Moment(1.8e9, 0.0)
ENCODE = encoder("json")


def run_and_record(folder: Path, sync: Any, seed: int) -> Disk:
    """Append, read and acknowledge at random; mark what callers were told, and when."""
    random, disk, path = Random(seed), Disk(), folder / "mail.db"
    vfs = RecordingVFS(disk)

    def connect() -> sqlite3.Connection:
        connection = as_sqlite(Connection(path, "recording"))
        prepare(connection, path, sync)
        connection.execute("PRAGMA wal_autocheckpoint = 30")  # so that the log is folded in many times
        return connection

    database = Database(path, LIMITS, connect)
    database.open()
    for number in range(TRANSACTIONS):
        operations = [_some_append(random, number, n) for n in range(random.randrange(1, 6))]
        agent = random.choice("ab")
        operations.append(partial(Mailboxes.read, agent=agent, limit=5, failed=False, moment=MOMENT))
        outcomes = database.run(operations)
        assert [error for _, error in outcomes if error is not None] == []
        disk.mark(("accepted", [number for numbers, _ in outcomes[:-1] for number in numbers]))
        handed_out = [stored.id for stored in outcomes[-1][0]]
        database.run([partial(Mailboxes.acknowledge, agent=agent, ids=handed_out, now=MOMENT.wall)])
        disk.mark(("acknowledged", handed_out))
    database.close()
    vfs.unregister()
    return disk


def _some_append(random: Random, number: int, n: int) -> partial[Any]:
    agent, payload = random.choice("ab"), [number, n, "x" * random.choice([1, 100, 9000])]
    message = Message(agent, payload, id=f"{number}-{n}")
    rows = [encode_entry(MailboxEntry(agent, message), ENCODE, MOMENT)]
    return partial(Mailboxes.append, rows=rows, cursors={}, now=MOMENT.wall)


def damage(disk: Disk, point: int, folder: Path, random: Random) -> tuple[list[object], int]:
    """What is wrong with the files after a power loss at a point, and how much is lost that a caller was told of."""
    for name in ("", "-wal"):
        (folder / f"after.db{name}").unlink(missing_ok=True)
    for name, data in disk.crash(point, random).items():
        (folder / f"after.db{name}").write_bytes(data)
    told = [step.told for step in disk.steps[:point] if step.what == "mark"]
    accepted = {number for word, numbers in told if word == "accepted" for number in numbers}
    acknowledged = {number for word, numbers in told if word == "acknowledged" for number in numbers}
    with closing(sqlite3.connect(folder / "after.db")) as connection:
        connection.execute("PRAGMA synchronous = OFF")  # nobody needs what the disk would have of this copy
        if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            return [], len(accepted)
        found = faults(connection)
        rows = dict(connection.execute("SELECT id, state FROM entries"))
    waiting = accepted - acknowledged
    return found, len(waiting - rows.keys()) + sum(rows.get(number, 2) != 2 for number in acknowledged)


def lose_power(folder: Path, sync: str, times: int, seed: int) -> list[int]:
    """What each of so many power losses lost, in messages that a caller had been told of; none may damage the file."""
    disk = run_and_record(folder, sync, seed)
    random = Random(seed)
    first = next(index for index, step in enumerate(disk.steps) if step.what == "mark")
    losses: list[int] = []
    for _ in range(times):
        point = random.randrange(first, len(disk.steps) + 1)
        found, lost = damage(disk, point, folder, random)
        assert found == [], f"seed {seed}, point {point}"
        losses.append(lost)
    return losses


def test_at_full_sync_a_power_loss_loses_nothing(tmp_path: Path) -> None:
    assert not any(lose_power(tmp_path, "full", 100, seed=1))


def test_at_normal_sync_a_power_loss_loses_the_last_and_damages_nothing(tmp_path: Path) -> None:
    assert any(lose_power(tmp_path, "normal", 40, seed=1))


def test_without_sync_a_power_loss_damages_the_file(tmp_path: Path) -> None:
    """The simulated disk can do harm: else the tests above would show nothing."""
    disk = run_and_record(tmp_path, "off", 1)
    random = Random(1)
    assert any(_is_damaged(disk, random.randrange(50, len(disk.steps)), tmp_path, random) for _ in range(40))


def _is_damaged(disk: Disk, point: int, folder: Path, random: Random) -> bool:
    try:
        return bool(damage(disk, point, folder, random)[0])
    except sqlite3.DatabaseError:
        return True


@pytest.mark.long
@pytest.mark.parametrize("sync", ["full", "normal"])
@pytest.mark.parametrize("seed", range(10))
def test_300_power_losses(tmp_path: Path, seed: int, sync: str) -> None:
    losses = lose_power(tmp_path, sync, 300, seed=seed)
    lossy = sum(map(bool, losses))
    print(f"{sync}: {lossy} of {len(losses)} lost something, {max(losses)} messages at worst; no file is damaged")  # noqa: T201 - a record
    assert not lossy or sync == "normal"

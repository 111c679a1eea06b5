"""What a store says when its file fails it; nothing accepted is lost, and it goes on when it can."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
import trio

from stentor import MailboxEntry, MailboxQuery, Message, Retention, StoredMessage, StoreError, StoreFullError
from stentor.storage import (
    SQLiteStore,
    StoreCorruptError,
    StoreLockedError,
    StoreReadOnlyError,
    StoreVersionError,
)
from tests.storage.dying import said_to_the_end
from tests.storage.inspection import look
from tests.storage.killing import open_as_nobody

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real_clock

HOLDER = """
import sys, trio
from stentor.storage import SQLiteStore
async def main():
    async with SQLiteStore(sys.argv[1]):
        print("open", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
trio.run(main)
"""


def mail(*payloads: object) -> list[MailboxEntry]:
    return [MailboxEntry("a", Message("a", payload, id=f"m-{payload!r:.20}")) for payload in payloads]


async def everything(store: SQLiteStore) -> list[StoredMessage]:
    found: list[StoredMessage] = []
    cursor: int | None = 0
    while cursor is not None:
        page = await store.page(MailboxQuery(), after=cursor)
        found += page.messages
        cursor = page.cursor
    return found


async def opening_fails(path: Path) -> StoreError:
    """The error that opening meets, after which the store can be opened once its reason is gone."""
    store = SQLiteStore(path)
    with pytest.raises(StoreError) as caught:
        await store.__aenter__()
    assert repr(store) == f"<SQLiteStore {str(path)!r}, closed>"
    return caught.value


# -- another opener ----------------------------------------------------------------------------------------------------


async def test_a_second_process_is_refused_until_the_first_has_closed(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:  # noqa: ASYNC220
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        error = await opening_fails(path)
        holder.stdin.close()
        assert holder.wait() == 0
    assert type(error) is StoreLockedError
    assert str(error) == f"{str(path)!r} is in use by another process or another store"
    async with SQLiteStore(path) as store:
        await store.append(mail(1))


async def test_a_second_store_in_the_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    async with SQLiteStore(path) as store:
        await store.append(mail(1))
        assert type(await opening_fails(path)) is StoreLockedError
        assert len(await store.read("a")) == 1


async def test_nobody_else_can_read_while_the_store_is_open(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    async with SQLiteStore(path):
        with contextlib.closing(sqlite3.connect(path, timeout=0.0)) as other, pytest.raises(sqlite3.OperationalError):
            other.execute("SELECT * FROM entries")


# -- files that are no stores ------------------------------------------------------------------------------------------


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be looked at " * 50)
    before = path.read_bytes()
    error = await opening_fails(path)
    assert type(error) is StoreCorruptError
    assert str(error) == f"{str(path)!r} is not a mailbox store: file is not a database"
    assert path.read_bytes() == before


async def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE t (x)")
    before = path.read_bytes()
    error = await opening_fails(path)
    assert type(error) is StoreCorruptError
    assert str(error) == f"{str(path)!r} is not a mailbox store: it is a database of another program"
    assert path.read_bytes() == before


async def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    async with SQLiteStore(path) as store:
        await store.append(mail(1))
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    error = await opening_fails(path)
    assert type(error) is StoreVersionError
    assert str(error) == f"{str(path)!r} is of version 99, and this stentor knows versions up to 1"
    assert path.read_bytes() == before


async def test_a_folder_is_no_store(tmp_path: Path) -> None:
    error = await opening_fails(tmp_path)
    assert (type(error), str(error)) == (StoreError, f"{str(tmp_path)!r} is a folder")


async def test_a_file_in_no_folder_cannot_be(tmp_path: Path) -> None:
    error = await opening_fails(tmp_path / "none" / "mail.db")
    assert type(error) is StoreError
    assert str(error) == f"{str(tmp_path / 'none')!r} is not a folder, so 'mail.db' cannot be in it"


async def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    path.touch()
    async with SQLiteStore(path) as store:
        assert await store.append(mail(1)) == (1,)


# -- damage ------------------------------------------------------------------------------------------------------------


async def _fill(path: Path) -> None:
    async with SQLiteStore(path, sync="normal") as store:
        for first in range(0, 2000, 100):
            await store.append(mail(*(f"{number:04}" + 500 * "x" for number in range(first, first + 100))))


async def test_a_damaged_file_says_so_and_keeps_saying_so(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    await _fill(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) * 2 // 3] = Random(1).randbytes(len(content) * 2 // 3 - len(content) // 3)
    path.write_bytes(content)
    async with SQLiteStore(path) as store:
        for _ in range(2):
            with pytest.raises(StoreCorruptError) as caught:
                await everything(store)
            assert str(caught.value) == f"{str(path)!r} is damaged: database disk image is malformed"


async def test_a_file_that_was_cut_short_says_so(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    await _fill(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 8 * 4])
    with pytest.raises(StoreCorruptError):
        async with SQLiteStore(path) as store:
            await everything(store)


async def test_what_cannot_be_decoded_is_named_and_is_not_handed_out(tmp_path: Path) -> None:
    path = tmp_path / "mail.db"
    async with SQLiteStore(path) as store:
        await store.append(mail({"n": 1}, {"n": 2}))
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE entries SET payload = '{' WHERE id = 2")
    async with SQLiteStore(path) as store:
        with pytest.raises(StoreError) as caught:
            await store.read("a")
        assert str(caught.value).startswith("stored message 2: its payload is not in json: ")
        assert [stored.id for stored in await store.read("a", limit=1)] == [1]
        await store.purge(MailboxQuery(ids=[2]))
        assert await store.release("a") == 1
        assert [stored.id for stored in await store.read("a")] == [1]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("priority", 99, "KeyError(99)"),
        ("addressing", "'nowhere'", "KeyError('nowhere')"),
        ("headers", "'{'", "JSONDecodeError("),
        ("timestamp", "'now'", "TypeError("),
    ],
)
async def test_a_damaged_column_is_told_as_damage(tmp_path: Path, column: str, value: object, reason: str) -> None:
    """SQLite has no checksums: a flipped bit in a row goes unnoticed until something cannot be made of it."""
    path = tmp_path / "mail.db"
    async with SQLiteStore(path) as store:
        await store.append(mail(1, 2))
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        other.execute(f"UPDATE entries SET {column} = {value} WHERE id = 2")  # noqa: S608 - from the list above
    async with SQLiteStore(path) as store:
        for call in (lambda: store.read("a"), lambda: store.page(MailboxQuery())):
            with pytest.raises(StoreCorruptError) as caught:
                await call()
            assert str(caught.value).startswith(f"stored message 2 is damaged: {reason}")
        await store.purge(MailboxQuery(ids=[2]))
        assert [stored.id for stored in await store.read("a")] == [1]


# -- disks -------------------------------------------------------------------------------------------------------------


async def test_a_full_disk_refuses_and_loses_nothing(small_disk: Path) -> None:
    path, ballast = small_disk / "mail.db", small_disk / "ballast"
    ballast.write_bytes(bytes(400_000))
    accepted: list[int] = []
    async with SQLiteStore(path) as store:
        with pytest.raises(StoreFullError) as caught:
            for number in range(1000):
                accepted += await store.append(mail(f"{number:04}" + 5000 * "x"))
        assert str(caught.value) == f"nothing was accepted: the disk of {str(path)!r} is full"
        assert caught.value.agents == ()
        assert [stored.id for stored in await everything(store)] == accepted
        ballast.unlink()
        assert await store.acknowledge("a", accepted[:1]) == 1
        accepted += await store.append(mail("after"))
    assert look(path)[0] == []
    async with SQLiteStore(path) as store:
        assert [stored.id for stored in await everything(store)] == accepted
        assert [stored.id for stored in await store.read("a", limit=1000)] == accepted[1:]


async def test_a_full_disk_fails_only_those_calls_that_need_room(small_disk: Path) -> None:
    path = small_disk / "mail.db"
    async with SQLiteStore(path) as store:
        with pytest.raises(StoreFullError):
            while True:
                await store.append(mail(5000 * "x"))
        before = await store.count(MailboxQuery())
        with pytest.raises(StoreFullError):
            await store.append(mail(*[5000 * "x"] * 20))
        assert await store.count(MailboxQuery()) == before


async def test_a_disk_that_cannot_be_written_to_says_so(small_disk: Path) -> None:
    path = small_disk / "mail.db"
    async with SQLiteStore(path) as store:
        await store.append(mail(1))
    await trio.run_process(["mount", "-o", "remount,ro", str(small_disk)])
    error = await opening_fails(path)
    assert type(error) is StoreReadOnlyError
    assert str(error).startswith(f"{str(path)!r} cannot be written to: ")
    missing = await opening_fails(small_disk / "new.db")
    assert type(missing) is StoreReadOnlyError


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's own."""
    with TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.parametrize(
    ("of_folder", "of_file", "reason"),
    [
        (0o777, 0o444, "the file is not writable"),
        (0o777, 0o000, "the file is not writable"),
        (0o555, 0o666, "its folder is not writable"),
        (0o000, 0o666, "its folder is not writable"),
    ],
)
def test_a_file_that_may_not_be_written_to_says_so(
    shared_folder: Path, of_folder: int, of_file: int, reason: str
) -> None:
    """Root may write to any file, so another process tries it, as somebody else."""
    path = shared_folder / "mail.db"
    trio.run(_append_and_count, path)
    path.chmod(of_file)
    shared_folder.chmod(of_folder)
    said = said_to_the_end(open_as_nobody, str(path))
    path.chmod(0o600)
    shared_folder.chmod(0o700)
    assert said == [(StoreReadOnlyError.__name__, f"{str(path)!r} cannot be written to: {reason}")]
    assert trio.run(_append_and_count, path) == 2


async def _append_and_count(path: Path) -> int:
    async with SQLiteStore(path) as store:
        await store.append(mail(1))
        return await store.count(MailboxQuery())


async def test_a_quota_refuses_before_the_disk_does_and_lets_the_rest_go_on(tmp_path: Path) -> None:
    path, quota = tmp_path / "mail.db", 300_000
    accepted: list[int] = []
    async with SQLiteStore(path, quota=quota, retention=Retention(count=0)) as store:
        with pytest.raises(StoreFullError) as caught:
            while True:
                accepted += await store.append(mail(5000 * "x"))
        assert str(caught.value) == "nothing was accepted: the store would use more than its quota of 300000 bytes"
        assert len(accepted) > 20
        read = [stored.id for stored in await store.read("a", limit=1000)]
        assert read == accepted
        assert await store.acknowledge("a", read[:10]) == 10
        await store.append(mail(5000 * "x"))
    assert path.stat().st_size <= quota + 4096

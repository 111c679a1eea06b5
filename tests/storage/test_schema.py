"""Versions of the file: an older one is brought up to date, whole or not at all, with all that is in it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stentor import MailboxQuery
from stentor.storage import SQLiteStore
from stentor.storage._schema import APPLICATION, MIGRATIONS, VERSION, check_identity, migrate
from tests.storage.inspection import look

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = Path(__file__).parent / "files"
"""What each version wrote, as SQL: two mails of which one was handed out, a failed one, a dead letter, a cursor."""

NEXT = (
    *MIGRATIONS,
    ("ALTER TABLE entries ADD COLUMN colour TEXT", "UPDATE entries SET colour = 'red' WHERE kind = 0"),
)
BROKEN = (*MIGRATIONS, (*NEXT[-1], "UPDATE nothing SET x = 1"))


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(tmp_path / "mail.db", isolation_level=None)) as opened:
        yield opened


def version_of(connection: sqlite3.Connection) -> tuple[int, int]:
    """The application and the version that are written in a file."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application, version


def test_there_is_a_file_of_every_version() -> None:
    assert sorted(path.name for path in FILES.glob("*.sql")) == [f"version-{n}.sql" for n in range(1, VERSION + 1)]


@pytest.mark.real_clock
@pytest.mark.parametrize("version", range(1, VERSION + 1))
async def test_a_file_of_any_version_opens_with_all_that_is_in_it(tmp_path: Path, version: int) -> None:
    path = tmp_path / "mail.db"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript((FILES / f"version-{version}.sql").read_text(encoding="utf-8"))
    async with SQLiteStore(path) as store:
        assert dict(await store.cursors()) == {"origin": "17"}
        found = await store.read("gpt4", failed=True)
        assert [(s.id, s.message.payload, s.redelivered, s.failure) for s in found] == [
            (1, {"query": "why?"}, True, None),
            (2, "text", False, None),
            (3, b"\x00\xff", False, "ValueError: no"),
        ]
        assert found[0].message.headers == {"k": "v"}
        page = await store.page(MailboxQuery(kinds=["dead_letter"]))
        assert [(s.id, s.agent, s.attempts, s.message.sender) for s in page.messages] == [(4, "claude", 3, "moderator")]
    assert look(path)[0] == []


def test_a_new_file_is_of_the_newest_version(connection: sqlite3.Connection, tmp_path: Path) -> None:
    check_identity(connection, tmp_path)
    migrate(connection)
    assert version_of(connection) == (APPLICATION, VERSION)
    before = connection.total_changes
    migrate(connection)
    assert connection.total_changes == before


def test_an_older_file_is_brought_up_to_date(connection: sqlite3.Connection) -> None:
    migrate(connection)
    connection.executescript(_entries())
    migrate(connection, NEXT)
    assert version_of(connection) == (APPLICATION, VERSION + 1)
    assert connection.execute("SELECT id, colour FROM entries").fetchall() == [
        (1, "red"),
        (2, "red"),
        (3, None),
        (4, None),
    ]


def test_a_migration_that_fails_changes_nothing(connection: sqlite3.Connection) -> None:
    migrate(connection)
    connection.executescript(_entries())
    before = list(connection.iterdump())
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, BROKEN)
    connection.execute("ROLLBACK")
    assert list(connection.iterdump()) == before
    assert version_of(connection) == (APPLICATION, VERSION)


def test_a_migration_that_is_killed_changes_nothing(connection: sqlite3.Connection, tmp_path: Path) -> None:
    """To SQLite a connection that is closed in a transaction is one whose process was killed."""
    migrate(connection)
    before = list(connection.iterdump())
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, BROKEN)
    connection.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "mail.db")) as after:
        assert list(after.iterdump()) == before


def _entries() -> str:
    lines = (FILES / "version-1.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line.startswith('INSERT INTO "entries"'))

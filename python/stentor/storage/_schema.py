"""The tables of the file, its version, and how a file of an older version becomes one of this version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stentor.storage._errors import StoreCorruptError, StoreVersionError

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

APPLICATION: Final = 0x53544E54
"""`STNT`: what makes a SQLite file a mailbox store (`PRAGMA application_id`)."""

# Where an entry is, in `place`: 0 unread mail, 1 unread and failed, 2 handed out, 3 waiting for nobody. Unread entries
# have their kind as their place, so releasing is `place = kind`. `kind` and `state` count the members of `EntryKind`
# and `ReadState` from 0. `sums` is `entries` counted by agent, kind and state, so that nothing need be counted.
_FIRST: Final = (
    """
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        agent TEXT NOT NULL,
        place INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        state INTEGER NOT NULL,
        stored_at REAL NOT NULL,
        acknowledged_at REAL,
        expires_at REAL,
        handouts INTEGER NOT NULL,
        failure TEXT,
        attempts INTEGER NOT NULL,
        size INTEGER NOT NULL,
        message_id TEXT NOT NULL,
        topic TEXT NOT NULL,
        sender TEXT,
        priority INTEGER NOT NULL,
        timestamp REAL NOT NULL,
        ttl REAL,
        deadline REAL,
        content_type TEXT,
        headers TEXT,
        in_reply_to TEXT,
        cause TEXT,
        addressing TEXT NOT NULL,
        form TEXT NOT NULL,
        payload NOT NULL
    )
    """,
    "CREATE INDEX entries_by_place ON entries (agent, place, id)",
    "CREATE INDEX entries_by_expiry ON entries (expires_at) WHERE place < 2 AND expires_at IS NOT NULL",
    """
    CREATE TABLE sums (
        agent TEXT NOT NULL,
        kind INTEGER NOT NULL,
        state INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        PRIMARY KEY (agent, kind, state)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE cursors (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_FIRST,)
"""The statements that make version n + 1 out of version n; version 0 is an empty file."""

VERSION: Final = len(MIGRATIONS)
"""The version that this code reads and writes (`PRAGMA user_version`)."""


def check_identity(connection: sqlite3.Connection, path: Path, newest: int = VERSION) -> None:
    """Refuse a file that this code must not write to; it reads only.

    Raises:
        StoreCorruptError: The file is of another program.
        StoreVersionError: The file is of a newer version.
    """
    application = _number(connection, "PRAGMA application_id")
    if application != APPLICATION and (application or _number(connection, "SELECT count(*) FROM sqlite_schema")):
        msg = f"{str(path)!r} is not a mailbox store: it is a database of another program"
        raise StoreCorruptError(msg)
    version = _number(connection, "PRAGMA user_version")
    if version > newest:
        msg = f"{str(path)!r} is of version {version}, and this stentor knows versions up to {newest}"
        raise StoreVersionError(msg)


def migrate(connection: sqlite3.Connection, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS) -> None:
    """Make the tables, or make those of an older version into this one's, in one transaction."""
    version = _number(connection, "PRAGMA user_version")
    if version == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    for statements in migrations[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {len(migrations)}")
    connection.execute("COMMIT")


def _number(connection: sqlite3.Connection, statement: str) -> int:
    (number,) = connection.execute(statement).fetchone()
    return int(number)

"""Opening the file: one connection that nobody shares, told how to write."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from stentor import StoreError
from stentor.storage._schema import check_identity, migrate

if TYPE_CHECKING:
    from pathlib import Path

Sync: TypeAlias = Literal["full", "normal"]
SYNCS: Final = ("full", "normal")

LOG_LIMIT: Final = 64 * 2**20
"""Bytes to which the write-ahead log is cut back after a transaction has made it longer."""


def connect(path: Path, sync: Sync) -> sqlite3.Connection:
    """Open the file, make it if there is none, and bring its tables up to date.

    Raises:
        sqlite3.Error: SQLite cannot.
        StoreCorruptError: The file is of another program.
        StoreVersionError: The file is of a newer version.
    """
    connection = sqlite3.connect(path, timeout=0.0, isolation_level=None, check_same_thread=False)
    try:
        prepare(connection, path, sync)
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection, path: Path, sync: Sync) -> None:
    """Tell a fresh connection how to lock and to write, and bring the tables up to date.

    Locking is exclusive, set before anything else: a second opener is refused at once, and the log needs no memory that
    processes share. With `sync` full a commit waits until the disk has it, with normal until the operating system has.
    """
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    check_identity(connection, path)
    # A new file is turned to write-ahead logging by an ordinary transaction with a rollback journal. EXTRA syncs the
    # folder when that journal is deleted: else a power loss could bring it back, and it would undo the whole file.
    connection.execute("PRAGMA synchronous = EXTRA")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        msg = f"{str(path)!r} cannot have a write-ahead log: its journal mode stays {mode!r}"
        raise StoreError(msg)
    connection.execute(f"PRAGMA synchronous = {sync.upper()}")
    if sync == "full":
        # On macOS a plain fsync leaves data in the cache of the drive; elsewhere these two do nothing.
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT}")
    connection.execute("PRAGMA temp_store = MEMORY")
    migrate(connection)

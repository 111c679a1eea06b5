"""What can go wrong with a file, told by SQLite in numbers and here in words."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Final, final

from stentor import StoreError, StoreFullError

if TYPE_CHECKING:
    from pathlib import Path


@final
class StoreLockedError(StoreError):
    """Another process, or another store in this one, has the file open."""


@final
class StoreReadOnlyError(StoreError):
    """The file, or the folder it is in, cannot be written to."""


@final
class StoreCorruptError(StoreError):
    """The file is damaged, or is no mailbox store at all."""


@final
class StoreVersionError(StoreError):
    """The file was written by a newer version of stentor than this one."""


_PRIMARY: Final = 0xFF
"""The bits of SQLite's extended result codes that hold the primary one."""

_MEANINGS: Final[dict[int, tuple[type[StoreError], str]]] = {
    sqlite3.SQLITE_FULL: (StoreFullError, "the disk of {path!r} is full"),
    sqlite3.SQLITE_BUSY: (StoreLockedError, "{path!r} is in use by another process or another store"),
    sqlite3.SQLITE_LOCKED: (StoreLockedError, "{path!r} is in use by another process or another store"),
    sqlite3.SQLITE_READONLY: (StoreReadOnlyError, "{path!r} cannot be written to: {error}"),
    sqlite3.SQLITE_PERM: (StoreReadOnlyError, "{path!r} cannot be written to: {error}"),
    sqlite3.SQLITE_NOTADB: (StoreCorruptError, "{path!r} is not a mailbox store: {error}"),
    sqlite3.SQLITE_CORRUPT: (StoreCorruptError, "{path!r} is damaged: {error}"),
}


def translate(error: sqlite3.Error, path: Path) -> StoreError:
    """Return the error that tells what `error`, met while working on `path`, means."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}:
        return _not_reached(error, path)
    make, text = _MEANINGS.get(code, (StoreError, "{path!r}: {error}"))
    return make(text.format(path=str(path), error=error))


def _not_reached(error: sqlite3.Error, path: Path) -> StoreError:
    """Return what is wrong where SQLite says no more than that the file cannot be opened, locked, read or written."""
    if path.is_dir():
        return StoreError(f"{str(path)!r} is a folder")
    if not path.parent.is_dir():
        return StoreError(f"{str(path.parent)!r} is not a folder, so {path.name!r} cannot be in it")
    if not all(os.access(each, os.W_OK) for each in (path.parent, path) if each.exists()):
        return StoreReadOnlyError(f"{str(path)!r} cannot be written to: {error}")
    return StoreError(f"{str(path)!r}: {error}")

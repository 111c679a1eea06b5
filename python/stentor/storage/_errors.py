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

_READ_ONLY: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM})
_OUT_OF_REACH: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR})
_MEANINGS: Final[dict[int, tuple[type[StoreError], str]]] = {
    sqlite3.SQLITE_FULL: (StoreFullError, "the disk of {path!r} is full"),
    sqlite3.SQLITE_BUSY: (StoreLockedError, "{path!r} is in use by another process or another store"),
    sqlite3.SQLITE_LOCKED: (StoreLockedError, "{path!r} is in use by another process or another store"),
    sqlite3.SQLITE_NOTADB: (StoreCorruptError, "{path!r} is not a mailbox store: {error}"),
    sqlite3.SQLITE_CORRUPT: (StoreCorruptError, "{path!r} is damaged: {error}"),
}


def translate(error: sqlite3.Error, path: Path) -> StoreError:
    """Return the error that tells what `error`, met while working on `path`, means."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
    if code in _READ_ONLY:
        return _read_only(path, error)
    if code in _OUT_OF_REACH:
        return _not_reached(error, path)
    make, text = _MEANINGS.get(code, (StoreError, "{path!r}: {error}"))
    return make(text.format(path=str(path), error=error))


def _not_reached(error: sqlite3.Error, path: Path) -> StoreError:
    """Return what is wrong where SQLite says no more than that the file cannot be opened, locked, read or written."""
    if _is_folder(path):
        return StoreError(f"{str(path)!r} is a folder")
    if not _is_folder(path.parent):
        return StoreError(f"{str(path.parent)!r} is not a folder, so {path.name!r} cannot be in it")
    if _not_writable(path) is not None:
        return _read_only(path, error)
    return StoreError(f"{str(path)!r}: {error}")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # it is in a folder that may not be looked into, or its name is too long
        return False


def _read_only(path: Path, error: sqlite3.Error) -> StoreReadOnlyError:
    return StoreReadOnlyError(f"{str(path)!r} cannot be written to: {_not_writable(path) or error}")


def _not_writable(path: Path) -> str | None:
    """Return which of the two is not writable: a log is made beside the file, so its folder must be too."""
    if os.access(path, os.F_OK) and not os.access(path, os.W_OK):
        return "the file is not writable"
    return None if os.access(path.parent, os.W_OK) else "its folder is not writable"

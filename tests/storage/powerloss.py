"""A disk that can lose its power: a crash keeps what was synced, and of the rest whatever chance says.

SQLite writes through a VFS of our own, for which the binding apsw is needed. A crash is simulated afterwards, at any
point of the record: what was written before the last sync of a file is there; a write after it is there, or not, or is
torn at sectors of 512 bytes, each for itself. So the disk may reorder and tear as a real one does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, cast

import apsw

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path
    from random import Random

SECTOR = 512


@dataclass(frozen=True)
class Step:
    """One thing that happened to a file: `write`, `truncate`, `sync` or `delete`; or, without one, a `mark`."""

    what: str
    file: str = ""
    offset: int = 0
    data: bytes = b""
    synced: bool = False
    """Whether the folder was synced after a deletion."""
    told: Any = None


@dataclass
class Disk:
    """The record of one run."""

    steps: list[Step] = field(default_factory=list)

    def mark(self, told: Any) -> None:
        """Remember what a caller was told at this point."""
        self.steps.append(Step("mark", told=told))

    def crash(self, point: int, random: Random) -> dict[str, bytes]:
        """What is on the disk after a power loss at a point of the record."""
        files: dict[str, bytearray] = {}
        pending: dict[str, list[Step]] = {}
        for step in self.steps[:point]:
            if step.what == "sync":
                for each in pending.pop(step.file, []):
                    _apply(files, each)
            elif step.what == "delete" and step.synced:
                pending.pop(step.file, None)
                files.pop(step.file, None)
            elif step.what != "mark":
                pending.setdefault(step.file, []).append(step)
        for steps in pending.values():
            fate = random.choice(["lost", "kept", "mixed"])
            for step in steps if fate != "lost" else []:
                for part in [step] if fate == "kept" else _survivors(step, random):
                    _apply(files, part)
        return {name: bytes(data) for name, data in files.items()}


def _survivors(step: Step, random: Random) -> Iterable[Step]:
    """What of an unsynced step reaches the disk: nothing, all of it, or some of its sectors."""
    fate = random.choice(["lost", "kept", "torn"])
    if fate == "kept" or (fate == "torn" and step.what != "write"):
        yield step
    elif fate == "torn":
        for start in range(0, len(step.data), SECTOR):
            if random.random() < 0.5:
                yield Step("write", step.file, step.offset + start, step.data[start : start + SECTOR])


def _apply(files: dict[str, bytearray], step: Step) -> None:
    if step.what == "delete":
        files.pop(step.file, None)
        return
    data = files.setdefault(step.file, bytearray())
    if step.what == "truncate":
        data[:] = data[: step.offset].ljust(step.offset, b"\0")
        return
    end = step.offset + len(step.data)
    data.extend(bytes(max(0, end - len(data))))
    data[step.offset : end] = step.data


class RecordingVFS(apsw.VFS):
    """The ordinary VFS, which keeps a record."""

    def __init__(self, disk: Disk) -> None:
        super().__init__("recording", "")
        self.disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> RecordingFile:  # noqa: N802 - SQLite's name
        """Open a file."""
        return RecordingFile(self.disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - SQLite's name and arguments
        """Delete a file."""
        super().xDelete(filename, syncdir)
        self.disk.steps.append(Step("delete", _suffix(filename), synced=bool(syncdir)))


class RecordingFile(apsw.VFSFile):
    """One file of it."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self.disk = disk
        self.name = _suffix(name.filename() if hasattr(name, "filename") else str(name))

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        """Write, not yet for good."""
        super().xWrite(data, offset)
        self.disk.steps.append(Step("write", self.name, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        """Cut the file, not yet for good."""
        super().xTruncate(newsize)
        self.disk.steps.append(Step("truncate", self.name, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        """Make what was done so far lasting."""
        super().xSync(flags)
        self.disk.steps.append(Step("sync", self.name))


def _suffix(name: str) -> str:
    """Which of the store's files: the database itself, or its log."""
    return name.rpartition(".db")[2]


class Connection:
    """As much of `sqlite3.Connection` as a store uses, over apsw."""

    def __init__(self, path: Path, vfs: str) -> None:
        self._connection = apsw.Connection(str(path), vfs=vfs)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._connection.in_transaction

    def execute(self, statement: str, values: Any = ()) -> Cursor:
        """Run one statement."""
        return Cursor(self._connection.execute(statement, values))

    def executemany(self, statement: str, rows: Any) -> None:
        """Run one statement for each row."""
        self._connection.executemany(statement, rows)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class Cursor:
    """As much of `sqlite3.Cursor` as a store uses, over apsw."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._cursor)

    def fetchone(self) -> Any:
        """Return the next row, or None."""
        return next(self._cursor, None)

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        return list(self._cursor)

    def close(self) -> None:
        """Run it no further."""
        self._cursor.close()


def as_sqlite(connection: Connection) -> sqlite3.Connection:
    """The connection as the type that a store is written for."""
    return cast("sqlite3.Connection", connection)

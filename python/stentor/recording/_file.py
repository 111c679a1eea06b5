"""The file: a first line that says what it is, and blocks of entries, only ever appended.

A block is a head of sixteen bytes (how many entries, how many bytes follow, how many bytes those are unpacked, and a
checksum of all that and of what follows) and the entries, compressed by zlib. A file that was cut is read to the last
entry that is there whole, within a block too: a compressed text can be unpacked from its beginning as far as it goes.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, final

import msgspec

from stentor.recording._skipping import whole_items

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stentor.recording._entries import RawEntry

VERSION: Final = 1
NAME: Final = b"stentor recording "
FIRST_LINE: Final = NAME + b"%d\n" % VERSION
SUFFIX: Final = ".stentor"

_HEAD: Final = struct.Struct("<IIII")
_SUMMED: Final = struct.Struct("<III")
_decode: Final = msgspec.msgpack.Decoder(list[tuple[Any, ...]]).decode


class RecordingError(Exception):
    """A file is no recording, or one of a version that this stentor does not read.

    Example:
        >>> import pathlib, stentor.recording, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "notes.txt")
        ...     _ = path.write_text("buy milk")
        ...     try:
        ...         stentor.recording.read(path)
        ...     except stentor.recording.RecordingError as error:
        ...         print(str(error).replace(str(path), "notes.txt"))
        notes.txt is not a recording: it does not begin with 'stentor recording'
    """


class RecordingWarning(UserWarning):
    """A recording was not ended, is cut, or is damaged from some byte on; what is before that is read.

    Example:
        >>> import warnings
        >>> from stentor.recording import RecordingWarning
        >>> warnings.simplefilter("error", RecordingWarning)  # for who wants whole recordings only
    """


def block(data: bytes, count: int) -> bytes:
    """Return so many encoded entries as they stand in the file."""
    packed = zlib.compress(data, 1)
    numbers = _SUMMED.pack(count, len(packed), len(data))
    return numbers + struct.pack("<I", zlib.crc32(packed, zlib.crc32(numbers))) + packed


@final
class Part(NamedTuple):
    """Entries that are read from a file in one go, and what is wrong with what comes after them."""

    entries: list[RawEntry]
    fault: str | None


def parts(file: BinaryIO) -> Iterator[Part]:
    """Read blocks until the end of the file, or until one is cut or damaged: its part is the last, and says so.

    Raises:
        RecordingError: The file is no recording, or of another version.
    """
    _check_first_line(file)
    while head := file.read(_HEAD.size):
        start = file.tell() - len(head)
        if len(head) < _HEAD.size:
            yield Part([], f"it is cut at byte {file.tell()}")
            return
        count, size, unpacked, checksum = _HEAD.unpack(head)
        packed = file.read(size)
        if len(packed) < size:
            yield Part(_rest(packed), f"it is cut at byte {file.tell()}")
            return
        if zlib.crc32(packed, zlib.crc32(head[: _SUMMED.size])) != checksum:
            yield Part([], f"it is damaged from byte {start} on")
            return
        data = zlib.decompress(packed, bufsize=unpacked)
        yield Part(_decode(_array_of(count) + data), None)


def _check_first_line(file: BinaryIO) -> None:
    line = file.read(len(FIRST_LINE))
    if line == FIRST_LINE or FIRST_LINE.startswith(line):
        return
    name = getattr(file, "name", "the file")
    if line.startswith(NAME):
        found = (line + file.readline(20))[len(NAME) :].split(b"\n", 1)[0].decode(errors="replace")
        msg = f"{name} is a recording of version {found}, and this stentor reads version {VERSION}"
    else:
        msg = f"{name} is not a recording: it does not begin with 'stentor recording'"
    raise RecordingError(msg)


def _rest(packed: bytes) -> list[RawEntry]:
    """Return the entries that are whole in the beginning of a block."""
    try:
        data = zlib.decompressobj().decompress(packed)
        count, size = whole_items(data)
        return _decode(_array_of(count) + data[:size])
    except (zlib.error, msgspec.MsgspecError):  # what stands there is no cut block: the file was damaged as well
        return []


def _array_of(count: int) -> bytes:
    return b"\xdd" + count.to_bytes(4, "big")


@final
class Writer:
    """Appends blocks to a new file."""

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        """Make the file.

        Raises:
            FileExistsError: There is one, and it shall not be overwritten.
        """
        self._file = path.open("wb" if overwrite else "xb", buffering=0)
        self._write(FIRST_LINE)

    def append(self, data: bytes, count: int) -> None:
        """Append a block; after that the operating system has it."""
        self._write(block(data, count))

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def close(self) -> None:
        """Append nothing any more."""
        self._file.close()

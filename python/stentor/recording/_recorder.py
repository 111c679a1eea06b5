"""The recorder: an observer that writes everything it is told to a file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import trio.lowlevel

import stentor
from stentor.recording._entries import ENDED, ENDING, HEADER, encode
from stentor.recording._file import Writer
from stentor.recording._scribe import PAYLOAD_LIMIT, Scribe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from types import TracebackType
    from typing import Self

logger: Final = logging.getLogger("stentor")


def record(
    path: str | PathLike[str],
    *,
    about: Mapping[str, str] | None = None,
    overwrite: bool = False,
    payload_limit: int = PAYLOAD_LIMIT,
) -> Recorder:
    """Begin a recording, and return the observer that writes it: give it to `open_bus(observers=[...])`.

    Args:
        path: The file to be written; by custom it ends in ".stentor".
        about: What a reader should know of the run, such as its seed; the names and texts are yours.
        overwrite: Whether a file that is there already is replaced.
        payload_limit: Bytes of an encoded payload, beyond which only the beginning of its repr is recorded.

    Raises:
        FileExistsError: There is such a file, and `overwrite` is not set.
        OSError: The file cannot be written.
        TypeError: `about` does not map str to str.
        ValueError: `payload_limit` is negative.

    Example:
        >>> import pathlib, stentor, tempfile, trio
        >>> from stentor.recording import read, record
        >>> from trio.testing import MockClock
        >>> async def handler(message):
        ...     await trio.sleep(1)
        >>> async def main(path):
        ...     with record(path, about={"why": "an example"}) as recorder:
        ...         async with stentor.open_bus(observers=[recorder]) as bus:
        ...             bus.register("gpt4", handler).subscribe("ai.*")
        ...             await bus.publish("ai.models", {"query": "why?"}, sender="moderator")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "run.stentor")
        ...     trio.run(main, path, clock=MockClock(autojump_threshold=0))
        ...     for delivery in read(path).deliveries():
        ...         print(delivery.agent, delivery.message.payload, delivery.outcome.name, delivery.latency)
        gpt4 {'query': 'why?'} HANDLED 1.0
    """
    told = dict(about or {})
    if not all(isinstance(part, str) for item in told.items() for part in item):
        msg = f"about must map str to str, not {told!r}"
        raise TypeError(msg)
    if payload_limit < 0:
        msg = f"payload_limit must be >= 0 bytes, not {payload_limit}"
        raise ValueError(msg)
    return Recorder(Writer(Path(path), overwrite=overwrite), told, payload_limit)


@final
class Recorder(Scribe):
    """Writes what happens on a bus to a file, until it is closed; `record` makes one. It is for one trio run.

    Entries are gathered and written a thousand at a time. If the file cannot be written any more, the recording ends
    there, which is logged and raised by `close`; the bus goes on.

    Example:
        >>> from stentor.recording import record
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with record(pathlib.Path(folder, "run.stentor")) as recorder:
        ...         print(recorder.entries)
        0
    """

    def __init__(self, writer: Writer, about: dict[str, str], payload_limit: int) -> None:
        """Write to `writer`; users call `record`."""
        super().__init__(payload_limit)
        self._writer: Writer | None = writer
        self._failure: OSError | None = None
        self._write(encode((HEADER, {"stentor": stentor.__version__, "about": about})), 1)

    def flush(self) -> None:
        """Write what has been gathered: whatever becomes of this process, it is in the file."""
        self._turn_page()

    def close(self) -> None:
        """End the recording; what comes later is not recorded.

        Raises:
            OSError: The file could not be written to its end.
        """
        if self._writer is not None:
            self._turn_page()
            self._write(encode((ENDED, self.entries)), 1)
        self._end()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def __enter__(self) -> Self:
        """Return the recorder; the end of the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the recording."""
        self.close()

    def _end(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()

    @trio.lowlevel.enable_ki_protection
    def _write(self, data: bytes, count: int) -> None:
        if self._writer is None:
            return
        try:
            self._writer.append(data, count)
        except OSError as error:
            self._failure = error
            self._end()
            logger.exception("the recording ends here, for it cannot be written")

    def ending(self) -> None:
        """Write it down, for a replay."""
        if self._writer is not None:
            self._turn_page()
            self._write(encode((ENDING, self._now())), 1)

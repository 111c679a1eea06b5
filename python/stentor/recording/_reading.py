"""Reading a recording: entries, messages and deliveries, and the digest of it all."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from stentor import AddressingMode, Priority
from stentor.recording import _frames
from stentor.recording._entries import (
    ACCEPTED,
    CAUSAL,
    ENDED,
    ENDING,
    FAILED,
    HAPPENED,
    HEADER,
    MESSAGES,
    RECALLED,
    REPR,
    RETRYING,
    encode_entries,
)
from stentor.recording._file import RecordingWarning, parts
from stentor.recording._gathering import gathered
from stentor.recording._records import Entry, ErrorText, Inside, Kind, RecordedMessage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import PathLike

    import pandas as pd
    import polars as pl

    from stentor.recording._entries import RawEntry
    from stentor.recording._records import RecordedDelivery

_KINDS: Final = {kind.value: kind for kind in Kind}
_PRIORITIES: Final = {priority.value: priority for priority in Priority}
_ADDRESSINGS: Final = {mode.value: mode for mode in AddressingMode}


def read(path: str | PathLike[str]) -> Recording:
    """Open a recording to be read.

    A recording that was not ended, because its process was killed or still runs, or that is cut or damaged, is read as
    far as it goes, with a `RecordingWarning` when that is met.

    Args:
        path: The file.

    Raises:
        RecordingError: The file is no recording, or of a version that this stentor does not read.
        OSError: The file cannot be read.

    Example:
        >>> import pathlib, stentor.recording, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "run.stentor")
        ...     stentor.recording.record(path, about={"seed": "7"}).close()
        ...     stentor.recording.read(path).about
        {'seed': '7'}
    """
    return Recording(Path(path))


@final
class Recording:
    """A recording in a file, read anew each time that it is iterated; `read` opens one.

    Iterating gives every `Entry` in its order, and holds a thousand of them at once; `deliveries` and the frames hold
    all.

    Example:
        >>> import pathlib, stentor.recording, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "run.stentor")
        ...     stentor.recording.record(path).close()
        ...     list(stentor.recording.read(path))
        []
    """

    def __init__(self, path: Path) -> None:
        """Read the head of a recording; users call `read`."""
        self.path = path
        """The file."""
        self.about: Mapping[str, str] = {}
        """What whoever made it has told of the run."""
        self.version: str | None = None
        """The version of stentor that wrote it; None if the file is cut before that."""
        with path.open("rb") as file:
            for part in parts(file):
                if part.entries and part.entries[0][0] == HEADER:
                    self.about = part.entries[0][1]["about"]
                    self.version = part.entries[0][1]["stentor"]
                break

    def __iter__(self) -> Iterator[Entry]:
        """Read all entries, in their order."""
        return map(entry_of, self.raw_entries())

    def messages(self) -> Iterator[RecordedMessage]:
        """Read all messages that were accepted, in that order."""
        return (message_of(raw) for raw in self.raw_entries() if raw[0] == ACCEPTED)

    def deliveries(self) -> Iterator[RecordedDelivery]:
        """Read all deliveries, in the order in which they came into mailboxes; O(deliveries) memory."""
        return gathered(self)

    def digest(self, start: str = "") -> str:
        """Return the digest of the run, the same that a `Digest` would have come to while it went on.

        Args:
            start: As for `Digest`.
        """
        found = hashlib.sha256(start.encode())
        page: list[RawEntry] = []
        for raw in self.raw_entries():
            page.append(_causal(raw))
            if len(page) == 1024:  # noqa: PLR2004 - as many at a time as are written
                found.update(encode_entries(page))
                page.clear()
        if page:
            found.update(encode_entries(page))
        return found.hexdigest()

    def to_pandas(self) -> pd.DataFrame:
        """Return all deliveries as a frame of pandas, which must be installed: one row each.

        The columns are message, topic, sender, agent, accepted, begun (the first call), ended, waited, latency,
        outcome, attempts, error (the last), cause, in_reply_to, inside (the agent in whose handler it was published),
        priority, addressing and payload (as JSON, or its repr). Times are seconds.
        """
        return _frames.to_pandas(self.deliveries())

    def to_polars(self) -> pl.DataFrame:
        """Return all deliveries as a frame of polars, which must be installed; columns as for `to_pandas`."""
        return _frames.to_polars(self.deliveries())

    def raw_entries(self, *, endings: bool = False) -> Iterator[RawEntry]:
        """Read all entries as the tuples that were written: see the page on recording for their fields.

        Args:
            endings: Whether those are among them that say when the end of a bus's block was reached.
        """
        wanted = HAPPENED | {ENDING} if endings else HAPPENED
        ended = False
        fault: str | None = None
        with self.path.open("rb") as file:
            for part in parts(file):
                fault = part.fault
                ended = ended or any(raw[0] == ENDED for raw in part.entries[-1:])
                yield from (raw for raw in part.entries if raw[0] in wanted)
        if fault is not None or not ended:
            why = fault or "it was not ended: its process was killed, or still writes it"
            warnings.warn(f"{self.path} is read as far as it goes: {why}", RecordingWarning, stacklevel=3)


def entry_of(raw: RawEntry) -> Entry:
    """Return the record of what was written."""
    kind = raw[0]
    if kind in MESSAGES:
        agent = raw[5][0] if kind == RECALLED else None
        return Entry(_KINDS[kind], raw[1], raw[2], agent, 0, None, message_of(raw))
    error = ErrorText(*raw[5]) if kind in {RETRYING, FAILED} else None
    return Entry(_KINDS[kind], raw[1], raw[3], raw[2], raw[4], error, None)


def message_of(raw: RawEntry) -> RecordedMessage:
    """Return the record of a message that was written."""
    inside: Any = raw[6]
    return RecordedMessage(
        id=raw[2],
        topic=raw[3],
        payload=raw[16],
        payload_is_repr=raw[15] == REPR,
        sender=raw[4],
        time=raw[1],
        recipients=tuple(raw[5]),
        inside=None if inside is None else Inside(*inside),
        in_reply_to=raw[7],
        cause=raw[8],
        priority=_PRIORITIES[raw[9]],
        addressing=_ADDRESSINGS[raw[10]],
        ttl=raw[11],
        deadline=raw[12],
        content_type=raw[13],
        headers=raw[14] or {},
    )


def _causal(raw: RawEntry) -> RawEntry:
    """Leave out what a digest leaves out."""
    kind = raw[0]
    if kind in MESSAGES:
        return raw[:CAUSAL]
    return (*raw[:5], raw[5][0]) if kind in {RETRYING, FAILED} else raw

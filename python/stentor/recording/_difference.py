"""Where two recordings part, in words.

Two entries are compared when they stand at the same place, or, where order does not count, when they tell of the same
step of the same delivery: then messages are told apart by what caused them, the third that was published inside the
first call of this agent's handler with that message, and so on back to what came from outside.
"""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, Protocol, final

import msgspec
from attrs import frozen

from stentor.recording._entries import ACCEPTED, FAILED, MESSAGES, RECALLED, RETRYING
from stentor.recording._reading import Recording, entry_of, read

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from stentor.recording._entries import RawEntry
    from stentor.recording._records import Entry

_MESSAGE_FIELDS: Final = (
    "kind",
    "time",
    "id",
    "topic",
    "sender",
    "recipients",
    "inside",
    "in_reply_to",
    "cause",
    "priority",
    "addressing",
    "ttl",
    "deadline",
    "content_type",
    "headers",
    "form of the payload",
    "payload",
)
_DELIVERY_FIELDS: Final = ("kind", "time", "agent", "message", "attempt", "error")
_TIMES: Final = (1, 12)
"""Where instants stand: when it happened, and a message's deadline."""


@final
@frozen(eq=False)
class Difference:
    """Where two recordings part; as a text, it tells that in words.

    Example:
        >>> from stentor.recording import Difference
        >>> print(Difference(12, None, None, ()))
        the recordings differ at entry 12
    """

    index: int
    """The place of the entry, counted from 0, in the recording that has it: the first, if both do."""
    first: Entry | None
    """What happened then in the first; None if nothing did."""
    second: Entry | None
    """What happened then in the second; None if nothing did."""
    fields: tuple[tuple[str, object, object], ...]
    """What differs, where both tell of the same kind: its name, what it is in the first and what in the second."""

    def __str__(self) -> str:
        """Tell it in words."""
        lines = [f"the recordings differ at entry {self.index}"]
        if self.first is not None or self.second is not None:
            lines.append(f"  first:  {self.first or 'nothing'}")
            lines.append(f"  second: {self.second or 'nothing'}")
        lines += [
            f"  {name}: {_short(one)} in the first, {_short(two)} in the second" for name, one, two in self.fields
        ]
        return "\n".join(lines)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."  # noqa: PLR2004 - two lines of a terminal


def diff(
    first: str | PathLike[str] | Recording,
    second: str | PathLike[str] | Recording,
    *,
    times: bool = True,
    order: bool = True,
) -> Difference | None:
    """Compare two recordings entry by entry, and return where they part; None if the same happened in both.

    Times are compared as seconds since the first entry, and messages not by their ids but by when they were accepted,
    so runs whose clocks or ids begin elsewhere can be the same.

    Args:
        first: A recording, or the file of one.
        second: The other.
        times: Whether times count; False for runs on a real clock.
        order: Whether it counts in which order independent things happened; with False, O(entries) memory.

    Raises:
        RecordingError: A file is no recording.
        OSError: A file cannot be read.

    Example:
        >>> import pathlib, stentor, tempfile, trio
        >>> from stentor.recording import diff, record
        >>> async def handler(message): ...
        >>> async def main(path, payload):
        ...     with record(path) as recorder:
        ...         async with stentor.open_bus(observers=[recorder]) as bus:
        ...             bus.register("gpt4", handler).subscribe("ai.*")
        ...             await bus.publish("ai.models", payload)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     paths = [pathlib.Path(folder, name) for name in ("a.stentor", "b.stentor")]
        ...     for path, payload in zip(paths, ("one", "two")):
        ...         trio.run(main, path, payload)
        ...     print(diff(*paths, times=False).fields)
        (('payload', 'one', 'two'),)
    """
    one, two = (each if isinstance(each, Recording) else read(each) for each in (first, second))
    compare = in_order if order else by_cause
    return compare(one.raw_entries(), two.raw_entries(), times=times)


def in_order(first: Iterable[RawEntry], second: Iterable[RawEntry], *, times: bool) -> Difference | None:
    """Return where two rows of entries part, or None."""
    ones, twos = (_Comparable(_Ordinals(), times=times) for _ in range(2))
    for index, (one, two) in enumerate(zip_longest(first, second)):
        if one is None or two is None:
            return _difference(index, one, two, ())
        if fields := _differing(ones.of(one), twos.of(two)):
            return _difference(index, one, two, fields)
    return None


def by_cause(first: Iterable[RawEntry], second: Iterable[RawEntry], *, times: bool) -> Difference | None:
    """Return the earliest difference between two sets of entries, in whatever order they stand, or None.

    Where several are equally early, one step that went another way says more than one that is missing.
    """
    table: dict[tuple[object, ...], int] = {}
    ones, twos = (_steps(entries, table, times=times) for entries in (first, second))
    found: list[tuple[tuple[float, bool, int], Difference]] = []
    for key, (index, time, one, raw) in ones.items():
        other = twos.pop(key, None)
        if other is None:
            found.append(((time, True, index), _difference(index, raw, None, ())))
        elif fields := _differing(one, other[2]):
            found.append(((min(time, other[1]), False, index), _difference(index, raw, other[3], fields)))
    found += (((time, True, index), _difference(index, None, raw, ())) for index, time, _, raw in twos.values())
    return min(found, key=_rank)[1] if found else None


def _rank(found: tuple[tuple[float, bool, int], Difference]) -> tuple[float, bool, int]:
    return found[0]


def _difference(
    index: int, one: RawEntry | None, two: RawEntry | None, fields: tuple[tuple[str, object, object], ...]
) -> Difference:
    same_kind = one is not None and two is not None and one[0] == two[0]
    first, second = (None if raw is None else entry_of(raw) for raw in (one, two))
    return Difference(index, first, second, fields if same_kind else ())


def _differing(one: RawEntry, two: RawEntry) -> tuple[tuple[str, object, object], ...]:
    if one == two:
        return ()
    names = _MESSAGE_FIELDS if one[0] in MESSAGES else _DELIVERY_FIELDS
    pairs = zip(names, one, two, strict=False)
    return tuple((name, a, b) for name, a, b in pairs if a != b and not _same(a, b))


def _same(one: object, two: object) -> bool:
    """Say whether two values look the same when written: NaN does, and is not equal to itself."""
    return msgspec.msgpack.encode(one) == msgspec.msgpack.encode(two)


def _steps(
    entries: Iterable[RawEntry], table: dict[tuple[object, ...], int], *, times: bool
) -> dict[tuple[object, ...], tuple[int, float, RawEntry, RawEntry]]:
    """Return all entries, each with its place and time and comparable, under the step that it tells of."""
    causes = _Causes(table)
    comparable = _Comparable(causes, times=times)
    steps: dict[tuple[object, ...], tuple[int, float, RawEntry, RawEntry]] = {}
    counts: Counter[tuple[object, ...]] = Counter()
    for index, raw in enumerate(entries):
        causes.see(raw)
        step: tuple[object, ...] = (causes.name(raw[2]),) if raw[0] == ACCEPTED else _delivery(raw, causes)
        steps[*step, counts[step]] = (index, comparable.since_start(raw[1]), comparable.of(raw), raw)
        counts[step] += 1
    return steps


def _delivery(raw: RawEntry, causes: _Causes) -> tuple[object, ...]:
    return (raw[5][0], causes.name(raw[2])) if raw[0] == RECALLED else (raw[2], causes.name(raw[3]))


class _Names(Protocol):
    """Names messages so that those of two recordings can be compared."""

    def name(self, message_id: str) -> object:
        """Return what stands for the id of a message."""
        ...


@final
class _Ordinals:
    """Names messages by the order in which they come up."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def name(self, message_id: str) -> object:
        """Return the number of a message."""
        return self._numbers.setdefault(message_id, len(self._numbers))


@final
class _Causes:
    """Names messages by what caused them, in numbers that all recordings with the same table share."""

    def __init__(self, table: dict[tuple[object, ...], int]) -> None:
        self._table = table
        self._names: dict[str, int] = {}
        self._published: Counter[tuple[object, ...]] = Counter()

    def see(self, raw: RawEntry) -> None:
        """Name the message that an entry tells of, if it is new."""
        if raw[0] == ACCEPTED or (raw[0] == RECALLED and raw[2] not in self._names):
            inside = raw[6]
            cause = (raw[0],) if inside is None else (inside[0], self.name(inside[1]), inside[2])
            key = (*cause, self._published[cause])
            self._published[cause] += 1
            self._names[raw[2]] = self._table.setdefault(key, len(self._table))

    def name(self, message_id: str) -> object:
        """Return the number of a message; an id that is none of a recorded message stands for itself."""
        return self._names.get(message_id, message_id)


@final
class _Comparable:
    """Makes entries of one recording comparable with those of another."""

    def __init__(self, names: _Names, *, times: bool) -> None:
        self._names = names
        self._times = times
        self._start: float | None = None

    def since_start(self, time: float) -> float:
        """Return an instant in seconds since the first one."""
        if self._start is None:
            self._start = time
        return round(time - self._start, 9)

    def of(self, raw: RawEntry) -> RawEntry:
        """Return an entry with names for ids, and with times since the beginning, or none."""
        fields: list[Any] = list(raw)
        is_message = raw[0] in MESSAGES
        for place in _TIMES if is_message else _TIMES[:1]:
            if fields[place] is not None:
                fields[place] = self.since_start(fields[place]) if self._times else None
        name = self._names.name
        if not is_message:
            fields[3] = name(raw[3])
            if raw[0] in {RETRYING, FAILED}:
                fields[5] = ": ".join(raw[5])
            return tuple(fields)
        fields[2] = name(raw[2])
        fields[6] = None if raw[6] is None else (raw[6][0], name(raw[6][1]), raw[6][2])
        fields[7] = None if raw[7] is None else name(raw[7])
        fields[8] = None if raw[8] is None else name(raw[8])
        if raw[7] is not None:
            fields[3] = raw[3].replace(raw[7], str(fields[7]))  # the topic of a reply
        return tuple(fields)

"""Where a text offends against its dialect, and how: the leftmost offence."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, NamedTuple

from tests.oracles.redis import redis_stars
from tests.oracles.rules import Rules, rules_of, segments_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REDIS_MAX_BYTES = 65535
REDIS_MAX_STARS = 64


class Reason(enum.Enum):
    """Why a text is refused."""

    SURROGATE = enum.auto()
    LIMIT = enum.auto()
    EMPTY = enum.auto()
    FORBIDDEN = enum.auto()
    WILDCARD_IN_TOPIC = enum.auto()
    MIXED = enum.auto()
    NOT_LAST = enum.auto()
    STRAY = enum.auto()
    UNCLOSED = enum.auto()
    EMPTY_BRACKETS = enum.auto()
    BRACKET_INSIDE = enum.auto()
    CARET = enum.auto()
    LOOSE_HYPHEN = enum.auto()
    REVERSED = enum.auto()


NO_MEMBERS = {"[": Reason.BRACKET_INSIDE, "-": Reason.LOOSE_HYPHEN}


class Flaw(NamedTuple):
    """Where a text offends, in code points, and how."""

    offset: int
    reason: Reason


def topic_flaw(text: str, dialect: str | Rules) -> Flaw | None:
    """Return the leftmost offence of a topic, None for a valid one."""
    if dialect == "redis":
        return _size_flaw(text, REDIS_MAX_BYTES)
    rules = rules_of(dialect)
    return _size_flaw(text, rules.max_bytes) or min(_topic_flaws(text, rules), default=None, key=_offset)


def pattern_flaw(text: str, dialect: str | Rules) -> Flaw | None:
    """Return the leftmost offence of a pattern, None for a valid one."""
    if dialect == "redis":
        return _size_flaw(text, REDIS_MAX_BYTES) or _limit_flaw(redis_stars(text), REDIS_MAX_STARS)
    rules = rules_of(dialect)
    return _size_flaw(text, rules.max_bytes) or min(_pattern_flaws(text, rules), default=None, key=_offset)


def _offset(flaw: Flaw) -> int:
    return flaw.offset


def _size_flaw(text: str, max_bytes: int) -> Flaw | None:
    surrogate = re.search("[\ud800-\udfff]", text)
    if surrogate:
        return Flaw(surrogate.start(), Reason.SURROGATE)
    if len(text.encode()) <= max_bytes:
        return None
    return Flaw(len(text.encode()[:max_bytes].decode(errors="ignore")), Reason.LIMIT)


def _limit_flaw(offsets: Iterable[int], most: int) -> Flaw | None:
    beyond = list(offsets)[most:]
    return Flaw(beyond[0], Reason.LIMIT) if beyond else None


def _common_flaws(text: str, rules: Rules) -> Iterator[Flaw]:
    segments = segments_of(text, rules)
    if not text and not rules.empty_topic:
        yield Flaw(0, Reason.EMPTY)
    if not rules.empty_segments:
        yield from (Flaw(start, Reason.EMPTY) for start, segment in segments if not segment)
    yield from (Flaw(offset, Reason.FORBIDDEN) for offset, char in enumerate(text) if char in rules.forbidden)
    yield from filter(None, [_limit_flaw([start for start, _ in segments], rules.max_segments)])


def _topic_flaws(text: str, rules: Rules) -> Iterator[Flaw]:
    yield from _common_flaws(text, rules)
    if rules.wildcard_text == "nowhere":
        wild = _offsets(text, [rules.single, rules.multi, *("?[]" if rules.globs else "")])
    elif rules.wildcard_text == "inside":
        wild = [start for start, segment in segments_of(text, rules) if segment in {rules.single, rules.multi}]
    else:
        return
    yield from (Flaw(offset, Reason.WILDCARD_IN_TOPIC) for offset in wild)


def _offsets(text: str, words: Iterable[str]) -> list[int]:
    """Return where any of the words stands."""
    return [offset for offset in range(len(text)) if text.startswith(tuple(words), offset)]


def _pattern_flaws(text: str, rules: Rules) -> Iterator[Flaw]:
    yield from _common_flaws(text, rules)
    segments = segments_of(text, rules)
    multis = [start for start, segment in segments if segment == rules.multi]
    if not rules.multi_anywhere:
        yield from (Flaw(start, Reason.NOT_LAST) for start in multis if start != segments[-1][0])
    yield from filter(None, [_limit_flaw(multis, rules.max_multi)])
    for start, segment in segments:
        if segment in {rules.single, rules.multi}:
            continue
        flaw = _glob_flaw(segment) if rules.globs else _mixed_flaw(segment, rules)
        if flaw is not None:
            yield Flaw(start + flaw.offset, flaw.reason)


def _mixed_flaw(segment: str, rules: Rules) -> Flaw | None:
    """A wildcard that is plain text nowhere stands alone in its segment."""
    mixed = _offsets(segment, [rules.single, rules.multi]) if rules.wildcard_text == "nowhere" else []
    return Flaw(mixed[0], Reason.MIXED) if mixed else None


def _glob_flaw(segment: str, offset: int = 0) -> Flaw | None:
    if offset == len(segment):
        return None
    if segment.startswith("**", offset):
        return Flaw(offset, Reason.MIXED)
    if segment[offset] == "]":
        return Flaw(offset, Reason.STRAY)
    if segment[offset] != "[":
        return _glob_flaw(segment, offset + 1)
    end = segment.find("]", offset)
    if end < 0:
        return Flaw(offset, Reason.UNCLOSED)
    flaw = _bracket_flaw(segment[offset + 1 : end])
    return Flaw(offset + 1 + flaw.offset, flaw.reason) if flaw else _glob_flaw(segment, end + 1)


def _bracket_flaw(body: str) -> Flaw | None:
    if body.startswith("^"):
        return Flaw(0, Reason.CARET)
    first = 1 if body.startswith("!") else 0
    if body[first:] == "":
        return Flaw(-1, Reason.EMPTY_BRACKETS)
    return _members_flaw(body, first)


def _members_flaw(body: str, offset: int) -> Flaw | None:
    if offset == len(body):
        return None
    if body[offset] in NO_MEMBERS:
        return Flaw(offset, NO_MEMBERS[body[offset]])
    if body[offset + 1 : offset + 2] != "-":
        return _members_flaw(body, offset + 1)
    last = body[offset + 2 : offset + 3]
    if last == "":
        return Flaw(offset + 1, Reason.LOOSE_HYPHEN)
    if last in NO_MEMBERS:
        return Flaw(offset + 2, NO_MEMBERS[last])
    return Flaw(offset, Reason.REVERSED) if last < body[offset] else _members_flaw(body, offset + 3)

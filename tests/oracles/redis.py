"""Redis globs, byte by byte."""

from __future__ import annotations

import functools


def redis_matches(pattern: bytes, topic: bytes) -> bool:
    return _rest_matches(pattern, topic) if topic else not pattern


@functools.lru_cache(maxsize=50_000)
def _rest_matches(pattern: bytes, topic: bytes) -> bool:
    if not topic:
        return not pattern.strip(b"*")
    if not pattern:
        return False
    first, rest = pattern[:1], pattern[1:]
    if first == b"*":
        rest = rest.lstrip(b"*")  # several are as good as one
        return not rest or any(_rest_matches(rest, topic[after:]) for after in range(len(topic)))
    if first == b"[":
        members, rest = redis_class(rest)
        return topic[0] in members and _rest_matches(rest, topic[1:])
    if first == b"\\" and rest:
        first, rest = rest[:1], rest[1:]
    elif first == b"?":
        first = topic[:1]
    return first == topic[:1] and _rest_matches(rest, topic[1:])


def redis_class(text: bytes) -> tuple[frozenset[int], bytes]:
    """Return the bytes of a class and what follows it; an unclosed class ends with the pattern."""
    negated = text.startswith(b"^")
    members: set[int] = set()
    text = text[1:] if negated else text
    while text and not text.startswith(b"]"):
        if text.startswith(b"\\") and len(text) > 1:
            members.add(text[1])
            text = text[2:]
        elif text[1:2] == b"-" and len(text) > 2:
            low, high = sorted([_signed(text[0]), _signed(text[2])])
            members.update(byte for byte in range(256) if low <= _signed(byte) <= high)
            text = text[3:]
        else:
            members.add(text[0])
            text = text[1:]
    return frozenset(range(256)) - members if negated else frozenset(members), text[1:]


def _signed(byte: int) -> int:
    """Redis compares the ends of a range as C characters, which are signed where its servers usually run."""
    return byte - 256 if byte > 127 else byte


def redis_stars(text: str) -> list[int]:
    """Return the offsets of the stars that are wildcards."""
    data = text.encode()
    stars: list[int] = []
    rest = data
    while rest:
        at = len(data) - len(rest)
        if rest.startswith(b"["):
            rest = redis_class(rest[1:])[1]
        elif rest.startswith(b"\\"):
            rest = rest[2:]
        else:
            stars += [len(data[:at].decode())] if rest.startswith(b"*") else []
            rest = rest[1:]
    return stars

"""Random channels and PSUBSCRIBE patterns, which have no segments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stentor.testing._vocabulary import (
    REDIS_CLASSES,
    REDIS_ESCAPES,
    REDIS_LETTERS,
    REDIS_MAX_BYTES,
    REDIS_MAX_STARS,
    REDIS_OPEN_CLASSES,
    SURROGATE,
)

if TYPE_CHECKING:
    from random import Random

_CLASS_SAMPLES = "abcd-]^é*["


def random_topic(rng: Random) -> str:
    """Return a channel, the empty one included."""
    return _random_letters(rng, 7)


def random_pattern(rng: Random) -> str:
    """Return a pattern of letters, escapes, classes, question marks and stars."""
    return random_pair(rng)[0]


def random_pair(rng: Random) -> tuple[str, str]:
    """Return a pattern and a channel: often a match or a near miss of one."""
    parts = [_random_part(rng) for _ in range(rng.choice((0, 1, 1, 2, 3, 4, 5, 5, 40)))]
    if rng.randrange(6) == 0:
        parts.append((rng.choice(REDIS_OPEN_CLASSES), rng.choice(_CLASS_SAMPLES)))
    pattern = "".join(text for text, _ in parts)
    kind = rng.randrange(10)
    if kind == 9:
        return pattern, random_topic(rng)
    topic = "".join(sample for _, sample in parts)
    if kind >= 7:
        place = rng.randrange(len(topic) + 1)
        topic = topic[:place] + rng.choice(REDIS_LETTERS) * rng.randrange(2) + topic[place + 1 :]
    return pattern, topic


def random_invalid_topic(rng: Random) -> str:
    """Return a channel with a lone surrogate or with too many bytes."""
    if rng.randrange(8) == 0:
        return "é" * (REDIS_MAX_BYTES // 2 + 1)
    return random_topic(rng) + SURROGATE + random_topic(rng)


def random_invalid_pattern(rng: Random) -> str:
    """Return a pattern with a lone surrogate, with too many bytes or with too many stars."""
    if rng.randrange(4) == 0:
        return "*a" * (REDIS_MAX_STARS + 1)
    return random_invalid_topic(rng)


def _random_part(rng: Random) -> tuple[str, str]:
    """Return a piece of a pattern and a text that it matches, or nearly."""
    kind = rng.randrange(9)
    if kind == 0:
        return "*", _random_letters(rng, 3)
    if kind == 1:
        return "?", rng.choice("abcd")
    if kind == 2:
        escape = rng.choice(REDIS_ESCAPES)
        return escape, escape[1:]
    if kind == 3:
        return rng.choice(REDIS_CLASSES), rng.choice(_CLASS_SAMPLES)
    letter = rng.choice(REDIS_LETTERS)
    return letter, letter


def _random_letters(rng: Random, most: int) -> str:
    return "".join(rng.choice(REDIS_LETTERS) for _ in range(rng.randrange(most + 1)))

"""Random topics and patterns from a seed, the stuff of tests and benchmarks; nothing beyond the standard library.

Each function takes a `random.Random` and a dialect, and gives the same texts for the same seed. The pairs hold many
matches, many near misses and every feature of a dialect. `stentor.testing.strategies` offers the same as Hypothesis
strategies.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from stentor.testing import _redis
from stentor.testing._globs import random_glob
from stentor.testing._vocabulary import SURROGATE, Vocabulary, vocabulary_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from stentor import Dialect, Grammar

_STYLES: dict[str, tuple[str, ...]] = {
    "exact": ("word",),
    "single": ("word", "single"),
    "multi": ("word", "single", "word", "multi"),
    "multis": ("word", "multi", "single", "multi"),
    "globs": ("word", "glob", "glob"),
    "mixed": ("word", "single", "multi", "glob"),
}
_KINDS = (*_STYLES, "globs", "multis", "everything")
_MOST_MULTIS = 4
_DEEP = 120


@dataclasses.dataclass(frozen=True)
class _Part:
    """One segment of a pattern, and how to make segments of a topic that it matches."""

    text: str
    sample: Callable[[Random], list[str]]


def random_topic(rng: Random, dialect: Dialect | str | Grammar = "mailbox") -> str:
    """Return a valid topic.

    Args:
        rng: The source of randomness; the same state gives the same topic.
        dialect: The grammar of the topic.

    Example:
        >>> import random
        >>> random_topic(random.Random(4))
        'ab.abc.a'
    """
    words = vocabulary_of(dialect)
    if words is None:
        return _redis.random_topic(rng)
    return _topic_of([_random_word(rng, words, of_topic=True) for _ in range(_random_depth(rng))], words)


def random_pattern(rng: Random, dialect: Dialect | str | Grammar = "mailbox") -> str:
    """Return a valid pattern of any style: exact, with wildcards, with globs, global.

    Args:
        rng: The source of randomness; the same state gives the same pattern.
        dialect: The grammar of the pattern.

    Example:
        >>> import random
        >>> random_pattern(random.Random(6))
        'b.*.*'
    """
    words = vocabulary_of(dialect)
    if words is None:
        return _redis.random_pattern(rng)
    return words.separator.join(part.text for part in _random_parts(rng, words))


def random_pair(rng: Random, dialect: Dialect | str | Grammar = "mailbox") -> tuple[str, str]:
    """Return a valid pattern and a valid topic: most often a match or a near miss of one.

    Args:
        rng: The source of randomness; the same state gives the same pair.
        dialect: The grammar of both.

    Example:
        >>> import random
        >>> random_pair(random.Random(6))
        ('b.*.*', 'b.a.#')
    """
    words = vocabulary_of(dialect)
    if words is None:
        return _redis.random_pair(rng)
    parts = _random_parts(rng, words)
    segments = [segment for part in parts for segment in part.sample(rng)]
    kind = rng.randrange(10)
    if kind == 9:
        return words.separator.join(part.text for part in parts), random_topic(rng, dialect)
    if kind >= 5:
        segments = _nearby(rng, segments, words)
    return words.separator.join(part.text for part in parts), _topic_of(segments, words)


def random_invalid_topic(rng: Random, dialect: Dialect | str | Grammar = "mailbox") -> str:
    """Return a text that is refused as a topic: one flaw in a valid one, or a limit exceeded.

    Args:
        rng: The source of randomness; the same state gives the same text.
        dialect: The grammar that refuses it.

    Example:
        >>> import random
        >>> random_invalid_topic(random.Random(25))
        'c.'
    """
    words = vocabulary_of(dialect)
    if words is None:
        return _redis.random_invalid_topic(rng)
    return _flawed(rng, random_topic(rng, dialect), words.flaws + words.topic_flaws, words)


def random_invalid_pattern(rng: Random, dialect: Dialect | str | Grammar = "mailbox") -> str:
    """Return a text that is refused as a pattern: one flaw in a valid one, or a limit exceeded.

    Args:
        rng: The source of randomness; the same state gives the same text.
        dialect: The grammar that refuses it.

    Example:
        >>> import random
        >>> random_invalid_pattern(random.Random(3))
        '**.?]'
    """
    words = vocabulary_of(dialect)
    if words is None:
        return _redis.random_invalid_pattern(rng)
    if words.multi_anywhere and rng.randrange(6) == 0:
        return words.separator.join(["a", words.multi] * (words.max_multi + 1))
    if not words.multi_anywhere and rng.randrange(6) == 0:
        return words.separator.join([words.multi, random_pattern(rng, dialect)])
    return _flawed(rng, random_pattern(rng, dialect), words.flaws + words.pattern_flaws, words)


def random_text(rng: Random, dialect: Dialect | str | Grammar = "mailbox") -> str:
    """Return a short text of the characters that matter to a dialect, valid or not.

    Args:
        rng: The source of randomness; the same state gives the same text.
        dialect: The grammar whose characters it is made of.

    Example:
        >>> import random
        >>> random_text(random.Random(7))
        '*+.ab'
    """
    words = vocabulary_of(dialect)
    letters = "ab*?[]!-^\\é" if words is None else words.separator * 2 + "ab*?[]!-^#+> $é"
    return "".join(rng.choice(letters) for _ in range(rng.randrange(9)))


def _random_depth(rng: Random) -> int:
    return _DEEP if rng.randrange(100) == 99 else rng.choice((1, 2, 3, 3, 4, 5))


def _random_word(rng: Random, words: Vocabulary, *, of_topic: bool = False) -> str:
    kind = rng.randrange(20)
    if kind == 19 and words.empty_segments:
        return ""
    if kind >= 17 and of_topic and words.topic_words:
        return rng.choice(words.topic_words)
    return rng.choice(words.words[:5] if kind < 8 else words.words)


def _topic_of(segments: Sequence[str], words: Vocabulary) -> str:
    text = words.separator.join(segments)
    return text if _fits(text, len(segments), words) else words.words[0]


def _fits(text: str, segments: int, words: Vocabulary) -> bool:
    if text == "" and not words.empty_text:
        return False
    return segments <= words.max_segments and len(text.encode()) <= words.max_bytes


def _random_parts(rng: Random, words: Vocabulary) -> list[_Part]:
    kind = rng.choice(_KINDS)
    if kind == "everything":
        everything = words.single if words.globs and rng.randrange(2) else words.multi
        return [dataclasses.replace(_multi(words), text=everything)]
    parts = [_random_part(rng, rng.choice(_STYLES[kind]), words) for _ in range(_random_depth(rng))]
    return _bounded(parts, words)


def _bounded(parts: list[_Part], words: Vocabulary) -> list[_Part]:
    """Keep what the dialect allows: multi wildcards where they may stand, and no text beyond the limit."""
    if not words.multi_anywhere:
        parts = [part for part in parts[:-1] if part.text != words.multi] + parts[-1:]
    multis = [place for place, part in enumerate(parts) if part.text == words.multi]
    parts = [part for place, part in enumerate(parts) if place not in multis[min(_MOST_MULTIS, words.max_multi) :]]
    text = words.separator.join(part.text for part in parts)
    return parts if _fits(text, len(parts), words) else [_word(words.words[0])]


def _random_part(rng: Random, kind: str, words: Vocabulary) -> _Part:
    if kind == "multi":
        return _multi(words)
    if kind == "glob" and words.globs:
        text, sample = random_glob(rng)
        return _Part(text, lambda rng: [sample(rng)])
    if kind == "word":
        return _word(_random_word(rng, words))
    return _Part(words.single, lambda rng: [_random_word(rng, words, of_topic=True)])


def _word(text: str) -> _Part:
    return _Part(text, lambda _rng: [text])


def _multi(words: Vocabulary) -> _Part:
    def sample(rng: Random) -> list[str]:
        count = words.multi_at_least + rng.choice((0, 1, 1, 2, 4))
        return [_random_word(rng, words, of_topic=True) for _ in range(count)]

    return _Part(words.multi, sample)


def _nearby(rng: Random, segments: list[str], words: Vocabulary) -> list[str]:
    """Change one thing."""
    place = rng.randrange(len(segments)) if segments else 0
    before, here, after = segments[:place], segments[place : place + 1], segments[place + 1 :]
    kind = rng.randrange(5)
    if kind == 0:
        return before + after
    if kind == 1:
        return [*before, *here, _random_word(rng, words, of_topic=True), *after]
    if kind == 2:
        return [*before, _random_word(rng, words, of_topic=True), *after]
    if kind == 3:
        return [f"$a{segments[0]}" if segments else "$", *segments[1:]]
    return [*before, *(f"{segment}b" for segment in here), *after]


def _flawed(rng: Random, text: str, flaws: Sequence[str], words: Vocabulary) -> str:
    kind = rng.randrange(12)
    if kind == 0:
        return text + "é" * (words.max_bytes // 2 + 1)
    if kind == 1 and words.max_bytes > 2 * words.max_segments:
        return words.separator.join(["a"] * (words.max_segments + 1))
    if kind == 2:
        return text + SURROGATE
    if kind == 3 and not words.empty_text:
        return ""
    segments = text.split(words.separator)
    segments.insert(rng.randrange(len(segments) + 1), rng.choice(flaws))
    return words.separator.join(segments)

"""What the brokers are asked: the corners of their dialect, and generated texts from a seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from stentor.testing import generators
from tests.conformance.corners import CORNERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAIRS_A_QUESTION = 5
INVALID_A_QUESTION = 2
LONGEST = 600
"""Bytes of the longest text that is asked."""
MOST_SEGMENTS = 190
"""One broker has a limit of its own at 200 levels."""
MOST_MULTIS = 8
MOST_STARS = 64
"""Limits that stentor has and the brokers have not."""


class Question(NamedTuple):
    """Patterns and topics, each distinct; each pattern meets each topic."""

    patterns: list[str]
    topics: list[str]


def corner_question(dialect: str) -> Question:
    """Return the corners of a dialect."""
    patterns, topics = CORNERS[dialect]
    return Question(_askable(dialect, patterns), _askable(dialect, topics))


def generated_questions(dialect: str, count: int, seed: int) -> Iterator[Question]:
    """Yield questions of pairs that often match, of texts that are refused, and of texts of any kind."""
    rng = random.Random(seed)
    for _ in range(count):
        pairs = [generators.random_pair(rng, dialect) for _ in range(PAIRS_A_QUESTION)]
        patterns = [pattern for pattern, _ in pairs] + [generators.random_text(rng, dialect)]
        topics = [topic for _, topic in pairs] + [generators.random_text(rng, dialect)]
        patterns += [generators.random_invalid_pattern(rng, dialect) for _ in range(INVALID_A_QUESTION)]
        topics += [generators.random_invalid_topic(rng, dialect) for _ in range(INVALID_A_QUESTION)]
        yield Question(_askable(dialect, patterns), _askable(dialect, topics))


def _askable(dialect: str, texts: Iterable[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if _is_askable(dialect, text)]


def _is_askable(dialect: str, text: str) -> bool:
    """Whether the broker can be asked at all, and answers for its dialect and not for a limit or a house rule."""
    if any("\ud800" <= char <= "\udfff" for char in text) or len(text.encode()) > LONGEST:
        return False
    if dialect == "redis":
        return text.count("*") <= MOST_STARS
    if text.count("/" if dialect == "mqtt" else ".") >= MOST_SEGMENTS:
        return False
    if dialect == "mqtt":
        return not text.startswith(("$SYS", "$share", "$CONTROL"))
    if dialect == "nats":  # white space ends a word of the protocol, and so does nothing at all
        return text != "" and not set(text) & set(" \t\r\n")
    return text.split(".").count("#") <= MOST_MULTIS

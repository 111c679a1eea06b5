"""How the dialects with segments read their texts."""

from __future__ import annotations

import dataclasses
import itertools


@dataclasses.dataclass(frozen=True)
class Rules:
    """How a dialect with segments reads its texts."""

    separator: str
    single: str
    multi: str
    max_bytes: int
    multi_at_least: int = 0
    multi_anywhere: bool = True
    empty_segments: bool = False
    empty_topic: bool = False
    globs: bool = False
    hidden_prefix: str | None = None
    everything: str | None = None
    wildcard_text: str = "nowhere"
    """Where the text of a wildcard is plain: "nowhere", "inside" longer segments, or whole segments of "topics" too."""
    forbidden: frozenset[str] = frozenset()
    max_segments: int = 256
    max_multi: int = 8


CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
NON_CHARACTERS = [*range(0xFDD0, 0xFDF0), *(plane << 16 | low for plane in range(17) for low in (0xFFFE, 0xFFFF))]

RULES = {
    "mailbox": Rules(".", "*", "**", 4096, globs=True, everything="*"),
    "mqtt": Rules(
        "/", "+", "#", 65535, multi_anywhere=False, empty_segments=True, hidden_prefix="$",
        forbidden=frozenset(map(chr, CONTROLS + NON_CHARACTERS)),
    ),
    "nats": Rules(
        ".", "*", ">", 4096, multi_at_least=1, multi_anywhere=False, wildcard_text="inside",
        forbidden=frozenset(" \t\r\n"),
    ),
    "amqp": Rules(".", "*", "#", 255, empty_segments=True, empty_topic=True, wildcard_text="topics"),
}  # fmt: skip
DIALECTS = (*RULES, "redis")


def rules_of(dialect: str | Rules) -> Rules:
    """Return the rules of a dialect with segments, or those that are given."""
    return RULES[dialect] if isinstance(dialect, str) else dialect


def parts_of(text: str, rules: Rules) -> list[str]:
    """Return the segments."""
    return [] if not text and rules.empty_topic else text.split(rules.separator)


def segments_of(text: str, rules: Rules) -> list[tuple[int, str]]:
    """Return each segment with the offset where it starts."""
    parts = parts_of(text, rules)
    starts = itertools.accumulate((len(part) + len(rules.separator) for part in parts), initial=0)
    return list(zip(starts, parts, strict=False))

"""What a broker answered, kept as text: which texts it refuses, and which patterns match which topics.

One JSON object a line: first who answered and how much, then texts that were asked alone, then blocks of patterns
and topics, each pattern asked with each topic.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.conformance.questions import Question

FOLDER = Path(__file__).parent / "facts"


class Broker(Protocol):
    """A running broker and how to ask it."""

    @property
    def version(self) -> str:
        """The program and its version."""
        ...

    def accept_patterns(self, texts: Sequence[str]) -> list[bool]:
        """Whether the broker accepts each pattern."""
        ...

    def accept_topics(self, texts: Sequence[str]) -> list[bool]:
        """Whether the broker accepts each topic."""
        ...

    def matches(self, patterns: Sequence[str], topics: Sequence[str]) -> list[list[int]]:
        """For each topic, the ascending places of the patterns, all distinct, through which it was delivered."""
        ...


class BlockLine(TypedDict):
    """One line of a file of facts."""

    patterns: list[str]
    topics: list[str]
    matched: list[list[int]]
    refused_patterns: list[str]
    refused_topics: list[str]


@dataclasses.dataclass(frozen=True)
class Block:
    """Patterns and topics, each of which the broker was asked about, and what it said."""

    patterns: dict[str, bool]
    """Whether the broker accepts each."""
    topics: dict[str, bool]
    """Whether the broker accepts each."""
    matched: dict[str, list[str]]
    """The patterns that match each accepted topic, of those that are accepted."""

    @property
    def pairs(self) -> Iterator[tuple[str, str, bool]]:
        """Every accepted pattern with every accepted topic, and whether they match."""
        accepted = [pattern for pattern, is_accepted in self.patterns.items() if is_accepted]
        for topic, found in self.matched.items():
            yield from ((pattern, topic, pattern in found) for pattern in accepted)

    def to_json(self) -> BlockLine:
        """Return the block with patterns named by their place, and refused texts apart."""
        patterns = [text for text, is_accepted in self.patterns.items() if is_accepted]
        return {
            "patterns": patterns,
            "topics": list(self.matched),
            "matched": [[patterns.index(pattern) for pattern in found] for found in self.matched.values()],
            "refused_patterns": [text for text, is_accepted in self.patterns.items() if not is_accepted],
            "refused_topics": [text for text, is_accepted in self.topics.items() if not is_accepted],
        }

    @classmethod
    def from_json(cls, line: BlockLine) -> Block:
        """Read what `to_json` returns."""
        patterns, topics = line["patterns"], line["topics"]
        found = [[patterns[place] for place in places] for places in line["matched"]]
        return cls(
            dict.fromkeys(patterns, True) | dict.fromkeys(line["refused_patterns"], False),
            dict.fromkeys(topics, True) | dict.fromkeys(line["refused_topics"], False),
            dict(zip(topics, found, strict=True)),
        )


def ask(broker: Broker, question: Question) -> Block:
    """Put one question to a broker."""
    patterns = dict(zip(question.patterns, broker.accept_patterns(question.patterns), strict=True))
    topics = dict(zip(question.topics, broker.accept_topics(question.topics), strict=True))
    wanted = [text for text, is_accepted in patterns.items() if is_accepted]
    given = [text for text, is_accepted in topics.items() if is_accepted]
    found = broker.matches(wanted, given)
    return Block(
        patterns,
        topics,
        {topic: [wanted[place] for place in places] for topic, places in zip(given, found, strict=True)},
    )


def write_facts(dialect: str, version: str, blocks: Sequence[Block]) -> None:
    """Write what a broker answered."""
    pairs = [is_match for block in blocks for _, _, is_match in block.pairs]
    head = {"broker": version, "dialect": dialect, "pairs": len(pairs), "matches": sum(pairs)}
    lines = [json.dumps(line, ensure_ascii=True) for line in [head, *(block.to_json() for block in blocks)]]
    (FOLDER / f"{dialect}.jsonl").write_text("\n".join(lines) + "\n", encoding="ascii")


def read_facts(dialect: str) -> tuple[dict[str, object], list[Block]]:
    """Return who answered and how much, and what was answered."""
    head, *blocks = (FOLDER / f"{dialect}.jsonl").read_text(encoding="ascii").splitlines()
    return json.loads(head), [Block.from_json(json.loads(line)) for line in blocks]

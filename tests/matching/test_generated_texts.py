"""The generated texts are worth testing with: every feature has its share, and matches and near misses theirs."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

import stentor
from stentor.testing import generators, strategies
from tests.oracles import DIALECTS, RULES, Rules, matches, pattern_flaw, topic_flaw

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

PAIRS = 2000
EXAMPLES = 150


def _any_segment(expression: str, separator: str = ".") -> Callable[[str, str], bool]:
    found = re.compile(expression)
    return lambda pattern, _topic: any(found.search(segment) for segment in pattern.split(separator))


def _pattern_holds(expression: str) -> Callable[[str, str], bool]:
    return lambda pattern, _topic: re.search(expression, pattern, re.DOTALL) is not None


def _both_hold(expression: str) -> Callable[[str, str], bool]:
    return lambda pattern, topic: bool(re.search(expression, pattern)) and bool(re.search(expression, topic))


EVERYWHERE: dict[str, Callable[[str, str], bool]] = {
    "a topic of several bytes a character": lambda _pattern, topic: not topic.isascii(),
    "a pattern of several bytes a character": lambda pattern, _topic: not pattern.isascii(),
    "an exact pattern": lambda pattern, topic: pattern == topic,
}
SEGMENTED: dict[str, Callable[[str, str], bool]] = {
    "a topic that starts with $": lambda _pattern, topic: topic.startswith("$"),
}
EMPTY_SEGMENTS: dict[str, Callable[[str, str], bool]] = {
    "an empty level in a topic": lambda _pattern, topic: re.search(r"^[./]|[./]{2}|[./]$", topic) is not None,
    "an empty level in a pattern": lambda pattern, _topic: re.search(r"^[./]|[./]{2}|[./]$", pattern) is not None,
}
FEATURES: dict[str, dict[str, Callable[[str, str], bool]]] = {
    "mailbox": {
        **EVERYWHERE,
        **SEGMENTED,
        "one star": _any_segment(r"^\*$"),
        "one **": lambda pattern, _topic: pattern.split(".").count("**") == 1,
        "several **": lambda pattern, _topic: pattern.split(".").count("**") > 1,
        "glob: star": _any_segment(r"(?<!\*)\*(?!\*)."),
        "glob: question mark": _any_segment(r"\?"),
        "glob: class": _any_segment(r"\[[^!]"),
        "glob: negated class": _any_segment(r"\[!"),
        "glob: range": _any_segment(r"\[[^\]]*.-."),
        "global": lambda pattern, _topic: pattern == "*",
        "other dialects' wildcards": _any_segment(r"^[#+>]$"),
    },
    "mqtt": {
        **EVERYWHERE,
        **SEGMENTED,
        **EMPTY_SEGMENTS,
        "+": _any_segment(r"^\+$", "/"),
        "#": _any_segment("^#$", "/"),
        "everything": lambda pattern, _topic: pattern == "#",
        "a wildcard before a $ topic": lambda pattern, topic: pattern[:1] in {"+", "#"} and topic.startswith("$"),
        "other dialects' wildcards": _any_segment(r"[*>]", "/"),
    },
    "nats": {
        **EVERYWHERE,
        **SEGMENTED,
        "*": _any_segment(r"^\*$"),
        ">": _any_segment("^>$"),
        "everything": lambda pattern, _topic: pattern == ">",
        "a wildcard inside a longer token": _any_segment(r".[*>]|[*>]."),
        "other dialects' wildcards": _any_segment(r"[#+]"),
    },
    "amqp": {
        **EVERYWHERE,
        **SEGMENTED,
        **EMPTY_SEGMENTS,
        "*": _any_segment(r"^\*$"),
        "one #": lambda pattern, _topic: pattern.split(".").count("#") == 1,
        "several #": lambda pattern, _topic: pattern.split(".").count("#") > 1,
        "everything": lambda pattern, _topic: pattern == "#",
        "a wildcard as a word of a topic": lambda _pattern, topic: bool({"*", "#"} & set(topic.split("."))),
        "other dialects' wildcards": _any_segment(r"[+>]"),
    },
    "redis": {
        **EVERYWHERE,
        "star": _pattern_holds(r"\*"),
        "two stars in a row": _pattern_holds(r"\*\*"),
        "question mark": _pattern_holds(r"\?"),
        "escape": _pattern_holds(r"\\."),
        "class": _pattern_holds(r"\[[^\]^]"),
        "negated class": _pattern_holds(r"\[\^"),
        "range": _pattern_holds(r"\[[^\]]*.-."),
        "reversed range": _pattern_holds(r"\[c-a"),
        "unclosed class": _pattern_holds(r"\[[^\]]*$"),
        "range of several bytes": _pattern_holds("a-é"),
        "the empty pattern": lambda pattern, _topic: pattern == "",
        "the empty topic": lambda _pattern, topic: topic == "",
        "the same escape": _both_hold(r"\\"),
    },
}
LEAST_SHARE = 0.01


def is_near_miss(pattern: str, topic: str, dialect: str) -> bool:
    """Whether one change to the topic, a segment or a character less or other, would make it match."""
    if matches(pattern, topic, dialect):
        return False
    if dialect == "redis":
        changed = [topic[:place] + topic[place + 1 :] for place in range(len(topic))]
        changed += [topic[:place] + pattern[place : place + 1] + topic[place:] for place in range(len(topic) + 1)]
        changed += [topic[:place] + pattern[place : place + 1] + topic[place + 1 :] for place in range(len(topic))]
        return any(matches(pattern, text, dialect) for text in changed)
    separator = RULES[dialect].separator
    wanted, given = pattern.split(separator), topic.split(separator)
    shorter = [given[:place] + given[place + 1 :] for place in range(len(given))]
    other = [given[:place] + wanted[place : place + 1] + given[place + 1 :] for place in range(len(given))]
    longer = [given[:place] + wanted[place : place + 1] + given[place:] for place in range(len(given) + 1)]
    return any(matches(pattern, separator.join(segments), dialect) for segments in shorter + other + longer)


def _shares(pairs: list[tuple[str, str]], dialect: str) -> dict[str, float]:
    shares = {name: sum(kind(*pair) for pair in pairs) / len(pairs) for name, kind in FEATURES[dialect].items()}
    shares["match"] = sum(matches(*pair, dialect) for pair in pairs) / len(pairs)
    some = pairs[:400]
    shares["near miss"] = sum(is_near_miss(*pair, dialect) for pair in some) / len(some)
    return shares


def _drawn(strategy: SearchStrategy[Any]) -> list[Any]:
    seen: list[Any] = []

    @hypothesis.settings(max_examples=EXAMPLES, phases=[hypothesis.Phase.generate])
    @hypothesis.given(strategy)
    def draw(text: object) -> None:
        seen.append(text)

    draw()
    return seen


@pytest.mark.parametrize("dialect", DIALECTS)
def test_pairs_hold_every_feature_and_many_matches_and_near_misses(dialect: str) -> None:
    rng = random.Random(11)
    shares = _shares([generators.random_pair(rng, dialect) for _ in range(PAIRS)], dialect)
    assert 0.3 <= shares.pop("match") <= 0.8
    assert shares.pop("near miss") >= 0.1
    assert {name: share for name, share in shares.items() if share < LEAST_SHARE} == {}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_pairs_drawn_by_hypothesis_hold_as_many(dialect: str) -> None:
    shares = _shares(_drawn(strategies.pattern_topic_pairs(dialect)), dialect)
    assert shares.pop("match") >= 0.3
    assert shares.pop("near miss") >= 0.05
    assert [name for name, share in shares.items() if share == 0] == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_long_texts_are_among_them(dialect: str) -> None:
    rng = random.Random(12)
    pairs = [generators.random_pair(rng, dialect) for _ in range(PAIRS)]
    separator = "." if dialect == "redis" else RULES[dialect].separator
    if dialect == "redis":
        assert max(len(pattern) for pattern, _ in pairs) > 60
    elif dialect != "amqp":
        assert max(topic.count(separator) for _, topic in pairs) > 100
        assert max(pattern.count(separator) for pattern, _ in pairs) > 100


@pytest.mark.parametrize("dialect", DIALECTS)
def test_valid_texts_are_valid_and_invalid_ones_are_not(dialect: str) -> None:
    assert [text for text in _drawn(strategies.topics(dialect)) if topic_flaw(text, dialect)] == []
    assert [text for text in _drawn(strategies.patterns(dialect)) if pattern_flaw(text, dialect)] == []
    assert [text for text in _drawn(strategies.invalid_topics(dialect)) if not topic_flaw(text, dialect)] == []
    assert [text for text in _drawn(strategies.invalid_patterns(dialect)) if not pattern_flaw(text, dialect)] == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_invalid_texts_offend_in_every_way_that_the_dialect_knows(dialect: str) -> None:
    rng = random.Random(13)
    patterns = [pattern_flaw(generators.random_invalid_pattern(rng, dialect), dialect) for _ in range(800)]
    topics = [topic_flaw(generators.random_invalid_topic(rng, dialect), dialect) for _ in range(800)]
    assert {flaw.reason.name for flaw in patterns if flaw} == PATTERN_REASONS[dialect]
    assert {flaw.reason.name for flaw in topics if flaw} == TOPIC_REASONS[dialect]


BRACKETS = {"STRAY", "UNCLOSED", "EMPTY_BRACKETS", "BRACKET_INSIDE", "CARET", "LOOSE_HYPHEN", "REVERSED"}
PATTERN_REASONS = {
    "mailbox": BRACKETS | {"SURROGATE", "LIMIT", "EMPTY", "MIXED"},
    "mqtt": {"SURROGATE", "LIMIT", "EMPTY", "FORBIDDEN", "MIXED", "NOT_LAST"},
    "nats": {"SURROGATE", "LIMIT", "EMPTY", "FORBIDDEN", "NOT_LAST"},
    "amqp": {"SURROGATE", "LIMIT"},
    "redis": {"SURROGATE", "LIMIT"},
}
TOPIC_REASONS = {
    "mailbox": {"SURROGATE", "LIMIT", "EMPTY", "WILDCARD_IN_TOPIC"},
    "mqtt": {"SURROGATE", "LIMIT", "EMPTY", "FORBIDDEN", "WILDCARD_IN_TOPIC"},
    "nats": {"SURROGATE", "LIMIT", "EMPTY", "FORBIDDEN", "WILDCARD_IN_TOPIC"},
    "amqp": {"SURROGATE", "LIMIT"},
    "redis": {"SURROGATE", "LIMIT"},
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_same_seed_gives_the_same_texts(dialect: str) -> None:
    first, second = random.Random(14), random.Random(14)
    pairs = [generators.random_pair(first, dialect) for _ in range(50)]
    assert [generators.random_pair(second, dialect) for _ in range(50)] == pairs
    assert len(set(pairs)) > 40


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^'xml' is not a valid Dialect$"):
        generators.random_topic(random.Random(1), "xml")
    with pytest.raises(ValueError, match=r"^'xml' is not a valid Dialect$"):
        strategies.topics("xml")


COLONS = stentor.Grammar(":", single="+", multi="...", multi_min=1, multi_anywhere=False, empty_segments=True)
COLON_RULES = Rules(":", "+", "...", 4096, multi_at_least=1, multi_anywhere=False, empty_segments=True)


def test_texts_for_a_grammar_of_ones_own_are_as_good() -> None:
    pairs = _drawn(strategies.pattern_topic_pairs(COLONS))
    assert [pair for pair in pairs if pattern_flaw(pair[0], COLON_RULES) or topic_flaw(pair[1], COLON_RULES)] == []
    assert 0.3 <= sum(matches(pattern, topic, COLON_RULES) for pattern, topic in pairs) / len(pairs) <= 0.9
    assert sum("..." in pattern for pattern, _ in pairs) > 10
    assert sum("+" in pattern for pattern, _ in pairs) > 10
    assert [text for text in _drawn(strategies.invalid_topics(COLONS)) if not topic_flaw(text, COLON_RULES)] == []
    assert [text for text in _drawn(strategies.invalid_patterns(COLONS)) if not pattern_flaw(text, COLON_RULES)] == []


def test_texts_keep_the_limits_of_a_grammar() -> None:
    small = stentor.Grammar.of("mailbox", max_segments=3, max_bytes=20, max_multi=1)
    rng = random.Random(15)
    for _ in range(1000):
        pattern, topic = generators.random_pair(rng, small)
        stentor.validate_topic(topic, small)
        assert stentor.Pattern(pattern, small).text == pattern

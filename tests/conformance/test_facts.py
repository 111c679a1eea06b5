"""Stentor against what the real brokers answered when they were last asked, without any broker."""

from __future__ import annotations

import pytest

import stentor
from tests.conformance.corners import CORNERS
from tests.conformance.facts import Block, read_facts
from tests.judging import pattern_flaw_of, topic_flaw_of
from tests.oracles import matches, pattern_flaw, topic_flaw

LEAST_PAIRS = 15_000


def refusals_of(blocks: list[Block]) -> tuple[dict[str, bool], dict[str, bool]]:
    """Return whether the broker accepts each pattern, and each topic, that was asked."""
    patterns: dict[str, bool] = {}
    topics: dict[str, bool] = {}
    for block in blocks:
        patterns |= block.patterns
        topics |= block.topics
    return patterns, topics


@pytest.mark.parametrize("dialect", CORNERS)
def test_stentor_refuses_what_the_broker_refused(dialect: str) -> None:
    patterns, topics = refusals_of(read_facts(dialect)[1])
    assert {text: pattern_flaw_of(text, dialect) is None for text in patterns} == patterns
    assert {text: topic_flaw_of(text, dialect) is None for text in topics} == topics


@pytest.mark.parametrize("dialect", CORNERS)
def test_stentor_matches_what_the_broker_matched(dialect: str) -> None:
    for block in read_facts(dialect)[1]:
        for text, is_accepted in block.patterns.items():
            if is_accepted:
                pattern = stentor.Pattern(text, dialect)
                wrong = [topic for topic, found in block.matched.items() if pattern.matches(topic) != (text in found)]
                assert wrong == [], text


@pytest.mark.parametrize("dialect", CORNERS)
def test_a_matcher_finds_all_that_the_broker_delivered_through(dialect: str) -> None:
    for block in read_facts(dialect)[1]:
        matcher: stentor.Matcher[str] = stentor.Matcher(dialect)
        for text, is_accepted in block.patterns.items():
            if is_accepted:
                matcher.add(text, text)
        assert {topic: list(matcher.match(topic)) for topic in block.matched} == block.matched


@pytest.mark.parametrize("dialect", CORNERS)
def test_the_oracle_says_what_the_broker_said(dialect: str) -> None:
    _, blocks = read_facts(dialect)
    patterns, topics = refusals_of(blocks)
    assert {text: pattern_flaw(text, dialect) is None for text in patterns} == patterns
    assert {text: topic_flaw(text, dialect) is None for text in topics} == topics
    pairs = [pair for block in blocks for pair in block.pairs]
    assert [pair for pair in pairs if matches(pair[0], pair[1], dialect) != pair[2]] == []


@pytest.mark.parametrize("dialect", CORNERS)
def test_the_facts_are_as_many_as_they_say(dialect: str) -> None:
    head, blocks = read_facts(dialect)
    answers = [is_match for block in blocks for _, _, is_match in block.pairs]
    assert head == {"broker": head["broker"], "dialect": dialect, "pairs": len(answers), "matches": sum(answers)}
    assert len(answers) > LEAST_PAIRS
    assert 0.08 < sum(answers) / len(answers) < 0.5
    patterns, topics = refusals_of(blocks)
    refused = sum(not is_accepted for is_accepted in [*patterns.values(), *topics.values()])
    assert refused == 0 if dialect == "redis" else refused > 5

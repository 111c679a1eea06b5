"""Patterns and topics against the oracle: what is valid, what is wrong where and why, and what matches."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stentor
from stentor.testing import strategies
from tests.judging import pattern_flaw_of, topic_flaw_of
from tests.oracles import DIALECTS, Flaw, Reason, Rules, matches, pattern_flaw, topic_flaw

EXAMPLES = settings(max_examples=150)
LETTERS = {"mailbox": "a*.[]-!^?", "mqtt": "a+#/$\x01", "nats": "a*>. ", "amqp": "a*#.", "redis": "a*[]\\^-"}
LONGEST = {"mailbox": 4, "mqtt": 5, "nats": 5, "amqp": 5, "redis": 4}
PLAIN = Rules(":", "+", "...", 4096)
STRICT = Rules(":", "+", "...", 4096, multi_at_least=1, multi_anywhere=False, empty_segments=True, hidden_prefix="_")


def short_texts(dialect: str, longest: int) -> list[str]:
    """Return every text of a dialect's special characters up to a length."""
    return ["".join(text) for size in range(longest + 1) for text in itertools.product(LETTERS[dialect], repeat=size)]


@pytest.mark.parametrize("dialect", DIALECTS)
@EXAMPLES
@given(data=st.data())
def test_a_pattern_matches_what_the_oracle_says(dialect: str, data: st.DataObject) -> None:
    pattern, topic = data.draw(strategies.pattern_topic_pairs(dialect))
    assert stentor.Pattern(pattern, dialect).matches(topic) == matches(pattern, topic, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
@EXAMPLES
@given(data=st.data())
def test_texts_are_refused_where_and_why_the_oracle_says(dialect: str, data: st.DataObject) -> None:
    kinds = (strategies.texts, strategies.invalid_patterns, strategies.invalid_topics, strategies.patterns)
    text = data.draw(st.one_of([kind(dialect) for kind in kinds]))
    assert pattern_flaw_of(text, dialect) == pattern_flaw(text, dialect)
    assert topic_flaw_of(text, dialect) == topic_flaw(text, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
@EXAMPLES
@given(text=st.text(st.characters(), max_size=12))
def test_any_text_is_read_as_the_oracle_reads_it(dialect: str, text: str) -> None:
    assert pattern_flaw_of(text, dialect) == pattern_flaw(text, dialect)
    assert topic_flaw_of(text, dialect) == topic_flaw(text, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_short_text_is_read_as_the_oracle_reads_it(dialect: str) -> None:
    texts = short_texts(dialect, LONGEST[dialect])
    assert [text for text in texts if pattern_flaw_of(text, dialect) != pattern_flaw(text, dialect)] == []
    assert [text for text in texts if topic_flaw_of(text, dialect) != topic_flaw(text, dialect)] == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_short_pattern_matches_every_short_topic_as_the_oracle_says(dialect: str) -> None:
    texts = short_texts(dialect, 3)
    topics = [text for text in texts if topic_flaw(text, dialect) is None][:150]
    for text in texts:
        if pattern_flaw(text, dialect) is None:
            pattern = stentor.Pattern(text, dialect)
            wrong = [topic for topic in topics if pattern.matches(topic) != matches(text, topic, dialect)]
            assert wrong == [], text


@pytest.mark.parametrize(
    ("dialect", "most"), [("mailbox", 4096), ("mqtt", 65535), ("nats", 4096), ("amqp", 255), ("redis", 65535)]
)
def test_bytes_are_counted_and_not_characters(dialect: str, most: int) -> None:
    longest = "é" * (most // 2) + "a" * (most % 2)
    assert pattern_flaw_of(longest, dialect) is None
    assert topic_flaw_of(longest, dialect) is None
    beyond = Flaw(len(longest), Reason.LIMIT)
    assert pattern_flaw_of(longest + "a", dialect) == beyond
    assert topic_flaw_of(longest + "a", dialect) == beyond


@pytest.mark.parametrize(("dialect", "separator"), [("mailbox", "."), ("mqtt", "/"), ("nats", ".")])
def test_256_segments_are_the_most(dialect: str, separator: str) -> None:
    most = separator.join(["a"] * 256)
    assert stentor.Pattern(most, dialect).matches(most)
    beyond = Flaw(512, Reason.LIMIT)
    assert pattern_flaw_of(f"{most}{separator}a", dialect) == beyond
    assert topic_flaw_of(f"{most}{separator}a", dialect) == beyond


@pytest.mark.parametrize(("dialect", "multi"), [("mailbox", "**"), ("amqp", "#")])
def test_8_multi_wildcards_are_the_most(dialect: str, multi: str) -> None:
    most = ".".join([multi, "a"] * 8)
    assert stentor.Pattern(most, dialect).matches(".".join("a" * 30))
    assert pattern_flaw_of(f"{most}.{multi}", dialect) == Flaw(len(most) + 1, Reason.LIMIT)


def test_64_stars_are_the_most_in_redis() -> None:
    most = "a*" * 64
    assert stentor.Pattern(most, "redis").matches("a" * 200)
    assert pattern_flaw_of(f"é{most}*", "redis") == Flaw(len(most) + 1, Reason.LIMIT)
    assert stentor.Pattern("[*]\\*" * 70, "redis").matches("**" * 70)


@pytest.mark.parametrize("rules", [PLAIN, STRICT])
@EXAMPLES
@given(
    pattern=st.lists(st.sampled_from(["a", "b", "+", "...", "_x", "", "a+", "....", "*"]), max_size=6),
    topic=st.lists(st.sampled_from(["a", "b", "_x", "", "+", ".", "..", "*"]), max_size=6),
)
def test_a_grammar_of_ones_own_reads_as_the_oracle_reads_it(rules: Rules, pattern: list[str], topic: list[str]) -> None:
    grammar = stentor.Grammar(
        rules.separator,
        single=rules.single,
        multi=rules.multi,
        multi_min=rules.multi_at_least,
        multi_anywhere=rules.multi_anywhere,
        empty_segments=rules.empty_segments,
        hidden_prefix=rules.hidden_prefix,
    )
    wanted, given_topic = ":".join(pattern), ":".join(topic)
    assert pattern_flaw_of(wanted, grammar) == pattern_flaw(wanted, rules)
    assert topic_flaw_of(given_topic, grammar) == topic_flaw(given_topic, rules)
    if pattern_flaw(wanted, rules) is None and topic_flaw(given_topic, rules) is None:
        assert stentor.Pattern(wanted, grammar).matches(given_topic) == matches(wanted, given_topic, rules)

"""The last message of each topic: found by pattern in order of publication, bounded, cleared and expired."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import stentor
from stentor._mechanisms.retained import RetainedMessages


def retained(*messages: stentor.Message, dialect: str = "mailbox", capacity: int = 10) -> RetainedMessages:
    kept = RetainedMessages(dialect, capacity=capacity, reserved="_stentor")
    for message in messages:
        kept.put(message, now=message.timestamp)
    return kept


def payloads(kept: RetainedMessages, pattern: str, now: float = 0.0) -> list[object]:
    return [message.payload for message in kept.matching(pattern, now=now)]


def test_the_last_message_of_a_topic_is_kept() -> None:
    kept = retained(stentor.Message("a", 1), stentor.Message("b", 2), stentor.Message("a", 3))
    assert payloads(kept, "a") == [3]
    assert len(kept) == 2


def test_messages_come_in_order_of_publication() -> None:
    kept = retained(
        stentor.Message("a.x", 1), stentor.Message("a.y", 2), stentor.Message("b", 3), stentor.Message("a.x", 4)
    )
    assert payloads(kept, "a.*") == [2, 4]
    assert payloads(kept, "**") == [2, 3, 4]


def test_what_is_kept_can_be_iterated_and_changed_meanwhile() -> None:
    kept = retained(stentor.Message("a", 1), stentor.Message("b", 2), stentor.Message("a", 3))
    seen = []
    for message in kept:
        seen.append(message.payload)
        kept.put(stentor.Message(message.topic), now=0.0)
    assert seen == [2, 3]
    assert list(kept) == []


def test_an_exact_pattern_finds_its_topic_or_nothing() -> None:
    kept = retained(stentor.Message("a", 1))
    assert payloads(kept, "a") == [1]
    assert payloads(kept, "a.b") == []


def test_a_wildcard_does_not_find_what_is_reserved() -> None:
    kept = retained(stentor.Message("_stentor.x", 1), stentor.Message("a.x", 2))
    assert payloads(kept, "**") == [2]
    assert payloads(kept, "*.x") == [2]
    assert payloads(kept, "_stentor.*") == [1]
    assert payloads(kept, "_stentor.x") == [1]


def test_an_escaped_pattern_of_redis_finds_the_topic_that_it_means() -> None:
    kept = retained(stentor.Message("a*b", 1), stentor.Message(r"a\*b", 2), dialect="redis")
    assert payloads(kept, r"a\*b") == [1]
    assert payloads(kept, "a*b") == [1, 2]


def test_none_clears_a_topic_and_is_not_kept() -> None:
    kept = retained(stentor.Message("a", 1), stentor.Message("a"), stentor.Message("b"))
    assert payloads(kept, "**") == []
    assert (kept.statistics().cleared, len(kept)) == (1, 0)


@pytest.mark.parametrize("payload", ["", b"", 0, False, [], {}])
def test_a_value_that_is_empty_or_false_is_kept(payload: object) -> None:
    assert payloads(retained(stentor.Message("a", payload)), "a") == [payload]


def test_what_has_expired_is_left_out_and_counted_once() -> None:
    kept = retained(stentor.Message("a", 1, ttl=5.0), stentor.Message("b", 2))
    assert payloads(kept, "*", now=4.9) == [1, 2]
    assert payloads(kept, "*", now=5.0) == [2]
    assert payloads(kept, "*", now=5.0) == [2]
    assert (kept.statistics().expired, len(kept)) == (1, 1)


def test_what_has_expired_is_expired_also_when_it_is_replaced() -> None:
    kept = retained(stentor.Message("a", 1, ttl=5.0), stentor.Message("a", 2, timestamp=5.0))
    assert (kept.statistics().expired, kept.statistics().replaced) == (1, 0)


def test_at_its_capacity_the_one_published_longest_ago_is_dropped() -> None:
    kept = retained(
        stentor.Message("a", 1), stentor.Message("b", 2), stentor.Message("a", 3), stentor.Message("c", 4), capacity=2
    )
    assert payloads(kept, "**") == [3, 4]
    assert kept.statistics() == stentor.RetainedStatistics(
        stored=4, held=2, replaced=1, cleared=0, expired=0, dropped=1, peak=2, capacity=2
    )


def test_nothing_is_kept_at_first() -> None:
    assert RetainedMessages("mailbox").statistics() == stentor.RetainedStatistics(
        stored=0, held=0, replaced=0, cleared=0, expired=0, dropped=0, peak=0, capacity=10_000
    )


def test_a_wrong_pattern_is_refused() -> None:
    with pytest.raises(stentor.InvalidPatternError) as caught:
        retained(stentor.Message("a", 1)).matching("a..b", now=0.0)
    assert str(caught.value) == "invalid pattern 'a..b' at offset 2: empty segment"


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"capacity": 0}, ValueError, "capacity must be >= 1, not 0"),
        ({"capacity": None}, TypeError, "capacity must be an int, not NoneType"),
    ],
)
def test_a_wrong_capacity_is_refused(options: dict[str, Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        RetainedMessages("mailbox", **options)
    assert str(caught.value) == text


class Topics(RuleBasedStateMachine):
    """What is kept beside a plain list of all that was published."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = RetainedMessages("mailbox", capacity=3)
        self.model: list[stentor.Message] = []
        self.now = 0.0

    @rule(
        topic=st.sampled_from(["a", "b", "a.x", "a.y", "b.x"]),
        ttl=st.sampled_from([None, 1.0, 3.0]),
        empty=st.booleans(),
    )
    def put(self, topic: str, ttl: float | None, *, empty: bool) -> None:
        """Publish."""
        message = stentor.Message(topic, None if empty else 1, timestamp=self.now, ttl=ttl)
        self.model = [one for one in self.model if one.topic != topic]
        if not empty:
            self.model = [*self.model[-2:], message]
        self.kept.put(message, now=self.now)

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    @rule(pattern=st.sampled_from(["a", "*.x", "a.*", "**", "c"]))
    def look(self, pattern: str) -> None:
        """Look for what matches."""
        wanted = stentor.Pattern(pattern)
        matching = [one for one in self.model if wanted.matches(one.topic)]
        assert self.kept.matching(pattern, now=self.now) == [one for one in matching if one.expires_at > self.now]
        self.model = [one for one in self.model if one not in matching or one.expires_at > self.now]

    @invariant()
    def nothing_is_lost(self) -> None:
        """The counts add up."""
        told = self.kept.statistics()
        assert told.held == len(self.kept) == len(self.model)
        assert told.stored == told.held + told.replaced + told.cleared + told.expired + told.dropped


TestTopics = Topics.TestCase


def test_a_message_without_a_limit_never_expires() -> None:
    assert payloads(retained(stentor.Message("a", 1)), "a", now=1e300) == [1]
    assert stentor.Message("a", 1).expires_at == inf

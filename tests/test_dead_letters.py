"""The box of dead letters: bounded, searchable, and never wrong about what became of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import stentor
from stentor._mechanisms.dead_letters import DeadLetter, DeadLetterBox


def letter(topic: str = "ai.models", agent: str = "gpt4", time: float = 0.0) -> DeadLetter:
    return DeadLetter(
        message=stentor.Message(topic),
        agent=agent,
        cause=ValueError("no such model"),
        attempts=2,
        time=time,
        mode=stentor.DeliveryMode.REALTIME,
    )


def boxed(*letters: DeadLetter, capacity: int = 10) -> DeadLetterBox:
    box = DeadLetterBox("mailbox", capacity=capacity)
    for one in letters:
        box.add(one)
    return box


def test_letters_stand_in_the_order_in_which_they_died() -> None:
    letters = [letter(), letter(), letter()]
    assert list(boxed(*letters)) == letters


def test_a_letter_is_equal_to_itself_alone() -> None:
    one = letter()
    assert one in boxed(one)
    assert letter() not in boxed(one)


def test_at_its_capacity_the_oldest_is_dropped_and_counted() -> None:
    letters = [letter() for _ in range(4)]
    box = boxed(*letters[:2], capacity=2)
    assert box.add(letters[2]) is letters[0]
    assert box.add(letters[3]) is letters[1]
    assert list(box) == letters[2:]
    assert box.statistics() == stentor.DeadLetterStatistics(added=4, held=2, dropped=2, taken=0, peak=2, capacity=2)


def test_a_box_is_empty_at_first() -> None:
    assert DeadLetterBox("mailbox").statistics() == stentor.DeadLetterStatistics(
        added=0, held=0, dropped=0, taken=0, peak=0, capacity=1000
    )


def test_letters_are_found_by_agent_and_by_pattern() -> None:
    first, second, third = letter("ai.models", "a"), letter("ai.data", "b"), letter("news", "a")
    box = boxed(first, second, third)
    assert box.select() == (first, second, third)
    assert box.select(agent="a") == (first, third)
    assert box.select(pattern="ai.*") == (first, second)
    assert box.select(agent="a", pattern="ai.**") == (first,)
    assert box.select(agent="c") == ()
    assert len(box) == 3


def test_the_pattern_is_read_in_the_dialect_of_the_box() -> None:
    box = DeadLetterBox("mqtt")
    box.add(letter("ai/models"))
    assert len(box.select(pattern="ai/#")) == 1


def test_what_is_taken_is_out() -> None:
    first, second, third = letter("ai.models"), letter("news"), letter("ai.data")
    box = boxed(first, second, third)
    assert box.take(pattern="ai.*", limit=1) == (first,)
    assert box.take(pattern="ai.*") == (third,)
    assert box.take(pattern="ai.*") == ()
    assert list(box) == [second]
    assert box.statistics() == stentor.DeadLetterStatistics(added=3, held=1, dropped=0, taken=2, peak=3, capacity=10)


def test_a_letter_is_removed_once() -> None:
    one, other = letter(), letter()
    box = boxed(one, other)
    assert [box.remove(one), box.remove(one), box.remove(letter())] == [True, False, False]
    assert list(box) == [other]
    assert box.statistics().taken == 1


def test_one_may_add_and_take_while_iterating() -> None:
    letters = [letter(), letter(), letter()]
    box = boxed(*letters, capacity=3)
    seen: list[DeadLetter] = []
    for one in box:
        seen.append(one)
        box.remove(one)
        box.add(letter())
    assert seen == letters
    assert len(box) == 3


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"capacity": 0}, ValueError, "capacity must be >= 1, not 0"),
        ({"capacity": 2.5}, TypeError, "capacity must be an int, not float"),
    ],
)
def test_a_wrong_capacity_is_refused(options: dict[str, Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        DeadLetterBox("mailbox", **options)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"agent": 3}, TypeError, "agent must be of type str, not int"),
        ({"pattern": 3}, TypeError, "pattern must be of type str, not int"),
        ({"pattern": "a..b"}, stentor.InvalidPatternError, "invalid pattern 'a..b' at offset 2: empty segment"),
        ({"limit": 0}, ValueError, "limit must be >= 1, not 0"),
        ({"limit": "1"}, TypeError, "limit must be an int, not str"),
    ],
)
def test_a_wrong_choice_is_refused_and_nothing_is_taken(
    options: dict[str, Any], kind: type[Exception], text: str
) -> None:
    box = boxed(letter())
    with pytest.raises(kind) as caught:
        box.take(**options)
    assert str(caught.value) == text
    assert len(box) == 1


class Boxes(RuleBasedStateMachine):
    """The box beside a plain list, whatever is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.box = DeadLetterBox("mailbox", capacity=3)
        self.model: list[DeadLetter] = []
        self.out: list[DeadLetter] = []
        self.added = 0
        self.peak = 0

    @rule(topic=st.sampled_from(["a", "a.b", "c"]), agent=st.sampled_from(["x", "y"]))
    def add(self, topic: str, agent: str) -> None:
        """Let a delivery die."""
        one = letter(topic, agent, time=float(self.added))
        expected = self.model.pop(0) if len(self.model) == 3 else None
        self.model.append(one)
        assert self.box.add(one) is expected
        self.added += 1
        self.peak = max(self.peak, len(self.model))

    @rule(
        agent=st.sampled_from([None, "x", "y"]),
        prefix=st.sampled_from([None, "a"]),
        limit=st.sampled_from([None, 1, 2]),
    )
    def take(self, agent: str | None, prefix: str | None, limit: int | None) -> None:
        """Take some out."""
        chosen = [
            one
            for one in self.model
            if (agent is None or one.agent == agent) and (prefix is None or one.message.topic.startswith(prefix))
        ][:limit]
        pattern = None if prefix is None else f"{prefix}.**"
        assert list(self.box.take(agent=agent, pattern=pattern, limit=limit)) == chosen
        self.model = [one for one in self.model if one not in chosen]
        self.out += chosen

    @precondition(lambda self: bool(self.model))
    @rule(place=st.integers(0, 2))
    def remove(self, place: int) -> None:
        """Take a certain one out."""
        one = self.model.pop(place % len(self.model))
        assert self.box.remove(one)
        self.out.append(one)

    @invariant()
    def nothing_is_lost(self) -> None:
        """The box holds what the list holds, and its counts add up."""
        assert list(self.box) == self.model
        told = self.box.statistics()
        assert (told.added, told.held, told.taken, told.peak) == (
            self.added,
            len(self.model),
            len(self.out),
            self.peak,
        )
        assert told.added == told.held + told.dropped + told.taken


TestBoxes = Boxes.TestCase

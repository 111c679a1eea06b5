"""What a matcher keeps: its values, found whatever came and went, and let go of without a lock or a trace."""

from __future__ import annotations

import gc
import random
import weakref
from typing import TYPE_CHECKING

import pytest

import stentor
from stentor._native import Index

if TYPE_CHECKING:
    from collections.abc import Callable


class _Held:
    """A value that can be watched."""


class _Caller:
    """A value whose end calls back into its matcher."""

    def __init__(self, matcher: stentor.Matcher[object], seen: list[object]) -> None:
        self.matcher = matcher
        self.seen = seen

    def __del__(self) -> None:
        handle = self.matcher.add("a.*", "late")
        self.seen.append(self.matcher.match("a.b"))
        self.matcher.remove(handle)


@pytest.mark.parametrize("cache_capacity", [0, 100])
def test_values_are_found_whatever_came_and_went(cache_capacity: int) -> None:
    rng = random.Random(1)
    matcher: stentor.Matcher[int] = stentor.Matcher(cache_capacity=cache_capacity)
    live: dict[int, tuple[str, int]] = {}
    for step in range(6_000):
        if live and rng.random() < (0.45 if step % 2_000 < 1_000 else 0.6):
            handle = rng.choice(list(live))
            matcher.remove(handle)
            del live[handle]
        else:
            pattern = rng.choice(["a.*", "a.b", "**", "b.**"])
            live[matcher.add(pattern, step)] = (pattern, step)
        if step % 50 == 0:
            expected = tuple(value for pattern, value in live.values() if pattern in {"a.*", "a.b", "**"})
            assert matcher.match("a.b") == expected
            assert matcher.match_many(["a.b", "a.b"]) == [expected, expected]
            assert len(matcher) == len(live)


def test_a_value_may_call_its_matcher_when_it_ends() -> None:
    seen: list[object] = []
    matcher: stentor.Matcher[object] = stentor.Matcher(cache_capacity=0)
    handle = matcher.add("a.b", _Caller(matcher, seen))
    matcher.remove(handle)
    assert seen == [("late",)]
    assert matcher.match("a.b") == ()


def test_a_collection_may_call_the_matcher_in_the_middle_of_a_match() -> None:
    seen: list[object] = []
    matcher: stentor.Matcher[object] = stentor.Matcher(cache_capacity=0)
    for number in range(20):
        matcher.add("a.*", number)
    threshold = gc.get_threshold()
    try:
        gc.set_threshold(1)
        for _ in range(50):
            caller = _Caller(matcher, seen)
            circle: list[object] = [caller]
            circle.append(circle)
            del caller, circle
            assert matcher.match("a.b") == tuple(range(20))
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert seen == [(*range(20), "late")] * 50


def test_a_circle_through_the_values_of_a_matcher_is_collected() -> None:
    matcher: stentor.Matcher[object] = stentor.Matcher(cache_capacity=0)
    for number in range(1_000):
        matcher.add("a", number)
    for handle in range(999):
        matcher.remove(handle)
    held = [_Held(), _Held()]
    ends = [weakref.ref(one) for one in held]
    for one in held:
        one.matcher = matcher  # type: ignore[attr-defined]
        matcher.add("a.b", one)
    del matcher, held, one
    gc.collect()
    assert [end() for end in ends] == [None, None]


def test_a_removed_value_is_let_go_of() -> None:
    matcher: stentor.Matcher[_Held] = stentor.Matcher()
    held = _Held()
    end = weakref.ref(held)
    handle = matcher.add("a.b", held)
    del held
    matcher.remove(handle)
    assert end() is None


@pytest.mark.parametrize("handle", [-1, 1, 2**64, "0", 0.0, None, []])
def test_a_handle_of_nothing_is_refused(handle: int) -> None:
    matcher: stentor.Matcher[str] = stentor.Matcher()
    matcher.add("a.b", "value")
    with pytest.raises(ValueError, match="handle must be of a value that was added and not removed, not"):
        matcher.remove(handle)
    assert matcher.match("a.b") == ("value",)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda index: index.pick(),
        lambda index: index.pick("a", "b"),
        lambda index: index.pick(topic="a"),
        lambda index: index.pick(1),
        lambda _index: Index.pick({}, "a"),  # type: ignore[arg-type]
    ],
)
def test_values_are_picked_by_one_topic_alone(wrong: Callable[[Index], object]) -> None:
    with pytest.raises(TypeError):
        wrong(Index("mailbox", keeps_values=True))


def test_values_without_a_place_are_refused() -> None:
    index = Index("mailbox", keeps_values=True)
    first, second = index.add_many(["a", "a"])
    index.remove(first)
    refusal = "id must be of a subscription of an index that keeps values, not {}"
    for number in (first, 2, 2**63):
        with pytest.raises(ValueError, match=refusal.format(number)):
            index.put(number, "value")
    assert index.pick("a") == ()
    index.put(second, "value")
    assert index.pick("a") == ("value",)
    index = Index("mailbox")
    with pytest.raises(ValueError, match=refusal.format(0)):
        index.put(index.add("a"), "value")
    assert index.pick("a") == ()


def test_a_value_that_is_replaced_is_let_go_of() -> None:
    index = Index("mailbox", keeps_values=True)
    number = index.add("a")
    held = _Held()
    end = weakref.ref(held)
    index.put(number, held)
    del held
    assert end() is not None
    index.put(number, "another")
    assert end() is None
    assert index.remove(number) == "another"


def test_values_end_with_their_index() -> None:
    held = [_Held() for _ in range(10)]
    ends = [weakref.ref(one) for one in held]
    index = Index("mailbox", keeps_values=True)
    for pattern in ("a", "a.*"):
        for number, one in zip(index.add_many([pattern] * 5), held, strict=False):
            index.put(number, one)
        del held[:5]
    assert [end() is None for end in ends] == [False] * 10
    del index, one
    assert [end() for end in ends] == [None] * 10

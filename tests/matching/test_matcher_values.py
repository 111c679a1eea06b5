"""What a matcher keeps: its values, found whatever came and went, and let go of without a lock or a trace."""

from __future__ import annotations

import gc
import random
import weakref
from typing import TYPE_CHECKING, Any

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


class _Changing:
    """A value whose end changes what its matcher matches."""

    def __init__(self, matcher: stentor.Matcher[str], change: str, first: int) -> None:
        self.matcher = matcher
        self.change = change
        self.first = first

    def __del__(self) -> None:
        match self.change:
            case "add":
                self.matcher.add("a.b", "late")
            case "add_many":
                self.matcher.add_many([("a.b", "late")])
            case _:
                self.matcher.remove(self.first)


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


@pytest.mark.parametrize("handle", [-1, 1, 2**64, "0", 0.0, None, [], False])
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


def test_an_index_without_values_refuses_them() -> None:
    index = Index("mailbox")
    refusal = "an index made without keeps_values keeps no value"
    with pytest.raises(ValueError, match=refusal):
        index.add("a", "value")
    with pytest.raises(ValueError, match=refusal):
        index.add_many(["a"], ["value"])
    assert len(index) == 0
    index.add("a")
    assert index.pick("a") == ()


def test_there_are_as_many_values_as_patterns() -> None:
    index = Index("mailbox", keeps_values=True)
    with pytest.raises(ValueError, match="values must be as many as patterns, 2, not 1"):
        index.add_many(["a", "b"], ["value"])
    assert len(index) == 0
    assert index.add_many(["a", "a"]) == [0, 1]
    assert index.add("a", "value") == 2
    assert index.pick("a") == (None, None, "value")
    assert [index.remove(number) for number in (2, 0, 1)] == ["value", None, None]


def test_the_values_of_what_is_refused_are_let_go_of() -> None:
    matcher: stentor.Matcher[_Held] = stentor.Matcher()
    held = _Held()
    end = weakref.ref(held)
    with pytest.raises(stentor.InvalidPatternError):
        matcher.add("a..b", held)
    with pytest.raises(stentor.InvalidPatternError):
        matcher.add_many([("a", held), ("a..b", held)])
    del held
    assert end() is None
    assert len(matcher) == 0
    assert matcher.match("a") == ()


@pytest.mark.parametrize("wrong", [3, "ab", ("a",), ("a", 1, 2), None])
def test_what_is_no_pair_is_refused_with_all_the_others(wrong: Any) -> None:
    matcher: stentor.Matcher[int] = stentor.Matcher()
    with pytest.raises(TypeError, match=r"^items must hold pairs of a pattern and a value, not "):
        matcher.add_many([("a", 1), wrong])
    assert len(matcher) == 0


@pytest.mark.parametrize("capacity", ["x", 1.5, True, None])
def test_a_capacity_that_is_no_number_is_refused(capacity: Any) -> None:
    with pytest.raises(TypeError, match=r"^cache_capacity must be an int, not "):
        stentor.Matcher(cache_capacity=capacity)


def test_a_single_text_is_no_collection_of_topics() -> None:
    matcher: stentor.Matcher[int] = stentor.Matcher()
    with pytest.raises(TypeError, match=r"^topics must be a collection of topics, not a single str$"):
        matcher.match_many("ab")


def test_a_matcher_says_how_much_it_holds() -> None:
    matcher: stentor.Matcher[int] = stentor.Matcher()
    matcher.add_many([("a", 1), ("**", 2)])
    assert repr(matcher) == "<Matcher of 2 values>"


def test_pairs_that_can_be_read_once_are_added() -> None:
    matcher: stentor.Matcher[str] = stentor.Matcher()
    pairs: list[Any] = [iter(("a", "value"))]
    assert matcher.add_many(pairs) == [0]
    assert matcher.match("a") == ("value",)


@pytest.mark.parametrize("change", ["add", "add_many", "remove"])
def test_what_changes_in_the_middle_of_a_match_is_not_hidden_by_the_cache(change: str) -> None:
    """Whenever the collector runs: a finalizer may change what is being matched."""
    threshold = gc.get_threshold()
    for allocations in range(1, 20):
        matcher: stentor.Matcher[str] = stentor.Matcher(cache_capacity=100)
        first = matcher.add("a.b", "first")
        gc.disable()
        gc.collect()
        circle: list[object] = [_Changing(matcher, change, first)]
        circle.append(circle)
        del circle
        gc.set_threshold(allocations)
        gc.enable()
        try:
            matcher.match("a.b")
        finally:
            gc.set_threshold(*threshold)
        gc.collect()
        expected = () if change == "remove" else ("first", "late")
        assert matcher.match("a.b") == expected


def test_values_end_with_their_index() -> None:
    held = [_Held() for _ in range(10)]
    ends = [weakref.ref(one) for one in held]
    index = Index("mailbox", keeps_values=True)
    for pattern in ("a", "a.*"):
        index.add_many([pattern] * 5, held[:5])
        del held[:5]
    assert [end() is None for end in ends] == [False] * 10
    del index
    assert [end() for end in ends] == [None] * 10

"""The match cache: bounded, never stale, and of use to topics that are asked for again."""

from __future__ import annotations

import gc
import re
import sys
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import stentor
from stentor._mechanisms import match_cache
from stentor._mechanisms.match_cache import MatchCache
from stentor._mechanisms.matching import MatchTable

if TYPE_CHECKING:
    from collections.abc import Callable


class Asked:
    """Builds ids as they are, and remembers for how many topics it was asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """Return the ids."""
        self.count += 1
        return ids


def table_of(build: Callable[[tuple[int, ...]], tuple[int, ...]], capacity: int = 10) -> MatchTable[tuple[int, ...]]:
    return MatchTable("mailbox", build=build, cache_capacity=capacity)


def test_a_lookup_of_a_cached_topic_asks_nobody_and_gives_the_same_object() -> None:
    asked = Asked()
    table = table_of(asked)
    table.add("a.*")
    first = table.lookup("a.b")
    assert table.lookup("a.b") is first
    assert asked.count == 1
    assert table.statistics(lookups=2).hits == 1
    assert table.statistics().hits is None


@pytest.mark.parametrize("change", ["add", "remove"])
def test_an_exact_change_touches_its_one_topic(change: str) -> None:
    asked = Asked()
    table = table_of(asked)
    number = table.add("b") if change == "remove" else None
    for topic in ("a", "b", "c"):
        table.lookup(topic)
    if number is None:
        number = table.add("b")
    else:
        table.remove(number)
    assert table.statistics().cached == 2
    asked.count = 0
    assert [table.lookup(topic) for topic in ("a", "b", "c")] == [(), (number,) if change == "add" else (), ()]
    assert asked.count == 1


@pytest.mark.parametrize("pattern", ["*", "**", "a.*", "?", "[ab].**"])
def test_a_wildcard_change_drops_every_topic(pattern: str) -> None:
    table = table_of(Asked())
    table.lookup("a.b")
    number = table.add(pattern)
    assert table.statistics().cached == 0
    table.lookup("a.b")
    table.remove(number)
    assert table.statistics().cached == 0
    assert table.lookup("a.b") == ()


def test_adding_many_or_clearing_drops_every_topic_and_adding_none_drops_none() -> None:
    asked = Asked()
    table = table_of(asked)
    table.lookup("a")
    table.add_many([])
    assert table.statistics().cached == 1
    assert table.add_many(["a", "b.*"]) == [0, 1]
    assert table.lookup("a") == (0,)
    table.clear()
    assert table.statistics().cached == 0


def test_what_is_refused_changes_nothing() -> None:
    table = table_of(Asked())
    table.lookup("a")
    with pytest.raises(stentor.InvalidPatternError):
        table.add("a..b")
    with pytest.raises(stentor.InvalidPatternError):
        table.add_many(["a", "b..c"])
    with pytest.raises(ValueError, match=r"^id must be of a subscription that was added and not removed, not 7$"):
        table.remove(7)
    with pytest.raises(stentor.InvalidTopicError):
        table.lookup("*")
    told = table.statistics(lookups=1)
    assert (told.cached, told.subscriptions, told.hits, told.misses) == (1, 0, 0, 1)


def test_topics_are_bounded_and_the_oldest_goes_at_the_second_miss_of_another() -> None:
    table = table_of(Asked(), capacity=3)
    for topic in ("a", "b", "c", "d"):
        table.lookup(topic)
    assert table.statistics().evictions == 0
    table.lookup("d")
    told = table.statistics()
    assert (told.cached, told.evictions) == (3, 1)
    asked = Asked()
    table._build = asked
    for topic in ("b", "c", "d"):
        table.lookup(topic)
    assert asked.count == 0
    table.lookup("a")
    assert asked.count == 1


def test_one_shot_topics_do_not_push_out_hot_ones() -> None:
    asked = Asked()
    table = table_of(asked, capacity=50)
    hot = [f"hot.{place}" for place in range(50)]
    for topic in hot:
        table.lookup(topic)
    for place in range(10_000):
        table.lookup(f"once.{place}")
    asked.count = 0
    for topic in hot:
        table.lookup(topic)
    assert asked.count == 0


def test_one_shot_topics_leave_no_memory_behind() -> None:
    table = table_of(Asked(), capacity=1000)

    def look(first: int, last: int) -> int:
        for place in range(first, last):
            table.lookup(f"once.{place}")
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = look(0, 3_000)
        assert look(3_000, 50_000) - before < 5_000
    finally:
        tracemalloc.stop()
    assert table.statistics().cached == 1000


@pytest.mark.parametrize("capacity", [0, 1000])
def test_a_million_one_shot_topics_leave_no_memory_behind(capacity: int) -> None:
    matcher: stentor.Matcher[int] = stentor.Matcher(cache_capacity=capacity)
    matcher.add_many((pattern, place) for place, pattern in enumerate(["once.*.done", "once.t?.**", "**.done", "x"]))
    match = matcher.match
    found = sum(len(match(f"once.t{place}.done")) for place in range(10_000))
    gc.collect()
    blocks, held = sys.getallocatedblocks(), matcher.statistics().bytes
    found += sum(len(match(f"once.t{place}.done")) for place in range(10_000, 1_000_000))
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 2_000
    told = matcher.statistics()
    assert (told.bytes, told.cached, told.misses) == (held, capacity, 1_000_000)
    assert found == 2 * 1_000_000 + 10


def test_targets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(match_cache, "LEAST_TARGETS", 100)
    monkeypatch.setattr(match_cache, "TARGETS_PER_TOPIC", 1)
    cache = MatchCache(capacity=100, make=len)
    cache.store("too large", 0, 101)
    assert len(cache) == 0
    for name in "abc":
        cache.store(name, 7, 40)
    assert len(cache) == 2
    assert [cache.lookup(name) for name in "abc"] == [1, 7, 7]
    cache.forget("b")
    cache.store("d", 7, 60)
    assert (len(cache), cache.evictions) == (2, 1)


def test_a_cache_without_capacity_keeps_nothing() -> None:
    table = table_of(Asked(), capacity=0)
    table.add("a")
    assert [table.lookup("a") for _ in range(3)] == [(0,)] * 3
    told = table.statistics(lookups=3)
    assert (told.cached, told.hits, told.misses, told.evictions) == (0, 0, 3, 0)


def test_a_negative_capacity_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^cache_capacity must be >= 0, not -1$"):
        stentor.Matcher(cache_capacity=-1)


class Unlike(str):
    """A str that says it equals everything."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("a")


def test_a_topic_of_a_kind_of_its_own_is_matched_by_its_text_and_not_cached() -> None:
    table = table_of(Asked())
    table.add("b")
    assert table.lookup(Unlike("b")) == (0,)
    assert table.statistics().cached == 0
    assert table.lookup("a") == ()


def test_what_is_no_text_is_refused() -> None:
    matcher: stentor.Matcher[int] = stentor.Matcher()
    with pytest.raises(TypeError, match=r"^topic must be str, not int$"):
        matcher.match(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"^pattern must be str, not bytes$"):
        matcher.add(b"a", 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert len(matcher) == 0


@pytest.mark.parametrize("handle", [0, -1, 2**70, "a", None])
def test_a_handle_of_nobody_is_refused(handle: int) -> None:
    matcher: stentor.Matcher[str] = stentor.Matcher()
    text = re.escape(f"handle must be of a value that was added and not removed, not {handle!r}")
    with pytest.raises(ValueError, match=f"^{text}$"):
        matcher.remove(handle)


def test_a_value_that_removes_itself_when_it_goes_finds_the_matcher_unlocked() -> None:
    matcher: stentor.Matcher[object] = stentor.Matcher()
    found: list[int] = []

    class Value:
        def __del__(self) -> None:
            thread = threading.Thread(target=lambda: found.append(len(matcher.match("a"))))
            thread.start()
            thread.join(5)

    handle = matcher.add("a", Value())
    matcher.add("*", 1)
    matcher.remove(handle)
    assert found == [1]


def test_a_matcher_in_a_cycle_is_collected() -> None:
    class Value:
        matcher: object

    matcher: stentor.Matcher[Value] = stentor.Matcher()
    value = Value()
    value.matcher = matcher
    matcher.add("a", value)
    matcher.match("a")
    gone = weakref.ref(value)
    del matcher, value
    gc.collect()
    assert gone() is None


def change_and_look(matcher: stentor.Matcher[int], number: int) -> list[tuple[int, int]]:
    """Add and remove a subscription of its own, and return the turns after which a lookup did not know."""
    wrong: list[tuple[int, int]] = []
    for turn in range(300):
        handle = matcher.add(f"own.{number}" if turn % 2 else f"own.{number}.**", number)
        if matcher.match(f"own.{number}") != (number,):
            wrong.append((number, turn))
        matcher.remove(handle)
        if matcher.match(f"own.{number}"):
            wrong.append((number, turn))
    return wrong


def test_lookups_are_never_stale_while_other_threads_change() -> None:
    matcher: stentor.Matcher[int] = stentor.Matcher(cache_capacity=64)
    with ThreadPoolExecutor(8) as threads:
        looking = [threads.submit(lambda: [matcher.match(f"own.{place % 4}") for place in range(5000)]) for _ in "ab"]
        changing = [threads.submit(change_and_look, matcher, number) for number in range(4)]
        assert [wrong for each in changing for wrong in each.result()] == []
        assert [len(each.result()) for each in looking] == [5000, 5000]
    assert len(matcher) == 0


def test_100_000_subscribers_of_one_pattern_share_one_entry() -> None:
    table = table_of(tuple)
    numbers = table.add_many(["fan.*"] * 100_000)
    told = table.statistics()
    assert (told.subscriptions, told.patterns) == (100_000, 1)
    assert told.bytes / 100_000 < 40
    assert table.lookup("fan.in") == tuple(numbers)
    for number in numbers[::2]:
        table.remove(number)
    assert table.lookup("fan.in") == tuple(numbers[1::2])

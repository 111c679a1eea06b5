"""Matching from Python, hot and cold, each beside ``dict.get`` of the same topics in the same group.

`pytest benches/test_bench_matching.py --benchmark-enable` measures; without the option each runs once, as a test.
Whatever is measured looks up `lookups` topics one after another (in the extra information), so divide by that.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

import stentor
from benches import workloads
from stentor._native import BUILD_PROFILE, Index

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_benchmark.fixture import BenchmarkFixture

SIZES = (1_000, 100_000)
LOOKUPS = 20_000


@functools.cache
def workload(size: int) -> workloads.Workload:
    """M1 of this size."""
    return workloads.mixed(size, topics=max(LOOKUPS, workloads.HOT_TOPICS))


@functools.cache
def index_of(size: int) -> Index:
    """The native index with these subscriptions."""
    index = Index("mailbox")
    index.add_many(workload(size).patterns)
    return index


@functools.cache
def matcher_of(size: int, capacity: int) -> stentor.Matcher[int]:
    """A matcher with these subscriptions."""
    matcher: stentor.Matcher[int] = stentor.Matcher(cache_capacity=capacity)
    matcher.add_many((pattern, place) for place, pattern in enumerate(workload(size).patterns))
    return matcher


def look_up(lookup: Callable[[str], object], topics: Sequence[str]) -> int:
    """Look each topic up and return how many there were."""
    for topic in topics:
        lookup(topic)
    return len(topics)


@pytest.fixture
def measure(benchmark: BenchmarkFixture) -> Callable[[Callable[[str], object], Sequence[str]], None]:
    """Measures lookups, after one of each; refuses to time a debug build."""

    def run(lookup: Callable[[str], object], topics: Sequence[str]) -> None:
        if not benchmark.disabled and BUILD_PROFILE != "release":
            pytest.fail("a debug build says nothing about speed: build with --release", pytrace=False)
        benchmark.extra_info["lookups"] = len(topics)  # pyright: ignore[reportUnknownMemberType]
        done = benchmark.pedantic(look_up, (lookup, topics), rounds=11, warmup_rounds=1)  # type: ignore[no-untyped-call]
        assert done == len(topics)

    return run


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("what", ["dict.get", "Matcher.match, cached", "native Index.match"])
def test_hot(
    what: str,
    size: int,
    measure: Callable[[Callable[[str], object], Sequence[str]], None],
    benchmark: BenchmarkFixture,
) -> None:
    benchmark.group = f"hot, {size:,} subscriptions"
    topics = workload(size).hot_topics(100 if benchmark.disabled else LOOKUPS)
    known: dict[str, tuple[int, ...]] = dict.fromkeys(topics, ())
    lookups: dict[str, Callable[[str], object]] = {
        "dict.get": known.get,
        "Matcher.match, cached": matcher_of(size, 1_000).match,
        "native Index.match": index_of(size).match,
    }
    measure(lookups[what], topics)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("what", ["dict.get", "Matcher.match, no cache", "native Index.match"])
def test_cold(
    what: str,
    size: int,
    measure: Callable[[Callable[[str], object], Sequence[str]], None],
    benchmark: BenchmarkFixture,
) -> None:
    benchmark.group = f"cold, {size:,} subscriptions"
    topics = workload(size).topics[: 100 if benchmark.disabled else LOOKUPS]
    known: dict[str, tuple[int, ...]] = dict.fromkeys(topics, ())
    lookups: dict[str, Callable[[str], object]] = {
        "dict.get": known.get,
        "Matcher.match, no cache": matcher_of(size, 0).match,
        "native Index.match": index_of(size).match,
    }
    measure(lookups[what], topics)

"""The goals of matching that a Python program sees: ``python -m benches.goals_matching``.

Each row is a ratio of things measured in turns in this run: in every round each has its turn, in processor time of this
thread, and the ratio is the median of the rounds. The rows that concern Rust alone are printed by
``cargo bench -p stentor-core --bench goals``.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import random
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import stentor
from benches import peers, workloads
from stentor import _native
from stentor._mechanisms.matching import MatchTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Run = Callable[[], int]

ROUNDS = 15
SIZE = 100_000
CHURN_SIZE = 10_000
LOOKUPS = 20_000


def main() -> None:
    """Measure every row."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    if _native.BUILD_PROFILE != "release":
        sys.exit(f"build the native module for release first, not for {_native.BUILD_PROFILE}")
    measure_hot()
    measure_cold()
    measure_exact_changes()
    measure_mixed_changes()


def measure_hot() -> None:
    """The bus's lookup of a route and `Matcher.match`, each beside `dict.get`, for 100 topics."""
    work = workloads.mixed(SIZE)
    topics = work.hot_topics(LOOKUPS)
    known: dict[str, object] = dict.fromkeys(topics, ())
    table = MatchTable("mailbox", build=len, cache_capacity=1_000)
    table.add_many(work.patterns)
    matcher = _matcher(work.patterns, cache_capacity=1_000)
    get, match = (_looking_up(one, topics) for one in (known.get, matcher.match))
    of_table, of_matcher = _ratios(get, _looking_up_as_the_bus(table, topics), match)
    _row("hot lookup of the bus / dict.get", of_table, 1.15, 1.5)
    _row("Matcher.match, hot / dict.get", of_matcher, 1.6, 2.2)


def measure_cold() -> None:
    """A match without cache at 100,000 subscriptions beside paho's, and beside one at 1,000."""
    work = workloads.mixed(SIZE, tails_only=True)
    topics = work.topics[:LOOKUPS]
    native = _native.Index("mailbox")
    native.add_many(work.patterns)
    uncached = _looking_up(_matcher(work.patterns, cache_capacity=0).match, topics)
    index = _looking_up(native.match, topics)
    small = workloads.mixed(SIZE // 100, tails_only=True)
    at_small = _looking_up(_matcher(small.patterns, cache_capacity=0).match, small.topics[:LOOKUPS])
    (of_small,) = _ratios(at_small, uncached)
    _row("cold match at 100,000 / at 1,000", of_small, 10, 10)
    if not peers.PAHO.is_installed:
        _say("paho-mqtt is not installed, so nothing is compared with it")
        return
    of_uncached, of_index = _ratios(_paho(work.patterns, topics), uncached, index)
    _row("Matcher.match, no cache, at 100,000 / paho", of_uncached, 1 / 20, 1 / 10)
    _row("native Index.match at 100,000 / paho", of_index, 1 / 20, 1 / 10)


def measure_exact_changes() -> None:
    """Lookups of the bus's table while one exact subscription comes or goes per 100 of them, beside no change."""
    work = workloads.mixed(CHURN_SIZE)
    lookups = work.zipf_topics(LOOKUPS, distinct=CHURN_SIZE)
    tables = [MatchTable("mailbox", build=len, cache_capacity=65_536) for _ in range(2)]
    for table in tables:
        table.add_many(work.patterns)
        _looking_up(table.lookup, lookups)()
    fresh = (f"reply.r{number}" for number in itertools.count())
    (ratio,) = _ratios(_looking_up_as_the_bus(tables[0], lookups), _changing(tables[1], lookups, fresh, 100))
    _row("lookups under 1 exact change per 100 / without change", ratio, 1.5, 2)


def measure_mixed_changes() -> None:
    """Lookups while a subscription comes or goes per 10 of them, 30 % wildcards, beside the same without a cache."""
    work = workloads.mixed(CHURN_SIZE)
    lookups = work.zipf_topics(LOOKUPS, distinct=CHURN_SIZE)
    runs: list[Run] = []
    for capacity in (0, 65_536):
        table = MatchTable("mailbox", build=len, cache_capacity=capacity)
        table.add_many(work.patterns)
        kinds = _changing_patterns(random.Random(workloads.SEED))
        runs.append(_changing(table, lookups, kinds, 10))
    (ratio,) = _ratios(*runs)
    _row("1 change per 10 lookups, 30 % wildcards / without cache", ratio, 1, 1.2)


def _changing_patterns(rng: random.Random) -> itertools.chain[str]:
    """Return patterns of which 30 % have a wildcard, without end."""
    kinds = ("agent.{}.*", "room.*.msg.{}", "**.n{}", *["reply.r{}"] * 7)
    return itertools.chain.from_iterable(
        (kind.format(rng.randrange(1000)) for kind in rng.sample(kinds, len(kinds))) for _ in itertools.count()
    )


def _matcher(patterns: Sequence[str], *, cache_capacity: int) -> stentor.Matcher[int]:
    matcher: stentor.Matcher[int] = stentor.Matcher(cache_capacity=cache_capacity)
    matcher.add_many((pattern, place) for place, pattern in enumerate(patterns))
    return matcher


def _looking_up(lookup: Callable[[str], object], topics: Sequence[str]) -> Run:
    def run() -> int:
        for topic in topics:
            lookup(topic)
        return len(topics)

    return run


def _looking_up_as_the_bus(table: MatchTable[int], topics: Sequence[str]) -> Run:
    """Return lookups in the way of a publish: in the ``dict`` of what is cached, and only then in the table."""

    def run() -> int:
        cached, lookup = table.cached.get, table.lookup
        for topic in topics:
            if cached(topic) is None:
                lookup(topic)
        return len(topics)

    return run


def _changing(table: MatchTable[int], lookups: Sequence[str], patterns: Any, period: int) -> Run:
    """Return lookups with a change between every so many: one comes, and at the next change it goes."""
    added: list[int] = []

    def run() -> int:
        cached, lookup = table.cached.get, table.lookup
        for place in range(0, len(lookups), period):
            if added:
                table.remove(added.pop())
            else:
                added.append(table.add(next(patterns)))
            for topic in lookups[place : place + period]:
                if cached(topic) is None:
                    lookup(topic)
        return len(lookups)

    return run


def _paho(patterns: Sequence[str], topics: Sequence[str]) -> Run:
    """Return lookups in the trie of dicts of the MQTT client, in its own words."""
    matcher: Any = importlib.import_module("paho.mqtt.matcher").MQTTMatcher()
    for place, pattern in enumerate(patterns):
        matcher["#" if pattern == "*" else pattern.replace(".", "/").replace("**", "#").replace("*", "+")] = place
    wanted = [topic.replace(".", "/") for topic in topics]
    return _looking_up(lambda topic: list(matcher.iter_match(topic)), wanted)


def _ratios(base: Run, *others: Run) -> list[float]:
    """Return what each costs in multiples of the first, as the median of the rounds."""
    times = [[_time_of(run) for run in (base, *others)] for _ in range(ROUNDS)]
    return [statistics.median(taken[place] / taken[0] for taken in times) for place in range(1, len(others) + 1)]


def _time_of(run: Run) -> float:
    started = time.thread_time()
    count = run()
    return (time.thread_time() - started) / count


def _row(what: str, ratio: float, goal: float, worst: float) -> None:
    verdict = "goal met" if ratio <= goal else "accepted" if ratio <= worst else "NOT met"
    _say(f"{what:<60}{ratio:>8.3f}  goal {goal:g}, worst {worst:g}: {verdict}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Stentor's matcher beside its peers on the workloads M1 to M6: ``python -m benches.peers_matching``.

Within each round every peer has its turn, and the figure is the median of the rounds. A peer looks topics up for a
fixed time, so that a slow one is as well measured as a fast one. Before it is timed, its answers are compared.
"""

from __future__ import annotations

import argparse
import itertools
import random
import resource
import statistics
import sys
import time
from typing import TYPE_CHECKING

from benches import workloads
from benches.peers import CACHED, COLD, PAHO, PEERS, Lookup, Peer
from stentor import _native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ROUNDS = 5
SECONDS = 0.15
CHECKED_TOPICS = 60
SIZES = (1_000, 10_000, 100_000)
MILLION = 1_000_000
CHURN_TOPICS = 10_000
ONE_SHOTS = 1_000_000
FAN_IN = 100_000


def main() -> None:
    """Measure what the command line names, everything where it names nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", choices=[[], *MEASURES], help="which workloads")
    parser.add_argument("--million", action="store_true", help="also 1,000,000 subscriptions, for those that can")
    arguments = parser.parse_args()
    if _native.BUILD_PROFILE != "release":
        parser.error(f"build the native module for release first, not for {_native.BUILD_PROFILE}")
    missing = [peer.name for peer in PEERS if not peer.is_installed]
    _say(f"not installed, so left out: {', '.join(missing) or 'none'}")
    sizes = (*SIZES, MILLION) if arguments.million else SIZES
    for name in arguments.only or MEASURES:
        MEASURES[name](sizes)


def measure_mixed(sizes: Sequence[int]) -> None:
    """M1, once as it is and once with ``**`` last only, which paho can say."""
    for size, tails_only in itertools.product(sizes, (False, True)):
        kind = "** last only" if tails_only else "** anywhere"
        _compare(
            f"M1 mixed, {size:,} subscriptions, {kind}",
            workloads.mixed(size, tails_only=tails_only),
            tails_only=tails_only,
        )


def measure_wildcards(sizes: Sequence[int]) -> None:
    """M2, with ``**`` last only, so that all can say it."""
    for size in sizes:
        work = workloads.all_wildcards(size, tails_only=True)
        _compare(f"M2 all wildcards, {size:,} subscriptions", work, tails_only=True)


def measure_wide(_sizes: Sequence[int]) -> None:
    """M3."""
    work = workloads.wide()
    _compare(f"M3 wide, {len(work.patterns):,} subscriptions", work, tails_only=True)


def measure_devices(_sizes: Sequence[int]) -> None:
    """M4."""
    work = workloads.devices()
    _compare(f"M4 devices, {len(work.patterns):,} subscriptions", work, tails_only=True)


def measure_churn(_sizes: Sequence[int]) -> None:
    """M5 at 10,000 subscriptions: lookups/s while one subscription comes and goes per so many lookups."""
    work = workloads.mixed(10_000, tails_only=True)
    lookups = work.zipf_topics(20_000, distinct=CHURN_TOPICS)
    opened = {peer.name: peer.open(work.patterns) for peer in (COLD, CACHED, PAHO) if peer.is_installed}
    for period in (1, 10, 100, 1000):
        title = f"M5 churn, 10,000 subscriptions, one added and one removed per {period:,} lookups"
        _interleave(title, {name: _churning(lookup, lookups, period) for name, lookup in opened.items()})


def measure_fan_in(_sizes: Sequence[int]) -> None:
    """M6: one pattern with 100,000 subscribers, removal in random order, and a million one-shot topics."""
    for peer in (COLD, CACHED, PAHO):
        if not peer.is_installed:
            continue
        fan = peer.open(["fan.in"] * FAN_IN)
        started = time.perf_counter()
        found = fan.match("fan.in")
        _say(f"M6 {peer.name}: {found:,} subscribers of one topic in {(time.perf_counter() - started) * 1e3:.2f} ms")
        _say(f"M6 {peer.name}: {_removal_time(peer) * 1e6:.2f} us a removal of {FAN_IN:,} in random order")
        _say(f"M6 {peer.name}: {_growth(peer.open(['once.**'])):.1f} MiB more after {ONE_SHOTS:,} one-shot topics")


def _compare(title: str, work: workloads.Workload, *, tails_only: bool) -> None:
    able = [peer for peer in PEERS if len(work.patterns) <= peer.most and (tails_only or not peer.tails_only)]
    opened = {peer: peer.open(work.patterns) for peer in able if peer.is_installed}
    for peer, lookup in opened.items():
        _demand_agreement(opened[COLD], peer, lookup, work.topics[:CHECKED_TOPICS])
    for kind, topics in (("cold", work.topics), ("Zipf", work.zipf_topics(50_000))):
        runs = {peer.name: _looking_up(lookup, itertools.cycle(topics)) for peer, lookup in opened.items()}
        _interleave(f"{title}, {kind}", runs)


def _demand_agreement(stentor: Lookup, peer: Peer, lookup: Lookup, topics: Sequence[str]) -> None:
    for topic in topics:
        ours, theirs = stentor.match(topic), lookup.match(topic)
        agrees = {"all": ours == theirs, "any": bool(ours) == bool(theirs), "more": theirs >= ours}[peer.answers]
        if not agrees:
            text = f"{peer.name} finds {theirs} subscriptions of {topic!r}, stentor {ours}"
            raise RuntimeError(text)


def _looking_up(lookup: Lookup, topics: Iterable[str]) -> Callable[[], float]:
    """Return what looks topics up for a while and returns how many a second."""
    following = iter(topics)

    def run() -> float:
        match, count, batch = lookup.match, 0, 1
        started = time.perf_counter()
        while (spent := time.perf_counter() - started) < SECONDS:
            for topic in itertools.islice(following, batch):
                match(topic)
            count += batch
            batch = min(batch * 2, 4096)
        return count / spent

    return run


def _churning(lookup: Lookup, lookups: Sequence[str], period: int) -> Callable[[], float]:
    changes = itertools.cycle(workloads.changes(1000))

    def run() -> float:
        used = lookups[: min(len(lookups), 2000 * period)]
        started = time.perf_counter()
        for place in range(0, len(used), period):
            handle = lookup.add(next(changes))
            for topic in used[place : place + period]:
                lookup.match(topic)
            lookup.remove(handle)
        return len(used) / (time.perf_counter() - started)

    return run


def _removal_time(peer: Peer) -> float:
    lookup = peer.open([])
    handles = [lookup.add(pattern) for pattern in workloads.mixed(FAN_IN, topics=2, tails_only=True).patterns]
    random.Random(workloads.SEED).shuffle(handles)
    started = time.perf_counter()
    for handle in handles:
        lookup.remove(handle)
    return (time.perf_counter() - started) / len(handles)


def _growth(lookup: Lookup) -> float:
    """Return how many MiB the process grew at most while topics came that never come again."""
    topics = iter(workloads.one_shot_topics(ONE_SHOTS))
    for topic in itertools.islice(topics, 20_000):
        lookup.match(topic)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for topic in topics:
        lookup.match(topic)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def _interleave(title: str, runs: dict[str, Callable[[], float]]) -> None:
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            rates[name].append(run())
    first = rates[next(iter(runs))]
    _say(f"\n{title}")
    _say(f"  {'':24}{'lookups/s':>14}{'ratio':>10}")
    for name, measured in rates.items():
        ratio = statistics.median(rate / base for rate, base in zip(measured, first, strict=True))
        _say(f"  {name:24}{statistics.median(measured):>14,.0f}{ratio:>10.4f}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


MEASURES: dict[str, Callable[[Sequence[int]], None]] = {
    "M1": measure_mixed,
    "M2": measure_wildcards,
    "M3": measure_wide,
    "M4": measure_devices,
    "M5": measure_churn,
    "M6": measure_fan_in,
}

if __name__ == "__main__":
    main()

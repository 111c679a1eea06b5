"""A snapshot of a bus: plain data, small enough to be sent every second."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor import AgentStatistics, Bus

VERSION: Final = 1
SILENT: Final = 20
"""Patterns on which nothing has come, and topics with dead letters, that are told at most."""


def snapshot(bus: Bus, most: int) -> dict[str, Any]:
    """Return how `bus` is; of its agents the `most` that did most, and as many that are slowest and fullest.

    O(agents + subscriptions + dead letters).
    """
    total = bus.statistics()
    patterns = bus.pattern_statistics()
    dead = Counter(letter.message.topic for letter in bus.dead_letters)
    return {
        "version": VERSION,
        "uptime": total.uptime,
        "messages": total.messages,
        "addressed": total.addressed,
        "handled": total.handled,
        "dead": total.dead,
        "dropped": total.dropped,
        "expired": total.expired,
        "waiting": total.waiting,
        "running": total.running,
        "agents": total.agents,
        "subscriptions": total.subscriptions,
        "latency": [total.latency.p50, total.latency.p99, total.latency.maximum],
        "members": [_member(each) for each in _chosen(bus.agent_statistics(), most)],
        "problems": [[each.agent, each.trouble.name, each.detail] for each in bus.health().problems[:SILENT]],
        "dead_topics": dead.most_common(SILENT),
        "silent": [each.pattern for each in patterns if each.accepted == 0][:SILENT],
    }


def _chosen(every: tuple[AgentStatistics, ...], most: int) -> list[AgentStatistics]:
    if len(every) <= most:
        return list(every)
    ranks: tuple[Callable[[AgentStatistics], Any], ...] = (
        attrgetter("handled"),
        attrgetter("waiting"),
        attrgetter("latency.p99"),
        attrgetter("blocked"),
    )
    chosen = {each.name: each for rank in ranks for each in sorted(every, key=rank, reverse=True)[: most // len(ranks)]}
    return list(chosen.values())


def _member(each: AgentStatistics) -> dict[str, Any]:
    return {
        "name": each.name,
        "handled": each.handled,
        "dead": each.dead,
        "dropped": each.dropped,
        "waiting": each.waiting,
        "peak": each.peak_waiting,
        "running": each.running,
        "p50": each.latency.p50,
        "p99": each.latency.p99,
        "blocked": each.blocked,
        "longest_block": each.longest_block,
    }

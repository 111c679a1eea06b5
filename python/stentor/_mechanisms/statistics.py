"""What is counted, and the frozen records in which it is told."""

from __future__ import annotations

from math import frexp
from typing import TYPE_CHECKING, Final, final

from attrs import frozen

if TYPE_CHECKING:
    from stentor._mechanisms.matching import MatchStatistics

_STEPS: Final = 16
"""Buckets for each doubling: a percentile is right to one part in 16."""
_NONE: Final = -(1 << 20)
"""The bucket of durations that are no time at all."""


@final
@frozen(kw_only=True)
class LatencyStatistics:
    """A distribution of durations, in seconds; percentiles are exact to about 6 %.

    Example:
        >>> import stentor
        >>> stentor.LatencyStatistics(count=0, mean=0.0, p50=0.0, p90=0.0, p99=0.0, maximum=0.0).count
        0
    """

    count: int
    """How many durations were measured."""
    mean: float
    """Their arithmetic mean."""
    p50: float
    """The median."""
    p90: float
    """Nine of ten are not longer."""
    p99: float
    """All but one in a hundred are not longer."""
    maximum: float
    """The longest, exactly."""


@final
class Histogram:
    """Durations in buckets whose width grows with their size, after the idea of HdrHistogram; adding is O(1)."""

    __slots__ = ("_buckets", "count", "maximum", "total")

    def __init__(self) -> None:
        """Make an empty histogram."""
        self._buckets: dict[int, int] = {}
        self.count: int = 0
        self.total: float = 0.0
        self.maximum: float = 0.0

    def add(self, duration: float) -> None:
        """Count one duration in seconds; a negative one counts as none at all."""
        bucket = _NONE
        if duration > 0.0:
            mantissa, exponent = frexp(duration)
            bucket = exponent * _STEPS + int(mantissa * (2 * _STEPS)) - _STEPS
            self.total += duration
            if duration > self.maximum:
                self.maximum = duration
        self.count += 1
        try:
            self._buckets[bucket] += 1
        except KeyError:
            self._buckets[bucket] = 1

    def merge(self, other: Histogram) -> None:
        """Add all durations of `other`."""
        self.count += other.count
        self.total += other.total
        self.maximum = max(self.maximum, other.maximum)
        for bucket, count in other._buckets.items():
            self._buckets[bucket] = self._buckets.get(bucket, 0) + count

    def percentile(self, share: float) -> float:
        """Return a duration that `share` (0 to 1) of all do not exceed: the middle of its bucket."""
        wanted = share * self.count
        seen = 0
        for bucket, count in sorted(self._buckets.items()):
            seen += count
            if seen >= wanted:
                return min(_middle(bucket), self.maximum)
        return 0.0

    def record(self) -> LatencyStatistics:
        """Return the distribution as it is now."""
        return LatencyStatistics(
            count=self.count,
            mean=self.total / self.count if self.count else 0.0,
            p50=self.percentile(0.50),
            p90=self.percentile(0.90),
            p99=self.percentile(0.99),
            maximum=self.maximum,
        )


def _middle(bucket: int) -> float:
    exponent, step = divmod(bucket, _STEPS)
    return 0.0 if bucket == _NONE else (0.5 + (step + 0.5) / (2 * _STEPS)) * 2.0**exponent


NO_LATENCY: Final = Histogram().record()


@final
@frozen(kw_only=True)
class AgentStatistics:
    """What became of everything addressed to one agent or feed.

    At every moment addressed = handled + dead + dropped + expired + stored + abandoned + waiting + running +
    unacknowledged; each is counted by itself.
    """

    name: str
    """The name of the agent or feed."""
    subscriptions: int
    """How many subscriptions it has."""
    addressed: int
    """Messages that passed its filters."""
    handled: int
    """Deliveries whose handler finished, or that the owner received, polled or acknowledged."""
    dead: int
    """Deliveries whose handler failed for good."""
    dropped: int
    """Deliveries that an overflow policy dropped."""
    expired: int
    """Deliveries whose time was up before their handler was called."""
    stored: int
    """Deliveries that went to the stored mailbox."""
    abandoned: int
    """Deliveries that a shutdown left."""
    waiting: int
    """Deliveries in the mailbox now, those that wait for their next attempt included."""
    running: int
    """Deliveries that are being handled now."""
    unacknowledged: int
    """Deliveries polled, and not yet acknowledged."""
    peak_waiting: int
    """The most deliveries that ever waited at once in one mode."""
    retries: int
    """Attempts beyond the first of a delivery."""
    latency: LatencyStatistics
    """From the acceptance of a message to the end of its handler."""
    blocked: float
    """Seconds for which its handler kept everybody else from running, in all."""
    longest_block: float
    """The longest stretch, in seconds, for which it did so."""


@final
@frozen(kw_only=True)
class SubscriptionStatistics:
    """What has come by one subscription: by that which governs a delivery, the first of its agent that matched."""

    agent: str
    """The agent or feed that is subscribed."""
    pattern: str
    """To what."""
    capacity: int
    """How many messages may wait because of it."""
    accepted: int
    """Messages that were put into the mailbox because of it."""
    dropped: int
    """Messages that its overflow policy dropped."""
    waiting: int
    """Messages that wait because of it now."""


@final
@frozen(kw_only=True)
class PatternStatistics:
    """What has come by all open subscriptions to one pattern."""

    pattern: str
    """The pattern."""
    subscriptions: int
    """How many subscribe to it now."""
    accepted: int
    """Messages that were put into their mailboxes because of it."""
    dropped: int
    """Messages that their overflow policies dropped."""
    waiting: int
    """Messages that wait because of it now."""


@final
@frozen(kw_only=True)
class BusStatistics:
    """What a bus has done since it was opened.

    At every moment addressed = handled + dead + dropped + expired + stored + abandoned + waiting + running +
    unacknowledged, summed over all agents and feeds there are and were.
    """

    messages: int
    """Messages published and accepted."""
    addressed: int
    """Deliveries: one for each message and recipient."""
    pattern_matches: int
    """How many of them were found through a wildcard pattern."""
    handled: int
    """Deliveries whose handler finished, or that the owner of a feed received."""
    dead: int
    """Deliveries whose handler failed for good."""
    dropped: int
    """Deliveries that an overflow policy dropped."""
    expired: int
    """Deliveries whose time was up before their handler was called."""
    stored: int
    """Deliveries that went to a stored mailbox."""
    abandoned: int
    """Deliveries that a shutdown left."""
    waiting: int
    """Deliveries in mailboxes now."""
    running: int
    """Deliveries that are being handled now."""
    unacknowledged: int
    """Deliveries polled, and not yet acknowledged."""
    agents: int
    """Agents registered now."""
    subscriptions: int
    """Subscriptions there are now."""
    uptime: float
    """Seconds since the bus was opened."""
    latency: LatencyStatistics
    """From the acceptance of a message to the end of its handler."""
    routes: MatchStatistics
    """The index of subscriptions and its cache of routes."""

    @property
    def deliveries_per_second(self) -> float:
        """Handled deliveries per second since the bus was opened; 0 before any time has passed."""
        return self.handled / self.uptime if self.uptime > 0 else 0.0

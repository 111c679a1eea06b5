"""What is counted, and the frozen records in which it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from attrs import frozen

from stentor._native import Histogram as Histogram  # noqa: TC001 - it is re-exported

if TYPE_CHECKING:
    from stentor._mechanisms.matching import MatchStatistics


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


def latency_of(histogram: Histogram | None) -> LatencyStatistics:
    """Return the distribution as it is now; None for one of nothing."""
    if histogram is None or not histogram.count:
        return NO_LATENCY
    return LatencyStatistics(
        count=histogram.count,
        mean=histogram.total / histogram.count,
        p50=histogram.percentile(0.50),
        p90=histogram.percentile(0.90),
        p99=histogram.percentile(0.99),
        maximum=histogram.maximum,
    )


NO_LATENCY: Final = LatencyStatistics(count=0, mean=0.0, p50=0.0, p90=0.0, p99=0.0, maximum=0.0)


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

"""What a bridge counts and reports: one place that every part of it tells, and the record that users read."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Final, final

from attrs import frozen

from stentor.bridge._gaps import Gap, GapKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger: Final = logging.getLogger("stentor.bridge")

AGES: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0, float("inf"))
"""Upper bounds, in seconds, of the classes of the histogram of ages."""
LOGGED: Final = 10
"""How many refusals of one kind are logged one by one."""


@final
class Counts:
    """Counts of one bridge."""

    def __init__(self, report: Callable[[Gap], object]) -> None:
        """Begin at 0; `report` is called with each gap."""
        self._report = report
        self.delivered = 0
        self.unheard = 0
        self.repeats = 0
        self.missing = 0
        self.echoes = 0
        self.replies = 0
        self.late_replies = 0
        self.redelivered = 0
        self.claimed = 0
        self.gaps: Counter[GapKind] = Counter()
        self.refused: Counter[str] = Counter()
        self.ages = [0] * len(AGES)
        self.oldest_age = 0.0

    def gap(self, gap: Gap) -> None:
        """Count, log and report a gap."""
        self.gaps[gap.kind] += 1
        if gap.kind is GapKind.HOLE and gap.missing:
            self.missing += gap.missing
        logger.warning("%s", gap, extra={"stentor_gap": gap.kind.value, "stentor_missing": gap.missing})
        self._report(gap)

    def refuse(self, reason: str, detail: object = "") -> None:
        """Count something that is dropped because of what it is, and log the first few of each kind."""
        self.refused[reason] += 1
        if self.refused[reason] <= LOGGED:
            more = " (more of these are counted, and not logged)" if self.refused[reason] == LOGGED else ""
            logger.warning("refused: %s%s%s", reason, f", {detail}" if detail else "", more)

    def age(self, seconds: float) -> None:
        """Take note how old a message was when it was accepted here."""
        if seconds > self.oldest_age:
            self.oldest_age = seconds
        self.ages[bisect_left(AGES, seconds)] += 1


@final
@frozen(kw_only=True)
class BridgeStatistics:
    """What a bridge has done so far, and how it is.

    At every moment accepted = sent + dropped + expired + outbox, each counted by itself.
    """

    state: str
    """`connected`, `reconnecting` or `degraded`: the worse of its two links."""
    reason: str
    """Why it is in that state, in words."""
    accepted: int
    """Messages from this bus that were numbered."""
    sent: int
    """Those that the server has confirmed."""
    dropped: int
    """Those that the outbox dropped, as its policy says, or that the server refused for good."""
    expired: int
    """Those whose time was up before they could be sent."""
    outbox: int
    """Those that are neither: they wait, or are on the wire."""
    outbox_bytes: int
    """How many bytes these take, about."""
    outbox_peak: int
    """The most that ever were in the outbox at once."""
    outbox_age: float
    """Seconds for which the oldest of them has been there; 0.0 if there is none."""
    sent_again: int
    """How often a message was sent once more, because nobody knew whether it had arrived."""
    delivered: int
    """Messages from other processes that this bus has accepted."""
    unheard: int
    """Those that came and to which nobody listened any more, or yet."""
    repeats: int
    """Those that had come before, and were removed."""
    redelivered: int
    """Those of which a handler was told that they may have been handled before."""
    claimed: int
    """Those that were taken over from a consumer that is gone."""
    missing: int
    """Messages that were lost on their way to this process, as far as that can be counted."""
    gaps: Mapping[str, int]
    """How many gaps were reported, by `GapKind`."""
    refused: Mapping[str, int]
    """What was dropped because of what it is, by the reason: malformed, too large, badly signed, forbidden."""
    ages: Mapping[float, int]
    """How old messages were when they came here, from their acceptance in the other process: for each upper bound in
    seconds, how many were no older and older than the bound before."""
    oldest_age: float
    """The age in seconds of the oldest that came."""
    replies: int
    """Replies that came back to who had asked here."""
    late_replies: int
    """Replies for which nobody waited any more."""
    reconnects: int
    """How often a connection was made after the first, of both links."""
    last_error: str
    """The last thing that went wrong with a connection, in words; empty if nothing has."""
    round_trip: float
    """Seconds that the last heartbeat took, the longer of both links; 0.0 before the first."""
    lag: int
    """STREAMS: entries that this process has not read yet, when it last looked."""
    unacknowledged: int
    """STREAMS: entries that it has read and not acknowledged."""
    stream_length: int
    """STREAMS: entries in the longest shard, when it last looked."""
    trimmed: int
    """STREAMS: entries that this process has removed because all groups were done with them, or a limit was reached."""
    agents: int
    """Agents of other processes that can be addressed by name here."""
    disputed: Mapping[str, str]
    """Names that an agent here and one at another node have; which node."""

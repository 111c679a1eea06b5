"""Recipients: who has a mailbox. An agent's recipient usually has a handler, a feed's has a task that receives."""

from __future__ import annotations

import sys
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, final

from stentor._mechanisms.deliveries import members
from stentor._mechanisms.mailbox import Lane, Quota
from stentor._mechanisms.statistics import AgentStatistics, latency_of
from stentor._native import RecipientState
from stentor._values.options import REALTIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import Context

    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.subscriptions import Subscription
    from stentor._values.modes import Mode
    from stentor._values.options import SubscriptionOptions
    from stentor._values.policies import HandlerPolicy


class Receiver(Protocol):
    """A task that waits for the next delivery to a feed."""

    def hand(self, lead: Delivery | None) -> None:
        """Give it a delivery, or the first of a batch, or None for the end, and let it go on."""


_NOBODY: Final[deque[Receiver]] = deque(maxlen=0)


@final
class Recipient(RecipientState):
    """The state of one recipient; what every delivery reads and writes is in its native part.

    The dispatcher is the only one who writes its mailbox, its counts and its flags.

    At any moment, each counted by itself: addressed = handled + dead + dropped + expired + stored + abandoned +
    waiting + running + unacknowledged.
    """

    __slots__ = (
        "_arrange",
        "abandoned",
        "backing_off",
        "closed",
        "dead",
        "dropped",
        "expired",
        "is_extension",
        "iterated",
        "name",
        "policy",
        "quarantined",
        "quota",
        "receivers",
        "retries",
        "returning",
        "stored",
        "subscriptions",
        "unacknowledged",
    )

    def __init__(  # pyright: ignore[reportInconsistentConstructor] - the native part takes whatever comes
        self,
        name: str,
        handler: Callable[..., object] | None,
        *,
        context: Context,
        policy: HandlerPolicy,
        options: SubscriptionOptions,
        arrange: Callable[[Lane], None],
        wants_delivery: bool,
        slots: int,
        is_feed: bool = False,
        is_extension: bool = False,
        durable: bool = False,
    ) -> None:
        """Make a recipient to which nothing has been addressed."""
        self.name: str = name
        self.handler = handler
        self.wants_delivery = wants_delivery
        self.is_feed = is_feed
        self.is_extension: bool = is_extension
        """Whether an extension takes messages by it, and it is no agent."""
        self.closed: bool = False
        """Whether nothing comes to it any more."""
        self.iterated: bool = False
        """Whether somebody iterates over what comes."""
        self.durable = durable
        self.context = context
        self.policy: HandlerPolicy = policy
        """What happens to a handler that takes too long, or fails."""
        if policy.timeout is not None:
            self.timeout: float = policy.timeout
        self._arrange = arrange
        self.lanes: tuple[Lane, ...] = ()
        self.subscriptions: dict[int, Subscription] = {}
        """By index id, so in order of subscription."""
        self.slots: int = min(slots, sys.maxsize)
        self.returning: bool = False
        """Whether it gets its backlog, which everything else waits for."""
        self.quarantined: bool = False
        self.backing_off: dict[Delivery, int] = {}
        """What waits for its next attempt, and the timer of that."""
        self.unacknowledged: dict[str, Delivery] = {}
        """What was polled and not yet acknowledged, by the id of the message."""
        self.receivers: deque[Receiver] = deque() if handler is None else _NOBODY
        """Tasks that wait for the mail of a feed, the one that has waited longest first."""
        self.retries: int = 0
        """Attempts beyond the first."""
        self.dead: int = 0
        self.dropped: int = 0
        self.expired: int = 0
        self.stored: int = 0
        self.abandoned: int = 0
        self.quota: Quota = Quota(self.lane(options.behaviour()), options)
        """For what is addressed to it directly, or to everybody."""

    def lane(self, mode: Mode, *, backlog: bool = False) -> Lane:
        """Return the lane for `mode`, made if there is none; the backlog has a lane of its own."""
        for lane in self.lanes:
            if lane.mode == mode and lane.backlog is backlog:
                return lane
        lane = Lane(self, mode, mode is REALTIME, backlog)
        self.lanes = (*self.lanes, lane)
        lane.counted = self.counts(lane)
        lane.held = lane.scheduled = self.returning and not backlog
        if not lane.realtime:
            mode.attach(partial(self._arrange, lane))
        return lane

    def counts(self, lane: Lane) -> bool:
        """Return whether what waits in `lane` keeps the bus from being settled."""
        return (self.handler is not None or self.iterated) and lane.mode.counts and not self.away

    @property
    def ordinary_lanes(self) -> Iterable[Lane]:
        """Its lanes, without that of the backlog."""
        return [lane for lane in self.lanes if not lane.backlog]

    @property
    def waiting(self) -> int:
        """How many deliveries wait, those for their next attempt included."""
        return sum(lane.waiting for lane in self.lanes) + sum(len(members(d)) for d in self.backing_off)

    @property
    def to_be_tried_again(self) -> list[Delivery]:
        """What leads each call that waits for its next attempt, or is about to have it."""
        return [lead for lane in self.lanes for lead in lane.again or ()] + list(self.backing_off)

    @property
    def keeps_place(self) -> bool:
        """Whether a delivery that backs off keeps its place, so that the agent waits for it."""
        return self.policy.retry is not None and self.policy.retry.ordered

    @property
    def busy(self) -> bool:
        """Whether it has something waiting or running that keeps the bus from being settled."""
        working = self.handler is not None and bool(self.running or self.backing_off)
        return working or any(lane.counted and lane.waiting for lane in self.lanes)

    def statistics(self) -> AgentStatistics:
        """Return what became of everything addressed to it."""
        return AgentStatistics(
            name=self.name,
            subscriptions=len(self.subscriptions),
            addressed=self.addressed,
            handled=self.handled,
            dead=self.dead,
            dropped=self.dropped,
            expired=self.expired,
            stored=self.stored,
            abandoned=self.abandoned,
            waiting=self.waiting,
            running=len(self.running),
            unacknowledged=len(self.unacknowledged),
            peak_waiting=max(lane.peak for lane in self.lanes),
            retries=self.retries,
            latency=latency_of(self.latency),
            blocked=self.blocked,
            longest_block=self.longest_block,
        )

"""Recipients: who has a mailbox. An agent's recipient usually has a handler, a feed's has a task that receives."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol, final

from stentor._mechanisms.deliveries import members
from stentor._mechanisms.mailbox import Lane, quota_of
from stentor._mechanisms.statistics import AgentStatistics, latency_of
from stentor._native import RecipientState
from stentor._values.options import REALTIME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.mailbox import Quota
    from stentor._values.modes import Mode


class Receiver(Protocol):
    """A task that waits for the next delivery to a feed."""

    def hand(self, lead: Delivery | None) -> None:
        """Give it a delivery, or the first of a batch, or None for the end, and let it go on."""


@final
class Recipient(RecipientState):
    """The state of one recipient, which is native; here is what can be told from it.

    The dispatcher is the only one who writes its mailbox, its counts and its flags.

    At any moment, each counted by itself: addressed = handled + dead + dropped + expired + stored + abandoned +
    waiting + running + unacknowledged.
    """

    __slots__ = ()

    @property
    def quota(self) -> Quota:
        """For what is addressed to it directly, or to everybody; made when it is first needed."""
        if self.direct is None:
            self.direct: Quota | None = quota_of(self.first_lane, self.options)
        return self.direct

    @property
    def first_lane(self) -> Lane:
        """That of what is addressed to it directly, which comes before all others, made if there is none."""
        return self.lanes[0] if self.has_lanes else self._open(self.options.behaviour(), backlog=False)

    def expect(self, mode: Mode) -> None:
        """Let something come in `mode` from now on.

        The lane of an agent that has no other can wait for its first message: whenever it is made, it is the first.
        """
        if self.has_lanes or mode is not REALTIME:
            self.lane(mode)

    def lane(self, mode: Mode, *, backlog: bool = False) -> Lane:
        """Return the lane for `mode`, made if there is none; the backlog has a lane of its own."""
        if not self.has_lanes:
            self._open(self.options.behaviour(), backlog=False)
        return self.find_lane(mode, backlog) or self._open(mode, backlog=backlog)

    def _open(self, mode: Mode, *, backlog: bool) -> Lane:
        lane = self.open_lane(mode, mode is REALTIME, backlog)
        if not lane.realtime:
            mode.attach(partial(self.arrange, lane))
        return lane

    def hand(self, lead: Delivery | None) -> None:
        """Give a delivery, or the first of a batch, or None for the end, to the task that has waited longest for it."""
        if self.receivers:
            self.receivers.popleft().hand(lead)

    @property
    def ordinary_lanes(self) -> Iterable[Lane]:
        """Its lanes, without that of the backlog."""
        return [lane for lane in self.lanes if not lane.backlog]

    @property
    def waiting(self) -> int:
        """How many deliveries wait, those for their next attempt included."""
        trying_again = sum(len(members(lead)) for lead in self.backing_off) if self.backs_off else 0
        return sum(lane.waiting for lane in self.lanes) + trying_again

    @property
    def to_be_tried_again(self) -> list[Delivery]:
        """What leads each call that waits for its next attempt, or is about to have it."""
        again = [lead for lane in self.lanes for lead in lane.again or ()]
        return again + list(self.backing_off) if self.backs_off else again

    @property
    def keeps_place(self) -> bool:
        """Whether a delivery that backs off keeps its place, so that the agent waits for it."""
        return self.policy.retry is not None and self.policy.retry.ordered

    @property
    def busy(self) -> bool:
        """Whether it has something waiting or running that keeps the bus from being settled."""
        working = self.handler is not None and (self.running_count > 0 or self.backs_off)
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
            running=self.running_count,
            unacknowledged=self.unacknowledged_count,
            peak_waiting=max((lane.peak for lane in self.lanes), default=0),
            retries=self.retries,
            latency=latency_of(self.latency),
            blocked=self.blocked,
            longest_block=self.longest_block,
        )

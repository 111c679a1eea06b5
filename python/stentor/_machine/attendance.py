"""Attendance: agents go away, come back and close, poll and acknowledge, and publishers give up on deliveries."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final, final

import trio

from stentor._mechanisms.deliveries import BACKING_OFF, RUNNING, WAITING, members, recipient_of
from stentor._values.errors import AbandonedError
from stentor._values.modes import Polling

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor._machine.dispatcher import Dispatcher
    from stentor._machine.ledger import Ledger
    from stentor._machine.readiness import Readiness
    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.mailbox import Lane, Quota
    from stentor._mechanisms.recipients import Recipient

logger: Final = logging.getLogger("stentor")


@final
class Attendance:
    """What agents and publishers ask of the dispatcher beside handing in messages."""

    def __init__(
        self, clock: Callable[[], float], dispatcher: Dispatcher, readiness: Readiness, ledger: Ledger
    ) -> None:
        """Act on the mailboxes of `dispatcher`."""
        self._clock = clock
        self._readiness = readiness
        self._dispatcher = dispatcher
        self._ledger = ledger

    @trio.lowlevel.enable_ki_protection
    def leave(self, recipient: Recipient) -> None:
        """Call no handler of `recipient` until it is back; what it polled and did not acknowledge waits again."""
        if recipient.away:
            return
        recipient.away = True
        if recipient.handler is not None:
            recipient.slots, recipient.slots_away = 0, recipient.slots
        self._readiness.forget(recipient)
        for lane in recipient.lanes:
            self._ledger.count(lane, counted=False)
        for delivery in reversed(recipient.unacknowledged.values()):
            delivery.redelivered = True
            _put_back(delivery)
        recipient.unacknowledged.clear()
        for lead in reversed([lead for lead in recipient.to_be_tried_again if lead.attempt]):
            deliveries = members(lead)
            begun = lead._state == RUNNING
            self._dispatcher.pull_out(lead)
            lead._batch = None
            for delivery in reversed(deliveries):
                delivery.attempt += not begun
                _put_back(delivery)

    @trio.lowlevel.enable_ki_protection
    def interrupt(self, recipient: Recipient) -> None:
        """Cancel the handlers of `recipient` that wait for something: they have failed."""
        for delivery in list(recipient.running):
            self.withdraw(delivery, AbandonedError("the agent left before the handler had finished"))

    @trio.lowlevel.enable_ki_protection
    def begin_return(self, recipient: Recipient) -> None:
        """Let `recipient` be called again, but only with its backlog for now."""
        recipient.away = recipient.quarantined = False
        recipient.returning = True
        recipient.failures_in_a_row = 0
        if recipient.handler is not None:
            recipient.slots, recipient.slots_away = recipient.slots_away, 0
        for lane in recipient.lanes:
            self._ledger.count(lane, counted=recipient.counts(lane))
        for lane in recipient.ordinary_lanes:
            lane.held = lane.scheduled = True
        self._readiness.arrange_all(recipient)

    @trio.lowlevel.enable_ki_protection
    def end_return(self, recipient: Recipient) -> None:
        """Let everything else follow the backlog."""
        recipient.returning = False
        for lane in recipient.ordinary_lanes:
            lane.held = False
            lane.scheduled = bool(lane.again)
        self._readiness.arrange_all(recipient)

    @trio.lowlevel.enable_ki_protection
    def close(self, recipient: Recipient) -> None:
        """Abandon all that waits for `recipient`, or that it polled and did not acknowledge; nothing comes any more."""
        recipient.closed = True
        waiting = [delivery for lane in recipient.lanes for delivery in lane]
        for lead in [*recipient.to_be_tried_again, *waiting]:
            self._dispatcher.pull_out(lead)
            for delivery in members(lead):
                self._ledger.abandoned(delivery, running=False)
        for delivery in recipient.unacknowledged.values():
            self._ledger.abandoned(delivery, running=False)
        recipient.unacknowledged.clear()

    @trio.lowlevel.enable_ki_protection
    def poll(self, recipient: Recipient, limit: int) -> list[Delivery]:
        """Take what waits to be polled: handled from now on or, without `auto_ack`, once it is acknowledged.

        Of one quota no more is unacknowledged than its capacity; what is beyond that waits on.
        """
        polled: list[Delivery] = []
        handed_out = Counter(delivery._target.quota for delivery in recipient.unacknowledged.values())
        for lane in recipient.lanes:
            if isinstance(lane.mode, Polling):
                keeps = None if lane.mode.auto_ack else handed_out
                while len(polled) < limit and (delivery := self._pull_polled(lane, keeps)) is not None:
                    delivery._state = RUNNING
                    polled.append(delivery)
                    if lane.mode.auto_ack:
                        self._ledger.handled(delivery, recipient, self._clock())
                    else:
                        self.acknowledge(recipient, delivery.message.id)  # polled before, by another subscription
                        recipient.unacknowledged[delivery.message.id] = delivery
        return polled

    def _pull_polled(self, lane: Lane, handed_out: Counter[Quota] | None) -> Delivery | None:
        if handed_out is not None and (first := lane.first()) is not None:
            quota = first._target.quota
            if handed_out[quota] >= quota.capacity:
                return None
            handed_out[quota] += 1
        return self._dispatcher.pull(lane)

    @trio.lowlevel.enable_ki_protection
    def acknowledge(self, recipient: Recipient, message_id: str) -> bool:
        """Write down that a polled message is handled, and return whether it was one."""
        delivery = recipient.unacknowledged.pop(message_id, None)
        if delivery is None:
            return False
        self._ledger.handled(delivery, recipient, self._clock())
        return True

    @trio.lowlevel.enable_ki_protection
    def withdraw(self, delivery: Delivery, error: Exception) -> None:
        """End `delivery` as failed with `error`: taken out of the mailbox, or its handler cancelled."""
        if delivery._state in (WAITING, BACKING_OFF):
            self._dispatcher.pull_out(delivery)
            self._ledger.dead(delivery, error, self._clock())
        elif delivery in recipient_of(delivery).running:
            delivery._cause = error
            if delivery._scope is not None:
                delivery._scope.cancel()

    def quarantine(self, recipient: Recipient) -> None:
        """Let `recipient` leave because it failed too often in a row."""
        recipient.quarantined = True
        self.leave(recipient)
        logger.error(
            "agent %r is quarantined after %d failures in a row",
            recipient.name,
            recipient.failures_in_a_row,
            extra={"stentor_agent": recipient.name},
        )


def _put_back(delivery: Delivery) -> None:
    """Let a delivery wait again, before all others of its priority."""
    delivery._state = WAITING
    quota = delivery._target.quota
    quota.waiting += 1
    quota.enter(delivery, first=True)
    quota.lane.put(delivery, first=True)

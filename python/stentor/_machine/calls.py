"""Calls: one call of a handler, from its beginning to its end, or to another attempt.

A call is for one delivery, or for a batch; the first delivery of a batch stands for all of it. `begin` runs the
handler as far as it goes without waiting; `finish`, `fail` or `abandon` end the call. A handler that really suspends is
returned to the worker that serves it, which sees it through (see `shifts`).
"""

from __future__ import annotations

from collections import deque
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, final

import trio

from stentor._machine.coroutines import as_coroutine
from stentor._mechanisms.deliveries import BACKING_OFF, RUNNING, WAITING, Delivery, members
from stentor._values.policies import OnError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from contextvars import Context
    from random import Random

    from stentor._machine.ledger import Ledger
    from stentor._machine.readiness import Readiness
    from stentor._machine.timers import Timers
    from stentor._mechanisms.recipients import Recipient
    from stentor._native import Current, Meter


class Suspended(NamedTuple):
    """A handler that waits for something: its coroutine, and what that asked of trio."""

    delivery: Delivery
    coroutine: Coroutine[Any, Any, object]
    context: Context
    trap: object
    deadline: float
    """When it has taken too long."""


@final
class Calls:
    """All calls of handlers; each happens between two scheduling points of trio, or is suspended."""

    def __init__(
        self,
        meter: Meter,
        current: Current,
        *,
        ledger: Ledger,
        readiness: Readiness,
        timers: Timers,
        random: Random,
    ) -> None:
        """Call handlers that read from `current`, as do the tasks they start, which delivery they are for."""
        self.clock: Callable[[], float] = meter.read
        self._meter = meter
        self.on_raise: Callable[[Exception], None] = _ignore
        """Is called with the failure of an agent whose failures end the bus."""
        self.on_quarantine: Callable[[Recipient], None] = _ignore
        """Is called with an agent that has failed too often in a row."""
        self.on_answer: Callable[[Delivery, object], None] = _ignore
        """Is called with a delivery and what its handler returned, unless that is None."""
        self._current = current
        self._ledger = ledger
        self._readiness = readiness
        self._timers = timers
        self._random = random

    def begin(self, handler: Callable[..., Any], lead: Delivery, recipient: Recipient) -> Suspended | None:
        """Run the handler as far as it goes without waiting, and return it if it suspends."""
        if self._ledger.observers:
            for delivery in members(lead):
                self._ledger.begun(delivery)
        context = recipient.context.copy()
        try:
            coroutine, trap = context.run(_first_step, self._current, handler, lead, recipient.wants_delivery)
        except StopIteration as end:
            self.stops(recipient)
            self.finish(lead, end.value)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises stays with its delivery
            self.stops(recipient)
            self.fail(lead, error)
        except BaseException:
            self.abandon(lead)
            raise
        else:
            started = self.stops(recipient)
            timeout = recipient.policy.timeout
            return Suspended(lead, coroutine, context, trap, inf if timeout is None else started + timeout)
        return None

    def resumes(self) -> None:
        """Read the clock: a handler runs from now on."""
        self._meter.now = self.clock()

    @property
    def now(self) -> float:
        """When the last handler stopped: the next one starts then, so that one reading a delivery is enough."""
        return self._meter.now

    def stops(self, recipient: Recipient) -> float:
        """Read the clock: the handler has ended or suspended. Note how long it kept all others from running."""
        started = self._meter.now
        self._meter.now = now = self.clock()
        recipient.note_block(now - started)
        return started

    @trio.lowlevel.enable_ki_protection
    def finish(self, lead: Delivery, answer: object = None) -> None:
        """Write down that the handler has finished, and what it returned; or that the owner has the messages."""
        recipient = lead._target.recipient
        if answer is not None:
            try:
                for delivery in members(lead):
                    self.on_answer(delivery, answer)
            except Exception as error:  # noqa: BLE001 - an answer that cannot be sent is a failure of who gave it
                self.fail(lead, error, retry=False)
                return
        recipient.failures_in_a_row = 0
        now = self.clock() if recipient.handler is None else self.now
        self._stop(lead, recipient)
        if lead._batch is None:
            self._ledger.handled(lead, recipient, now)
        else:
            for delivery in lead._batch:
                self._ledger.handled(delivery, recipient, now)

    @trio.lowlevel.enable_ki_protection
    def fail(self, lead: Delivery, error: Exception, *, retry: bool = True) -> None:
        """Write down that the handler has failed: what it was called with is tried again, or has failed for good."""
        recipient = lead._target.recipient
        policy = recipient.policy.retry if retry and not recipient.closed else None
        later: list[Delivery] = []
        ended: list[Delivery] = []
        for delivery in members(lead):
            (later if policy is not None and policy.again(error, delivery.attempt) else ended).append(delivery)
            del recipient.running[delivery]
        self._ledger.less_busy(len(ended))
        if later:
            for delivery in later:
                self._ledger.retrying(delivery, error)
            self._back_off(later, recipient, batch=lead._batch is not None)
        if not later or not recipient.keeps_place:
            self._give_slot_back(recipient)
        if ended:
            self._fail_for_good(ended, recipient, error)

    def _fail_for_good(self, deliveries: Sequence[Delivery], recipient: Recipient, error: Exception) -> None:
        policy = recipient.policy
        recipient.failures_in_a_row += 1
        for delivery in deliveries:
            self._ledger.dead(delivery, error, self.now)
        if policy.on_error is OnError.RAISE:
            self.on_raise(error)
        elif policy.on_error is OnError.QUARANTINE and recipient.failures_in_a_row >= policy.quarantine_after:
            self.on_quarantine(recipient)

    @trio.lowlevel.enable_ki_protection
    def abandon(self, lead: Delivery) -> None:
        """Write down that the handler was cancelled from outside, so that it neither finished nor failed."""
        for delivery in members(lead):
            self._ledger.abandoned(delivery, running=True)
        self._stop(lead, lead._target.recipient)

    def _stop(self, lead: Delivery, recipient: Recipient) -> None:
        """Let the call be over: its slot is free, and it does not keep the bus from being settled any more."""
        if lead._batch is None:
            del recipient.running[lead]
            size = 1
        else:
            for delivery in lead._batch:
                del recipient.running[delivery]
            size = len(lead._batch)
        if recipient.handler is not None:
            self._give_slot_back(recipient)
            self._ledger.less_busy(size)
        elif lead._target.quota.lane.counted:
            self._ledger.less_busy(size)

    def _give_slot_back(self, recipient: Recipient) -> None:
        if recipient.away:
            recipient.slots_away += 1
            return
        recipient.slots += 1
        for lane in recipient.lanes:
            if lane.waiting and not lane.scheduled:
                self._readiness.arrange(lane)

    # -- another attempt --------------------------------------------------------------------------------------------

    def _back_off(self, deliveries: Sequence[Delivery], recipient: Recipient, *, batch: bool) -> None:
        """Let what was called wait for its next attempt: together in its place, or each by itself out of it."""
        recipient.retries += len(deliveries)
        lead = deliveries[0]
        lead._batch = tuple(deliveries) if batch and recipient.keeps_place else None
        for delivery in deliveries:
            delivery._state = BACKING_OFF
        if recipient.keeps_place:
            self._set_timer(lead, recipient, self._try_again)
            return
        for delivery in deliveries:
            quota = delivery._target.quota
            if quota.outdates(delivery):
                quota.dropped += 1
                self._ledger.less_busy(1)
                self._ledger.dropped(delivery)
            else:
                quota.waiting += 1
                quota.enter(delivery)
                self._set_timer(delivery, recipient, self._rejoin)

    def _set_timer(self, lead: Delivery, recipient: Recipient, action: Callable[[Delivery, Recipient], None]) -> None:
        policy = recipient.policy.retry
        delay = 0.0 if policy is None else policy.delay(lead.attempt, self._random)
        recipient.backing_off[lead] = self._timers.at(self.clock() + delay, partial(action, lead, recipient))

    def _try_again(self, lead: Delivery, recipient: Recipient) -> None:
        """Let a call that has kept its place and its slot begin once more."""
        del recipient.backing_off[lead]
        for delivery in members(lead):
            delivery.attempt += 1
            delivery._state = RUNNING
            recipient.running[delivery] = None
        lane = lead._target.quota.lane
        if lane.again is None:
            lane.again = deque()
        lane.again.append(lead)
        if lane.held or not lane.scheduled:
            self._readiness.line_up(lane)

    def _rejoin(self, delivery: Delivery, recipient: Recipient) -> None:
        """Put a delivery, which has kept its room, at the end of its lane."""
        del recipient.backing_off[delivery]
        delivery.attempt += 1
        delivery._state = WAITING
        delivery._arrived = self.clock()
        lane = delivery._target.quota.lane
        lane.put(delivery)
        self._ledger.less_busy(int(not lane.counted))
        self._readiness.arrange(lane)

    def alive(self, lead: Delivery) -> Delivery | None:
        """Return what leads the call of `lead` without what has expired by now; None if nothing is left of it."""
        now = self.clock()
        recipient = lead._target.recipient
        deliveries = members(lead)
        alive = tuple(delivery for delivery in deliveries if delivery.message.expires_at > now)
        for delivery in deliveries:
            if delivery not in alive:
                del recipient.running[delivery]
                self._ledger.expired(delivery)
        self._ledger.less_busy(len(deliveries) - len(alive))
        if not alive:
            self._give_slot_back(recipient)
            return None
        alive[0]._batch = None if lead._batch is None else alive
        return alive[0]

    def call_off(self, lead: Delivery) -> None:
        """Let there be no other attempt of a call that waits for it, or that is about to have it."""
        recipient = lead._target.recipient
        deliveries = members(lead)
        timer = recipient.backing_off.pop(lead, None)
        if timer is None:
            lane = lead._target.quota.lane
            if lane.again is not None:
                lane.again.remove(lead)
                lane.again = lane.again or None
            for delivery in deliveries:
                del recipient.running[delivery]
        else:
            self._timers.cancel(timer)
        if recipient.keeps_place and lead.attempt:  # what is still on its way holds no slot
            self._give_slot_back(recipient)
        else:
            lead._target.quota.leaves(lead)
        self._ledger.less_busy(len(deliveries))


@trio.lowlevel.disable_ki_protection
def _first_step(
    current: Current,
    handler: Callable[..., Any],
    lead: Delivery,
    wants_delivery: bool,  # noqa: FBT001 - the hot path
) -> tuple[Coroutine[Any, Any, object], object]:
    """Call the handler and run it until it suspends; StopIteration says that it ended before it did."""
    current.set(lead)
    batch = lead._batch
    try:
        if batch is None:
            awaitable = handler(lead.message, lead) if wants_delivery else handler(lead.message)
        else:
            messages = [delivery.message for delivery in batch]
            awaitable = handler(messages, list(batch)) if wants_delivery else handler(messages)
    except StopIteration as error:
        msg = "the handler raised StopIteration"
        raise RuntimeError(msg) from error
    coroutine = as_coroutine(awaitable)
    return coroutine, coroutine.send(None)


def _ignore(*_: object) -> None:
    pass

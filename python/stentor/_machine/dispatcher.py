"""The dispatcher: the only writer of mailboxes. It accepts messages into them and has their handlers called.

The way of a message through this file: `obstacle` says whether there is room for it everywhere, `accept` puts it into
every mailbox in one synchronous step and lines the lanes that are due up in the ready queue, `step` takes the next one
from there and runs its handler as far as it goes without waiting, and `finish`, `fail` or `abandon` end it. A handler
that really suspends is returned to the worker that called `step`, which sees it through (see `workers`).

One call of a handler is for one delivery, or for a batch; the first delivery of a batch stands for all of it.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, final

from stentor._mechanisms.deliveries import OVER, RUNNING, WAITING, Delivery, members, recipient_of
from stentor._machine.coroutines import as_coroutine
from stentor._values.errors import MailboxFullError
from stentor._values.options import Overflow
from stentor._values.policies import OnError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from contextvars import Context, ContextVar
    from random import Random

    from stentor._machine.ledger import Ledger
    from stentor._machine.timers import Timers
    from stentor._mechanisms.deliveries import Watcher
    from stentor._mechanisms.mailbox import Lane, Quota
    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.routes import Selection, Target
    from stentor._values.messages import Message


class Suspended(NamedTuple):
    """A handler that waits for something: its coroutine, and what that asked of trio."""

    delivery: Delivery
    coroutine: Coroutine[Any, Any, object]
    context: Context
    trap: object
    deadline: float
    """When it has taken too long."""


@final
class Dispatcher:
    """Mailboxes in, handlers out; everything here happens between two scheduling points of trio."""

    def __init__(
        self,
        clock: Callable[[], float],
        current: ContextVar[Delivery | None],
        ledger: Ledger,
        timers: Timers,
        random: Random,
    ) -> None:
        """Make an idle dispatcher that reads the time, in seconds, from `clock`.

        It tells handlers, and the tasks they start, by `current` which delivery they are for.
        """
        self._current = current
        self.clock = clock
        self.now = clock()
        """When the last handler stopped: the next one starts then, so that one reading a delivery is enough."""
        self.ready: deque[Lane] = deque()
        self.on_ready: Callable[[], None] = _nothing
        """Is called when the ready queue may have become non-empty."""
        self.on_raise: Callable[[Exception], None] = _ignore
        """Is called with the failure of an agent whose failures end the bus."""
        self.on_quarantine: Callable[[Recipient], None] = _ignore
        """Is called with an agent that has failed too often in a row."""
        self.on_answer: Callable[[str, Message, object], None] = _ignore
        """Is called with an agent, a message, and what the handler returned, unless that is None."""
        self._flushing = False
        self._ledger = ledger
        self._timers = timers
        self._random = random

    # -- in ---------------------------------------------------------------------------------------------------------

    def obstacle(self, targets: Sequence[Target]) -> Quota | None:
        """Return the first quota for which a publisher must wait, or None when there is room everywhere.

        Raises:
            MailboxFullError: A quota that refuses is used up.
        """
        obstacle: Quota | None = None
        refusing: list[str] = []
        for target in targets:
            quota = target.quota
            if quota.waiting >= quota.capacity:
                if quota.overflow is Overflow.FAIL:
                    refusing.append(target.recipient.name)
                elif quota.overflow is Overflow.BLOCK and obstacle is None:
                    obstacle = quota
        if refusing:
            raise MailboxFullError(tuple(refusing))
        return obstacle

    def accept(self, message: Message, selection: Selection, watcher: Watcher | None = None) -> None:
        """Put `message` into the mailbox of every target, dropping where a policy says so."""
        self.accept_all(Delivery(message, target, watcher) for target in selection.targets)
        for target, error in selection.broken:
            target.recipient.addressed += 1
            self._ledger.dead(Delivery(message, target, watcher), error, self.clock())

    def accept_all(self, deliveries: Iterable[Delivery]) -> None:
        """Put each delivery into its mailbox, dropping where its policy says so."""
        for delivery in deliveries:
            self._accept_one(delivery)
        if self.ready:
            self.on_ready()

    def _accept_one(self, delivery: Delivery) -> None:
        quota = delivery._target.quota
        lane = quota.lane
        lane.recipient.addressed += 1
        if (quota.waiting >= quota.capacity or quota.tracks) and not self._make_room(quota, delivery):
            return
        quota.waiting += 1
        quota.total += 1
        lane.put(delivery)
        if delivery._watcher is not None:
            delivery._watcher.accepted(delivery)
        if lane.counted:
            self._ledger.busy += 1
        if not lane.realtime:
            delivery._arrived = self.clock()
            self.arrange(lane)
        elif lane.recipient.slots and not lane.scheduled:
            lane.scheduled = True
            self.ready.append(lane)

    def _make_room(self, quota: Quota, delivery: Delivery) -> bool:
        displaced = quota.displaced(delivery.message.topic)
        if displaced is not None:
            self._leave_lane(displaced)
            quota.dropped += 1
            self._ledger.dropped(displaced)
        elif quota.waiting >= quota.capacity and quota.overflow is Overflow.DROP_NEWEST:
            quota.dropped += 1
            self._ledger.dropped(delivery)
            return False
        quota.enter(delivery)
        return True

    # -- when -------------------------------------------------------------------------------------------------------

    def arrange(self, lane: Lane) -> None:
        """Line `lane` up if its recipient should be called now, and else have it looked at when it should."""
        if lane.scheduled or not lane.waiting or not lane.recipient.slots:
            return
        if self.is_due(lane):
            lane.scheduled = True
            self.ready.append(lane)
            self.on_ready()

    def is_due(self, lane: Lane) -> bool:
        """Say whether the recipient should be called now; if it is later, by time alone, set a timer for that."""
        first = None if lane.realtime else lane.first()
        if first is None:
            return lane.waiting > 0
        now = self.clock()
        due = lane.mode.due(lane.waiting, first._arrived, now)
        if due <= now or (self._flushing and lane.counted):
            return True
        if due < inf and due != lane.alarm_at:
            self._timers.cancel(lane.alarm)
            lane.alarm_at = due
            lane.alarm = self._timers.at(due, partial(self._alarm, lane))
        return False

    def _alarm(self, lane: Lane) -> None:
        lane.alarm_at = inf
        self.arrange(lane)

    def arrange_all(self, recipient: Recipient) -> None:
        """Look at all lanes of `recipient`: it has a free slot, or is back."""
        for lane in recipient.lanes:
            self.arrange(lane)

    def flush(self, recipients: Sequence[Recipient]) -> None:
        """From now on, wait for no batch to be filled."""
        self._flushing = True
        for recipient in recipients:
            self.arrange_all(recipient)

    def count(self, lane: Lane, *, counted: bool) -> None:
        """Let what waits in `lane` keep the bus from being settled, or not; with a feed, also what its owner has."""
        if counted is lane.counted:
            return
        lane.counted = counted
        share = lane.waiting
        if lane.recipient.handler is None:
            share += sum(delivery._target.quota.lane is lane for delivery in lane.recipient.running)
        if counted:
            self._ledger.busy += share
        else:
            self._ledger.less_busy(share)

    # -- out --------------------------------------------------------------------------------------------------------

    def step(self) -> Suspended | None:
        """Serve the next ready lane: begin one call, and return its handler if that suspended."""
        lane = self.ready.popleft()
        lane.scheduled = False
        recipient = lane.recipient
        if lane.again:
            delivery: Delivery | None = lane.again.popleft()
        elif recipient.slots and (recipient.handler is not None or recipient.receivers):
            delivery = self.take(lane)
        else:
            return None
        if lane.again:
            lane.scheduled = True
            self.ready.append(lane)
        else:
            self.arrange(lane)
        if delivery is None:
            return None
        if recipient.handler is None:
            recipient.receivers.popleft().hand(delivery)
            return None
        return self._begin(recipient.handler, delivery, recipient)

    def take(self, lane: Lane) -> Delivery | None:
        """Take what the next call is for, a slot used; from here on it runs. None when all of it has expired."""
        size = lane.mode.size(lane.waiting)
        taken: list[Delivery] = []
        while len(taken) < (size or 1) and (delivery := self.pull(lane)) is not None:
            taken.append(delivery)
        if not taken:
            return None
        lead = taken[0]
        if size is not None:
            lead._batch = tuple(taken)
        recipient = lane.recipient
        recipient.slots -= 1
        if recipient.handler is not None and not lane.counted:
            self._ledger.busy += len(taken)
        for delivery in taken:
            delivery._state = RUNNING
            delivery._started = self.now
            recipient.running[delivery] = None
        return lead

    def pull(self, lane: Lane) -> Delivery | None:
        """Remove and return the first delivery of `lane` that has not expired."""
        while (delivery := lane.take()) is not None:
            delivery._target.quota.leaves(delivery)
            expires_at = delivery.message.expires_at
            if expires_at == inf or expires_at > self.clock():
                return delivery
            self._ledger.expired(delivery)
            self._ledger.less_busy(int(lane.counted))
        return None

    def _begin(self, handler: Callable[..., Any], delivery: Delivery, recipient: Recipient) -> Suspended | None:
        context = recipient.context.copy()
        try:
            coroutine, trap = context.run(_first_step, self._current, handler, delivery, recipient.wants_delivery)
        except StopIteration as end:
            self.stops(delivery)
            self.finish(delivery, end.value)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises stays with its delivery
            self.stops(delivery)
            self.fail(delivery, error)
        except BaseException:
            self.abandon(delivery)
            raise
        else:
            started = self.stops(delivery)
            timeout = recipient.policy.timeout
            return Suspended(delivery, coroutine, context, trap, inf if timeout is None else started + timeout)
        return None

    def resumes(self) -> None:
        """Read the clock: a handler runs from now on."""
        self.now = self.clock()

    def stops(self, lead: Delivery) -> float:
        """Read the clock: the handler has ended or suspended. Note how long it kept all others from running."""
        started, self.now = self.now, self.clock()
        recipient_of(lead).note_block(self.now - started)
        return started

    # -- the end of a call ------------------------------------------------------------------------------------------

    def finish(self, lead: Delivery, answer: object = None) -> None:
        """Write down that the handler has finished, and what it returned."""
        recipient = recipient_of(lead)
        recipient.failures_in_a_row = 0
        now = self.now if recipient.handler is not None else self.clock()
        if answer is not None:
            self.on_answer(recipient.name, lead.message, answer)
        for delivery in members(lead):
            self._ledger.handled(delivery, now)
        self._stop(lead, recipient)

    def fail(self, lead: Delivery, error: Exception, *, retry: bool = True) -> None:
        """Write down that the handler has failed: it is tried again, or it has failed for good."""
        recipient = recipient_of(lead)
        policy = recipient.policy
        if retry and policy.retry is not None and policy.retry.again(error, lead.attempt):
            self._back_off(lead, recipient, policy.retry.delay(lead.attempt, self._random))
            return
        for delivery in members(lead):
            self._ledger.dead(delivery, error, self.now)
        self._stop(lead, recipient)
        recipient.failures_in_a_row += 1
        if policy.on_error is OnError.RAISE:
            self.on_raise(error)
        elif policy.on_error is OnError.QUARANTINE and recipient.failures_in_a_row >= policy.quarantine_after:
            self.on_quarantine(recipient)

    def abandon(self, lead: Delivery) -> None:
        """Write down that the handler was cancelled from outside, so that it neither finished nor failed."""
        for delivery in members(lead):
            self._ledger.abandoned(delivery, running=True)
        self._stop(lead, recipient_of(lead))

    def _stop(self, lead: Delivery, recipient: Recipient) -> None:
        deliveries = members(lead)
        for delivery in deliveries:
            del recipient.running[delivery]
        lane = lead._target.quota.lane
        if recipient.handler is not None:
            self.give_slot_back(recipient)
            self._ledger.less_busy(len(deliveries))
        elif lane.counted:
            self._ledger.less_busy(len(deliveries))

    def give_slot_back(self, recipient: Recipient) -> None:
        """Let one more call of the handler begin; later, if the agent is away."""
        if recipient.away:
            recipient.slots_away += 1
        else:
            recipient.slots += 1
            self.arrange_all(recipient)

    # -- another attempt --------------------------------------------------------------------------------------------

    def _back_off(self, lead: Delivery, recipient: Recipient, delay: float) -> None:
        for delivery in members(lead):
            del recipient.running[delivery]
            delivery._state = WAITING
        recipient.retries += 1
        again = partial(self._try_again, lead, recipient)
        recipient.backing_off[lead] = self._timers.at(self.clock() + delay, again)
        if not recipient.keeps_place:
            self.give_slot_back(recipient)

    def _try_again(self, lead: Delivery, recipient: Recipient) -> None:
        del recipient.backing_off[lead]
        lane = lead._target.quota.lane
        for delivery in members(lead):
            delivery.attempt += 1
        if recipient.keeps_place:
            for delivery in members(lead):
                delivery._state = RUNNING
                recipient.running[delivery] = None
            lane.again.append(lead)
            if not lane.scheduled:
                lane.scheduled = True
                self.ready.append(lane)
            self.on_ready()
            return
        for delivery in members(lead):
            delivery._target.quota.waiting += 1
            lane.put(delivery)
        if not lane.counted:
            self._ledger.less_busy(len(members(lead)))
        self.arrange(lane)

    # -- before its time --------------------------------------------------------------------------------------------

    def pull_out(self, delivery: Delivery) -> None:
        """Take a waiting delivery, or the batch that it leads, out of its lane or out of its back-off."""
        recipient = recipient_of(delivery)
        timer = recipient.backing_off.pop(delivery, None)
        if timer is None:
            self._leave_lane(delivery)
            return
        self._timers.cancel(timer)
        self._ledger.less_busy(len(members(delivery)))
        if recipient.keeps_place:
            self.give_slot_back(recipient)

    def _leave_lane(self, delivery: Delivery) -> None:
        quota = delivery._target.quota
        delivery._state = OVER
        quota.lane.drop()
        quota.leaves(delivery)
        self._ledger.less_busy(int(quota.lane.counted))


def _first_step(
    current: ContextVar[Delivery | None],
    handler: Callable[..., Any],
    lead: Delivery,
    wants_delivery: bool,  # noqa: FBT001 - the hot path
) -> tuple[Coroutine[Any, Any, object], object]:
    """Call the handler and run it until it suspends; StopIteration says that it ended before it did."""
    current.set(lead)
    batch = lead._batch
    message = lead.message if batch is None else [delivery.message for delivery in batch]
    try:
        if wants_delivery:
            awaitable = handler(message, lead if batch is None else list(batch))
        else:
            awaitable = handler(message)
    except StopIteration as error:
        msg = "the handler raised StopIteration"
        raise RuntimeError(msg) from error
    coroutine = as_coroutine(awaitable)
    return coroutine, coroutine.send(None)


def _nothing() -> None:
    pass


def _ignore(*_: object) -> None:
    pass

"""The dispatcher: the only writer of mailboxes. It accepts messages into them and has them served.

The way of a message through this file: `obstacle` says whether there is room for it everywhere, `accept` puts it into
every mailbox in one synchronous step and lines up the lanes that are due (see `readiness`), and `step` takes the next
one from the queue and begins a call of its handler (see `calls`).
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, Final, final

import trio

from stentor._machine.shifts import PythonShift
from stentor._mechanisms.deliveries import OVER, RUNNING, WAITING, Delivery, members
from stentor._values.errors import MailboxFullError
from stentor._values.options import Overflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stentor._machine.calls import Calls, Suspended
    from stentor._machine.ledger import Ledger
    from stentor._machine.readiness import Readiness
    from stentor._machine.workers import Workers
    from stentor._mechanisms.deliveries import Watcher
    from stentor._mechanisms.mailbox import Lane, Quota
    from stentor._mechanisms.routes import Selection, Target
    from stentor._values.messages import Message

PATIENCE: Final = 3
"""Calls in a row without waiting after which the lane of a handler that has waited is set apart no longer."""


@final
class Dispatcher:
    """Mailboxes in, handlers out; everything here happens between two scheduling points of trio."""

    def __init__(self, clock: Callable[[], float], ledger: Ledger, readiness: Readiness, calls: Calls) -> None:
        """Make an idle dispatcher that reads the time, in seconds, from `clock`."""
        self._clock = clock
        self._ledger = ledger
        self._readiness = readiness
        self._calls = calls

    # -- in ---------------------------------------------------------------------------------------------------------

    def obstacle(self, targets: Sequence[Target]) -> Target | None:
        """Return the first target for whose quota a publisher must wait, or None when there is room everywhere.

        Raises:
            MailboxFullError: A quota that refuses is used up.
        """
        obstacle: Target | None = None
        refusing: list[str] = []
        for target in targets:
            quota = target.quota
            if quota.waiting >= quota.capacity:
                if quota.overflow is Overflow.FAIL:
                    refusing.append(target.recipient.name)
                elif quota.overflow is Overflow.BLOCK and obstacle is None:
                    obstacle = target
        if refusing:
            raise MailboxFullError(tuple(refusing))
        return obstacle

    def accept(self, message: Message, selection: Selection, watcher: Watcher | None = None) -> None:
        """Put `message` into the mailbox of every target, dropping where a policy says so."""
        for target in selection.targets:
            self._accept_one(Delivery(message, target, watcher), target.quota)
        for target, error in selection.broken:
            target.recipient.addressed += 1
            delivery = Delivery(message, target, watcher)
            delivery.attempt = 0
            self._ledger.dead(delivery, error, self._clock())
        if self._readiness.queue:
            self._readiness.on_ready()

    def accept_all(self, deliveries: Iterable[Delivery]) -> None:
        """Put each delivery into its mailbox, dropping where its policy says so."""
        for delivery in deliveries:
            self._accept_one(delivery, delivery._target.quota)
        if self._readiness.queue:
            self._readiness.on_ready()

    def drop(self, message: Message, target: Target) -> None:
        """Count a message that `target` has no room for, and for which nobody waits."""
        target.recipient.addressed += 1
        target.quota.dropped += 1
        self._ledger.dropped(Delivery(message, target, None))

    def _accept_one(self, delivery: Delivery, quota: Quota) -> None:
        lane = quota.lane
        recipient = lane.recipient
        recipient.addressed += 1
        if (quota.waiting >= quota.capacity or quota.tracks) and not self._make_room(quota, delivery):
            return
        quota.waiting += 1
        quota.total += 1
        lane.put(delivery)
        if delivery._watcher is not None:
            delivery._watcher.accepted(delivery)
        if lane.counted:
            self._ledger.more_busy(1)
        if not lane.realtime:
            delivery._arrived = self._clock()
            self._readiness.arrange(lane)
        elif recipient.slots and not lane.scheduled:
            lane.scheduled = True
            self._readiness.queue.append(lane)

    def _make_room(self, quota: Quota, delivery: Delivery) -> bool:
        displaced = quota.displaced(delivery.message.topic)
        if displaced is not None:
            self.pull_out(displaced)
            quota.dropped += 1
            self._ledger.dropped(displaced)
        elif quota.waiting >= quota.capacity and quota.overflow is Overflow.DROP_NEWEST:
            quota.dropped += 1
            self._ledger.dropped(delivery)
            return False
        quota.enter(delivery)
        return True

    # -- out --------------------------------------------------------------------------------------------------------

    def shift(self, workers: Workers, task: trio.lowlevel.Task) -> PythonShift:
        """Return the shift of the worker that is `task`."""
        return PythonShift(self, self._calls, self._readiness, workers, task)

    def drain(self, budget: int) -> tuple[int, Suspended | None]:
        """Serve ready lanes; return what is left of `budget`, in calls, and the first handler that suspends."""
        queue = self._readiness.queue
        suspended = None
        while queue and budget and suspended is None:
            budget -= 1
            suspended = self.step()
        return budget, suspended

    @trio.lowlevel.enable_ki_protection
    def step(self) -> Suspended | None:
        """Serve the next ready lane, and return its handler if that suspended.

        A lane whose handler keeps waiting is set apart, if it is not the only one.
        """
        readiness = self._readiness
        lane = readiness.queue.popleft()
        if lane.apart and (readiness.queue or readiness.apart):
            readiness.apart.append(lane)
            return None
        return self.serve(lane)

    def serve_apart(self) -> Suspended | None:
        """Serve the first lane that is set apart, if there is one, and return its handler if that suspended."""
        return self.serve(self._readiness.apart.popleft()) if self._readiness.apart else None

    @trio.lowlevel.enable_ki_protection
    def serve(self, lane: Lane) -> Suspended | None:
        """Begin one call for `lane`, and return its handler if that suspended."""
        lane.scheduled = False
        recipient = lane.recipient
        handler = recipient.handler
        if lane.again:
            lead: Delivery | None = self._again(lane)
        elif recipient.slots and (handler is not None or recipient.receivers):
            lead = self.take(lane)
        else:
            return None
        if lane.again:
            self._readiness.line_up(lane)
        elif recipient.slots:
            self._readiness.arrange(lane)
        if lead is None:
            return None
        if handler is None:
            recipient.hand(lead)
            return None
        suspended = self._calls.begin(handler, lead, recipient)
        if suspended is not None:
            lane.apart = PATIENCE
        elif lane.apart:
            lane.apart -= 1
        return suspended

    def _again(self, lane: Lane) -> Delivery | None:
        """Return what is to be called once more, unless it was withdrawn or has expired in the meantime."""
        lane.scheduled = lane.held
        waiting = lane.again or deque()
        lead = waiting.popleft()
        lane.again = waiting or None
        if lead._cause is None:
            return self._calls.alive(lead)
        self._calls.fail(lead, lead._cause, retry=False)
        return None

    def take(self, lane: Lane) -> Delivery | None:
        """Take what the next call is for, a slot used; from here on it runs. None when all of it has expired."""
        lead = self.pull(lane)
        if lead is None:
            return None
        size = None if lane.realtime else lane.mode.size(lane.waiting + 1)
        if size is not None:
            lead._batch = (lead, *self._pull_more(lane, size - 1))
        recipient = lane.recipient
        recipient.slots -= 1
        for delivery in members(lead):
            delivery._state = RUNNING
            delivery._started = self._calls.now
            recipient.running[delivery] = None
            if not lane.counted and recipient.handler is not None:
                self._ledger.more_busy(1)
        return lead

    def _pull_more(self, lane: Lane, most: int) -> Iterable[Delivery]:
        while most > 0 and (delivery := self.pull(lane)) is not None:
            most -= 1
            yield delivery

    def pull(self, lane: Lane) -> Delivery | None:
        """Remove and return the first delivery of `lane` that has not expired."""
        while (delivery := lane.take()) is not None:
            delivery._target.quota.leaves(delivery)
            expires_at = delivery.message.expires_at
            if expires_at == inf or expires_at > self._clock():
                return delivery
            self._ledger.expired(delivery)
            self._ledger.less_busy(int(lane.counted))
        return None

    def pull_out(self, lead: Delivery) -> None:
        """Take a waiting delivery out of its lane, or the call that it leads out of what is to be tried again."""
        if lead._state == WAITING:
            self._leave_lane(lead)
        else:
            self._calls.call_off(lead)

    def _leave_lane(self, delivery: Delivery) -> None:
        quota = delivery._target.quota
        delivery._state = OVER
        quota.lane.drop()
        quota.leaves(delivery)
        self._ledger.less_busy(int(quota.lane.counted))

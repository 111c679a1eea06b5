"""Readiness: which lanes are due, and the queue in which those stand that can be served now."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import TYPE_CHECKING, final

import trio

from stentor._native import ReadyQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stentor._machine.timers import Timers
    from stentor._mechanisms.mailbox import Lane
    from stentor._mechanisms.recipients import Recipient


@final
class Readiness:
    """Lines lanes up when their mode says that they are due and their recipient has a free slot."""

    def __init__(self, clock: Callable[[], float], timers: Timers) -> None:
        """Begin with no lane ready; the time is read, in seconds, from `clock`."""
        self.queue: ReadyQueue = ReadyQueue()
        """Lanes that can be served now, first come first served."""
        self.apart: ReadyQueue = ReadyQueue()
        """Lanes out of the queue whose handlers keep waiting, each of which a worker of its own is to serve."""
        self.on_ready: Callable[[], None] = _nothing
        """Is called when the queue may have become non-empty."""
        self.arranging: Callable[[Lane], None] = self.arrange
        """The method `arrange`, one object for all recipients."""
        self.on_empty: Callable[[], object] = _nothing
        """Is called when whoever serves the queue has come to its end."""
        self._clock = clock
        self._timers = timers
        self._flushing = False
        self._stopped = False

    @property
    def is_empty(self) -> bool:
        """Whether no lane can be served now."""
        return not (self.queue or self.apart)

    @trio.lowlevel.enable_ki_protection
    def arrange(self, lane: Lane) -> None:
        """Line `lane` up if its recipient should be called now, and else have it looked at when it should."""
        if lane.waiting and not lane.scheduled and lane.recipient.slots and (lane.realtime or self.is_due(lane)):
            self.line_up(lane)

    def arrange_all(self, recipient: Recipient) -> None:
        """Look at all lanes of `recipient`: it has a free slot, or is back."""
        for lane in recipient.lanes:
            self.arrange(lane)

    def line_up(self, lane: Lane) -> None:
        """Put `lane` at the end of the queue, in which it does not stand."""
        lane.scheduled = True
        self.queue.append(lane)
        self.on_ready()

    @trio.lowlevel.enable_ki_protection
    def tell_ready(self) -> None:
        """Tell whoever serves the queue that it may have become non-empty."""
        self.on_ready()

    def forget(self, recipient: Recipient) -> None:
        """Take the lanes of `recipient` out of the queue."""
        for lane in recipient.lanes:
            self.queue.discard(lane)
            self.apart.discard(lane)
            lane.scheduled = lane.held

    def is_due(self, lane: Lane) -> bool:
        """Say whether the recipient should be called now; if it is later, by time alone, set a timer for that."""
        first = None if lane.realtime else lane.first()
        if first is None:
            return lane.waiting > 0
        now = self._clock()
        due = lane.mode.due(lane.waiting, first._arrived, now)
        if due <= now or (self._flushing and lane.counted):
            return True
        if due < inf and due != lane.alarm_at and not self._stopped:
            self._timers.cancel(lane.alarm)
            lane.alarm_at = due
            lane.alarm = self._timers.at(due, partial(self._alarm, lane))
        return False

    def _alarm(self, lane: Lane) -> None:
        lane.alarm_at = inf
        self.arrange(lane)

    def stop(self) -> None:
        """From now on, tell nobody what is due, and look at nothing later: nobody serves it any more."""
        self._stopped = True
        self.on_ready = _nothing
        self.queue.clear()
        self.apart.clear()
        self.on_empty()

    def flush(self, recipients: Iterable[Recipient]) -> None:
        """From now on, wait for no batch to be filled."""
        self._flushing = True
        for recipient in recipients:
            self.arrange_all(recipient)


def _nothing() -> None:
    pass

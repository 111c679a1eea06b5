"""Timers: something to be done at an instant. One task sleeps until the next of them; while none is set, none does."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, final

import trio

from stentor._native import Alarms

if TYPE_CHECKING:
    from collections.abc import Callable


@final
class Timers:
    """All timers of one bus; setting costs O(log n), cancelling O(1), amortised."""

    def __init__(self, clock: Callable[[], float], nursery: trio.Nursery) -> None:
        """Make timers that read the time from `clock` and whose task lives in `nursery`."""
        self._clock = clock
        self._nursery = nursery
        self._scope: trio.CancelScope | None = None
        self.alarms: Alarms = Alarms()
        """Who sets one here itself must `arm` where nobody will look in time."""
        self.cancel: Callable[[int], None] = self.alarms.cancel
        """Forget a timer; one that has gone off already is forgotten anyway."""

    def at(self, when: float, action: Callable[[], None]) -> int:
        """Call `action`, which must not raise, at the instant `when`, and return a number by which to cancel it."""
        number = self.alarms.set(when, action)
        if when < self.alarms.armed:
            self.arm(when)
        return number

    @trio.lowlevel.enable_ki_protection
    def arm(self, when: float) -> None:
        """See to it that somebody looks at the instant `when`, which is earlier than anybody would."""
        if self._scope is None:
            self._scope = trio.CancelScope()
            self._nursery.start_soon(self._run, name="stentor timers")
        else:
            self._scope.deadline = when
        self.alarms.armed = when

    def retire(self) -> None:
        """Let the task end if no timer is set: who sets the next gets a new one."""
        if self._scope is not None and not len(self.alarms):
            self._scope.cancel()
            self._rest()

    async def _run(self) -> None:
        alarms = self.alarms
        while len(alarms):
            alarms.armed = alarms.next()
            with trio.CancelScope(deadline=alarms.armed) as scope:
                self._scope = scope
                await trio.sleep_forever()
            if self._scope is not scope:
                return
            alarms.ring(self._clock())
        self._rest()

    def _rest(self) -> None:
        """Let nobody look any more."""
        self._scope = None
        self.alarms.armed = inf

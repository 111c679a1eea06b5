"""The virtual clock: it stands still while anything can run, and then jumps to the next instant that is waited for.

Two kinds of timers end a wait. A *deadline* of a cancel scope lives in trio, which asks the clock how long it may wait
until the next one, and only when no task can run: that is the moment to jump. A *sleep* lives in the calendar here, a
heap of tasks that are simply rescheduled: a fifth of the price of a deadline, which has to cancel its way out. What is
due at one instant goes off deadlines first, because a timeout bounds what is inside it; tasks whose sleep ends at one
instant wake in the order in which they were started.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from math import inf, isnan
from typing import TYPE_CHECKING, Final, final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

_SLACK: Final = 1_000
_LONG: Final = 86_400.0
"""Any answer above 0 lets trio see to tasks that wait for all others to be blocked; nobody waits for so long."""


@final
class VirtualClock(trio.abc.Clock):
    """Seconds since the beginning of a run; reading it costs one attribute."""

    def __init__(self, start: float = 0.0) -> None:
        """Begin at `start`."""
        self.now = start
        self.jumps = 0
        """How often time has moved on."""
        self.is_held: Callable[[], float | None] = _free
        """Is asked before a jump: None lets it happen, a number is what trio waits for instead."""
        self.on_stuck: Callable[[], None] = _free
        """Is called when no task can go on and no instant is waited for."""
        self._calendar: list[tuple[float, int]] = []
        self._sleepers: dict[int, trio.lowlevel.Task] = {}
        self._numbers = count()

    def start_clock(self) -> None:
        """Nothing is to be started."""

    def current_time(self) -> float:
        """Return the seconds since the beginning."""
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Jump to the next instant, because no task can run now, and return that trio need not wait for it.

        Args:
            deadline: The next deadline of a cancel scope; infinity if there is none.
        """
        held = self.is_held()
        if held is not None:
            return held
        wake = self._next()
        if wake < deadline:
            self._move_to(wake)
            self._wake_all()
        elif deadline < inf:
            self._move_to(deadline)
        else:
            self.on_stuck()
        return 0.0

    async def sleep_until(self, instant: float) -> None:
        """Let the current task sleep until `instant`; it stands for `trio.sleep_until`, and so for `trio.sleep`.

        Raises:
            ValueError: `instant` is not a number.
        """
        if isnan(instant):
            msg = "deadline must not be NaN"
            raise ValueError(msg)
        if instant <= self.now:
            await trio.lowlevel.checkpoint()
            return
        if instant == inf:
            await trio.sleep_forever()
        number = next(self._numbers)
        self._sleepers[number] = trio.lowlevel.current_task()
        heappush(self._calendar, (instant, number))

        def abort(_: object) -> trio.lowlevel.Abort:
            del self._sleepers[number]
            self._prune()
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def hold(self, held: float | None = _LONG) -> float | None:
        """Return `held`, the answer that keeps time where it is."""
        return held

    def _move_to(self, instant: float) -> None:
        if instant > self.now:
            self.now = instant
            self.jumps += 1

    def _next(self) -> float:
        while self._calendar:
            instant, number = self._calendar[0]
            if number in self._sleepers:
                return instant
            heappop(self._calendar)
        return inf

    def _wake_all(self) -> None:
        """Wake everybody whose sleep is over by now."""
        calendar, sleepers = self._calendar, self._sleepers
        while calendar and calendar[0][0] <= self.now:
            task = sleepers.pop(heappop(calendar)[1], None)
            if task is not None:
                trio.lowlevel.reschedule(task)

    def _prune(self) -> None:
        """Forget the sleeps that were cancelled, once they are more than half of all; O(1) amortised."""
        if len(self._calendar) > 2 * len(self._sleepers) + _SLACK:
            self._calendar = [entry for entry in self._calendar if entry[1] in self._sleepers]
            heapify(self._calendar)


def _free() -> None:
    return None

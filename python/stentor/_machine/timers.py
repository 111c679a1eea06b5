"""Timers: something to be done at an instant. One task sleeps until the next of them; while none is set, none does."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Final, final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

_SLACK: Final = 1000
"""How many cancelled timers may be left lying about."""


@final
class Timers:
    """All timers of one bus; setting costs O(log n), cancelling O(1), amortised."""

    def __init__(self, clock: Callable[[], float], nursery: trio.Nursery) -> None:
        """Make timers that read the time from `clock` and whose task lives in `nursery`."""
        self._clock = clock
        self._nursery = nursery
        self._heap: list[tuple[float, int]] = []
        self._actions: dict[int, Callable[[], None]] = {}
        self._numbers = count(1)
        self._scope: trio.CancelScope | None = None

    def at(self, when: float, action: Callable[[], None]) -> int:
        """Call `action`, which must not raise, at the instant `when`, and return a number by which to cancel it."""
        number = next(self._numbers)
        self._actions[number] = action
        heappush(self._heap, (when, number))
        if self._scope is None:
            self._scope = trio.CancelScope()
            self._nursery.start_soon(self._run, name="stentor timers")
        elif when < self._scope.deadline:
            self._scope.deadline = when
        return number

    def cancel(self, number: int) -> None:
        """Forget a timer; one that has gone off already is forgotten anyway."""
        self._actions.pop(number, None)
        if len(self._heap) > 2 * len(self._actions) + _SLACK:
            self._heap = [timer for timer in self._heap if timer[1] in self._actions]
            heapify(self._heap)

    def retire(self) -> None:
        """Let the task end if no timer is set: who sets the next gets a new one."""
        if self._scope is not None and not self._actions:
            self._scope.cancel()
            self._scope = None

    async def _run(self) -> None:
        while self._actions:
            with trio.CancelScope(deadline=self._next()) as scope:
                self._scope = scope
                await trio.sleep_forever()
            if self._scope is not scope:
                return
            now = self._clock()
            while self._next() <= now:
                _, number = heappop(self._heap)
                self._actions.pop(number)()
        self._heap.clear()
        self._scope = None

    def _next(self) -> float:
        while self._heap and self._heap[0][1] not in self._actions:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else inf

"""Cancelling at a chosen step of a task, so that a test can try all of them in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    When = Literal["before", "after"]
    """Before a step, so that the cancellation comes at the next checkpoint, or after it, while the task waits."""


class AtStep(trio.abc.Instrument):
    """Does something at one step of one task, or of any task."""

    def __init__(
        self, do: Callable[[], None], step: int, *, when: When = "before", task: trio.lowlevel.Task | None = None
    ) -> None:
        """Do `do` before or after step number `step`, counted from 0, of `task` or else of any."""
        self._do = do
        self._left = step
        self._when = when
        self._task = task
        self.fired = False

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count, and act if it is time."""
        if self._when == "before":
            self._count(task)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count, and act if it is time."""
        if self._when == "after":
            self._count(task)

    def _count(self, task: trio.lowlevel.Task) -> None:
        if self.fired or self._task not in {None, task}:
            return
        if self._left:
            self._left -= 1
        else:
            self.fired = True
            self._do()


async def cancelled_at(step: int, when: When, call: Callable[[], Awaitable[object]]) -> tuple[bool, bool]:
    """Call `call`, cancelled at that step of this task; return whether that came about, and whether `call` ended."""
    ended = False
    with trio.CancelScope() as scope:
        instrument = AtStep(scope.cancel, step, when=when, task=trio.lowlevel.current_task())
        trio.lowlevel.add_instrument(instrument)
        try:
            await call()
            ended = True
        finally:
            trio.lowlevel.remove_instrument(instrument)
    return instrument.fired, ended

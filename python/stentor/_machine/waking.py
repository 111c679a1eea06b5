"""Waking: how a task that waits again and again does so at the least cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


@final
class _Woken:
    """An outcome of waiting that says nothing; trio's own serves once, this one is everybody's."""

    __slots__ = ()

    def unwrap(self) -> None:
        """Return None."""


WOKEN: Final[Any] = _Woken()
"""What a task that waits by `waiting` is sent when it is rescheduled; what else it is sent must be unwrapped."""
DISMISSED: Final[Any] = _Woken()
"""What a task is sent that is not needed any more."""


def waiting(abort: Callable[[Any], trio.lowlevel.Abort]) -> tuple[object, Coroutine[Any, Any, None]]:
    """Return what a task yields to trio to wait until it is rescheduled, and a coroutine that looks as it does then.

    `abort` is called when the task is cancelled. trio makes all this anew for every wait; to make it once, and yield
    the same again and again, saves a third of what it costs to be woken.
    """

    async def wait() -> None:
        await trio.lowlevel.wait_task_rescheduled(abort)

    coroutine = wait()
    return coroutine.send(None), coroutine

"""Inside trio: what the core reads and does there that trio does not promise to keep.

There is no public way to ask whether the running task is cancelled without a call that costs more than to deliver a
message, and none to give a task its turn before the next scheduling pass, which costs forty times as much. Each of
these looks first whether trio keeps everything where it is looked for; where it does not, the core does without.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

import trio

from stentor._native import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

_TURNS: Final[trio.lowlevel.RunVar[Turns | None]] = trio.lowlevel.RunVar("stentor turns", None)


def state_of_thread() -> dict[str, object] | None:
    """Return what trio keeps about this thread: under `task` the task that runs, which knows whether it is cancelled.

    Where trio keeps it otherwise, this is None, and every publish asks by `trio.lowlevel.checkpoint_if_cancelled`.
    """
    task: Any = trio.lowlevel.current_task()
    try:
        context: Any = import_module("trio._core._run").GLOBAL_RUN_CONTEXT
        state = cast("dict[str, object]", vars(context))
        told = isinstance(task._cancel_status.effectively_cancelled, bool)
        known = told and state["task"] is task
    except (ImportError, AttributeError, KeyError, TypeError):
        return None
    return state if known else None


def turns_of_this_run() -> Turns | None:
    """Return what gives workers their turn at once; None where trio does not work as it is known to."""
    turns = _TURNS.get()
    if turns is None:
        turns = _new_turns()
        _TURNS.set(turns)
    return turns


def _new_turns() -> Turns | None:
    state = state_of_thread()
    if state is None:
        return None
    try:
        run: Any = import_module("trio._core._run")
        traps: Any = import_module("trio._core._traps")
        return Turns(
            state,
            task=trio.lowlevel.current_task(),
            frame=sys._getframe,
            deepest=sys.getrecursionlimit() // 10,
            waiting=traps.WaitTaskRescheduled,
            pausing=traps.CancelShieldedCheckpoint,
            reschedule=trio.lowlevel.reschedule,
            value=run.Value,
            error=run.Error,
            replay=_replay,
        )
    except (ImportError, AttributeError, KeyError, TypeError):
        return None


def _replay(trap: object) -> Callable[[object], object]:
    return lambda _: trap

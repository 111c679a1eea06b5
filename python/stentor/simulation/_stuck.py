"""Who waits where, when a run is stuck, and how it is ended all the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import outcome
import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN: Final = 10
_INSIDE: Final = frozenset({"trio", "stentor"})
"""Folders whose lines say less than those of who calls them."""


def who_waits() -> str:
    """Return the names of the tasks that wait, each with the line at which it does; the first few of many."""
    told = sorted(f"{task.name} ({_line_of(task)})" for task in _own_tasks())
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return ", ".join(told[:_SHOWN]) + more


def throw(error: Exception) -> None:
    """Let every task that waits, and not for its own children, go on with `error`."""
    for task in list(_own_tasks()):
        if not task.child_nurseries:
            trio.lowlevel.reschedule(task, outcome.Error(error))


def _own_tasks() -> Iterator[trio.lowlevel.Task]:
    """Iterate over the tasks that are not trio's own: it names those in angle brackets."""
    root = trio.lowlevel.current_root_task()
    pending = [] if root is None else [root]
    while pending:
        task = pending.pop()
        if not task.name.startswith("<"):
            yield task
        pending.extend(child for nursery in task.child_nurseries for child in nursery.child_tasks)


def _line_of(task: trio.lowlevel.Task) -> str:
    """Return the innermost line of a task that is neither trio's nor stentor's; its innermost where there is none."""
    frames = [(Path(frame.f_code.co_filename), line) for frame, line in task.iter_await_frames()]
    outside = [(file, line) for file, line in frames if _INSIDE.isdisjoint(file.parts)]
    file, line = (outside or frames or [(Path("?"), 0)])[-1]
    return f"{file.name}:{line}"

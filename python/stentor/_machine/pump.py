"""The native pump as a dispatcher: it does the ordinary, and hands to the dispatcher in Python whatever is not.

Both give the same order and the same books; `open_bus(dispatcher="python")` does without the pump. A worker is not
interrupted by Ctrl-C, and neither is what the pump calls here, but for handlers: they run inside of `_interruptible`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast, final

import trio

from stentor._machine.calls import Suspended
from stentor._machine.coroutines import as_coroutine
from stentor._machine.dispatcher import PATIENCE
from stentor._native import Pump

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor._machine.calls import Calls
    from stentor._machine.dispatcher import Dispatcher
    from stentor._machine.ledger import Ledger
    from stentor._machine.readiness import Readiness
    from stentor._mechanisms.deliveries import Watcher
    from stentor._mechanisms.routes import Selection
    from stentor._native import Current, Meter
    from stentor._values.messages import Message


class Front(Protocol):
    """Where messages come into mailboxes and go out to handlers: a dispatcher, or the pump before it."""

    def accept(self, message: Message, selection: Selection, watcher: Watcher | None = None) -> None:
        """Put `message` into the mailbox of every target, dropping where a policy says so."""

    def drain(self, budget: int) -> tuple[int, Suspended | None]:
        """Serve ready lanes; return what is left of `budget`, in calls, and the first handler that suspends."""
        ...


@final
class PumpingDispatcher:
    """The pump, and behind it the dispatcher in Python."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        calls: Calls,
        *,
        readiness: Readiness,
        ledger: Ledger,
        meter: Meter,
        current: Current,
    ) -> None:
        """Pump for `dispatcher`."""
        self._dispatcher = dispatcher
        self._calls = calls
        self.pump: Pump = Pump(
            meter,
            readiness.queue,
            current,
            observed=bool(ledger.observers),
            step=dispatcher.step,
            arrange=readiness.arrange,
            begun=ledger.begun,
            finish=calls.finish,
            fail=calls.fail,
            abandon=calls.abandon,
            ready=readiness.tell_ready,
            quiet=ledger.tell_quiet,
            as_coroutine=as_coroutine,
        )

    def accept(self, message: Message, selection: Selection, watcher: Watcher | None = None) -> None:
        """Put `message` into the mailbox of every target, dropping where a policy says so."""
        if selection.broken or not self.pump.accept(message, selection.targets, watcher):
            self._dispatcher.accept(message, selection, watcher)

    def drain(self, budget: int) -> tuple[int, Suspended | None]:
        """Serve ready lanes; return what is left of `budget`, in calls, and the first handler that suspends."""
        try:
            left = _interruptible(self.pump.drain, budget)
        except BaseException:
            found = self.pump.take_suspended()
            if found is not None:
                self._calls.abandon(found[0])
            raise
        found = self.pump.take_suspended()
        if found is None:
            return left, None
        suspended = Suspended(*found)
        suspended.delivery._target.quota.lane.apart = PATIENCE
        return left, suspended


@trio.lowlevel.disable_ki_protection
def _interruptible(drain: Callable[[int], int], budget: int) -> int:
    return drain(budget)


def state_of_trio() -> dict[str, object] | None:
    """Return what trio keeps about this thread, in which the pump reads whether the running task is cancelled.

    Here the core reads what trio does not promise to keep: there is no public way to ask without a call that costs more
    than to deliver a message. Where trio keeps it otherwise, this is None, and every publish asks by
    `trio.lowlevel.checkpoint_if_cancelled`.
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

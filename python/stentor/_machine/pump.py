"""The native pump as a dispatcher: it does the ordinary, and hands to the dispatcher in Python whatever is not.

Both give the same order and the same books; `open_bus(dispatcher="python")` does without the pump. A worker is not
interrupted by Ctrl-C, and neither is what the pump calls here, but for handlers: they run inside of `_interruptible`.
Should it strike there just before a handler goes on, the handler goes on with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, final

import trio

from stentor._machine.coroutines import as_coroutine
from stentor._machine.dispatcher import PATIENCE
from stentor._machine.inside_trio import state_of_thread
from stentor._machine.shifts import LEADER_BUDGET
from stentor._native import Pump
from stentor._native import Shift as NativeShift

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from stentor._machine.calls import Calls
    from stentor._machine.dispatcher import Dispatcher
    from stentor._machine.ledger import Ledger
    from stentor._machine.readiness import Readiness
    from stentor._machine.workers import Shift, Workers
    from stentor._mechanisms.deliveries import Watcher
    from stentor._mechanisms.mailbox import Quota
    from stentor._mechanisms.routes import Selection
    from stentor._native import Current, Meter
    from stentor._values.messages import Message


class Front(Protocol):
    """Where messages come into mailboxes and go out to handlers: a dispatcher, or the pump before it."""

    def accept(self, message: Message, selection: Selection, watcher: Watcher | None = None) -> None:
        """Put `message` into the mailbox of every target, dropping where a policy says so."""

    def shift(self, workers: Workers, task: trio.lowlevel.Task) -> Shift:
        """Return what the worker that is `task` does while there is something to do."""
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
        self.pump: Pump = Pump(
            meter,
            readiness.queue,
            readiness.apart,
            current,
            observed=ledger.observed,
            journals=ledger.journals,
            trio=state_of_thread(),
            patience=PATIENCE,
            serve=dispatcher.serve,
            arrange=readiness.arrange,
            begun=ledger.begun,
            finish=calls.finish,
            fail=calls.fail,
            abandon=calls.abandon,
            room=_tell_room,
            ready=readiness.tell_ready,
            quiet=ledger.tell_quiet,
            as_coroutine=as_coroutine,
        )

    def accept(self, message: Message, selection: Selection, watcher: Watcher | None = None) -> None:
        """Put `message` into the mailbox of every target, dropping where a policy says so."""
        if selection.broken or not self.pump.accept(message, selection, watcher):
            self._dispatcher.accept(message, selection, watcher)

    def shift(self, workers: Workers, task: trio.lowlevel.Task) -> PumpingShift:
        """Return the shift of the worker that is `task`."""
        return PumpingShift(NativeShift(self.pump, workers, task, budget=LEADER_BUDGET))


@trio.lowlevel.enable_ki_protection
def _tell_room(quota: Quota) -> None:
    """There is room in `quota` for the publisher that has waited longest."""
    quota.wake_oldest()


@final
class PumpingShift:
    """What one worker does while there is something to do, for the pump."""

    __slots__ = ("_native",)

    def __init__(self, native: NativeShift) -> None:
        """Do what `native` does."""
        self._native = native

    def idle(self) -> None:
        """The worker waits to be called, and its task has the name of all that do."""
        self._native.served = None

    def lead_at_once(self) -> bool:
        """Begin calls, and return whether all is done and nothing waits; see `workers.Shift`."""
        native = self._native
        try:
            return _interruptible_lead(native)
        except BaseException as error:
            if not native.interrupt(error):
                raise
            return False

    @property
    def waits(self) -> bool:
        """Whether a handler has suspended already."""
        return self._native.waits

    def serve(self, scope: trio.CancelScope) -> Coroutine[Any, Any, bool | None]:
        """Begin calls until one suspends, see that through, and go on; see `workers.Shift`."""
        self._native.scope = scope
        return _interruptible(self._native)

    def interrupt(self, error: BaseException) -> bool:
        """Let a handler that still waits go on with `error`."""
        return self._native.interrupt(error)


@trio.lowlevel.disable_ki_protection
def _interruptible_lead(shift: NativeShift) -> bool:
    """Begin calls: what is interrupted by Ctrl-C is the handler that runs."""
    return shift.lead()


@trio.lowlevel.disable_ki_protection
async def _interruptible(shift: NativeShift) -> bool | None:
    """Serve: what is interrupted by Ctrl-C is the handler that runs, or the next one that goes on."""
    return await shift

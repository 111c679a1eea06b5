"""The shift of a worker as the dispatcher in Python has it: it begins calls, and sees through the one that suspends."""

from __future__ import annotations

import types
from math import inf
from typing import TYPE_CHECKING, Any, Final, final

import trio

from stentor._mechanisms.deliveries import recipient_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from stentor._machine.calls import Calls, Suspended
    from stentor._machine.dispatcher import Dispatcher
    from stentor._machine.readiness import Readiness
    from stentor._machine.workers import Workers
    from stentor._mechanisms.recipients import Recipient

LEADER_BUDGET: Final = 1000
"""Handlers that a leader runs before it lets the rest of the program have a turn."""


@final
class PythonShift:
    """What one worker does while there is something to do, for a dispatcher in Python."""

    __slots__ = ("_calls", "_dispatcher", "_readiness", "_served", "_task", "_workers")

    def __init__(
        self,
        dispatcher: Dispatcher,
        calls: Calls,
        readiness: Readiness,
        workers: Workers,
        task: trio.lowlevel.Task,
    ) -> None:
        """Make the shift of the worker that is `task`."""
        self._dispatcher = dispatcher
        self._calls = calls
        self._readiness = readiness
        self._workers = workers
        self._task = task
        self._served: Recipient | None = None
        """Whose handler gave the task its name."""

    def idle(self) -> None:
        """The worker waits to be called, and its task has the name of all that do."""
        self._served = None

    @property
    def waits(self) -> bool:
        """Whether a handler has suspended already: never between one `serve` and the next."""
        return False

    def lead_at_once(self) -> bool:
        """Leave everything to `serve`."""
        return False

    async def serve(self, scope: trio.CancelScope) -> bool | None:
        """Begin calls until one suspends, and see that through; see `workers.Shift`."""
        leads = self._workers.claim(self._task)
        suspended = self._lead() if leads else self._dispatcher.serve_apart()
        return None if suspended is None else await self._see_through(suspended, scope)

    def interrupt(self, error: BaseException) -> bool:  # noqa: ARG002 - nothing that is protected is interrupted
        """Say that no handler waits."""
        return False

    def _lead(self) -> Suspended | None:
        """Drain the ready queue until it is empty or a handler suspends, and step back; or else the budget is spent."""
        queue, apart = self._readiness.queue, self._readiness.apart
        suspended = None
        budget = LEADER_BUDGET
        while suspended is None and (queue or apart):
            if not budget:
                return None
            if queue:
                budget, suspended = self._dispatcher.drain(budget)
            else:
                budget, suspended = budget - 1, self._dispatcher.serve_apart()
        self._workers.step_back(suspended is not None)
        return suspended

    @types.coroutine
    def _see_through(self, suspended: Suspended, scope: trio.CancelScope) -> Generator[Any, Any, bool]:
        """Run a suspended handler to its end, and lead then if nobody does; return whether `scope` is still usable.

        Passes on what the handler asks of trio, and what trio answers. To cancel the scope, by hand or by its deadline,
        makes the handler fail.
        """
        delivery, coroutine, context, trap, deadline = suspended
        calls, workers = self._calls, self._workers
        recipient = recipient_of(delivery)
        if recipient is not self._served:
            self._served = recipient
            workers.name_after(self._task, recipient)
        delivery._scope = scope
        if deadline < inf:
            workers.arm(scope, deadline)
        step: Callable[[Any], object]
        try:
            while type(trap) is not _Answer:
                try:
                    value = yield trap
                except BaseException as error:  # noqa: BLE001 - handed on to the handler
                    step, value = coroutine.throw, error
                else:
                    step = coroutine.send
                calls.resumes()
                try:
                    trap = context.run(_go_on, step, value)
                finally:
                    value = None  # an error that is kept here would keep its frames, and they what is iterated there
                    calls.stops(recipient)
        except BaseException as error:
            if not workers.failed(self._task, delivery, scope, error):
                raise
        else:
            workers.claim(self._task)
            calls.finish(delivery, trap[0])
        finally:
            delivery._scope = None
        return (deadline == inf and delivery._cause is None) or workers.disarm(scope)


class _Answer(tuple[object]):
    """What a handler returned at its end."""

    __slots__ = ()


@trio.lowlevel.disable_ki_protection
def _go_on(step: Callable[[Any], object], value: object) -> object:
    """Let a handler go on, and return what it asks of trio next, or its answer."""
    try:
        return step(value)
    except StopIteration as end:  # caught here it costs least: no frame is left by it
        return _Answer((end.value,))
    finally:
        del value

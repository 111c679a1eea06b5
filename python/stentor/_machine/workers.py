"""Leader and followers: the tasks in which handlers run.

One worker leads: it drains the ready queue and runs handlers one after another, each to its end. A handler that
really suspends stays for ever in the task where it began, because its cancel scopes and nurseries belong to that task:
the leader steps back, another worker leads on, and the first passes what the handler asks of trio on until the handler
has ended. So a handler that does not wait costs no scheduling pass and no task of its own, one that waits holds nobody
up, and handlers that do not wait begin in one and the same order in every run.

A worker is not interrupted by Ctrl-C, except inside of handlers: what is half written down would never be true.

What does not work: to begin the coroutine in the publisher's task and move it to another when it suspends, for the
cancel scopes that it has opened stay behind on the stack of the first.
"""

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

LEADER_BUDGET: Final = 500
"""Handlers that a leader runs before it lets the rest of the program have a turn."""
SPARES: Final = 64
"""Workers that wait for work at most; any more end."""


@final
class Workers:
    """All workers of one bus."""

    def __init__(self, dispatcher: Dispatcher, calls: Calls, readiness: Readiness, nursery: trio.Nursery) -> None:
        """Make workers that live in `nursery` and serve `dispatcher`; none exists until there is work."""
        self._dispatcher = dispatcher
        self._calls = calls
        self._readiness = readiness
        self._queue = readiness.queue
        self._nursery = nursery
        self._led = False
        """Whether a worker leads, or has been woken to do so; or, at the end, the last leader has been cancelled."""
        self._ended = False
        """Whether it has, so that nobody leads any more."""
        self._spares: dict[trio.lowlevel.Task, None] = {}
        self._resting: dict[trio.lowlevel.Task, None] = {}
        """Publishers that let the leader have a turn, the first to do so at the front."""
        readiness.on_ready = self.wake

    def wake(self) -> None:
        """See to it that somebody drains the ready queue."""
        if self._led or not self._queue:
            return
        self._led = True
        if self._spares:
            task, _ = self._spares.popitem()
            trio.lowlevel.reschedule(task)
        else:
            self._nursery.start_soon(self._work, name="stentor worker")

    @trio.lowlevel.enable_ki_protection
    async def _work(self) -> None:
        """Lead and follow in turn; a worker begins as the leader, and its cancel scope serves until it is used up."""
        while True:
            with trio.CancelScope() as scope:
                while not scope.cancel_called:
                    try:
                        suspended = await self._lead()
                    except BaseException:
                        self._end()
                        raise
                    if suspended is not None:
                        await self._see_through(suspended, scope)
                    if not scope.cancel_called and not await self._turn():  # type: ignore[redundant-expr]  # seen anew
                        return
            if not await self._turn():
                return

    async def _lead(self) -> Suspended | None:
        """Drain the ready queue, until it is empty or a handler suspends, and step back.

        A cancelled bus begins nothing any more.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        step = self._dispatcher.step
        queue = self._queue
        suspended = None
        budget = LEADER_BUDGET
        self._calls.resumes()
        while queue and suspended is None:
            if not budget:
                await self._pause()
                self._calls.resumes()
                budget = LEADER_BUDGET
            budget -= 1
            suspended = step()
        self._led = False
        if not queue:
            self._readiness.on_empty()
        self._wake_resting()
        self.wake()
        return suspended

    def _end(self) -> None:
        """Let nobody wait for a leader any more: the last one was cancelled, and the bus with it."""
        self._ended = True
        self._wake_resting()

    def _wake_resting(self) -> None:
        while self._resting:
            trio.lowlevel.reschedule(self._resting.popitem()[0])

    async def _pause(self) -> None:
        """Let the rest of the program have a turn, and one publisher.

        That publisher has its turn in the first of two scheduling passes, this leader goes on in the second. In one and
        the same pass, trio would shuffle the two, and handlers would begin in another order in each run.
        """
        if self._resting:
            task = next(iter(self._resting))
            del self._resting[task]
            trio.lowlevel.reschedule(task)
            await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()

    async def rest(self) -> None:
        """Let a publisher that has published much at a stretch give everybody else a turn."""
        if self._ended or not self._led:
            await trio.lowlevel.checkpoint()
            return
        task = trio.lowlevel.current_task()
        self._resting[task] = None

        def abort(_: object) -> trio.lowlevel.Abort:
            del self._resting[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    async def _turn(self) -> bool:
        """Return True as soon as this worker is the leader, or False when there are followers enough without it."""
        if not self._led and self._queue:
            self._led = True
            return True
        if len(self._spares) >= SPARES:
            return False
        await self._follow()
        return True

    async def _follow(self) -> None:
        """Wait to be woken as the leader."""
        task = trio.lowlevel.current_task()
        self._spares[task] = None

        def abort(_: object) -> trio.lowlevel.Abort:
            del self._spares[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    async def _see_through(self, suspended: Suspended, scope: trio.CancelScope) -> None:
        """Run a suspended handler to its end; cancelling `scope`, by hand or by its deadline, makes it fail."""
        calls = self._calls
        delivery = suspended.delivery
        delivery._scope = scope
        scope.deadline = suspended.deadline
        try:
            answer = await _resume(suspended, calls)
        except BaseException as error:
            if scope.cancel_called and not _foreign(error):
                cause = delivery._cause or _took_too_long(error)
                calls.fail(delivery, cause, retry=delivery._cause is None)
            elif isinstance(error, Exception):
                calls.fail(delivery, error)
            else:
                calls.abandon(delivery)
                raise
        else:
            calls.finish(delivery, answer)
        finally:
            delivery._scope = None
            scope.deadline = inf


def _took_too_long(error: BaseException) -> TimeoutError:
    late = TimeoutError("the handler took longer than its timeout")
    late.__cause__ = error if isinstance(error, Exception) else None
    return late


def _foreign(error: BaseException) -> bool:
    """Say whether `error` holds anything beside ordinary exceptions and the cancellation of the handler."""
    ours = (Exception, trio.Cancelled)
    if isinstance(error, BaseExceptionGroup):
        return error.split(ours)[1] is not None  # pyright: ignore[reportUnknownMemberType] - of whatever is in it
    return not isinstance(error, ours)


@trio.lowlevel.disable_ki_protection
def _go_on(step: Callable[[Any], object], value: object) -> object:
    return step(value)


@types.coroutine
def _resume(suspended: Suspended, calls: Calls) -> Generator[Any, Any, object]:
    """Pass on what the handler asks of trio, and what trio answers, until it ends; return what it returned."""
    delivery, coroutine, context, trap, _ = suspended
    recipient = recipient_of(delivery)
    step: Callable[[Any], object]
    while True:
        try:
            answer = yield trap
        except BaseException as error:  # noqa: BLE001 - handed on to the handler
            step, value = coroutine.throw, error
        else:
            step, value = coroutine.send, answer
        calls.resumes()
        try:
            trap = context.run(_go_on, step, value)
        except StopIteration as end:
            return end.value
        finally:
            calls.stops(recipient)

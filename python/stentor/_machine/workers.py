"""Leader and followers: the tasks in which handlers run.

One worker leads: it drains the ready queue and runs handlers one after another, each to its end. A handler that
really suspends stays for ever in the task where it began, because its cancel scopes and nurseries belong to that task:
the leader steps back, another worker leads on, and the first passes what the handler asks of trio on until the handler
has ended. So a handler that does not wait costs no scheduling pass and no task of its own, one that waits holds nobody
up, and handlers that do not wait begin in one and the same order in every run.

If every handler waited, each would cost the leader a step back, and its follower a scheduling pass. So the lane of a
handler that has waited is set apart when it comes up: the leader goes on, and calls a follower for each such lane. They
all have their turn in the next pass, and whoever comes first takes the first lane, so that trio, which shuffles the
tasks of a pass, does not shuffle the handlers. A worker whose handler has ended leads if nobody does: the next message
for that handler is served right there, without a pass in between. A lane is set apart no longer when its handler has
not waited a few times in a row.

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
    from stentor._machine.pump import Front
    from stentor._machine.readiness import Readiness
    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.recipients import Recipient

LEADER_BUDGET: Final = 500
"""Handlers that a leader runs before it lets the rest of the program have a turn."""
SPARES: Final = 1000
"""Workers that wait for work at most; any more end."""


@final
class Workers:
    """All workers of one bus, and who of them leads."""

    def __init__(
        self, front: Front, dispatcher: Dispatcher, calls: Calls, readiness: Readiness, nursery: trio.Nursery
    ) -> None:
        """Make workers that live in `nursery` and serve `front`; none exists until there is work.

        Lanes that are set apart are served by `dispatcher`.
        """
        self.front = front
        self.dispatcher = dispatcher
        self.calls = calls
        self.readiness = readiness
        self._nursery = nursery
        self.leader: _Worker | None = None
        self.spares: dict[trio.lowlevel.Task, None] = {}
        """Workers that wait for work."""
        self.coming: int = 0
        """Workers that have been called, and have not had their turn yet."""
        self.generation: int = 0
        """How often workers were let go."""
        self._ended = False
        """Whether workers have been cancelled, and the bus with them, so that nobody leads any more."""
        self._resting: dict[trio.lowlevel.Task, None] = {}
        """Publishers that let the leader have a turn, the first to do so at the front."""
        readiness.on_ready = self.wake

    def wake(self) -> None:
        """See to it that somebody drains the ready queue."""
        if self.leader is None and not self.coming and self.readiness.queue:
            self._call()

    def call_followers(self) -> None:
        """See to it that each lane that is set apart has a worker of its own."""
        while self.coming < len(self.readiness.apart):
            self._call()

    def _call(self) -> None:
        self.coming += 1
        if self.spares:
            task, _ = self.spares.popitem()
            trio.lowlevel.reschedule(task)
        else:
            self._nursery.start_soon(_Worker(self).work, name=_IDLE)

    def retire(self) -> None:
        """Let all end that wait for work: who is called from now on is new, as in a bus that has done nothing yet."""
        self.generation += 1
        while self.spares:
            trio.lowlevel.reschedule(self.spares.popitem()[0])

    async def rest(self) -> None:
        """Let a publisher that has published much at a stretch give everybody else a turn."""
        if self._ended or (self.leader is None and not self.coming):
            await trio.lowlevel.checkpoint()
            return
        task = trio.lowlevel.current_task()
        self._resting[task] = None

        def abort(_: object) -> trio.lowlevel.Abort:
            del self._resting[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    async def pause(self) -> None:
        """Let the rest of the program have a turn, and one publisher.

        That publisher has its turn in the first of two scheduling passes, the leader goes on in the second. In one and
        the same pass, trio would shuffle the two, and handlers would begin in another order in each run.
        """
        self.call_followers()
        if self._resting:
            task = next(iter(self._resting))
            del self._resting[task]
            trio.lowlevel.reschedule(task)
            await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        self.calls.resumes()

    def step_back(self, suspended: Suspended | None) -> None:
        """Let nobody lead for now: whoever let the leader have a turn goes on, and others serve what is left."""
        self.leader = None
        if not self.readiness.is_empty:
            self.call_followers()
            self.wake()
        elif suspended is None:
            self.readiness.on_empty()
        self._wake_resting()

    def end(self) -> None:
        """Let nobody wait for a leader any more: a worker was cancelled, and the bus with it."""
        self._ended = True
        self._wake_resting()

    def _wake_resting(self) -> None:
        while self._resting:
            trio.lowlevel.reschedule(self._resting.popitem()[0])


_IDLE: Final = "stentor worker"


@final
class _Worker:
    """One task, which leads and follows in turn."""

    __slots__ = ("_served", "_task", "_workers")

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._task: trio.lowlevel.Task
        self._served: Recipient | None = None
        """Whose handler gave the task its name."""

    @trio.lowlevel.enable_ki_protection
    async def work(self) -> None:
        """Serve until there are others enough; a cancel scope serves until a handler has been cancelled by it.

        A cancelled bus begins nothing any more.
        """
        self._task = trio.lowlevel.current_task()
        self._arrive()
        staying = True
        try:
            while staying:
                with trio.CancelScope() as scope:
                    staying = await self._serve(scope)
        except BaseException:
            self._workers.end()
            raise

    async def _serve(self, scope: trio.CancelScope) -> bool:
        """Serve while there is something to do or to wait for; return whether there is, but `scope` is used up."""
        workers = self._workers
        while True:
            await trio.lowlevel.checkpoint_if_cancelled()
            if workers.leader is None:
                workers.leader = self
            suspended = self._lead() if workers.leader is self else workers.dispatcher.serve_apart()
            if suspended is not None:
                if not await self._see_through(suspended, scope):
                    return True
            elif workers.leader is self:
                await workers.pause()
            elif not await self._follow():
                return False

    def _lead(self) -> Suspended | None:
        """Drain the ready queue until it is empty or a handler suspends, and step back; or else the budget is spent."""
        workers = self._workers
        queue, apart = workers.readiness.queue, workers.readiness.apart
        suspended = None
        budget = LEADER_BUDGET
        while suspended is None and (queue or apart):
            if not budget:
                return None
            if queue:
                budget, suspended = workers.front.drain(budget)
            else:
                budget, suspended = budget - 1, workers.dispatcher.serve_apart()
        workers.step_back(suspended)
        return suspended

    def _arrive(self) -> None:
        self._workers.coming -= 1
        self._workers.calls.resumes()

    async def _follow(self) -> bool:
        """Wait to be called, unless there is something to do, and return True; False where it is not needed."""
        workers, task = self._workers, self._task
        if workers.leader is None and not workers.readiness.is_empty:
            return True
        if len(workers.spares) >= SPARES:
            return False
        generation = workers.generation
        workers.spares[task] = None
        if self._served is not None:
            self._served = None
            task.name = _IDLE
        await trio.lowlevel.wait_task_rescheduled(self._abort)
        if generation != workers.generation:
            return False
        self._arrive()
        return True

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        del self._workers.spares[self._task]
        return trio.lowlevel.Abort.SUCCEEDED

    @types.coroutine
    def _see_through(self, suspended: Suspended, scope: trio.CancelScope) -> Generator[Any, Any, bool]:
        """Run a suspended handler to its end, and lead then if nobody does; return whether `scope` is still usable.

        Passes on what the handler asks of trio, and what trio answers. To cancel the scope, by hand or by its deadline,
        makes the handler fail.
        """
        delivery, coroutine, context, trap, deadline = suspended
        calls = self._workers.calls
        recipient = recipient_of(delivery)
        self._serves(recipient)
        delivery._scope = scope
        if deadline < inf:
            scope.deadline = deadline
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
            failure = _failure(delivery, scope, error)
            if failure is None:
                calls.abandon(delivery)
                raise
            self._claim()
            calls.fail(delivery, failure, retry=delivery._cause is None)
        else:
            self._claim()
            calls.finish(delivery, trap[0])
        finally:
            delivery._scope = None
        if deadline < inf:
            scope.deadline = inf
        elif delivery._cause is None:
            return True
        return not scope.cancel_called

    def _serves(self, recipient: Recipient) -> None:
        """Name the task after the agent whose handler it runs."""
        if recipient is not self._served:
            self._served = recipient
            self._task.name = f"{_IDLE} for {recipient.name}"

    def _claim(self) -> None:
        """Lead, unless somebody does: what is ready now needs no other worker."""
        if self._workers.leader is None:
            self._workers.leader = self


def _failure(delivery: Delivery, scope: trio.CancelScope, error: BaseException) -> Exception | None:
    """Return why a handler that ended by `error` has failed, or None when it was cancelled from outside."""
    if scope.cancel_called and not _foreign(error):
        return delivery._cause or _took_too_long(error)
    return error if isinstance(error, Exception) else None


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

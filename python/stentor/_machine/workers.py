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

Who waits for handlers waits for two scheduling passes, that of the worker and their own, each as long as forty
deliveries. So they hand their turn over: a worker that waits for work has it at once, as the current task and in its
own context, and goes back to waiting, or suspends, before they go on. Whoever has been called is in trio's hands by
then, so it is another that leads, and there is one worker more than are needed; the one that was called finds nothing
to do when it comes. `Turns.giver`, in the native part, tells who may not hand over, and how often in a row it is done.

A worker is not interrupted by Ctrl-C, except inside of handlers: what is half written down would never be true.

What does not work: to begin the coroutine in the publisher's task and move it to another when it suspends, for the
cancel scopes that it has opened stay behind on the stack of the first.
"""

from __future__ import annotations

import types
from math import inf
from typing import TYPE_CHECKING, Any, Final, Protocol, final

import trio

from stentor._machine.inside_trio import turns_of_this_run
from stentor._machine.waking import DISMISSED, WOKEN, waiting
from stentor._native import WorkersState

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from stentor._machine.calls import Calls
    from stentor._machine.pump import Front
    from stentor._machine.readiness import Readiness
    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.recipients import Recipient
    from stentor._native import Current, Meter

SPARES: Final = 1000
"""Workers that wait for work at most; any more end."""


class Shift(Protocol):
    """What one worker does while there is something to do."""

    def idle(self) -> None:
        """The worker waits to be called, and its task has the name of all that do."""

    def lead_at_once(self) -> bool:
        """Begin calls, and return whether all is done and nothing waits: else `serve` goes on with what there is."""
        ...

    @property
    def waits(self) -> bool:
        """Whether a handler has suspended already, so that `serve` must see it through."""
        ...

    def serve(self, scope: trio.CancelScope) -> Coroutine[Any, Any, bool | None]:
        """Begin calls until one suspends, see that through, and go on; cancelling `scope` cancels what waits.

        Gives None when there is nothing to begin or, to a leader, when everybody else must have a turn. Else a handler
        has ended that had waited, and it must be looked at whether the worker was cancelled before it goes on: with the
        same scope if True is given.
        """
        ...

    def interrupt(self, error: BaseException) -> bool:
        """Let a handler that still waits go on with what interrupted `serve`; return False where none waits."""
        ...


@final
class Workers(WorkersState):
    """All workers of one bus, and who of them leads."""

    def __init__(  # pyright: ignore[reportInconsistentConstructor] - the native part takes whatever comes
        self, front: Front, calls: Calls, readiness: Readiness, nursery: trio.Nursery, *, meter: Meter, current: Current
    ) -> None:
        """Make workers that live in `nursery` and serve `front`; none exists until there is work."""
        self.front = front
        self.calls = calls
        self.readiness = readiness
        self._nursery = nursery
        self._ended = False
        """Whether workers have been cancelled, and the bus with them, so that nobody leads any more."""
        turns = turns_of_this_run()
        self.tasks: set[trio.lowlevel.Task] = set() if turns is None else turns.workers
        """The tasks of the workers of all buses of this run."""
        self.call_by(
            readiness.queue,
            reschedule=trio.lowlevel.reschedule,
            woken=WOKEN,
            start=self._start,
            current=current,
            meter=meter,
            turns=turns,
        )
        readiness.on_ready = self.wake

    def call_followers(self) -> None:
        """See to it that each lane that is set apart has a worker of its own."""
        while self.coming < len(self.readiness.apart):
            self.call()

    @trio.lowlevel.enable_ki_protection
    def _start(self) -> None:
        """Have another worker begin."""
        self._nursery.start_soon(_Worker(self).work, name=_IDLE)

    def retire(self) -> None:
        """Let all end that wait for work: who is called from now on is new, as in a bus that has done nothing yet."""
        while self.spares:
            trio.lowlevel.reschedule(self.spares.popitem()[0], DISMISSED)

    async def rest(self) -> None:
        """Let a publisher that has published much at a stretch give everybody else a turn."""
        if self._ended or (self.leader is None and not self.coming):
            await trio.lowlevel.checkpoint()
            return
        task = trio.lowlevel.current_task()
        self.resting[task] = None

        def abort(_: object) -> trio.lowlevel.Abort:
            del self.resting[task]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    async def pause(self) -> None:
        """Let the rest of the program have a turn, and one publisher.

        That publisher has its turn in the first of two scheduling passes, the leader goes on in the second. In one and
        the same pass, trio would shuffle the two, and handlers would begin in another order in each run.
        """
        self.call_followers()
        if self.resting:
            task = next(iter(self.resting))
            del self.resting[task]
            trio.lowlevel.reschedule(task)
            await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        self.calls.resumes()

    @trio.lowlevel.enable_ki_protection
    def step_back(self, suspended: bool) -> None:  # noqa: FBT001 - the hot path
        """Let nobody lead for now: whoever let the leader have a turn goes on, and others serve what is left.

        `suspended` says whether there is still something to do for who has led.
        """
        self.leader: trio.lowlevel.Task | None = None
        if not self.readiness.is_empty:
            self.call_followers()
            self.wake()
        elif not suspended:
            self.readiness.on_empty()
        self._wake_resting()

    # -- a call that waits ------------------------------------------------------------------------------------------

    @trio.lowlevel.enable_ki_protection
    def name_after(self, task: trio.lowlevel.Task, recipient: Recipient) -> None:
        """Name a task after the agent whose handler it runs."""
        task.name = f"{_IDLE} for {recipient.name}"

    @trio.lowlevel.enable_ki_protection
    def arm(self, scope: trio.CancelScope, deadline: float) -> None:
        """Let the handler that waits in `scope` be cancelled when it has taken too long."""
        scope.deadline = deadline

    @trio.lowlevel.enable_ki_protection
    def disarm(self, scope: trio.CancelScope) -> bool:
        """The handler has ended: return whether `scope` can be used for another, because it has cancelled nothing."""
        scope.deadline = inf
        return not scope.cancel_called

    @trio.lowlevel.enable_ki_protection
    def failed(
        self, task: trio.lowlevel.Task, delivery: Delivery, scope: trio.CancelScope, error: BaseException
    ) -> bool:
        """Write down that a handler which had waited in `scope` has ended by `error`; return whether it has failed.

        It has not where it was cancelled from outside: then `error` is for whoever did so.
        """
        failure = _failure(delivery, scope, error)
        if failure is None:
            self.calls.abandon(delivery)
            return False
        self.claim(task)
        self.calls.fail(delivery, failure, retry=delivery._cause is None)
        return True

    def end(self) -> None:
        """Let nobody wait for a leader any more: a worker was cancelled, and the bus with it."""
        self._ended = True
        self._wake_resting()

    def _wake_resting(self) -> None:
        while self.resting:
            trio.lowlevel.reschedule(self.resting.popitem()[0])


_IDLE: Final = "stentor worker"


@final
class _Worker:
    """One task, which leads and follows in turn."""

    __slots__ = ("_shift", "_task", "_trap", "_workers")

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._task: trio.lowlevel.Task
        self._shift: Shift
        self._trap, _ = waiting(self._abort)

    @trio.lowlevel.enable_ki_protection
    async def work(self) -> None:
        """Serve until there are others enough; a cancel scope serves until a handler has been cancelled by it.

        A cancelled bus begins nothing any more.
        """
        self._task = trio.lowlevel.current_task()
        self._workers.tasks.add(self._task)
        self._shift = shift = self._workers.front.shift(self._workers, self._task)
        self._workers.arrived()
        staying = True
        try:
            while staying:
                with trio.CancelScope() as scope:
                    usable: bool | None = True
                    while usable:
                        if not shift.waits:
                            await trio.lowlevel.checkpoint_if_cancelled()
                        try:
                            usable = await shift.serve(scope)  # at once: every frame in between costs at every trap
                        except BaseException as error:
                            if not shift.interrupt(error):
                                raise
                        else:
                            if usable is None:
                                usable = staying = await self._rest()
        except BaseException:
            self._workers.end()
            raise
        finally:
            self._workers.tasks.discard(self._task)

    async def _rest(self) -> bool:
        """Let others have a turn, as the leader, or wait to be called; return whether it is still needed."""
        workers = self._workers
        if workers.leader is self._task:
            await workers.pause()
            return True
        return await self._follow()

    @types.coroutine
    @trio.lowlevel.enable_ki_protection
    def _follow(self) -> Generator[Any, Any, bool]:
        """Wait to be called, unless there is something to do, and return True; False where it is not needed.

        What can be done at once when it is called is done here, and then it waits again.
        """
        workers, task = self._workers, self._task
        if workers.leader is None and not workers.readiness.is_empty:
            return True
        while len(workers.spares) < SPARES:
            workers.spares[task] = None
            if task.name is not _IDLE:
                self._shift.idle()
                task.name = _IDLE
            sent = yield self._trap
            if sent is DISMISSED:
                return False
            if sent is not WOKEN:
                sent.unwrap()
            workers.arrived()
            if not self._shift.lead_at_once():
                return True
        return False

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        del self._workers.spares[self._task]
        return trio.lowlevel.Abort.SUCCEEDED


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

"""Group commit: calls that come while a transaction runs share the next one."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final, final

import trio
from attrs import frozen

from stentor import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stentor.storage._database import Operation, Outcome

MOST: Final = 1000
"""Calls that share one transaction at most, so that the first of them does not wait for ever."""


@final
@frozen(kw_only=True)
class StoreStatistics:
    """How the calls to a store have shared its transactions since it was made."""

    transactions: int
    """Batches of calls that went to the file; one that only reads costs no commit."""
    calls: int
    """Calls that they served."""
    peak: int
    """The most calls that shared one."""
    waiting: int
    """Calls that wait for their turn now."""


@final
class _Call:
    """One call: what it wants done, who waits for it, and what came of it."""

    __slots__ = ("operation", "outcome", "task")

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.outcome: Outcome | None = None
        self.task: trio.lowlevel.Task | None = None


@final
class Commits:
    """A queue of calls before one worker thread. There is no task of its own: the first that waits leads.

    The leader lets every other task run, so that those that were woken together with it and are about to call again can
    join: two scheduling passes, as trio shuffles the tasks of one. Then it takes what is queued to the worker thread,
    hands out the outcomes, and makes the first that waits by then the next leader. A call that is cancelled in the
    queue leaves it, and nothing was done; one in the thread goes on to its end. Ctrl-C, which trio raises in its main
    task in spite of a shield, ends the call of that task at most: what it was to lead stays, for the next leader.
    """

    def __init__(self, work: Callable[[Sequence[Operation]], Sequence[Outcome]]) -> None:
        """Run batches of operations by `work`, which blocks."""
        self._work = work
        self._queue: deque[_Call] = deque()
        self._led = False
        self._transactions = self._calls = self._peak = 0
        self._limiter = trio.CapacityLimiter(1)

    @trio.lowlevel.enable_ki_protection
    async def call(self, operation: Operation) -> Any:
        """Have an operation done, and return or raise what came of it."""
        call = _Call(operation)
        self._queue.append(call)
        if self._led:
            call.task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(partial(self._leave, call))
            call.task = None
        if call.outcome is None:
            await self._lead(call)
        if call.outcome is None:
            msg = "a call ended without an outcome"
            raise RuntimeError(msg)
        value, error = call.outcome
        if error is not None:
            raise error
        return value

    async def alone(self, work: Callable[[], None]) -> None:
        """Run something else that blocks in a worker thread, while no batch is in one."""
        await trio.to_thread.run_sync(work, limiter=self._limiter)

    def statistics(self) -> StoreStatistics:
        """Return the counts."""
        return StoreStatistics(
            transactions=self._transactions, calls=self._calls, peak=self._peak, waiting=len(self._queue)
        )

    def _leave(self, call: _Call, _: object) -> trio.lowlevel.Abort:
        """Take a cancelled call out of the queue, unless it is in the thread by now."""
        if call not in self._queue:
            return trio.lowlevel.Abort.FAILED
        self._queue.remove(call)
        return trio.lowlevel.Abort.SUCCEEDED

    async def _lead(self, call: _Call) -> None:
        """Take what is queued to the worker thread; this call is the first of it."""
        self._led = True
        try:
            await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()
            with trio.CancelScope(shield=True):
                await self._commit([self._queue.popleft() for _ in range(min(MOST, len(self._queue)))])
        except BaseException:
            self._queue.remove(call)
            raise
        finally:
            self._led = bool(self._queue)
            if self._queue and (task := self._queue[0].task) is not None:
                trio.lowlevel.reschedule(task)

    async def _commit(self, batch: Sequence[_Call]) -> None:
        outcomes: Sequence[Outcome]
        operations = [call.operation for call in batch]
        try:
            outcomes = await trio.to_thread.run_sync(self._attempt, operations, limiter=self._limiter)
        except Exception as error:  # noqa: BLE001 - told to everybody who waits for it
            reason = StoreError(f"nothing was done: there is no thread to do it in: {error}")
            outcomes = [(None, reason)] * len(batch)
        except BaseException:
            self._queue.extendleft(reversed(batch))  # nothing has begun
            raise
        self._transactions += 1
        self._calls += len(batch)
        self._peak = max(self._peak, len(batch))
        for call, outcome in zip(batch, outcomes, strict=True):
            call.outcome = outcome
            if call.task is not None:
                trio.lowlevel.reschedule(call.task)

    def _attempt(self, operations: Sequence[Operation]) -> Sequence[Outcome]:
        """Work, in the thread. Whatever ends that is an outcome: what the thread itself raises has begun nothing."""
        try:
            return self._work(operations)
        except BaseException as error:  # noqa: BLE001 - raised in each task that waits
            return [(None, error)] * len(operations)

"""Publishing: match, look for room, accept everywhere in one synchronous step, and wait only where somebody is full."""

from __future__ import annotations

from collections import deque
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final, final

import trio

from stentor._machine.outcomes import Outcomes

if TYPE_CHECKING:
    from stentor._machine.dispatcher import Dispatcher
    from stentor._machine.waits import Waits
    from stentor._mechanisms.deliveries import Watcher
    from stentor._mechanisms.subscriptions import Quota, Route, SubscriptionTable
    from stentor._values.messages import Message

PUBLISH_BUDGET: Final = 1000
"""Messages that may be published without anybody waiting, before a publisher lets the rest of the program have a turn."""


@final
class Publishing:
    """The door of the dispatcher. Of one sender's messages none overtakes another, even where the first must wait."""

    def __init__(self, table: SubscriptionTable, dispatcher: Dispatcher, waits: Waits) -> None:
        """Make a door that nobody waits at."""
        self._table = table
        self._dispatcher = dispatcher
        self._waits = waits
        self._budget = PUBLISH_BUDGET
        self._ages = count()
        self._lines: dict[str, deque[_Place]] = {}
        """For each sender that waits, its publishes that do, the first of them at the front."""
        self.lookups = 0
        """How many routes were looked up."""
        self.published = 0
        """How many messages were accepted."""
        self.wildcards = 0
        """How many of their recipients were reached through a wildcard."""

    def publish_nowait(self, message: Message, watcher: Watcher | None = None) -> Route:
        """Accept `message` for all of its recipients, or for none.

        Raises:
            MailboxFullError: A mailbox that refuses is full.
            trio.WouldBlock: A mailbox that blocks is full, or an earlier message of the same sender waits.
        """
        self.lookups += 1
        route = self._table.route(message.topic)
        if self._dispatcher.obstacle(route.targets) is not None or message.sender in self._lines:
            raise trio.WouldBlock
        return self._accept(message, route, watcher)

    async def publish(self, message: Message, watcher: Watcher | None = None) -> Route:
        """Accept `message` for all of its recipients, as soon as there is room for it everywhere.

        It is accepted for everybody or, when it is cancelled, for nobody.

        Raises:
            MailboxFullError: A mailbox that refuses is full.
            DeadlockError: It would wait for a handler that waits for the caller's.
        """
        if self._budget:
            self._budget -= 1
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            self._budget = PUBLISH_BUDGET
            await trio.lowlevel.checkpoint()
        try:
            return self.publish_nowait(message, watcher)
        except trio.WouldBlock:
            return await self._wait_and_publish(message, watcher)

    async def publish_and_wait(self, message: Message, timeout: float | None) -> tuple[Route, Outcomes]:
        """Publish `message`, and wait until each of its deliveries is over or `timeout` seconds have passed.

        Raises:
            MailboxFullError: A mailbox that refuses is full.
            DeadlockError: It would wait for a handler that waits for the caller's.
        """
        outcomes = Outcomes(self._dispatcher)
        self.lookups += 1
        targets = self._table.route(message.topic).targets
        called = [target.recipient for target in targets if target.recipient.handler is not None]
        with self._waits.waiting_for(called):
            route = await self.publish(message, outcomes)
            await outcomes.wait(timeout)
        return route, outcomes

    def _accept(self, message: Message, route: Route, watcher: Watcher | None) -> Route:
        self._dispatcher.accept(message, route.targets, watcher)
        self.published += 1
        self.wildcards += route.wildcards
        return route

    async def _wait_and_publish(self, message: Message, watcher: Watcher | None) -> Route:
        place = _Place(next(self._ages))
        line = self._lines.setdefault(message.sender, deque()) if message.sender is not None else deque[_Place]()
        line.append(place)
        try:
            while True:
                if line[0] is not place:
                    await place.wait_in_line()
                    continue
                self.lookups += 1
                route = self._table.route(message.topic)
                quota = self._dispatcher.obstacle(route.targets)
                if quota is None:
                    return self._accept(message, route, watcher)
                with self._waits.waiting_for((quota.recipient,)):
                    await place.wait_for(quota)
        finally:
            self._leave(line, place, message.sender)

    def _leave(self, line: deque[_Place], place: _Place, sender: str | None) -> None:
        line.remove(place)
        if line:
            line[0].wake_in_line()
        elif sender is not None:
            del self._lines[sender]
        if place.quota is not None:
            place.quota.wake_oldest()


@final
class _Place:
    """One publish that waits: its age decides who is woken first, and it keeps that age however often it looks."""

    __slots__ = ("_in_line", "_task", "age", "quota")

    def __init__(self, age: int) -> None:
        self.age = age
        self.quota: Quota | None = None
        """Where it waited for room last; it passes on the wake-up that it does not use."""
        self._task = trio.lowlevel.current_task()
        self._in_line = False

    async def wait_in_line(self) -> None:
        """Wait for the earlier messages of the same sender."""
        self._in_line = True

        def abort(_: object) -> trio.lowlevel.Abort:
            self._in_line = False
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def wake_in_line(self) -> None:
        """Let it look again, if it waits for its turn."""
        if self._in_line:
            self._in_line = False
            trio.lowlevel.reschedule(self._task)

    async def wait_for(self, quota: Quota) -> None:
        """Wait for room."""
        self.quota = quota
        quota.enqueue(self.age, partial(trio.lowlevel.reschedule, self._task))

        def abort(_: object) -> trio.lowlevel.Abort:
            quota.dequeue(self.age)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

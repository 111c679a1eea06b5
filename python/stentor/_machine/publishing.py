"""Publishing: match, look for room, accept everywhere in one synchronous step, and wait only where somebody is full."""

from __future__ import annotations

from collections import deque
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any, Final, final

import trio

from stentor._machine.outcomes import Outcomes
from stentor._mechanisms.routes import NOBODY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from stentor._machine.addressing import Addressing
    from stentor._machine.attendance import Attendance
    from stentor._machine.backlog import Backlog
    from stentor._machine.dispatcher import Dispatcher
    from stentor._machine.outcomes import Keeper
    from stentor._machine.pump import Front
    from stentor._machine.waits import Waits
    from stentor._mechanisms.deliveries import Watcher
    from stentor._mechanisms.mailbox import Quota
    from stentor._mechanisms.observing import Observer
    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.routes import Selection
    from stentor._native import Door
    from stentor._values.messages import Message

PUBLISH_BUDGET: Final = 1000
"""Messages published without anybody waiting, after which a publisher lets the rest of the program have a turn."""


@final
class Publishing:
    """The door of the dispatcher. Of one sender's messages none overtakes another, even where the first must wait."""

    def __init__(
        self,
        addressing: Addressing,
        dispatcher: Dispatcher,
        attendance: Attendance,
        backlog: Backlog,
        *,
        front: Front,
        door: Door,
        lines: dict[str, Any],
        waits: Waits,
        observers: Sequence[Observer],
    ) -> None:
        """Make a door that nobody waits at."""
        self._addressing = addressing
        self._dispatcher = dispatcher
        self._door = door
        self._attendance = attendance
        self._backlog = backlog
        self._waits = waits
        self._observers = observers
        self._ages = count()
        self._lines = lines
        """For each sender that waits, its publishes that do."""
        self._closed = False
        self.rest: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        """Lets others have a turn."""
        self.hand_over: Callable[[], object]
        """Lets a worker have its turn now; set by the parts, which have the workers."""
        self.put: Callable[[Message, Selection, Watcher | None], None] = front.accept
        """Puts a message into the mailboxes of a selection."""

    def publish_nowait(self, message: Message, watcher: Watcher | None = None) -> Selection:
        """Accept `message` for all of its recipients, or for none, and return them.

        Raises:
            MailboxFullError: A mailbox that refuses is full.
            UnknownAgentError: The agent that it is addressed to does not exist.
            trio.WouldBlock: A mailbox that blocks is full, an agent is durable so that the message must be stored
                first, or an earlier message of the same sender waits.
        """
        selection = self._select(message, watcher)
        obstacle = self._dispatcher.obstacle(selection.targets)
        if obstacle is not None:
            msg = f"the mailbox of {obstacle.recipient.name!r} is full"
            raise trio.WouldBlock(msg)
        if selection.durable:
            msg = "the message must be stored first, for an agent is durable"
            raise trio.WouldBlock(msg)
        if message.sender in self._lines:
            msg = f"an earlier message of {message.sender!r} waits"
            raise trio.WouldBlock(msg)
        return self._accept(message, selection, watcher)

    async def publish(
        self, message: Message, watcher: Watcher | None = None, *, accepted: Callable[[], None] | None = None
    ) -> Selection:
        """Accept `message` for all of its recipients, as soon as there is room for it everywhere, and return them.

        It is accepted for everybody or, when it is cancelled, for nobody; `accepted` is called in the same step.

        Raises:
            MailboxFullError: A mailbox that refuses is full.
            DeadlockError: It would wait for a handler that waits for the caller's.
            trio.ClosedResourceError: The bus was closed meanwhile.
        """
        self._door.turn()
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            try:
                selection = self.publish_nowait(message, watcher)
            except trio.WouldBlock:
                selection = None
            if selection is None:
                selection = await self._wait_and_publish(message, watcher)
            if accepted is not None:
                accepted()
            return selection
        finally:
            if self._door.budget:
                self._door.budget -= 1
            else:  # afterwards, and whatever comes, so that nothing overtakes this message
                self._door.budget = PUBLISH_BUDGET
                rest = self.rest if self._waits.current_handler is None else trio.lowlevel.checkpoint
                with trio.CancelScope(shield=True):
                    await rest()

    async def publish_until(self, deadline: float, message: Message, watcher: Watcher) -> bool:
        """Publish `message` as `publish` does, and return whether that was possible before `deadline`.

        Where nobody is full that needs no cancel scope. It need not yield: its caller waits for what comes of it.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            self.publish_nowait(message, watcher)
        except trio.WouldBlock:
            with trio.move_on_at(deadline):
                await self.publish(message, watcher)
                return True
            return False
        return True

    async def publish_and_wait(
        self, message: Message, timeout: float | None, keeper: Keeper | None = None
    ) -> tuple[Selection | None, Outcomes]:
        """Publish `message`, and wait until each of its deliveries is over or `timeout` seconds have passed.

        Args:
            message: The message.
            timeout: Seconds after which what is not over is withdrawn, and what is not accepted never will be; None for
                never.
            keeper: Who has it for those who are not there, and what has failed for good.

        Returns:
            Who got it, None if nobody did in time, and what became of it.

        Raises:
            MailboxFullError: A mailbox that refuses is full.
            UnknownAgentError: The agent that it is addressed to does not exist.
            DeadlockError: It would wait for a handler that waits for the caller's.
        """
        outcomes = self.watch(keeper)
        limit = inf if timeout is None else timeout
        deadline = trio.current_time() + limit
        selection: Selection | None = None
        with self._waits.waiting_for(outcomes.awaited):
            with trio.move_on_at(deadline):
                selection = await self.publish(message, outcomes)
                outcomes.committed()
                await self.handled(outcomes)
            await outcomes.give_up(TimeoutError(f"not handled within {limit:g} s"))
        return selection, outcomes

    def watch(self, keeper: Keeper | None = None) -> Outcomes:
        """Return what is to be told the outcomes of one message."""
        return Outcomes(self._attendance, self._waits.check, keeper)

    async def handled(self, outcomes: Outcomes) -> None:
        """Wait until all of `outcomes` are over; a worker has its turn first, and where that does, there is no wait."""
        self.hand_over()
        await trio.lowlevel.checkpoint_if_cancelled()
        await outcomes.wait()

    def publish_where_room(self, message: Message, *, heard: bool = True) -> Selection:
        """Accept `message` where there is room for it, drop it elsewhere, and return who got it.

        Unless it is `heard`, there is certainly nobody who listens.
        """
        selection = self._addressing.select(message) if heard else NOBODY
        without = [target for target in selection.targets if target.quota.is_closed]
        if without:
            selection = selection.only([target for target in selection.targets if target not in without])
        self._accept(message, selection, None)
        for target in without:
            self._dispatcher.drop(message, target)
        return selection

    def close(self) -> None:
        """Accept nothing any more, from those who wait neither."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            msg = "the bus is closed"
            raise trio.ClosedResourceError(msg)

    def _select(self, message: Message, watcher: Watcher | None) -> Selection:
        selection = self._addressing.select(message)
        return selection if watcher is None else watcher.select(selection)

    @trio.lowlevel.enable_ki_protection
    def _accept(self, message: Message, selection: Selection, watcher: Watcher | None) -> Selection:
        if self._observers:
            inside = self._waits.current_handler
            for observer in self._observers:
                observer.accepted(message, selection.names, inside)
        self.put(message, selection, watcher)
        self._door.published += 1
        self._door.wildcards += selection.wildcards
        return selection

    async def _wait_and_publish(self, message: Message, watcher: Watcher | None) -> Selection:
        place = _Place(next(self._ages), in_handler=self._waits.current_handler is not None)
        line = _Line() if message.sender is None else self._lines.setdefault(message.sender, _Line())
        line.places.append(place)
        try:
            while True:
                if line.places[0] is not place:
                    with self._waits.waiting_for(line.awaited):
                        await place.wait_in_line()
                    continue
                self._check_open()
                selection = self._select(message, watcher)
                obstacle = self._dispatcher.obstacle(selection.targets)
                if obstacle is None:
                    if selection.durable:
                        return await self._store_and_accept(message, selection, watcher)
                    return self._accept(message, selection, watcher)
                quota = obstacle.quota
                place.turn_to(quota)
                with self._waits.waiting_for(line.awaited):
                    line.look_again()
                    await place.wait_for_room(quota)
        finally:
            self._leave(line, place, message.sender)

    async def _store_and_accept(self, message: Message, selection: Selection, watcher: Watcher | None) -> Selection:
        """Store `message` for durable agents, and accept it for all others of the same selection.

        Their room is held meanwhile. A commit cannot be called back, so from here on nothing is cancelled, and
        whoever closes meanwhile has left the message.
        """
        held = [target.quota for target in selection.targets if not target.quota.drops]
        for quota in held:
            quota.waiting += 1
        try:
            with trio.CancelScope() as scope:
                scope.shield = True
                await self._backlog.store(message, selection.durable)
        finally:
            for quota in held:
                quota.waiting -= 1
                quota.wake_oldest()
        self._accept(message, selection, watcher)
        self._backlog.take_in(message, selection.durable, watcher)
        for target in selection.targets:
            if target.recipient.closed:
                self._attendance.close(target.recipient)
        return selection

    @trio.lowlevel.enable_ki_protection
    def _leave(self, line: _Line, place: _Place, sender: str | None) -> None:
        place.leave()
        line.places.remove(place)
        if line.places:
            line.places[0].wake_in_line()
        elif sender is not None:
            del self._lines[sender]


@final
class _Line:
    """The publishes of one sender that wait: the first for room, the others for the first."""

    __slots__ = ("places",)

    def __init__(self) -> None:
        self.places: deque[_Place] = deque()

    def awaited(self) -> tuple[Recipient, ...]:
        """Name whom everyone in the line waits for now."""
        quota = self.places[0].awaits
        return () if quota is None else (quota.lane.recipient,)

    def look_again(self) -> None:
        """Let the others look whether they may wait for whom the first waits for now; only handlers need to."""
        for place in self.places:
            if place.in_handler:
                place.wake_in_line()


@final
class _Place:
    """One publish that waits: its age decides who is woken first, and it keeps that age however often it looks."""

    __slots__ = ("_in_line", "_quota", "_task", "age", "awaits", "in_handler")

    def __init__(self, age: int, *, in_handler: bool) -> None:
        self.age = age
        self.in_handler = in_handler
        self.awaits: Quota | None = None
        """Where it waits for room."""
        self._quota: Quota | None = None
        """Where it waited for room last."""
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

    def turn_to(self, quota: Quota) -> None:
        """Wait for room at `quota` from now on, and pass on a wake-up from elsewhere that is of no use."""
        if self._quota is not quota:
            self.leave()
        self.awaits = self._quota = quota

    def leave(self) -> None:
        """Wait nowhere any more, and let somebody else have the room that this was woken for."""
        self.awaits = None
        if self._quota is not None:
            self._quota.wake_oldest()

    async def wait_for_room(self, quota: Quota) -> None:
        """Wait until there may be room at `quota`, to which it has turned."""
        quota.enqueue(self.age, self._wake)

        def abort(_: object) -> trio.lowlevel.Abort:
            self.awaits = None
            quota.dequeue(self.age)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def _wake(self) -> None:
        self.awaits = None
        trio.lowlevel.reschedule(self._task)

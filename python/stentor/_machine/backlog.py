"""The backlog: what a returning agent gets first, from its stored mailbox, and what it polls from there.

A stored message stays in the store until its handler has finished and that is acknowledged, so a crash in between
brings it back, with `delivery.redelivered` set. Whatever has finished while one acknowledgement was under way shares
the next. A store that fails is asked again, less and less often; meanwhile it keeps nobody from being settled.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final, final

import trio
from attrs import evolve

from stentor._machine.backlog_page import Page
from stentor._mechanisms.deliveries import Delivery
from stentor._mechanisms.mailbox import quota_of
from stentor._mechanisms.routes import Target
from stentor._values.modes import Polling
from stentor._values.options import Overflow
from stentor._values.store_errors import StoreError
from stentor._values.stored import MailboxEntry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from typing import TypeVar

    from stentor._machine.attendance import Attendance
    from stentor._machine.dispatcher import Dispatcher
    from stentor._machine.ledger import Ledger
    from stentor._machine.storing import Storing
    from stentor._mechanisms.deliveries import Watcher
    from stentor._mechanisms.recipients import Recipient
    from stentor._values.messages import Message
    from stentor._values.protocols import MailboxStore
    from stentor._values.stored import StoredMessage

    T = TypeVar("T")

logger: Final = logging.getLogger("stentor")

PAGE: Final = 100
"""How many stored messages of one agent are in memory at once, unless its handler is called with more at a time."""


@final
class _Service:
    """One agent that gets its backlog."""

    __slots__ = ("more", "page", "recipient", "successor")

    def __init__(self, recipient: Recipient, page: Page) -> None:
        self.recipient = recipient
        self.page = page
        """What it has of it now."""
        self.more = True
        """Whether there may be more in the store."""
        self.successor: Recipient | None = None
        """Who has its name by now; it is served when the store has back what this one has left."""


@final
class Backlog:
    """Moves stored messages into mailboxes, and acknowledges them in the store when they are handled."""

    def __init__(
        self,
        store: MailboxStore,
        storing: Storing,
        nursery: trio.Nursery,
        dispatcher: Dispatcher,
        *,
        attendance: Attendance,
        ledger: Ledger,
    ) -> None:
        """Serve from `store`, which is open, what `storing` has brought there; tasks live in `nursery`."""
        self._store = store
        self._storing = storing
        self._nursery = nursery
        self._dispatcher = dispatcher
        self._attendance = attendance
        self._ledger = ledger
        self._serving: dict[str, _Service] = {}
        """Who is served now, by name."""
        self.names: set[str] = set()
        """Whose stored mailboxes may hold something."""
        self._polled: dict[str, dict[str, list[int]]] = {}
        """The numbers in the store of what was polled from there and not acknowledged, by agent and message id."""

    async def open(self) -> None:
        """Find out who has mail from before."""
        self.names.update(summary.agent for summary in await self._store.mailboxes())

    async def close(self) -> None:
        """Make unread again what was polled and not acknowledged: the store may outlive the bus."""
        polled, self._polled = self._polled, {}
        with trio.CancelScope(shield=True):
            for agent, by_message in polled.items():
                await self._storing.once(partial(self._store.release, agent, _all(by_message)))

    def bring_back(self, recipient: Recipient) -> None:
        """Let `recipient` be called again: first with its backlog, then with what has waited in its mailbox."""
        if not recipient.away:
            return
        on_its_way = recipient.returning
        self._attendance.begin_return(recipient)
        if on_its_way:
            return  # it left while it got its backlog, which goes on now
        if recipient.name in self.names:
            self._serve_soon(recipient)
        else:
            self._attendance.end_return(recipient)

    async def store(self, message: Message, targets: Sequence[Target]) -> None:
        """Store `message` for durable agents, all of them or none.

        Raises:
            StoreError: The store has no room for it, cannot keep it, or fails.
        """
        self._ledger.more_busy(1)
        try:
            await self._store.append(MailboxEntry(target.recipient.name, message) for target in targets)
        finally:
            self._ledger.less_busy(1)

    @trio.lowlevel.enable_ki_protection
    def take_in(self, message: Message, targets: Sequence[Target], watcher: Watcher | None) -> None:
        """Write down that `message` is stored for durable agents, and let those who are there have it from there."""
        for target in targets:
            recipient = target.recipient
            delivery = Delivery(message, target, None)
            recipient.addressed += 1
            self._ledger.stored(delivery)
            if watcher is not None:
                watcher.accepted(delivery)
            self.names.add(recipient.name)
            if not (recipient.away or recipient.closed):
                self._serve_soon(recipient)

    # -- serving ------------------------------------------------------------------------------------------------------

    def _serve_soon(self, recipient: Recipient) -> None:
        service = self._serving.get(recipient.name)
        if service is None:
            service = _Service(recipient, Page(self._ledger, recipient, _size(recipient)))
            try:
                self._nursery.start_soon(self._serve, service, name=f"stentor backlog of {recipient.name}")
            except RuntimeError:
                return  # the bus has just ended: the store has it for the next
            self._serving[recipient.name] = service
            self._ledger.more_busy(1)
        elif service.recipient is recipient:
            service.more = True
            service.page.look_for_room()
        else:
            service.successor = recipient
            if service.page.has_told_all:
                self._end(service)

    def _end(self, service: _Service) -> None:
        """Let the name be served again, by whoever has it now."""
        name = service.recipient.name
        if self._serving.get(name) is service:
            del self._serving[name]
            if service.successor is not None:
                self._serve_soon(service.successor)

    async def _serve(self, service: _Service) -> None:
        recipient = service.recipient
        try:
            if recipient.handler is not None and not isinstance(recipient.options.behaviour(), Polling):
                await self._serve_all(service)
        except trio.ClosedResourceError:
            logger.exception("the store was closed before agent %r had its backlog", recipient.name)
        finally:
            self._end(service)
            if recipient.returning:
                self._attendance.end_return(recipient)
            self._ledger.less_busy(1)

    async def _serve_all(self, service: _Service) -> None:
        """Let the agent handle what is stored, and tell the store what has become of it, until there is no more."""
        recipient, page = service.recipient, service.page
        options = recipient.options
        kept = evolve(options, capacity=page.size, overflow=Overflow.BLOCK)  # what is stored is never dropped
        target = Target(recipient, quota_of(recipient.lane(options.behaviour(), backlog=True), kept))
        tell = partial(page.tell, self._store)
        try:
            await self._fill(service, target)
            while page.numbers or page.has_news:
                await page.progress()
                await self._insist(recipient, tell)
                if recipient.closed:
                    self._end(service)
                await self._fill(service, target)
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                await page.calls_over()
                await self._storing.once(tell)
                await self._storing.once(partial(self._store.release, recipient.name, list(page.numbers.values())))
            raise

    async def _fill(self, service: _Service, target: Target) -> None:
        """Read more into the page, as long as there is room and there may be some."""
        recipient, page = service.recipient, service.page
        while service.more and page.has_room and not recipient.closed:
            service.more = False
            await self._storing.caught_up(recipient.name)
            room = page.size - len(page.numbers)
            stored = await self._insist(recipient, partial(self._store.read, recipient.name, limit=room))
            if recipient.closed:
                numbers = [each.id for each in stored]  # type: ignore[unreachable]  # it may have been closed meanwhile
                await self._insist(recipient, partial(self._store.release, recipient.name, numbers))
            else:
                service.more |= len(stored) == room
                self._take(stored, target, page)

    def _take(self, stored: Sequence[StoredMessage], target: Target, page: Page) -> None:
        deliveries = [Delivery(each.message, target, page) for each in stored]
        for each, delivery in zip(stored, deliveries, strict=True):
            delivery.redelivered = each.redelivered
            page.numbers[delivery] = each.id
            self._ledger.recalled(delivery)
        self._dispatcher.accept_all(deliveries)

    async def _insist(self, recipient: Recipient, call: Callable[[], Awaitable[T]]) -> T:
        """Call the store until it does what it is asked; where it fails, everything else goes before the backlog."""

        def failed() -> None:
            if recipient.returning:
                self._attendance.end_return(recipient)

        return await self._storing.insist(call, failed)

    # -- polling ------------------------------------------------------------------------------------------------------

    async def poll(self, recipient: Recipient, limit: int, *, alone: bool) -> list[Message]:
        """Read what is stored for `recipient`, the failed included; acknowledged at once if it polls so.

        Raises:
            StoreError: The store fails; unless something else was polled already, not `alone`, which must not be lost.
        """
        if not limit or recipient.name not in self.names:
            return []
        try:
            return await self._poll(recipient, limit)
        except StoreError:
            if alone:
                raise
            logger.exception("agent %r could not poll its stored mailbox", recipient.name)
            return []

    async def _poll(self, recipient: Recipient, limit: int) -> list[Message]:
        await self._storing.caught_up(recipient.name)
        stored = await self._store.read(recipient.name, limit=limit, failed=True)
        if recipient.options.auto_ack:
            numbers = [each.id for each in stored]
            try:
                await self._store.acknowledge(recipient.name, numbers)
            except StoreError:
                self._storing.call(recipient.name, partial(self._store.release, recipient.name, numbers))
                raise
        else:
            for each in stored:
                of_agent = self._polled.setdefault(recipient.name, {})
                of_agent.setdefault(each.message.id, []).append(each.id)
        return [each.message for each in stored]

    def acknowledge_soon(self, recipient: Recipient, messages: Iterable[Message]) -> int:
        """Mark stored messages that were polled as handled, in the background, and return how many they are."""
        of_agent = self._polled.get(recipient.name, {})
        numbers = [number for message in messages for number in of_agent.pop(message.id, ())]
        if numbers:
            self._storing.call(recipient.name, partial(self._store.acknowledge, recipient.name, numbers))
        return len(numbers)

    def release_soon(self, recipient: Recipient) -> None:
        """Make unread again, in the background, what `recipient` polled from the store and did not acknowledge."""
        numbers = _all(self._polled.pop(recipient.name, {}))
        if numbers:
            self._storing.call(recipient.name, partial(self._store.release, recipient.name, numbers))


def _size(recipient: Recipient) -> int:
    """Return how many stored messages the agent has in memory: for its next calls, while its handler is in others."""
    return max(PAGE, 2 * recipient.options.batch_size, 2 * (recipient.slots + recipient.slots_away))


def _all(by_message: dict[str, list[int]]) -> list[int]:
    return [number for numbers in by_message.values() for number in numbers]

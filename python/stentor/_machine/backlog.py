"""The backlog: what a returning agent gets first, from its stored mailbox, and what it polls from there.

A stored message stays in the store until its handler has finished and that is acknowledged, so a crash in between
brings it back, with `delivery.redelivered` set. Whatever has finished while one acknowledgement was under way shares
the next.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, final

import trio
from attrs import evolve

from stentor._mechanisms.deliveries import Delivery
from stentor._mechanisms.mailbox import Quota
from stentor._mechanisms.routes import Target
from stentor._values.errors import AbandonedError, ExpiredError
from stentor._values.modes import Polling
from stentor._values.options import Overflow
from stentor._values.store_errors import StoreError
from stentor._values.stored import EntryKind, MailboxEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stentor._machine.attendance import Attendance
    from stentor._machine.dispatcher import Dispatcher
    from stentor._machine.ledger import Ledger
    from stentor._machine.storing import Storing
    from stentor._mechanisms.deliveries import Watcher
    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.routes import Selection
    from stentor._values.messages import Message
    from stentor._values.protocols import MailboxStore
    from stentor._values.stored import StoredMessage

logger: Final = logging.getLogger("stentor")

PAGE: Final = 100
"""How many stored messages wait in memory at once."""


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
        self._serving: dict[Recipient, bool] = {}
        """Who is served now, and whether more has come for it meanwhile."""
        self.names: set[str] = set()
        """Whose stored mailboxes may hold something."""
        self._polled: dict[tuple[str, str], int] = {}
        """The number in the store of each message that was polled from there and not acknowledged."""

    async def open(self) -> None:
        """Find out who has mail from before."""
        self.names.update(summary.agent for summary in await self._store.mailboxes())

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
        self._ledger.busy += 1
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

    def _serve_soon(self, recipient: Recipient) -> None:
        if recipient in self._serving:
            self._serving[recipient] = True
        else:
            self._serving[recipient] = False
            self._ledger.busy += 1
            self._nursery.start_soon(self._serve, recipient, name=f"stentor backlog of {recipient.name}")

    async def _serve(self, recipient: Recipient) -> None:
        options = recipient.quota.options
        try:
            if recipient.handler is not None and not isinstance(options.behaviour(), Polling):
                kept = evolve(options, capacity=PAGE, overflow=Overflow.BLOCK)  # what is stored is never dropped
                quota = Quota(recipient.lane(options.behaviour(), backlog=True), kept)
                closed = False
                while not closed and (stored := await self._read_more(recipient)):
                    closed = await self._serve_page(recipient, quota, stored)
        except StoreError:
            logger.exception("the backlog of agent %r could not be read to its end", recipient.name)
        finally:
            del self._serving[recipient]
            if recipient.returning:
                self._attendance.end_return(recipient)
            self._ledger.less_busy(1)

    async def _read_more(self, recipient: Recipient) -> Sequence[StoredMessage]:
        """Read the next page; nothing only if nothing has come while it was read."""
        while True:
            self._serving[recipient] = False
            await self._storing.caught_up(recipient.name)
            stored = await self._store.read(recipient.name, limit=PAGE)
            if recipient.closed:
                await self._store.release(recipient.name)
                return ()
            if stored or not self._serving[recipient]:
                return stored

    async def _serve_page(self, recipient: Recipient, quota: Quota, stored: Sequence[StoredMessage]) -> bool:
        """Let the agent handle a page, and return whether it was closed before it had."""
        page = _Page(self._ledger)
        target = Target(recipient, quota)
        for each in stored:
            delivery = Delivery(each.message, target, page)
            delivery.redelivered = each.redelivered
            page.numbers[delivery] = each.id
            self._ledger.recalled(delivery)
        self._dispatcher.accept_all(page.numbers)
        try:
            await self._see_through(page, recipient)
        except trio.Cancelled:
            with trio.CancelScope(shield=True), suppress(StoreError):
                handled, _ = page.collect()
                await self._store.acknowledge(recipient.name, handled)
                await self._store.release(recipient.name)
            raise
        if page.abandoned:
            await self._store.release(recipient.name)
        return page.abandoned

    async def _see_through(self, page: _Page, recipient: Recipient) -> None:
        """Tell the store what has become of a page, until that is known of all of it."""
        while page.numbers:
            await page.progress()
            handled, failed = page.collect()
            if handled:
                await self._store.acknowledge(recipient.name, handled)
            for number, error, attempts in failed:
                kind = EntryKind.DEAD_LETTER if recipient.durable else EntryKind.FAILED
                await self._store.fail(recipient.name, number, failure=repr(error), attempts=attempts, kind=kind)

    async def poll(self, recipient: Recipient, limit: int) -> list[Message]:
        """Read what is stored for `recipient`, the failed included; acknowledged at once if it polls so."""
        await self._storing.caught_up(recipient.name)
        stored = await self._store.read(recipient.name, limit=limit, failed=True)
        if recipient.quota.options.auto_ack:
            await self._store.acknowledge(recipient.name, [each.id for each in stored])
        else:
            self._polled.update(((recipient.name, each.message.id), each.id) for each in stored)
        return [each.message for each in stored]

    def acknowledge_soon(self, recipient: Recipient, messages: Iterable[Message]) -> int:
        """Mark stored messages that were polled as handled, in the background, and return how many they are."""
        keys = [(recipient.name, message.id) for message in messages]
        numbers = [number for key in keys if (number := self._polled.pop(key, None)) is not None]
        if numbers:
            self._storing.call(recipient.name, partial(self._store.acknowledge, recipient.name, numbers))
        return len(numbers)

    def release_soon(self, recipient: Recipient) -> None:
        """Make unread again, in the background, what `recipient` polled from the store and did not acknowledge."""
        keys = [key for key in self._polled if key[0] == recipient.name]
        for key in keys:
            del self._polled[key]
        if keys:
            self._storing.call(recipient.name, partial(self._store.release, recipient.name))


@final
class _Page:
    """Watches a page of stored messages until all of them are over."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._parked = False
        self.numbers: dict[Delivery, int] = {}
        self.abandoned = False
        """Whether the agent was closed before it had handled them all."""
        self._over: list[tuple[Delivery, Exception | None]] = []
        self._lot = trio.lowlevel.ParkingLot()

    def select(self, selection: Selection) -> Selection:
        """Change nothing: a page is served by hand."""
        return selection

    def accepted(self, delivery: Delivery) -> None:
        """It was entered before."""

    def keeps(self, delivery: Delivery, error: Exception) -> bool:  # noqa: ARG002 - the protocol
        """Keep it: it is in the store already, and marked there."""
        return True

    def over(self, delivery: Delivery, error: Exception | None) -> None:
        self._over.append((delivery, error))
        self._go_on()
        self._lot.unpark_all()

    async def progress(self) -> None:
        """Wait until at least one more is over; meanwhile they, and not the page, keep the bus from being settled."""
        if not self._over:
            self._parked = True
            self._ledger.less_busy(1)
            try:
                await self._lot.park()
            finally:
                self._go_on()

    def _go_on(self) -> None:
        if self._parked:
            self._parked = False
            self._ledger.busy += 1

    def collect(self) -> tuple[list[int], list[tuple[int, Exception, int]]]:
        """Return the numbers of those that were handled, and of those that failed with their errors and attempts."""
        over, self._over = self._over, []
        handled = [self.numbers[d] for d, error in over if error is None or isinstance(error, ExpiredError)]
        failed: list[tuple[int, Exception, int]] = []
        for delivery, error in over:
            if isinstance(error, AbandonedError):
                self.abandoned = True
            elif error is not None and not isinstance(error, ExpiredError):
                failed.append((self.numbers[delivery], error, delivery.attempt))
        for delivery, _ in over:
            del self.numbers[delivery]
        return handled, failed

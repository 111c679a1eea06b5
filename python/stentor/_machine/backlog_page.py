"""A page of a backlog: stored messages that wait in a mailbox or are handled, and what is to be told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import trio

from stentor._values.errors import AbandonedError, ExpiredError
from stentor._values.stored import EntryKind

if TYPE_CHECKING:
    from stentor._machine.ledger import Ledger
    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.routes import Selection
    from stentor._values.protocols import MailboxStore


@final
class Page:
    """Watches stored messages, at most `size` at once, until the store knows of each of them what became of it."""

    def __init__(self, ledger: Ledger, recipient: Recipient, size: int) -> None:
        """Watch nothing yet; `numbers` is filled before the deliveries are accepted."""
        self.size = size
        self._ledger = ledger
        self._recipient = recipient
        self._parked = False
        self._looks = False
        self._lot = trio.lowlevel.ParkingLot()
        self.numbers: dict[Delivery, int] = {}
        """The numbers in the store of those that are not over."""
        self._handled: list[int] = []
        self._failed: list[tuple[int, Exception, int]] = []
        self._left: list[int] = []

    @property
    def has_news(self) -> bool:
        """Whether there is something to tell."""
        return bool(self._handled or self._failed or self._left)

    @property
    def has_room(self) -> bool:
        """Whether it is worth filling: a batch that is not full is, as it may wait for what is still in the store."""
        return len(self.numbers) <= self.size // 2

    @property
    def has_told_all(self) -> bool:
        """Whether the store knows of all that is over, so that the page waits for handlers that run."""
        return self._parked

    def select(self, selection: Selection) -> Selection:
        """Change nothing: a page is served by hand."""
        return selection

    def accepted(self, delivery: Delivery) -> None:
        """It was entered before."""

    def keeps(self, delivery: Delivery, error: Exception) -> bool:  # noqa: ARG002 - the protocol
        """Keep it: it is in the store already, and marked there."""
        return True

    def over(self, delivery: Delivery, error: Exception | None) -> None:
        """Remember what is to be told of it."""
        number = self.numbers.pop(delivery)
        if error is None or isinstance(error, ExpiredError):
            self._handled.append(number)
        elif isinstance(error, AbandonedError):
            self._left.append(number)
        else:
            self._failed.append((number, error, delivery.attempt))
        self._go_on()
        self._lot.unpark_all()

    async def progress(self) -> None:
        """Wait until there are news, or room for more that has come.

        Meanwhile the deliveries, and not the page, keep the bus from being settled.
        """
        if not (self.has_news or self._looks):
            self._parked = True
            self._ledger.less_busy(1)
            try:
                await self._lot.park()
            finally:
                self._go_on()
        self._looks = False

    def look_for_room(self) -> None:
        """End the waiting for news if there is room: more has come."""
        if self.has_room:
            self._looks = True
            self._go_on()
            self._lot.unpark_all()

    def _go_on(self) -> None:
        if self._parked:
            self._parked = False
            self._ledger.more_busy(1)

    async def calls_over(self) -> None:
        """Wait until no handler runs; one that was cancelled may finish in a shielded scope."""
        while any(delivery._scope is not None for delivery in self.numbers):
            await self._lot.park()

    async def tell(self, store: MailboxStore) -> None:
        """Tell the store the news; what it was told is news no more, though a part of the rest fails.

        Raises:
            StoreError: The store fails.
        """
        name = self._recipient.name
        if handled := list(self._handled):
            await store.acknowledge(name, handled)
            del self._handled[: len(handled)]
        kind = EntryKind.DEAD_LETTER if self._recipient.durable else EntryKind.FAILED
        while self._failed:
            number, error, attempts = self._failed[0]
            await store.fail(name, number, failure=repr(error), attempts=attempts, kind=kind)
            del self._failed[0]
        if left := list(self._left):
            await store.release(name, left)
            del self._left[: len(left)]

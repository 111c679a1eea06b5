"""Outcomes: what a publisher who waits for the handlers of its message is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import trio

from stentor._mechanisms.deliveries import recipient_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stentor._machine.dispatcher import Dispatcher
    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.subscriptions import Target


@final
class Outcomes:
    """Watches all deliveries of one message until the last of them is over."""

    def __init__(self, dispatcher: Dispatcher, check: Callable[[], None]) -> None:
        """Watch nothing yet; the dispatcher tells each delivery as it accepts it.

        `check` raises DeadlockError when who is `awaited` can never go on.
        """
        self._dispatcher = dispatcher
        self._check = check
        self._expected: tuple[Recipient, ...] = ()
        self._pending: dict[Delivery, None] = {}
        self._all_over = trio.Event()
        self.reached = 0
        """Handlers that finished, and mailboxes without one that accepted."""
        self.errors: list[tuple[str, Exception]] = []
        """Who failed, and why."""

    def expect(self, targets: Sequence[Target]) -> None:
        """Take note of who would get the message if it were accepted now.

        Raises:
            DeadlockError: Waiting for them would never end.
        """
        self._expected = tuple(target.recipient for target in targets if target.recipient.handler is not None)
        self._check()

    def awaited(self) -> Iterator[Recipient | Delivery]:
        """Name whom this waits for now: handlers that run, and agents whose handler has yet to be called."""
        yield from self._expected
        for delivery in self._pending:
            recipient = recipient_of(delivery)
            yield delivery if delivery in recipient.running else recipient

    def accepted(self, delivery: Delivery) -> None:
        """Wait for this one too, unless nobody is called with it: then it has arrived."""
        self._expected = ()
        if recipient_of(delivery).handler is None:
            self.reached += 1
        else:
            self._pending[delivery] = None

    def over(self, delivery: Delivery, error: Exception | None) -> None:
        """Count the outcome of one delivery."""
        if delivery not in self._pending:
            return
        del self._pending[delivery]
        if error is None:
            self.reached += 1
        else:
            self.errors.append((delivery.agent, error))
        if not self._pending:
            self._all_over.set()

    async def wait(self, timeout: float | None) -> None:
        """Wait until all are over; out of time, the rest is withdrawn: failed, with a TimeoutError as the cause."""
        if not self._pending:
            return
        with trio.move_on_after(float("inf") if timeout is None else timeout):
            await self._all_over.wait()
            return
        for delivery in list(self._pending):
            self._dispatcher.withdraw(delivery, TimeoutError(f"not handled within {timeout} s"))
        if self._pending:
            await self._all_over.wait()

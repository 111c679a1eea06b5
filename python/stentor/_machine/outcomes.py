"""Outcomes: what a publisher who waits for the handlers of its message is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, final

import trio

from stentor._mechanisms.deliveries import recipient_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stentor._machine.attendance import Attendance
    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.routes import Selection, Target


class Keeper(Protocol):
    """Takes what a recipient cannot have now, or has failed on; both at once, without waiting."""

    def absent(self, target: Target) -> None:
        """Take the message for a recipient that is not there."""

    def failed(self, delivery: Delivery, error: Exception) -> None:
        """Take a delivery that has failed for good."""


@final
class Outcomes:
    """Watches all deliveries of one message until the last of them is over."""

    def __init__(self, attendance: Attendance, check: Callable[[], None], keeper: Keeper | None = None) -> None:
        """Watch nothing yet; the dispatcher tells each delivery as it accepts it.

        `check` raises DeadlockError when who is `awaited` can never go on; `keeper` has what nobody takes now.
        """
        self._keeper = keeper
        self._absent: Sequence[Target] = ()
        self.names: tuple[str, ...] = ()
        """All whom it is for, those who are not there too."""
        self._attendance = attendance
        self._check = check
        self._expected: tuple[Recipient, ...] = ()
        self._pending: dict[Delivery, None] = {}
        self._arrived: set[Delivery] = set()
        self._lot = trio.lowlevel.ParkingLot()
        self.reached: int = 0
        """Handlers that finished, and mailboxes without one that accepted."""
        self.errors: list[tuple[str, Exception]] = []
        """Who failed, and why."""

    def select(self, selection: Selection) -> Selection:
        """Take note of who would get the message if it were accepted now; a keeper has it for who is not there.

        Raises:
            DeadlockError: Waiting for them would never end.
        """
        self.names = selection.names
        if self._keeper is not None:
            targets = selection.all_targets
            self._absent = [target for target in targets if not target.is_there]
            selection = selection.only([target for target in targets if target.is_there])
        self._expected = tuple(target.recipient for target in selection.targets if target.is_called)
        self._check()
        return selection

    def awaited(self) -> Iterator[Recipient | Delivery]:
        """Name whom this waits for now: handlers that run, and agents whose handler has yet to be called."""
        yield from self._expected
        for delivery in self._pending:
            recipient = recipient_of(delivery)
            yield delivery if delivery in recipient.running else recipient

    def committed(self) -> None:
        """Let the keeper have it for who was not there when the others got it."""
        if self._keeper is not None:
            for target in self._absent:
                self._keeper.absent(target)

    def keeps(self, delivery: Delivery, error: Exception) -> bool:
        """Give the keeper, if there is one, what has failed for good."""
        if self._keeper is None:
            return False
        self._keeper.failed(delivery, error)
        return True

    def accepted(self, delivery: Delivery) -> None:
        """Wait for this one too, unless nobody is called with it: then it has arrived."""
        self._expected = ()
        if delivery._target.is_called:
            self._pending[delivery] = None
        else:
            self._arrived.add(delivery)
            self.reached += 1

    def over(self, delivery: Delivery, error: Exception | None) -> None:
        """Count the outcome of one delivery; of what has arrived already, nothing more is told."""
        self._expected = ()
        if delivery in self._arrived:
            return
        self._pending.pop(delivery, None)
        if error is None:
            self.reached += 1
        else:
            self.errors.append((delivery.agent, error))
        if not self._pending:
            self._lot.unpark_all()

    async def wait(self) -> None:
        """Wait until all are over; one that is over before another is accepted ends nothing."""
        while self._pending:
            await self._lot.park()

    async def give_up(self, error: Exception) -> None:
        """Withdraw what is not over: it has failed with `error`, as it has for everybody if it was never accepted."""
        self.errors += [(recipient.name, error) for recipient in self._expected]
        for delivery in list(self._pending):
            self._attendance.withdraw(delivery, error)
        await self.wait()

"""A delivery: one message for one recipient, from acceptance to its one outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from stentor._native import Delivery as Delivery  # noqa: TC001 - it is re-exported

if TYPE_CHECKING:
    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.routes import Selection


class Watcher(Protocol):
    """Somebody who wants to know the outcome of each delivery of one publish."""

    def keeps(self, delivery: Delivery, error: Exception) -> bool:
        """Take care of what has failed for good, and say whether it does: then it is no dead letter."""
        ...

    def select(self, selection: Selection) -> Selection:
        """Return to whom, of those it may go to now, the message shall go; or refuse by an exception."""
        ...

    def accepted(self, delivery: Delivery) -> None:
        """Take note of a delivery that is now in its mailbox."""
        ...

    def over(self, delivery: Delivery, error: Exception | None) -> None:
        """Take note that the handler has finished, or that it never will and why."""
        ...


WAITING: Final = 0
RUNNING: Final = 1
OVER: Final = 2
BACKING_OFF: Final = 3


def members(lead: Delivery) -> tuple[Delivery, ...]:
    """Return all deliveries of the call that `lead` stands for."""
    batch = lead._batch
    return (lead,) if batch is None else batch


def recipient_of(delivery: Delivery) -> Recipient:
    """Return the recipient that waits for `delivery`."""
    return delivery._target.quota.lane.recipient

"""Resubmission: a message that failed goes once more to the agent that failed on it, and to nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from stentor._mechanisms.routes import Selection, Target

if TYPE_CHECKING:
    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.recipients import Recipient


@final
class Resubmission:
    """Watches the one delivery of a resubmitted message; whatever comes of it is told elsewhere."""

    def __init__(self, recipient: Recipient) -> None:
        """Send to `recipient` alone, with the options of its registration."""
        self._recipient = recipient

    def select(self, selection: Selection) -> Selection:
        """Choose the recipient, with those of its subscriptions that match."""
        matching = [target for target in selection.all_targets if target.recipient is self._recipient]
        return Selection(matching or [Target(self._recipient, self._recipient.quota)])

    def accepted(self, delivery: Delivery) -> None:
        """Let it take its course."""

    def keeps(self, delivery: Delivery, error: Exception) -> bool:  # noqa: ARG002 - the protocol
        """Keep nothing: what has failed for good is a dead letter."""
        return False

    def over(self, delivery: Delivery, error: Exception | None) -> None:
        """Let it be."""

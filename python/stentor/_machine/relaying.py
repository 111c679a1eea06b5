"""Relaying: a message that came from elsewhere is published here, and who brought it is told when that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from stentor._values.errors import AbandonedError

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.routes import Selection
    from stentor._values.messages import Message


@final
class Relay:
    """Watches the deliveries of one relayed message."""

    __slots__ = ("_committed", "_done", "_left", "_not_to", "_pending", "_redelivered")

    def __init__(
        self, not_to: Container[Recipient], done: Callable[[bool], object] | None, *, redelivered: bool
    ) -> None:
        """Keep the message from `not_to`, and call `done` once all others are done with it.

        `done` is told whether they are: False when somebody was closed before. Only those are waited for whom
        `Bus.settled` waits for: an owner who polls, or who does not iterate, has it as soon as it is in the mailbox.
        """
        self._not_to = not_to
        self._done = done
        self._redelivered = redelivered
        self._pending: set[Delivery] = set()
        self._committed = False
        self._left = False

    def select(self, selection: Selection) -> Selection:
        """Choose all but those who brought it."""
        not_to = self._not_to
        for target in selection.all_targets if selection.durable else selection.targets:
            if target.recipient in not_to:
                return selection.only([t for t in selection.all_targets if t.recipient not in not_to])
        return selection

    def accepted(self, delivery: Delivery) -> None:
        """Wait for it, if anybody does."""
        delivery.redelivered = self._redelivered
        if self._done is not None and delivery._target.quota.lane.counted and not delivery._target.recipient.durable:
            self._pending.add(delivery)

    def keeps(self, delivery: Delivery, error: Exception) -> bool:  # noqa: ARG002 - the protocol
        """Keep nothing: what has failed for good is a dead letter."""
        return False

    def over(self, delivery: Delivery, error: Exception | None) -> None:
        """Take note that one is over."""
        if self._done is None:
            return
        self._left = self._left or (delivery in self._pending and isinstance(error, AbandonedError))
        self._pending.discard(delivery)
        self._tell()

    def committed(self) -> None:
        """Take note that it was accepted, for everybody."""
        self._committed = True
        self._tell()

    def _tell(self) -> None:
        if self._committed and not self._pending and self._done is not None:
            done, self._done = self._done, None
            done(not self._left)


@final
class RelayedQuestion:
    """A question from elsewhere: replies to it go back there."""

    __slots__ = ("_take", "message")

    def __init__(self, message: Message, take: Callable[[Message], bool]) -> None:
        """Give replies to `message` to `take`, which says whether they are still waited for."""
        self.message = message
        self._take = take

    def reply(self, message: Message) -> bool:
        """Send a reply back."""
        return self._take(message)

"""The ledger: every delivery has one outcome, and here it is written down, counted, logged and told to who asked."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Final, Literal, final

import trio

from stentor._mechanisms.dead_letters import DeadLetter
from stentor._mechanisms.deliveries import OVER, recipient_of
from stentor._mechanisms.observing import journals_of
from stentor._values.errors import AbandonedError, ExpiredError, MailboxFullError
from stentor._values.results import LeftDelivery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stentor._mechanisms.dead_letters import DeadLetterBox
    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.mailbox import Lane
    from stentor._mechanisms.observing import Journal, Observer
    from stentor._mechanisms.recipients import Recipient
    from stentor._native import Meter

logger: Final = logging.getLogger("stentor")

LEFT_REMEMBERED: Final = 100_000
"""How many deliveries that were left are kept to be looked at; all are counted."""


@final
class Ledger:
    """Outcomes of deliveries, and how many deliveries are still without one."""

    def __init__(self, dead_letters: DeadLetterBox, observers: Sequence[Observer], meter: Meter) -> None:
        """Begin with nothing written; `meter` counts what is busy."""
        self._meter = meter
        self.dead_letters = dead_letters
        self.left: deque[LeftDelivery] = deque(maxlen=LEFT_REMEMBERED)
        """What a shutdown, or a closed agent, left unhandled."""
        self.on_quiet: Callable[[], object] = _nothing
        """Is called when `busy` has come down to 0."""
        self.observers: tuple[Observer, ...] = tuple(observers)
        journals = journals_of(self.observers)
        self.observed: bool = journals is None
        """Whether an observer must be called to learn what happens."""
        self.journals: tuple[Journal, ...] = journals or ()
        """All observers, unless one must be called."""

    @property
    def busy(self) -> int:
        """How many deliveries wait or run and keep the bus from being settled."""
        return self._meter.busy

    def more_busy(self, share: int) -> None:
        """Take note that so many deliveries more keep the bus from being settled."""
        self._meter.busy += share

    def recalled(self, delivery: Delivery) -> None:
        """A message of before comes into a mailbox."""
        for observer in self.observers:
            observer.recalled(delivery)

    @trio.lowlevel.enable_ki_protection
    def begun(self, delivery: Delivery) -> None:
        """A handler is about to be called with it."""
        for observer in self.observers:
            observer.begun(delivery)

    def retrying(self, delivery: Delivery, error: Exception) -> None:
        """An attempt has failed, and another will follow."""
        for observer in self.observers:
            observer.retrying(delivery, error)

    def handled(self, delivery: Delivery, recipient: Recipient, now: float) -> None:
        """The handler has finished, or the owner has it."""
        latency = now - delivery.message.timestamp
        recipient.count_handled(latency)
        for observer in self.observers:
            observer.handled(delivery, latency)
        delivery._state = OVER
        if delivery._watcher is not None:
            delivery._watcher.over(delivery, None)

    def dead(self, delivery: Delivery, error: Exception, now: float) -> None:
        """It has failed for good."""
        recipient = recipient_of(delivery)
        message = delivery.message
        if delivery._watcher is not None and delivery._watcher.keeps(delivery, error):
            recipient.stored += 1
        else:
            recipient.dead += 1
            self.dead_letters.add(_letter(delivery, error, now))
        self._over(delivery, error)
        logger.error(
            "agent %r failed for good on message %s (topic %r, attempt %d): %r",
            recipient.name,
            message.id,
            message.topic,
            delivery.attempt,
            error,
            exc_info=error,
            extra=_extra(delivery),
        )
        for observer in self.observers:
            observer.failed(delivery, error)

    def dropped(self, delivery: Delivery) -> None:
        """An overflow policy has dropped it."""
        recipient = recipient_of(delivery)
        recipient.dropped += 1
        logger.debug("the mailbox of agent %r dropped message %s", recipient.name, delivery.message.id)
        for observer in self.observers:
            observer.dropped(delivery)
        self._over(delivery, MailboxFullError((recipient.name,)))

    def expired(self, delivery: Delivery) -> None:
        """Its time was up before its handler was called."""
        recipient_of(delivery).expired += 1
        for observer in self.observers:
            observer.expired(delivery)
        self._over(delivery, ExpiredError("the message expired before its handler was called"))

    def abandoned(self, delivery: Delivery, *, running: bool) -> None:
        """The agent or the bus was closed before it had another outcome."""
        recipient = recipient_of(delivery)
        recipient.abandoned += 1
        state: Literal["running", "waiting"] = "running" if running else "waiting"
        self.left.append(LeftDelivery(agent=recipient.name, message=delivery.message, state=state))
        for observer in self.observers:
            observer.abandoned(delivery)
        self._over(delivery, AbandonedError("the agent or the bus was closed before the handler had finished"))

    def stored(self, delivery: Delivery) -> None:
        """It is in the agent's stored mailbox, because there is nobody to handle it now."""
        recipient_of(delivery).stored += 1
        for observer in self.observers:
            observer.stored(delivery)
        self._over(delivery, None)

    def unstored(self, delivery: Delivery, error: Exception) -> None:
        """What had failed, and was to be stored, is a dead letter after all: the store refused it."""
        recipient = recipient_of(delivery)
        recipient.stored -= 1
        recipient.dead += 1
        self.dead_letters.add(_letter(delivery, error, delivery.message.timestamp))

    def count(self, lane: Lane, *, counted: bool) -> None:
        """Let what waits in `lane` keep the bus from being settled, or not; with a feed, also what its owner has."""
        if counted is lane.counted:
            return
        lane.counted = counted
        share = lane.waiting
        if lane.recipient.handler is None:
            share += sum(delivery._target.quota.lane is lane for delivery in lane.recipient.running)
        if counted:
            self.more_busy(share)
        else:
            self.less_busy(share)

    def less_busy(self, share: int) -> None:
        """Take note that so many deliveries do not keep the bus from being settled any more."""
        self._meter.busy -= share
        if share and not self._meter.busy:
            self.on_quiet()

    @trio.lowlevel.enable_ki_protection
    def tell_quiet(self) -> None:
        """Tell whoever waits for it that nothing is busy any more."""
        self.on_quiet()

    def _over(self, delivery: Delivery, error: Exception | None) -> None:
        delivery._state = OVER
        if delivery._watcher is not None:
            delivery._watcher.over(delivery, error)


def _letter(delivery: Delivery, error: Exception, now: float) -> DeadLetter:
    return DeadLetter(
        message=delivery.message,
        agent=delivery.agent,
        cause=error,
        attempts=delivery.attempt,
        time=now,
        mode=delivery.mode,
    )


def _extra(delivery: Delivery) -> dict[str, object]:
    return {
        "stentor_agent": delivery.agent,
        "stentor_message": delivery.message.id,
        "stentor_topic": delivery.message.topic,
        "stentor_attempt": delivery.attempt,
    }


def _nothing() -> None:
    pass

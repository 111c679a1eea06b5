"""The dispatcher: the only writer of mailboxes. It accepts messages into them and has their handlers called.

The way of a message through this file: `obstacle` says whether there is room for it everywhere, `accept` puts it into
every mailbox in one synchronous step and lines the recipients up in the ready queue, `step` takes the next one from
there and runs its handler as far as it goes without waiting, and `finish`, `fail` or `abandon` write down the outcome.
A handler that really suspends is returned to the worker that called `step`, which sees it through (see `workers`).
"""

from __future__ import annotations

import logging
from collections import deque
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from stentor._machine.coroutines import as_coroutine
from stentor._mechanisms.deliveries import Delivery, current_delivery, recipient_of
from stentor._mechanisms.statistics import Histogram
from stentor._values.errors import MailboxFullError
from stentor._values.options import Overflow
from stentor._values.results import LeftDelivery

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from contextvars import Context

    from stentor._mechanisms.deliveries import Watcher
    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.subscriptions import Quota, Target
    from stentor._values.messages import Message

logger: Final = logging.getLogger("stentor")


class Suspended(NamedTuple):
    """A handler that waits for something: its coroutine, and what that asked of trio."""

    delivery: Delivery
    coroutine: Coroutine[Any, Any, object]
    context: Context
    trap: object


@final
class Dispatcher:
    """Mailboxes in, handlers out; everything here happens between two scheduling points of trio."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Make an idle dispatcher that reads the time, in seconds, from `clock`."""
        self.clock = clock
        self.ready: deque[Recipient] = deque()
        self.busy: int = 0
        """How many deliveries wait or run and keep the bus from being settled."""
        self.latency: Histogram = Histogram()
        """From the acceptance of a message to the end of its handler."""
        self.left: list[LeftDelivery] = []
        """What a shutdown, or a closed agent, left unhandled."""
        self.on_ready: Callable[[], None] = _nothing
        """Is called when the ready queue may have become non-empty."""
        self.on_quiet: Callable[[], object] = _nothing
        """Is called when `busy` has come down to 0."""

    def obstacle(self, targets: Sequence[Target]) -> Quota | None:
        """Return the first quota for which a publisher must wait, or None when there is room everywhere.

        Raises:
            MailboxFullError: A quota that refuses is used up.
        """
        obstacle: Quota | None = None
        refusing: list[str] = []
        for target in targets:
            quota = target.quota
            if quota.waiting >= quota.capacity:
                if quota.options.overflow is Overflow.FAIL:
                    refusing.append(target.recipient.name)
                elif obstacle is None:
                    obstacle = quota
        if refusing:
            raise MailboxFullError(tuple(refusing))
        return obstacle

    def accept(self, message: Message, targets: Sequence[Target], watcher: Watcher | None = None) -> None:
        """Put `message` into the mailbox of every target; there must be room, as `obstacle` tells."""
        ready = self.ready
        for target in targets:
            recipient = target.recipient
            target.quota.waiting += 1
            recipient.addressed += 1
            delivery = Delivery(message, target, watcher)
            recipient.mailbox.put(delivery)
            if watcher is not None:
                watcher.accepted(delivery)
            if recipient.counted:
                self.busy += 1
            if recipient.slots and not recipient.scheduled:
                recipient.scheduled = True
                ready.append(recipient)
        self.on_ready()

    def schedule(self, recipient: Recipient) -> None:
        """Line `recipient` up if it has mail and a free slot."""
        if recipient.slots and recipient.mailbox and not recipient.scheduled:
            recipient.scheduled = True
            self.ready.append(recipient)
            self.on_ready()

    def step(self) -> Suspended | None:
        """Serve the next ready recipient: begin one delivery, and return its handler if that suspended."""
        recipient = self.ready.popleft()
        recipient.scheduled = False
        delivery = self.take(recipient)
        if recipient.slots:
            self.schedule(recipient)
        if delivery is None:
            return None
        if recipient.handler is None:
            recipient.receivers.popleft().hand(delivery)
            return None
        return self._begin(recipient.handler, delivery, recipient)

    def take(self, recipient: Recipient) -> Delivery | None:
        """Take the first waiting delivery that has not expired, if there is a free slot; from here on it runs."""
        while recipient.slots and (delivery := recipient.mailbox.take()) is not None:
            delivery._target.quota.release()
            if delivery.message.expires_at == inf or delivery.message.expires_at > self.clock():
                recipient.slots -= 1
                recipient.running[delivery] = None
                return delivery
            recipient.expired += 1
            self._over(delivery, recipient, TimeoutError("it expired before its handler was called"))
        return None

    def finish(self, delivery: Delivery) -> None:
        """Write down that the handler of `delivery` has finished."""
        recipient = recipient_of(delivery)
        recipient.handled += 1
        self.latency.add(self.clock() - delivery.message.timestamp)
        self._stop(delivery, recipient, None)

    def fail(self, delivery: Delivery, error: Exception) -> None:
        """Write down, and log, that the handler of `delivery` failed for good."""
        recipient = recipient_of(delivery)
        recipient.dead += 1
        self._stop(delivery, recipient, error)
        _log_failure(delivery, error)

    def abandon(self, delivery: Delivery) -> None:
        """Write down that the handler of `delivery` was cancelled from outside, so that it neither ended nor failed."""
        recipient = recipient_of(delivery)
        recipient.abandoned += 1
        self.left.append(LeftDelivery(agent=recipient.name, message=delivery.message, state="running"))
        self._stop(delivery, recipient, _cancelled())

    def abandon_waiting(self, recipient: Recipient) -> None:
        """Write down that nobody will ever handle what still waits for `recipient`, and empty its mailbox."""
        while (delivery := recipient.mailbox.take()) is not None:
            delivery._target.quota.release()
            recipient.abandoned += 1
            self.left.append(LeftDelivery(agent=recipient.name, message=delivery.message, state="waiting"))
            self._over(delivery, recipient, _cancelled())

    def withdraw(self, delivery: Delivery, error: Exception) -> None:
        """End `delivery` before its time as failed with `error`: taken out of the mailbox, or its handler cancelled."""
        recipient = recipient_of(delivery)
        if delivery in recipient.running:
            if delivery._scope is not None:
                delivery._withdrawn = error
                delivery._scope.cancel()
        elif recipient.mailbox.remove(delivery):
            delivery._target.quota.release()
            recipient.dead += 1
            self._over(delivery, recipient, error)

    def count(self, recipient: Recipient, *, counted: bool) -> None:
        """Let what waits and runs for `recipient` keep the bus from being settled, or not."""
        recipient.counted = counted
        share = len(recipient.mailbox) + len(recipient.running)
        self.busy += share if counted else -share
        if not self.busy:
            self.on_quiet()

    def _begin(self, handler: Callable[..., Any], delivery: Delivery, recipient: Recipient) -> Suspended | None:
        context = recipient.context.copy()
        try:
            coroutine, trap = context.run(_first_step, handler, delivery, recipient.wants_delivery)
        except StopIteration:
            self.finish(delivery)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises stays with its delivery
            self.fail(delivery, error)
        except BaseException:
            self.abandon(delivery)
            raise
        else:
            return Suspended(delivery, coroutine, context, trap)
        return None

    def _stop(self, delivery: Delivery, recipient: Recipient, error: Exception | None) -> None:
        del recipient.running[delivery]
        if recipient.handler is not None:
            recipient.slots += 1
            self.schedule(recipient)
        self._over(delivery, recipient, error)

    def _over(self, delivery: Delivery, recipient: Recipient, error: Exception | None) -> None:
        if delivery._watcher is not None:
            delivery._watcher.over(delivery, error)
        if recipient.counted:
            self.busy -= 1
            if not self.busy:
                self.on_quiet()


def _first_step(
    handler: Callable[..., Any],
    delivery: Delivery,
    wants_delivery: bool,  # noqa: FBT001 - the hot path
) -> tuple[Coroutine[Any, Any, object], object]:
    """Call the handler and run it until it suspends; StopIteration says that it ended before it did."""
    current_delivery.set(delivery)
    try:
        awaitable = handler(delivery.message, delivery) if wants_delivery else handler(delivery.message)
    except StopIteration as error:
        msg = "the handler raised StopIteration"
        raise RuntimeError(msg) from error
    coroutine = as_coroutine(awaitable)
    return coroutine, coroutine.send(None)


def _log_failure(delivery: Delivery, error: Exception) -> None:
    message = delivery.message
    logger.error(
        "the handler of agent %r failed on message %s (topic %r): %r",
        delivery.agent,
        message.id,
        message.topic,
        error,
        exc_info=error,
        extra={"stentor_agent": delivery.agent, "stentor_message": message.id, "stentor_topic": message.topic},
    )


def _cancelled() -> RuntimeError:
    return RuntimeError("the agent or the bus was closed before the handler had finished")


def _nothing() -> None:
    pass

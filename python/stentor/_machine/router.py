"""The router: realtime first, and the stored mailbox for whoever cannot take a message now.

A message that is routed is handled by every recipient that is there and has a handler. Where the handler fails for
good it is stored once, marked as failed, and read by polling only; where there is no handler, or the agent is away, it
is stored as the agent's backlog, which it gets first, in order, when it returns.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final, final

import trio

from stentor._mechanisms.deliveries import Delivery, recipient_of
from stentor._values.errors import AbandonedError, MailboxFullError
from stentor._values.results import Routed, RouteResult
from stentor._values.stored import EntryKind, MailboxEntry

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor._machine.backlog import Backlog
    from stentor._machine.ledger import Ledger
    from stentor._machine.publishing import Publishing
    from stentor._machine.storing import Storing
    from stentor._mechanisms.routes import Target
    from stentor._values.messages import Message

logger: Final = logging.getLogger("stentor")


@final
class Router:
    """Decides for each recipient between its handler and its stored mailbox."""

    def __init__(self, storing: Storing, backlog: Backlog, publishing: Publishing, ledger: Ledger) -> None:
        """Route by the given parts."""
        self._storing = storing
        self._backlog = backlog
        self._publishing = publishing
        self._ledger = ledger

    async def route(self, message: Message, timeout: float | None) -> RouteResult:
        """Deliver `message`, or store it, and return what became of it for each recipient.

        Cancelled, it has reached all of them or none; what is to be stored is stored all the same.

        Raises:
            MailboxFullError: A mailbox that refuses is full.
            UnknownAgentError: The agent that it is addressed to does not exist.
            DeadlockError: It would wait for a handler that waits for the caller's.
        """
        journey = _Journey(message, self._store_soon)
        present, outcomes = await self._publishing.publish_and_wait(message, timeout, journey)
        await journey.wait()
        fates = {} if present is None else dict.fromkeys(present.names, Routed.DELIVERED)
        errors: dict[str, Exception] = {}
        for agent, error in outcomes.errors:
            refused = present is None or isinstance(error, MailboxFullError)
            fates[agent] = Routed.REJECTED if refused else Routed.FAILED
            errors[agent] = error
        fates |= journey.fates
        ordered = {name: fates[name] for name in dict.fromkeys((*outcomes.names, *fates)) if name in fates}
        return RouteResult(
            message_id=message.id, target=message.topic, outcomes=ordered, errors=errors | journey.errors
        )

    def _store_soon(self, journey: _Journey, delivery: Delivery, error: Exception | None) -> None:
        """Store a delivery for who is absent, or, with the error, one that has failed; and write down whether it is."""
        self._backlog.names.add(delivery.agent)
        if error is None:
            self._storing.append(_entry(delivery, None), partial(self._kept, journey, delivery))
        else:
            self._storing.append(_entry(delivery, error), partial(self._kept_as_failed, journey, delivery, error))

    def _kept(self, journey: _Journey, delivery: Delivery, refusal: Exception | None) -> None:
        """It is stored for who is absent; or it is not, and why."""
        recipient_of(delivery).addressed += 1
        if refusal is None:
            self._ledger.stored(delivery)
            journey.over(delivery.agent, Routed.QUEUED, None)
        elif isinstance(refusal, AbandonedError):
            self._ledger.abandoned(delivery, running=False)
            journey.over(delivery.agent, Routed.FAILED, refusal)
        else:
            _log_refusal(delivery, refusal)
            self._ledger.dropped(delivery)
            journey.over(delivery.agent, Routed.REJECTED, refusal)

    def _kept_as_failed(
        self, journey: _Journey, delivery: Delivery, error: Exception, refusal: Exception | None
    ) -> None:
        """It has failed with `error`, and is stored; or it is not, and why."""
        if isinstance(refusal, AbandonedError):
            recipient_of(delivery).stored -= 1
            self._ledger.abandoned(delivery, running=False)
        elif refusal is not None:
            _log_refusal(delivery, refusal)
            self._ledger.unstored(delivery, error)
        journey.over(delivery.agent, Routed.FAILED, refusal if isinstance(refusal, AbandonedError) else error)


@final
class _Journey:
    """One routed message: what of it is stored, or being stored."""

    def __init__(self, message: Message, store_soon: Callable[[_Journey, Delivery, Exception | None], None]) -> None:
        self._message = message
        self._store_soon = store_soon
        self._open = 0
        self._lot = trio.lowlevel.ParkingLot()
        self.fates: dict[str, Routed] = {}
        self.errors: dict[str, Exception] = {}

    def absent(self, target: Target) -> None:
        """Store it for a recipient that is not there."""
        self._open += 1
        self._store_soon(self, Delivery(self._message, target, None), None)

    def failed(self, delivery: Delivery, error: Exception) -> None:
        """Store it for a recipient that has failed on it."""
        self._open += 1
        self._store_soon(self, delivery, error)

    def over(self, agent: str, fate: Routed, error: Exception | None) -> None:
        """Take note that it is stored, or why not."""
        self._open -= 1
        self.fates[agent] = fate
        if error is not None:
            self.errors[agent] = error
        self._lot.unpark_all()

    async def wait(self) -> None:
        """Wait until nothing of it is being stored."""
        while self._open:
            await self._lot.park()


def _entry(delivery: Delivery, error: Exception | None) -> MailboxEntry:
    if error is None:
        return MailboxEntry(delivery.agent, delivery.message)
    attempts = delivery.attempt
    return MailboxEntry(delivery.agent, delivery.message, kind=EntryKind.FAILED, failure=repr(error), attempts=attempts)


def _log_refusal(delivery: Delivery, refusal: Exception) -> None:
    logger.error("message %s could not be stored for agent %r: %r", delivery.message.id, delivery.agent, refusal)

"""The router: realtime first, and the stored mailbox for whoever cannot take a message now.

A message that is routed is handled by every recipient that is there and has a handler. Where the handler fails for
good it is stored once, marked as failed, and read by polling only; where there is no handler, or the agent is away, it
is stored as the agent's backlog, which it gets first, in order, when it returns.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, final

from stentor._mechanisms.deliveries import Delivery
from stentor._values.errors import MailboxFullError
from stentor._values.results import Routed, RouteResult
from stentor._values.store_errors import StoreError
from stentor._values.stored import EntryKind, MailboxEntry

if TYPE_CHECKING:
    from stentor._machine.addressing import Addressing
    from stentor._machine.backlog import Backlog
    from stentor._machine.ledger import Ledger
    from stentor._machine.publishing import Publishing
    from stentor._mechanisms.routes import Target
    from stentor._values.messages import Message
    from stentor._values.protocols import MailboxStore

logger: Final = logging.getLogger("stentor")


@final
class Router:
    """Decides for each recipient between its handler and its stored mailbox."""

    def __init__(
        self, store: MailboxStore, backlog: Backlog, addressing: Addressing, publishing: Publishing, ledger: Ledger
    ) -> None:
        """Route by the given parts; `store` is open already."""
        self._store = store
        self._backlog = backlog
        self._addressing = addressing
        self._publishing = publishing
        self._ledger = ledger

    async def route(self, message: Message, timeout: float | None) -> RouteResult:
        """Deliver `message`, or store it, and return what became of it for each recipient.

        Raises:
            MailboxFullError: A mailbox that refuses is full.
            UnknownAgentError: The agent that it is addressed to does not exist.
            DeadlockError: It would wait for a handler that waits for the caller's.
        """
        absent = [target for target in self._addressing.select(message).all_targets if not target.is_there]
        fates: dict[str, Routed] = {}
        errors: dict[str, Exception] = {}
        for target in absent:
            entry = MailboxEntry(target.recipient.name, message)
            error = await self._stored(entry)
            self._count(message, target, error)
            fates[target.recipient.name] = Routed.QUEUED if error is None else Routed.REJECTED
            if error is not None:
                errors[target.recipient.name] = error
        skipped = {target.recipient for target in absent}
        present, outcomes = await self._publishing.publish_and_wait(
            message, timeout, without=skipped, keeps_failed=True
        )
        fates.update(dict.fromkeys(present.names, Routed.DELIVERED))
        for agent, error in outcomes.errors:
            errors[agent] = error
            fates[agent] = await self._fate_of_failed(agent, message, error)
        return RouteResult(message_id=message.id, target=message.topic, outcomes=fates, errors=errors)

    async def _fate_of_failed(self, agent: str, message: Message, error: Exception) -> Routed:
        if isinstance(error, MailboxFullError):
            return Routed.REJECTED
        entry = MailboxEntry(agent, message, kind=EntryKind.FAILED, failure=repr(error), attempts=1)
        unstored = await self._stored(entry)
        if unstored is not None:
            logger.error("message %s failed at agent %r and could not be stored: %r", message.id, agent, unstored)
        return Routed.FAILED

    async def _stored(self, entry: MailboxEntry) -> Exception | None:
        """Store `entry`, and return why not if that is refused."""
        try:
            await self._store.append([entry])
            self._backlog.names.add(entry.agent)
        except StoreError as error:
            return error
        return None

    def _count(self, message: Message, target: Target, error: Exception | None) -> None:
        delivery = Delivery(message, target, None)
        target.recipient.addressed += 1
        if error is None:
            self._ledger.stored(delivery)
        else:
            self._ledger.dropped(delivery)

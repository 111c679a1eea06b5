"""The keeping side of a bus: what it holds on to, to be looked at, taken out, and moved to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stentor._bus.checkpoints import BusCheckpoint, put, take
from stentor._bus.sending import Sending
from stentor._values import checks
from stentor._values.patterns import Grammar

if TYPE_CHECKING:
    from stentor._mechanisms.dead_letters import DeadLetter, DeadLetterBox
    from stentor._mechanisms.permissions import Permissions
    from stentor._mechanisms.retained import RetainedMessages
    from stentor._values.protocols import MailboxStore
    from stentor._values.results import LeftDelivery, Receipt


class Keeping(Sending):
    """Everything that a bus keeps."""

    @property
    def dead_letters(self) -> DeadLetterBox:
        """What failed for good, the oldest first: to be looked at, taken out, or given to `resubmit`."""
        return self._parts.ledger.dead_letters

    async def resubmit(self, letter: DeadLetter) -> Receipt:
        """Take a dead letter out of the box and send its message once more, to the agent that failed on it.

        Args:
            letter: One of `dead_letters`.

        Raises:
            LookupError: It is not in the box any more.
            UnknownAgentError: The agent is gone.
            MailboxFullError: The agent's mailbox refuses it.
            trio.ClosedResourceError: The bus is closed.
        """
        if letter not in self.dead_letters:
            msg = "letter must be one that is in dead_letters"
            raise LookupError(msg)
        receipt = await self._send_again(letter.message, letter.agent)
        self.dead_letters.remove(letter)
        return receipt

    @property
    def permissions(self) -> Permissions:
        """Who may publish and subscribe to what; nothing is refused until something is allowed."""
        return self._parts.permissions

    @property
    def retained(self) -> RetainedMessages:
        """The last message of each topic that was published with `retain=True`."""
        return self._parts.retained

    @property
    def store(self) -> MailboxStore:
        """The stored mailboxes: they can be counted, paged through, filtered and purged there."""
        return self._parts.store

    @property
    def left(self) -> tuple[LeftDelivery, ...]:
        """What the closing of an agent, a feed or the bus left without an outcome, in that order."""
        return tuple(self._parts.ledger.left)

    @property
    def dialect(self) -> Grammar:
        """What its topics and patterns look like."""
        return Grammar.of(self._parts.settings.dialect)

    async def checkpoint(self) -> BusCheckpoint:
        """Return what the bus holds, which must be settled: mailboxes, retained messages, dead letters and counts.

        The tasks that served it end, and it goes on as a bus does that has been restored from it.

        Raises:
            NotSettledError: Something runs, or is to be run; the text says who is busy.
            RuntimeError: Somebody waits for an answer, or for room in a mailbox; or it is not called by a task of the
                trio run that the bus is in.
        """
        self._check_inside()
        return await take(self._parts)

    def restore(self, checkpoint: BusCheckpoint) -> None:
        """Put what another bus held into this one, which the same code has set up and which has published nothing.

        Whoever was away is so again, ids go on where they were, and what is left to chance goes on as it would have.
        Times stay as they were, so the clock must go on from there, as it does in a resumed simulation run. A store
        other than the one in memory keeps its own.

        Args:
            checkpoint: What `checkpoint` returned.

        Raises:
            TypeError: `checkpoint` is not one.
            ValueError: Agents or subscriptions are not the same, or the clock stands before the checkpoint.
            RuntimeError: Something has been published already.
        """
        put(self._parts, checks.instance("checkpoint", checkpoint, BusCheckpoint))

"""Receiving: how the owner of a mailbox without a handler takes messages out of it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias, final

import trio

from stentor._mechanisms.deliveries import members

if TYPE_CHECKING:
    from stentor._bus.parts import Parts
    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.recipients import Recipient
    from stentor._values.messages import Message

    Mail: TypeAlias = Message | list[Message]


def mail_of(lead: Delivery) -> Mail:
    """Return the message of a delivery, or the list of messages of a batch."""
    return lead.message if lead._batch is None else [delivery.message for delivery in members(lead)]


def check_open(recipient: Recipient, parts: Parts) -> None:
    """Raise ClosedResourceError, saying what is closed, unless both the owner of `recipient` and its bus are open."""
    if recipient.dismissed or parts.closed:
        msg = f"{recipient.name!r} is closed" if recipient.dismissed else "the bus is closed"
        raise trio.ClosedResourceError(msg)


@final
class Receiving:
    """The owner's side of a mailbox: `receive_nowait` decides, `receive` waits, `MailIterator` iterates."""

    __slots__ = ("_parts", "recipient")

    def __init__(self, recipient: Recipient, parts: Parts) -> None:
        """Take messages for `recipient` out of its mailbox; nothing is kept here."""
        self._parts = parts
        self.recipient: Recipient = recipient

    def check_unhandled(self) -> None:
        """Raise RuntimeError if a handler gets the messages."""
        if self.recipient.handler is not None:
            msg = f"agent {self.recipient.name!r} has a handler, which gets the messages"
            raise RuntimeError(msg)

    @trio.lowlevel.enable_ki_protection
    def take_nowait(self) -> Delivery:
        """Take what comes next; from here on it runs.

        Raises:
            trio.ClosedResourceError: The owner has closed it.
            trio.EndOfChannel: The bus is closed.
            trio.WouldBlock: Nothing is due.
        """
        if self._parts.closed and not self.recipient.dismissed:
            raise trio.EndOfChannel
        check_open(self.recipient, self._parts)
        self.check_unhandled()
        self.recipient.slots += 1
        for lane in self.recipient.lanes:
            if self._parts.readiness.is_due(lane) and (lead := self._parts.dispatcher.take(lane)) is not None:
                return lead
        self.recipient.slots -= 1
        raise trio.WouldBlock

    def receive_nowait(self) -> Mail:
        """Take what comes next; it counts as handled."""
        lead = self.take_nowait()
        self.finish(lead)
        return mail_of(lead)

    async def take(self) -> Delivery:
        """Take what comes next, as soon as something is due."""
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            lead = self.take_nowait()
        except trio.WouldBlock:
            return await self._wait()
        await trio.lowlevel.cancel_shielded_checkpoint()
        return lead

    async def receive(self) -> Mail:
        """Take what comes next, as soon as something is due; it counts as handled."""
        lead = await self.take()
        self.finish(lead)
        return mail_of(lead)

    @trio.lowlevel.enable_ki_protection
    def finish(self, lead: Delivery) -> None:
        """Count what was taken as handled, unless the bus has been closed meanwhile."""
        if lead in self.recipient.running:
            self._parts.calls.finish(lead)

    async def _wait(self) -> Delivery:
        recipient = self.recipient
        receiver = _ParkedReceiver(trio.lowlevel.current_task())
        receivers = recipient.receivers
        if receivers is None:
            receivers = recipient.receivers = deque()
        receivers.append(receiver)
        recipient.slots += 1

        def abort(_: object) -> trio.lowlevel.Abort:
            receivers.remove(receiver)
            recipient.slots -= 1
            return trio.lowlevel.Abort.SUCCEEDED

        self._parts.readiness.arrange_all(recipient)
        await trio.lowlevel.wait_task_rescheduled(abort)
        if receiver.lead is None:
            return self.take_nowait()
        return receiver.lead

    @trio.lowlevel.enable_ki_protection
    def end(self) -> None:
        """Let nobody receive any more, because the owner has closed it or because the bus is closed."""
        while self.recipient.receivers:
            self.recipient.slots -= 1
            self.recipient.hand(None)
        if not self.recipient.dismissed and self.recipient.handler is None:
            self._abandon_taken()

    def _abandon_taken(self) -> None:
        """The bus is closed: what its owner has taken and not gone past is left."""
        for lead in list(self.recipient.running):
            if lead._batch is None or lead._batch[0] is lead:
                self._parts.calls.abandon(lead)

    def close(self) -> None:
        """Let nobody receive any more, and give the name back."""
        self.recipient.dismissed = True
        self.end()
        if not self._parts.closed:
            self._parts.dismiss(self.recipient)

    def iterate(self) -> MailIterator:
        """Return an iterator; while one is alive, what it has not gone past keeps the bus from being settled."""
        self.check_unhandled()
        return MailIterator(self)

    def iterating(self, change: int) -> None:
        """Take note that one more, or one less, iterates."""
        self.recipient.iterators += change
        for lane in self.recipient.lanes:
            self._parts.ledger.count(lane, counted=self.recipient.counts(lane))


@final
class MailIterator:
    """One message, or one batch, after another; it is handled when the next is asked for, or the iterator is gone."""

    __slots__ = ("_lead", "_receiving")

    def __init__(self, receiving: Receiving) -> None:
        """Begin before the first message."""
        self._lead: Delivery | None = None
        self._receiving = receiving
        receiving.iterating(+1)

    def __aiter__(self) -> MailIterator:
        """Return the iterator."""
        return self

    async def __anext__(self) -> Mail:
        """Return what comes next; the iteration ends when the feed or the bus is closed."""
        self._finish()
        try:
            lead = await self._receiving.take()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise StopAsyncIteration from None
        self._finish()  # of another task that iterates here too
        self._lead = lead
        return mail_of(lead)

    def _finish(self) -> None:
        if self._lead is not None:
            lead, self._lead = self._lead, None
            self._receiving.finish(lead)

    def __del__(self) -> None:
        """Let go of what the loop was left with."""
        self._finish()
        self._receiving.iterating(-1)


@final
class _ParkedReceiver:
    __slots__ = ("_task", "lead")

    def __init__(self, task: trio.lowlevel.Task) -> None:
        self._task = task
        self.lead: Delivery | None = None

    def hand(self, lead: Delivery | None) -> None:
        self.lead = lead
        trio.lowlevel.reschedule(self._task)

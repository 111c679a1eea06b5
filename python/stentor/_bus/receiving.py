"""Receiving: how the owner of a mailbox without a handler takes messages out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import trio

if TYPE_CHECKING:
    from stentor._machine.dispatcher import Dispatcher
    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.recipients import Recipient
    from stentor._values.messages import Message


@final
class Receiving:
    """The owner's side of a mailbox: `receive_nowait` decides, `receive` waits, `MessageIterator` iterates."""

    __slots__ = ("_dispatcher", "_iterators", "closed", "ended", "recipient")

    def __init__(self, recipient: Recipient, dispatcher: Dispatcher) -> None:
        """Take messages for `recipient` out of its mailbox."""
        self.recipient: Recipient = recipient
        self._dispatcher = dispatcher
        self._iterators = 0
        self.closed: bool = False
        """Whether the owner has closed it."""
        self.ended: bool = False
        """Whether the bus is closed."""

    def check_open(self) -> None:
        """Raise ClosedResourceError, saying what is closed, unless both this and the bus are open."""
        if self.closed or self.ended:
            msg = f"{self.recipient.name!r} is closed" if self.closed else "the bus is closed"
            raise trio.ClosedResourceError(msg)

    def check_unhandled(self) -> None:
        """Raise RuntimeError if a handler gets the messages."""
        if self.recipient.handler is not None:
            msg = f"agent {self.recipient.name!r} has a handler, which gets the messages"
            raise RuntimeError(msg)

    def take_nowait(self) -> Delivery:
        """Take the next delivery; from here on it runs.

        Raises:
            trio.ClosedResourceError: The owner has closed it.
            trio.EndOfChannel: The bus is closed.
            trio.WouldBlock: Nothing waits.
        """
        if self.ended and not self.closed:
            raise trio.EndOfChannel
        self.check_open()
        self.check_unhandled()
        self.recipient.slots += 1
        delivery = self._dispatcher.take(self.recipient)
        if delivery is None:
            self.recipient.slots -= 1
            raise trio.WouldBlock
        return delivery

    def receive_nowait(self) -> Message:
        """Take the next message; it counts as handled."""
        delivery = self.take_nowait()
        self._dispatcher.finish(delivery)
        return delivery.message

    async def take(self) -> Delivery:
        """Take the next delivery, as soon as there is one."""
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            delivery = self.take_nowait()
        except trio.WouldBlock:
            return await self._wait()
        await trio.lowlevel.cancel_shielded_checkpoint()
        return delivery

    async def receive(self) -> Message:
        """Take the next message, as soon as there is one; it counts as handled."""
        delivery = await self.take()
        self._dispatcher.finish(delivery)
        return delivery.message

    async def _wait(self) -> Delivery:
        recipient = self.recipient
        receiver = _ParkedReceiver(trio.lowlevel.current_task())
        recipient.receivers.append(receiver)
        recipient.slots += 1

        def abort(_: object) -> trio.lowlevel.Abort:
            recipient.receivers.remove(receiver)
            recipient.slots -= 1
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)
        if receiver.delivery is None:
            return self.take_nowait()
        return receiver.delivery

    def end(self, *, closed: bool) -> None:
        """Let nobody receive any more, because the owner has closed it or because the bus is closed."""
        self.closed = closed
        self.ended = True
        while self.recipient.receivers:
            self.recipient.slots -= 1
            self.recipient.receivers.popleft().hand(None)

    def iterate(self) -> MessageIterator:
        """Return an iterator; while one is alive, what it has not gone past keeps the bus from being settled."""
        self.check_unhandled()
        return MessageIterator(self, self._dispatcher)

    def iterating(self, change: int) -> None:
        """Take note that one more, or one less, iterates."""
        self._iterators += change
        counted = self._iterators > 0
        if counted != self.recipient.counted:
            self._dispatcher.count(self.recipient, counted=counted)


@final
class MessageIterator:
    """Messages one after another; one is handled as soon as the next is asked for, or the iterator is gone."""

    __slots__ = ("_delivery", "_dispatcher", "_receiving")

    def __init__(self, receiving: Receiving, dispatcher: Dispatcher) -> None:
        """Begin before the first message."""
        self._delivery: Delivery | None = None
        self._dispatcher = dispatcher
        self._receiving = receiving
        receiving.iterating(+1)

    def __aiter__(self) -> MessageIterator:
        """Return the iterator."""
        return self

    async def __anext__(self) -> Message:
        """Return the next message; the iteration ends when the feed or the bus is closed."""
        self._finish()
        try:
            delivery = await self._receiving.take()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise StopAsyncIteration from None
        self._finish()  # of another task that iterates here too
        self._delivery = delivery
        return delivery.message

    def _finish(self) -> None:
        if self._delivery is not None:
            delivery, self._delivery = self._delivery, None
            self._dispatcher.finish(delivery)

    def __del__(self) -> None:
        """Let go of the message that the loop was left with."""
        self._finish()
        self._receiving.iterating(-1)


@final
class _ParkedReceiver:
    __slots__ = ("_task", "delivery")

    def __init__(self, task: trio.lowlevel.Task) -> None:
        self._task = task
        self.delivery: Delivery | None = None

    def hand(self, delivery: Delivery | None) -> None:
        self.delivery = delivery
        trio.lowlevel.reschedule(self._task)

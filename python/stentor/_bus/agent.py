"""Agents and feeds: who is subscribed, and how the owner of a mailbox without a handler reads it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Generic, TypeVar, cast, final

import trio

from stentor._bus.receiving import Receiving, check_open
from stentor._mechanisms.deliveries import Delivery
from stentor._mechanisms.routes import Target
from stentor._mechanisms.subscriptions import Subscription
from stentor._values import checks
from stentor._values.messages import Message
from stentor._values.options import DEFAULT_OPTIONS, options_from

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Self, Unpack

    from stentor._bus.parts import Parts
    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.statistics import AgentStatistics
    from stentor._values.options import SubscriptionKeywords


class _Member:
    """What an agent and a feed have in common: a recipient, its subscriptions, and a way to close."""

    __slots__ = ("_parts", "_recipient")

    def __init__(self, recipient: Recipient, parts: Parts) -> None:
        self._recipient = recipient
        self._parts = parts

    @property
    def _receiving(self) -> Receiving:
        return Receiving(self._recipient, self._parts)

    @property
    def name(self) -> str:
        """The name under which messages are addressed to it."""
        return self._recipient.name

    @property
    def closed(self) -> bool:
        """Whether it has been closed, or its bus has."""
        return self._recipient.dismissed or self._parts.closed

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """Its open subscriptions, in order of subscription."""
        return self._recipient.subscriptions

    def subscribe(self, pattern: str, **options: Unpack[SubscriptionKeywords]) -> Subscription:
        """Subscribe to `pattern`: everything published from now on to a topic that it matches is delivered.

        A message comes once, even if several subscriptions match; the first of them governs its delivery.

        Args:
            pattern: A pattern of the bus's dialect.
            **options: See `SubscriptionOptions`.

        Raises:
            InvalidPatternError: `pattern` is not one.
            PermissionDeniedError: The agent may not subscribe to it.
            ValueError: An option is out of its range.
            trio.ClosedResourceError: This agent or feed is closed.
        """
        recipient, parts = self._recipient, self._parts
        if recipient.dismissed or parts.closed:
            check_open(recipient, parts)
        chosen = options_from(options) if options else DEFAULT_OPTIONS
        if parts.permissions.active:
            parts.permissions.check_subscribe(None if recipient.is_feed else recipient.name, pattern)
        if recipient.has_lanes or chosen is not DEFAULT_OPTIONS:
            recipient.expect(chosen.behaviour())
        subscription = Subscription(parts.table, pattern, recipient, chosen)
        if chosen.retained:
            self._begin_with_retained(subscription)
        return subscription

    def _begin_with_retained(self, subscription: Subscription) -> None:
        """Deliver the retained messages that pass the filter, the newest as far as there is room."""
        quota = subscription._quota
        passes = subscription.options.filter
        messages = self._parts.retained.matching(subscription.pattern, self._parts.clock())
        chosen = [message for message in messages if passes is None or passes.passes(message)]
        target = Target(self._recipient, quota, (subscription,), wildcard=subscription.is_wildcard)
        if self._recipient.durable:
            return  # what it has is in its stored mailbox
        for message in chosen[-quota.capacity :]:
            delivery = Delivery(message, target, None)
            self._parts.ledger.recalled(delivery)
            self._parts.dispatcher.accept_all((delivery,))

    async def poll(self, max_messages: int = 10) -> list[Message]:
        """Return what waits to be polled, the oldest of the most urgent first: nothing, if there is nothing.

        That is what POLLING subscriptions gathered and, after it, what is in the stored mailbox: also what the handler
        failed on for good after it was routed. With `auto_ack` it counts as handled, else it is unread until
        `acknowledge`.

        Args:
            max_messages: How many messages at most.

        Raises:
            ValueError: `max_messages` is smaller than 1.
            trio.ClosedResourceError: This agent or feed is closed.
        """
        check_open(self._recipient, self._parts)
        checks.whole("max_messages", max_messages, least=1)
        await trio.lowlevel.checkpoint()
        messages: list[Message] = []
        with trio.CancelScope() as scope:
            scope.shield = True  # what is taken is handed over
            polled = self._parts.attendance.poll(self._recipient, max_messages)
            messages += [delivery.message for delivery in polled]
            messages += await self._parts.backlog.poll(
                self._recipient, max_messages - len(messages), alone=not messages
            )
        return messages

    def acknowledge(self, messages: Message | Iterable[Message]) -> int:
        """Mark polled messages as handled, so that they never come again, and return how many were not so before.

        That concerns subscriptions with `auto_ack=False`, and agents registered so for what they poll from the store.

        What came from the stored mailbox is acknowledged there in the background; `Bus.settled` waits for that.

        Args:
            messages: One or several that `poll` returned.

        Raises:
            TypeError: `messages` is, or holds, something else; nothing has been acknowledged.
        """
        several = [messages] if isinstance(messages, Message) else _messages(messages)
        done = sum(self._parts.attendance.acknowledge(self._recipient, message.id) for message in several)
        return done + self._parts.backlog.acknowledge_soon(self._recipient, several)

    def statistics(self) -> AgentStatistics:
        """Return what became of everything that was addressed to it."""
        return self._recipient.statistics()

    def close(self) -> None:
        """End all subscriptions and give the name back. What waits is abandoned, handlers that run are let finish.

        A second close does nothing.
        """
        if not self._recipient.dismissed:
            for subscription in self.subscriptions:
                subscription.close()
            if self._recipient.direct is not None:
                self._recipient.direct.wake_all()
            self._receiving.close()

    def __repr__(self) -> str:
        """Tell the name and the number of subscriptions."""
        state = "closed " if self.closed else ""
        return f"<{state}{type(self).__name__} {self.name!r} with {len(self.subscriptions)} subscriptions>"


def _messages(several: object) -> list[Message]:
    given = list(cast("Iterable[object]", several)) if isinstance(several, Iterable) else [several]
    return [checks.instance("messages", message, Message) for message in given]


@final
class Agent(_Member):
    """A named recipient with one mailbox; `Bus.register` makes it.

    Its handler gets the messages; without one, the owner receives or iterates, as with a feed.

    Example:
        >>> import stentor, trio
        >>> async def answer(message):
        ...     print(message.sender, "asks", message.payload)
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         agent = bus.register("gpt4", answer)
        ...         agent.subscribe("ai.models.*")
        ...         await bus.publish("ai.models.gpt4", "why?", sender="moderator")
        >>> trio.run(main)
        moderator asks why?
    """

    __slots__ = ()

    @property
    def away(self) -> bool:
        """Whether it has left, or is quarantined, so that its handler is not called."""
        return self._recipient.away

    @property
    def quarantined(self) -> bool:
        """Whether it is away because its handler failed too often in a row."""
        return self._recipient.quarantined

    def leave(self, *, interrupt: bool = False) -> None:
        """Go away: the handler is not called until `rejoin`.

        Meanwhile what is published waits in the mailbox, and what is routed goes to the stored mailbox. What was polled
        and not acknowledged waits again, in its old place.

        Args:
            interrupt: Whether calls that wait for something are cancelled, as if the agent had crashed; they have
                failed for good with an `AbandonedError`. Otherwise what runs is let finish.

        Raises:
            TypeError: `interrupt` is no bool; the agent stays.
            trio.ClosedResourceError: The agent is closed.
        """
        check_open(self._recipient, self._parts)
        checks.instance("interrupt", interrupt, bool)
        self._parts.attendance.leave(self._recipient)
        if interrupt:
            self._parts.attendance.interrupt(self._recipient)
        self._parts.backlog.release_soon(self._recipient)

    def rejoin(self) -> None:
        """Come back, from leaving or from quarantine: first the stored backlog in order, then what has waited.

        Raises:
            trio.ClosedResourceError: The agent is closed.
        """
        check_open(self._recipient, self._parts)
        self._parts.backlog.bring_back(self._recipient)

    async def receive(self) -> Message:
        """Return the next message, or batch, as soon as there is one; it counts as handled.

        Raises:
            trio.ClosedResourceError: The agent is closed.
            trio.EndOfChannel: The bus is closed.
            RuntimeError: The agent has a handler, which gets the messages.
        """
        return cast("Message", await self._receiving.receive())

    def receive_nowait(self) -> Message:
        """Return the next message, or batch; it counts as handled.

        Raises:
            trio.WouldBlock: There is none.
            trio.ClosedResourceError: The agent is closed.
            trio.EndOfChannel: The bus is closed.
            RuntimeError: The agent has a handler, which gets the messages.
        """
        return cast("Message", self._receiving.receive_nowait())

    def __aiter__(self) -> AsyncIterator[Message]:
        """Iterate over the messages as they come, until the agent or the bus is closed.

        While somebody iterates, `Bus.settled` waits until every message has been gone past.
        """
        return cast("AsyncIterator[Message]", self._receiving.iterate())


T = TypeVar("T")


@final
class Feed(_Member, Generic[T]):
    """A subscription that is its own recipient; `Bus.subscribe` makes it, and its owner receives or iterates.

    It yields messages or, in BATCH mode, lists of messages. As a context manager it closes itself at the end.

    Example:
        >>> import stentor, trio
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         with bus.subscribe("ai.**") as feed:
        ...             await bus.publish("ai.models.gpt4", "hello")
        ...             print((await feed.receive()).payload)
        >>> trio.run(main)
        hello
    """

    __slots__ = ()

    async def receive(self) -> T:
        """Return the next message or batch, as soon as there is one; it counts as handled.

        Raises:
            trio.ClosedResourceError: The feed is closed.
            trio.EndOfChannel: The bus is closed.
        """
        return cast("T", await self._receiving.receive())

    def receive_nowait(self) -> T:
        """Return the next message or batch; it counts as handled.

        Raises:
            trio.WouldBlock: There is none.
            trio.ClosedResourceError: The feed is closed.
            trio.EndOfChannel: The bus is closed.
        """
        return cast("T", self._receiving.receive_nowait())

    def __aiter__(self) -> AsyncIterator[T]:
        """Iterate over what comes, until the feed or the bus is closed.

        While somebody iterates, `Bus.settled` waits until everything has been gone past.
        """
        return cast("AsyncIterator[T]", self._receiving.iterate())

    def __enter__(self) -> Self:
        """Return the feed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the feed."""
        self.close()

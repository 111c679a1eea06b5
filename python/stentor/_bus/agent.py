"""Agents and feeds: who is subscribed, and how the owner of a mailbox without a handler reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from stentor._mechanisms.subscriptions import Quota, Subscription
from stentor._values.options import SubscriptionOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from stentor._bus.receiving import MessageIterator, Receiving
    from stentor._mechanisms.statistics import AgentStatistics
    from stentor._mechanisms.subscriptions import SubscriptionTable
    from stentor._values.messages import Message
    from stentor._values.options import SubscriptionKeywords


class _Member:
    """What an agent and a feed have in common: a recipient, its subscriptions, and a way to close."""

    __slots__ = ("_on_close", "_receiving", "_recipient", "_table")

    def __init__(self, receiving: Receiving, table: SubscriptionTable, on_close: Callable[[Receiving], None]) -> None:
        self._receiving = receiving
        self._recipient = receiving.recipient
        self._table = table
        self._on_close = on_close

    @property
    def name(self) -> str:
        """The name under which messages are addressed to it."""
        return self._recipient.name

    @property
    def closed(self) -> bool:
        """Whether it has been closed, or its bus has."""
        return self._receiving.closed or self._receiving.ended

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """Its open subscriptions, in order of subscription."""
        return tuple(self._recipient.subscriptions.values())

    def subscribe(self, pattern: str, **options: Unpack[SubscriptionKeywords]) -> Subscription:
        """Subscribe to `pattern`: everything published from now on to a topic that it matches is delivered.

        A message comes once, even if several subscriptions match; the first of them governs its delivery.

        Args:
            pattern: A pattern of the bus's dialect.
            **options: See `SubscriptionOptions`.

        Raises:
            InvalidPatternError: `pattern` is not one.
            ValueError: An option is out of its range.
            trio.ClosedResourceError: This agent or feed is closed.
        """
        self._receiving.check_open()
        return Subscription(self._table, pattern, Quota(self._recipient, SubscriptionOptions(**options)))

    async def receive(self) -> Message:
        """Return the next message, as soon as there is one; it counts as handled.

        Raises:
            trio.ClosedResourceError: This agent or feed is closed.
            trio.EndOfChannel: The bus is closed.
            RuntimeError: The agent has a handler, which gets the messages.
        """
        return await self._receiving.receive()

    def receive_nowait(self) -> Message:
        """Return the next message; it counts as handled.

        Raises:
            trio.WouldBlock: There is none.
            trio.ClosedResourceError: This agent or feed is closed.
            trio.EndOfChannel: The bus is closed.
            RuntimeError: The agent has a handler, which gets the messages.
        """
        return self._receiving.receive_nowait()

    def __aiter__(self) -> MessageIterator:
        """Iterate over the messages as they come, until this or the bus is closed.

        While somebody iterates, `Bus.settled` waits until every message has been gone past.
        """
        return self._receiving.iterate()

    def statistics(self) -> AgentStatistics:
        """Return what became of everything that was addressed to it."""
        return self._recipient.statistics()

    def close(self) -> None:
        """End all subscriptions and give the name back. What waits is abandoned, handlers that run are let finish.

        A second close does nothing.
        """
        if not self._receiving.closed:
            for subscription in self.subscriptions:
                subscription.close()
            self._on_close(self._receiving)

    def __repr__(self) -> str:
        """Tell the name and the number of subscriptions."""
        state = "closed " if self.closed else ""
        return f"<{state}{type(self).__name__} {self.name!r} with {len(self._recipient.subscriptions)} subscriptions>"


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


@final
class Feed(_Member):
    """A subscription that is its own recipient; `Bus.subscribe` makes it, and its owner receives or iterates.

    As a context manager it closes itself at the end.

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

    def __enter__(self) -> Feed:
        """Return the feed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the feed."""
        self.close()

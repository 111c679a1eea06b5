"""Observers, middleware and transit: how others watch what happens to messages, and have a say in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, cast

from stentor._native import Journal as Journal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from stentor._mechanisms.deliveries import Delivery
    from stentor._values.messages import Message


class Observer(Protocol):
    """Is told what becomes of every message, in the step in which it happens; it must be quick and must not raise.

    Subclass it for methods that do nothing, and give it to `open_bus(observers=[...])`.

    Of each delivery it is told: that its message was `accepted`, or `recalled` where that was before; `begun` for each
    call of a handler with it, and `retrying` after all of these but the last; and how it ended, by one of `handled`,
    `failed`, `dropped`, `expired`, `stored` and `abandoned`. What is stored is recalled when its agent is there. A
    delivery is one object from its beginning to its end, so that it can be the key of a dictionary.

    Example:
        >>> import stentor, trio
        >>> class Counter(stentor.Observer):
        ...     failures = 0
        ...
        ...     def failed(self, delivery, error):
        ...         self.failures += 1
        >>> async def broken(message):
        ...     raise ValueError("no such model")
        >>> async def main():
        ...     counter = Counter()
        ...     async with stentor.open_bus(observers=[counter]) as bus:
        ...         bus.register("gpt4", broken).subscribe("ai.*")
        ...         await bus.publish("ai.models")
        ...     print(counter.failures)
        >>> trio.run(main)
        1
    """

    def accepted(self, message: Message, recipients: tuple[str, ...], inside: Delivery | None) -> None:
        """A message is accepted, and comes into the mailboxes of these recipients in this very step.

        Args:
            message: The message.
            recipients: The names of those that get it, in subscription order. Who is away from a message that is
                routed is not among them: for those it is `stored`.
            inside: The delivery in whose handler, or in a task of whose handler, it was published; None outside of
                handlers.
        """
        del message, recipients, inside

    def recalled(self, delivery: Delivery) -> None:
        """A message of before comes into a mailbox: a retained value, or one from the agent's stored mailbox."""
        del delivery

    def begun(self, delivery: Delivery) -> None:
        """A handler is about to be called with a delivery, by itself or in a batch, for the `delivery.attempt`-th time.

        What its owner receives, or polls, is not begun but `handled` alone.
        """
        del delivery

    def retrying(self, delivery: Delivery, error: Exception) -> None:
        """An attempt has failed, and another will follow."""
        del delivery, error

    def handled(self, delivery: Delivery, latency: float) -> None:
        """A delivery was handled, so many seconds after its message was accepted."""
        del delivery, latency

    def failed(self, delivery: Delivery, error: Exception) -> None:
        """A delivery has failed for good."""
        del delivery, error

    def dropped(self, delivery: Delivery) -> None:
        """The overflow policy of a full mailbox, or a store that has no room, has dropped a delivery."""
        del delivery

    def expired(self, delivery: Delivery) -> None:
        """The time of a message was up before its handler was called."""
        del delivery

    def stored(self, delivery: Delivery) -> None:
        """A delivery is in the agent's stored mailbox: the agent is durable, or was not there when it was routed."""
        del delivery

    def abandoned(self, delivery: Delivery) -> None:
        """The agent or the bus was closed before a delivery had another outcome."""
        del delivery

    def ending(self) -> None:
        """The end of the bus's block is reached without an error: from now on it only drains."""
        del self


_TOLD: Final = (
    "accepted",
    "recalled",
    "begun",
    "retrying",
    "handled",
    "failed",
    "dropped",
    "expired",
    "stored",
    "abandoned",
)
"""What an observer is told of messages."""


def journals_of(observers: Sequence[Observer]) -> tuple[Journal, ...] | None:
    """Return the observers if all are journals that nothing has to be told but what is written into them, else None."""
    return cast("tuple[Journal, ...]", tuple(observers)) if all(map(_only_writes, observers)) else None


def _only_writes(observer: Observer) -> bool:
    own = type(observer)
    return isinstance(observer, Journal) and all(getattr(own, name) is getattr(Journal, name) for name in _TOLD)


class Middleware(Protocol):
    """Stands around publishing and around the handlers; the first in `open_bus(middleware=[...])` is the outermost.

    Subclass it for methods that change nothing.

    Example:
        >>> import stentor, trio
        >>> class Timing(stentor.Middleware):
        ...     async def delivering(self, delivery, call):
        ...         print("before", delivery.agent)
        ...         answer = await call()
        ...         print("after", delivery.agent)
        ...         return answer
        >>> async def handler(message): ...
        >>> async def main():
        ...     async with stentor.open_bus(middleware=[Timing()]) as bus:
        ...         bus.register("gpt4", handler).subscribe("ai.*")
        ...         await bus.publish("ai.models")
        >>> trio.run(main)
        before gpt4
        after gpt4
    """

    def publishing(self, message: Message) -> Message:
        """Return the message that is published in the place of this one, or raise to refuse it."""
        return message

    async def delivering(self, delivery: Delivery, call: Callable[[], Awaitable[object]]) -> object:
        """Call the handler by `await call()`, and return what it returned; of a batch, `delivery` is the first."""
        del delivery
        return await call()


class Transit(Protocol):
    """Carries messages from publishers to mailboxes, and may lose, delay or double them; `open_bus(transit=...)`.

    What is on its way has its room in the mailbox and keeps the bus from being settled. What is lost counts as dropped,
    and its publisher learns nothing of it. Mailboxes in a store, and replies to whoever asked, are reached at once.

    Example:
        >>> import stentor, trio
        >>> from trio.testing import MockClock
        >>> class Distance(stentor.Transit):
        ...     def arrivals(self, message, agent):
        ...         return [] if agent == "far" else [2.0]
        >>> async def handler(message, delivery):
        ...     print(delivery.agent, "at", trio.current_time() - message.timestamp)
        >>> async def main():
        ...     async with stentor.open_bus(transit=Distance()) as bus:
        ...         for name in ("near", "far"):
        ...             bus.register(name, handler).subscribe("news")
        ...         await bus.publish("news")
        >>> trio.run(main, clock=MockClock(autojump_threshold=0))
        near at 2.0
    """

    def arrivals(self, message: Message, agent: str) -> Sequence[float]:
        """Return after how many seconds each copy of `message` comes into the mailbox of `agent`.

        `(0.0,)` is at once, nothing is never, and two are twice. It is called in the publisher's step, must be quick,
        and may not publish; where it raises, the delivery has failed.
        """
        del message, agent
        return (0.0,)

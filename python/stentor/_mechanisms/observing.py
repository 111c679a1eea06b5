"""Observers and middleware: how others watch what happens to messages, and have a say in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stentor._mechanisms.deliveries import Delivery
    from stentor._values.messages import Message


class Observer(Protocol):
    """Is told of every outcome, in the step in which it happens; its methods must be quick and must not raise.

    Subclass it for methods that do nothing, and give it to `open_bus(observers=[...])`.

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

    def accepted(self, message: Message, recipients: int) -> None:
        """A message was accepted, for so many recipients."""
        del message, recipients

    def handled(self, delivery: Delivery, latency: float) -> None:
        """A delivery was handled, so many seconds after its message was accepted."""
        del delivery, latency

    def failed(self, delivery: Delivery, error: Exception) -> None:
        """A delivery has failed for good."""
        del delivery, error

    def dropped(self, delivery: Delivery) -> None:
        """The overflow policy of a full mailbox has dropped a delivery."""
        del delivery

    def expired(self, delivery: Delivery) -> None:
        """The time of a message was up before its handler was called."""
        del delivery


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

"""What a publisher learns, and what a shutdown left."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Literal, final

from attrs import frozen

from stentor._native import Receipt as Receipt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stentor._values.messages import Message


@final
@frozen(kw_only=True)
class BroadcastResult:
    """What became of one message that the publisher waited for.

    Example:
        >>> import stentor, trio
        >>> async def broken(message):
        ...     raise ValueError("no such model")
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         bus.register("gpt4", broken).subscribe("ai.*")
        ...         result = await bus.publish_and_wait("ai.models", "hello")
        ...         print(result.subscribers_reached, result.delivery_failures, result.errors[0][0])
        >>> trio.run(main)
        0 1 gpt4
    """

    message_id: str
    """The `id` of the message."""
    target: str
    """The topic, or the agent, that it was published to."""
    subscribers_reached: int
    """How many handlers finished; and how many mailboxes accepted it whose owners receive, poll or get batches, or are
    durable: what their handlers do later is not told here."""
    pattern_matches: int
    """How many of all recipients were found through a wildcard pattern."""
    delivery_failures: int
    """How many handlers never finished: they failed, ran out of time, or the message expired before them."""
    latency_ms: float
    """Milliseconds from the call to the last outcome."""
    errors: tuple[tuple[str, Exception], ...]
    """The agent and the exception of every failure, in the order in which they came."""


@final
@frozen(kw_only=True)
class LeftDelivery:
    """One delivery that the end of a bus, or of an agent, left without an outcome."""

    agent: str
    """For whom the message was."""
    message: Message
    """The message."""
    state: Literal["waiting", "running"]
    """Whether it still waited in the mailbox, or its handler had begun and was cancelled."""


class Routed(Enum):
    """What became of a routed message for one recipient.

    Example:
        >>> import stentor
        >>> stentor.Routed.QUEUED.value
        'queued'
    """

    DELIVERED = "delivered"
    """Its handler has finished, or it waits in the mailbox of somebody who is there to read it."""
    QUEUED = "queued"
    """It is in the stored mailbox: there is no handler, or the agent is away."""
    REJECTED = "rejected"
    """It was not accepted: a mailbox is full, or the store refused it."""
    FAILED = "failed"
    """Its handler failed for good, or ran out of time; it is in the stored mailbox, marked so."""


@final
@frozen(kw_only=True)
class RouteResult:
    """What became of one routed message, for each of its recipients.

    Example:
        >>> import stentor, trio
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         bus.register("gpt4")
        ...         result = await bus.route(stentor.Message("gpt4", "hello", addressing=stentor.AddressingMode.DIRECT))
        ...         print(result.outcomes)
        >>> trio.run(main)
        {'gpt4': <Routed.QUEUED: 'queued'>}
    """

    message_id: str
    """The `id` of the message."""
    target: str
    """The topic, or the agent, that it was addressed to."""
    outcomes: Mapping[str, Routed]
    """For each recipient by name, what became of it."""
    errors: Mapping[str, Exception]
    """The exception, for each recipient that has one."""


@final
@frozen(kw_only=True)
class Replies:
    """The answers to a question that everybody was asked, by `Bus.gather`.

    Example:
        >>> import stentor, trio
        >>> async def agree(message):
        ...     return "yes"
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         for name in ("ann", "bob"):
        ...             bus.register(name, agree).subscribe("vote")
        ...         replies = await bus.gather("vote", "shall we?")
        ...         print([(reply.sender, reply.payload) for reply in replies.messages], replies.complete)
        >>> trio.run(main)
        [('ann', 'yes'), ('bob', 'yes')] True
    """

    messages: tuple[Message, ...]
    """The replies, in the order in which they came."""
    errors: tuple[tuple[str, Exception], ...]
    """Each agent whose handler failed, with its exception."""
    silent: tuple[str, ...]
    """Who neither answered nor failed in time."""

    @property
    def complete(self) -> bool:
        """Whether everybody answered or failed."""
        return not self.silent

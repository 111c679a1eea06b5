"""A delivery: one message for one recipient, from acceptance to its one outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, final

if TYPE_CHECKING:
    from trio import CancelScope

    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.routes import Selection, Target
    from stentor._mechanisms.subscriptions import Subscription
    from stentor._values.messages import Message
    from stentor._values.modes import Mode
    from stentor._values.options import DeliveryMode


class Watcher(Protocol):
    """Somebody who wants to know the outcome of each delivery of one publish."""

    def keeps(self, delivery: Delivery, error: Exception) -> bool:
        """Take care of what has failed for good, and say whether it does: then it is no dead letter."""
        ...

    def select(self, selection: Selection) -> Selection:
        """Return to whom, of those it may go to now, the message shall go; or refuse by an exception."""
        ...

    def accepted(self, delivery: Delivery) -> None:
        """Take note of a delivery that is now in its mailbox."""
        ...

    def over(self, delivery: Delivery, error: Exception | None) -> None:
        """Take note that the handler has finished, or that it never will and why."""
        ...


WAITING: Final = 0
RUNNING: Final = 1
OVER: Final = 2
BACKING_OFF: Final = 3


@final
class Delivery:
    """One message for one agent; handlers may take it as their second argument.

    Example:
        >>> import stentor, trio
        >>> async def handler(message, delivery):
        ...     print(delivery.agent, [sub.pattern for sub in delivery.subscriptions], delivery.attempt)
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         agent = bus.register("gpt4", handler)
        ...         agent.subscribe("ai.*")
        ...         agent.subscribe("ai.models")
        ...         await bus.publish("ai.models", "hello")
        >>> trio.run(main)
        gpt4 ['ai.*', 'ai.models'] 1
    """

    message: Message
    """The message: one object, shared with every other recipient."""
    attempt: int = 1
    """How many times its handler has been called with it, this call included."""
    redelivered: bool = False
    """Whether it may have been handled before: it was handed out, from a stored mailbox or by polling, and not
    acknowledged."""

    # What few deliveries need has its default on the class, so that making one stores three things.
    _state: int = WAITING
    _arrived: float = 0.0
    _started: float = 0.0
    _batch: tuple[Delivery, ...] | None = None
    _scope: CancelScope | None = None
    _cause: Exception | None = None

    def __init__(self, message: Message, target: Target, watcher: Watcher | None) -> None:
        """Make a delivery that nobody has handled yet; only the dispatcher does so."""
        self.message = message
        self._target = target
        self._watcher = watcher

    @property
    def agent(self) -> str:
        """The name of the agent that it is for."""
        return self._target.quota.lane.recipient.name

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """All of the agent's subscriptions that matched, in order of subscription."""
        return self._target.subscriptions

    @property
    def mode(self) -> DeliveryMode | Mode:
        """The mode of the subscription that governs this delivery: the first that matched."""
        return self._target.quota.options.mode

    def __repr__(self) -> str:
        """Name the message and the agent."""
        return f"<Delivery of {self.message.id} on {self.message.topic!r} to {self.agent!r}, attempt {self.attempt}>"


def members(lead: Delivery) -> tuple[Delivery, ...]:
    """Return all deliveries of the call that `lead` stands for."""
    return (lead,) if lead._batch is None else lead._batch


def recipient_of(delivery: Delivery) -> Recipient:
    """Return the recipient that waits for `delivery`."""
    return delivery._target.quota.lane.recipient

"""Extensions: what adds to a bus takes messages from it, brings others to it, and has topics of its own on it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack, final

import trio

from stentor._bus.agent import Agent
from stentor._machine.relaying import RelayedQuestion
from stentor._mechanisms.handlers import check_handler
from stentor._native import Relay
from stentor._values import checks
from stentor._values.messages import AddressingMode, Message
from stentor._values.options import options_from
from stentor._values.patterns import validate_topic
from stentor._values.policies import DEFAULT_POLICY
from stentor._values.results import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self

    from stentor._bus.bus import Bus
    from stentor._mechanisms.handlers import Handler
    from stentor._mechanisms.health import Problem
    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.registry import AgentListener
    from stentor._mechanisms.subscriptions import Subscription, SubscriptionListener
    from stentor._values.options import FeedKeywords


MOST_QUESTIONS: Final = 100_000
"""Relayed questions that may still be answered; beyond that the oldest may not, whatever its deadline."""


class ExtensionHooks(TypedDict, total=False):
    """What an extension wants to be called with; see `Bus.extend`."""

    on_subscription: SubscriptionListener
    on_agent: AgentListener
    health: Callable[[], Iterable[Problem]]


@final
class Extension:
    """Something that adds to a bus, such as a bridge to other processes; `Bus.extend` makes it.

    It takes messages by recipients of its own, which are no agents: they are not counted as such, and get no broadcast.
    What it relays never comes back to them. It may publish under the reserved first segment, where a subscriber must
    spell its name. As a context manager it closes itself at the end.

    Example:
        >>> import stentor, trio
        >>> async def main():
        ...     async with stentor.open_bus() as bus, stentor.open_bus() as other:
        ...         with bus.extend("echo") as here, other.extend("echo") as there:
        ...             here.register(there.relay).subscribe("ai.**")
        ...             there.register(here.relay).subscribe("ai.**")
        ...             with other.subscribe("ai.*") as feed:
        ...                 sent = await bus.publish("ai.models", "hello")
        ...                 message = await feed.receive()
        ...                 print(message.payload, message.id == sent.message_id)
        >>> trio.run(main)
        hello True
    """

    __slots__ = ("_agents", "_bus", "_hooks", "_own", "_parts", "_questions", "closed", "name")

    name: str
    """The topic under which it publishes: the reserved segment, and the name that was given."""
    closed: bool
    """Whether it has been closed."""

    def __init__(self, name: str, bus: Bus, hooks: ExtensionHooks) -> None:
        """Extend `bus`; users call `Bus.extend`."""
        checks.keywords("extend()", hooks, ExtensionHooks.__annotations__)
        for hook, function in hooks.items():
            checks.function(hook, function)
        self.name = name
        self.closed = False
        self._bus = bus
        self._hooks = hooks
        self._parts = parts = bus._parts
        self._agents: list[Agent] = []
        self._own: tuple[Recipient, ...] = ()
        """The recipients of those."""
        self._questions: dict[RelayedQuestion, float] = {}
        """Those from elsewhere that may still be answered, with their deadlines."""
        if "on_subscription" in hooks:
            parts.table.on_change.append(hooks["on_subscription"])
        if "on_agent" in hooks:
            parts.registry.on_change.append(hooks["on_agent"])
        if "health" in hooks:
            parts.examiners.append(hooks["health"])

    # -- out of the bus -----------------------------------------------------------------------------------------------

    def register(
        self, handler: Handler, *, concurrency: int = 1, durable: bool = False, **options: Unpack[FeedKeywords]
    ) -> Agent:
        """Add a recipient of the extension's own, which subscribes as an agent does.

        Args:
            handler: As for `Bus.register`. What fails in it is logged and a dead letter.
            concurrency: As for `Bus.register`.
            durable: As for `Bus.register`.
            **options: Those of `SubscriptionOptions`, for what it gets in the place of agents that it stands in for.

        Raises:
            TypeError: `handler` is not an async function.
            ValueError: An option is out of its range.
            trio.ClosedResourceError: The extension or the bus is closed.
        """
        self._check_open()
        slots = checks.whole("concurrency", concurrency, least=1)
        if checks.instance("durable", durable, bool) and self._parts.settings.store is None:
            msg = "durable must go with a store given to open_bus"
            raise ValueError(msg)
        name = self.name if not self._agents else self._topic(f"{len(self._agents) + 1}")
        recipient = self._parts.recipient(name, handler, DEFAULT_POLICY, options_from(options))
        recipient.wants_delivery = check_handler(handler) > 1
        recipient.slots = min(slots, sys.maxsize)
        recipient.is_extension = True
        recipient.durable = durable
        self._parts.registry.add(recipient)
        agent = Agent(recipient, self._parts)
        self._agents.append(agent)
        self._own = (*self._own, recipient)
        if name in self._parts.backlog.names:
            agent.leave()
            agent.rejoin()
        return agent

    def stand_in(self, name: str, agent: Agent) -> None:
        """Let `agent`, one of the extension's own, have what is sent to an agent of that name, which is elsewhere.

        Raises:
            AlreadyRegisteredError: An agent of this bus, or one that somebody else stands in for, has the name.
            InvalidTopicError: `name` is no name.
            trio.ClosedResourceError: The extension or the bus is closed.
        """
        self._check_open()
        validate_topic(name, self._parts.settings.dialect)
        self._parts.registry.stand_in(name, agent._recipient)

    def stand_down(self, name: str, agent: Agent) -> None:
        """Let `agent` stand in for the agent of that name no more; if it did not, nothing happens."""
        self._parts.registry.stand_down(name, agent._recipient)

    def expects_reply(self, message: Message) -> bool:
        """Say whether somebody on this bus waits for a reply to `message`."""
        return self._parts.requests.expects(message)

    # -- into the bus -------------------------------------------------------------------------------------------------

    async def relay(
        self,
        message: Message,
        *,
        redelivered: bool = False,
        done: Callable[[bool], object] | None = None,
        answer: Callable[[Message], bool] | None = None,
    ) -> Receipt:
        """Publish a message that another bus has accepted, as `Bus.publish` does; id, time and cause stay as they are.

        Middleware and permissions have their say in it.

        Args:
            message: The message; its times are on the clock of this bus.
            redelivered: Whether it may have been handled before; handlers see that in `Delivery.redelivered`.
            done: Is called once with True when everybody has handled it or failed on it, at once if it is for nobody;
                with False when the end of an agent or of the bus has left it. Only those are waited for whom
                `Bus.settled` waits for.
            answer: Is called with each reply that an agent gives to it, and says whether it was still waited for.

        Raises:
            ValueError: `message` has no id, or its topic is reserved.
            UnknownAgentError: It is addressed to an agent that does not exist.
            MailboxFullError: A mailbox with `Overflow.FAIL` is full; nobody gets the message.
            PermissionDeniedError: The sender may not publish it here.
            trio.ClosedResourceError: The extension or the bus is closed.
        """
        message, relay = self._prepare(message, redelivered=redelivered, done=done, answer=answer)
        selection = await self._parts.publishing.publish(message, relay)
        if relay is not None:
            relay.committed()
        return Receipt(message=message, recipients=selection.names)

    def relay_nowait(
        self,
        message: Message,
        *,
        redelivered: bool = False,
        done: Callable[[bool], object] | None = None,
        answer: Callable[[Message], bool] | None = None,
    ) -> Receipt:
        """Publish as `relay` does, but raise where that would wait.

        Raises:
            trio.WouldBlock: A mailbox with `Overflow.BLOCK` is full, or a message must be stored first; nobody gets it.
            Exception: What else `relay` raises.
        """
        message, relay = self._prepare(message, redelivered=redelivered, done=done, answer=answer)
        selection = self._parts.publishing.publish_nowait(message, relay)
        if relay is not None:
            relay.committed()
        return Receipt(message=message, recipients=selection.names)

    def relay_many(
        self,
        messages: list[Message | None],
        start: int = 0,
        *,
        tokens: list[Any] | None = None,
        done: Callable[[Any, bool], object] | None = None,
    ) -> tuple[int, int, int]:
        """Relay messages one after another, for as long as each is ordinary, which costs far less than one by one.

        It stops at the first of which something is out of the ordinary: a mailbox is full or is none of handlers that
        are called at once, middleware or permissions have a say, it is for one agent, or it would be refused. Nobody
        has that one yet, and `relay` takes it.

        Args:
            messages: What `relay` takes, or None for what needs no relaying and only counts as done.
            start: The place of the first.
            tokens: One for each of `messages`.
            done: Is called, as that of `relay`, with the token of each message and whether everybody has handled it.

        Returns:
            The place where it stopped, the number of messages that were for somebody, and of those for nobody.

        Raises:
            trio.ClosedResourceError: The extension or the bus is closed.
        """
        self._check_open()
        return self._parts.door.relay(messages, start, self._own, tokens, done)

    def _prepare(
        self,
        message: Message,
        *,
        redelivered: bool,
        done: Callable[[bool], object] | None,
        answer: Callable[[Message], bool] | None,
    ) -> tuple[Message, Relay | None]:
        """Return the message as it is admitted, and what watches it, if anything must."""
        self._check_open()
        if not checks.instance("message", message, Message).id:
            msg = "message must be one that a bus has stamped, but has no id"
            raise ValueError(msg)
        message = self._bus._admit_message(message)
        if answer is not None:
            self._expect(RelayedQuestion(message, answer))
        watched = redelivered or done is not None or message.addressing is not AddressingMode.TOPIC
        if watched or any(recipient.is_subscribed for recipient in self._own):
            return message, Relay(self._own, done, redelivered=redelivered)
        return message, None

    def _expect(self, question: RelayedQuestion) -> None:
        """Let replies find the way back until the deadline of the question."""
        now = self._parts.clock()
        while self._questions:
            earlier, deadline = next(iter(self._questions.items()))
            if deadline > now and len(self._questions) < MOST_QUESTIONS:
                break
            self._parts.requests.close(earlier)
            del self._questions[earlier]
        self._questions[question] = question.message.expires_at
        self._parts.requests.open(question)

    def reply(self, message: Message) -> bool:
        """Give a reply that was made elsewhere to whoever asked here, and return whether they still waited.

        Raises:
            trio.ClosedResourceError: The extension or the bus is closed.
        """
        self._check_open()
        return self._parts.requests.reply(message)

    def announce(self, name: str, payload: object = None, *, retain: bool = False) -> Receipt:
        """Publish to the topic `name` below the extension's own, wherever there is room for it.

        Args:
            name: One or more segments.
            payload: Anything.
            retain: As for `Bus.publish`.

        Raises:
            InvalidTopicError: `name` is no topic.
            trio.ClosedResourceError: The extension or the bus is closed.
        """
        self._check_open()
        message = self._parts.stamper.stamp(self._topic(name), payload, AddressingMode.TOPIC, sender=self.name)
        selection = self._parts.publishing.publish_where_room(message)
        if retain:
            self._parts.retained.put(message, message.timestamp)
        return Receipt(message=message, recipients=selection.names)

    # -- what there is ------------------------------------------------------------------------------------------------

    def subscriptions(self) -> list[Subscription]:
        """Return all subscriptions of the bus but those of extensions, in order of subscription."""
        return [subscription for subscription in self._parts.table if not subscription.is_extensions]

    def agents(self) -> list[str]:
        """Return the names of the agents of the bus, in order of registration."""
        return list(self._parts.registry.names())

    # -- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End it: its recipients are closed, and nothing more is asked or told. A second close does nothing."""
        if self.closed:
            return
        self.closed = True
        del self._bus._extensions[self.name]
        for question in self._questions:
            self._parts.requests.close(question)
        hooks = self._hooks
        if "on_subscription" in hooks:
            self._parts.table.on_change.remove(hooks["on_subscription"])
        if "on_agent" in hooks:
            self._parts.registry.on_change.remove(hooks["on_agent"])
        if "health" in hooks:
            self._parts.examiners.remove(hooks["health"])
        self._parts.registry.stand_down_all(self._own)
        for agent in self._agents:
            agent.close()

    def __enter__(self) -> Self:
        """Return the extension."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the extension."""
        self.close()

    def __repr__(self) -> str:
        """Tell the name."""
        return f"<{'closed ' if self.closed else ''}Extension {self.name!r}>"

    def _topic(self, name: str) -> str:
        separator = self._bus.dialect.separator or "."
        return validate_topic(f"{self.name}{separator}{name}", self._parts.settings.dialect)

    def _check_open(self) -> None:
        if self.closed or self._bus._state == "closed":
            msg = f"the extension {self.name!r} is closed" if self.closed else "the bus is closed"
            raise trio.ClosedResourceError(msg)

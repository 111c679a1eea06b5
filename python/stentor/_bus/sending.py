"""The sending side of a bus: publish, send, broadcast, route, ask and answer."""

from __future__ import annotations

from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Final, Unpack

import trio

from stentor._bus.receiving import Receiving
from stentor._machine.requests import Request, ask_at_once, no_reply, wait
from stentor._machine.resubmission import Resubmission
from stentor._machine.stamping import MessageOptions
from stentor._mechanisms.subscriptions import RESERVED, reserved_topic
from stentor._native import Publisher
from stentor._values import checks
from stentor._values.errors import UnknownAgentError
from stentor._values.messages import AddressingMode, Message
from stentor._values.results import BroadcastResult, Receipt, Replies

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stentor._bus.extension import Extension
    from stentor._bus.parts import Parts
    from stentor._machine.outcomes import Outcomes
    from stentor._mechanisms.deliveries import Delivery
    from stentor._mechanisms.routes import Selection
    from stentor._values.results import RouteResult

_TOPIC: Final = AddressingMode.TOPIC


class Sending(Publisher):
    """Everything that hands a message to the bus; publishing begins in its native part."""

    def __init__(  # pyright: ignore[reportInconsistentConstructor] - the native part takes whatever comes
        self, parts: Parts
    ) -> None:
        """Make an open bus of its parts; users call `open_bus`."""
        self._parts = parts
        self._desk = parts.requests.desk
        self._opened_at = parts.clock()
        self._state = "open"
        self._thread = get_ident()
        self._extensions: dict[str, Extension] = {}
        self._everybody = reserved_topic(parts.settings.dialect, "broadcast")
        parts.calls.on_answer = self._answer

    async def _publish(
        self,
        topic: str,
        payload: object,
        *,
        retain: bool = False,
        confirm: bool = False,
        **options: Unpack[MessageOptions],
    ) -> Receipt:
        """Publish what the door leaves to the machine."""
        message = self._stamp(topic, payload, options)
        outcomes = self._parts.publishing.watch() if confirm else None
        keep = partial(self._parts.retained.put, message, message.timestamp) if retain else None
        selection = await self._parts.publishing.publish(message, outcomes, accepted=keep)
        return receipt_of(
            message, selection, None if outcomes is None else partial(self._confirm, message, selection, outcomes)
        )

    async def _confirm(self, message: Message, selection: Selection, outcomes: Outcomes) -> BroadcastResult:
        with self._parts.waits.waiting_for(outcomes.awaited):
            await self._parts.publishing.handled(outcomes)
        return self._broadcast_result(message, selection, outcomes)

    def _publish_nowait(
        self, topic: str, payload: object, *, retain: bool = False, **options: Unpack[MessageOptions]
    ) -> Receipt:
        """Publish what the door leaves to the machine, or raise where that would wait."""
        message = self._stamp(topic, payload, options)
        selection = self._parts.publishing.publish_nowait(message)
        if retain:
            self._parts.retained.put(message, message.timestamp)
        return receipt_of(message, selection)

    async def publish_and_wait(
        self, topic: str, payload: object = None, *, timeout: float | None = None, **options: Unpack[MessageOptions]
    ) -> BroadcastResult:
        """Publish, wait until every handler has finished or failed, and return what became of the message.

        That is every handler in REALTIME mode. For recipients of other modes, without a handler, or durable, it waits
        only until they have the message: they count as reached, and a failure later is not in the result.

        Args:
            topic: A concrete name, without wildcards.
            payload: Anything.
            timeout: Seconds after which handlers that still run are cancelled, and messages that still wait are
                withdrawn; both count as failures. None waits for ever.
            **options: As for `publish`.

        Raises:
            InvalidTopicError: `topic` is not one.
            PermissionDeniedError: The sender may not publish to it.
            MailboxFullError: A mailbox with `Overflow.FAIL` is full; nobody gets the message.
            DeadlockError: A handler would wait for an agent that waits for it.
            ValueError: `timeout` or an option is out of its range, or `topic` is reserved.
            trio.ClosedResourceError: The bus is closed.
        """
        if timeout is not None:
            timeout = checks.seconds("timeout", timeout, infinite=True)
        message = self._stamp(topic, payload, options)
        selection, outcomes = await self._parts.publishing.publish_and_wait(message, timeout)
        return self._broadcast_result(message, selection, outcomes)

    async def send(self, name: str, payload: object = None, **options: Unpack[MessageOptions]) -> Receipt:
        """Send to one agent by its name, observed by whoever's pattern matches that name.

        Args:
            name: The agent's.
            payload: Anything.
            **options: As for `publish`.

        Raises:
            InvalidTopicError: `name` is no name.
            UnknownAgentError: There is no such agent.
            PermissionDeniedError: The sender may not send to it.
            MailboxFullError: The mailbox refuses, and is full.
            DeadlockError: A handler would wait for an agent that waits for it.
            ValueError: An option is out of its range, or `name` is reserved.
            trio.ClosedResourceError: The bus is closed.
        """
        message = self._stamp(name, payload, options, AddressingMode.DIRECT)
        return receipt_of(message, await self._parts.publishing.publish(message))

    async def broadcast(self, payload: object = None, **options: Unpack[MessageOptions]) -> Receipt:
        """Send to every agent but the sender, whatever it is subscribed to.

        Args:
            payload: Anything.
            **options: As for `publish`.

        Raises:
            PermissionDeniedError: The sender may not send to one of them; nobody gets the message.
            MailboxFullError: A mailbox that refuses is full; nobody gets the message.
            DeadlockError: A handler would wait for an agent that waits for it.
            ValueError: An option is out of its range.
            trio.ClosedResourceError: The bus is closed.
        """
        message = self._stamp(self._everybody, payload, options, AddressingMode.BROADCAST)
        return receipt_of(message, await self._parts.publishing.publish(message))

    async def route(self, message: Message, *, timeout: float | None = None) -> RouteResult:
        """Deliver `message` in real time, and store it for whoever cannot take it now.

        Where an agent has no handler, or is away, the message goes to its stored mailbox and is delivered when it
        returns; where the handler fails for good, or runs out of time, it is stored once, marked as failed, and read by
        `Agent.poll` only.

        Args:
            message: What is to be delivered; the bus stamps a copy with an id and the time.
            timeout: Seconds after which handlers that still run are cancelled; None for the agents' own timeouts.

        Raises:
            TypeError: `message` is not a `Message`.
            UnknownAgentError: It is addressed to an agent that does not exist.
            PermissionDeniedError: The sender may not publish it.
            MailboxFullError: A mailbox with `Overflow.FAIL` is full.
            DeadlockError: A handler would wait for an agent that waits for it.
            trio.ClosedResourceError: The bus is closed.
        """
        self._check_accepting()
        self._check_inside()
        if timeout is not None:
            timeout = checks.seconds("timeout", timeout, infinite=True)
        checks.instance("message", message, Message)
        topic = self._everybody if message.addressing is AddressingMode.BROADCAST else message.topic
        stamped = self._admit_message(self._parts.stamper.restamp(message, topic))
        return await self._parts.router.route(stamped, timeout)

    # -- questions and answers ----------------------------------------------------------------------------------------

    async def _request(
        self,
        topic: str,
        payload: object,
        *,
        timeout: float = 5.0,
        addressing: AddressingMode | str = AddressingMode.TOPIC,
        **options: Unpack[MessageOptions],
    ) -> Message:
        """Ask what the desk leaves to the machine."""
        request = await self._ask(topic, payload, timeout, options, addressing, wanted=1)
        reply = request.first
        if reply is None:
            raise no_reply(request)
        return reply

    async def gather(
        self,
        topic: str,
        payload: object = None,
        *,
        timeout: float = 5.0,
        addressing: AddressingMode | str = AddressingMode.TOPIC,
        **options: Unpack[MessageOptions],
    ) -> Replies:
        """Publish a question, and return everybody's answers: when all are there, or the time is up.

        Args:
            topic: A concrete name, without wildcards; or, by `addressing`, that of an agent.
            payload: The question.
            timeout: Seconds; the message carries it as its deadline, unless one is given that is earlier.
            addressing: As for `request`.
            **options: As for `publish`.

        Raises:
            NoResponderError: No agent listens there; feeds are not asked.
            Exception: What else `request` raises before anybody is asked; who failed or was silent is in the result.
        """
        request = None
        if addressing is _TOPIC:
            request = await ask_at_once(self._desk, topic, payload, timeout, options=options, wanted=None)
        if request is None:
            request = await self._ask(topic, payload, timeout, options, addressing, wanted=None)
        return Replies(messages=request.replies, errors=request.errors, silent=request.silent)

    async def _ask(
        self,
        topic: str,
        payload: object,
        timeout: float,
        options: MessageOptions,
        addressing: AddressingMode | str,
        *,
        wanted: int | None,
    ) -> Request:
        parts = self._parts
        limit = checks.seconds("timeout", timeout)
        mode = addressing if addressing is _TOPIC else checks.member("addressing", addressing, AddressingMode)
        if mode is AddressingMode.BROADCAST:
            topic = self._everybody
        deadline = parts.clock() + limit
        if (given := options.get("deadline")) is not None:
            deadline = min(deadline, checks.seconds("deadline", given, zero=True))
        message = self._stamp(topic, payload, {**options, "deadline": deadline}, mode)
        request = Request(message, wanted, self._desk)
        parts.requests.open(request)
        try:
            with parts.waits.waiting_for(request.awaited):
                if await parts.publishing.publish_until(deadline, message, request):
                    await wait(request, deadline)
        finally:
            request.leave()
        return request

    def reply(self, message: Message, payload: object = None, **options: Unpack[MessageOptions]) -> bool:
        """Answer a request, and return whether whoever asked still waited.

        A request waits for the agents that it reached, and not for feeds: where only feeds heard it, nobody waits.

        Args:
            message: The request.
            payload: The answer.
            **options: As for `publish`; `sender` is the agent whose handler answers, if nothing else is said.

        Raises:
            TypeError: `message` is not a `Message`, or an option is of the wrong type.
            ValueError: An option is out of its range, or `message` has no id, so that no bus has stamped it.
            trio.ClosedResourceError: The bus is closed.
        """
        self._check_accepting()
        if not checks.instance("message", message, Message).id:
            msg = "message must be one that a bus has stamped, but has no id"
            raise ValueError(msg)
        delivery = self._parts.current.get()
        if delivery is not None:
            options.setdefault("sender", delivery.agent)
        topic = self._parts.requests.reply_to + message.id
        options["in_reply_to"] = message.id
        answer = self._parts.stamper.stamp(topic, payload, AddressingMode.TOPIC, **options)
        heard = self._parts.table.eavesdropping > 0 or not self._parts.requests.expects(message)
        self._parts.publishing.publish_where_room(answer, heard=heard)
        return self._parts.requests.reply(answer)

    def _answer(self, delivery: Delivery, payload: object) -> None:
        """Take what a handler returned as its answer, if somebody waits for one."""
        if self._parts.requests.expects(delivery.message) and self._state != "closed":
            token = self._parts.current.set(delivery)
            try:
                self.reply(delivery.message, payload)
            finally:
                self._parts.current.reset(token)

    # -- at the door --------------------------------------------------------------------------------------------------

    def _stamp(
        self,
        topic: str,
        payload: object,
        options: MessageOptions,
        addressing: AddressingMode = AddressingMode.TOPIC,
    ) -> Message:
        self._check_accepting()
        self._check_inside()
        try:
            message = self._parts.stamper.stamp(topic, payload, addressing, **options)
        except TypeError:
            checks.keywords("a publish", options, MessageOptions.__annotations__)
            raise
        return self._admit_message(message)

    def _admit_message(self, message: Message) -> Message:
        for middleware in self._parts.settings.middleware:
            message = _stamped_as(message, middleware.publishing(message))
        permissions = self._parts.permissions
        if message.addressing is AddressingMode.BROADCAST:
            permissions.check_broadcast(message.sender, self._parts.registry.names())
        elif message.topic.startswith(RESERVED):
            msg = f"topic must not begin with {RESERVED!r}, which is reserved, but is {message.topic!r}"
            raise ValueError(msg)
        elif permissions.active:
            permissions.check_publish(message.sender, message.topic)
        return message

    async def _send_again(self, message: Message, name: str) -> Receipt:
        self._check_accepting()
        self._check_inside()
        recipient = self._parts.registry.get(name)
        if recipient is None:
            raise UnknownAgentError(name)
        return receipt_of(message, await self._parts.publishing.publish(message, Resubmission(recipient)))

    def _broadcast_result(self, message: Message, selection: Selection | None, outcomes: Outcomes) -> BroadcastResult:
        return BroadcastResult(
            message_id=message.id,
            target=message.topic,
            subscribers_reached=outcomes.reached,
            pattern_matches=0 if selection is None else selection.wildcards,
            delivery_failures=len(outcomes.errors),
            latency_ms=(self._parts.clock() - message.timestamp) * 1000.0,
            errors=tuple(outcomes.errors),
        )

    def _check_accepting(self) -> None:
        """Refuse what comes when the bus is closed or, from outside of handlers, when it is closing."""
        if self._state != "open" and (self._state == "closed" or self._parts.current.get() is None):
            self._check_open()

    def _check_inside(self) -> None:
        """Refuse what comes from elsewhere than a task of the bus's own run: nobody would be woken for it."""
        try:
            trio.lowlevel.current_task()
            is_inside = get_ident() == self._thread
        except RuntimeError:
            is_inside = False
        if not is_inside:
            msg = "only a task of the trio run that the bus is in may do this; others hand it messages by bus.portal()"
            raise RuntimeError(msg)

    def _check_open(self) -> None:
        if self._state != "open":
            msg = f"the bus is {self._state}"
            raise trio.ClosedResourceError(msg)

    # -- the end ------------------------------------------------------------------------------------------------------

    async def _drain(self, timeout: float) -> None:
        """Refuse what comes from outside, fill no more batches, and wait until all is handled or the time is over.

        What has come through portals before is still accepted.
        """
        for entrance in list(self._parts.entrances):
            entrance.close()
            entrance.take_in()
        for observer in self._parts.ledger.observers:
            observer.ending()
        self._state = "closing"
        self._parts.door.open = False
        self._parts.readiness.flush(list(self._parts.registry))
        await self._parts.quiescence.reached_within(timeout)

    @trio.lowlevel.enable_ki_protection
    def _close(self) -> None:
        """Write down what is left; nothing runs any more."""
        self._state = "closed"
        self._parts.door.open = False
        self._parts.publishing.close()
        self._parts.readiness.stop()
        self._parts.closed = True
        for recipient in self._parts.registry.named():
            Receiving(recipient, self._parts).end()
        for recipient in list(self._parts.registry):
            self._parts.attendance.close(recipient)
        self._parts.requests.give_up()


def _stamped_as(stamped: Message, message: Message) -> Message:
    """Return what a middleware made of a message that the bus has stamped; the stamp stays."""
    if message is stamped:
        return message
    checks.instance("publishing()", message, Message)
    return message.replace(id=stamped.id, timestamp=stamped.timestamp, cause=stamped.cause)


def receipt_of(
    message: Message, selection: Selection, confirm: Callable[[], Awaitable[BroadcastResult]] | None = None
) -> Receipt:
    return Receipt(message=message, recipients=selection.names, confirm=confirm)

"""The bus: agents and feeds come and go, messages are published, and the end is orderly."""

from __future__ import annotations

import secrets
from contextvars import copy_context
from itertools import count
from typing import TYPE_CHECKING, Unpack, final

import trio

from stentor._bus.agent import Agent, Feed
from stentor._bus.receiving import Receiving
from stentor._machine.dispatcher import Dispatcher
from stentor._machine.publishing import Publishing
from stentor._machine.quiescence import Quiescence
from stentor._machine.stamping import Stamper
from stentor._machine.waits import Waits
from stentor._machine.workers import Workers
from stentor._mechanisms.deliveries import current_delivery
from stentor._mechanisms.handlers import check_handler
from stentor._mechanisms.recipients import Recipient
from stentor._mechanisms.registry import Registry
from stentor._mechanisms.statistics import BusStatistics
from stentor._mechanisms.subscriptions import RESERVED, SubscriptionTable
from stentor._values import checks
from stentor._values.errors import NotSettledError
from stentor._values.messages import AddressingMode
from stentor._values.patterns import validate_topic
from stentor._values.results import BroadcastResult, LeftDelivery, Receipt

if TYPE_CHECKING:
    from stentor._machine.stamping import MessageOptions
    from stentor._mechanisms.handlers import Handler
    from stentor._mechanisms.subscriptions import Route
    from stentor._values.dialects import DialectLike
    from stentor._values.messages import Message
    from stentor._values.options import SubscriptionKeywords

@final
class Bus:
    """A message bus of one process; `open_bus` makes it.

    Publishing is one synchronous step: the message is put into every matching mailbox, or into none.
    """

    def __init__(self, nursery: trio.Nursery, dialect: DialectLike, cache_capacity: int) -> None:
        """Make an open bus whose workers live in `nursery`; users call `open_bus`."""
        self._dialect = dialect
        self._clock = trio.lowlevel.current_clock().current_time
        self._opened_at = self._clock()
        self._table = SubscriptionTable(dialect, cache_capacity=cache_capacity)
        self._dispatcher = Dispatcher(self._clock)
        self._publishing = Publishing(self._table, self._dispatcher, Waits())
        self._quiescence = Quiescence(self._dispatcher)
        self._stamper = Stamper(secrets.token_hex(4), self._clock)
        self._registry = Registry()
        self._members: dict[str, Receiving] = {}
        self._feed_numbers = count(1)
        self._state = "open"
        Workers(self._dispatcher, nursery)

    # -- agents and subscriptions -------------------------------------------------------------------------------------

    def register(self, name: str, handler: Handler | None = None, *, concurrency: int = 1) -> Agent:
        """Add an agent.

        Args:
            name: A topic without wildcards that no other agent of this bus has.
            handler: An async function of `(message)` or `(message, delivery)`. Without one, the owner receives.
            concurrency: How many of its messages may be handled at once; they begin in their order.

        Raises:
            InvalidTopicError: `name` is no topic.
            AlreadyRegisteredError: Another agent has the name.
            TypeError: `handler` is not an async function.
            ValueError: `concurrency` is smaller than 1, or `name` is reserved.
            trio.ClosedResourceError: The bus is closed.
        """
        self._check_open()
        validate_topic(checks.instance("name", name, str), self._dialect)
        if name.startswith(RESERVED):
            msg = f"name must not begin with {RESERVED!r}, which is reserved, but is {name!r}"
            raise ValueError(msg)
        arity = 1 if handler is None else check_handler(handler)
        checks.whole("concurrency", concurrency, least=1)
        slots = 0 if handler is None else concurrency
        recipient = Recipient(name, handler, copy_context(), wants_delivery=arity > 1, slots=slots)
        return Agent(self._admit(recipient), self._table, self._dismiss)

    def subscribe(self, pattern: str, **options: Unpack[SubscriptionKeywords]) -> Feed:
        """Subscribe without an agent: what matches waits in a mailbox of its own for whoever iterates or receives.

        Args:
            pattern: A pattern of the bus's dialect.
            **options: See `SubscriptionOptions`.

        Raises:
            InvalidPatternError: `pattern` is not one.
            ValueError: An option is out of its range.
            trio.ClosedResourceError: The bus is closed.
        """
        self._check_open()
        name = f"{RESERVED}.feed.{next(self._feed_numbers)}"
        recipient = Recipient(name, None, copy_context(), wants_delivery=False, slots=0)
        feed = Feed(self._admit(recipient), self._table, self._dismiss)
        try:
            feed.subscribe(pattern, **options)
        except BaseException:
            feed.close()
            raise
        return feed

    def _admit(self, recipient: Recipient) -> Receiving:
        self._registry.add(recipient)
        self._members[recipient.name] = receiving = Receiving(recipient, self._dispatcher)
        return receiving

    def _dismiss(self, receiving: Receiving) -> None:
        receiving.end(closed=True)
        self._dispatcher.abandon_waiting(receiving.recipient)
        self._registry.remove(receiving.recipient)
        del self._members[receiving.recipient.name]

    # -- publishing ---------------------------------------------------------------------------------------------------

    async def publish(self, topic: str, payload: object = None, **options: Unpack[MessageOptions]) -> Receipt:
        """Publish to everyone whose pattern matches `topic`, and return once every mailbox has accepted the message.

        It is accepted for all recipients in one step. Where a mailbox with `Overflow.BLOCK` is full it waits, holding
        nothing; cancelled while it waits, nobody gets the message. It yields to other tasks only when it has to wait,
        and once in 1,000 calls.

        Args:
            topic: A concrete name, without wildcards.
            payload: Anything; it is shared by all recipients, not copied.
            **options: `sender`, `priority`, `ttl` in seconds, `deadline`, `content_type`, `headers`, `in_reply_to`: see
                `Message`.

        Raises:
            InvalidTopicError: `topic` is not one.
            MailboxFullError: A mailbox with `Overflow.FAIL` is full; nobody gets the message.
            DeadlockError: A handler would wait for an agent that waits for it.
            trio.ClosedResourceError: The bus is closed.
        """
        message = self._stamp(topic, payload, options)
        return _receipt(message, await self._publishing.publish(message))

    def publish_nowait(self, topic: str, payload: object = None, **options: Unpack[MessageOptions]) -> Receipt:
        """Publish as `publish` does, but raise where that would wait.

        Args:
            topic: A concrete name, without wildcards.
            payload: Anything.
            **options: As for `publish`.

        Raises:
            InvalidTopicError: `topic` is not one.
            MailboxFullError: A mailbox with `Overflow.FAIL` is full; nobody gets the message.
            trio.WouldBlock: A mailbox with `Overflow.BLOCK` is full; nobody gets the message.
            trio.ClosedResourceError: The bus is closed.
        """
        message = self._stamp(topic, payload, options)
        return _receipt(message, self._publishing.publish_nowait(message))

    async def publish_and_wait(
        self, topic: str, payload: object = None, *, timeout: float | None = None, **options: Unpack[MessageOptions]
    ) -> BroadcastResult:
        """Publish, wait until every handler has finished or failed, and return what became of the message.

        Args:
            topic: A concrete name, without wildcards.
            payload: Anything.
            timeout: Seconds after which handlers that still run are cancelled, and messages that still wait are
                withdrawn; both count as failures. None waits for ever.
            **options: As for `publish`.

        Raises:
            InvalidTopicError: `topic` is not one.
            ValueError: `timeout` is not > 0.
            MailboxFullError: A mailbox with `Overflow.FAIL` is full; nobody gets the message.
            DeadlockError: A handler would wait for an agent that waits for it.
            trio.ClosedResourceError: The bus is closed.
        """
        if timeout is not None:
            checks.seconds("timeout", timeout, infinite=True)
        message = self._stamp(topic, payload, options)
        route, outcomes = await self._publishing.publish_and_wait(message, timeout)
        return BroadcastResult(
            message_id=message.id,
            target=topic,
            subscribers_reached=outcomes.reached,
            pattern_matches=route.wildcards,
            delivery_failures=len(outcomes.errors),
            latency_ms=(self._clock() - message.timestamp) * 1000.0,
            errors=tuple(outcomes.errors),
        )

    def _stamp(self, topic: str, payload: object, options: MessageOptions) -> Message:
        if self._state != "open" and (self._state == "closed" or current_delivery.get() is None):
            self._check_open()
        return self._stamper.stamp(topic, payload, AddressingMode.TOPIC, **options)

    # -- watching -----------------------------------------------------------------------------------------------------

    async def settled(self, timeout: float | None = None) -> None:
        """Wait until nothing that was published waits for a handler or is being handled, what handlers caused included.

        Feeds count while somebody iterates over them. It is told the moment, and never polls.

        Args:
            timeout: Seconds to wait at most; None waits for ever.

        Raises:
            NotSettledError: Time is up; the text says who is busy.
            RuntimeError: A handler calls it, which would wait for itself.
        """
        limit = float("inf") if timeout is None else checks.seconds("timeout", timeout, zero=True, infinite=True)
        if current_delivery.get() is not None:
            msg = "settled() in a handler would wait for that handler"
            raise RuntimeError(msg)
        await trio.lowlevel.checkpoint()
        if not await self._quiescence.reached_within(limit):
            raise NotSettledError(limit, self._registry.busy())

    def statistics(self) -> BusStatistics:
        """Return what the bus has done so far; O(agents)."""
        published = self._publishing.published
        return BusStatistics(
            messages=published,
            pattern_matches=self._publishing.wildcards,
            agents=len(self._registry),
            subscriptions=len(self._table),
            uptime=self._clock() - self._opened_at,
            latency=self._dispatcher.latency.record(),
            routes=self._table.statistics(lookups=self._publishing.lookups),
            **self._registry.totals(),
        )

    @property
    def left(self) -> tuple[LeftDelivery, ...]:
        """What the closing of an agent, a feed or the bus left without an outcome, in that order."""
        return tuple(self._dispatcher.left)

    # -- the end ------------------------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._state != "open":
            msg = f"the bus is {self._state}"
            raise trio.ClosedResourceError(msg)

    async def _drain(self, timeout: float) -> None:
        """Refuse what comes from outside, and wait until everything is handled or `timeout` seconds are over."""
        self._state = "closing"
        await self._quiescence.reached_within(timeout)

    def _close(self) -> None:
        """Write down what is left; nothing runs any more."""
        self._state = "closed"
        self._publishing.close()
        for receiving in self._members.values():
            receiving.end(closed=False)
            self._dispatcher.abandon_waiting(receiving.recipient)


def _receipt(message: Message, route: Route) -> Receipt:
    return Receipt(message=message, recipients=tuple(target.recipient.name for target in route.targets))

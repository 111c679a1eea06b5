"""The bus: agents and feeds come and go, messages are published, and everything can be watched."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack, final, overload

import trio

from stentor._bus.agent import Agent, Feed
from stentor._bus.entrance import Entrance
from stentor._bus.extension import Extension
from stentor._bus.keeping import Keeping
from stentor._bus.portal import Portal
from stentor._mechanisms.deliveries import Delivery
from stentor._mechanisms.handlers import check_handler
from stentor._mechanisms.health import Health, examine
from stentor._mechanisms.statistics import BusStatistics, PatternStatistics, latency_of
from stentor._mechanisms.subscriptions import RESERVED, reserved_topic
from stentor._values import checks
from stentor._values.errors import AlreadyRegisteredError, NotSettledError
from stentor._values.options import DEFAULT_OPTIONS, DeliveryMode, options_from
from stentor._values.patterns import validate_topic
from stentor._values.policies import DEFAULT_POLICY, HANDLER_OPTIONS, HandlerPolicy
from stentor._values.sharing import shared

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stentor._bus.extension import ExtensionHooks
    from stentor._bus.parts import Parts
    from stentor._mechanisms.handlers import Handler
    from stentor._mechanisms.recipients import Recipient
    from stentor._mechanisms.statistics import AgentStatistics, SubscriptionStatistics
    from stentor._values.messages import Message
    from stentor._values.modes import Mode
    from stentor._values.options import FeedKeywords, RegistrationKeywords, SubscriptionOptions


@final
class Bus(Keeping):
    """A message bus of one process; `open_bus` makes it.

    Agents are registered and subscribe; whoever has the bus publishes. Publishing is one synchronous step: the message
    is put into every matching mailbox, or into none. Handlers run later, when the publisher next waits for something.

    Example:
        >>> import stentor, trio
        >>> async def gpt4(message):
        ...     print("gpt4 heard", message.payload)
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         bus.register("gpt4", gpt4).subscribe("ai.models.*")
        ...         receipt = await bus.publish("ai.models.gpt4", "hello", sender="moderator")
        ...         print("it is for", receipt.recipients)
        ...         await bus.settled()
        >>> trio.run(main)
        it is for ('gpt4',)
        gpt4 heard hello
    """

    def __init__(  # pyright: ignore[reportInconsistentConstructor] - the native part takes whatever comes
        self, parts: Parts
    ) -> None:
        """Make an open bus of its parts; users call `open_bus`."""
        super().__init__(parts)
        parts.dismiss = self._dismiss
        self._policy = shared(HandlerPolicy, {"on_error": parts.settings.on_error})

    # -- agents and subscriptions -------------------------------------------------------------------------------------

    def register(
        self,
        name: str,
        handler: Handler | None = None,
        *,
        concurrency: int = 1,
        durable: bool = False,
        **options: Unpack[RegistrationKeywords],
    ) -> Agent:
        """Add an agent. If its stored mailbox holds a backlog from before, it gets that first.

        Args:
            name: A topic without wildcards that no other agent of this bus has.
            handler: An async function of `(message)` or `(message, delivery)`; a batch comes as a list of messages,
                and a list of deliveries. What it returns, unless None, is the reply to a request. Without a handler,
                the owner receives.
            concurrency: How many of its messages may be handled at once; they begin in their order.
            durable: Whether all it gets is stored first, so that it outlives the process: a publish returns once the
                store has it, and it is handled from there, in order, when the agent is there. It counts as stored, and
                once more when it is delivered. Of its subscriptions' options only `filter` and `group` have an effect:
                the handler gets single messages in every `mode`, the store's own bounds stand for `capacity` and
                `overflow`, and no retained value is delivered. A handler that must not act twice on a message that
                comes back, with `delivery.redelivered` set, remembers `message.id`. Needs a `store` and a handler.
            **options: `timeout` in seconds, `retry`, `on_error`, `quarantine_after`: see `HandlerPolicy`. And those of
                `SubscriptionOptions`, for what is sent to the agent by its name, or broadcast, where `group` and
                `retained` have no effect; they are no defaults for `Agent.subscribe`.

        Raises:
            InvalidTopicError: `name` is no topic.
            AlreadyRegisteredError: Another agent has the name.
            TypeError: `handler` is not an async function.
            ValueError: An option is out of its range, or `name` is reserved.
            trio.ClosedResourceError: The bus is closed.
        """
        if self._state != "open":
            self._check_accepting()
        parts = self._parts
        settings = parts.settings
        if type(name) is not str:
            checks.instance("name", name, str)
        validate_topic(name, settings.dialect)
        if name.startswith(RESERVED):
            msg = f"name must not begin with {RESERVED!r}, which is reserved, but is {name!r}"
            raise ValueError(msg)
        arity = 1 if handler is None else check_handler(handler)
        plain = type(concurrency) is int and concurrency == 1 and durable is False
        if not plain:
            self._check_kind(handler, concurrency, durable)
        policy, defaults = self._split(options) if options else (self._policy, DEFAULT_OPTIONS)
        if handler is not None and settings.middleware:
            handler = self._wrapped(handler, arity)
            arity = 2
        recipient = parts.recipient(name, handler, policy, defaults)
        if arity > 1:
            recipient.wants_delivery = True
        if not plain:
            recipient.durable = durable
            recipient.slots = 0 if handler is None else min(concurrency, sys.maxsize)
        parts.registry.add(recipient)
        agent = Agent(recipient, parts)
        if name in parts.backlog.names:
            agent.leave()
            agent.rejoin()
        return agent

    def _check_kind(self, handler: Handler | None, concurrency: object, durable: object) -> None:
        """Check what is seldom said at a registration."""
        checks.whole("concurrency", concurrency, least=1)
        stored = handler is not None and self._parts.settings.store is not None
        if checks.instance("durable", durable, bool) and not stored:
            msg = "durable must go with a handler, and with a store given to open_bus"
            raise ValueError(msg)

    def _split(self, options: RegistrationKeywords) -> tuple[HandlerPolicy, SubscriptionOptions]:
        """Tell what concerns the handler from what concerns the mailbox."""
        handling: dict[str, Any] = {"on_error": self._parts.settings.on_error}
        delivering: dict[str, Any] = {}
        for name, value in options.items():
            (handling if name in HANDLER_OPTIONS else delivering)[name] = value
        return shared(HandlerPolicy, handling), options_from(delivering)

    def _wrapped(self, handler: Callable[..., Any], arity: int) -> Callable[..., Any]:
        """Put the middleware around `handler`, the first outermost."""

        async def delivering(message: Any, delivery: Any) -> object:
            call: Callable[[], Awaitable[object]]
            call = partial(handler, message, delivery) if arity > 1 else partial(handler, message)
            lead: Delivery = delivery if isinstance(delivery, Delivery) else delivery[0]
            for middleware in reversed(self._parts.settings.middleware):
                call = partial(middleware.delivering, lead, call)
            return await call()

        return delivering

    @overload
    def subscribe(
        self, pattern: str, *, mode: Literal[DeliveryMode.BATCH, "batch"], **options: Unpack[FeedKeywords]
    ) -> Feed[list[Message]]: ...

    @overload
    def subscribe(
        self,
        pattern: str,
        *,
        mode: Literal[DeliveryMode.REALTIME, "realtime", DeliveryMode.POLLING, "polling"] = ...,
        **options: Unpack[FeedKeywords],
    ) -> Feed[Message]: ...

    @overload
    def subscribe(self, pattern: str, *, mode: Mode, **options: Unpack[FeedKeywords]) -> Feed[Any]: ...

    def subscribe(
        self, pattern: str, *, mode: DeliveryMode | Mode | str = DeliveryMode.REALTIME, **options: Unpack[FeedKeywords]
    ) -> Feed[Any]:
        """Subscribe without an agent: what matches waits in a mailbox of its own for whoever iterates or receives.

        Args:
            pattern: A pattern of the bus's dialect.
            mode: In BATCH mode the feed yields lists of messages, in POLLING mode it is polled.
            **options: See `SubscriptionOptions`.

        Raises:
            InvalidPatternError: `pattern` is not one.
            PermissionDeniedError: Not everyone may subscribe to it.
            ValueError: An option is out of its range.
            trio.ClosedResourceError: The bus is closed.
        """
        self._check_accepting()
        name = f"{RESERVED}.feed.{next(self._parts.feed_numbers)}"
        recipient = self._parts.recipient(name, None, DEFAULT_POLICY, DEFAULT_OPTIONS)
        recipient.is_feed = True
        self._parts.registry.add(recipient)
        feed: Feed[Any] = Feed(recipient, self._parts)
        try:
            feed.subscribe(pattern, mode=mode, **options)
        except BaseException:
            feed.close()
            raise
        return feed

    def portal(self, *, capacity: int = 1000) -> Portal:
        """Return a way into the bus for other threads, and for programs under asyncio.

        Args:
            capacity: How many calls may be on their way at once; further ones wait for one to end.

        Raises:
            ValueError: `capacity` is smaller than 1.
            RuntimeError: This is not the thread in which the bus lives.
            trio.ClosedResourceError: The bus is closed.
        """
        self._check_accepting()
        room = checks.whole("capacity", capacity, least=1)
        entrances = self._parts.entrances
        entrance = Entrance(self._parts.nursery, room, entrances.pop)
        entrances[entrance] = None
        return Portal(self, entrance)

    def _dismiss(self, recipient: Recipient) -> None:
        """Give the name of a closed agent or feed back."""
        self._parts.attendance.close(recipient)
        self._parts.backlog.release_soon(recipient)
        self._parts.registry.remove(recipient)

    # -- watching -----------------------------------------------------------------------------------------------------

    async def settled(self, timeout: float | None = None) -> None:
        """Wait until nothing that was published waits for a handler or is being handled, what handlers caused included.

        Attempts to come and batches that are not full count too, and feeds while somebody iterates over them. What
        waits to be polled, for an agent that is away, or for an owner who does not iterate, does not. It is told the
        moment, and never polls. Where no handler has to wait, it may return without others having had a turn.

        Args:
            timeout: Seconds to wait at most; None waits for ever.

        Raises:
            NotSettledError: Time is up; the text says who is busy.
            RuntimeError: A handler calls it, which would wait for itself; or it is not called by a task of the trio run
                that the bus is in.

        Example:
            >>> import stentor, trio
            >>> from trio.testing import MockClock
            >>> async def tortoise(message):
            ...     await trio.sleep(60)
            >>> async def main():
            ...     async with stentor.open_bus() as bus:
            ...         bus.register("tortoise", tortoise).subscribe("race")
            ...         await bus.publish("race")
            ...         try:
            ...             await bus.settled(timeout=5)
            ...         except stentor.NotSettledError as error:
            ...             print(error)
            >>> trio.run(main, clock=MockClock(autojump_threshold=0))
            not settled within 5 s, busy: 'tortoise' (0 waiting, 1 running)
        """
        limit = None if timeout is None else checks.seconds("timeout", timeout, zero=True, infinite=True)
        quiescence = self._parts.quiescence
        handed_over = self._parts.workers.hand_over()
        if handed_over and quiescence.is_reached:
            return
        self._check_inside()
        if self._parts.current.get() is not None:
            msg = "settled() in a handler would wait for that handler"
            raise RuntimeError(msg)
        if not handed_over:
            await trio.lowlevel.checkpoint()
        if limit is None:
            await quiescence.reached()
        elif not await quiescence.reached_within(limit):
            raise NotSettledError(limit, self._parts.registry.busy())

    def statistics(self) -> BusStatistics:
        """Return what the bus has done so far; O(agents)."""
        parts = self._parts
        return BusStatistics(
            messages=parts.door.published,
            pattern_matches=parts.door.wildcards,
            agents=sum(1 for _ in parts.registry.agents()),
            subscriptions=len(parts.table),
            uptime=parts.clock() - self._opened_at,
            latency=latency_of(parts.registry.latency()),
            routes=parts.table.statistics(lookups=parts.addressing.lookups + parts.door.ordinary),
            **parts.registry.totals(),
        )

    def agent_statistics(self) -> tuple[AgentStatistics, ...]:
        """Return what became of everything that was addressed to each agent and feed there is, in order; O(agents)."""
        return tuple(recipient.statistics() for recipient in self._parts.registry)

    def pattern_statistics(self) -> tuple[PatternStatistics, ...]:
        """Return what has come by each pattern subscribed to now, in order of subscription; O(subscriptions)."""
        by_pattern: dict[str, list[SubscriptionStatistics]] = {}
        for subscription in self._parts.table:
            by_pattern.setdefault(subscription.pattern, []).append(subscription.statistics())
        return tuple(
            PatternStatistics(
                pattern=pattern,
                subscriptions=len(each),
                accepted=sum(statistics.accepted for statistics in each),
                dropped=sum(statistics.dropped for statistics in each),
                waiting=sum(statistics.waiting for statistics in each),
            )
            for pattern, each in by_pattern.items()
        )

    def health(self, *, slow: float = 1.0) -> Health:
        """Return which agents are blocking, stuck, full, failing or quarantined, and why; O(agents + subscriptions).

        Args:
            slow: Seconds from which it is worth telling that a handler has been running, or that it once kept everybody
                else from running.

        Raises:
            ValueError: `slow` is not > 0.

        Example:
            >>> import stentor, trio
            >>> async def main():
            ...     async with stentor.open_bus() as bus:
            ...         bus.register("archive").subscribe("papers", capacity=2)
            ...         for _ in range(2):
            ...             await bus.publish("papers")
            ...         print(bus.health())
            >>> trio.run(main)
            archive is full: 2 messages wait for 'papers', which is its capacity
        """
        found = examine(self._parts.registry, self._parts.clock(), checks.seconds("slow", slow))
        for examiner in self._parts.examiners:
            found += examiner()
        return Health(problems=tuple(found))

    # -- extensions ---------------------------------------------------------------------------------------------------

    def extend(self, name: str, **hooks: Unpack[ExtensionHooks]) -> Extension:
        """Give something that adds to this bus what it needs for that; see `Extension`.

        Args:
            name: What its topics are called: those under the reserved first segment and `name`.
            **hooks: All are optional, and called in the step in which it happens, so they must be quick and not raise.

                - `on_subscription`: with each subscription, and `there=True` when it is made, False when it is closed.
                - `on_agent`: with the name of each agent, and `there=True` when it is registered, False when closed.
                - `health`: returns the `Problem`s that `Bus.health` is to tell.

        Raises:
            InvalidTopicError: `name` is no topic.
            AlreadyRegisteredError: There is such an extension.
            trio.ClosedResourceError: The bus is closed.
        """
        self._check_accepting()
        validate_topic(checks.instance("name", name, str), self._parts.settings.dialect)
        name = reserved_topic(self._parts.settings.dialect, name)
        if name in self._extensions:
            raise AlreadyRegisteredError(name)
        self._extensions[name] = extension = Extension(name, self, hooks)
        return extension

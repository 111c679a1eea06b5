"""The bridge: its life in an `async with` block, and what users ask of it."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING, Any, Final, Unpack, cast, final

import trio

import stentor
from stentor.bridge._address import Address
from stentor.bridge._body import Goodbye
from stentor.bridge._condition import Condition
from stentor.bridge._counting import logger
from stentor.bridge._envelope import EnvelopeCodec
from stentor.bridge._hops import count_bridge
from stentor.bridge._parts import Parts
from stentor.bridge._settings import BridgeSettings, default_node
from stentor.bridge._shards import Streams

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from stentor.bridge._counting import BridgeStatistics
    from stentor.bridge._settings import BridgeKeywords

DRAIN: Final = 5.0
"""Seconds for which a bridge that is closed goes on sending what it has."""


def patterns_of(argument: str, patterns: object, grammar: stentor.Grammar) -> tuple[str, ...]:
    """Return patterns of topics that may cross.

    Raises:
        TypeError: They are no collection of strings.
        ValueError: One is no pattern, or one of the library's own topics.
    """
    if isinstance(patterns, str) or not hasattr(patterns, "__iter__"):
        kind = "a single str" if isinstance(patterns, str) else type(patterns).__name__
        msg = f"{argument} must be a collection of patterns, not {kind}"
        raise TypeError(msg)
    texts: list[str] = []
    for text in cast("Iterable[object]", patterns):
        if not isinstance(text, str):
            msg = f"{argument} must hold strings only, not {type(text).__name__}"
            raise TypeError(msg)
        texts.append(text)
        stentor.Pattern(text, grammar)
        if text.startswith("_stentor"):
            msg = f"{argument} must not hold the library's own topics, but holds {text!r}"
            raise ValueError(msg)
    return tuple(texts)


@final
class RedisBridge:
    """Joins the buses of several processes by a Redis server, as long as its `async with` block lasts.

    Nothing crosses that no pattern names. What this bus publishes to a topic that matches one of `out` goes to the
    server; what other processes publish comes in when the topic matches one of `in_` and somebody on this bus listens
    to it. Everybody on the way keeps working while there is no server: see the guide for what becomes of messages then.

    Args:
        bus: The bus of this process, open.
        url: `redis://`, `rediss://`, `redis+sentinel://` or `redis+cluster://`, or `unix://`.
        out: Patterns of topics, and of names of agents elsewhere, that may leave this process.
        in_: Patterns of topics, and of names of agents here, that may come in.
        **options: All are optional.

            - `transport`: `"pubsub"`, at most once and every loss reported, or `"streams"`, at least once on the wire
              and once at the handler.
            - `namespace`: buses meet that have the same one.
            - `node`: the name of this process, which no other may have; made up if none is given. With streams a
              process that gives its name goes on where it stopped.
            - `outbox_capacity`, `outbox_bytes`, `overflow`: how much may wait for the server, and what happens beyond
              it: `Overflow.BLOCK` holds publishers up.
            - `user`, `password`, `tls`: instead of in the URL.
            - `keys`, `sign_with`: secrets of at least 16 bytes by number; every message is then signed with that of
              `sign_with`, and only what is signed with one of them comes in.
            - `interest`: `"topics"` subscribes to what is listened to; `"namespace"` to one pattern, for access rules.
            - `durable`: whether what leaves is stored first, in the store of the bus, and kept until the server has it.
            - `directory`: whether agents can be addressed by name across processes.
            - `timing`: how soon a dead connection is noticed: `LinkTiming`.
            - `wait_replicas`, `wait_timeout`: replicas that must have a message before it counts as sent.
            - `max_size`: bytes of one message with its envelope.
            - `shards`, `group`, `start`, `window`, `claim_after`, `max_length`, `max_age`: of streams; see the guide.
            - `beacon_interval`, `expiry`, `linger`: seconds between two signs of life, until a silent node is gone, and
              until a channel that nobody listens to is left.
            - `scopes`: topics whose numbers are remembered.
            - `seed`, `wall_clock`: for tests.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        bus: stentor.Bus,
        url: str,
        *,
        out: Iterable[str] = (),
        in_: Iterable[str] = (),
        **options: Unpack[BridgeKeywords],
    ) -> None:
        if not isinstance(cast("object", bus), stentor.Bus):
            msg = f"bus must be of type Bus, not {type(bus).__name__}"
            raise TypeError(msg)
        self._settings = settings = BridgeSettings(**options)
        self._bus = bus
        self._address = Address.parse(url, user=settings.user, password=settings.password, tls=settings.tls)
        EnvelopeCodec(keys=settings.keys, sign_with=settings.sign_with)  # which checks them
        self._out = patterns_of("out", out, bus.dialect)
        self._in = patterns_of("in_", in_, bus.dialect)
        self._rng = Random(settings.seed)
        self._origin = secrets.token_bytes(8) if settings.seed is None else self._rng.randbytes(8)
        self.node: str = settings.node or default_node(self._origin.hex())
        """The name of this process among those that are joined."""
        self._condition = Condition()
        self._parts: Parts | None = None
        self._stack = AsyncExitStack()
        self._scope = trio.CancelScope()

    def __repr__(self) -> str:
        return f"<RedisBridge {self._settings.namespace!r}, node {self.node!r}, to {self._address}>"

    # -- its life -----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Begin, whether the server is there or not.

        Raises:
            RuntimeError: It was entered before.
            AlreadyRegisteredError: The bus has a bridge for this namespace.
        """
        if self._parts is not None:
            msg = "a bridge has one life; make another"
            raise RuntimeError(msg)
        self._parts = parts = Parts(
            self._bus,
            self._address,
            self._settings,
            self._condition,
            node=self.node,
            origin=self._origin,
            out=self._out,
            in_=self._in,
            rng=self._rng,
        )
        self._condition.attach(parts)
        async with AsyncExitStack() as stack:
            stack.callback(count_bridge, self._bus, -1)
            count_bridge(self._bus, +1)
            stack.enter_context(parts.extension)
            nursery = await stack.enter_async_context(trio.open_nursery())
            self._scope = nursery.cancel_scope
            parts.start(nursery)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Send what is there, for a few seconds at most, take leave, and end."""
        try:
            if kind is None:
                await self._take_leave(self._running)
        finally:
            transport = self._running.transport
            if isinstance(transport, Streams):
                transport.acknowledging.closing = True
            self._scope.cancel()
            if kind is None or not issubclass(kind, trio.Cancelled):  # what the block raised is not put into a group
                kind = error = traceback = None
            swallowed = await self._stack.__aexit__(kind, error, traceback)
        return swallowed

    async def _take_leave(self, parts: Parts) -> None:
        for subscription in parts.agent.subscriptions:
            subscription.close()
        with trio.move_on_after(DRAIN) as scope:
            await self._taken()
            await parts.transport.finish()
            numbered = {} if isinstance(parts.transport, Streams) else parts.numbering.all()
            parts.sender.say(Goodbye(self.node, numbered))
            await parts.sender.flushed()
            if isinstance(parts.transport, Streams) and self._settings.node is None:
                await parts.transport.leave(await parts.send_link.connected())
        if scope.cancelled_caught and (left := len(parts.outbox) + parts.agent.statistics().waiting):
            logger.warning("%d messages were not sent, because the server was not there", left)

    @property
    def _running(self) -> Parts:
        if self._parts is None:
            msg = "the bridge was not entered yet"
            raise RuntimeError(msg)
        return self._parts

    # -- what users ask of it -----------------------------------------------------------------------------------------

    async def synced(self) -> None:
        """Wait until the server knows all that is listened to on this bus now; what is published from then on comes.

        `Agent.subscribe` returns at once, since it waits for nobody; so where it matters, wait for this after it.
        """
        await trio.lowlevel.checkpoint()
        await self._running.transport.synced()

    async def subscribe(
        self, agent: stentor.Agent | stentor.Feed[Any], pattern: str, **options: Any
    ) -> stentor.Subscription:
        """Subscribe an agent as `Agent.subscribe` does, and return once the server has acknowledged it.

        Cancelled while it waits, the agent is not subscribed.

        Args:
            agent: An agent or a feed of this bus.
            pattern: A pattern of the bus's dialect.
            **options: See `SubscriptionOptions`.
        """
        subscription = agent.subscribe(pattern, **options)
        try:
            await self.synced()
        except BaseException:
            subscription.close()
            raise
        return subscription

    async def reachable(self, name: str) -> None:
        """Wait until an agent of another process can be addressed by that name.

        Args:
            name: The agent's, which matches one of the patterns of `out` here, and of `in_` there.

        Raises:
            RuntimeError: The bridge was made with `directory=False`.
        """
        directory = self._running.directory
        if directory is None:
            msg = "agents can be addressed by name only with directory=True"
            raise RuntimeError(msg)
        await trio.lowlevel.checkpoint()
        await directory.has(name)

    async def flushed(self) -> None:
        """Wait until the server has confirmed everything that this bus has for other processes."""
        await trio.lowlevel.checkpoint()
        await self._taken()
        await self._running.sender.flushed()

    async def _taken(self) -> None:
        """Wait until nothing on the bus waits for the bridge."""
        agent = self._running.agent
        while agent.statistics().waiting or agent.statistics().running:  # noqa: ASYNC110 - no mailbox tells
            await trio.sleep(0.001)

    @property
    def state(self) -> str:
        """`connected`, `reconnecting` or `degraded`: the worse of its two links."""
        return self._condition.state()[0]

    def statistics(self) -> BridgeStatistics:
        """Return what it has done so far, and how it is.

        Raises:
            RuntimeError: It was not entered yet.
        """
        return self._condition.statistics(self._running)

"""The bridge: what it is made of, and its life in an `async with` block."""

from __future__ import annotations

import logging
import secrets
from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING, Any, Final, Unpack, cast, final

import trio

import stentor
from stentor import Overflow, Problem, Trouble
from stentor.bridge._address import Address
from stentor.bridge._body import Goodbye
from stentor.bridge._claiming import Claiming
from stentor.bridge._clock import AnchoredClock
from stentor.bridge._controls import Controls, Roll
from stentor.bridge._counting import AGES, BridgeStatistics, Counts
from stentor.bridge._directory import Directory
from stentor.bridge._envelope import EnvelopeCodec
from stentor.bridge._gaps import Gap, GapKind
from stentor.bridge._hops import count_bridge
from stentor.bridge._incoming import Incoming
from stentor.bridge._interest import Interest
from stentor.bridge._keys import Keys
from stentor.bridge._link import Link, LinkTiming
from stentor.bridge._numbering import Numbering
from stentor.bridge._outbox import Outbox
from stentor.bridge._outgoing import Outgoing
from stentor.bridge._pubsub import PubSub
from stentor.bridge._sender import Sender
from stentor.bridge._sequencing import Sequencing
from stentor.bridge._settings import BridgeSettings, default_node
from stentor.bridge._shards import Streams
from stentor.bridge._slots import slot_of
from stentor.bridge._trimming import Trimming

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from stentor.bridge._link import Interruption, LinkState
    from stentor.bridge._settings import BridgeKeywords

logger: Final = logging.getLogger("stentor.bridge")

ORIGINS: Final = 4096
"""Origins whose numbers are remembered."""
MAILBOX: Final = 1000
"""Messages that wait on the bus for the bridge, beside those in its outbox."""
DURABLE_AT_ONCE: Final = 100
"""Stored messages that may be on their way to the server at once."""
DRAIN: Final = 5.0
"""Seconds for which a bridge that is closed goes on sending what it has."""
CLUSTERED: Final = ("redis+cluster://", "rediss+cluster://")


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
        self._sharded = url.startswith(CLUSTERED)
        self._codec = EnvelopeCodec(
            namespace=settings.namespace,
            keys=settings.keys,
            sign_with=settings.sign_with,
            max_size=settings.max_size,
        )
        self._keys = Keys(settings.namespace)
        self._grammar = bus.dialect
        self._out = patterns_of("out", out, self._grammar)
        self._in = patterns_of("in_", in_, self._grammar)
        self._rng = Random(settings.seed)
        self._origin = secrets.token_bytes(8) if settings.seed is None else self._rng.randbytes(8)
        self.node: str = settings.node or default_node(self._origin.hex())
        """The name of this process among those that are joined."""
        self._stack = AsyncExitStack()
        self._entered = False
        self._agent: stentor.Agent | None = None

    def __repr__(self) -> str:
        return f"<RedisBridge {self._settings.namespace!r}, node {self.node!r}, to {self._address}>"

    # -- its life -----------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Begin, whether the server is there or not."""
        if self._entered:
            msg = "a bridge has one life; make another"
            raise RuntimeError(msg)
        self._entered = True
        async with AsyncExitStack() as stack:
            self._assemble()
            stack.callback(count_bridge, self._bus, -1)
            count_bridge(self._bus, +1)
            stack.enter_context(self._extension)
            nursery = await stack.enter_async_context(trio.open_nursery())
            self._scope = nursery.cancel_scope
            self._start(nursery)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Send what is there, for a few seconds at most, take leave, and end."""
        try:
            if kind is None:
                await self._take_leave()
        finally:
            if isinstance(self._transport, Streams):
                self._transport.acknowledging.closing = True
            self._scope.cancel()
            await self._stack.__aexit__(None, None, None)

    async def _take_leave(self) -> None:
        agent = cast("stentor.Agent", self._agent)
        for subscription in agent.subscriptions:
            subscription.close()
        with trio.move_on_after(DRAIN) as scope:
            await self._taken()
            await self._transport.finish()
            self._sender.say(Goodbye(self.node, self._numbering.all() if self._settings.transport == "pubsub" else {}))
            await self._sender.flushed()
            if isinstance(self._transport, Streams) and self._settings.node is None:
                await self._transport.leave(await self._send_link.connected())
        if scope.cancelled_caught and (left := len(self._outbox) + agent.statistics().waiting):
            logger.warning("%d messages were not sent, because the server was not there", left)

    def _assemble(self) -> None:
        """Make the parts, each of those that it needs."""
        settings = self._settings
        self._clock = clock = AnchoredClock(settings.wall_clock, trio.lowlevel.current_clock().current_time)
        separator = self._grammar.separator or "."
        self._extension = extension = self._bus.extend(
            f"bridge{separator}{settings.namespace}",
            on_subscription=self._on_subscription,
            on_agent=self._on_agent,
            health=self._problems,
        )
        self._counts = counts = Counts(self._report)
        self._numbering = Numbering(capacity=settings.scopes)
        self._outbox = Outbox(
            lambda scope: self._numbering.next(scope, clock.steady()),
            capacity=settings.outbox_capacity,
            capacity_bytes=settings.outbox_bytes,
            overflow=settings.overflow,
        )
        self._sequencing = sequencing = Sequencing(capacity=ORIGINS)
        self._interest = interest = Interest(
            self._in,
            self._grammar,
            self._keys,
            whole=settings.interest == "namespace",
            inbox=self._keys.inbox(self.node),
        )
        self._transport: PubSub | Streams
        self._transport = transport = self._made_transport()
        self._send_link = self._link("send")
        self._receive_link = self._link("receive", setup=transport.setup)
        self._sender = Sender(
            self._outbox,
            self._numbering,
            transport,
            self._send_link,
            codec=self._codec,
            clock=clock,
            origin=self._origin,
            node=self.node,
            counts=counts,
            rng=self._rng,
            wait=(settings.wait_replicas, settings.wait_timeout),
        )
        self._roll = Roll(self.node, lambda: self._outbox.accepted == 0, clock.steady)
        self._roll.say = self._sender.say
        self._directory = self._made_directory() if settings.directory else None
        self._outgoing = Outgoing(
            extension,
            self._outbox,
            clock=clock,
            node=self.node,
            max_size=settings.max_size,
            scope_of=transport.scope_of,
            inbox_of=transport.inbox_of,
            node_of=lambda name: None if self._directory is None else self._directory.node_of(name),
            counts=counts,
        )
        incoming = Incoming(
            self._bus,
            extension,
            codec=self._codec,
            clock=clock,
            origin=self._origin,
            node=self.node,
            interest=interest,
            sequencing=sequencing,
            counts=counts,
            answer=self._outgoing.answer,
        )
        controls = Controls(
            sequencing=sequencing,
            incoming=incoming,
            directory=self._directory,
            sender=self._sender,
            clock=clock,
            counts=counts,
            follows=transport.follows,
            roll=self._roll,
            node=self.node,
        )
        if isinstance(transport, PubSub):
            transport.attach(self._receive_link, incoming, controls, self._roll)
        else:
            transport.attach(self._receive_link, self._send_link, incoming, controls, self._roll)
            self._trimming = Trimming(
                transport.all,
                self._send_link,
                counts,
                clock,
                rng=self._rng,
                max_length=settings.max_length,
                max_age=settings.max_age,
            )

    def _made_transport(self) -> PubSub | Streams:
        settings = self._settings
        if settings.transport == "pubsub":
            return PubSub(
                self._keys,
                self._interest,
                self._sequencing,
                node=self.node,
                listened=self._listened,
                linger=settings.linger,
                sharded=self._sharded,
            )
        grace = (settings.timing or LinkTiming()).grace
        return Streams(
            self._keys,
            self._interest,
            self._sequencing,
            self._counts,
            node=self.node,
            group=settings.group,
            shards=settings.shards,
            reads=bool(self._in),
            start=settings.start,
            window=settings.window,
            block=min(1.0 if settings.group is None else 0.1, grace / 2),
            grace=grace,
            listened=self._listened,
        )

    def _link(self, name: str, **options: Any) -> Link:
        settings = self._settings
        return Link(
            self._address,
            name=f"stentor:{self.node}:{name}",
            slot=slot_of(self._keys.prefix) if self._sharded else None,
            timing=settings.timing or LinkTiming(),
            rng=Random(self._rng.random()),
            on_state=self._on_state,
            on_interruption=self._on_interruption,
            **options,
        )

    def _made_directory(self) -> Directory:
        admitted = self._interest.admits
        leaving = stentor.Matcher[None](self._grammar)
        for pattern in self._out:
            leaving.add(pattern, None)
        directory = Directory(
            self._extension,
            node=self.node,
            origin=self._origin,
            shared=admitted,
            reachable=lambda name: bool(leaving.match(name)),
            expiry=self._settings.expiry,
            say=self._sender.say,
            ask=lambda: self._roll.call(names=True),
        )
        directory.on_dispute = self._dispute
        return directory

    def _start(self, nursery: trio.Nursery) -> None:
        settings = self._settings
        overflow = Overflow.FAIL if settings.overflow is Overflow.FAIL else Overflow.BLOCK
        capacity = min(MAILBOX, settings.outbox_capacity)
        outgoing = self._outgoing
        self._agent = agent = self._extension.register(
            outgoing.take_and_confirm if settings.durable else outgoing.take,
            concurrency=DURABLE_AT_ONCE if settings.durable else 1,
            durable=settings.durable,
            capacity=capacity,
            overflow=overflow,
        )
        for pattern in self._out:
            agent.subscribe(pattern, capacity=capacity, overflow=overflow)
        if self._directory is not None:
            self._directory.start(agent)
        nursery.start_soon(self._send_link.run, name="stentor bridge: send link")
        nursery.start_soon(self._receive_link.run, name="stentor bridge: receive link")
        nursery.start_soon(self._sender.run, name="stentor bridge: sender")
        nursery.start_soon(self._transport.run, name="stentor bridge: receiver")
        nursery.start_soon(self._live, name="stentor bridge: beacons")
        if isinstance(self._transport, Streams):
            nursery.start_soon(self._trimming.run, name="stentor bridge: trimming")
            if settings.group is not None:
                claiming = Claiming(
                    self._transport, self._send_link, node=self.node, after=settings.claim_after, rng=self._rng
                )
                nursery.start_soon(claiming.run, name="stentor bridge: claiming")

    async def _live(self) -> None:
        """Give signs of life, and look for those of others, for ever."""
        while True:
            if self._directory is not None:
                self._directory.flush()
                self._directory.expire(self._clock.steady())
            self._sender.beacon()
            await trio.sleep(self._settings.beacon_interval)

    # -- what users ask of it -----------------------------------------------------------------------------------------

    async def synced(self) -> None:
        """Wait until the server knows all that is listened to on this bus now; what is published from then on comes.

        `Agent.subscribe` returns at once, since it waits for nobody; so where it matters, wait for this after it.
        """
        await trio.lowlevel.checkpoint()
        await self._transport.synced()

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
        if self._directory is None:
            msg = "agents can be addressed by name only with directory=True"
            raise RuntimeError(msg)
        await trio.lowlevel.checkpoint()
        await self._directory.has(name)

    async def flushed(self) -> None:
        """Wait until the server has confirmed everything that this bus has for other processes."""
        await trio.lowlevel.checkpoint()
        await self._taken()
        await self._sender.flushed()

    async def _taken(self) -> None:
        """Wait until nothing on the bus waits for the bridge."""
        agent = cast("stentor.Agent", self._agent)
        while agent.statistics().waiting or agent.statistics().running:  # noqa: ASYNC110 - no mailbox tells
            await trio.sleep(0.001)

    @property
    def state(self) -> str:
        """`connected`, `reconnecting` or `degraded`: the worse of its two links."""
        return self._state()[0]

    def statistics(self) -> BridgeStatistics:
        """Return what it has done so far, and how it is."""
        state, reason = self._state()
        outbox, counts = self._outbox, self._counts
        links = [self._send_link.statistics(), self._receive_link.statistics()]
        oldest = outbox.oldest()
        return BridgeStatistics(
            state=state,
            reason=reason,
            accepted=outbox.accepted,
            sent=outbox.confirmed,
            dropped=outbox.dropped,
            expired=outbox.expired,
            outbox=len(outbox),
            outbox_bytes=outbox.bytes,
            outbox_peak=outbox.peak,
            outbox_age=0.0 if oldest is None else self._clock.steady() - oldest,
            sent_again=outbox.repeated,
            delivered=counts.delivered,
            unheard=counts.unheard,
            repeats=counts.repeats,
            redelivered=counts.redelivered,
            claimed=counts.claimed,
            missing=counts.missing,
            gaps={kind.value: number for kind, number in counts.gaps.items()},
            refused=dict(counts.refused),
            ages=dict(zip(AGES, counts.ages, strict=True)),
            oldest_age=counts.oldest_age,
            replies=counts.replies,
            late_replies=counts.late_replies,
            reconnects=sum(max(0, each.connects - 1) for each in links),
            last_error=next((each.last_error for each in links if each.last_error), ""),
            round_trip=max(each.round_trip or 0.0 for each in links),
            **self._stream_counts(),
            agents=0 if self._directory is None else len(self._directory),
            disputed={} if self._directory is None else dict(self._directory.disputed),
        )

    def _stream_counts(self) -> dict[str, int]:
        if not isinstance(self._transport, Streams):
            return {"lag": 0, "unacknowledged": 0, "stream_length": 0, "trimmed": 0}
        return {
            "lag": self._trimming.lag,
            "unacknowledged": len(self._transport.acknowledging),
            "stream_length": self._trimming.longest,
            "trimmed": self._trimming.trimmed,
        }

    # -- what others tell it ------------------------------------------------------------------------------------------

    def _listened(self) -> list[str]:
        return [subscription.pattern for subscription in self._extension.subscriptions()]

    def _on_subscription(self, subscription: stentor.Subscription, *, there: bool) -> None:
        del there
        if not subscription.is_extensions and not subscription.pattern.startswith("_stentor"):
            self._transport.changed()

    def _on_agent(self, name: str, *, there: bool) -> None:
        if self._directory is not None:
            self._directory.changed(name, there=there)

    def _on_state(self, state: LinkState) -> None:
        del state
        name, reason = self._state()
        if not self._extension.closed:
            self._extension.announce("state", {"state": name, "reason": reason, "node": self.node}, retain=True)

    def _on_interruption(self, interruption: Interruption) -> None:
        self._counts.gap(Gap(kind=GapKind.DOWN, seconds=interruption.seconds, reason=interruption.reason))

    def _report(self, gap: Gap) -> None:
        if not self._extension.closed:
            self._extension.announce("gap", gap)

    def _dispute(self, name: str, node: str) -> None:
        self._extension.announce("disputed", {"agent": name, "node": node})

    def _state(self) -> tuple[str, str]:
        states = [link.state for link in (self._send_link, self._receive_link)]
        for name in ("degraded", "reconnecting"):
            for state in states:
                if state.name == name:
                    return name, state.reason
        return ("degraded", self._sender.trouble) if self._sender.trouble else ("connected", "")

    def _problems(self) -> Iterator[Problem]:
        name = self._extension.name
        state, reason = self._state()
        if state != "connected":
            trouble = Trouble.RECONNECTING if state == "reconnecting" else Trouble.DEGRADED
            yield Problem(agent=name, trouble=trouble, detail=f"{self._address}: {reason}")
        if self._outbox.is_full:
            detail = f"{len(self._outbox)} messages of {self._outbox.bytes} bytes wait for the server"
            yield Problem(agent=name, trouble=Trouble.FULL, detail=detail)
        if self._stream_counts()["stream_length"] > self._settings.max_length / 2:
            detail = f"a stream is {self._trimming.longest} long, and at {self._settings.max_length} it is cut back"
            yield Problem(agent=name, trouble=Trouble.FULL, detail=detail)
        if self._directory is not None:
            if self._directory.doubled:
                detail = f"another process calls itself node {self.node!r}, too"
                yield Problem(agent=name, trouble=Trouble.DEGRADED, detail=detail)
            for agent, node in self._directory.disputed.items():
                detail = f"the name {agent!r} is taken twice: here and at node {node!r}"
                yield Problem(agent=name, trouble=Trouble.DEGRADED, detail=detail)

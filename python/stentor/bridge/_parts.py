"""The parts of a bridge, and how they are put together."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, Final, final

import trio

import stentor
from stentor import Overflow
from stentor.bridge._claiming import Claiming
from stentor.bridge._clock import AnchoredClock
from stentor.bridge._controls import Controls, Roll
from stentor.bridge._counting import AGES, Counts
from stentor.bridge._directory import Directory
from stentor.bridge._envelope import EnvelopeCodec
from stentor.bridge._frames import Frames
from stentor.bridge._hops import MOST_HOPS
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
from stentor.bridge._shards import Streams
from stentor.bridge._slots import slot_of
from stentor.bridge._trimming import Trimming

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor.bridge._address import Address
    from stentor.bridge._condition import Condition
    from stentor.bridge._settings import BridgeSettings

ORIGINS: Final = 4096
"""Origins whose numbers are remembered."""
MAILBOX: Final = 1000
"""Messages that wait on the bus for the bridge, beside those in its outbox."""
DURABLE_AT_ONCE: Final = 100
"""Stored messages that may be on their way to the server at once."""
BLOCK: Final = 1.0
"""Seconds for which a read of streams waits, at most."""
BLOCK_SHARED: Final = 0.1
"""The same, where a node reads by two groups, one after the other."""


@final
class Parts:
    """Everything that one bridge consists of, from its recipient on the bus to its links to the server."""

    def __init__(
        self,
        bus: stentor.Bus,
        address: Address,
        settings: BridgeSettings,
        condition: Condition,
        *,
        node: str,
        origin: bytes,
        out: tuple[str, ...],
        in_: tuple[str, ...],
        rng: Random,
    ) -> None:
        """Put the parts together; `condition` is asked how the bridge is, and told what happens."""
        self.settings = settings
        self.address = address
        self.node = node
        self.out = out
        self.rng = rng
        self.sharded = address.kind == "cluster"
        self.keys = Keys(settings.namespace)
        self.clock = AnchoredClock(settings.wall_clock, trio.lowlevel.current_clock().current_time)
        self.timing = settings.timing or LinkTiming()
        self.condition = condition
        self.extension = bus.extend(
            f"bridge{bus.dialect.separator or '.'}{settings.namespace}",
            on_subscription=self._on_subscription,
            on_agent=self._on_agent,
            health=condition.problems,
        )
        try:
            self._assemble(bus, origin, in_)
        except BaseException:
            self.extension.close()
            raise

    def _assemble(self, bus: stentor.Bus, origin: bytes, in_: tuple[str, ...]) -> None:
        settings, condition, extension, keys = self.settings, self.condition, self.extension, self.keys
        clock, node, rng = self.clock, self.node, self.rng
        self.counts = counts = Counts(condition.report)
        self.codec = codec = EnvelopeCodec(
            namespace=settings.namespace, keys=settings.keys, sign_with=settings.sign_with, max_size=settings.max_size
        )
        frames = Frames(
            origin,
            streams=[keys.stream(n) for n in range(settings.shards)] if settings.transport == "streams" else [],
            max_size=settings.max_size,
            most_hops=MOST_HOPS,
            anchor=clock.anchor,
            ages=AGES,
        )
        self.numbering = Numbering(capacity=settings.scopes)
        self.outbox = Outbox(
            self.numbering.next,
            capacity=settings.outbox_capacity,
            capacity_bytes=settings.outbox_bytes,
            overflow=settings.overflow,
        )
        self.sequencing = sequencing = Sequencing(capacity=ORIGINS)
        whole = settings.interest == "namespace"
        self.interest = interest = Interest(in_, bus.dialect, keys, whole=whole, inbox=keys.inbox(node))
        self.transport = transport = self._made_transport(reads=bool(in_))
        self.send_link = self._link("send")
        self.receive_link = self._link("receive", setup=transport.setup)
        self.sender = Sender(
            self.outbox,
            self.numbering,
            transport,
            self.send_link,
            codec=codec,
            frames=frames,
            clock=clock,
            origin=origin,
            node=node,
            counts=counts,
            rng=rng,
            wait=(settings.wait_replicas, settings.wait_timeout),
        )
        self.roll = Roll(node, lambda: self.outbox.accepted == 0, clock.steady)
        self.roll.say = self.sender.say
        self.directory = self._made_directory(bus.dialect) if settings.directory else None
        self.outgoing = Outgoing(
            extension,
            self.outbox,
            frames=frames,
            clock=clock,
            node=node,
            max_size=settings.max_size,
            scope_of=transport.scope_of,
            inbox_of=transport.inbox_of,
            node_of=self._node_of,
            counts=counts,
        )
        self.incoming = Incoming(
            bus,
            extension,
            codec=codec,
            frames=frames,
            clock=clock,
            origin=origin,
            node=node,
            interest=interest,
            sequencing=sequencing,
            counts=counts,
            answer=self.outgoing.answer,
        )
        self.controls = Controls(
            sequencing=sequencing,
            incoming=self.incoming,
            directory=self.directory,
            sender=self.sender,
            clock=clock,
            counts=counts,
            follows=transport.follows,
            roll=self.roll,
            node=node,
        )
        self.trimming = self._attach()
        self.agent = self._made_agent()

    def _link(self, name: str, **options: Any) -> Link:
        return Link(
            self.address,
            name=f"stentor:{self.node}:{name}",
            slot=slot_of(self.keys.prefix) if self.sharded else None,
            timing=self.timing,
            rng=Random(self.rng.random()),
            on_state=self.condition.on_state,
            on_interruption=self.condition.on_interruption,
            **options,
        )

    def _made_transport(self, *, reads: bool) -> PubSub | Streams:
        settings = self.settings
        if settings.transport == "pubsub":
            return PubSub(
                self.keys,
                self.interest,
                self.sequencing,
                node=self.node,
                listened=self._listened,
                linger=settings.linger,
                sharded=self.sharded,
            )
        return Streams(
            self.keys,
            self.interest,
            self.sequencing,
            self.counts,
            node=self.node,
            group=settings.group,
            shards=settings.shards,
            reads=reads,
            start=settings.start,
            window=settings.window,
            block=min(BLOCK if settings.group is None else BLOCK_SHARED, self.timing.grace / 2),
            grace=self.timing.grace,
            listened=self._listened,
        )

    def _made_directory(self, grammar: stentor.Grammar) -> Directory:
        leaving = stentor.Matcher[None](grammar)
        for pattern in self.out:
            leaving.add(pattern, None)
        directory = Directory(
            self.extension,
            node=self.node,
            origin=self.sender.origin,
            shared=self.interest.admits,
            reachable=lambda name: bool(leaving.match(name)),
            expiry=self.settings.expiry,
            say=self.sender.say,
            ask=lambda: self.roll.call(names=True),
        )
        directory.on_dispute = self.condition.dispute
        return directory

    def _attach(self) -> Trimming | None:
        """Let the transport have what it needs, and return what cuts its streams back."""
        transport = self.transport
        if isinstance(transport, PubSub):
            transport.attach(self.receive_link, self.incoming, self.controls, self.roll)
            return None
        transport.attach(self.receive_link, self.send_link, self.incoming, self.controls)
        return Trimming(
            transport.all,
            self.send_link,
            self.counts,
            self.clock,
            rng=self.rng,
            max_length=self.settings.max_length,
            max_age=self.settings.max_age,
        )

    def _made_agent(self) -> stentor.Agent:
        """Take what leaves from the bus."""
        settings, outgoing = self.settings, self.outgoing
        overflow = Overflow.FAIL if settings.overflow is Overflow.FAIL else Overflow.BLOCK
        capacity = min(MAILBOX, settings.outbox_capacity)
        agent = self.extension.register(
            outgoing.take_and_confirm if settings.durable else outgoing.take,
            concurrency=DURABLE_AT_ONCE if settings.durable else 1,
            durable=settings.durable,
            capacity=capacity,
            overflow=overflow,
        )
        for pattern in self.out:
            agent.subscribe(pattern, capacity=capacity, overflow=overflow)
        if self.directory is not None:
            self.directory.start(agent)
        return agent

    def start(self, nursery: trio.Nursery) -> None:
        """Let everything run in `nursery`."""
        tasks: dict[str, Callable[[], Any]] = {
            "send link": self.send_link.run,
            "receive link": self.receive_link.run,
            "sender": self.sender.run,
            "receiver": self.transport.run,
            "beacons": self._live,
        }
        if self.trimming is not None:
            tasks["trimming"] = self.trimming.run
        if isinstance(self.transport, Streams) and self.settings.group is not None:
            after = self.settings.claim_after
            claiming = Claiming(self.transport, self.send_link, node=self.node, after=after, rng=self.rng)
            tasks["claiming"] = claiming.run
        for name, task in tasks.items():
            nursery.start_soon(task, name=f"stentor bridge: {name}")

    async def _live(self) -> None:
        """Give signs of life, and look for those of others, for ever."""
        while True:
            if self.directory is not None:
                self.directory.flush()
                self.directory.expire(self.clock.steady())
            self.sender.beacon()
            await trio.sleep(self.settings.beacon_interval)

    # -- what the bus tells --------------------------------------------------------------------------------------

    def _listened(self) -> list[str]:
        return [subscription.pattern for subscription in self.extension.subscriptions()]

    def _on_subscription(self, subscription: stentor.Subscription, *, there: bool) -> None:
        del there
        if not subscription.is_extensions and not subscription.pattern.startswith("_stentor"):
            self.transport.changed()

    def _on_agent(self, name: str, *, there: bool) -> None:
        if self.directory is not None:
            self.directory.changed(name, there=there)

    def _node_of(self, name: str) -> str | None:
        return None if self.directory is None else self.directory.node_of(name)

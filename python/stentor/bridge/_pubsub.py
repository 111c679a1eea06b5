"""The transport `pubsub`: a channel for each topic. Fast, at most once, and whatever is lost is reported.

Who has subscribed anew asks all origins, by a roll call, how far they have numbered their messages, so that it knows
from the first message on whether any is missing; after an interruption the answers tell how many are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

import trio

from stentor.bridge._body import MESSAGE
from stentor.bridge._counting import logger
from stentor.bridge._errors import ConnectionLost, ReplyError
from stentor.bridge._incoming import MESSAGES
from stentor.bridge._interest import Channels
from stentor.bridge._transport import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stentor.bridge._connection import Connection
    from stentor.bridge._controls import Controls, Roll
    from stentor.bridge._envelope import Envelope
    from stentor.bridge._frames import Entry
    from stentor.bridge._incoming import Incoming
    from stentor.bridge._interest import Interest
    from stentor.bridge._keys import Keys
    from stentor.bridge._link import Link
    from stentor.bridge._pushes import Push
    from stentor.bridge._sequencing import Sequencing
    from stentor.bridge._transport import Command

DEBOUNCE: Final = 0.005
"""Seconds for which changes of what is listened to are gathered."""
PUBLISHED: Final = frozenset({b"message", b"pmessage", b"smessage"})
TURN: Final = 256
"""Pushes that are taken at once."""
ONCE: Final = 256
"""Channels in one command."""


def is_message(push: Sequence[object]) -> bool:
    """Say whether a push holds something that was published."""
    return type(push[-1]) is bytes and push[0] in PUBLISHED


@final
class PubSub:
    """Publishes to channels, and listens to those of interest."""

    def __init__(
        self,
        keys: Keys,
        interest: Interest,
        sequencing: Sequencing,
        *,
        node: str,
        listened: Callable[[], Iterable[str]],
        linger: float,
        sharded: bool,
    ) -> None:
        """Listen to what `listened` names and `interest` admits.

        Args:
            keys: The names of the namespace.
            interest: What may come in.
            sequencing: The numbers of the others.
            node: The bridge's own.
            listened: Returns the patterns that somebody on this bus listens to.
            linger: Seconds for which a channel stays subscribed to after the last who listened is gone.
            sharded: Whether to use the sharded channels of a cluster, which have no patterns.
        """
        self._keys = keys
        self._interest = interest
        self._sequencing = sequencing
        self._inbox = keys.inbox(node)
        self._listened = listened
        self._linger = linger
        self._sharded = sharded
        self._publish = "SPUBLISH" if sharded else "PUBLISH"
        self._connection: Connection | None = None
        """The one that is subscribed to `_on`."""
        self._arrived = trio.Event()
        self._on = Channels()
        self._version = 0
        self._settled = 0
        self._change = trio.Event()
        self._lot = trio.lowlevel.ParkingLot()
        self._lock = trio.Lock()

    def attach(self, link: Link, incoming: Incoming, controls: Controls, roll: Roll) -> None:
        """Take what comes by `link`."""
        self._link = link
        self._incoming = incoming
        self._controls = controls
        self._roll = roll

    # -- out ------------------------------------------------------------------------------------------------------

    def scope_of(self, topic: str) -> str:
        """Return the topic itself: who listens to it gets all of it."""
        return topic

    def inbox_of(self, node: str) -> str:
        """Return the channel of a node."""
        return self._keys.inbox(node)

    def commands(self, entries: Sequence[Entry], frames: Sequence[bytes]) -> list[Command]:
        """Return one command for each entry."""
        publish, topics = self._publish, self._keys.topics
        if self._sharded:
            channel = self._keys.everything
            return [
                (publish, channel if entry.kind == MESSAGE else entry.scope, frame)
                for entry, frame in zip(entries, frames, strict=True)
            ]
        return [
            (publish, topics + entry.topic if entry.kind == MESSAGE else entry.scope, frame)
            for entry, frame in zip(entries, frames, strict=True)
        ]

    def control_command(self, frame: bytes) -> Command:
        """Return what tells all other bridges something."""
        return (self._publish, self._keys.control, frame)

    def beacons(self, scopes: dict[str, int]) -> list[tuple[str, dict[str, int]]]:
        """Tell everybody, whatever they listen to."""
        return [(self._keys.control, scopes)]

    def beacon_command(self, place: str, frame: bytes) -> Command:
        """Return what publishes a beacon."""
        return (self._publish, place, frame)

    def verdict(self, entries: Sequence[Entry], replies: Sequence[object]) -> Verdict:
        """Take what has a number for a reply as confirmed.

        Where some of a batch may not be published and others may, it is the channel that is forbidden, and the message
        refused for good. Where none may, that may be over soon.
        """
        pairs = list(zip(entries, replies, strict=True))
        failed = [(entry, reply) for entry, reply in pairs if isinstance(reply, ReplyError)]
        if not failed:
            return Verdict(list(entries), [], None)
        error = failed[0][1]
        if len(failed) < len(pairs) and all(reply.code == "NOPERM" for _, reply in failed):
            refused = [entry for entry, _ in failed]
            return Verdict([entry for entry, reply in pairs if not isinstance(reply, ReplyError)], refused, error)
        first = next(index for index, (_, reply) in enumerate(pairs) if isinstance(reply, ReplyError))
        return Verdict([entry for entry, _ in pairs[:first]], [], error)

    # -- subscribing ----------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Subscribe to what is listened to now, soon."""
        self._version += 1
        self._interest.drop(self._listened())
        self._change.set()

    async def synced(self) -> None:
        """Wait until the server has acknowledged what was listened to when this was called."""
        version = self._version
        while self._settled < version:
            await self._lot.park()

    def follows(self, scope: str) -> bool:
        """Say whether all of a scope has come here since the server knows that it is listened to."""
        try:
            return scope == self._inbox or self._interest.wants(scope)
        except ValueError:
            return False

    async def setup(self, connection: Connection) -> None:
        """Subscribe on a new connection to everything that is listened to."""
        async with self._lock:
            self._connection, self._on = connection, Channels()
            self._arrived.set()  # what comes is taken from now on, else the confirmations could get stuck behind it
            await self._subscribe(connection)
        self._controls.join()

    async def keep_subscribed(self) -> None:
        """Subscribe and unsubscribe as what is listened to changes, for ever."""
        while True:
            await self._change.wait()
            await trio.sleep(DEBOUNCE)
            self._change = trio.Event()
            connection = await self._link.connected()
            try:
                async with self._lock:
                    if connection is self._connection and await self._subscribe(connection):
                        self._roll.call(names=False)
            except ConnectionLost:
                continue  # the next one begins with what is listened to then
            except ReplyError as error:
                self._link.fail(connection, error)

    async def _subscribe(self, connection: Connection) -> bool:
        """Let the server know what is listened to, and return whether that is something else than before.

        Raises:
            ReplyError: It is forbidden.
            ConnectionLost: It may know or not.
        """
        version, listened = self._version, list(self._listened())
        wanted = self._wanted(listened)
        try:
            await self._add(connection, wanted)
        except ReplyError as error:
            if error.code != "NOPERM" or self._sharded or not wanted.patterns:
                raise
            logger.warning("patterns may not be subscribed to (%s): trying the pattern of the namespace", error.text)
            await self._add(connection, self._interest.everything())
        before = self._sequencing_interest(listened)
        self._settled = version
        self._lot.unpark_all()
        return before

    def _sequencing_interest(self, listened: list[str]) -> bool:
        if not self._interest.settle(listened):
            return False
        self._sequencing.forget(self.follows)
        return True

    def _wanted(self, listened: Iterable[str]) -> Channels:
        wanted = self._interest.channels(listened)
        if not self._sharded:
            return wanted
        own = frozenset({self._keys.control, self._inbox})
        return Channels(own | {self._keys.everything} if wanted.exact > own or wanted.patterns else own)

    async def _add(self, connection: Connection, wanted: Channels) -> None:
        prefix = "S" if self._sharded else ""
        for command, names in (
            (f"{prefix}SUBSCRIBE", sorted(wanted.exact - self._on.exact)),
            ("PSUBSCRIBE", sorted(wanted.patterns - self._on.patterns)),
        ):
            for at in range(0, len(names), ONCE):
                await connection.execute(command, *names[at : at + ONCE])
        self._on = Channels(self._on.exact | wanted.exact, self._on.patterns | wanted.patterns)

    async def tidy(self) -> None:
        """Unsubscribe, every now and then, from what nobody has listened to for a while; for ever."""
        idle: Channels = Channels()
        prefix = "S" if self._sharded else ""
        while True:
            await trio.sleep(self._linger)
            connection = await self._link.connected()
            async with self._lock:
                wanted = self._wanted(list(self._listened()))
                unused = Channels(self._on.exact - wanted.exact, self._on.patterns - wanted.patterns)
                gone = Channels(unused.exact & idle.exact, unused.patterns & idle.patterns)
                idle = unused
                if connection is not self._connection or self._settled < self._version:
                    continue
                self._on = Channels(self._on.exact - gone.exact, self._on.patterns - gone.patterns)
                try:
                    for command, names in ((f"{prefix}UNSUBSCRIBE", gone.exact), ("PUNSUBSCRIBE", gone.patterns)):
                        if names:
                            await connection.execute(command, *sorted(names))
                except ConnectionLost:
                    continue
                except ReplyError as error:
                    logger.warning("unsubscribing failed: %s", error.text)

    async def finish(self) -> None:
        """Nothing that was taken waits for anything."""
        await trio.lowlevel.checkpoint()

    # -- in -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Take what comes, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.keep_subscribed)
            nursery.start_soon(self.tidy)
            while True:
                await self._arrived.wait()
                self._arrived = trio.Event()
                connection = self._connection
                try:
                    while connection is not None:
                        await self._take_all(await connection.receive_pushes())
                except ConnectionLost:
                    continue

    async def _take_all(self, pushes: list[Push]) -> None:
        """Take pushes, and let handlers have a turn now and then, so that mailboxes do not fill up meanwhile."""
        incoming = self._incoming
        at = 0
        while at < len(pushes):
            end = min(at + TURN, len(pushes))
            while at < end:
                opened = incoming.open_many(pushes, at, end)
                if opened is not None:
                    at = opened.stop
                    await incoming.relay_many(opened)
                if at < end:
                    held_up = self._take(pushes[at])
                    if held_up is not None:
                        await incoming.relay(held_up)
                    at += 1
            if at < len(pushes):
                await trio.lowlevel.checkpoint()

    def _take(self, push: Sequence[bytes]) -> Envelope | None:
        """Take one push: kind, pattern where it came by one, channel, and what was published.

        Returns:
            What has to wait for room on the bus, if anything has.
        """
        incoming = self._incoming
        if not is_message(push):
            return None
        envelope = incoming.open(push[-1])
        if envelope is None or not incoming.is_foreign(envelope):
            return None
        if envelope.kind not in MESSAGES:
            self._controls.take(envelope)
            return None
        scope = envelope.topic if envelope.kind == MESSAGE else self._inbox
        if incoming.wants(envelope) and incoming.in_sequence(envelope, scope):
            try:
                incoming.relay_nowait(envelope)
            except trio.WouldBlock:
                return envelope
        return None

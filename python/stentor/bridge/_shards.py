"""The transport `streams`: at least once on the wire, and once at the handler.

Topics are spread over shards, each a stream; what is for one node alone goes to a stream of its own. Every node reads
by a consumer group, its own or one that it shares with others, and acknowledges an entry when the handlers are done
with all of its messages. An entry that was read and not acknowledged comes again, marked so, when the node is back.

Numbers sort out what was sent twice. So that a node still knows them when it comes back, it writes down how far it has
read, in the same pipeline as the acknowledgements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, final
from zlib import crc32

import trio

from stentor.bridge._acknowledging import Acknowledging
from stentor.bridge._body import MESSAGE
from stentor.bridge._counting import logger
from stentor.bridge._errors import LEAVE, NONSENSE, ConnectionLost, ReplyError
from stentor.bridge._gaps import Gap, GapKind
from stentor.bridge._incoming import MESSAGES
from stentor.bridge._packets import FIELD, commands_of, verdict_on
from stentor.bridge._pubsub import is_message
from stentor.bridge._repeats import Repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stentor.bridge._connection import Connection
    from stentor.bridge._controls import Controls
    from stentor.bridge._counting import Counts
    from stentor.bridge._envelope import Envelope
    from stentor.bridge._frames import Entry
    from stentor.bridge._incoming import Incoming
    from stentor.bridge._interest import Interest
    from stentor.bridge._keys import Keys
    from stentor.bridge._link import Link
    from stentor.bridge._sequencing import Sequencing
    from stentor.bridge._transport import Command, Verdict

COUNT: Final = 128
"""Entries in one read at most. Where a connection is lost during a read, the next asks for fewer: the reply may have
been more than the server keeps for a slow client."""
RETRY: Final = 0.05
"""Seconds to wait after the server has refused to be read."""
DEAD_KEPT: Final = 10_000
"""Entries that could not be read, and are kept for people."""
HANDLED: Final = True
"""Nothing is left to do with an entry."""
NEW_ONLY: Final = "$"
EVERYTHING: Final = "0"


@final
class Streams:
    """Appends to streams, and reads them by a consumer group."""

    def __init__(
        self,
        keys: Keys,
        interest: Interest,
        sequencing: Sequencing,
        counts: Counts,
        *,
        node: str,
        group: str | None,
        shards: int,
        reads: bool,
        start: str,
        window: int,
        block: float,
        grace: float,
        listened: Callable[[], Iterable[str]],
    ) -> None:
        """Read what `listened` names and `interest` admits.

        Args:
            keys: The names of the namespace.
            interest: What may come in.
            sequencing: The numbers of the others.
            counts: Is told what is missing.
            node: The bridge's own.
            group: The name of a group that is shared with others, who each get a part; None for all of it.
            shards: How many streams there are for topics.
            reads: Whether to read them.
            start: Where a group begins that is not there yet: `new` or `all`.
            window: How many entries, or messages, may be read and not acknowledged.
            block: Seconds for which a read waits for entries at most.
            grace: Seconds beyond that until its reply must have come.
            listened: Returns the patterns that somebody on this bus listens to.
        """
        self._keys = keys
        self._interest = interest
        self._sequencing = sequencing
        self._counts = counts
        self._node = node
        self._shared = group is not None
        own = f"n:{node}"
        self._inbox = keys.inbox(node)
        shared = {keys.stream(n): own if group is None else f"g:{group}" for n in range(shards)}
        self.all: Final = shared | {self._inbox: own}
        """Every stream of the namespace that this node may write to or read, and the group by which it would."""
        self.groups: Final = self.all if reads else {self._inbox: own}
        """The group that reads each stream."""
        self._shards = shards
        self._first = NEW_ONLY if start == "new" else EVERYTHING
        self._block = block
        self._grace = grace
        self._count = COUNT
        self._listened = listened
        self._repeats = Repeats()
        self.acknowledging: Final = Acknowledging(keys, self.groups, sequencing, window=window)
        self._connection: Connection | None = None
        self._arrived = trio.Event()
        self._fresh = True
        """Whether what is pending may have been handled by an earlier process of this name."""
        self._known = False
        self._reading = trio.CancelScope()
        self._lot = trio.lowlevel.ParkingLot()

    def attach(self, link: Link, send_link: Link, incoming: Incoming, controls: Controls) -> None:
        """Take what comes by `link`, and acknowledge by `send_link`, which nobody blocks."""
        self._link = link
        self._incoming = incoming
        self._controls = controls
        self.acknowledging.attach(send_link)

    # -- out ------------------------------------------------------------------------------------------------------

    def scope_of(self, topic: str) -> str:
        """Return the shard of a topic."""
        return self._keys.stream(crc32(topic.encode()) % self._shards if self._shards > 1 else 0)

    def inbox_of(self, node: str) -> str:
        """Return the stream of a node."""
        return self._keys.inbox(node)

    def commands(self, entries: Sequence[Entry], frames: Sequence[bytes]) -> list[Command]:
        """Return a transaction, so that a refusal in the middle does not let the rest overtake what it refuses."""
        return commands_of(entries, frames)

    def control_command(self, frame: bytes) -> Command:
        """Return what tells all other bridges something, which nobody needs later."""
        return ("PUBLISH", self._keys.control, frame)

    def beacons(self, scopes: dict[str, int]) -> list[tuple[str, dict[str, int]]]:
        """Tell in each stream how far it is numbered, and everybody that this node is alive."""
        return [(self._keys.control, {}), *((scope, {scope: number}) for scope, number in scopes.items())]

    def beacon_command(self, place: str, frame: bytes) -> Command:
        """Return what appends a beacon, or publishes it."""
        if place == self._keys.control:
            return ("PUBLISH", place, frame)
        return ("XADD", place, "*", FIELD, frame)

    def verdict(self, entries: Sequence[Entry], replies: Sequence[object]) -> Verdict:
        """Take all of a transaction as confirmed, or none of it."""
        return verdict_on(entries, replies)

    # -- joining --------------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Listen to something else: what is read is sorted out here, so the server need not know."""
        self._interest.settle(self._listened())

    async def synced(self) -> None:
        """Wait until the groups are there, from which on nothing is missed."""
        while not self._known:
            await self._lot.park()

    def follows(self, scope: str) -> bool:
        """Say whether this node reads a stream, and all of it."""
        return scope in self.groups and (not self._shared or scope == self._inbox)

    async def setup(self, connection: Connection) -> None:
        """Join the groups, and learn how far this node had read before."""
        self._connection = connection
        self._arrived.set()
        await connection.execute("SUBSCRIBE", self._keys.control)
        lost = False
        for key, group in self.groups.items():
            start = EVERYTHING if self._known or key == self._inbox else self._first
            try:
                await connection.execute("XGROUP", "CREATE", key, group, start, "MKSTREAM")
                lost = self._known
            except ReplyError as error:
                if error.code != "BUSYGROUP":
                    raise
        if lost:
            reason = "the server has lost its data; what it has got since then is read from the beginning"
            self._counts.gap(Gap(kind=GapKind.RESET, reason=reason))
        if not self._known:
            await self.acknowledging.recall(connection)
            self._interest.settle(self._listened())
            self._known = True
            self._lot.unpark_all()
        self._controls.join()

    # -- in -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Take what comes, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear)
            nursery.start_soon(self.acknowledging.run)
            with self._reading:
                await self._read()
            await trio.sleep_forever()

    async def finish(self) -> None:
        """Read nothing more, and wait until what was read is done and acknowledged."""
        self._reading.cancel()
        await self.acknowledging.settled()

    async def leave(self, connection: Connection) -> None:
        """Take this node's own group and stream away: it never comes back under its name."""
        own = self.groups[self._inbox]
        commands: list[Command] = [
            ("XGROUP", "DESTROY", key, own) for key, group in self.groups.items() if group == own
        ]
        await connection.pipeline([*commands, ("DEL", self._inbox, self._keys.seen(own))])

    async def _hear(self) -> None:
        """Take what bridges tell each other, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived = trio.Event()
            connection = self._connection
            try:
                while connection is not None:
                    for push in filter(is_message, await connection.receive_pushes()):
                        envelope = self._incoming.open(push[-1])
                        if envelope is not None and self._incoming.is_foreign(envelope):
                            self._controls.take(envelope)
            except ConnectionLost:
                continue

    async def _read(self) -> None:
        """Read entries for ever."""
        while True:
            connection = await self._link.connected()
            try:
                await self._read_from(connection)
            except ConnectionLost:
                continue
            except ReplyError as error:
                if error.code == "NOGROUP":
                    self._link.fail(connection, "its groups are gone")
                elif error.code in LEAVE:
                    self._link.fail(connection, error)
            except NONSENSE as error:
                logger.exception("what the server has sent makes no sense")
                self._link.fail(connection, f"what the server has sent makes no sense: {error!r}")
            await trio.sleep(RETRY)

    async def _read_from(self, connection: Connection) -> NoReturn:
        """Read entries until that fails, those first that were read before and not acknowledged."""
        for key in self.groups:
            await self._read_pending(connection, key)
        self._fresh = False
        while True:
            await self.acknowledging.room()
            for key, entries in await self._next(connection):
                await self._take_all(connection, key, entries)

    async def _next(self, connection: Connection) -> list[tuple[str, list[Any]]]:
        """Return what has come to each stream since the last read, waiting a little for something to come."""
        found: list[tuple[str, list[Any]]] = []
        for group in dict.fromkeys(self.groups.values()):
            keys = [key for key, each in self.groups.items() if each == group]
            wait = self._block if group == self._reading_group else 0.0
            found += await self._read_group(connection, group, keys, ">", wait)
        return found

    @property
    def _reading_group(self) -> str:
        return next(iter(self.groups.values()))

    async def _read_group(
        self, connection: Connection, group: str, keys: list[str], after: str, wait: float
    ) -> list[tuple[str, list[Any]]]:
        command: list[str | int] = ["XREADGROUP", "GROUP", group, self._node, "COUNT", self._count]
        if wait:
            command += ["BLOCK", max(1, int(wait * 1000))]
        command += ["STREAMS", *keys, *([after] * len(keys))]
        try:
            reply = await connection.execute(*command, timeout=wait + self._grace)
        except ConnectionLost:
            self._count = max(1, self._count // 4)
            raise
        self._count = min(COUNT, self._count * 2)
        found: dict[bytes, list[Any]] = reply or {}
        read = [(key.decode(), entries) for key, entries in found.items()]
        for key, _ in read:
            if key not in keys:
                msg = f"it has read {key!r}, and was not asked to"
                raise ValueError(msg)
        return read

    async def _read_pending(self, connection: Connection, key: str) -> None:
        """Take once more what this node has read of a stream and not acknowledged."""
        after = "0"
        while True:
            reply = await self._read_group(connection, self.groups[key], [key], after, 0.0)
            entries = reply[0][1] if reply else []
            if not entries:
                return
            for entry_id, fields in entries:
                await self.acknowledging.room()
                await self._take(connection, key, entry_id, fields, pending=True)
            after = entries[-1][0].decode()

    async def _take_all(self, connection: Connection, key: str, entries: list[Any]) -> None:
        """Take new entries of a stream: many at once where they are ordinary, and others one by one."""
        incoming, acknowledging = self._incoming, self.acknowledging
        while entries:
            opened = None if self._shared else incoming.open_many(entries, 0, len(entries), key)
            if opened is not None:
                acknowledging.hold_many(opened.held)
                del entries[: opened.stop]  # now, so that there is less for the garbage collector to look at
                for origin in opened.origins:
                    acknowledging.note(origin, key)
                await incoming.relay_many(opened, acknowledging)
            if entries:
                entry_id, fields = entries.pop(0)
                await self._take(connection, key, entry_id, fields)

    async def take_claimed(self, connection: Connection, key: str, entry_id: bytes, fields: list[bytes]) -> None:
        """Take an entry over from a consumer that is gone."""
        await self._take(connection, key, entry_id, fields, claimed=True)

    async def _take(
        self,
        connection: Connection,
        key: str,
        entry_id: bytes,
        fields: list[bytes] | None,
        *,
        pending: bool = False,
        claimed: bool = False,
    ) -> None:
        """Take one entry: to the bus, or straight to the acknowledgements."""
        acknowledging = self.acknowledging
        if acknowledging.has(key, entry_id):
            return
        before = (pending and self._fresh) or claimed
        if not fields:
            if before:
                reason = "its entry was removed from the stream before it was acknowledged"
                self._counts.gap(Gap(kind=GapKind.TRIMMED, scope=key, reason=reason))
            acknowledging.hold(key, entry_id, 1)(HANDLED)
            return
        frames = fields[1::2]
        envelopes = [self._incoming.open(frame) for frame in frames]
        done = acknowledging.hold(key, entry_id, len(frames))
        try:
            for frame, envelope in zip(frames, envelopes, strict=True):
                if envelope is None:  # before anything else of the entry is taken, for the connection may be lost
                    await self._bury(connection, key, entry_id, frame)
                    done(HANDLED)
            for envelope in filter(None, envelopes):
                again = before or (self._shared and envelope.again)
                if self._is_due(envelope, key, before=before) and await self._relay(envelope, done, again=again):
                    self._counts.claimed += claimed
                else:
                    done(HANDLED)
        except BaseException:
            acknowledging.release([(key, entry_id)])
            raise

    def _is_due(self, envelope: Envelope, key: str, *, before: bool) -> bool:
        incoming = self._incoming
        if not incoming.is_foreign(envelope):
            return False
        if envelope.kind not in MESSAGES:
            if self.follows(key):
                self._controls.take(envelope)
            return False
        if self._shared and envelope.kind == MESSAGE:
            if self._repeats.is_repeat(envelope.origin, key, envelope.seq) and not before:
                self._counts.repeats += 1
                return False
        elif not incoming.in_sequence(envelope, key, before=before):
            return False
        self.acknowledging.note(envelope.origin, key)
        return incoming.wants(envelope)

    async def _relay(self, envelope: Envelope, done: Callable[[bool], object], *, again: bool) -> bool:
        return await self._incoming.relay(envelope, redelivered=again, done=done)

    async def _bury(self, connection: Connection, key: str, entry_id: bytes, frame: bytes) -> None:
        """Keep an entry that cannot be read, for people."""
        logger.warning("entry %s of %s cannot be read, and goes to %s", entry_id.decode(), key, self._keys.dead)
        try:
            await connection.execute(
                "XADD", self._keys.dead, "MAXLEN", "~", DEAD_KEPT, "*", "from", key, "id", entry_id, FIELD, frame
            )
        except ReplyError as error:
            logger.warning("it could not be kept there: %s", error.text)

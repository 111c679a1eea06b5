"""Acknowledging: which entries were read and are not done, and telling the server of those that are."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, final

import trio

from stentor.bridge._counting import logger
from stentor.bridge._errors import LEAVE, ConnectionLost, ReplyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from stentor.bridge._connection import Connection
    from stentor.bridge._keys import Keys
    from stentor.bridge._link import Link
    from stentor.bridge._sequencing import Sequencing
    from stentor.bridge._transport import Command

Held: TypeAlias = tuple[str, bytes]
"""An entry: its stream and its id."""

BATCH: Final = 1024
"""Entries acknowledged in one pipeline."""
RETRY: Final = 0.1


@final
class Acknowledging:
    """Entries between their reading and their acknowledgement, at most `window` of them, or of their messages."""

    def __init__(self, keys: Keys, groups: Mapping[str, str], sequencing: Sequencing, *, window: int) -> None:
        """Hold nothing; `groups` names the consumer group of each stream."""
        self._keys = keys
        self._groups = groups
        self._sequencing = sequencing
        self._window = window
        self._held: dict[Held, int] = {}
        """Every entry that the server takes for unacknowledged, and how many of its messages are not done."""
        self._in_hand = 0
        """Messages that are not done."""
        self._done: list[Held] = []
        self._read: dict[tuple[bytes, str], None] = {}
        """Origins and streams of which more was read than the server knows."""
        self._wake = trio.Event()
        self._room = trio.lowlevel.ParkingLot()
        self._quiet = trio.lowlevel.ParkingLot()
        self._trouble = ""
        self.closing = False
        """Whether what is left now is to come again, when this node is back."""

    def attach(self, link: Link) -> None:
        """Acknowledge by `link`."""
        self._link = link

    def __len__(self) -> int:
        """Return how many were read and are not acknowledged."""
        return len(self._held)

    @property
    def running(self) -> list[Held]:
        """Those that handlers are not done with."""
        return [key for key, left in self._held.items() if left]

    def has(self, key: str, entry_id: bytes) -> bool:
        """Say whether an entry was read already by this process."""
        return (key, entry_id) in self._held

    def hold(self, key: str, entry_id: bytes, messages: int) -> Callable[[bool], object]:
        """Take note that an entry was read, and return what is to be called when one of its messages is done, or left.

        It is done when all of them are.
        """
        self.hold_many({(key, entry_id): messages})
        return partial(self.finish, (key, entry_id))

    def hold_many(self, entries: dict[Held, int]) -> None:
        """Take note that entries were read, and how many messages each holds."""
        self._held.update(entries)
        self._in_hand += sum(entries.values())

    def release(self, entries: Iterable[Held]) -> None:
        """Take note that not all of these are going to be done: they come again, whole."""
        for entry in entries:
            self._in_hand -= self._held.pop(entry, 0)
        self._look()

    def note(self, origin: bytes, key: str) -> None:
        """Take note that a stream was read as far as the numbers of an origin say."""
        self._read[origin, key] = None

    def finish(self, entry: Held, handled: bool) -> None:  # noqa: FBT001 - as the bus calls it
        """Take note that handlers are done with a message of an entry, or have left it."""
        left = self._held.get(entry, 0)
        if left and (handled or not self.closing):
            self._held[entry] = left - 1
            self._in_hand -= 1
            if left == 1:
                self._done.append(entry)
                if len(self._done) == 1:
                    self._wake.set()

    async def room(self) -> None:
        """Wait until another entry may be read."""
        while max(len(self._held), self._in_hand) >= self._window:
            await self._room.park()

    async def settled(self) -> None:
        """Wait until everything that was read is done and acknowledged."""
        while self._held:
            await self._quiet.park()

    async def recall(self, connection: Connection) -> None:
        """Learn how far the groups have read of each origin.

        Raises:
            ReplyError: It is forbidden.
        """
        for group in dict.fromkeys(self._groups.values()):
            seen: dict[bytes, bytes] = await connection.execute("HGETALL", self._keys.seen(group)) or {}
            for field, number in seen.items():
                try:
                    origin, _, scope = field.decode().partition(":")
                    self._sequencing.origin(bytes.fromhex(origin), 0.0).last[scope] = int(number)
                except ValueError:
                    logger.warning("%s holds something that was not written there by a bridge", self._keys.seen(group))

    async def run(self) -> None:
        """Acknowledge what is done, for ever."""
        while True:
            while not self._done:
                self._wake = trio.Event()
                await self._wake.wait()
            connection = await self._link.connected()
            try:
                await self._acknowledge(connection)
            except ConnectionLost:
                continue

    async def _acknowledge(self, connection: Connection) -> None:
        batch, read = self._done[:BATCH], list(self._read)
        self._read.clear()
        by_key: dict[str, list[bytes]] = {}
        for key, entry_id in batch:
            by_key.setdefault(key, []).append(entry_id)
        commands: list[Command] = [*self._seen(read)]
        commands += [("XACK", key, self._groups[key], *ids) for key, ids in by_key.items()]
        try:
            replies = await connection.pipeline(commands)
        except ConnectionLost:
            self._read.update(dict.fromkeys(read))
            raise
        error = next((reply for reply in replies[-len(by_key) :] if isinstance(reply, ReplyError)), None)
        if error is not None:
            if error.text != self._trouble:
                logger.warning("entries could not be acknowledged: %s", error.text)
            self._trouble = error.text
            if error.code in LEAVE:
                self._link.fail(connection, error)
            if error.code != "ERR":
                await trio.sleep(RETRY)
                return
            await self._acknowledge_each(connection, batch)
        self._trouble = ""
        del self._done[: len(batch)]
        for entry in batch:
            self._held.pop(entry, None)
        self._look()

    def _look(self) -> None:
        """Wake who waits for there to be fewer, or none."""
        if max(len(self._held), self._in_hand) < self._window:
            self._room.unpark_all()
        if not self._held:
            self._quiet.unpark_all()

    async def _acknowledge_each(self, connection: Connection, batch: list[Held]) -> None:
        """Acknowledge entries one by one, since one of them has an id that is none: it was changed on the way.

        The entry whose id it should have been comes again with the next connection, and is known by its number.
        """
        replies = await connection.pipeline([("XACK", key, self._groups[key], entry_id) for key, entry_id in batch])
        failed = sum(isinstance(reply, ReplyError) for reply in replies)
        logger.warning("%d entries have an id that is none, and are not acknowledged", failed)

    def _seen(self, read: list[tuple[bytes, str]]) -> list[Command]:
        """Return what writes down how far the groups have read: before they acknowledge it, in the same pipeline."""
        fields: dict[str, list[str | int]] = {}
        for origin, key in read:
            known = self._sequencing.get(origin)
            if known is not None and key in known.last:
                fields.setdefault(self._groups[key], []).extend((f"{origin.hex()}:{key}", known.last[key]))
        return [("HSET", self._keys.seen(group), *pairs) for group, pairs in fields.items()]

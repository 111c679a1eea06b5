"""The outbox: what is numbered and has yet to reach the server, bounded in messages and in bytes.

A number is taken when a message is offered, so whatever an overflow policy drops afterwards is a hole that receivers
report. What is on the wire is never dropped: it is there until the server has confirmed it, and whatever the loss of a
connection leaves in doubt is sent again under the same numbers.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, final

import trio

from stentor import Overflow

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor.bridge._frames import Entry


@final
class Outbox:
    """A queue with room for so many messages and bytes; one batch of it is on the wire."""

    def __init__(
        self, number: Callable[[str, float], int], *, capacity: int, capacity_bytes: int, overflow: Overflow
    ) -> None:
        """Hold up to `capacity` messages and `capacity_bytes` bytes, and number them by `number`.

        `number` returns the next number of a scope, used at some time. Overflow.FAIL waits here as BLOCK does: the
        mailbox before the outbox refuses.
        """
        self._number = number
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._overflow = overflow
        self._latest = overflow is Overflow.LATEST
        self._waiting: OrderedDict[Entry, None] = OrderedDict()
        self._on_the_wire: list[Entry] = []
        self._wire_bytes = 0
        self.again = False
        """Whether what was taken last is in doubt: it may have been sent before."""
        self.tells = False
        """Whether somebody waits for any entry to be confirmed."""
        self._by_topic: dict[str, Entry] = {}
        """LATEST: what waits, by topic."""
        self._bytes = 0
        self._count = 0
        self._room = trio.lowlevel.ParkingLot()
        self.on_entry: Callable[[], object] = _nothing
        """Is called when there is something to send, and was not before."""
        self.accepted = 0
        self.dropped = 0
        self.expired = 0
        self.confirmed = 0
        self.repeated = 0
        """Entries that were sent again because nobody knew whether they had arrived."""
        self.peak = 0

    def __len__(self) -> int:
        """Return how many messages are not confirmed."""
        return self._count

    @property
    def bytes(self) -> int:
        """How many bytes they take, about."""
        return self._bytes

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another message."""
        return self._count >= self._capacity or self._bytes >= self._capacity_bytes

    def oldest(self) -> float | None:
        """Return when the oldest message was accepted, or None if there is none."""
        first = next(iter(self._on_the_wire or self._waiting), None)
        return None if first is None else first.accepted_at

    # -- in -------------------------------------------------------------------------------------------------------

    def offer(self, entry: Entry) -> bool:
        """Number and take `entry`, or what the policy says; False when it is not taken, and has to wait for room."""
        full = self._count >= self._capacity or self._bytes >= self._capacity_bytes  # without a call, for every message
        if not (full or self._latest):
            self._put(entry)
            return True
        if self._latest and (older := self._by_topic.get(entry.topic)) is not None:
            del self._waiting[older]
            self._drop(older)
            full = self.is_full
        if full and not self._make_room():
            return False
        if full and self.is_full:  # the newest is dropped, or everything is on the wire
            entry.number = self._number(entry.scope, entry.accepted_at)
            self.accepted += 1
            self._drop_new(entry)
            return True
        if self._latest:
            self._by_topic[entry.topic] = entry
        self._put(entry)
        return True

    def _put(self, entry: Entry) -> None:
        entry.number = self._number(entry.scope, entry.accepted_at)
        self.accepted += 1
        waiting = self._waiting
        waiting[entry] = None
        self._bytes += entry.size
        self._count = count = self._count + 1
        if count > self.peak:
            self.peak = count
        if len(waiting) == 1:
            self.on_entry()

    def _make_room(self) -> bool:
        """Drop what the policy says; return whether a new entry is to be taken, or dropped, now."""
        if self._overflow in {Overflow.BLOCK, Overflow.FAIL}:
            return False
        while self._overflow is not Overflow.DROP_NEWEST and self.is_full and self._waiting:
            self._drop(self._waiting.popitem(last=False)[0])
        return True

    def _drop(self, entry: Entry) -> None:
        """Drop what waits."""
        self._bytes -= entry.size
        self._count -= 1
        if self._by_topic.get(entry.topic) is entry:
            del self._by_topic[entry.topic]
        self._drop_new(entry)

    def _drop_new(self, entry: Entry) -> None:
        self.dropped += 1
        self._end(entry, dropped=True)

    def _end(self, entry: Entry, *, dropped: bool) -> None:
        if entry.over is not None:
            entry.dropped = dropped
            entry.over.set()

    async def room(self) -> None:
        """Wait until there may be room."""
        while self.is_full:
            await self._room.park()

    # -- out ------------------------------------------------------------------------------------------------------

    def take(self, now: float, *, most: int, most_bytes: int) -> list[Entry]:
        """Return what is to be put on the wire now: what is in doubt, or else a batch of what waits.

        What has expired by `now` is left out; its number is a hole.
        """
        wire, waiting = self._on_the_wire, self._waiting
        self.again = bool(wire)
        if wire:
            self.repeated += len(wire)
            return list(wire)
        size = 0
        while waiting and len(wire) < most and size < most_bytes:
            entry, _ = waiting.popitem(last=False)
            if self._latest and self._by_topic.get(entry.topic) is entry:
                del self._by_topic[entry.topic]
            if entry.expires_at <= now:
                self.expired += 1
                self._bytes -= entry.size
                self._count -= 1
                self._end(entry, dropped=False)
                continue
            size += entry.size
            wire.append(entry)
        self._wire_bytes = size
        return list(wire)

    def confirm(self, entries: list[Entry], *, dropped: bool = False) -> None:
        """The server has these, or has refused them for good; whatever else was taken is still to be sent."""
        if len(entries) == len(self._on_the_wire):
            size = self._wire_bytes
            self._on_the_wire = []
        else:
            gone = set(entries)
            size = sum(entry.size for entry in gone)
            self._on_the_wire = [entry for entry in self._on_the_wire if entry not in gone]
        self._wire_bytes -= size
        self._bytes -= size
        self._count -= len(entries)
        if self.tells:
            for entry in entries:
                self._end(entry, dropped=dropped)
        if dropped:
            self.dropped += len(entries)
        else:
            self.confirmed += len(entries)
        if not self.is_full:
            self._room.unpark_all()

    def unsent(self) -> dict[str, int]:
        """Return, for each scope with something that was not put on the wire yet, the last number before that."""
        return {entry.scope: entry.number - 1 for entry in reversed(self._waiting)}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not (self._waiting or self._on_the_wire)


def _nothing() -> None:
    pass

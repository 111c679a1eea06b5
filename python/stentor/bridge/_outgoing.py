"""The way out: what the bus has for other processes is put into a body and offered to the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

import trio

import stentor
from stentor.bridge._body import DIRECT, MESSAGE, REPLY, encode_body
from stentor.bridge._envelope import MAX_TOPIC_BYTES
from stentor.bridge._errors import UnsendableError
from stentor.bridge._frames import Entry
from stentor.bridge._hops import MOST_HOPS, hops_of, several_bridges

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor.bridge._clock import AnchoredClock
    from stentor.bridge._counting import Counts
    from stentor.bridge._frames import Frames
    from stentor.bridge._outbox import Outbox

ROOM_FOR_HEAD: Final = 200
"""Bytes of an envelope beside its topic and its body, at most."""


@final
class Outgoing:
    """The bridge's own recipient on the bus; where the outbox is full it waits, and its mailbox fills up."""

    def __init__(
        self,
        extension: stentor.Extension,
        outbox: Outbox,
        *,
        frames: Frames,
        clock: AnchoredClock,
        node: str,
        max_size: int,
        scope_of: Callable[[str], str],
        inbox_of: Callable[[str], str],
        node_of: Callable[[str], str | None],
        counts: Counts,
    ) -> None:
        """Offer to `outbox`.

        Args:
            extension: What the bridge is to the bus.
            outbox: Where messages go.
            frames: Makes entries of ordinary messages.
            clock: Translates times.
            node: The bridge's own.
            max_size: Bytes that an envelope may have.
            scope_of: Returns the scope of a topic.
            inbox_of: Returns the scope of what is for one node.
            node_of: Returns the node that has an agent of that name.
            counts: Is told of what cannot be sent.
        """
        self._extension = extension
        self._outbox = outbox
        self._frames = frames
        self._clock = clock
        self._node = node
        self._max_size = max_size
        self._scope_of = scope_of
        self._inbox_of = inbox_of
        self._node_of = node_of
        self._counts = counts

    async def take(self, message: stentor.Message) -> None:
        """Number a message and put it into the outbox, as soon as there is room.

        Raises:
            UnsendableError: It cannot be put into an envelope.
            LookupError: It is for an agent that no node has any more.
            RuntimeError: It has gone in a circle.
        """
        entry = None
        if not several_bridges and not self._extension.expects_reply(message):
            entry = self._frames.entry(message, 1, self._clock.steady(), False)  # noqa: FBT003 - the hot path
        if entry is None:
            entry = self._entry(message)
        while not self._outbox.offer(entry):
            await self._outbox.room()

    async def take_and_confirm(self, message: stentor.Message, delivery: stentor.Delivery) -> None:
        """Do as `take`, and return when the server has confirmed it, so that a stored message is kept until then.

        Raises:
            RuntimeError: The server has refused it for good, or it has gone in a circle.
            Exception: What else `take` raises.
        """
        entry = self._entry(message, again=delivery.redelivered)
        entry.over = trio.Event()
        self._outbox.tells = True
        while not self._outbox.offer(entry):
            await self._outbox.room()
        await entry.over.wait()
        if entry.dropped:
            msg = "the outbox dropped it, or the server has refused it for good"
            raise RuntimeError(msg)

    def _entry(self, message: stentor.Message, *, again: bool = False) -> Entry:
        hop = hops_of(message) + 1
        if hop > MOST_HOPS:
            self._counts.refuse("hops", message.topic)
            msg = f"the message has crossed {MOST_HOPS} bridges, so it goes in a circle"
            raise RuntimeError(msg)
        asked_by = self._node if self._extension.expects_reply(message) else ""
        if not asked_by:
            entry = self._frames.entry(message, hop, self._clock.steady(), again)
            if entry is not None:
                return entry
        if message.addressing is not stentor.AddressingMode.DIRECT:
            scope = self._scope_of(message.topic)
            return self._made(MESSAGE, scope, message, hop, asked_by=asked_by, again=again)
        node = self._node_of(message.topic)
        if node is None:
            self._counts.refuse("unknown agent", repr(message.topic))
            msg = f"no node has an agent {message.topic!r} any more"
            raise LookupError(msg)
        return self._made(DIRECT, self._inbox_of(node), message, hop, asked_by=asked_by, to=node, again=again)

    def answer(self, node: str, message: stentor.Message) -> bool:
        """Send a reply to the node where somebody asked; return False, and count it, if it cannot be sent."""
        try:
            entry = self._made(REPLY, self._inbox_of(node), message, 1, to=node)
        except UnsendableError:
            return False
        if not self._outbox.offer(entry):
            self._counts.refuse("reply", "the outbox is full")
            return False
        return True

    def _made(
        self,
        kind: int,
        scope: str,
        message: stentor.Message,
        hop: int,
        *,
        asked_by: str = "",
        to: str = "",
        again: bool = False,
    ) -> Entry:
        clock, topic = self._clock, message.topic
        try:
            body = encode_body(message, clock, asked_by=asked_by, to=to, again=again)
            size = len(body) + 4 * len(topic) + ROOM_FOR_HEAD
            if len(topic) * 4 > MAX_TOPIC_BYTES and (length := len(topic.encode())) > MAX_TOPIC_BYTES:
                msg = f"topic must have at most {MAX_TOPIC_BYTES} bytes, not {length}"
                raise UnsendableError(msg)  # noqa: TRY301 - counted with the others
            if size > self._max_size and (size := size + len(topic.encode()) - 4 * len(topic)) > self._max_size:
                msg = f"its envelope would have {size} bytes, and at most {self._max_size} may be sent"
                raise UnsendableError(msg)  # noqa: TRY301 - counted with the others
        except UnsendableError as error:
            self._counts.refuse("unsendable", error)
            raise
        now = clock.steady()
        return Entry(kind, scope, topic, body, hop, clock.milliseconds_at(now), now, message.expires_at)

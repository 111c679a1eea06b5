"""The way in: an envelope is checked, put in sequence, and its message relayed to the bus; or dropped, and counted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, final

import trio

import stentor
from stentor.bridge._body import DIRECT, MESSAGE, REPLY, message_of, open_body
from stentor.bridge._errors import BadEnvelope
from stentor.bridge._gaps import Gap, GapKind
from stentor.bridge._hops import MOST_HOPS, has_others, note_hops
from stentor.bridge._sequencing import REPEAT

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor.bridge._acknowledging import Acknowledging
    from stentor.bridge._body import MessageBody
    from stentor.bridge._clock import AnchoredClock
    from stentor.bridge._counting import Counts
    from stentor.bridge._envelope import Envelope, EnvelopeCodec
    from stentor.bridge._frames import Frames, Opened
    from stentor.bridge._interest import Interest
    from stentor.bridge._sequencing import Sequencing

MESSAGES: Final = frozenset({MESSAGE, DIRECT, REPLY})
REFUSALS: Final[dict[type[Exception], str]] = {
    stentor.UnknownAgentError: "unknown agent",
    stentor.MailboxFullError: "mailbox full",
    stentor.PermissionDeniedError: "forbidden",
}
"""What a message that this bus does not take is counted as."""


@final
class Incoming:
    """Takes what comes from the server, one envelope after another."""

    def __init__(
        self,
        bus: stentor.Bus,
        extension: stentor.Extension,
        *,
        codec: EnvelopeCodec,
        frames: Frames,
        clock: AnchoredClock,
        origin: bytes,
        node: str,
        interest: Interest,
        sequencing: Sequencing,
        counts: Counts,
        answer: Callable[[str, stentor.Message], bool],
    ) -> None:
        """Relay to `bus` by `extension`.

        Args:
            bus: The bus.
            extension: What the bridge is to it.
            codec: Opens envelopes.
            frames: Opens ordinary ones, many at a time.
            clock: Translates times.
            origin: The bridge's own; what comes from there is an echo.
            node: The bridge's own.
            interest: What may come in.
            sequencing: The numbers of the others.
            counts: Is told of everything.
            answer: Is called with a node and a reply to what somebody there has asked.
        """
        self._bus = bus
        self._extension = extension
        self._codec = codec
        self._frames = frames
        self._clock = clock
        self._origin = origin
        self._node = node
        self._interest = interest
        self._sequencing = sequencing
        self._counts = counts
        self._answer = answer

    # -- many at a time -----------------------------------------------------------------------------------------------

    def open_many(self, items: list[Any], start: int, stop: int, scope: str | None = None) -> Opened | None:
        """Open, and put in sequence, items from place `start` to before `stop`, up to the first that is not ordinary.

        Args:
            items: Pushes; or, where `scope` is given, the entries of that stream.
            start: The place of the first.
            stop: The place behind the last.
            scope: The stream; None where each topic is numbered by itself.

        Returns:
            What was opened, for `relay_many`; None where nothing is ordinary.
        """
        if self._codec.signs or has_others(self._bus):
            return None
        counts = self._counts
        opened = self._frames.open(
            items,
            start,
            stop,
            scope=scope,
            origins=self._sequencing.origins,
            wanted=self._interest.wanted,
            ages=counts.ages,
            now=self._clock.steady(),
        )
        counts.echoes += opened.echoes
        counts.unheard += opened.unheard
        counts.oldest_age = max(counts.oldest_age, opened.oldest)
        return opened

    async def relay_many(self, opened: Opened, keeper: Acknowledging | None = None) -> None:
        """Give opened messages to the bus, waiting for room where a mailbox is full.

        Args:
            opened: What `open_many` returned.
            keeper: Is told of each message that is done with, and of entries that the bus did not get as a whole
                because this was cancelled.
        """
        extension, counts, messages = self._extension, self._counts, opened.messages
        tokens, finish = (None, None) if keeper is None else (opened.tokens, keeper.finish)
        at = 0
        try:
            while True:
                try:
                    at, heard, unheard = extension.relay_many(messages, at, tokens=tokens, done=finish)
                except trio.ClosedResourceError:
                    heard = unheard = 0  # each is refused below
                counts.delivered += heard
                counts.unheard += unheard
                if at == len(messages):
                    return
                message = messages[at]
                done = None if tokens is None or finish is None else partial(finish, tokens[at])
                if (message is None or not await self._relay_one(message, done)) and done is not None:
                    done(True)  # noqa: FBT003 - as the bus calls it
                at += 1
        except BaseException:
            if keeper is not None and tokens is not None:
                keeper.release(tokens[at:])
            raise

    async def _relay_one(self, message: stentor.Message, done: Callable[[bool], object] | None) -> bool:
        try:
            receipt = await self._extension.relay(message, done=done)
        except Exception as error:  # noqa: BLE001 - a middleware may refuse it by any exception
            return self._refused(message, error)
        return self._count(receipt, redelivered=False)

    # -- one by one ---------------------------------------------------------------------------------------------------

    def open(self, data: bytes) -> Envelope | None:
        """Return the envelope in `data`, or None, and count it, where there is none that may come in."""
        try:
            return self._codec.decode(data)
        except BadEnvelope as error:
            self._counts.refuse(error.reason)
            return None

    def is_foreign(self, envelope: Envelope) -> bool:
        """Say whether it was sent by another bridge, and does not go in a circle."""
        if envelope.origin == self._origin:
            self._counts.echoes += 1
            return False
        if envelope.hop > MOST_HOPS:
            self._counts.refuse("hops", envelope.topic)
            return False
        return True

    def wants(self, envelope: Envelope) -> bool:
        """Say whether somebody here listens to it, or it is for one."""
        try:
            wanted = envelope.kind != MESSAGE or self._interest.wants(envelope.topic)
        except ValueError:
            self._counts.refuse("topic", repr(envelope.topic[:100]))
            return False
        if not wanted:
            self._counts.unheard += 1
        return wanted

    def in_sequence(self, envelope: Envelope, scope: str, *, before: bool = False) -> bool:
        """Report what is missing before it, and say whether it is to be taken: it has not come, or it comes `before`.

        That is what an earlier process of this name had, and perhaps had not done with.
        """
        missing = self._sequencing.take(envelope.origin, scope, envelope.seq, self._clock.steady())
        if missing == REPEAT:
            self._counts.repeats += not before
            return before
        if missing:
            self.hole(envelope.origin, scope, missing)
        return True

    def hole(self, origin: bytes, scope: str, missing: int, reason: str = "") -> None:
        """Report that so many messages of an origin are missing."""
        known = self._sequencing.get(origin)
        node = known.node if known is not None and known.node else origin.hex()
        self._counts.gap(Gap(kind=GapKind.HOLE, node=node, scope=scope, missing=missing, reason=reason))

    async def relay(
        self, envelope: Envelope, *, redelivered: bool = False, done: Callable[[bool], object] | None = None
    ) -> bool:
        """Give what an envelope holds to the bus, waiting for room where a mailbox is full.

        Returns:
            Whether `done` is going to be called, or was, because the bus has it.
        """
        try:
            return self.relay_nowait(envelope, redelivered=redelivered, done=done)
        except trio.WouldBlock:
            pass
        body = open_body(envelope.body)
        message = self._message(envelope, body)
        redelivered = redelivered or body.again
        answer = partial(self._answer, body.asked_by) if body.asked_by else None
        try:
            receipt = await self._extension.relay(message, redelivered=redelivered, done=done, answer=answer)
        except Exception as error:  # noqa: BLE001 - a middleware may refuse it by any exception
            return self._refused(message, error)
        return self._accepted(receipt, envelope, redelivered=redelivered)

    def relay_nowait(
        self, envelope: Envelope, *, redelivered: bool = False, done: Callable[[bool], object] | None = None
    ) -> bool:
        """Do as `relay` does, but raise where that would wait.

        Raises:
            trio.WouldBlock: A mailbox is full, or the message must be stored first; nobody has it.
        """
        try:
            body = open_body(envelope.body)
        except BadEnvelope as error:
            self._counts.refuse(error.reason, envelope.topic)
            return False
        if body.to not in {"", self._node}:
            return False
        if envelope.kind == REPLY:
            self._take_reply(envelope, body)
            return False
        message = self._message(envelope, body)
        redelivered = redelivered or body.again
        answer = partial(self._answer, body.asked_by) if body.asked_by else None
        try:
            receipt = self._extension.relay_nowait(message, redelivered=redelivered, done=done, answer=answer)
        except trio.WouldBlock:
            raise
        except Exception as error:  # noqa: BLE001 - a middleware may refuse it by any exception
            return self._refused(message, error)
        return self._accepted(receipt, envelope, redelivered=redelivered)

    def _message(self, envelope: Envelope, body: MessageBody) -> stentor.Message:
        addressing = stentor.AddressingMode.DIRECT if envelope.kind == DIRECT else stentor.AddressingMode.TOPIC
        message = message_of(envelope.topic, body, self._clock, addressing)
        note_hops(self._bus, message, envelope.hop)
        return message

    def _refused(self, message: stentor.Message, error: Exception) -> bool:
        """Count a message that this bus does not take, and return that it did not."""
        reason = next((word for kind, word in REFUSALS.items() if isinstance(error, kind)), "message")
        self._counts.refuse(reason, repr(message.topic) if reason == "unknown agent" else repr(error))
        return False

    def _accepted(self, receipt: stentor.Receipt, envelope: Envelope, *, redelivered: bool) -> bool:
        """Count a message that this bus has taken, and return that it has."""
        self._counts.age((self._clock.milliseconds() - envelope.sent_at) / 1000.0)
        return self._count(receipt, redelivered=redelivered)

    def _count(self, receipt: stentor.Receipt, *, redelivered: bool) -> bool:
        counts = self._counts
        if receipt.recipients:
            counts.delivered += 1
            counts.redelivered += redelivered
        else:
            counts.unheard += 1
        return True

    def _take_reply(self, envelope: Envelope, body: MessageBody) -> None:
        reply = message_of(envelope.topic, body, self._clock)
        if self._extension.reply(reply):
            self._counts.replies += 1
        else:
            self._counts.late_replies += 1

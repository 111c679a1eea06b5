"""The sender: what is in the outbox goes to the server, one pipeline at a time, and is there until that confirms it.

A connection that is lost while a pipeline is under way leaves it in doubt, and the next one sends the same again, under
the same numbers and marked so. How far the numbers have come is told in beacons, which go behind the messages that they
tell of, so that whoever has missed the last message of all learns of it too.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, final

import trio

from stentor.bridge._body import Beacon, Control, encode_control
from stentor.bridge._counting import logger
from stentor.bridge._envelope import Envelope
from stentor.bridge._errors import LEAVE, NONSENSE, ConnectionLost, ReplyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from stentor.bridge._clock import AnchoredClock
    from stentor.bridge._connection import Connection
    from stentor.bridge._counting import Counts
    from stentor.bridge._envelope import EnvelopeCodec
    from stentor.bridge._frames import Entry, Frames
    from stentor.bridge._link import Link
    from stentor.bridge._numbering import Numbering
    from stentor.bridge._outbox import Outbox
    from stentor.bridge._transport import Command, Transport

BATCH: Final = 1024
"""Messages in one pipeline."""
BATCH_BYTES: Final = 2**20
ACTIVE: Final = 60.0
"""Seconds for which beacons go on telling of a scope that is not used."""
PAGE: Final = 1000
"""Scopes in one beacon."""
FIRST_DELAY: Final = 0.05
LONGEST_DELAY: Final = 1.0


@final
class Sender:
    """Sends for ever, whatever happens to the connection."""

    def __init__(
        self,
        outbox: Outbox,
        numbering: Numbering,
        transport: Transport,
        link: Link,
        *,
        codec: EnvelopeCodec,
        frames: Frames,
        clock: AnchoredClock,
        origin: bytes,
        node: str,
        counts: Counts,
        rng: Random,
        wait: tuple[int, float],
    ) -> None:
        """Send from `outbox` by `link`.

        Args:
            outbox: What is to be sent.
            numbering: The numbers that were given.
            transport: How.
            link: By which connection.
            codec: Makes envelopes.
            frames: Makes those that are not signed, many at a time.
            clock: Tells the time.
            origin: The bridge's.
            node: The bridge's.
            counts: Is told of what the server refuses.
            rng: Of the jitter of delays.
            wait: How many replicas must have a batch before it is confirmed, and for how many seconds to ask at a time.
        """
        self._outbox = outbox
        self._numbering = numbering
        self._transport = transport
        self._link = link
        self._codec = codec
        self._seal: Callable[[list[Entry], bool], list[bytes]] = self._sign if codec.signs else frames.seal
        self._clock = clock
        self.origin = origin
        self._node = node
        self._counts = counts
        self._rng = rng
        self._replicas, self._wait_timeout = wait
        self._said: deque[Control] = deque()
        self._beacon_due = False
        self._answers: dict[str, int] = {}
        """Roll calls to be answered: the number of the last one of each node."""
        self._wake = trio.Event()
        self._idle = trio.lowlevel.ParkingLot()
        self._delay = 0.0
        self.trouble = ""
        """Why the server does not take what is sent, in words; empty while it does."""
        outbox.on_entry = self._set

    def _set(self) -> None:
        self._wake.set()

    def say(self, control: Control) -> None:
        """Tell the other bridges something."""
        self._said.append(control)
        self._wake.set()

    def beacon(self) -> None:
        """Tell how far the numbers of the active scopes have come."""
        self._beacon_due = True
        self._wake.set()

    def answer(self, node: str, number: int) -> None:
        """Answer a roll call: tell how far the numbers of all scopes have come."""
        self._answers[node] = number
        self._wake.set()

    async def flushed(self) -> None:
        """Wait until everything is with the server."""
        while not self._is_idle:
            await self._idle.park()

    @property
    def _is_idle(self) -> bool:
        return self._outbox.is_empty and not (self._said or self._beacon_due or self._answers)

    async def run(self) -> None:
        """Send for ever."""
        while True:
            while self._is_idle:
                self._idle.unpark_all()
                self._wake = trio.Event()
                await self._wake.wait()
            connection = await self._link.connected()
            try:
                await self._send(connection)
            except ConnectionLost:
                continue
            if self._delay:
                await trio.sleep(self._delay * self._rng.uniform(0.5, 1.0))

    async def _send(self, connection: Connection) -> None:
        """Send one pipeline, and take note of what became of it."""
        entries = self._outbox.take(self._clock.steady(), most=BATCH, most_bytes=BATCH_BYTES)
        commands = self._transport.commands(entries, self._seal(entries, self._outbox.again)) if entries else []
        size = len(commands)
        said, answers, due = list(self._said), self._answers, self._beacon_due
        commands += [self._transport.control_command(self._wrapped(control)) for control in said]
        if due or answers:
            commands += self._beacons(answers)
        if not commands:
            return
        self._said.clear()
        self._answers, self._beacon_due = {}, False
        try:
            replies = await connection.pipeline(commands)
        except ConnectionLost:
            self._said.extendleft(reversed(said))
            self._answers = answers | self._answers
            self._beacon_due = self._beacon_due or due
            raise
        self._note_control(connection, replies[size:])
        if entries:
            await self._settle(connection, entries, replies[:size])

    async def _settle(self, connection: Connection, entries: Sequence[Entry], replies: Sequence[object]) -> None:
        try:
            verdict = self._transport.verdict(entries, replies)
        except NONSENSE as nonsense:
            self._link.fail(connection, f"what the server has sent makes no sense: {nonsense!r}")
            return  # it is in doubt
        if verdict.confirmed and self._replicas:
            await self._replicated(connection)
        self._outbox.confirm(verdict.confirmed)
        if verdict.refused:
            self._outbox.confirm(verdict.refused, dropped=True)
            for entry in verdict.refused:
                self._counts.refuse("server", f"{entry.topic!r}: {verdict.error}")
        error = verdict.error
        if error is None or verdict.refused:
            self._delay, self.trouble = 0.0, ""
            return
        if self.trouble != error.text:
            self.trouble = error.text
            logger.warning("the server does not take messages now: %s", error.text)
        if error.code in LEAVE:
            self._link.fail(connection, error)
        self._delay = min(max(FIRST_DELAY, 2 * self._delay), LONGEST_DELAY)

    async def _replicated(self, connection: Connection) -> None:
        """Wait until enough replicas have what was sent."""
        milliseconds = max(1, int(self._wait_timeout * 1000))
        while True:
            try:
                have = await connection.execute("WAIT", self._replicas, milliseconds, timeout=self._wait_timeout + 5.0)
            except ReplyError as error:
                self._link.fail(connection, error)
                msg = f"WAIT failed: {error.code}"
                raise ConnectionLost(msg) from error
            if isinstance(have, int) and have >= self._replicas:
                return
            self.trouble = f"{have} replicas have what was sent, and {self._replicas} must"

    def _note_control(self, connection: Connection, replies: Sequence[object]) -> None:
        for reply in replies:
            if isinstance(reply, ReplyError):
                self._counts.refuse("control", reply.text)
                if reply.code in LEAVE:
                    self._link.fail(connection, reply)
                    return

    def _sign(self, entries: list[Entry], again: bool) -> list[bytes]:  # noqa: FBT001 - as `Frames.seal` has it
        return [
            self._codec.encode(
                Envelope(
                    entry.kind,
                    self.origin,
                    entry.number,
                    entry.hop,
                    again,
                    entry.sent_at,
                    entry.topic,
                    entry.body,
                )
            )
            for entry in entries
        ]

    def _wrapped(self, control: Control) -> bytes:
        kind, body = encode_control(control)
        return self._codec.encode(
            Envelope(kind, self.origin, 0, 1, again=False, sent_at=self._clock.milliseconds(), topic="", body=body)
        )

    def _beacons(self, answers: dict[str, int]) -> list[Command]:
        numbering = self._numbering
        scopes = numbering.all() if answers else numbering.active(since=self._clock.steady() - ACTIVE)
        for scope, number in self._outbox.unsent().items():
            if scope in scopes:
                scopes[scope] = number
        forgotten, numbering.forgotten = numbering.forgotten, []
        commands: list[Command] = []
        for place, numbered in self._transport.beacons(scopes):
            pages = list(_pages(numbered))
            for index, page in enumerate(pages, 1):
                beacon = Beacon(self._node, page, forgotten if index == 1 else [], answers, index == len(pages))
                commands.append(self._transport.beacon_command(place, self._wrapped(beacon)))
        return commands


def _pages(scopes: dict[str, int]) -> list[dict[str, int]]:
    items = list(scopes.items())
    return [dict(items[at : at + PAGE]) for at in range(0, max(1, len(items)), PAGE)]

"""Onlookers: who listens in on a namespace without being a part of it.

An onlooker leaves no trace: it is no node, it has no consumer group, and nobody waits for it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from attrs import field, frozen

from stentor.bridge._address import Address
from stentor.bridge._body import MESSAGE
from stentor.bridge._clock import AnchoredClock
from stentor.bridge._envelope import ORIGIN_BYTES, Envelope, EnvelopeCodec
from stentor.bridge._errors import ReplyError
from stentor.bridge._keys import Keys
from stentor.bridge._locator import Locator
from stentor.bridge._slots import slot_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stentor.bridge._connection import Argument, Connection

TIMEOUT: Final = 5.0
"""Seconds that a server has to answer."""
BLOCK: Final = 1.0
"""Seconds that one read of a stream waits."""
READ_COUNT: Final = 256


@final
@frozen
class Place:
    """A namespace at a server, and how its messages are carried and signed."""

    address: Address
    keys: Keys
    codec: EnvelopeCodec
    streams: int
    """How many streams the messages are spread over; 0 where they are published to channels."""
    origin: bytes = field(factory=lambda: secrets.token_bytes(ORIGIN_BYTES))

    @classmethod
    def of(
        cls,
        url: str,
        *,
        namespace: str,
        password: str | None,
        secrets_by_id: Mapping[int, bytes],
        sign_with: int | None,
        streams: int,
    ) -> Place:
        """Return the place that these words of a command line name.

        Raises:
            ValueError: One of them is wrong; the text says which and never repeats a secret.
        """
        codec = EnvelopeCodec(namespace=namespace, keys=secrets_by_id, sign_with=sign_with)
        return cls(Address.parse(url, password=password), Keys(namespace), codec, streams)

    @property
    def slot(self) -> int | None:
        """The hash slot that the namespace lies in, where there are slots."""
        return slot_of(self.keys.prefix) if self.address.kind == "cluster" else None

    async def locate(self) -> Address:
        """Return the address of the server to talk to."""
        return await Locator(self.address, slot=self.slot, timeout=TIMEOUT).locate()

    def wrap(self, kind: int, topic: str, body: bytes) -> bytes:
        """Return an envelope around a body, the first and only one of its origin."""
        sent_at, seq = AnchoredClock().milliseconds(), 1 if kind == MESSAGE else 0
        return self.codec.encode(
            Envelope(kind, self.origin, seq, hop=1, again=False, sent_at=sent_at, topic=topic, body=body)
        )


@final
class ChannelListener:
    """Listens to the channels of topics."""

    def __init__(self, place: Place, globs: Sequence[str]) -> None:
        self._keys = place.keys
        self._is_sharded = place.address.kind == "cluster"
        # By two patterns that overlap a message would come twice.
        self._glob = globs[0] if len(globs) == 1 else f"{place.keys.topics}*"

    async def set_up(self, connection: Connection) -> None:
        """Listen by a new connection."""
        if self._is_sharded:
            await connection.execute("SSUBSCRIBE", self._keys.everything)
            return
        try:
            await connection.execute("PSUBSCRIBE", self._glob)
        except ReplyError as error:
            if error.code != "NOPERM":
                raise
            await connection.execute("PSUBSCRIBE", f"{self._keys.topics}*")

    async def receive(self, connection: Connection) -> list[bytes]:
        """Wait for envelopes, and return all that have come."""
        return [push[-1] for push in await connection.receive_pushes()]


@final
class StreamListener:
    """Reads the streams of topics, from their present end on or whole."""

    def __init__(self, place: Place, *, backlog: bool) -> None:
        self._last: dict[bytes, bytes | None] = {
            place.keys.stream(number).encode(): b"0-0" if backlog else None for number in range(place.streams)
        }

    async def set_up(self, connection: Connection) -> None:
        """Find out where the streams end, where that is the place to begin at."""
        for stream, last in self._last.items():
            if last is None:
                self._last[stream] = await _end_of(connection, stream)

    async def receive(self, connection: Connection) -> list[bytes]:
        """Wait for envelopes for a while, and return those that have come."""
        limits: tuple[Argument, ...] = ("COUNT", READ_COUNT, "BLOCK", int(BLOCK * 1000))
        places = (last or b"0-0" for last in self._last.values())
        reading = connection.execute("XREAD", *limits, "STREAMS", *self._last, *places, timeout=BLOCK + TIMEOUT)
        found: Mapping[bytes, list[Any]] = await reading or {}
        for stream, entries in found.items():
            self._last[stream] = entries[-1][0]
        return [frame for entries in found.values() for _id, fields in entries for frame in fields[1::2]]


async def _end_of(connection: Connection, stream: bytes) -> bytes:
    try:
        state: dict[bytes, bytes] = await connection.execute("XINFO", "STREAM", stream)
    except ReplyError as error:
        if error.code != "ERR":
            raise
        return b"0-0"  # nobody has written to it yet
    return state[b"last-generated-id"]


Listener: TypeAlias = ChannelListener | StreamListener

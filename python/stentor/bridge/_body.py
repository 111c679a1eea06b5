"""Bodies: what an envelope holds, a message or a word between bridges, in MessagePack. A payload is data, no code."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, final

import msgspec

import stentor
from stentor.bridge._errors import BadEnvelope, UnsendableError

if TYPE_CHECKING:
    from stentor.bridge._clock import AnchoredClock

FAULT: Final = "body"
"""The reason of a `BadEnvelope` that is refused here."""
MESSAGE: Final = 0
"""Kinds of envelopes: a message for whoever listens to its topic."""
BEACON: Final = 1
ROLL_CALL: Final = 2
PRESENCE: Final = 3
REPLY: Final = 4
GOODBYE: Final = 5
DIRECT: Final = 6
"""A message for one agent by its name."""


@final
class MessageBody(msgspec.Struct, array_like=True, frozen=True):
    """A message without its topic; times are seconds since 1970."""

    id: str
    sender: str | None
    accepted: float
    priority: Literal[0, 1, 2, 3]
    ttl: float | None
    deadline: float | None
    content_type: str | None
    headers: dict[str, str]
    in_reply_to: str | None
    cause: str | None
    asked_by: str
    """The node where somebody waits for a reply, or empty."""
    to: str
    """The node that it is for, or empty."""
    again: bool
    """Whether it may have been sent before, by an earlier process on the same store."""
    payload: Any


@final
class Beacon(msgspec.Struct, array_like=True, frozen=True):
    """How far an origin has numbered its messages."""

    node: str
    scopes: dict[str, int]
    """The last number of each scope: of all that are active, or, in an answer, of all there are."""
    forgotten: list[str]
    """Scopes that begin anew."""
    answers: dict[str, int]
    """The roll calls that it answers: the number of the last one of each node."""
    last: bool
    """Whether the answer ends with it."""


@final
class RollCall(msgspec.Struct, array_like=True, frozen=True):
    """Asks every origin how far it has numbered its messages."""

    node: str
    number: int
    names: bool
    """Whether it is also to tell the names of its agents."""
    fresh: bool
    """Whether who asks has numbered nothing yet, so that its own numbers begin at 1."""


@final
class Presence(msgspec.Struct, array_like=True, frozen=True):
    """Which agents a node has."""

    node: str
    version: int
    """Of two, the one with the greater version is the later."""
    whole: bool
    """Whether these are all, or there are those of the version before too."""
    there: list[str]
    gone: list[str]


@final
class Goodbye(msgspec.Struct, array_like=True, frozen=True):
    """A node is closed in an orderly way; what it numbered is this."""

    node: str
    scopes: dict[str, int]


Control: TypeAlias = Beacon | RollCall | Presence | Goodbye
CONTROL: Final[dict[int, type[Control]]] = {
    BEACON: Beacon,
    ROLL_CALL: RollCall,
    PRESENCE: Presence,
    GOODBYE: Goodbye,
}
_KINDS: Final[dict[type[Control], int]] = {each: kind for kind, each in CONTROL.items()}


def _refuse(code: int, data: memoryview) -> Any:
    msg = f"extension type {code} of {len(data)} bytes"
    raise ValueError(msg)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode_message: Final = msgspec.msgpack.Decoder(MessageBody, ext_hook=_refuse).decode
_decode_payload: Final = msgspec.msgpack.Decoder(ext_hook=_refuse).decode
_decoders: Final = {each: msgspec.msgpack.Decoder(each, ext_hook=_refuse).decode for each in _KINDS}

_SCALARS: Final = frozenset({str, bytes, int, bool, type(None)})


def _is_plain(payload: object) -> bool:
    """Whether a payload is made of nothing but what surely comes back equal."""
    kind = type(payload)
    if kind is dict:
        for key, value in cast("dict[object, object]", payload).items():
            if type(key) is not str or not (type(value) in _SCALARS or _is_plain(value)):
                return False
        return True
    if kind is list:
        return all(map(_is_plain, cast("list[object]", payload)))
    return kind in _SCALARS or (kind is float and payload == payload)  # noqa: PLR0124 - all but NaN


def encode_body(
    message: stentor.Message, clock: AnchoredClock, *, asked_by: str = "", to: str = "", again: bool = False
) -> bytes:
    """Put a message into bytes, all but its topic.

    Args:
        message: The message; its times are on the steady clock of `clock`.
        clock: Translates them.
        asked_by: The node where somebody waits for a reply to it, if there is one.
        to: The node that it is for, if it is for one alone.
        again: Whether it may have been sent before, by an earlier process.

    Raises:
        UnsendableError: The payload would not come back equal.

    Example:
        >>> from stentor.bridge._clock import AnchoredClock
        >>> clock = AnchoredClock(wall=lambda: 0.0, steady=lambda: 0.0)
        >>> data = encode_body(stentor.Message("ai.models", {"query": "why?"}, id="m-1"), clock)
        >>> decode_body("ai.models", data, clock).payload
        {'query': 'why?'}
        >>> encode_body(stentor.Message("ai.models", {1, 2}, id="m-1"), clock)
        Traceback (most recent call last):
        stentor.bridge.UnsendableError: the payload would not come back from MessagePack equal to what it is
    """
    payload = message.payload
    body = MessageBody(
        message.id,
        message.sender,
        clock.to_wall(message.timestamp),
        cast("Literal[0, 1, 2, 3]", int(message.priority)),
        message.ttl,
        None if message.deadline is None else clock.to_wall(message.deadline),
        None if message.content_type is None else str(message.content_type),
        dict(message.headers) if message.headers else {},
        message.in_reply_to,
        message.cause,
        asked_by,
        to,
        again,
        payload,
    )
    try:
        data = _encode(body)
        equal = type(payload) in _SCALARS or _is_plain(payload) or bool(_decode_payload(_encode(payload)) == payload)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        msg = f"the message does not go into MessagePack: {error}"
        raise UnsendableError(msg) from error
    if not equal:
        msg = "the payload would not come back from MessagePack equal to what it is"
        raise UnsendableError(msg)
    return data


_PRIORITIES: Final = tuple(stentor.Priority)


def open_body(data: bytes) -> MessageBody:
    """Return what `encode_body` put into bytes.

    Raises:
        BadEnvelope: It is nothing that it could have made.
    """
    try:
        body = _decode_message(data)
    except Exception as error:  # whatever strangers send is refused in one way
        raise BadEnvelope(FAULT) from error
    # The sum is finite only if each is; what a bus does with times would not hold for NaN or infinity.
    if not body.id or not isfinite(body.accepted + (body.ttl or 0.0) + (body.deadline or 0.0)):
        raise BadEnvelope(FAULT)
    if body.ttl is not None and body.ttl <= 0:
        raise BadEnvelope(FAULT)
    return body


def message_of(
    topic: str,
    body: MessageBody,
    clock: AnchoredClock,
    addressing: stentor.AddressingMode = stentor.AddressingMode.TOPIC,
) -> stentor.Message:
    """Return the message of a body, its times on the steady clock of `clock`."""
    return stentor.Message(
        topic,
        body.payload,
        sender=body.sender,
        id=body.id,
        timestamp=clock.from_wall(body.accepted),
        priority=_PRIORITIES[body.priority],
        ttl=body.ttl,
        deadline=None if body.deadline is None else clock.from_wall(body.deadline),
        content_type=body.content_type,
        headers=body.headers,
        in_reply_to=body.in_reply_to,
        cause=body.cause,
        addressing=addressing,
    )


def decode_body(topic: str, data: bytes, clock: AnchoredClock) -> stentor.Message:
    """Return the message that `encode_body` put into bytes, its times on the steady clock of `clock`.

    Raises:
        BadEnvelope: It is nothing that `encode_body` could have made.
    """
    return message_of(topic, open_body(data), clock)


def encode_control(control: Control) -> tuple[int, bytes]:
    """Return the kind of the envelope for a word between bridges, and its body."""
    return _KINDS[type(control)], _encode(control)


def decode_control(kind: int, data: bytes) -> Control:
    """Return the word between bridges that an envelope of this kind holds.

    Raises:
        BadEnvelope: It is none.
    """
    try:
        return _decoders[CONTROL[kind]](data)
    except Exception as error:  # whatever strangers send is refused in one way
        raise BadEnvelope(FAULT) from error

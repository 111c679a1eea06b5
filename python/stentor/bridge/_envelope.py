"""The envelope: what crosses the wire around the body of a message, version 1.

    offset  bytes  field
    0       2      magic, "ST"
    2       1      version, 1
    3       1      flags: the kind in the low four bits, 16 signed, 32 sent again; other bits are refused
    4       8      origin: which sender
    12      8      sequence number
    20      8      when it was sent, in milliseconds since 1970
    28      1      hops: how many bridges it has crossed
    29      1      codec of the body: 1 for MessagePack
    30      4      key id, 0 without a signature
    34      2      bytes of the topic
    36      4      CRC-32 of all other bytes, 0 with a signature
    40             topic in UTF-8, then the body, then with a signature its 16 bytes

Numbers are big-endian. A signature is the first 128 bits of the HMAC-SHA256 of everything before it. Its key is derived
from the shared secret and the namespace, so that what was signed for one namespace is not accepted in another.
"""

from __future__ import annotations

import hmac
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple, cast, final
from zlib import crc32

from stentor.bridge._errors import BadEnvelope, UnsendableError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC: Final = b"ST"
VERSION: Final = 1
CODEC_MSGPACK: Final = 1
ORIGIN_BYTES: Final = 8
KIND_BITS: Final = 0x0F
SIGNED: Final = 0x10
AGAIN: Final = 0x20
KNOWN_FLAGS: Final = KIND_BITS | SIGNED | AGAIN
SIGNATURE_BYTES: Final = 16
LEAST_SECRET_BYTES: Final = 16
MAX_SIZE: Final = 2**20
MAX_NUMBER: Final = 2**64 - 1
MAX_KEY_ID: Final = 2**32 - 1
MAX_TOPIC_BYTES: Final = 2**16 - 1
MAX_HOP: Final = 2**8 - 1

_HEAD: Final = Struct(">2sBB8sQQBBIH")
_CHECKSUM: Final = Struct(">I")
_WHOLE: Final = Struct(">2sBB8sQQBBIHI")
_FLAGS_AT: Final = 3
HEADER_BYTES: Final = _WHOLE.size
_NO_CHECKSUM: Final = bytes(_CHECKSUM.size)
_PURPOSE: Final = b"stentor envelope 1\0"

REASONS: Final = frozenset(
    {
        "short",
        "magic",
        "version",
        "flags",
        "codec",
        "size",
        "length",
        "sequence",
        "topic",
        "checksum",
        "key",
        "signature",
    }
    | {"body"}
)
"""Every word that `BadEnvelope.reason` can be. `body` is said by those who decode the body."""


@final
class Envelope(NamedTuple):
    """A body on its way, with what the bridges need to know of it."""

    kind: int
    """What the body is, 0 to 15; 0 is a message."""
    origin: bytes
    """Eight bytes that name the sender."""
    seq: int
    """Its number among those of the origin; at least 1 for a message."""
    hop: int
    """How many bridges it has crossed."""
    again: bool
    """Whether it may have been sent before, with the same number."""
    sent_at: int
    """When it was sent, in milliseconds since 1970, by the sender's clock."""
    topic: str
    """What it was published to."""
    body: bytes
    """The rest, which this module does not look into."""


@final
class EnvelopeCodec:
    """Puts bodies into envelopes and takes them out, strictly.

    With keys every envelope is signed, and only signed ones are accepted: by any of the keys, so that a new key can be
    made known everywhere before the first signs with it. Without keys a checksum finds damage, and signed envelopes are
    refused, since nobody here can tell whether they are true.

    Args:
        namespace: What the envelopes are for; a signature holds in one namespace only.
        keys: Secrets of at least 16 bytes by their ids, from 1 to 2**32 - 1.
        sign_with: The id of the key that signs; it can be left out where there is one key.
        max_size: How many bytes a whole envelope may have.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        *,
        namespace: str = "",
        keys: Mapping[int, bytes] | None = None,
        sign_with: int | None = None,
        max_size: int = MAX_SIZE,
    ) -> None:
        secrets = dict(keys or {})
        for key_id, secret in secrets.items():
            _check_key(key_id, secret)
        if sign_with is None and secrets:
            if len(secrets) > 1:
                msg = "sign_with must be given where there are several keys"
                raise ValueError(msg)
            (sign_with,) = secrets
        if sign_with is not None and sign_with not in secrets:
            msg = f"sign_with must be the id of one of the keys, not {sign_with!r}"
            raise ValueError(msg)
        if max_size <= HEADER_BYTES + SIGNATURE_BYTES:
            msg = f"max_size must be > {HEADER_BYTES + SIGNATURE_BYTES}, not {max_size}"
            raise ValueError(msg)
        self._keys = {key_id: _derived(secret, namespace) for key_id, secret in secrets.items()}
        self._sign_with = sign_with or 0
        self.signs: bool = bool(secrets)
        """Whether it signs envelopes, and accepts only what is signed."""
        self._max_size = max_size

    def __repr__(self) -> str:
        return f"<EnvelopeCodec, keys {sorted(self._keys)}, up to {self._max_size} bytes>"

    def encode(self, envelope: Envelope) -> bytes:
        """Return the bytes of an envelope.

        Raises:
            UnsendableError: It is too large, or a number in it does not go into its field.
        """
        kind, origin, seq, hop, again, sent_at, topic, body = envelope
        key_id = self._sign_with
        flags = kind | (AGAIN if again else 0) | (SIGNED if key_id else 0)
        try:
            name = topic.encode()
            head = _HEAD.pack(MAGIC, VERSION, flags, origin, seq, sent_at, hop, CODEC_MSGPACK, key_id, len(name))
        except Exception:  # noqa: BLE001 - struct names no field; what is wrong is said below
            raise UnsendableError(_fault(envelope)) from None
        if len(origin) != ORIGIN_BYTES or not 0 <= kind <= KIND_BITS or (seq == 0 and kind == 0):
            raise UnsendableError(_fault(envelope))
        size = HEADER_BYTES + len(name) + len(body) + (SIGNATURE_BYTES if key_id else 0)
        if size > self._max_size:
            msg = f"its envelope has {size} bytes, and at most {self._max_size} may be sent"
            raise UnsendableError(msg)
        if key_id:
            signed = b"".join((head, _NO_CHECKSUM, name, body))
            return signed + hmac.digest(self._keys[key_id], signed, "sha256")[:SIGNATURE_BYTES]
        return b"".join((head, _CHECKSUM.pack(_checksum(head, name + body)), name, body))

    def decode(self, data: bytes) -> Envelope:
        """Return the envelope in `data`.

        Raises:
            BadEnvelope: There is none that may come in. No other exception is ever raised, whatever `data` holds.
        """
        size = len(data)
        if size < HEADER_BYTES:
            raise BadEnvelope(reason="short")
        if size > self._max_size:
            raise BadEnvelope(reason="size")
        magic, version, flags, origin, seq, sent_at, hop, codec, key_id, name_bytes, checksum = _WHOLE.unpack_from(data)
        if magic != MAGIC:
            raise BadEnvelope(reason="magic")
        if version != VERSION:
            raise BadEnvelope(reason="version")
        if flags & ~KNOWN_FLAGS:
            raise BadEnvelope(reason="flags")
        end = self._verify(data, signed=bool(flags & SIGNED), key_id=key_id, checksum=checksum)
        if codec != CODEC_MSGPACK:
            raise BadEnvelope(reason="codec")
        body_at = HEADER_BYTES + name_bytes
        if body_at > end:
            raise BadEnvelope(reason="length")
        kind = flags & KIND_BITS
        if seq == 0 and kind == 0:
            raise BadEnvelope(reason="sequence")
        try:
            topic = data[HEADER_BYTES:body_at].decode()
        except UnicodeDecodeError:
            raise BadEnvelope(reason="topic") from None
        return Envelope(kind, origin, seq, hop, flags & AGAIN != 0, sent_at, topic, data[body_at:end])

    def _verify(self, data: bytes, *, signed: bool, key_id: int, checksum: int) -> int:
        """Return where the body ends, once the checksum or the signature is found right."""
        if not signed:
            if self._keys:
                raise BadEnvelope(reason="signature")
            if key_id:
                raise BadEnvelope(reason="key")
            if checksum != _checksum(data[: _HEAD.size], data[HEADER_BYTES:]):
                raise BadEnvelope(reason="checksum")
            return len(data)
        key = self._keys.get(key_id)
        if key is None:
            raise BadEnvelope(reason="key")
        end = len(data) - SIGNATURE_BYTES
        if end < HEADER_BYTES:
            raise BadEnvelope(reason="short")
        if checksum:
            raise BadEnvelope(reason="checksum")
        wanted = hmac.digest(key, data[:end], "sha256")[:SIGNATURE_BYTES]
        if not hmac.compare_digest(wanted, data[end:]):
            raise BadEnvelope(reason="signature")
        return end


def _checksum(head: bytes, rest: bytes) -> int:
    return crc32(rest, crc32(head))


def _derived(secret: bytes, namespace: str) -> bytes:
    return hmac.digest(secret, _PURPOSE + namespace.encode(), "sha256")


def _check_key(key_id: object, secret: object) -> None:
    if not isinstance(key_id, int) or isinstance(key_id, bool) or not 1 <= key_id <= MAX_KEY_ID:
        msg = f"keys must have ids from 1 to {MAX_KEY_ID}, not {key_id!r}"
        raise ValueError(msg)
    if not isinstance(secret, bytes):
        msg = f"keys must be bytes, and key {key_id} is of type {type(secret).__name__}"
        raise TypeError(msg)
    if len(secret) < LEAST_SECRET_BYTES:
        msg = f"keys must have at least {LEAST_SECRET_BYTES} bytes, and key {key_id} has {len(secret)}"
        raise ValueError(msg)


def _fault(envelope: Envelope) -> str:
    """Return which field of an envelope does not go into its place."""
    bounds = {"kind": (0, KIND_BITS), "seq": (int(envelope.kind == 0), MAX_NUMBER), "hop": (0, MAX_HOP)}
    for name, (least, most) in (bounds | {"sent_at": (0, MAX_NUMBER)}).items():
        value = getattr(envelope, name)
        if not isinstance(value, int) or not least <= value <= most:
            return f"{name} must be an int from {least} to {most}, not {value!r}"
    origin = cast("object", envelope.origin)
    if not isinstance(origin, bytes) or len(origin) != ORIGIN_BYTES:
        return f"origin must be {ORIGIN_BYTES} bytes, not {origin!r}"
    try:
        size = len(envelope.topic.encode())
    except UnicodeEncodeError as error:
        return f"topic must be without lone surrogates, and has one at offset {error.start}"
    return f"topic must have at most {MAX_TOPIC_BYTES} bytes, not {size}"

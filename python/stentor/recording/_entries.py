"""The causal record: what happened on a bus, as plain tuples, and how they are written.

An entry is a tuple: its kind, the time in seconds on trio's clock, and what that kind has to say. Entries are encoded
with MessagePack one behind the other; nothing stands between them. `docs/guide/recording.md` documents every field. A
`stentor.Journal` makes them; here is what it must be told of payloads and errors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

try:
    import msgspec
except ModuleNotFoundError as error:
    msg = "msgspec is not installed: pip install 'stentor[recording]'"
    raise ModuleNotFoundError(msg, name="msgspec") from error

if TYPE_CHECKING:
    RawEntry: TypeAlias = tuple[Any, ...]
    """One entry as it is written."""

HEADER: Final = 0
ACCEPTED: Final = 1
RECALLED: Final = 2
BEGUN: Final = 3
RETRYING: Final = 4
HANDLED: Final = 5
FAILED: Final = 6
DROPPED: Final = 7
EXPIRED: Final = 8
STORED: Final = 9
ABANDONED: Final = 10
ENDED: Final = 11
ENDING: Final = 12

HAPPENED: Final = frozenset(range(ACCEPTED, ENDED))
"""The kinds that tell what happened to messages; the others tell of the recording itself, and are in no digest."""

MESSAGES: Final = frozenset({ACCEPTED, RECALLED})
"""The kinds that tell all of a message."""

CAUSAL: Final = 15
"""How many fields of an accepted or recalled message are its part in the causal record: all but the payload."""

PLAIN: Final = 0
"""The payload is recorded as the plain data that it is, or that msgspec makes of it."""
REPR: Final = 1
"""The payload is recorded as its repr."""

REPR_LIMIT: Final = 10_000
"""Code points of a repr, or of an error's text, that are recorded."""

_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
# What differs from run to run has one order: sets, and with them the keys of dictionaries, are sorted.
_encode_payload: Final = msgspec.msgpack.Encoder(order="deterministic").encode
_encode: Final = msgspec.msgpack.Encoder().encode


def content(payload: object, limit: int) -> bytes:
    """Return the form in which a payload is recorded, and the payload in it: as it is now, whatever becomes of it."""
    try:
        data = _encode_payload(payload)
    except Exception:  # noqa: BLE001 - whatever hinders it, the message is recorded
        data = None
    if data is None or len(data) > limit:
        return encode(REPR) + encode(text_of(payload, repr))
    return encode(PLAIN) + data


def type_of(error: BaseException) -> str:
    """Return the name of an error's type; with its module, unless it is built in."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def text_of(thing: object, describe: type[str] | Any) -> str:
    """Return what `describe`, str or repr, makes of `thing`, without what differs from run to run: its address."""
    try:
        text = describe(thing)[:REPR_LIMIT]
    except Exception:  # noqa: BLE001 - somebody's __repr__
        return f"<{type(thing).__qualname__} that has no {describe.__name__}>"
    return _ADDRESS.sub(" at 0x...", text)


def encode(value: object) -> bytes:
    """Return a value in MessagePack; one text of a user that UTF-8 does not have costs nothing else."""
    try:
        return _encode(value)
    except Exception:  # noqa: BLE001 - such a text is somewhere in it
        return _encode(_clean(value))


def encode_entries(entries: list[RawEntry]) -> bytes | memoryview:
    """Return the entries as bytes, one behind the other."""
    return memoryview(encode(entries))[array_head(len(entries)) :]


def array_head(count: int) -> int:
    """Return how many bytes MessagePack has before the items of an array."""
    return 1 if count < 16 else 3 if count < 65536 else 5  # noqa: PLR2004 - the format's own limits


def _clean(value: Any) -> Any:
    """Write lone surrogates, which UTF-8 does not have, as escapes."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, (tuple, list)):
        return [_clean(each) for each in cast("list[object]", value)]
    if isinstance(value, dict):
        return {_clean(key): _clean(each) for key, each in cast("dict[object, object]", value).items()}
    return value

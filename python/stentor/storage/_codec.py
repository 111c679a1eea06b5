"""Payloads as text and bytes, so that what comes back equals what went in, or nothing is accepted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable

Codec: TypeAlias = Literal["json", "msgpack"]
CODECS: Final = ("json", "msgpack")

Encoded: TypeAlias = tuple[str, str | bytes]
"""The name of the form that a payload has in the file, and the payload in that form."""

MISSING: Final = "msgspec is not installed: pip install 'stentor[storage]'"


def encoder(codec: Codec) -> Callable[[object], Encoded]:
    """Return what encodes payloads, text as text and bytes as bytes, and the rest by `codec`.

    What is returned raises `ValueError`, saying why, for a payload that would not come back equal.

    Raises:
        ModuleNotFoundError: `codec` is msgpack, and msgspec is not installed.
    """
    dump, load = _json() if codec == "json" else _msgpack()

    def encode(payload: object) -> Encoded:
        kind = type(payload)
        if kind is str:
            return "text", storable_text(cast("str", payload))
        if kind is bytes:
            return "bytes", cast("bytes", payload)
        try:
            encoded = dump(payload)
            equal = is_plain(payload) or bool(load(encoded) == payload)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            msg = f"its payload does not go into {codec}: {error}"
            raise ValueError(msg) from error
        if not equal:
            msg = f"its payload would not come back from {codec} equal to what it is"
            raise ValueError(msg)
        return codec, encoded

    return encode


_SCALARS: Final = frozenset({str, int, bool, type(None)})


def is_plain(payload: object) -> bool:
    """Whether a payload is made of nothing but what JSON has, so that what was encoded surely comes back equal."""
    kind = type(payload)
    if kind is dict:
        for key, value in cast("dict[object, object]", payload).items():
            if type(key) is not str or not (type(value) in _SCALARS or is_plain(value)):
                return False
        return True
    if kind is list:
        return all(map(is_plain, cast("list[object]", payload)))
    return kind in _SCALARS or (kind is float and payload == payload)  # noqa: PLR0124 - all but NaN


def decode(form: str, encoded: str | bytes) -> Any:
    """Return the payload that was encoded.

    Raises:
        ValueError: It cannot be decoded: msgspec is missing, or the bytes are damaged.
    """
    if form in {"text", "bytes"}:
        return encoded
    try:
        load = _LOADS.get(form) or _LOADS.setdefault(form, {"json": _json, "msgpack": _msgpack}[form]()[1])
        return load(encoded)
    except ModuleNotFoundError as error:
        msg = f"its payload is in msgpack, and {error}"
        raise ValueError(msg) from None
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        msg = f"its payload is not in {form}: {error}"
        raise ValueError(msg) from error


def storable_text(text: str) -> str:
    """Return `text`, which a file can hold.

    Raises:
        ValueError: It holds a lone surrogate, which UTF-8 does not have.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            msg = f"{text[error.start]!r} is a lone surrogate, which UTF-8 does not have"
            raise ValueError(msg) from None
    return text


_Form: TypeAlias = "tuple[Callable[[object], str | bytes], Callable[[Any], Any]]"


def _json() -> _Form:
    return json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode, json.loads


def _msgpack() -> _Form:
    try:
        import msgspec  # noqa: PLC0415 - an extra: only who asks for it needs it
    except ModuleNotFoundError:
        raise ModuleNotFoundError(MISSING, name="msgspec") from None
    return msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode


_LOADS: Final[dict[str, Callable[[Any], Any]]] = {}

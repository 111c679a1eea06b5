"""What a payload is, and how big a message may be: content types, their rules, and limits."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

from attrs import field, frozen

from stentor._values import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from attrs import Attribute

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE: Final = re.compile(rf"({_NAME}/{_NAME})\s*(?:;.*)?", re.DOTALL)
"""Type and subtype as RFC 6838, section 4.2, restricts them; parameters are not read."""


@final
class ContentType(StrEnum):
    """What a payload is said to be. A member is a `str`: its media type.

    Wherever a `content_type` is asked for, a media type of one's own will do too, such as `image/png`; only those
    named here are checked against the payload, whatever their parameters are (`text/plain; charset=utf-8`).

    Example:
        >>> import stentor
        >>> stentor.ContentType.JSON == "application/json"
        True
    """

    TEXT = "text/plain"
    """The payload is a `str`."""
    JSON = "application/json"
    """The payload is JSON text, as `str` or as UTF-8 in a bytes-like object, or else something that has a JSON form."""
    BINARY = "application/octet-stream"
    """The payload supports the buffer protocol: `bytes`, `bytearray`, `memoryview`, an array."""
    CODE = "text/x-code"
    """The payload is source code in a `str`."""
    MARKDOWN = "text/markdown"
    """The payload is Markdown in a `str`."""


@lru_cache(maxsize=1024)
def media_type(name: str, content_type: str) -> str:
    """Return the type and subtype of `content_type` in lower case, without its parameters.

    Raises:
        ValueError: It is no media type; the text calls the argument `name`.

    Example:
        >>> media_type("content_type", "Text/HTML; charset=utf-8")
        'text/html'
    """
    found = _MEDIA_TYPE.fullmatch(content_type)
    if found is None:
        msg = f"{name} must be a ContentType or a media type such as 'image/png', not {str(content_type)!r}"
        raise ValueError(msg)
    return found[1].lower()


def _limit(_: object, attribute: Attribute[Any], value: object) -> None:
    if value is not None:
        checks.whole(attribute.name, value, least=0)


@final
@frozen(kw_only=True)
class MessageLimits:
    """How big a message may be; None is no limit.

    A payload is passed on and not copied, so its size costs the bus nothing and is not limited unless one asks for it:
    to know the size of a payload that is neither text nor bytes, it must be put into JSON at every publish.

    Raises:
        TypeError: A limit is not an integer.
        ValueError: A limit is negative.

    Example:
        >>> import stentor
        >>> stentor.MessageLimits(max_payload_bytes=1_000_000).max_headers
        128
        >>> stentor.MessageLimits(max_headers=-1)
        Traceback (most recent call last):
        ValueError: max_headers must be >= 0, not -1
    """

    max_payload_bytes: int | None = field(default=None, validator=_limit)
    """Bytes of the payload: of a `str` in UTF-8, of a bytes-like object itself, of anything else in compact JSON."""
    max_headers: int | None = field(default=128, validator=_limit)
    """How many headers there may be."""
    max_header_bytes: int | None = field(default=65_536, validator=_limit)
    """Bytes of all names and values of the headers, in UTF-8."""
    max_total_bytes: int | None = field(default=None, validator=_limit)
    """Bytes of topic, payload and headers together."""


def check_message(
    topic: str, payload: object, content_type: str | None, headers: Mapping[str, str], limits: MessageLimits
) -> None:
    """Check the payload against its declared content type, and the message against the limits.

    O(1) while no content type is declared, no size of the payload or of the whole is limited, and there are no headers.

    Raises:
        TypeError: The payload is of the wrong type for its content type, or has no size while that is limited.
        ValueError: `content_type` is no media type, the payload is not what it is said to be, or a limit is exceeded.

    Example:
        >>> check_message("ai.models", "{", ContentType.JSON, {}, MessageLimits())
        Traceback (most recent call last):
        ValueError: payload must be JSON text for content type 'application/json', but \
Expecting property name enclosed in double quotes: line 1 column 2 (char 1)
        >>> check_message("ai.models", "hello", None, {}, MessageLimits(max_payload_bytes=4))
        Traceback (most recent call last):
        ValueError: payload must be at most 4 bytes (max_payload_bytes), not 5
    """
    if content_type is not None:
        rule = _RULES.get(media_type("content_type", content_type))
        if rule is not None:
            rule(payload, str(content_type))
    header_bytes = _check_headers(headers, limits) if headers else 0
    if limits.max_payload_bytes is None and limits.max_total_bytes is None:
        return
    payload_bytes = _payload_bytes(payload)
    _check_size("payload", payload_bytes, limits.max_payload_bytes, "max_payload_bytes")
    total = _utf8_bytes(topic) + payload_bytes + header_bytes
    _check_size("topic, payload and headers together", total, limits.max_total_bytes, "max_total_bytes")


def _check_headers(headers: Mapping[str, str], limits: MessageLimits) -> int:
    if limits.max_headers is not None and len(headers) > limits.max_headers:
        msg = f"headers must hold at most {limits.max_headers} entries (max_headers), not {len(headers)}"
        raise ValueError(msg)
    size = sum(_utf8_bytes(name) + _utf8_bytes(value) for name, value in headers.items())
    _check_size("headers", size, limits.max_header_bytes, "max_header_bytes")
    return size


def _check_size(what: str, size: int, limit: int | None, name: str) -> None:
    if limit is not None and size > limit:
        msg = f"{what} must be at most {limit} bytes ({name}), not {size}"
        raise ValueError(msg)


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _payload_bytes(payload: object) -> int:
    if payload is None:
        return 0
    if isinstance(payload, str):
        return _utf8_bytes(payload)
    view = _view(payload)
    if view is not None:
        return view.nbytes
    try:
        return len(_to_json(payload))
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"payload must be text, bytes-like or have a JSON form, so that its size can be limited, but {error}"
        raise TypeError(msg) from error


def _view(payload: object) -> memoryview | None:
    try:
        return memoryview(payload)  # type: ignore[arg-type]
    except TypeError:
        return None


def _to_json(payload: object) -> str:
    return json.dumps(payload, allow_nan=False, separators=(",", ":"))


def _must_be_text(payload: object, content_type: str) -> None:
    if not isinstance(payload, str):
        msg = f"payload must be a str for content type {content_type!r}, not {type(payload).__name__}"
        raise TypeError(msg)


def _must_be_binary(payload: object, content_type: str) -> None:
    if _view(payload) is None:
        msg = f"payload must be bytes-like for content type {content_type!r}, not {type(payload).__name__}"
        raise TypeError(msg)


def _must_be_json(payload: object, content_type: str) -> None:
    view = None if isinstance(payload, str) else _view(payload)
    try:
        if isinstance(payload, str):
            _from_json(payload)
        elif view is not None:
            _from_json(view.tobytes().decode("utf-8"))
        else:
            _to_json(payload)
    except (TypeError, ValueError, RecursionError) as error:
        what = "JSON text" if isinstance(payload, str) or view is not None else "something with a JSON form"
        msg = f"payload must be {what} for content type {content_type!r}, but {error}"
        raise (TypeError if isinstance(error, TypeError) else ValueError)(msg) from error


def _from_json(text: str) -> object:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is no JSON"
    raise ValueError(msg)


_RULES: Final[dict[str, Callable[[object, str], None]]] = {
    ContentType.TEXT: _must_be_text,
    ContentType.JSON: _must_be_json,
    ContentType.BINARY: _must_be_binary,
    ContentType.CODE: _must_be_text,
    ContentType.MARKDOWN: _must_be_text,
}

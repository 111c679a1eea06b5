"""The settings of a bridge, checked at the door."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, final

from attrs import field, frozen

from stentor import Overflow
from stentor.bridge._keys import check_name

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from attrs import Attribute

    from stentor.bridge._link import LinkTiming

Transport: TypeAlias = Literal["pubsub", "streams"]
Interest: TypeAlias = Literal["topics", "namespace"]
Start: TypeAlias = Literal["new", "all"]
PUBSUB: Final[Transport] = "pubsub"
TOPICS: Final[Interest] = "topics"
NEW: Final[Start] = "new"
TRANSPORTS: Final = ("pubsub", "streams")
INTERESTS: Final = ("topics", "namespace")
STARTS: Final = ("new", "all")


def _number(attribute: str, value: object, least: float) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        msg = f"{attribute} must be a number, not {type(value).__name__}"
        raise TypeError(msg)
    if not least <= value < float("inf"):
        msg = f"{attribute} must be >= {least:g} and finite, not {value!r}"
        raise ValueError(msg)


def _seconds(_: object, attribute: Attribute[float], value: float) -> None:
    _number(attribute.name, value, 0.0)
    if not value:
        msg = f"{attribute.name} must be > 0 seconds, not {value!r}"
        raise ValueError(msg)


def _age(_: object, attribute: Attribute[float | None], value: float | None) -> None:
    if value is not None:
        _seconds(_, attribute, value)  # type: ignore[arg-type]


def _count(least: int) -> Callable[[object, Attribute[int], object], None]:
    def check(_: object, attribute: Attribute[int], value: object) -> None:
        if not isinstance(value, int):
            msg = f"{attribute.name} must be an int, not {type(value).__name__}"
            raise TypeError(msg)
        _number(attribute.name, value, least)

    return check


def _one_of(allowed: tuple[str, ...]) -> Callable[[object, Attribute[Any], object], None]:
    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if value not in allowed:
            msg = f"{attribute.name} must be one of {', '.join(map(repr, allowed))}, not {value!r}"
            raise ValueError(msg)

    return check


def _name(_: object, attribute: Attribute[str], value: object) -> None:
    check_name(attribute.name, value)


def _name_or_none(_: object, attribute: Attribute[str | None], value: object) -> None:
    if value is not None:
        check_name(attribute.name, value)


def _overflow(value: object) -> Overflow:
    try:
        return Overflow(value)
    except ValueError:
        known = ", ".join(f"Overflow.{each.name}" for each in Overflow)
        msg = f"overflow must be one of {known}, not {value!r}"
        raise ValueError(msg) from None


@final
@frozen(kw_only=True)
class BridgeSettings:
    """What a bridge was made with."""

    transport: Transport = field(default=PUBSUB, validator=_one_of(TRANSPORTS))
    namespace: str = field(default="default", validator=_name)
    node: str | None = field(default=None, validator=_name_or_none)
    interest: Interest = field(default=TOPICS, validator=_one_of(INTERESTS))
    directory: bool = True
    durable: bool = False
    outbox_capacity: int = field(default=10_000, validator=_count(1))
    outbox_bytes: int = field(default=64 * 2**20, validator=_count(1))
    overflow: Overflow = field(default=Overflow.BLOCK, converter=_overflow)
    keys: Mapping[int, bytes] | None = field(default=None, repr=False)
    sign_with: int | None = None
    max_size: int = field(default=2**20, validator=_count(128))
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    timing: LinkTiming | None = None
    beacon_interval: float = field(default=2.0, validator=_seconds)
    expiry: float = field(default=15.0, validator=_seconds)
    linger: float = field(default=5.0, validator=_seconds)
    wait_replicas: int = field(default=0, validator=_count(0))
    wait_timeout: float = field(default=1.0, validator=_seconds)
    shards: int = field(default=1, validator=_count(1))
    group: str | None = field(default=None, validator=_name_or_none)
    start: Start = field(default=NEW, validator=_one_of(STARTS))
    window: int = field(default=4096, validator=_count(1))
    claim_after: float = field(default=30.0, validator=_seconds)
    max_length: int = field(default=1_000_000, validator=_count(1))
    max_age: float | None = field(default=None, validator=_age)
    scopes: int = field(default=100_000, validator=_count(1))
    seed: int | None = None
    wall_clock: Callable[[], float] = field(default=time.time, repr=False)


class BridgeKeywords(TypedDict, total=False):
    """The fields of `BridgeSettings` as keywords of `RedisBridge`."""

    transport: Transport
    namespace: str
    node: str | None
    interest: Interest
    directory: bool
    durable: bool
    outbox_capacity: int
    outbox_bytes: int
    overflow: Overflow | str
    keys: Mapping[int, bytes] | None
    sign_with: int | None
    max_size: int
    user: str | None
    password: str | None
    tls: ssl.SSLContext | None
    timing: LinkTiming | None
    beacon_interval: float
    expiry: float
    linger: float
    wait_replicas: int
    wait_timeout: float
    shards: int
    group: str | None
    start: Start
    window: int
    claim_after: float
    max_length: int
    max_age: float | None
    scopes: int
    seed: int | None
    wall_clock: Callable[[], float]


def default_node(token: str) -> str:
    """Return a name for a node that was given none: the host's, and something nobody else has."""
    host = "".join(each for each in socket.gethostname().partition(".")[0] if each.isascii() and each.isalnum())
    return f"{host[:40] or 'node'}-{token}"

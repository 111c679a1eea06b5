"""The settings of a bus: what `open_bus` can be told, checked at the door."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypedDict, final

from attrs import field, fields, frozen

from stentor._mechanisms.matching import DEFAULT_CACHE_CAPACITY
from stentor._mechanisms.observing import Middleware, Observer, Transit
from stentor._values import checks
from stentor._values.content import MessageLimits
from stentor._values.policies import OnError
from stentor._values.protocols import MailboxStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attrs import Attribute

    from stentor._values.dialects import DialectLike

DispatcherName: TypeAlias = Literal["native", "python"]

DEFAULT_DRAIN_TIMEOUT: Final = 30.0


def _seconds(_: object, attribute: Attribute[float], value: object) -> None:
    checks.seconds(attribute.name, value, zero=True, infinite=True)


def _capacity(_: object, attribute: Attribute[int], value: object) -> None:
    checks.whole(attribute.name, value, least=0)


def _seed(_: object, attribute: Attribute[int | None], value: object) -> None:
    if value is not None:
        checks.instance(attribute.name, value, int)


def _limits(_: object, attribute: Attribute[MessageLimits], value: object) -> None:
    checks.instance(attribute.name, value, MessageLimits)


def check_dispatcher(name: str, value: object) -> None:
    """Raise ValueError unless `value` names a dispatcher, or is None for the default."""
    if value not in ("native", "python", None):
        msg = f"{name} must be 'native' or 'python', not {value!r}"
        raise ValueError(msg)


def _dispatcher(_: object, attribute: Attribute[DispatcherName | None], value: object) -> None:
    check_dispatcher(attribute.name, value)


def _store(_: object, attribute: Attribute[MailboxStore | None], value: object) -> None:
    if isinstance(value, (str, PathLike)):
        msg = f"{attribute.name} must be an object of MailboxStore; a path goes into stentor.storage.SQLiteStore(path)"
        raise TypeError(msg)
    if value is not None:
        checks.role(attribute.name, value, MailboxStore)


def _transit(_: object, attribute: Attribute[Transit | None], value: object) -> None:
    if value is not None:
        checks.role(attribute.name, value, Transit)


def middleware_of(value: object) -> tuple[Middleware, ...]:
    """Return what was given as `middleware`, or raise TypeError."""
    return checks.roles("middleware", value, Middleware)


def observers_of(value: object) -> tuple[Observer, ...]:
    """Return what was given as `observers`, or raise TypeError."""
    return checks.roles("observers", value, Observer)


def _on_error(value: object) -> OnError:
    return checks.member("on_error", value, OnError)


@final
@frozen(kw_only=True)
class BusSettings:
    """What a bus was opened with."""

    dialect: DialectLike = "mailbox"
    drain_timeout: float = field(default=DEFAULT_DRAIN_TIMEOUT, validator=_seconds)
    store: MailboxStore | None = field(default=None, validator=_store)
    seed: int | None = field(default=None, validator=_seed)
    on_error: OnError = field(default=OnError.LOG, converter=_on_error)
    limits: MessageLimits = field(factory=MessageLimits, validator=_limits)
    middleware: tuple[Middleware, ...] = field(default=(), converter=middleware_of)
    observers: tuple[Observer, ...] = field(default=(), converter=observers_of)
    transit: Transit | None = field(default=None, validator=_transit)
    cache_capacity: int = field(default=DEFAULT_CACHE_CAPACITY, validator=_capacity)
    retained_capacity: int = field(default=10_000, validator=_capacity)
    dead_letter_capacity: int = field(default=10_000, validator=_capacity)
    dispatcher: DispatcherName | None = field(default=None, validator=_dispatcher)


SETTINGS: Final = frozenset(attribute.name for attribute in fields(BusSettings))


class BusKeywords(TypedDict, total=False):
    """The fields of `BusSettings` as keywords of `open_bus`."""

    dialect: DialectLike
    drain_timeout: float
    store: MailboxStore | None
    seed: int | None
    on_error: OnError | str
    limits: MessageLimits
    middleware: Sequence[Middleware]
    observers: Sequence[Observer]
    transit: Transit | None
    cache_capacity: int
    retained_capacity: int
    dead_letter_capacity: int
    dispatcher: DispatcherName | None

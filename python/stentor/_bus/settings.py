"""The settings of a bus: what `open_bus` can be told, checked at the door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypedDict, final

from attrs import field, frozen

from stentor._mechanisms.matching import DEFAULT_CACHE_CAPACITY
from stentor._values import checks
from stentor._values.content import MessageLimits
from stentor._values.policies import OnError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attrs import Attribute

    from stentor._mechanisms.observing import Middleware, Observer, Transit
    from stentor._values.dialects import DialectLike
    from stentor._values.protocols import MailboxStore

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


def _on_error(value: object) -> OnError:
    return checks.member("on_error", value, OnError)


@final
@frozen(kw_only=True)
class BusSettings:
    """What a bus was opened with."""

    dialect: DialectLike = "mailbox"
    drain_timeout: float = field(default=DEFAULT_DRAIN_TIMEOUT, validator=_seconds)
    store: MailboxStore | None = None
    seed: int | None = field(default=None, validator=_seed)
    on_error: OnError = field(default=OnError.LOG, converter=_on_error)
    limits: MessageLimits = field(factory=MessageLimits, validator=_limits)
    middleware: Sequence[Middleware] = ()
    observers: Sequence[Observer] = ()
    transit: Transit | None = None
    cache_capacity: int = field(default=DEFAULT_CACHE_CAPACITY, validator=_capacity)
    retained_capacity: int = field(default=10_000, validator=_capacity)
    dead_letter_capacity: int = field(default=10_000, validator=_capacity)
    dispatcher: DispatcherName | None = field(default=None, validator=_dispatcher)


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

"""What a subscription can be told: how it is delivered, what passes, how much may wait, and what happens then."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypedDict, final

from attrs import field, fields, frozen

from stentor._values import checks
from stentor._values.filters import MessageFilter, as_filter
from stentor._values.modes import Batch, Mode, Polling, Realtime
from stentor._values.policies import HANDLER_OPTIONS, HandlerKeywords
from stentor._values.sharing import shared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from attrs import Attribute

    from stentor._values.messages import Message


class DeliveryMode(Enum):
    """When a recipient is called, and with what.

    Example:
        >>> import stentor
        >>> stentor.DeliveryMode("batch") is stentor.DeliveryMode.BATCH
        True
    """

    REALTIME = "realtime"
    """The handler is called with one message as soon as the agent is free, or the owner iterates."""
    BATCH = "batch"
    """The handler, or whoever iterates, gets a list: when `batch_size` messages wait, or after `batch_timeout`."""
    POLLING = "polling"
    """The messages wait until `Agent.poll`."""


class Overflow(Enum):
    """What happens to a message for a subscription whose capacity is used up.

    Example:
        >>> import stentor
        >>> stentor.Overflow("drop_oldest") is stentor.Overflow.DROP_OLDEST
        True
    """

    BLOCK = "block"
    """The publisher waits until there is room; nothing has been accepted for anybody until then."""
    DROP_OLDEST = "drop_oldest"
    """The message that has waited longest is dropped for the new one."""
    DROP_NEWEST = "drop_newest"
    """The new message is dropped."""
    LATEST = "latest"
    """A message replaces the one of the same topic that still waits, full or not; beyond that as DROP_OLDEST."""
    FAIL = "fail"
    """The whole publish is refused with `MailboxFullError`; nothing is accepted for anybody."""


def _overflow(value: object) -> Overflow:
    return checks.member("overflow", value, Overflow)


def _mode(value: object) -> DeliveryMode | Mode:
    if type(value) is DeliveryMode:  # first, because to look for the protocol of a mode takes long
        return value
    if isinstance(value, Mode) and not isinstance(value, (str, DeliveryMode)):
        hash(value)
        return value
    return checks.member("mode", value, DeliveryMode)


def _count(_: object, attribute: Attribute[int], value: object) -> None:
    checks.whole(attribute.name, value, least=1)


def _seconds(_: object, attribute: Attribute[float], value: object) -> None:
    checks.seconds(attribute.name, value, infinite=True)


def _flag(_: object, attribute: Attribute[bool], value: object) -> None:
    checks.instance(attribute.name, value, bool)


def _group(_: object, attribute: Attribute[str | None], value: object) -> None:
    if value is not None and not checks.instance(attribute.name, value, str):
        msg = "group must not be empty"
        raise ValueError(msg)


@final
@frozen(kw_only=True)
class SubscriptionOptions:
    """Options of one subscription; `Agent.subscribe` and `Bus.subscribe` take the same ones as keywords.

    Raises:
        TypeError: An option is of the wrong type.
        ValueError: An option is out of its range; the text names the option and the rule.

    Example:
        >>> import stentor
        >>> stentor.SubscriptionOptions(capacity=10).overflow
        <Overflow.BLOCK: 'block'>
        >>> stentor.SubscriptionOptions(capacity=0)
        Traceback (most recent call last):
        ValueError: capacity must be >= 1, not 0
    """

    mode: DeliveryMode | Mode = field(default=DeliveryMode.REALTIME, converter=_mode)
    """When the recipient is called, and with what: a `DeliveryMode`, or a `Mode` of your own."""
    capacity: int = field(default=1000, validator=_count)
    """How many of its messages may wait at once; those being handled do not count."""
    overflow: Overflow = field(default=Overflow.BLOCK, converter=_overflow)
    """What happens to a message that finds the capacity used up."""
    filter: MessageFilter | None = field(default=None, converter=as_filter)
    """What passes: a `MessageFilter`, or a function of a message that says so; None for everything."""
    batch_size: int = field(default=10, validator=_count)
    """BATCH: how many messages are a full batch."""
    batch_timeout: float = field(default=30.0, validator=_seconds)
    """BATCH: seconds after the first message at which a batch is delivered though it is not full."""
    auto_ack: bool = field(default=True, validator=_flag)
    """POLLING: whether a polled message is handled; else it is unread until it is acknowledged."""
    group: str | None = field(default=None, validator=_group)
    """Subscriptions to the same pattern in the same group share its messages: each goes to one of them."""
    retained: bool = field(default=False, validator=_flag)
    """Whether it begins with the retained value of each topic that it matches."""

    def behaviour(self) -> Mode:
        """Return the mode with its settings."""
        mode = self.mode
        if mode is _REALTIME:
            return REALTIME
        if mode is _BATCH:
            return Batch(self.batch_size, self.batch_timeout)
        if mode is _POLLING:
            return Polling(self.auto_ack)
        return mode


_REALTIME: Final = DeliveryMode.REALTIME  # because to look a member up in its class takes long
_BATCH: Final = DeliveryMode.BATCH
_POLLING: Final = DeliveryMode.POLLING
REALTIME: Final = Realtime()
DEFAULT_OPTIONS: Final = SubscriptionOptions()
_NAMES: Final = tuple(attribute.name for attribute in fields(SubscriptionOptions))
_FOR_HANDLERS: Final[tuple[str, ...]] = (*sorted(HANDLER_OPTIONS), "concurrency", "durable")
_OF_REGISTERING: Final = dict.fromkeys(_FOR_HANDLERS, "register()")


def options_from(keywords: Mapping[str, Any]) -> SubscriptionOptions:
    """Return the options that `keywords` say, one and the same object for plain values that are equal.

    Raises:
        TypeError: An option is of the wrong type, or unknown.
        ValueError: An option is out of its range.
    """
    if not keywords:
        return DEFAULT_OPTIONS
    return shared(_checked, keywords)


def _checked(**keywords: Any) -> SubscriptionOptions:
    checks.keywords("subscribe() or register()", keywords, _NAMES, others=_OF_REGISTERING)
    return SubscriptionOptions(**keywords)


class FeedKeywords(TypedDict, total=False):
    """The options of `SubscriptionOptions` as keywords, but for the mode."""

    capacity: int
    overflow: Overflow | str
    filter: MessageFilter | Callable[[Message], object] | None
    batch_size: int
    batch_timeout: float
    auto_ack: bool
    group: str | None
    retained: bool


class SubscriptionKeywords(FeedKeywords, total=False):
    """The options of `SubscriptionOptions` as keywords."""

    mode: DeliveryMode | Mode | str


class RegistrationKeywords(SubscriptionKeywords, HandlerKeywords, total=False):
    """What an agent can be registered with: how its handler is treated, and the defaults of its mailbox."""

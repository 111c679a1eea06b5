"""What a subscription can be told: how it is delivered, how much may wait, and what happens at that bound."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, TypedDict, final

from attrs import field, frozen

from stentor._values import checks

if TYPE_CHECKING:
    from attrs import Attribute


class DeliveryMode(Enum):
    """When a recipient is called, and with what.

    Example:
        >>> import stentor
        >>> stentor.DeliveryMode.REALTIME.value
        'realtime'
    """

    REALTIME = "realtime"
    """The handler is called with one message as soon as the agent is free, or the owner iterates."""


class Overflow(Enum):
    """What happens to a message for a subscription whose capacity is used up.

    Example:
        >>> import stentor
        >>> stentor.Overflow("block") is stentor.Overflow.BLOCK
        True
    """

    BLOCK = "block"
    """The publisher waits until there is room; nothing has been accepted for anybody until then."""
    FAIL = "fail"
    """The whole publish is refused with `MailboxFullError`; nothing is accepted for anybody."""


def _overflow(value: object) -> Overflow:
    return checks.member("overflow", value, Overflow)


def _mode(value: object) -> DeliveryMode:
    return checks.member("mode", value, DeliveryMode)


def _capacity(_: object, attribute: Attribute[int], value: object) -> None:
    checks.whole(attribute.name, value, least=1)


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

    mode: DeliveryMode = field(default=DeliveryMode.REALTIME, converter=_mode)
    """When the recipient is called, and with what."""
    capacity: int = field(default=1000, validator=_capacity)
    """How many of its messages may wait at once; those being handled do not count."""
    overflow: Overflow = field(default=Overflow.BLOCK, converter=_overflow)
    """What happens to a message that finds the capacity used up."""


class SubscriptionKeywords(TypedDict, total=False):
    """The options of `SubscriptionOptions` as keywords."""

    mode: DeliveryMode | str
    capacity: int
    overflow: Overflow | str

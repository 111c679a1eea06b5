"""What happens to a handler that takes too long or fails: how long it may take, how often it is tried, what then."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final, TypedDict, final

from attrs import field, fields, frozen

from stentor._values import checks
from stentor._values.retrying import RetryPolicy

if TYPE_CHECKING:
    from attrs import Attribute


class OnError(Enum):
    """What follows when a handler has failed for good; in every case it is counted, logged and a dead letter.

    Example:
        >>> import stentor
        >>> stentor.OnError("log") is stentor.OnError.LOG
        True
    """

    LOG = "log"
    """Nothing more: the agent goes on with its next message."""
    RAISE = "raise"
    """The exception comes out of the `open_bus` block, which it ends."""
    QUARANTINE = "quarantine"
    """After `quarantine_after` failures in a row the agent is not called any more until it rejoins."""


def _on_error(value: object) -> OnError:
    return checks.member("on_error", value, OnError)


def _timeout(_: object, attribute: Attribute[float | None], value: object) -> None:
    if value is not None:
        checks.seconds(attribute.name, value)


def _retry(_: object, attribute: Attribute[RetryPolicy | None], value: object) -> None:
    if value is not None:
        checks.instance(attribute.name, value, RetryPolicy)


def _count(_: object, attribute: Attribute[int], value: object) -> None:
    checks.whole(attribute.name, value, least=1)


@final
@frozen(kw_only=True)
class HandlerPolicy:
    """How one agent's handler is treated; `Bus.register` takes the same as keywords.

    Example:
        >>> import stentor
        >>> stentor.HandlerPolicy(timeout=-1.0)
        Traceback (most recent call last):
        ValueError: timeout must be > 0 seconds, not -1.0
    """

    timeout: float | None = field(default=None, validator=_timeout)
    """Seconds that one attempt may take before it is cancelled and has failed; None for no limit."""
    retry: RetryPolicy | None = field(default=None, validator=_retry)
    """When and how often to try again; None for one attempt."""
    on_error: OnError = field(default=OnError.LOG, converter=_on_error)
    """What follows when it has failed for good."""
    quarantine_after: int = field(default=5, validator=_count)
    """QUARANTINE: failures in a row that are too many."""


DEFAULT_POLICY: Final = HandlerPolicy()
HANDLER_OPTIONS: Final = frozenset(attribute.name for attribute in fields(HandlerPolicy))


class HandlerKeywords(TypedDict, total=False):
    """The fields of `HandlerPolicy` as keywords."""

    timeout: float | None
    retry: RetryPolicy | None
    on_error: OnError | str
    quarantine_after: int

"""Whether, and when, a delivery that failed is tried again."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias, cast, final

from attrs import field, frozen

from stentor._values import checks

if TYPE_CHECKING:
    from attrs import Attribute

Errors: TypeAlias = "type[Exception] | tuple[type[Exception], ...]"
"""One class of exceptions or several, as `except` takes them."""


def _attempts(_: object, attribute: Attribute[Any], value: object) -> None:
    checks.whole(attribute.name, value, least=1)


def _first_delay(policy: RetryPolicy, attribute: Attribute[Any], value: object) -> None:
    checks.seconds(attribute.name, value, zero=True)
    most = checks.seconds("max_delay", policy.max_delay, zero=True)
    if policy.first_delay > most:
        msg = f"{attribute.name} must be <= max_delay ({most:g} seconds), not {value!r}"
        raise ValueError(msg)


def _factor(_: object, attribute: Attribute[Any], value: object) -> None:
    checks.number(attribute.name, value, least=1)


def _share(_: object, attribute: Attribute[Any], value: object) -> None:
    checks.number(attribute.name, value, least=0, most=1)


def _errors(_: object, attribute: Attribute[Any], value: object) -> None:
    kinds = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,)
    for kind in kinds:
        if not isinstance(kind, type) or not issubclass(kind, Exception):
            msg = f"{attribute.name} must be a subclass of Exception or a tuple of such, not {value!r}"
            raise TypeError(msg)
    if not kinds:
        msg = f"{attribute.name} must name at least one exception; attempts=1 retries none"
        raise ValueError(msg)


def _ordered(_: object, attribute: Attribute[Any], value: object) -> None:
    checks.instance(attribute.name, value, bool)


@final
@frozen(kw_only=True)
class RetryPolicy:
    """How often a handler that fails is called again with the same message, and after how long.

    The wait doubles (`factor`) with every failure up to `max_delay`, and a random share of it (`jitter`) is left out,
    so that those that failed together do not come back together: exponential backoff with jitter, as Marc Brooker
    compares them in "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015). `jitter=1` is his full jitter,
    `jitter=0.5` his equal jitter, `jitter=0` none.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of its range; the text names it and the rule.

    Example:
        >>> import stentor
        >>> from random import Random
        >>> policy = stentor.RetryPolicy(attempts=5, first_delay=0.1, max_delay=0.5, jitter=0.0)
        >>> [policy.delay(attempt, Random(1)) for attempt in range(1, 5)]
        [0.1, 0.2, 0.4, 0.5]
        >>> policy.again(TimeoutError(), 4), policy.again(TimeoutError(), 5)
        (True, False)
    """

    attempts: int = field(default=3, validator=_attempts)
    """How often the handler is called with one message at most, the first call included."""
    first_delay: float = field(default=0.1, validator=_first_delay)
    """Seconds between the first failure and the second attempt, before jitter."""
    factor: float = field(default=2.0, validator=_factor)
    """By what the wait grows with every failure."""
    max_delay: float = field(default=30.0)
    """The longest wait, in seconds."""
    jitter: float = field(default=1.0, validator=_share)
    """The share of a wait, 0 to 1, that is left to chance: the wait is anything from 1 - jitter of it to all of it."""
    retry_on: Errors = field(default=Exception, validator=_errors)
    """The exceptions after which it is tried again, as `except` takes them; any other fails for good at once."""
    ordered: bool = field(default=True, validator=_ordered)
    """Whether the message keeps its place, so that its agent waits with it; else it rejoins at the end."""

    def again(self, error: Exception, attempt: int) -> bool:
        """Return whether there is to be another attempt after number `attempt`, counted from 1, failed with `error`.

        Raises:
            TypeError: `attempt` is not an integer.
            ValueError: `attempt` is smaller than 1.
        """
        return checks.whole("attempt", attempt, least=1) < self.attempts and isinstance(error, self.retry_on)

    def delay(self, attempt: int, random: Random) -> float:
        """Return how many seconds to wait after attempt number `attempt`, counted from 1, has failed.

        It draws one number from `random`, or none where `jitter` is 0; what it returns is a function of the policy,
        `attempt` and that number.

        Raises:
            TypeError: `attempt` is not an integer, or `random` not a `random.Random`.
            ValueError: `attempt` is smaller than 1.
        """
        checks.whole("attempt", attempt, least=1)
        checks.instance("random", random, Random)
        wait = self._wait(attempt)
        return wait * (1.0 - self.jitter * random.random()) if self.jitter else wait

    def _wait(self, attempt: int) -> float:
        try:
            return min(self.first_delay * float(self.factor) ** (attempt - 1), self.max_delay)
        except OverflowError:
            return self.max_delay if self.first_delay else 0.0

"""When a delivery that failed is tried again, and after how long."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from stentor._values.retrying import RetryPolicy


class Fixed(Random):
    """Chance that always says the same."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self._number = number

    def random(self) -> float:
        """Return the number."""
        return self._number


class Untouched(Random):
    """Chance that nobody may ask."""

    def random(self) -> float:
        """Fail."""
        pytest.fail("somebody drew a number")


def test_a_policy_tries_so_often_and_not_more() -> None:
    policy = RetryPolicy(attempts=3)
    assert [policy.again(ValueError(), attempt) for attempt in (1, 2, 3, 4)] == [True, True, False, False]
    assert not RetryPolicy(attempts=1).again(ValueError(), 1)


def test_the_ordinary_policy() -> None:
    assert RetryPolicy() == RetryPolicy(
        attempts=3, first_delay=0.1, factor=2.0, max_delay=30.0, jitter=1.0, retry_on=Exception, ordered=True
    )


def test_only_the_named_exceptions_are_retried() -> None:
    assert RetryPolicy(retry_on=OSError).again(TimeoutError(), 1)
    assert not RetryPolicy(retry_on=OSError).again(ValueError(), 1)
    several = RetryPolicy(retry_on=(OSError, ValueError))
    assert [several.again(error, 1) for error in (TimeoutError(), UnicodeError(), KeyError())] == [True, True, False]


def test_the_wait_grows_by_the_factor_up_to_the_longest() -> None:
    policy = RetryPolicy(first_delay=1.0, factor=3.0, max_delay=20.0, jitter=0.0)
    assert [policy.delay(attempt, Untouched()) for attempt in range(1, 6)] == [1.0, 3.0, 9.0, 20.0, 20.0]


@pytest.mark.parametrize(
    ("jitter", "number", "delay"),
    [(1.0, 0.0, 8.0), (1.0, 0.5, 4.0), (1.0, 0.75, 2.0), (0.5, 0.5, 6.0), (0.5, 0.75, 5.0), (0.25, 1.0, 6.0)],
)
def test_jitter_leaves_a_share_of_the_wait_out(jitter: float, number: float, delay: float) -> None:
    policy = RetryPolicy(first_delay=1.0, factor=2.0, max_delay=60.0, jitter=jitter)
    assert policy.delay(4, Fixed(number)) == delay


def test_the_same_seed_gives_the_same_waits() -> None:
    policy = RetryPolicy()
    one, other = Random(7), Random(7)
    waits = [policy.delay(attempt, one) for attempt in range(1, 20)]
    assert waits == [policy.delay(attempt, other) for attempt in range(1, 20)]
    assert len(set(waits)) == 19


def test_full_jitter_spreads_over_the_whole_wait() -> None:
    policy, random = RetryPolicy(first_delay=1.0, max_delay=1.0), Random(7)
    tenths = [0] * 10
    for _ in range(10_000):
        tenths[min(int(policy.delay(1, random) * 10), 9)] += 1
    assert all(900 < count < 1100 for count in tenths)


@st.composite
def policies(draw: st.DrawFn) -> RetryPolicy:
    first = draw(st.floats(0.0, 1e6))
    longest = first + draw(st.floats(0.0, 1e6))
    factor, jitter = draw(st.floats(1.0, 1e300)), draw(st.floats(0.0, 1.0))
    return RetryPolicy(first_delay=first, factor=factor, max_delay=longest, jitter=jitter)


@given(policies(), st.integers(1, 10**9), st.integers())
def test_a_wait_is_within_its_bounds(policy: RetryPolicy, attempt: int, seed: int) -> None:
    delay = policy.delay(attempt, Random(seed))
    assert policy.first_delay * (1.0 - policy.jitter) * (1.0 - 1e-9) <= delay <= policy.max_delay
    assert delay <= evolve(policy, jitter=0.0).delay(attempt, Random())


def test_an_absurd_attempt_waits_the_longest() -> None:
    assert RetryPolicy(jitter=0.0).delay(10**12, Random()) == 30.0
    assert RetryPolicy(first_delay=0.0, jitter=0.0).delay(10**12, Random()) == 0.0


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"attempts": 0}, ValueError, "attempts must be >= 1, not 0"),
        ({"attempts": 2.0}, TypeError, "attempts must be an int, not float"),
        ({"first_delay": -1.0}, ValueError, "first_delay must be >= 0 seconds, not -1.0"),
        ({"first_delay": "1"}, TypeError, "first_delay must be a number of seconds, not str"),
        ({"first_delay": 31}, ValueError, "first_delay must be <= max_delay (30 seconds), not 31"),
        ({"max_delay": float("inf")}, ValueError, "max_delay must be a finite number of seconds, not inf"),
        ({"max_delay": None}, TypeError, "max_delay must be a number of seconds, not NoneType"),
        ({"factor": 0.5}, ValueError, "factor must be >= 1 and finite, not 0.5"),
        ({"factor": float("inf")}, ValueError, "factor must be >= 1 and finite, not inf"),
        ({"factor": "2"}, TypeError, "factor must be a number, not str"),
        ({"jitter": 1.5}, ValueError, "jitter must be >= 0 and <= 1, not 1.5"),
        ({"jitter": float("nan")}, ValueError, "jitter must be >= 0 and <= 1, not nan"),
        ({"jitter": True}, TypeError, "jitter must be a number, not bool"),
        (
            {"retry_on": KeyboardInterrupt},
            TypeError,
            "retry_on must be a subclass of Exception or a tuple of such, not <class 'KeyboardInterrupt'>",
        ),
        (
            {"retry_on": [OSError]},
            TypeError,
            "retry_on must be a subclass of Exception or a tuple of such, not [<class 'OSError'>]",
        ),
        (
            {"retry_on": (OSError, 3)},
            TypeError,
            "retry_on must be a subclass of Exception or a tuple of such, not (<class 'OSError'>, 3)",
        ),
        ({"retry_on": ()}, ValueError, "retry_on must name at least one exception; attempts=1 retries none"),
        ({"ordered": 1}, TypeError, "ordered must be of type bool, not int"),
    ],
)
def test_a_wrong_policy_is_refused(options: dict[str, Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        RetryPolicy(**options)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("attempt", "random", "kind", "text"),
    [
        (0, Random(), ValueError, "attempt must be >= 1, not 0"),
        (1.0, Random(), TypeError, "attempt must be an int, not float"),
        (1, 7, TypeError, "random must be of type Random, not int"),
    ],
)
def test_a_wrong_question_is_refused(attempt: Any, random: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        RetryPolicy().delay(attempt, random)
    assert str(caught.value) == text

"""Checks of arguments; the error names the argument, the rule and what was given."""

from __future__ import annotations

from math import inf
from typing import TypeVar, cast

_C = TypeVar("_C")


def number(name: str, value: object, what: str) -> float:
    """Return `value` as a float.

    Raises:
        TypeError: It is not `what`: a real number (a `bool` is not one here).
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        msg = f"{name} must be {what}, not {type(value).__name__}"
        raise TypeError(msg)
    return float(value)


def seconds(name: str, value: object, *, zero: bool = False, infinite: bool = False) -> float:
    """Return a number of seconds: > 0, or >= 0 with `zero`, and finite unless `infinite`.

    Raises:
        TypeError: It is no number.
        ValueError: It is out of range.
    """
    found = number(name, value, "a number of seconds")
    if not (found > 0 or (zero and found == 0)) or (found == inf and not infinite):
        finite = "" if infinite else "finite and "
        msg = f"{name} must be {finite}{'>= 0' if zero else '> 0'} seconds, not {value!r}"
        raise ValueError(msg)
    return found


def chance(name: str, value: object) -> float:
    """Return a chance, 0 to 1.

    Raises:
        TypeError: It is no number.
        ValueError: It is out of range.
    """
    found = number(name, value, "a number")
    if not 0 <= found <= 1:
        msg = f"{name} must be from 0 to 1, not {value!r}"
        raise ValueError(msg)
    return found


def delay_range(name: str, value: object) -> tuple[float, float]:
    """Return the least and the most of a delay that is given as one number or as both.

    Raises:
        TypeError: It is neither a number nor a pair of such.
        ValueError: It is out of range, or the least is more than the most.
    """
    if not isinstance(value, tuple):
        both = seconds(name, value, zero=True)
        return both, both
    pair = cast("tuple[object, ...]", value)
    if len(pair) != 2:  # noqa: PLR2004 - a pair
        msg = f"{name} must be a number of seconds or a pair of them, not {pair!r}"
        raise ValueError(msg)
    least, most = (seconds(name, each, zero=True) for each in pair)
    if least > most:
        msg = f"{name} must have its least first, not {pair!r}"
        raise ValueError(msg)
    return least, most


def instance(name: str, value: object, kind: type[_C]) -> _C:
    """Return `value` when it is an instance of `kind`.

    Raises:
        TypeError: It is not.
    """
    if not isinstance(value, kind):
        msg = f"{name} must be of type {kind.__name__}, not {type(value).__name__}"
        raise TypeError(msg)
    return value


def whole(name: str, value: object, *, least: int | None = None) -> int:
    """Return `value` when it is an integer of at least `least`.

    Raises:
        TypeError: It is not an `int` (a `bool` is not one here).
        ValueError: It is smaller than `least`.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"{name} must be an int, not {type(value).__name__}"
        raise TypeError(msg)
    if least is not None and value < least:
        msg = f"{name} must be >= {least}, not {value}"
        raise ValueError(msg)
    return value

"""Checks of arguments, made at the door: the error names the argument, the rule and what was given."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, TypeVar, cast

_E = TypeVar("_E", bound=Enum)
_C = TypeVar("_C")

_BLOCK: Final = ("__aenter__", "__aexit__")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def whole(name: str, value: object, *, least: int) -> int:
    """Return `value` when it is an integer of at least `least`.

    Raises:
        TypeError: It is not an `int` (a `bool` is not one here).
        ValueError: It is smaller than `least`.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"{name} must be an int, not {type(value).__name__}"
        raise TypeError(msg)
    if value < least:
        msg = f"{name} must be >= {least}, not {value}"
        raise ValueError(msg)
    return value


def number(name: str, value: object, *, least: float, most: float = math.inf) -> float:
    """Return `value` as a float when it is a number from `least` to `most`, both included; never NaN or infinite.

    Raises:
        TypeError: It is not a real number (a `bool` is not one here).
        ValueError: It is out of range.
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        msg = f"{name} must be a number, not {type(value).__name__}"
        raise TypeError(msg)
    if not least <= value <= most or math.isinf(value):
        rest = "finite" if math.isinf(most) else f"<= {most:g}"
        msg = f"{name} must be >= {least:g} and {rest}, not {value!r}"
        raise ValueError(msg)
    return float(value)


def seconds(name: str, value: object, *, zero: bool = False, infinite: bool = False) -> float:
    """Return `value` as a float when it is a number of seconds: > 0, or >= 0 with `zero`, finite unless `infinite`.

    Raises:
        TypeError: It is not a real number.
        ValueError: It is out of range or NaN.
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        msg = f"{name} must be a number of seconds, not {type(value).__name__}"
        raise TypeError(msg)
    number = _float(value)
    bound = ">= 0" if zero else "> 0"
    if math.isnan(number) or number < 0 or (number == 0 and not zero):
        msg = f"{name} must be {bound} seconds, not {value!r}"
        raise ValueError(msg)
    if math.isinf(number) and not infinite:
        msg = f"{name} must be a finite number of seconds, not {value!r}"
        raise ValueError(msg)
    return number


def _float(value: float) -> float:
    """Return `value` as a float, infinite where it is an integer too large for one."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def member(name: str, value: object, kind: type[_E]) -> _E:
    """Return the member of the enumeration `kind` that `value` is or is the value of.

    Raises:
        ValueError: There is no such member; the text lists those there are.
    """
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(f"{kind.__name__}.{m.name}" for m in kind)
        msg = f"{name} must be one of {known}, not {value!r}"
        raise ValueError(msg) from None


def instance(name: str, value: object, kind: type[_C]) -> _C:
    """Return `value` when it is an instance of `kind`.

    Raises:
        TypeError: It is not.
    """
    if not isinstance(value, kind):
        msg = f"{name} must be of type {kind.__name__}, not {type(value).__name__}"
        raise TypeError(msg)
    return value


def function(name: str, value: object) -> None:
    """Accept what can be called.

    Raises:
        TypeError: It cannot.
    """
    if not callable(value):
        msg = f"{name} must be callable, not {type(value).__name__}"
        raise TypeError(msg)


def role(name: str, value: object, kind: type) -> None:
    """Accept an object that has the methods of the protocol `kind`, whatever its class is.

    Raises:
        TypeError: It lacks one, or is a class.
    """
    _role(f"{name} must be an object", value, kind)


def roles(name: str, values: object, kind: type) -> tuple[Any, ...]:
    """Return a collection of objects that have the methods of the protocol `kind`.

    Raises:
        TypeError: `values` is no collection, or holds something else.
    """
    found = tuple(collection(name, values, f"objects of {kind.__name__}"))
    for value in found:
        _role(f"{name} must hold objects", value, kind)
    return found


def _role(rule: str, value: object, kind: type) -> None:
    if isinstance(value, type):
        msg = f"{rule} of {kind.__name__}, not the class {value.__name__}"
        raise TypeError(msg)
    for method in vars(kind):
        own = method in _BLOCK or not method.startswith("_")
        if own and not callable(getattr(value, method, None)):
            msg = f"{rule} of {kind.__name__}, not {type(value).__name__}, which has no method {method}"
            raise TypeError(msg)


def keywords(
    caller: str, given: Iterable[str], known: Collection[str], *, others: Mapping[str, str] = _NOTHING
) -> None:
    """Accept keywords that are all known.

    Args:
        caller: The function that was called with them.
        given: The keywords.
        known: Those that it takes.
        others: Those that another function takes, each with that.

    Raises:
        TypeError: One is unknown; the text names the nearest that there is.
    """
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, (*known, *others), n=1)
            whose = f" of {others[near[0]]}" if near and near[0] in others else ""
            hint = f"; did you mean {near[0]!r}{whose}?" if near else ""
            msg = f"{caller} got an unexpected keyword argument {name!r}{hint}"
            raise TypeError(msg)


def collection(name: str, values: object, what: str) -> Iterable[object]:
    """Return `values` when they can be iterated over, and are no single string.

    Raises:
        TypeError: They are not: no collection of `what`.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        single = "a single str" if isinstance(values, str) else type(values).__name__
        msg = f"{name} must be a collection of {what}, not {single}"
        raise TypeError(msg)
    return cast("Iterable[object]", values)


def numbers(name: str, values: object) -> list[int]:
    """Return a list of integers of at least 0.

    Raises:
        TypeError: `values` is no collection, or holds something else than an `int`.
        ValueError: One is negative.
    """
    return [whole(name, value, least=0) for value in collection(name, values, "numbers")]


def members(name: str, values: object, kind: type[_E]) -> frozenset[_E]:
    """Return the members of the enumeration `kind` that the values are, or are the values of.

    Raises:
        TypeError: `values` is no collection, or a single string.
        ValueError: There is no such member.
    """
    return frozenset(member(name, value, kind) for value in collection(name, values, f"{kind.__name__} members"))


def names(name: str, values: object) -> frozenset[str]:
    """Return a set of strings.

    Raises:
        TypeError: `values` is no collection or a single string, or holds something else than strings.
    """
    return frozenset(_string(name, value) for value in collection(name, values, "strings"))


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        msg = f"{name} must hold strings only, not {type(value).__name__}"
        raise TypeError(msg)
    return str(value)

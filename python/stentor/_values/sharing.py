"""Sharing: equal records of plain values are one and the same object, however many agents are told the same."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    R = TypeVar("R")

REMEMBERED: Final = 256
"""How many different records are kept for whoever says the same again."""
_PLAIN: Final = frozenset((NoneType, bool, int, float, str))


def shared(kind: Callable[..., R], keywords: Mapping[str, Any]) -> R:
    """Return `kind(**keywords)`, not made again where plain values say what was said before.

    What is not plain, a function or an object of the user's, is never kept alive here.

    Example:
        >>> from stentor import SubscriptionOptions
        >>> shared(SubscriptionOptions, {"capacity": 5}) is shared(SubscriptionOptions, {"capacity": 5})
        True
    """
    if all(type(value) in _PLAIN or isinstance(value, Enum) for value in keywords.values()):
        return cast("R", _remembered(cast("Hashable", kind), **keywords))
    return kind(**keywords)


@lru_cache(maxsize=REMEMBERED, typed=True)  # typed: True is no capacity, though it equals 1
def _remembered(kind: Hashable, **keywords: Any) -> object:
    return cast("Callable[..., object]", kind)(**keywords)

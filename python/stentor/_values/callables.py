"""Callables that users hand over: whether they are async, and what to call them in an error."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def is_async(function: Callable[..., object]) -> bool:
    """Return whether `function` is an `async def`, a partial or a wrapper of one, or an object whose `__call__` is one.

    Example:
        >>> async def handler(message): ...
        >>> is_async(functools.partial(handler, "hello")), is_async(print)
        (True, False)
    """
    while isinstance(function, functools.partial):
        function = function.func
    candidates = (function, inspect.unwrap(function), getattr(type(function), "__call__", None))  # noqa: B004
    return any(map(inspect.iscoroutinefunction, candidates))


def name_of(function: object) -> str:
    """Return the qualified name of a function, or else the name of its type.

    Example:
        >>> name_of(str.upper), name_of(functools.partial(print))
        ('str.upper', 'partial')
    """
    return getattr(function, "__qualname__", None) or type(function).__qualname__

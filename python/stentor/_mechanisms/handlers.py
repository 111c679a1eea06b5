"""Handlers: what an agent may register, and what the dispatcher calls."""

from __future__ import annotations

import inspect
from inspect import CO_COROUTINE, CO_VARARGS
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, TypeAlias

from stentor._values.callables import is_async, name_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stentor._mechanisms.deliveries import Delivery
    from stentor._values.messages import Message

    Handler: TypeAlias = (
        Callable[[Message], Awaitable[object]]
        | Callable[[Message, Delivery], Awaitable[object]]
        | Callable[[list[Message]], Awaitable[object]]
        | Callable[[list[Message], list[Delivery]], Awaitable[object]]
    )
    """Of one message, or of the list that a batch is."""

_KINDS = CO_COROUTINE | CO_VARARGS
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def check_handler(handler: object) -> int:
    """Return with how many positional arguments `handler` wants to be called: 1 (message) or 2 (message, delivery).

    A handler is anything that returns an awaitable when it is called: an `async def` function or method, a partial
    of one, an object whose `__call__` is one.

    Raises:
        TypeError: It is not callable, is a plain function, or takes no message.
    """
    arity = _plain_arity(handler)
    if arity:
        return arity
    if not callable(handler):
        msg = f"handler must be an async function, not {type(handler).__name__}"
        raise TypeError(msg)
    if not is_async(handler):
        msg = f"handler must be an async function (`async def`), not the plain callable {name_of(handler)}"
        raise TypeError(msg)
    return _arity(handler)


def _plain_arity(handler: object) -> int:
    """Return what `check_handler` does for an ordinary async function or method, quickly; else 0: look closer."""
    function, bound = (handler.__func__, 1) if type(handler) is MethodType else (handler, 0)
    if type(function) is not FunctionType or function.__dict__:
        return 0
    code = function.__code__
    positional = code.co_argcount - bound
    if code.co_flags & _KINDS != CO_COROUTINE or code.co_kwonlyargcount or positional < 1:
        return 0
    defaults = function.__defaults__
    if defaults is None and positional == 1:
        return 1
    required = positional - len(defaults or ())
    if required > 2:  # noqa: PLR2004
        return 0
    return 2 if required == 2 or code.co_varnames[1 + bound : positional + bound][:1] == ("delivery",) else 1  # noqa: PLR2004


def _arity(handler: Callable[..., object]) -> int:
    parameters = list(inspect.signature(handler).parameters.values())
    variadic = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
    positional = [p for p in parameters if p.kind in _POSITIONAL]
    required = [p for p in positional if p.default is inspect.Parameter.empty]
    keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if not (positional or variadic) or len(required) > 2 or keywords:  # noqa: PLR2004
        msg = f"handler must take (message) or (message, delivery), not {name_of(handler)}{inspect.signature(handler)}"
        raise TypeError(msg)
    if variadic:
        return 2
    if len(required) == 2:  # noqa: PLR2004
        return 2
    return 2 if len(positional) > 1 and positional[1].name == "delivery" else 1

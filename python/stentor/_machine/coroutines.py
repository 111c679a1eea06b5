"""What a handler returned, as the coroutine that a worker drives."""

from __future__ import annotations

import inspect
from types import CoroutineType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine


def as_coroutine(awaitable: object) -> Coroutine[Any, Any, object]:
    """Return a coroutine that awaits `awaitable`; a coroutine is its own."""
    if isinstance(awaitable, CoroutineType):
        return awaitable  # pyright: ignore[reportUnknownVariableType] - isinstance() cannot tell what it yields
    if not inspect.isawaitable(awaitable):
        msg = f"the handler returned {type(awaitable).__name__}, which cannot be awaited"
        raise TypeError(msg)
    return _await(awaitable)


async def _await(awaitable: Awaitable[object]) -> object:
    return await awaitable

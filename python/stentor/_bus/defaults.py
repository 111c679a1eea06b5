"""Defaults: what every bus that is opened further down takes, so that a whole program can be seeded or watched."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, final

from attrs import evolve, frozen

from stentor._bus.settings import SETTINGS, BusSettings, check_dispatcher, middleware_of, observers_of
from stentor._values import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stentor._bus.settings import BusKeywords, DispatcherName
    from stentor._mechanisms.observing import Middleware, Observer


@final
@frozen
class _Defaults:
    seed: Callable[[], int] | None = None
    middleware: tuple[Middleware, ...] = ()
    observers: tuple[Observer, ...] = ()
    dispatcher: DispatcherName = "native"


_NONE: Final = _Defaults()
_current: Final[ContextVar[_Defaults]] = ContextVar("stentor.defaults", default=_NONE)


@contextmanager
def bus_defaults(
    *,
    seed: Callable[[], int] | None = None,
    middleware: Sequence[Middleware] = (),
    observers: Sequence[Observer] = (),
    dispatcher: DispatcherName | None = None,
) -> Iterator[None]:
    """Let every `open_bus` in the block, and in the tasks that are started there, take these settings too.

    So a whole program can be seeded, recorded or counted without a change to it. Blocks nest: the inner seed counts,
    and middleware and observers add up, the outer first.

    Args:
        seed: Is called for the seed of each bus that is opened without one.
        middleware: Stands outside of the middleware that a bus was given.
        observers: Are told before the observers that a bus was given.
        dispatcher: Moves the messages of each bus that is opened without one; None for the one further out.

    Raises:
        TypeError: `seed` is not callable, or `middleware` or `observers` is no collection of such objects.
        ValueError: `dispatcher` is neither `"native"` nor `"python"`.

    Example:
        >>> import stentor, trio
        >>> from itertools import count
        >>> async def program():
        ...     async with stentor.open_bus() as bus:
        ...         return (await bus.publish("ai.models")).message.id
        >>> def run():
        ...     with stentor.bus_defaults(seed=count(7).__next__):
        ...         return trio.run(program)
        >>> run() == run()
        True
    """
    _check(seed)
    check_dispatcher("dispatcher", dispatcher)
    outer = _current.get()
    inner = _Defaults(
        seed or outer.seed,
        (*outer.middleware, *middleware_of(middleware)),
        (*outer.observers, *observers_of(observers)),
        dispatcher or outer.dispatcher,
    )
    token = _current.set(inner)
    try:
        yield
    finally:
        _current.reset(token)


def _check(seed: object) -> None:
    if seed is not None and not callable(seed):
        msg = f"seed must be a callable that returns one, not {type(seed).__name__}"
        raise TypeError(msg)


def settings_of(keywords: BusKeywords) -> BusSettings:
    """Return the settings that `keywords` ask for, with the defaults of where it is called.

    Raises:
        TypeError: A setting is of the wrong type, or unknown.
        ValueError: A setting is out of its range.
    """
    checks.keywords("open_bus()", keywords, SETTINGS)
    asked = BusSettings(**keywords)
    defaults = _current.get()
    return evolve(
        asked,
        seed=defaults.seed() if asked.seed is None and defaults.seed is not None else asked.seed,
        middleware=(*defaults.middleware, *asked.middleware),
        observers=(*defaults.observers, *asked.observers),
        dispatcher=asked.dispatcher or defaults.dispatcher,
    )

"""Opening a bus: the block in which it lives, and the orderly end of it."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio

from stentor._bus.bus import Bus
from stentor._mechanisms.matching import DEFAULT_CACHE_CAPACITY
from stentor._values import checks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stentor._values.dialects import DialectLike

logger: Final = logging.getLogger("stentor")


@asynccontextmanager
async def open_bus(
    *,
    dialect: DialectLike = "mailbox",
    cache_capacity: int = DEFAULT_CACHE_CAPACITY,
    drain_timeout: float = 30.0,
) -> AsyncIterator[Bus]:
    """Open a bus for the length of an `async with` block; everything that it starts ends inside that block.

    At the end of the block nothing more is accepted from outside of handlers, and what was accepted is handled, for at
    most `drain_timeout` seconds; then handlers that still run are cancelled. An error in the block cancels at once.
    Whatever is left is logged, and told by `Bus.left`.

    Args:
        dialect: What topics and patterns look like: a `Dialect`, its value, or a `Grammar` of your own.
        cache_capacity: How many topics' routes are kept ready.
        drain_timeout: Seconds, finite unless you say `math.inf`.

    Raises:
        ValueError: An argument is out of its range.

    Example:
        >>> import stentor, trio
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         await bus.publish("nobody.listens")
        >>> trio.run(main)
    """
    checks.seconds("drain_timeout", drain_timeout, zero=True, infinite=True)
    checks.whole("cache_capacity", cache_capacity, least=0)
    failure: BaseException | None = None
    bus: Bus | None = None
    try:
        async with trio.open_nursery() as nursery:
            try:
                bus = Bus(nursery, dialect, cache_capacity)
                yield bus
                await bus._drain(drain_timeout)
            except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - raised again below, bare
                failure = error
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise _bare(group) from failure
    finally:
        if bus is not None:
            bus._close()
            _report(bus)
    if failure is not None:
        raise failure


def _bare(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what a single task let through, out of the group that the nursery made of it."""
    return group.exceptions[0] if len(group.exceptions) == 1 else group


def _report(bus: Bus) -> None:
    if bus.left:
        agents = {left.agent: None for left in bus.left}
        logger.warning(
            "%d deliveries were left unhandled, at %s",
            len(bus.left),
            ", ".join(map(repr, agents)),
            extra={"stentor_left": len(bus.left)},
        )

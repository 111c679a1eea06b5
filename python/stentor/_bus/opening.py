"""Opening a bus: the block in which it lives, and the orderly end of it."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final, Unpack

import trio

from stentor._bus.bus import Bus
from stentor._bus.defaults import settings_of
from stentor._bus.parts import Parts
from stentor._machine.store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stentor._bus.settings import BusKeywords

logger: Final = logging.getLogger("stentor")


@asynccontextmanager
async def open_bus(**settings: Unpack[BusKeywords]) -> AsyncIterator[Bus]:
    """Open a bus for the length of an `async with` block; everything that it starts ends inside that block.

    At the end of the block nothing more is accepted from outside of handlers, batches are delivered though they are not
    full, and what was accepted is handled, for at most `drain_timeout` seconds; then handlers that still run are
    cancelled. An error in the block cancels at once. Whatever is left is logged, and told by `Bus.left`.

    Args:
        **settings: All are optional.

            - `dialect`: what topics and patterns look like: a `Dialect`, its value, or a `Grammar` of your own.
            - `drain_timeout`: seconds, 30 if nothing is said, finite unless you say `math.inf`.
            - `store`: the `MailboxStore` for what is routed to who is away; one in memory if nothing is said.
            - `seed`: of what is left to chance: queue groups, jitter, message ids. See also `bus_defaults`.
            - `on_error`: what follows when a handler has failed for good, for agents that say nothing else: `OnError`.
            - `limits`: how big messages may be: `MessageLimits`.
            - `middleware`: what stands around publishing and handlers: objects of `Middleware`.
            - `observers`: who is told of every outcome: objects of `Observer`.
            - `transit`: how long messages take to each agent, and whether they arrive: a `Transit`.
            - `dispatcher`: `"native"`, or `"python"` for the one that it is tested against, which does the same slowly.
            - `cache_capacity`, `retained_capacity`, `dead_letter_capacity`: how many routes, retained messages and dead
              letters are kept.

    Raises:
        TypeError: An argument is of the wrong type, or unknown.
        ValueError: An argument is out of its range.

    Example:
        >>> import stentor, trio
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...         await bus.publish("nobody.listens")
        >>> trio.run(main)
    """
    chosen = settings_of(settings)
    failure: BaseException | None = None
    bus: Bus | None = None
    try:
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(MemoryStore() if chosen.store is None else chosen.store)
            closing = await stack.enter_async_context(AsyncExitStack())
            nursery = await stack.enter_async_context(trio.open_nursery())
            try:
                parts = Parts(nursery, store, chosen)
                await parts.backlog.open()
                bus = Bus(parts)
                closing.push_async_callback(parts.backlog.close)
                closing.callback(bus._close)  # before the store is: that may take its time
                yield bus
                await bus._drain(chosen.drain_timeout)
            except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - raised again below, bare
                failure = error
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise _bare(group) from failure
    finally:
        if bus is not None:
            _report(bus)
    if failure is not None:
        raise failure


def _bare(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what a single task let through, out of the group that the nursery made of it."""
    return group.exceptions[0] if len(group.exceptions) == 1 else group


def _report(bus: Bus) -> None:
    if bus.left:
        agents = list(dict.fromkeys(left.agent for left in bus.left))
        more = f" and {len(agents) - 10} more" if len(agents) > 10 else ""  # noqa: PLR2004
        logger.warning(
            "%d deliveries were left unhandled, at %s%s",
            len(bus.left),
            ", ".join(map(repr, agents[:10])),
            more,
            extra={"stentor_left": len(bus.left)},
        )

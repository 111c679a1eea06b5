"""Delivery modes: when a recipient is called, and with what. Another mode is another class, and no change elsewhere."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Protocol, final, runtime_checkable

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable


@runtime_checkable
class Mode(Protocol):
    """When a recipient is called with what waits for it, and with how much of it.

    Subscriptions of one agent whose modes are equal share one line of waiting messages, in order; so a mode must be
    hashable. A mode that decides by something else than number and time calls `wake` when that has changed.

    Example:
        >>> import stentor, trio
        >>> class OnTick:
        ...     '''Calls with everything that has gathered, when the tick changes.'''
        ...
        ...     counts = False
        ...
        ...     def __init__(self):
        ...         self.open = False
        ...         self.wakes = []
        ...
        ...     def attach(self, wake):
        ...         self.wakes.append(wake)
        ...
        ...     def due(self, waiting, since, now):
        ...         return now if self.open else float("inf")
        ...
        ...     def size(self, waiting):
        ...         return waiting
        ...
        ...     def tick(self):
        ...         self.open = True
        ...         for wake in self.wakes:
        ...             wake()
        ...         self.open = False
        >>> async def handler(messages):
        ...     print([message.payload for message in messages])
        >>> async def main():
        ...     ticks = OnTick()
        ...     async with stentor.open_bus() as bus:
        ...         bus.register("agent", handler).subscribe("a.*", mode=ticks)
        ...         await bus.publish("a.b", 1)
        ...         await bus.publish("a.c", 2)
        ...         ticks.tick()
        >>> trio.run(main)
        [1, 2]
    """

    @property
    def counts(self) -> bool:
        """Whether what waits keeps the bus from being settled."""
        ...

    def attach(self, wake: Callable[[], None]) -> None:
        """Take note of a line of waiting messages: `wake()` makes the bus ask `due` of it again."""
        ...

    def due(self, waiting: int, since: float, now: float) -> float:
        """Return when the recipient should be called; infinity for never by time alone.

        Args:
            waiting: How many messages wait, at least 1.
            since: When the first of them began to wait.
            now: The time, in seconds on trio's clock. Any answer up to it means at once.
        """
        ...

    def size(self, waiting: int) -> int | None:
        """Return with how many of the `waiting` messages it is called, as a list; None for one, not in a list."""
        ...


@final
@frozen
class Realtime:
    """Call at once, with one message."""

    counts = True

    def attach(self, wake: Callable[[], None]) -> None:
        """Nothing but arrival matters."""

    def due(self, waiting: int, since: float, now: float) -> float:  # noqa: ARG002
        """Return `now`."""
        return now

    def size(self, waiting: int) -> int | None:  # noqa: ARG002
        """Return None: one message."""
        return None


@final
@frozen
class Batch:
    """Call with a list when `limit` messages wait, or `timeout` seconds after the first of them came."""

    limit: int
    timeout: float
    counts = True

    def attach(self, wake: Callable[[], None]) -> None:
        """Nothing but number and time matters."""

    def due(self, waiting: int, since: float, now: float) -> float:
        """Return `now` when there are enough, and else when the first has waited for long enough."""
        return now if waiting >= self.limit else since + self.timeout

    def size(self, waiting: int) -> int | None:
        """Return how many fit into one batch."""
        return min(waiting, self.limit)


@final
@frozen
class Polling:
    """Never call: what comes waits until it is polled. It is then handled, or else unread until acknowledged."""

    auto_ack: bool
    counts = False

    def attach(self, wake: Callable[[], None]) -> None:
        """Nothing matters but the agent's polling."""

    def due(self, waiting: int, since: float, now: float) -> float:  # noqa: ARG002
        """Return infinity."""
        return inf

    def size(self, waiting: int) -> int | None:
        """Return everything; polling says how much."""
        return waiting

"""Ticks: time in steps, for models whose agents act in turns rather than whenever they like.

A tick is a message like any other. All who subscribe to its topic get it in the order in which they subscribed, and the
step is over when the bus is settled: when everything that they caused has been handled too. Where a step has several
phases, each is a message of its own, and none begins before the one before it is over.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Self, final

import trio
from attrs import frozen

from stentor.simulation import _checks as checks

if TYPE_CHECKING:
    from stentor import Bus


@final
@frozen
class Tick:
    """One step of a model: the payload of the messages that begin its phases.

    Example:
        >>> from stentor import simulation
        >>> simulation.Tick(number=1, time=0.0)
        Tick(number=1, time=0.0)
    """

    number: int
    """Which step it is, from 1."""
    time: float
    """When it began: seconds on trio's clock."""


@final
class Ticks:
    """Publishes the phases of one step after another, and yields each step when it is over.

    The first begins at once, the others `every` seconds after one another; one that takes longer delays the next.

    Args:
        bus: Where the agents are.
        *phases: The topics of the phases of a step, in their order.
        every: Seconds from the beginning of a step to that of the next.
        count: How many steps there are; None for no end.
        first: The number of the first, as in a run that goes on from a checkpoint.
        sender: Who publishes them.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: There is no phase, or an argument is out of its range.

    Example:
        >>> import stentor
        >>> from stentor import simulation
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...
        ...         async def walker(message):
        ...             print("walk", message.payload.number)
        ...             await bus.publish("step.taken", sender="walker")
        ...
        ...         async def watcher(message):
        ...             print("watch", message.topic)
        ...
        ...         bus.register("watcher", watcher).subscribe("step.*")
        ...         bus.register("walker", walker).subscribe("walk")
        ...         async for tick in simulation.Ticks(bus, "walk", "step.over", every=60.0, count=2):
        ...             print("after", tick.time, "s")
        >>> _ = simulation.run(main)
        walk 1
        watch step.taken
        watch step.over
        after 0.0 s
        walk 2
        watch step.taken
        watch step.over
        after 60.0 s
    """

    def __init__(
        self,
        bus: Bus,
        *phases: str,
        every: float = 1.0,
        count: int | None = None,
        first: int = 1,
        sender: str | None = None,
    ) -> None:
        """Begin before the first step."""
        _check(phases, every, count)
        self._offset = checks.whole("first", first, least=1) - 1
        self._bus = bus
        self._phases = phases
        self._every = float(every)
        self._count = inf if count is None else count
        self._sender = sender
        self._number = 0
        self._begun = 0.0

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> Tick:
        """Let the next step happen, and return it when it is over."""
        if self._number >= self._count:
            await trio.lowlevel.checkpoint()
            raise StopAsyncIteration
        if self._number:
            await trio.sleep_until(self._begun + self._number * self._every)
        else:
            self._begun = trio.current_time()
        self._number += 1
        tick = Tick(self._offset + self._number, trio.current_time())
        for phase in self._phases:
            await self._bus.publish(phase, tick, sender=self._sender)
            await self._bus.settled()
        return tick


def _check(phases: tuple[object, ...], every: object, count: object) -> None:
    if not phases:
        msg = "phases must name at least one topic"
        raise ValueError(msg)
    for phase in phases:
        if not isinstance(phase, str):
            msg = f"phases must be topics, not {type(phase).__name__}"
            raise TypeError(msg)
    checks.seconds("every", every, zero=True)
    if count is not None:
        checks.whole("count", count, least=0)

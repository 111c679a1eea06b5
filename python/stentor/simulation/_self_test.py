"""The self-test: what `_inside` replaces in trio has the effect that it is replaced for. It runs once in a process."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import trio

from stentor.simulation import _inside
from stentor.simulation._clock import VirtualClock
from stentor.simulation._errors import OutsideWorldError, UnsupportedTrioError

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def check_trio() -> None:
    """Run a few tasks under two orders, and look whether they obeyed.

    Raises:
        UnsupportedTrioError: They did not, or trio lacks something.
    """
    oldest = _trace(_leave)
    youngest = _trace(_turn_round)
    expected = [f"{name}{time}" for time in (0, 1, 2) for name in "abc"]
    reversed_ = [f"{name}{time}" for time in (0, 1, 2) for name in "cba"]
    if (oldest, youngest) != ([*expected, "refused"], [*reversed_, "refused"]):
        msg = f"trio {trio.__version__} did not obey: {oldest} and {youngest}"
        raise UnsupportedTrioError(msg)


def _leave(batch: list[Any]) -> None:
    """Let the oldest task run first."""
    del batch


def _turn_round(batch: list[Any]) -> None:
    """Let the youngest task run first."""
    batch.reverse()


def _trace(order: Callable[[list[Any]], None]) -> list[str]:
    trace: list[str] = []
    clock = VirtualClock()

    async def agent(name: str) -> None:
        for _ in range(3):
            trace.append(f"{name}{trio.current_time():g}")
            await trio.sleep(1)

    async def main() -> None:
        _inside.enter()
        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(agent, name)
        try:
            await trio.to_thread.run_sync(int)
        except OutsideWorldError:
            trace.append("refused")

    with _inside.under(_inside.Rules(clock, order, inline=False)):
        trio.run(main, clock=clock)
    return trace if clock.jumps == 3 else []  # noqa: PLR2004 - three sleeps, one after another

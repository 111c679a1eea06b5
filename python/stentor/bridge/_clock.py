"""A clock that hosts share and that never jumps: the wall clock, read once, and from then on the steady clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, final

import trio

if TYPE_CHECKING:
    from collections.abc import Callable


@final
class AnchoredClock:
    """Translates between the clock of a bus, on which no two processes agree, and seconds since 1970.

    The wall clock is asked once. Whatever it does later, times on the wire go on evenly: no message expires, and none
    lives for ever, because somebody has set a clock.

    Example:
        >>> clock = AnchoredClock(wall=lambda: 1000.0, steady=lambda: 5.0)
        >>> clock.to_wall(7.0), clock.from_wall(1002.0)
        (1002.0, 7.0)
    """

    __slots__ = ("anchor", "steady")

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = trio.current_time) -> None:
        """Read both clocks, in seconds."""
        self.steady = steady
        self.anchor = wall() - steady()
        """What the wall clock says beyond the steady clock."""

    def to_wall(self, instant: float) -> float:
        """Return what the wall clock would say at an instant of the steady clock."""
        return instant + self.anchor

    def from_wall(self, moment: float) -> float:
        """Return the instant of the steady clock at which the wall clock would say so."""
        return moment - self.anchor

    def milliseconds_at(self, instant: float) -> int:
        """Return an instant of the steady clock as whole milliseconds since 1970, 0 if that was before."""
        return max(0, int((instant + self.anchor) * 1000.0))

    def milliseconds(self) -> int:
        """Return the present as whole milliseconds since 1970, 0 if that has not been yet."""
        return self.milliseconds_at(self.steady())

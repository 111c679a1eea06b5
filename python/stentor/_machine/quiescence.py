"""Quiescence: the moment at which nothing that was published waits for its handler, or is being handled."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import trio

if TYPE_CHECKING:
    from stentor._machine.ledger import Ledger
    from stentor._machine.readiness import Readiness
    from stentor._native import Meter


@final
class Quiescence:
    """Lets tasks wait for that moment; it is told by the ledger and never polls."""

    def __init__(self, ledger: Ledger, readiness: Readiness, meter: Meter) -> None:
        """Watch `ledger`, and the queue of `readiness`, in which also lanes stand that the ledger does not count.

        `meter` says how many wait: while nobody does, nobody need be told.
        """
        self._ledger = ledger
        self._meter = meter
        self._readiness = readiness
        self._lot = trio.lowlevel.ParkingLot()
        ledger.on_quiet = readiness.on_empty = self._look

    def _look(self) -> None:
        if self._lot and self.is_reached:
            self._lot.unpark_all()

    @property
    def is_reached(self) -> bool:
        """Whether it is that moment now."""
        return not self._ledger.busy and self._readiness.is_empty

    async def reached(self) -> None:
        """Wait for the moment."""
        if not self.is_reached:
            # Where the leader has its turn after ours, it may be done by the next: that costs less than to be woken.
            await trio.lowlevel.checkpoint()
        while not self.is_reached:
            self._meter.awaited += 1
            try:
                await self._lot.park()
            finally:
                self._meter.awaited -= 1

    async def reached_within(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the moment, and return whether it came."""
        with trio.move_on_after(timeout):
            await self.reached()
        return self.is_reached

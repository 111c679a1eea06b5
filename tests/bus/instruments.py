"""Instruments of trio that tests watch a run with."""

from __future__ import annotations

import trio


class Passes(trio.abc.Instrument):
    """Counts the scheduling passes of trio."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - the protocol
        """Count one."""
        self.count += 1

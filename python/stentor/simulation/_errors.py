"""What can go wrong with a simulation run as such."""

from __future__ import annotations

from typing import final


class SimulationError(RuntimeError):
    """A simulation run could not begin, or could not go on.

    Example:
        >>> from stentor import simulation
        >>> issubclass(simulation.StuckError, simulation.SimulationError)
        True
    """


@final
class StuckError(SimulationError):
    """Every task waits, and no timer is set: nothing could ever happen any more. The text says who waits where.

    Example:
        >>> import trio
        >>> from stentor import simulation
        >>> simulation.run(trio.sleep_forever)
        Traceback (most recent call last):
        stentor.simulation.StuckError: stuck at 0 s: no task can go on and no timer is set: ...
    """


@final
class OutsideWorldError(SimulationError):
    """Something in a run wants to wait for a thread, a socket or a process: for a world that has no seed.

    Example:
        >>> import time, trio
        >>> from stentor import simulation
        >>> simulation.run(trio.to_thread.run_sync, time.time)
        Traceback (most recent call last):
        stentor.simulation.OutsideWorldError: a simulation run starts no threads, ...
    """


@final
class UnsupportedTrioError(SimulationError):
    """This version of trio lacks what a run needs of it; the text says what.

    Example:
        >>> from stentor import simulation
        >>> str(simulation.UnsupportedTrioError("no _r"))
        'no _r'
    """

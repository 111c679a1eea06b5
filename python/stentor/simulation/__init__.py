"""Simulation: a run is a function of code, seed and inputs.

`run` runs a trio program with its buses in virtual time. The same seed gives the same run, in every process and on
every Python, down to the order in which tasks wake up; its digest says so. `docs/guide/simulation.md` tells the whole.
"""

from __future__ import annotations

from stentor.simulation._checkpoint import Checkpoint as Checkpoint
from stentor.simulation._checkpoint import checkpoint as checkpoint
from stentor.simulation._checkpoint import restore as restore
from stentor.simulation._current import Run as Run
from stentor.simulation._current import current_run as current_run
from stentor.simulation._errors import OutsideWorldError as OutsideWorldError
from stentor.simulation._errors import SimulationError as SimulationError
from stentor.simulation._errors import StuckError as StuckError
from stentor.simulation._errors import UnsupportedTrioError as UnsupportedTrioError
from stentor.simulation._faults import Faults as Faults
from stentor.simulation._faults import FaultStatistics as FaultStatistics
from stentor.simulation._result import RunResult as RunResult
from stentor.simulation._run import run as run
from stentor.simulation._ticks import Tick as Tick
from stentor.simulation._ticks import Ticks as Ticks

for _name, _value in list(globals().items()):
    if not _name.startswith("_") and getattr(_value, "__module__", "").startswith("stentor.simulation."):
        _value.__module__ = "stentor.simulation"
del _name, _value  # pyright: ignore[reportPossiblyUnboundVariable] - there are names

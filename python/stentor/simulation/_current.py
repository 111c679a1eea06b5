"""The run that code is in: its seed, and generators of random numbers that depend on nothing else."""

from __future__ import annotations

import random
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, final

from stentor.simulation._errors import SimulationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stentor.recording import Digest


@final
class Run:
    """What code in a run can ask of it; `current_run` returns it.

    Example:
        >>> from stentor import simulation
        >>> async def main():
        ...     run = simulation.current_run()
        ...     return run.seed, run.random("weather").randrange(100), run.random("weather").randrange(100)
        >>> simulation.run(main, seed=3).value
        (3, 64, 6)
    """

    def __init__(self, seed: int, *, shuffle: bool = False, record: Digest | None = None, resumes: Any = None) -> None:
        """Make the generators of a run; `resumes` is the checkpoint that it goes on from."""
        self.seed: int = seed
        """The seed that the run was begun with."""
        self.shuffle: bool = shuffle
        """Whether tasks that can run together run in an order by chance."""
        self.resumes = resumes
        """The checkpoint that the run goes on from, or None."""
        self._record = record
        self._entries_before: int = 0 if resumes is None else resumes.entries
        self._generators: dict[str, random.Random] = {}

    def random(self, name: str) -> random.Random:
        """Return the generator of that name, the same each time.

        One for each agent, or for each purpose, keeps what one of them draws from changing what another gets.
        """
        if name not in self._generators:
            self._generators[name] = random.Random(f"{self.seed}/{name}")
        return self._generators[name]

    @property
    def digest(self) -> str:
        """The digest of all that has happened so far; empty where none is made."""
        return "" if self._record is None else self._record.hexdigest()

    @property
    def entries(self) -> int:
        """How many entries the causal record has so far."""
        return self._entries_before + (0 if self._record is None else self._record.entries)

    def rebase(self) -> str:
        """Return the digest so far, and go on from it as from the beginning."""
        return "" if self._record is None else self._record.rebase()

    def take_up(self, chance: dict[str, Any]) -> None:
        """Let each generator go on from a state that `chance` returned."""
        for name, state in chance.items():
            self.random(name).setstate(state)

    def chance(self) -> dict[str, Any]:
        """Return the state of each generator."""
        return {name: generator.getstate() for name, generator in self._generators.items()}


_current: Final[ContextVar[Run]] = ContextVar("stentor.simulation.run")


def current_run() -> Run:
    """Return the run that the calling code is in.

    Raises:
        SimulationError: It is in none.
    """
    try:
        return _current.get()
    except LookupError:
        msg = "current_run() must be called in a simulation run"
        raise SimulationError(msg) from None


@contextmanager
def current(run: Run) -> Iterator[None]:
    """Let `run` be the one that code in the block is in."""
    token = _current.set(run)
    try:
        yield
    finally:
        _current.reset(token)

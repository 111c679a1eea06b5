"""What a simulation run comes to."""

from __future__ import annotations

from typing import Generic, TypeVar, final

from attrs import frozen

T = TypeVar("T")


@final
@frozen(kw_only=True)
class RunResult(Generic[T]):
    """The outcome of a run, and the figures by which two runs are compared; printed, it says both in one line.

    Example:
        >>> import trio
        >>> from stentor import simulation
        >>> result = simulation.run(trio.sleep, 90.0, seed=3)
        >>> result.completed, result.seconds, result.jumps
        (True, 90.0, 1)
    """

    value: T | None
    """What `main` returned; None where `until` came first."""
    completed: bool
    """Whether `main` returned, before `until`."""
    digest: str
    """The hash over the causal record of the run, 64 hexadecimal digits; empty where none was asked for.

    Two runs with one digest have published the same messages to the same recipients at the same virtual times, with the
    same outcomes, in the same order. Payloads are not in it.
    """
    entries: int
    """How many entries the causal record has."""
    seconds: float
    """The virtual time at the end."""
    jumps: int
    """How often the virtual time moved on."""
    real_seconds: float
    """How long it took."""
    seed: int
    """The seed of the run."""
    shuffle: bool
    """Whether tasks that could run together ran in an order by chance."""

    def __str__(self) -> str:
        """Say what the run was and what it came to."""
        order = ", shuffled" if self.shuffle else ""
        digest = f", digest {self.digest}" if self.digest else ""
        return f"seed {self.seed}{order}: {self.seconds:g} s, {self.entries} entries{digest}"

"""Checkpoints of a run: its buses, its time, its chance and its digest, at a moment at which the buses are settled."""

from __future__ import annotations

import pickle
import random
from typing import TYPE_CHECKING, Any, Self, final

import trio
from attrs import field, frozen

from stentor.simulation._current import current_run
from stentor.simulation._errors import SimulationError

if TYPE_CHECKING:
    from os import PathLike

    from stentor import Bus, BusCheckpoint


@final
@frozen(kw_only=True)
class Checkpoint:
    """A run at one moment: `checkpoint` takes it, and `run(main, resume=...)` goes on from it.

    Example:
        >>> import stentor, trio
        >>> from stentor import simulation
        >>> async def second_half(bus):
        ...     await trio.sleep(5.0)
        ...     await bus.publish("news")
        >>> async def whole():
        ...     async with stentor.open_bus() as bus:
        ...         await bus.publish("news")
        ...         taken = await simulation.checkpoint(bus)
        ...         await second_half(bus)
        ...     return taken
        >>> async def rest():
        ...     async with stentor.open_bus() as bus:
        ...         simulation.restore(bus)
        ...         await second_half(bus)
        >>> first = simulation.run(whole)
        >>> simulation.run(rest, resume=first.value).digest == first.digest
        True
    """

    time: float
    """The virtual time at which it was taken."""
    seed: int
    """The seed of the run."""
    shuffle: bool
    """Whether the run is shuffled."""
    digest: str
    """The digest of the run so far; empty where none is made."""
    entries: int
    """How many entries the causal record has so far."""
    buses: tuple[BusCheckpoint, ...]
    """The buses, in the order in which they were given."""
    chance: dict[str, Any] = field(repr=False)
    """The state of each generator of the run."""
    module: Any = field(repr=False)
    """The state of the generator behind the module `random`."""

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file, for another process; payloads, and the causes of dead letters, must be fit for pickle.

        Raises:
            OSError: The file cannot be written.
            pickle.PicklingError: Something in it cannot be pickled.
        """
        data = pickle.dumps(self)
        with open(path, "wb") as file:  # noqa: PTH123 - whatever names a file
            file.write(data)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read one from a file that `save` wrote.

        A file from somebody else can run code of theirs when it is read: load only what you trust.

        Raises:
            OSError: The file cannot be read.
            ValueError: It holds no checkpoint, or one of payloads that this process cannot make.
        """
        with open(path, "rb") as file:  # noqa: PTH123 - whatever names a file
            data = file.read()
        try:
            found = pickle.loads(data)  # noqa: S301 - said above
        except Exception as error:  # what garbage leads pickle to raise is of many kinds
            msg = f"{path!s} holds no checkpoint that can be read"
            raise ValueError(msg) from error
        if not isinstance(found, cls):
            msg = f"{path!s} holds no checkpoint"
            raise ValueError(msg)  # noqa: TRY004 - the file is wrong
        return found


async def checkpoint(*buses: Bus) -> Checkpoint:
    """Take the run that the code is in, at this moment, with its buses, which must be settled.

    Taking one changes the digest, so compare runs that take as many: the restored run goes on from the digest so far.
    Where `main` stands, and what its tasks wait for, is not in it; neither is what agents keep in variables of theirs.

    Args:
        *buses: The buses of the run.

    Raises:
        NotSettledError: One of them is not settled.
        RuntimeError: Somebody waits for an answer, or for room in a mailbox.
        SimulationError: The code is in no run.
    """
    run = current_run()
    taken = tuple([await bus.checkpoint() for bus in buses])
    return Checkpoint(
        time=trio.current_time(),
        seed=run.seed,
        shuffle=run.shuffle,
        entries=run.entries,
        digest=run.rebase(),
        buses=taken,
        chance=run.chance(),
        module=random.getstate(),
    )


def restore(*buses: Bus) -> None:
    """Put the buses of the checkpoint that the run goes on from into these, which the same code has set up.

    Args:
        *buses: As many as `checkpoint` was given, in the same order, with the same agents and subscriptions.

    Raises:
        SimulationError: The run does not go on from a checkpoint.
        RuntimeError: Something has been published already.
        ValueError: They are not the same.
    """
    run = current_run()
    taken = run.resumes
    if not isinstance(taken, Checkpoint):
        msg = "restore() needs a run that was begun with resume=..."
        raise SimulationError(msg)
    if len(buses) != len(taken.buses):
        msg = f"buses must be as many as the checkpoint has ({len(taken.buses)}), not {len(buses)}"
        raise ValueError(msg)
    for bus, each in zip(buses, taken.buses, strict=True):
        bus.restore(each)
    run.take_up(taken.chance)
    random.setstate(taken.module)

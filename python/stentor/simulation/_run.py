"""A run: a trio program in virtual time, in which nothing is left to chance but what the seed decides."""

from __future__ import annotations

import inspect
import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar, TypeVarTuple, final

import trio

import stentor
from stentor.simulation import _checks as checks
from stentor.simulation import _inside
from stentor.simulation._checkpoint import Checkpoint
from stentor.simulation._clock import VirtualClock
from stentor.simulation._current import Run, current
from stentor.simulation._errors import SimulationError, StuckError
from stentor.simulation._result import RunResult
from stentor.simulation._self_test import check_trio
from stentor.simulation._stuck import throw, who_waits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from stentor.recording import Digest

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def run(
    main: Callable[[*Ts], Awaitable[T]],
    *args: *Ts,
    seed: int = 0,
    until: float | None = None,
    shuffle: bool = False,
    resume: Checkpoint | None = None,
    threads: Literal["refuse", "inline"] = "refuse",
    digest: bool = True,
    show: bool = False,
) -> RunResult[T]:
    """Run `main(*args)` under trio in virtual time, so that what happens is a function of the code, `seed` and `args`.

    Time stands still while anything can run, and then jumps to the next instant that somebody waits for: an hour of
    sleeping takes no time. It begins at 0. What can run at one instant runs in the order in which the tasks were
    started. Every bus that is opened without a seed of its own gets one from the run, and the generator behind the
    module `random` is seeded for as long as the run lasts.

    Args:
        main: An async function; what it returns is in the result.
        *args: Its arguments.
        seed: Of all that is left to chance.
        until: The virtual time, in seconds, at which `main` is cancelled if it has not returned.
        shuffle: Whether tasks that can run at one instant run in an order that chance decides, by the seed. trio
            promises no order, so a program that another seed breaks depends on an order that nobody promised.
        resume: The checkpoint that the run goes on from, with its time, its seed and its order; `main` sets everything
            up once more and then calls `restore`.
        threads: What becomes of a function that is to be run in a thread: "refuse" raises `OutsideWorldError`, "inline"
            calls it at once, while everything else waits and no time passes.
        digest: Whether a hash over all that happens on the buses is made; it needs msgspec.
        show: Whether the result is printed.

    Raises:
        StuckError: Nothing could happen any more.
        OutsideWorldError: Something waited for a thread, a socket or a process, and did not catch this.
        UnsupportedTrioError: This version of trio cannot be run so.
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of its range.
        RuntimeError: It is called inside of another `trio.run`.

    Example:
        >>> import stentor, trio
        >>> from stentor import simulation
        >>> async def main():
        ...     async with stentor.open_bus() as bus:
        ...
        ...         async def gpt4(message):
        ...             await trio.sleep(3600)
        ...             print("after an hour:", message.payload)
        ...
        ...         bus.register("gpt4", gpt4).subscribe("ai.*")
        ...         await bus.publish("ai.models", "hello")
        ...         await bus.settled()
        >>> first, second, other = (simulation.run(main, seed=seed) for seed in (1, 1, 2))
        after an hour: hello
        after an hour: hello
        after an hour: hello
        >>> first.seconds, first.digest == second.digest, first.digest == other.digest
        (3600.0, True, False)
    """
    _check(seed, until, threads, shuffle=shuffle, digest=digest, show=show)
    if resume is not None:
        checks.instance("resume", resume, Checkpoint)
    _check_main(main)
    check_trio()
    if resume is not None:
        seed, shuffle = _resumed(resume, seed, shuffle=shuffle)
    clock = VirtualClock(0.0 if resume is None else resume.time)
    record = _digest("" if resume is None else resume.digest) if digest else None
    this = Run(seed, shuffle=shuffle, record=record, resumes=resume)
    order = this.random("stentor.order").shuffle if shuffle else _by_age
    rules = _inside.Rules(clock, order, inline=threads == "inline")
    begun = time.perf_counter()
    with _inside.under(rules), _chance(this, record):
        value, completed = _Supervision(clock, until).run(main, args)
    result: RunResult[T] = RunResult(
        value=value,
        completed=completed,
        digest=this.digest,
        entries=this.entries,
        seconds=clock.now,
        jumps=clock.jumps,
        real_seconds=time.perf_counter() - begun,
        seed=seed,
        shuffle=shuffle,
    )
    if show:
        print(result)  # noqa: T201 - what was asked for
    return result


@final
class _Supervision:
    """Sees to it that a run ends: by itself, at its time, or because nothing can happen any more."""

    def __init__(self, clock: VirtualClock, until: float | None) -> None:
        self._clock = clock
        self._scope = trio.CancelScope(deadline=float("inf") if until is None else until)
        self._stuck: StuckError | None = None
        self._thrown = False
        clock.on_stuck = self._on_stuck

    def run(self, main: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> tuple[T | None, bool]:
        """Return what `main` returned, and whether it did before it was cancelled."""
        try:
            value = trio.run(self._main, main, args, clock=self._clock)
        except BaseException as error:
            if self._stuck is not None and not isinstance(error, KeyboardInterrupt):
                raise self._stuck from None if error is self._stuck else error
            raise
        if self._stuck is not None:
            raise self._stuck
        return value, not self._scope.cancelled_caught

    async def _main(self, main: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> T | None:
        _inside.enter()
        with self._scope:
            awaited = main(*args)
            _check_returned(awaited)
            return await awaited
        return None

    def _on_stuck(self) -> None:
        """Cancel everything; throw the error into what is shielded; where it is caught, let trio go down with it."""
        if self._stuck is None:
            where = f"stuck at {self._clock.now:g} s"
            self._stuck = StuckError(f"{where}: no task can go on and no timer is set: {who_waits()}")
            self._scope.cancel()
        elif not self._thrown:
            self._thrown = True
            throw(self._stuck)
        else:
            raise self._stuck


@contextmanager
def _chance(this: Run, record: Digest | None) -> Iterator[None]:
    """Let the seed decide what is left to chance in the block, and `record` be told of it."""
    buses = this.random("stentor.buses")
    before = random.getstate()
    random.seed(f"{this.seed}/random")
    observers = () if record is None else (record,)
    try:
        with current(this), stentor.bus_defaults(seed=lambda: buses.getrandbits(64), observers=observers):
            yield
    finally:
        random.setstate(before)


def _resumed(checkpoint: Checkpoint, seed: int, *, shuffle: bool) -> tuple[int, bool]:
    """Return the seed of a checkpoint, and whether it is shuffled, unless something else was asked for."""
    for name, asked, own in (("seed", seed, checkpoint.seed), ("shuffle", shuffle, checkpoint.shuffle)):
        if asked and asked != own:
            msg = f"{name} must not be given with resume, which has its own"
            raise ValueError(msg)
    return checkpoint.seed, checkpoint.shuffle


def _digest(start: str) -> Digest:
    try:
        from stentor.recording import Digest  # noqa: PLC0415 - needs an extra, and not every run wants a digest
    except ModuleNotFoundError as error:
        msg = "the digest needs msgspec: pip install 'stentor[recording]', or say digest=False"
        raise SimulationError(msg) from error
    return Digest(start)


def _by_age(batch: list[Any]) -> None:
    """Leave the tasks as they come: the oldest first."""


def _check_main(main: object) -> None:
    if inspect.iscoroutine(main):
        main.close()  # else it would be complained of as never awaited, where it is thrown away
        msg = f"main must be an async function, not a coroutine: pass {main.__name__} itself, not {main.__name__}()"
        raise TypeError(msg)
    if not callable(main):
        msg = f"main must be an async function, not {type(main).__name__}"
        raise TypeError(msg)


def _check_returned(awaited: object) -> None:
    if not inspect.isawaitable(awaited):
        msg = f"main must be an async function, but returned {type(awaited).__name__}"
        raise TypeError(msg)


def _check(seed: object, until: object, threads: object, **flags: object) -> None:
    for name, flag in flags.items():
        checks.instance(name, flag, bool)
    checks.whole("seed", seed)
    if until is not None:
        checks.seconds("until", until, zero=True, infinite=True)
    if threads not in ("refuse", "inline"):
        msg = f"threads must be 'refuse' or 'inline', not {threads!r}"
        raise ValueError(msg)

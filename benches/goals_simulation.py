"""Virtual time beside real scheduling: ``python -m benches.goals_simulation``.

The cost of something that happens in virtual time is given as a ratio to a real `trio.sleep(0)` measured in the same
round: a figure is the median of the rounds' ratios. Processor time is measured, so that other work on the machine does
not count. With ``--hour`` an hour of 1,000 agents is run as a whole, by ticks and by sleeping.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final

import trio
from trio.testing import MockClock

import stentor
from stentor import simulation

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS: Final = 7
AGENTS: Final = 1_000
STEPS: Final = 20
HOUR: Final = 3_600


def main() -> None:
    """Measure the goals, and the hour when it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(default: %(default)s)")
    parser.add_argument("--hour", action="store_true", help="run an hour of 1,000 agents instead")
    arguments = parser.parse_args()
    _say(f"trio {trio.__version__}, Python {sys.version.split()[0]}, {AGENTS:,} agents")
    if arguments.hour:
        _measure_hour()
    else:
        _measure_ratios(arguments.rounds)


def _measure_ratios(rounds: int) -> None:
    found: dict[str, list[float]] = {name: [] for name in MEASURED}
    for number in range(rounds):
        real = trio.run(_sleep_nothing, 20_000)
        for name, measure in MEASURED.items():
            found[name].append(measure() / real)
        _say(f"round {number + 1}: a real trio.sleep(0) {real * 1e6:.2f} µs")
    for name, ratios in found.items():
        _say(f"{statistics.median(ratios):6.2f}  ({min(ratios):.2f} to {max(ratios):.2f})  {name}")


def _measure_hour() -> None:
    for name, body, digest in (
        ("ticks", _tick, False),
        ("ticks, with the digest", _tick, True),
        ("each sleeps", _everybody_sleeps, False),
    ):
        begun, used = time.perf_counter(), time.process_time()
        result = simulation.run(body, HOUR, digest=digest)
        seconds, processor = time.perf_counter() - begun, time.process_time() - used
        _say(f"{name}: {result.seconds:,.0f} s in {seconds:.1f} s, of these {processor:.1f} s of processor time")


async def _sleep_nothing(times: int) -> float:
    begun = time.process_time()
    for _ in range(times):
        await trio.lowlevel.checkpoint()  # what trio.sleep(0) is
    return (time.process_time() - begun) / times


async def _sleeper(sleep: Callable[[float], object], steps: int) -> None:
    for _ in range(steps):
        await sleep(1.0)  # type: ignore[misc]  # any of several ways to sleep


async def _everybody_sleeps(steps: int, sleep: Callable[[float], object] = trio.sleep) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(AGENTS):
            nursery.start_soon(_sleeper, sleep, steps)


async def _sleep_by_deadline(seconds: float) -> None:
    with trio.move_on_after(seconds):
        await trio.sleep_forever()


async def _tick(steps: int) -> None:
    async with stentor.open_bus() as bus:
        for number in range(AGENTS):
            bus.register(f"agent-{number}", _ignore).subscribe("tick")
        async for _ in simulation.Ticks(bus, "tick", every=1.0, count=steps):
            pass


async def _ignore(message: stentor.Message) -> None:
    del message


class _Calendar:
    """An event calendar on trio's public names alone: one instant after another, when everybody else is blocked."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, trio.lowlevel.Task]] = []
        self._numbers = count()

    async def sleep(self, seconds: float) -> None:
        heappush(self._heap, (self.now + seconds, next(self._numbers), trio.lowlevel.current_task()))
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)

    async def drive(self) -> None:
        await trio.testing.wait_all_tasks_blocked()
        while self._heap:
            self.now, _, task = heappop(self._heap)
            trio.lowlevel.reschedule(task)
            await trio.testing.wait_all_tasks_blocked()


async def _on_a_calendar(steps: int) -> None:
    calendar = _Calendar()
    async with trio.open_nursery() as nursery:
        for _ in range(AGENTS):
            nursery.start_soon(_sleeper, calendar.sleep, steps)
        nursery.start_soon(calendar.drive)


def _timed(work: Callable[[], object], *, each: int) -> float:
    begun = time.process_time()
    work()
    return (time.process_time() - begun) / each


def _simulated(body: Callable[..., object], *arguments: object, digest: bool = False) -> Callable[[], float]:
    work = partial(simulation.run, body, STEPS, *arguments, digest=digest)  # type: ignore[arg-type]
    return lambda: _timed(work, each=AGENTS * STEPS)


MEASURED: Final[dict[str, Callable[[], float]]] = {
    "a sleep in a run / a real trio.sleep(0): <= 6, worst 10": _simulated(_everybody_sleeps),
    "a timeout in a run": _simulated(_everybody_sleeps, _sleep_by_deadline),
    "a handler called by a tick": _simulated(_tick),
    "the same, with the digest": _simulated(_tick, digest=True),
    "a sleep under trio's MockClock, which shuffles": lambda: _timed(
        lambda: trio.run(_everybody_sleeps, STEPS, clock=MockClock(autojump_threshold=0)), each=AGENTS * STEPS
    ),
    "a sleep on a calendar on public names": lambda: _timed(
        lambda: trio.run(_on_a_calendar, STEPS), each=AGENTS * STEPS
    ),
}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

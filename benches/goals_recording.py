"""What recording costs, and how soon a report of 100,000 messages can be used: ``python -m benches.goals_recording``.

Three programs run in virtual time, each bare, with the digest, and with a recorder, which take turns in every round; a
figure is the median of the rounds' ratios of process time. `sleepers` is a simulation in which every agent sleeps by
itself and then tells another; in `ticks` all agents hear a tick and a share of them speaks; in `nothing` handlers do
nothing at all, so that what is measured is the bus alone, and recording costs most. With ``--report`` a recording of
100,000 messages becomes a page, which is opened in headless Chromium.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import trio
from trio.testing import MockClock

import stentor
from stentor.recording import Digest, record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Program = Callable[[Sequence[stentor.Observer]], Awaitable[None]]

ROUNDS: Final = 7
AGENTS: Final = 300
STEPS: Final = 20
MESSAGES: Final = 100_000
MODES: Final = ("bare", "digest", "recorded")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(default: %(default)s)")
    parser.add_argument("--report", action="store_true", help="time a report of 100,000 messages instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.report:
            measure_report(Path(folder), MESSAGES)
        else:
            measure_recording(Path(folder), arguments.rounds)


def measure_recording(folder: Path, rounds: int) -> None:
    """Print the ratios of each program."""
    _say(f"Python {sys.version.split()[0]}, trio {trio.__version__}; process time, medians of {rounds} rounds")
    programs: dict[str, Program] = {"sleepers": sleepers, "ticks": ticks, "nothing": nothing}
    for name, program in programs.items():
        times: dict[str, list[float]] = {mode: [] for mode in MODES}
        entries = 0
        for number in range(rounds):
            for mode in MODES:
                spent, entries = timed(program, mode, folder / f"{name}-{number}")
                times[mode].append(spent)
        for mode in MODES[1:]:
            ratios = [a / b for a, b in zip(times[mode], times["bare"], strict=True)]
            _say(f"  {statistics.median(ratios):.2f} {name}: {mode} / bare ({min(ratios):.2f} to {max(ratios):.2f})")
        extra = statistics.median(a - b for a, b in zip(times["recorded"], times["bare"], strict=True))
        size = (folder / f"{name}-0").stat().st_size
        _say(f"  {1e6 * extra / entries:.2f} us, {size / entries:.1f} bytes for each of {entries:,} entries: {name}")


def timed(program: Program, mode: str, path: Path) -> tuple[float, int]:
    """Run a program, and return its process time in seconds and how many entries were made."""
    observers: list[Any] = []
    if mode == "digest":
        observers = [Digest()]
    elif mode == "recorded":
        observers = [record(path)]
    began = time.process_time()
    trio.run(partial(program, observers), clock=MockClock(autojump_threshold=0))
    for observer in observers:
        observer.hexdigest() if mode == "digest" else observer.close()
    return time.process_time() - began, sum(observer.entries for observer in observers)


async def sleepers(observers: Sequence[stentor.Observer]) -> None:
    """Agents sleep by themselves, and then each tells another one, who answers half of the time."""
    dice = Random(1)
    async with stentor.open_bus(seed=1, observers=observers) as bus, trio.open_nursery() as nursery:

        async def hear(message: stentor.Message) -> None:
            if dice.random() < 0.5 and message.payload:
                await bus.publish(f"agent.{message.payload}", None)

        async def live(name: int) -> None:
            for _ in range(STEPS):
                await trio.sleep(1 + dice.random())
                await bus.publish(f"agent.{dice.randrange(AGENTS)}", name, sender=f"agent-{name}")

        for name in range(AGENTS):
            bus.register(f"agent-{name}", hear).subscribe(f"agent.{name}")
            nursery.start_soon(live, name)


async def ticks(observers: Sequence[stentor.Observer]) -> None:
    """All agents hear a tick, think a little, and a tenth of them speaks to eight neighbours."""
    dice = Random(1)
    async with stentor.open_bus(seed=1, observers=observers) as bus:

        def agent(name: int) -> Callable[[stentor.Message], Awaitable[None]]:
            opinions: dict[str, float] = {}

            async def hear(message: stentor.Message) -> None:
                if message.topic != "tick":
                    opinions[message.topic] = message.payload  # type: ignore[assignment]
                elif dice.random() < 0.1:
                    mean = sum(opinions.values()) / (len(opinions) or 1)
                    await bus.publish(f"said.{name}", mean + dice.random(), sender=f"agent-{name}")

            return hear

        for name in range(AGENTS):
            member = bus.register(f"agent-{name}", agent(name))
            member.subscribe("tick")
            for step in range(1, 9):
                member.subscribe(f"said.{(name + step) % AGENTS}")
        for tick in range(STEPS):
            await bus.publish("tick", tick)
            await bus.settled()
            await trio.sleep(1)


async def nothing(observers: Sequence[stentor.Observer]) -> None:
    """Handlers that do nothing, ten for each message."""
    async with stentor.open_bus(seed=1, observers=observers) as bus:

        async def hear(_: stentor.Message) -> None: ...

        for name in range(10):
            bus.register(f"agent-{name}", hear).subscribe("t")
        for number in range(AGENTS * STEPS // 10):
            await bus.publish("t", number)
            if number % 100 == 0:
                await bus.settled()


def measure_report(folder: Path, messages: int) -> None:
    """Record so many messages, make a page of them, open it in Chromium, and say how long everything took."""
    from stentor.report import write_report  # noqa: PLC0415 - not needed for the rest
    from tests.report.browsing import browser, open_page  # noqa: PLC0415

    path = folder / "many.stentor"
    trio.run(many, path, messages, clock=MockClock(autojump_threshold=0))
    began = time.process_time()
    page = write_report(path)
    _say(f"{messages:,} messages: recording {path.stat().st_size:,} bytes, page {page.stat().st_size:,} bytes")
    _say(f"  {time.process_time() - began:.2f} s of process time to make the page")
    with browser() as driver:
        _say(f"  {open_page(driver, page):.2f} s until it is drawn")
        for what, script in (
            ("a topic filter", "stentorReport.model.set({topic: 'order.1*'})"),
            ("no filter again", "stentorReport.model.set({topic: ''})"),
            ("a zoom", "stentorReport.model.zoom(10, 30, 'bench')"),
        ):
            took = driver.execute_script(f"const t = performance.now(); {script}; return performance.now() - t")
            _say(f"  {took / 1000:.2f} s for {what}")


async def many(path: Path, messages: int) -> None:
    """Record a market of a hundred traders, each message for two of them."""
    dice = Random(1)
    with record(path) as recorder:
        async with stentor.open_bus(seed=1, observers=[recorder]) as bus:

            async def hear(message: stentor.Message) -> None:
                if message.payload % 50 == 0:  # type: ignore[operator]
                    await trio.sleep(dice.random())

            for name in range(100):
                bus.register(f"trader-{name}", hear).subscribe(f"order.{name // 2}")
            for number in range(messages):
                await bus.publish(f"order.{dice.randrange(50)}", number, sender=f"trader-{dice.randrange(100)}")
                if number % 40 == 0:
                    await trio.sleep(dice.random() / 20)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()

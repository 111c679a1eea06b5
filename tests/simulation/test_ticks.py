"""Ticks: steps begin on time, phases wait for one another, and a known model comes out as it should."""

from __future__ import annotations

import math
import runpy
import statistics
from functools import partial
from typing import Any

import pytest
import trio

import stentor
from stentor import simulation
from tests.package import ROOT

MODEL = runpy.run_path(str(ROOT / "examples" / "boltzmann_wealth.py"))


async def steps(handler_takes: float, **options: Any) -> list[tuple[int, float]]:
    """The number of each step and the time at which it is over."""
    over: list[tuple[int, float]] = []

    async def handler(_: stentor.Message) -> None:
        await trio.sleep(handler_takes)

    async with stentor.open_bus() as bus:
        bus.register("agent", handler).subscribe("tick")
        async for tick in simulation.Ticks(bus, "tick", **options):
            over.append((tick.number, trio.current_time()))
    return over


async def test_steps_begin_on_time() -> None:
    assert await steps(0.25, every=0.5, count=3) == [(1, 0.25), (2, 0.75), (3, 1.25)]


async def test_a_long_step_delays_the_next_and_the_one_after_catches_up() -> None:
    assert await steps(1.5, every=1.0, count=3) == [(1, 1.5), (2, 3.0), (3, 4.5)]


async def test_steps_are_numbered_from_where_one_says() -> None:
    assert await steps(0.0, count=2, first=41) == [(41, 0.0), (42, 1.0)]


async def test_no_step_is_a_step_too_few() -> None:
    assert await steps(0.0, count=0) == []


async def test_a_phase_begins_when_everything_before_it_is_handled() -> None:
    trace: list[str] = []

    async def mover(message: stentor.Message) -> None:
        trace.append(message.topic)
        await trio.sleep(1.0)
        await bus.publish("moved")

    async def note(message: stentor.Message) -> None:
        trace.append(message.topic)

    async with stentor.open_bus() as bus:
        bus.register("note", note).subscribe("*")
        for name in ("a", "b"):
            bus.register(name, mover).subscribe("move")
        async for tick in simulation.Ticks(bus, "move", "trade", every=10.0, count=2, sender="world"):
            trace.append(f"over {tick.number} {tick.time:g}")
    step = ["move"] * 3 + ["moved"] * 2 + ["trade"]
    assert trace == [*step, "over 1 0", *step, "over 2 10"]


@pytest.mark.parametrize(
    ("phases", "options", "error", "text"),
    [
        ((), {}, ValueError, "phases must name at least one topic"),
        ((1,), {}, TypeError, "phases must be topics, not int"),
        (("a",), {"every": "1"}, TypeError, "every must be a number of seconds, not str"),
        (("a",), {"every": -1}, ValueError, "every must be finite and >= 0 seconds, not -1"),
        (("a",), {"every": float("inf")}, ValueError, "every must be finite and >= 0 seconds, not inf"),
        (("a",), {"count": 1.5}, TypeError, "count must be an int, not float"),
        (("a",), {"count": -1}, ValueError, "count must be >= 0, not -1"),
        (("a",), {"first": 0}, ValueError, "first must be >= 1, not 0"),
    ],
)
async def test_bad_arguments_are_refused(
    phases: tuple[Any, ...], options: dict[str, Any], error: type[Exception], text: str
) -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises(error) as caught:
            simulation.Ticks(bus, *phases, **options)
    assert str(caught.value) == text


def wealth(steps: int, activity: float) -> list[list[int]]:
    """What each of 100 people has in the end, in each of five runs."""
    society = partial(MODEL["society"], 100, steps, activity)
    results = [simulation.run(society, seed=seed, digest=False).value or [] for seed in range(5)]
    assert [sum(result) for result in results] == [100] * 5
    assert len({tuple(result) for result in results}) == 5
    return results


def share(coins: int, results: list[list[int]]) -> float:
    return statistics.mean(result.count(coins) / len(result) for result in results)


def test_wealth_comes_out_as_unequal_as_is_known() -> None:
    """Geometric with mean 1: half have nothing, a quarter one coin; the Gini coefficient is 2/3."""
    results = wealth(250, 0.1)
    assert share(0, results) == pytest.approx(1 / 2, abs=0.05)
    assert share(1, results) == pytest.approx(1 / 4, abs=0.05)
    assert statistics.mean(map(MODEL["gini"], results)) == pytest.approx(2 / 3, abs=0.05)


def test_wealth_is_a_queue_where_all_act_at_once() -> None:
    """Who has something loses 1 at a step and gains what comes by chance: M/D/1 with the mean 1."""
    results = wealth(40, 1.0)
    busy = 2 - math.sqrt(2)
    assert share(0, results) == pytest.approx(1 - busy, abs=0.05)
    assert share(1, results) == pytest.approx((1 - busy) * (math.exp(busy) - 1), abs=0.05)

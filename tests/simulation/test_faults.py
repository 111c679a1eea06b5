"""Faults by a seed: messages are lost, doubled, late and out of order, agents crash; and all of it is accounted for."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import trio

import stentor
from stentor import simulation
from stentor.simulation import Faults, FaultStatistics

MESSAGES = 200


async def heard(faults: Faults, topic: str = "ai.models", every: float = 0.0) -> list[int]:
    """What an agent hears of numbered messages."""
    numbers: list[int] = []

    async def handler(message: stentor.Message) -> None:
        assert isinstance(message.payload, int)
        numbers.append(message.payload)

    async with stentor.open_bus(transit=faults) as bus:
        bus.register("gpt4", handler).subscribe("**", capacity=2 * MESSAGES)
        for number in range(MESSAGES):
            await bus.publish(topic, number)
            await trio.sleep(every)
        await bus.settled()
        s = bus.statistics()
        assert s.addressed == s.handled + s.dropped
        assert s.handled == len(numbers)
        assert s.dropped == faults.statistics().lost
    return numbers


async def test_without_a_fault_all_arrive_at_once() -> None:
    faults = Faults(random=Random(1))
    assert await heard(faults) == list(range(MESSAGES))
    assert faults.statistics() == FaultStatistics(
        carried=MESSAGES, lost=0, doubled=0, delayed=0, overtaken=0, crashes=0
    )


async def test_some_are_lost() -> None:
    faults = Faults(lose=0.25, random=Random(1))
    numbers = await heard(faults)
    assert numbers == sorted(set(numbers))
    assert faults.statistics().lost == MESSAGES - len(numbers)
    assert 20 <= faults.statistics().lost <= 80


async def test_some_come_twice() -> None:
    faults = Faults(double=0.25, random=Random(1))
    numbers = await heard(faults)
    assert sorted(set(numbers)) == list(range(MESSAGES))
    assert len(numbers) == MESSAGES + faults.statistics().doubled
    assert 20 <= faults.statistics().doubled <= 80


async def test_late_ones_keep_their_order_unless_they_are_to_be_overtaken() -> None:
    assert await heard(Faults(delay=(0.0, 5.0), random=Random(1)), every=0.1) == list(range(MESSAGES))
    faults = Faults(delay=(0.0, 5.0), reorder=0.1, random=Random(1))
    numbers = await heard(faults, every=0.1)
    assert sorted(numbers) == list(range(MESSAGES)) != numbers
    assert 5 <= faults.statistics().overtaken <= 40


async def test_a_delay_is_as_long_as_is_said() -> None:
    times: list[float] = []

    async def handler(message: stentor.Message) -> None:
        times.append(trio.current_time() - message.timestamp)

    async with stentor.open_bus(transit=Faults(delay=(1.0, 2.0), random=Random(1))) as bus:
        bus.register("gpt4", handler, concurrency=10).subscribe("**")
        for _ in range(50):
            await bus.publish("ai.models")
            await trio.sleep(10.0)
    assert all(1.0 <= time <= 2.0 for time in times)
    assert max(times) - min(times) > 0.8


async def test_only_what_is_concerned_is_concerned() -> None:
    everything = list(range(MESSAGES))
    assert await heard(Faults(lose=1.0, topics="net.**", random=Random(1))) == everything
    assert await heard(Faults(lose=1.0, agents=["llama"], random=Random(1))) == everything
    assert await heard(Faults(lose=1.0, topics="ai.*", agents=["gpt4"], random=Random(1))) == []


def test_faults_depend_on_the_seed_of_the_run() -> None:
    async def main() -> list[int]:
        return await heard(Faults(lose=0.1, double=0.1, delay=(0.1, 2.0), reorder=0.2), every=0.05)

    runs = [simulation.run(main, seed=seed) for seed in (1, 1, 2)]
    assert runs[0].digest == runs[1].digest != runs[2].digest
    assert runs[0].value == runs[1].value != runs[2].value


def test_outside_of_a_run_a_generator_is_needed() -> None:
    with pytest.raises(simulation.SimulationError):
        Faults()


async def crashing(seed: int) -> tuple[FaultStatistics, int, int]:
    """Two agents that crash while they work: what was done to them, and how many messages they finished and failed."""
    finished = 0

    async def handler(_: stentor.Message) -> None:
        nonlocal finished
        await trio.sleep(1.0)
        finished += 1

    faults = Faults(random=Random(seed))
    async with stentor.open_bus() as bus, trio.open_nursery() as nursery:
        agents = [bus.register(name, handler) for name in ("a", "b")]
        for agent in agents:
            agent.subscribe("work", capacity=200)
        nursery.start_soon(lambda: faults.crash(agents, every=10.0, away=5.0))
        for _ in range(100):
            await bus.publish("work")
            await trio.sleep(2.0)
        nursery.cancel_scope.cancel()
        for agent in agents:
            if agent.away:
                agent.rejoin()
        with trio.CancelScope(shield=True):
            await bus.settled()
        s = bus.statistics()
        assert (s.handled, s.handled + s.dead, s.waiting) == (finished, 200, 0)
        return faults.statistics(), finished, s.dead


async def test_agents_crash_come_back_and_lose_only_what_they_were_at() -> None:
    statistics, finished, dead = await crashing(1)
    assert statistics.crashes >= 10
    assert 1 <= dead <= statistics.crashes
    assert finished == 200 - dead


async def test_an_agent_that_is_closed_or_away_is_let_be() -> None:
    faults = Faults(random=Random(1))
    async with stentor.open_bus() as bus, trio.open_nursery() as nursery:
        away, closed = bus.register("away"), bus.register("closed")
        away.leave()
        closed.close()
        nursery.start_soon(lambda: faults.crash([away, closed], every=1.0, away=1.0))
        await trio.sleep(100.0)
        assert (faults.statistics().crashes, away.away) == (0, True)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"lose": 1.5}, ValueError, "lose must be from 0 to 1, not 1.5"),
        ({"double": "x"}, TypeError, "double must be a number, not str"),
        ({"delay": -1}, ValueError, "delay must be finite and >= 0 seconds, not -1"),
        ({"delay": (2.0, 1.0)}, ValueError, "delay must have its least first, not (2.0, 1.0)"),
        ({"delay": (1.0,)}, ValueError, "delay must be a number of seconds or a pair of them, not (1.0,)"),
        ({"reorder": 0.5}, ValueError, "reorder must go with a delay, for nothing overtakes what takes no time"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        Faults(random=Random(1), **options)
    assert str(caught.value) == text

"""Six behaviours that no other library shows all at once, each against the bus."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import trio

import stentor
from tests.bus.accounts import all_parked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def test_behaviour_1_stays_subscribed_after_an_error_and_others_are_unaffected() -> None:
    got: list[tuple[str, object]] = []

    async def broken(message: stentor.Message, delivery: stentor.Delivery) -> None:
        got.append((delivery.agent, message.payload))
        raise ValueError(message.payload)

    async def fine(message: stentor.Message, delivery: stentor.Delivery) -> None:
        got.append((delivery.agent, message.payload))

    async with stentor.open_bus() as bus:
        for name, handler in (("before", fine), ("broken", broken), ("after", fine)):
            bus.register(name, handler).subscribe("t")
        for i in range(3):
            await bus.publish("t", i)
            await bus.settled()
    assert got == [(name, i) for i in range(3) for name in ("before", "broken", "after")]


async def test_behaviour_2_is_in_order_per_subscriber() -> None:
    got: dict[str, list[object]] = {"quick": [], "slow": [], "uneven": []}

    async def quick(message: stentor.Message) -> None:
        got["quick"].append(message.payload)

    async def slow(message: stentor.Message) -> None:
        await trio.sleep(1)
        got["slow"].append(message.payload)

    async def uneven(message: stentor.Message) -> None:
        await trio.sleep(10 - int(str(message.payload)) % 10)
        got["uneven"].append(message.payload)

    async with stentor.open_bus(drain_timeout=1e6) as bus:
        for name, handler in (("quick", quick), ("slow", slow), ("uneven", uneven)):
            bus.register(name, handler).subscribe("t", capacity=3)
        for i in range(50):
            await bus.publish("t", i)
    assert got == {name: list(range(50)) for name in ("quick", "slow", "uneven")}


async def test_behaviour_3_nobody_else_is_blocked_by_a_slow_handler() -> None:
    got: list[object] = []

    async def slow(_: stentor.Message) -> None:
        await trio.sleep_forever()

    async def quick(message: stentor.Message) -> None:
        got.append(message.payload)

    async with stentor.open_bus(drain_timeout=0) as bus:
        bus.register("slow", slow).subscribe("t")
        bus.register("quick", quick).subscribe("t")
        start = trio.current_time()
        for i in range(500):
            await bus.publish("t", i)
        await all_parked()
        assert got == list(range(500))
        assert trio.current_time() == start


async def test_behaviour_4_publishes_from_a_handler_300_deep() -> None:
    got: list[object] = []

    async def deeper(message: stentor.Message) -> None:
        got.append(message.payload)
        if int(str(message.payload)) < 300:
            await bus.publish("t", int(str(message.payload)) + 1)

    async with stentor.open_bus() as bus:
        bus.register("a", deeper).subscribe("t")
        await bus.publish("t", 0)
    assert got == list(range(301))


async def test_behaviour_5_is_bounded_under_a_stalled_handler() -> None:
    async def stalled(_: stentor.Message) -> None:
        await trio.sleep_forever()

    async with stentor.open_bus(drain_timeout=0) as bus:
        agent = bus.register("a", stalled)
        agent.subscribe("t", capacity=10)
        with trio.move_on_after(1) as scope:
            for i in range(1000):
                await bus.publish("t", i)
        assert scope.cancelled_caught
        record = agent.statistics()
        assert (record.addressed, record.running, record.waiting, record.peak_waiting) == (11, 1, 10, 10)


async def _run(size: int, first: int) -> list[tuple[str, object]]:
    """Agents whose handlers do not suspend publish to each other, two messages for each, until they tire."""
    started: list[tuple[str, object]] = []

    def handler(number: int) -> Callable[[stentor.Message], Awaitable[None]]:
        async def handle(message: stentor.Message) -> None:
            fuel = int(str(message.payload))
            started.append((f"a{number}", fuel))
            if fuel > 0:
                await bus.publish(f"g.{(number * 7 + fuel) % size}", fuel - 1)
                await bus.publish(f"g.{(number * 3 + 1) % size}", fuel - 2)

        return handle

    async with stentor.open_bus() as bus:
        for number in range(size):
            bus.register(f"a{number}", handler(number)).subscribe(f"g.{number}", capacity=100_000)
        for i in range(first):
            await bus.publish(f"g.{i % size}", 6)
    return started


def _seeded(seed: int, size: int, first: int) -> list[tuple[str, object]]:
    """A run of plain trio, whose scheduler shuffles the tasks that are ready by dice of its own."""
    trio._core._run._r = random.Random(seed)
    return trio.run(_run, size, first)


@pytest.fixture
def scheduler_dice() -> object:
    """Gives the scheduler its own dice back at the end."""
    dice = trio._core._run._r
    yield
    trio._core._run._r = dice


@pytest.mark.usefixtures("scheduler_dice")
@pytest.mark.parametrize(
    ("size", "first"),
    [
        (7, 3),
        (30, 10),
        (50, 200),
    ],
)
def test_behaviour_6_handlers_begin_in_the_same_order_in_every_run(size: int, first: int) -> None:
    runs = [_seeded(seed, size, first) for seed in range(10)]
    assert len(runs[0]) > first
    assert all(run == runs[0] for run in runs)

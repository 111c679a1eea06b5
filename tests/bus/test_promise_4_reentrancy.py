"""Re-entrancy: a handler may publish, to any depth, without recursion and without a deadlock."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import trio

import stentor
from tests.bus.accounts import all_parked, check_conservation

if TYPE_CHECKING:
    from types import FrameType


def stack_depth() -> int:
    depth = 0
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    return depth


@pytest.mark.parametrize("suspends_at", [None, 50_000])
async def test_promise_4_reentrancy_100_000_deep_on_its_own_topic(suspends_at: int | None) -> None:
    deep = 100_000
    seen = 0
    depths: set[int] = set()

    async def echo(message: stentor.Message) -> None:
        nonlocal seen
        n = int(str(message.payload))
        assert n == seen
        seen += 1
        if n % 1000 == 999:
            depths.add(stack_depth())
        if n == suspends_at:
            await trio.sleep(1)
        if n < deep:
            await bus.publish("t", n + 1)

    async with stentor.open_bus(drain_timeout=1e6) as bus:
        agent = bus.register("echo", echo)
        agent.subscribe("t", capacity=1)
        await bus.publish("t", 0)
        await bus.settled()
        record = bus.statistics()
        assert seen == deep + 1
        assert (record.messages, record.handled, record.dead) == (deep + 1, deep + 1, 0)
        check_conservation(bus, agent)
    assert len(depths) <= 3


async def test_promise_4_reentrancy_publish_and_wait_nests_300_agents_deep() -> None:
    deep = 300

    async def ask(message: stentor.Message) -> None:
        n = int(str(message.payload))
        if n < deep:
            result = await bus.publish_and_wait(f"a{n + 1}", n + 1)
            assert result.subscribers_reached == 1

    async with stentor.open_bus() as bus:
        for n in range(deep + 1):
            bus.register(f"a{n}", ask).subscribe(f"a{n}")
        result = await bus.publish_and_wait("a0", 0)
        assert (result.subscribers_reached, result.errors) == (1, ())
        assert bus.statistics().handled == deep + 1


async def test_promise_4_reentrancy_two_agents_play_ping_pong_20_000_times() -> None:
    strokes: list[str] = []

    async def player(message: stentor.Message, delivery: stentor.Delivery) -> None:
        n = int(str(message.payload))
        strokes.append(delivery.agent)
        if n:
            await bus.publish("pong" if delivery.agent == "ping" else "ping", n - 1)

    async with stentor.open_bus() as bus:
        for name in ("ping", "pong"):
            bus.register(name, player).subscribe(name, capacity=1)
        await bus.publish("ping", 20_000)
        await bus.settled()
    assert strokes == ["ping", "pong"] * 10_000 + ["ping"]


async def test_promise_4_reentrancy_everything_may_be_done_inside_a_handler() -> None:
    got: list[object] = []

    async def newcomer(message: stentor.Message) -> None:
        got.append(message.payload)

    async def busy(message: stentor.Message) -> None:
        extra = agent.subscribe("extra")
        other = bus.register("newcomer", newcomer)
        other.subscribe("extra")
        with bus.subscribe("ex*") as feed:
            receipt = await bus.publish("extra", 1)
            assert receipt.recipients == ("a", "newcomer", feed.name)
            assert (await feed.receive()).payload == 1
            bus.publish_nowait("extra", 2)
            assert [m.payload async for m in _first(feed)] == [2]
        extra.close()
        result = await bus.publish_and_wait("extra", 3)
        assert result.subscribers_reached == 1
        other.close()
        assert (await bus.publish("extra", 4)).recipients == ()
        assert bus.statistics().running >= 1
        check_conservation(bus, agent)
        got.append(message.payload)

    async def _first(feed: stentor.Feed[stentor.Message]):  # type: ignore[no-untyped-def]  # noqa: ANN202
        async for message in feed:
            yield message
            break

    async def handler(message: stentor.Message) -> None:
        if message.topic == "t":
            await busy(message)

    async with stentor.open_bus() as bus:
        agent = bus.register("a", handler)
        agent.subscribe("t")
        result = await bus.publish_and_wait("t", "done")
        assert result.errors == ()
        await bus.settled()
        check_conservation(bus, agent)
    assert got == [1, 2, 3, "done"]


async def test_promise_4_reentrancy_a_tree_of_publishes_is_handled_level_by_level() -> None:
    order: list[int] = []

    async def split(message: stentor.Message) -> None:
        n = int(str(message.payload))
        order.append(n)
        for child in (2 * n, 2 * n + 1):
            if child < 2048:
                await bus.publish("t", child)

    async with stentor.open_bus() as bus:
        agent = bus.register("a", split)
        agent.subscribe("t", capacity=1025)
        await bus.publish("t", 1)
        await bus.settled()
        assert order == list(range(1, 2048))
        assert agent.statistics().peak_waiting <= 1025


async def test_promise_4_reentrancy_child_tasks_of_a_handler_publish_too() -> None:
    async def spread(message: stentor.Message) -> None:
        n = int(str(message.payload))
        if n:
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(bus.publish, "t", n - 1)
                await all_parked()

    async with stentor.open_bus() as bus:
        agent = bus.register("a", spread)
        agent.subscribe("t")
        await bus.publish("t", 5)
        await bus.settled()
        assert agent.statistics().handled == sum(3**k for k in range(6))
        check_conservation(bus, agent)

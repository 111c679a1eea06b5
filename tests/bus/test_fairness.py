"""Fairness: nobody who never waits keeps the rest of the program from its turn. No real time is measured."""

from __future__ import annotations

import pytest
import trio

import stentor
from tests.bus.stepping import AtStep


class Passer:
    """Another task, which counts how often it gets its turn."""

    def __init__(self) -> None:
        """Begin without a turn."""
        self.turns = 0

    async def run(self) -> None:
        """Take turn after turn."""
        while True:
            self.turns += 1
            await trio.lowlevel.checkpoint()


async def test_fairness_a_publisher_that_never_waits_lets_others_have_their_turn() -> None:
    passer = Passer()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(passer.run)
        async with stentor.open_bus() as bus:
            feed = bus.subscribe("heard", capacity=100_000)
            for _ in range(10_000):
                await bus.publish("nobody.listens")
            turns = passer.turns
            assert turns >= 8
            for _ in range(10_000):
                await bus.publish("heard")
            assert passer.turns - turns >= 8
            assert feed.statistics().waiting == 10_000
        nursery.cancel_scope.cancel()


async def test_fairness_publishers_that_never_wait_share_the_turns() -> None:
    counts = [0] * 4

    async def publish(number: int) -> None:
        while True:
            await bus.publish("nobody.listens")
            counts[number] += 1
            if sum(counts) == 20_000:
                nursery.cancel_scope.cancel()

    async with stentor.open_bus() as bus:
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(publish, number)
    assert min(counts) >= 2_500


async def test_fairness_a_chain_of_handlers_without_end_lets_others_have_their_turn() -> None:
    passer = Passer()

    async def chain(message: stentor.Message) -> None:
        if passer.turns < 20:
            await bus.publish("t", message.payload)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(passer.run)
        async with stentor.open_bus(drain_timeout=float("inf")) as bus:
            agent = bus.register("a", chain)
            agent.subscribe("t")
            await bus.publish("t")
            await bus.settled()
            assert passer.turns >= 20
            assert agent.statistics().handled < 20_000
        nursery.cancel_scope.cancel()


async def test_fairness_a_handler_that_publishes_for_ever_lets_others_have_their_turn() -> None:
    passer = Passer()

    async def publish(_: stentor.Message) -> None:
        while passer.turns < 20:
            await bus.publish("nobody.listens")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(passer.run)
        async with stentor.open_bus(drain_timeout=float("inf")) as bus:
            bus.register("a", publish).subscribe("t")
            await bus.publish("t")
            await bus.settled()
        nursery.cancel_scope.cancel()
    assert passer.turns >= 20


async def test_fairness_a_chain_without_end_does_not_keep_other_agents_from_their_messages() -> None:
    got: list[object] = []

    async def chain(message: stentor.Message) -> None:
        if len(got) < 100:
            await bus.publish("t", message.payload)

    async def other(message: stentor.Message) -> None:
        got.append(message.payload)

    async with stentor.open_bus(drain_timeout=float("inf")) as bus:
        agent = bus.register("a", chain)
        agent.subscribe("t")
        bus.register("b", other).subscribe("u")
        await bus.publish("t")
        for i in range(100):
            await bus.publish("u", i)
        await bus.settled()
        assert got == list(range(100))
        assert agent.statistics().handled <= 110


async def test_fairness_a_chain_can_be_cancelled() -> None:
    async def chain(message: stentor.Message) -> None:
        await bus.publish("t", message.payload)

    async def stop(scope: trio.CancelScope) -> None:
        for _ in range(20):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop, scope)
            async with stentor.open_bus() as bus:
                agent = bus.register("a", chain)
                agent.subscribe("t")
                await bus.publish("t")
                await trio.sleep_forever()
    assert scope.cancelled_caught
    assert agent.statistics().handled < 50_000
    assert len(bus.left) == 1


@pytest.mark.parametrize("step", range(6, 15, 2))
async def test_promise_7_publishers_that_let_a_cancelled_leader_have_its_turn_are_let_go(step: int) -> None:
    async def chain(_: stentor.Message) -> None:
        await bus.publish("t")

    async def publish_for_ever() -> None:
        while True:
            await bus.publish("nobody.listens")

    with trio.CancelScope() as scope:
        trio.lowlevel.add_instrument(AtStep(scope.cancel, step))
        async with stentor.open_bus() as bus:
            bus.register("a", chain).subscribe("t")
            await bus.publish("t")
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(publish_for_ever)
    assert scope.cancelled_caught
    assert len(bus.left) <= 1


async def test_fairness_receiving_what_is_there_already_lets_others_have_their_turn() -> None:
    passer = Passer()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(passer.run)
        async with stentor.open_bus() as bus:
            with bus.subscribe("t", capacity=2000) as feed:
                for _ in range(2000):
                    await bus.publish("t")
                for _ in range(1000):
                    await feed.receive()
                async for _ in feed:
                    if not feed.statistics().waiting:
                        break
        nursery.cancel_scope.cancel()
    assert passer.turns >= 1000

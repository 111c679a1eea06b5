"""The stored backlog of an agent that was away: it comes whole and in order, however its agent comes and goes."""

from __future__ import annotations

import pytest
import trio

import stentor
from stentor import AddressingMode
from tests.bus.accounts import check_conservation


async def stored(bus: stentor.Bus, agent: stentor.Agent, number: int) -> None:
    """Let `agent` leave, and route so many messages to its stored mailbox."""
    agent.leave()
    for i in range(number):
        await bus.route(stentor.Message(agent.name, i, addressing=AddressingMode.DIRECT))


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "latest", "fail", "block"])
async def test_promise_7_no_policy_drops_from_the_stored_backlog(overflow: str) -> None:
    got: list[object] = []

    async def handler(message: stentor.Message) -> None:
        got.append(message.payload)
        await trio.sleep(1)

    async with stentor.open_bus(drain_timeout=1e6) as bus:
        agent = bus.register("a", handler, capacity=2, overflow=overflow)
        agent.leave()
        for i in range(250):
            await bus.route(stentor.Message("a", i, addressing=AddressingMode.DIRECT))
        agent.rejoin()
        await bus.settled()
        assert got == list(range(250))
        check_conservation(bus, agent)


async def test_promise_7_an_agent_that_leaves_while_it_gets_its_backlog_gets_the_rest_later() -> None:
    got: list[object] = []

    async def slow(message: stentor.Message) -> None:
        got.append(message.payload)
        await trio.sleep(10)

    async with stentor.open_bus() as bus:
        agent = bus.register("a", slow)
        await stored(bus, agent, 3)
        for _ in range(3):
            agent.rejoin()
            await bus.publish("elsewhere")
            await trio.sleep(5)
            agent.leave()
            await bus.settled(timeout=10)
            check_conservation(bus, agent)
        assert got == [0, 1, 2]
        agent.rejoin()
        await bus.send("a", "last")
        await bus.settled()
        assert got == [0, 1, 2, "last"]
        check_conservation(bus, agent)


async def test_promise_7_an_agent_that_closes_while_it_gets_its_backlog_leaves_the_rest_in_the_store() -> None:
    got: list[object] = []

    async def slow(message: stentor.Message) -> None:
        got.append(message.payload)
        await trio.sleep(10)

    async with stentor.open_bus(drain_timeout=1e6) as bus:
        agent = bus.register("a", slow)
        await stored(bus, agent, 5)
        agent.rejoin()
        await trio.sleep(15)
        agent.close()
        await bus.settled()
        assert got == [0, 1]
        check_conservation(bus, agent)
        successor = bus.register("a", slow)
        await bus.settled()
        assert got == [0, 1, 2, 3, 4]
        check_conservation(bus, agent, successor)


async def test_promise_7_an_agent_that_closes_as_soon_as_it_is_back_gets_nothing_of_its_backlog() -> None:
    got: list[object] = []

    async def handler(message: stentor.Message) -> None:
        got.append(message.payload)

    async with stentor.open_bus() as bus:
        agent = bus.register("a", handler)
        await stored(bus, agent, 3)
        agent.rejoin()
        agent.close()
        await bus.settled()
        assert got == []
        check_conservation(bus, agent)
        bus.register("a", handler)
        await bus.settled()
        assert got == [0, 1, 2]

"""Attendance: agents leave and come back, get their backlog first, close in the middle, are quarantined."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import stentor
from stentor import AddressingMode, MailboxQuery, Message, ReadState
from tests.bus.accounts import all_parked
from tests.delivery.recording import Diary, Gate, counts, fail, payloads


async def route(bus: stentor.Bus, agent: str, *contents: object) -> None:
    for content in contents:
        await bus.route(Message(agent, content, addressing=AddressingMode.DIRECT))


async def test_who_is_away_is_not_called_and_gets_everything_afterwards_in_order() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t")
        agent.leave()
        agent.leave()
        for number in range(3):
            await bus.publish("t", number)
        await bus.settled(timeout=0)
        assert (agent.away, agent.quarantined, diary.calls["a"]) == (True, False, [])
        agent.rejoin()
        agent.rejoin()
        await bus.settled()
        assert not agent.away
    assert diary.calls["a"] == [0, 1, 2]


async def test_a_handler_that_runs_when_its_agent_leaves_is_let_finish() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", lambda _: trio.sleep(5)))
        agent.subscribe("t")
        for number in range(2):
            await bus.publish("t", number)
        await all_parked()
        agent.leave()
        await bus.settled()
        assert counts(agent) == {"handled": 1, "waiting": 1}
        agent.rejoin()
        await bus.settled()
    assert diary.times["a"] == [0, 5]


async def test_the_backlog_comes_first_whatever_waits() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", lambda _: trio.sleep(1)))
        agent.subscribe("t")
        for number in range(250):
            await bus.publish("t", f"early {number}") if number < 2 else None
        agent.leave()
        await route(bus, "a", *range(250))
        await bus.publish("t", "waited")
        agent.rejoin()
        await trio.sleep(100)
        await bus.publish("t", "during", priority=stentor.Priority.URGENT)
        await bus.settled()
    assert diary.calls["a"] == [*range(250), "during", "early 0", "early 1", "waited"]


async def test_leaving_and_coming_back_at_once_changes_no_order() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t")
        agent.leave()
        await route(bus, "a", "stored")
        agent.rejoin()
        agent.leave()
        await bus.publish("t", "waits")
        agent.rejoin()
        await bus.settled()
    assert diary.calls["a"] == ["stored", "waits"]


@pytest.mark.parametrize("agent_ends", ["leaves", "closes"])
async def test_the_backlog_stops_when_the_agent_leaves_or_closes(agent_ends: str) -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", lambda _: trio.sleep(1)))
        agent.leave()
        await route(bus, "a", *range(4))
        agent.rejoin()
        await trio.sleep(1.5)
        if agent_ends == "leaves":
            agent.leave()
        else:
            agent.close()
        await bus.settled()
        await trio.sleep(100)
        assert diary.calls["a"] == [0, 1]
        counts(agent)
        if agent_ends == "leaves":
            agent.rejoin()
        else:
            bus.register("a", diary.handler("a"))
        await bus.settled()
    assert diary.calls["a"] == [0, 1, 2, 3]


@pytest.mark.parametrize("overflow", [each.value for each in stentor.Overflow])
async def test_no_policy_drops_from_the_backlog(overflow: str) -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"), capacity=1, overflow=overflow)
        agent.leave()
        await route(bus, "a", *range(5))
        agent.rejoin()
        await bus.settled()
        assert counts(agent) == {"stored": 5, "handled": 5}
    assert diary.calls["a"] == [0, 1, 2, 3, 4]


async def test_a_bus_that_ends_gives_back_what_it_had_read_from_a_store_that_stays_open() -> None:
    diary = Diary()
    async with stentor.MemoryStore() as store:
        async with stentor.open_bus(store=store, drain_timeout=0.0) as bus:
            agent = bus.register("a", diary.handler("a", lambda _: trio.sleep(1)))
            agent.leave()
            await route(bus, "a", *range(4))
            agent.rejoin()
            await trio.sleep(1.5)
        assert diary.calls["a"] == [0, 1]
        assert await store.count(MailboxQuery(states=[ReadState.HANDED_OUT])) == 0
        async with stentor.open_bus(store=store) as bus:
            bus.register("a", diary.handler("a"))
            await bus.settled()
    assert diary.calls["a"] == [0, 1, 1, 2, 3]


async def test_the_owner_of_an_agent_without_a_handler_receives_also_while_it_is_away() -> None:
    got: list[Any] = []
    async with stentor.open_bus() as bus:
        agent = bus.register("a")
        agent.subscribe("t")
        agent.leave()

        async def receive() -> None:
            got.append((await agent.receive()).payload)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await all_parked()
            agent.rejoin()
            await bus.publish("t", 1)
        with trio.move_on_after(1):
            await agent.receive()
        agent.leave()
        agent.rejoin()
        await bus.publish("t", 2)
        await receive()
    assert got == [1, 2]


async def test_stored_mail_is_polled_and_acknowledged_by_who_has_no_handler() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", auto_ack=False)
        await route(bus, "a", *range(3))
        polled = await agent.poll(max_messages=2)
        assert payloads(polled) == [0, 1]
        assert agent.acknowledge(polled[0]) == 1
        await bus.settled()
        agent.leave()
        agent.rejoin()
        await bus.settled()
        assert payloads(await agent.poll()) == [1, 2]


async def test_an_agent_that_fails_too_often_in_a_row_is_quarantined_until_it_rejoins() -> None:
    diary = Diary()
    healthy: list[object] = []

    async def body(payload: object) -> None:
        if not healthy:
            raise ValueError(payload)

    async with stentor.open_bus(on_error="quarantine") as bus:
        agent = bus.register("a", diary.handler("a", body), quarantine_after=3)
        agent.subscribe("t")
        for number in range(5):
            await bus.publish("t", number)
        await bus.settled()
        assert (agent.away, agent.quarantined) == (True, True)
        assert counts(agent) == {"dead": 3, "waiting": 2}
        assert str(bus.health()) == "a is quarantined: its handler failed 3 times in a row"
        healthy.append(True)
        agent.rejoin()
        await bus.settled()
        assert (agent.away, agent.quarantined) == (False, False)
        assert counts(agent) == {"dead": 3, "handled": 2}
        assert bus.health().ok


async def test_a_success_in_between_prevents_quarantine() -> None:
    turn = iter([True, True, False] * 4)

    async def body(_: object) -> None:
        if next(turn):
            raise ValueError

    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a", body), on_error="quarantine", quarantine_after=3)
        agent.subscribe("t")
        for number in range(12):
            await bus.publish("t", number)
        await bus.settled()
        assert not agent.quarantined


async def test_on_error_raise_lets_the_exception_out_of_the_block() -> None:
    with pytest.raises(ValueError, match=r"^no$"):
        async with stentor.open_bus(on_error="raise") as bus:
            bus.register("a", Diary().handler("a", fail)).subscribe("t")
            await bus.publish("t")
            await trio.sleep(1)


async def test_leaving_and_rejoining_a_closed_agent_is_an_error() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a", Gate()))
        agent.close()
        for call in (agent.leave, agent.rejoin):
            with pytest.raises(trio.ClosedResourceError, match=r"^'a' is closed$"):
                call()

"""Priorities order a mailbox, equals keep their order; what is past its time is never handled, in any mode."""

from __future__ import annotations

import random

import pytest
import trio

import stentor
from stentor import Priority
from tests.delivery.recording import Diary, Gate, counts, fill, payloads


@pytest.mark.parametrize("seed", range(5))
async def test_the_most_urgent_comes_first_and_equals_keep_their_order(seed: int) -> None:
    dice = random.Random(seed)
    diary, gate = Diary(), Gate()
    async with stentor.open_bus() as bus:
        bus.register("a", diary.handler("a", gate)).subscribe("t")
        await fill(bus, "t", "first")
        published = []
        for number in range(60):
            priority = dice.choice(list(Priority))
            published.append((-priority, number))
            await bus.publish("t", number, priority=priority)
        gate.open()
        await bus.settled()
    assert diary.calls["a"] == ["first", *(number for _, number in sorted(published))]


async def test_a_priority_may_be_given_as_a_number() -> None:
    async with stentor.open_bus() as bus:
        receipt = await bus.publish("t", priority=3)
        assert receipt.message.priority is Priority.URGENT
        with pytest.raises(ValueError, match=r"^priority must be one of Priority.LOW, .*, not 4$"):
            await bus.publish("t", priority=4)


@pytest.mark.parametrize("mode", ["realtime", "batch", "polling", "feed"])
async def test_what_is_past_its_time_is_never_handled(mode: str) -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        got: list[object]
        if mode == "feed":
            feed = bus.subscribe("t")
            member: stentor.Agent | stentor.Feed[stentor.Message] = feed
        else:
            agent = bus.register("a", diary.handler("a", lambda _: trio.sleep(5)))
            agent.subscribe("t", mode=mode, batch_size=10, batch_timeout=5.0)
            member = agent
        if mode == "realtime":
            await bus.publish("t", "first")
        for number, ttl in ((1, 4.0), (2, None), (3, 100.0), (4, 5.0)):
            await bus.publish("t", number, ttl=ttl)
        await bus.publish("t", 5, deadline=trio.current_time() + 1)
        await trio.sleep(5)
        await bus.settled()
        if mode == "polling":
            got = payloads(await agent.poll())
        elif mode == "feed":
            got = payloads([feed.receive_nowait(), feed.receive_nowait()])
            with pytest.raises(trio.WouldBlock):
                feed.receive_nowait()
        else:
            got = [each for call in diary.calls["a"] for each in (call if mode == "batch" else [call])]
        assert [each for each in got if each != "first"] == [2, 3]
        found = counts(member)
        assert (found["expired"], found["handled"]) == (3, 3 if mode == "realtime" else 2)


async def test_a_batch_of_which_all_has_expired_is_not_called_at_all() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t", mode="batch", batch_size=3, batch_timeout=5.0)
        await bus.publish("t", 1, ttl=1.0)
        await bus.settled()
        assert counts(agent) == {"expired": 1}
        await bus.publish("t", 2)
        await bus.settled()
    assert diary.calls["a"] == [[2]]
    assert diary.times["a"] == [10]


async def test_what_expired_makes_room_for_who_waits() -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", gate))
        agent.subscribe("t", capacity=1)
        await fill(bus, "t", 1)
        await bus.publish("t", 2, ttl=1.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bus.publish, "t", 3)
            await trio.sleep(2)
            gate.open()
        await bus.settled()
        assert diary.calls["a"] == [1, 3]
        assert counts(agent) == {"handled": 2, "expired": 1}


async def test_a_publisher_who_waits_is_told_that_the_message_expired() -> None:
    gate = Gate()
    async with stentor.open_bus() as bus:
        bus.register("a", Diary().handler("a", gate)).subscribe("t")
        await fill(bus, "t", 1)

        async def open_later() -> None:
            await trio.sleep(5)
            gate.open()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(open_later)
            result = await bus.publish_and_wait("t", 2, ttl=1.0)
        ((agent, error),) = result.errors
        assert (agent, type(error)) == ("a", stentor.ExpiredError)
        assert str(error) == "the message expired before its handler was called"


@pytest.mark.parametrize(("ttl", "text"), [(0, "> 0 seconds, not 0"), (-1.0, "> 0 seconds, not -1.0")])
async def test_a_time_to_live_is_positive(ttl: float, text: str) -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises(ValueError, match=f"^ttl must be {text}$"):
            await bus.publish("t", ttl=ttl)
        assert bus.statistics().messages == 0

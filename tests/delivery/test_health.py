"""Health: who is slow, stuck, full, failing or quarantined, and why, in words with the figures."""

from __future__ import annotations

import pytest
import trio

import stentor
from stentor import Trouble
from tests.delivery.recording import Diary, Gate, fail, fill


async def test_a_bus_without_trouble_is_healthy() -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", Diary().handler("a")).subscribe("t")
        await bus.publish("t")
        await bus.settled()
        assert bus.health().ok
        assert str(bus.health()) == "healthy"


async def test_one_who_waits_is_told_as_stuck_and_not_as_blocking() -> None:
    gate = Gate()
    async with stentor.open_bus() as bus:
        bus.register("a", Diary().handler("a", gate)).subscribe("t")
        await fill(bus, "t", 1)
        assert bus.health().ok
        await trio.sleep(5)
        (problem,) = bus.health().problems
        assert (problem.agent, problem.trouble) == ("a", Trouble.STUCK)
        assert problem.detail.startswith("its handler has waited for 5 s on message ")
        assert bus.health(slow=10).ok
        gate.open()


async def test_one_who_blocks_the_loop_is_told_as_blocking_and_not_as_stuck() -> None:
    clock = trio.lowlevel.current_clock()

    async def block(_: object) -> None:
        clock.jump(2.0)  # type: ignore[attr-defined]  # time goes by and nobody else runs

    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a", block))
        agent.subscribe("t")
        await bus.publish("t")
        await bus.settled()
        (problem,) = bus.health().problems
        assert (problem.trouble, problem.detail) == (
            Trouble.BLOCKING,
            "its handler ran for 2 s without waiting for anything",
        )
        assert agent.statistics().longest_block == 2


async def test_full_quotas_are_told_by_pattern_and_for_what_is_sent_by_name() -> None:
    gate = Gate()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a", gate), capacity=1)
        agent.subscribe("t.*", capacity=2)
        await fill(bus, "t.x", 1, 2, 3)
        await bus.send("a", 4)
        assert [problem.detail for problem in bus.health().problems] == [
            "2 messages wait for 't.*', which is its capacity",
            "1 messages sent by name or broadcast wait, which is its capacity",
        ]
        assert {problem.trouble for problem in bus.health().problems} == {Trouble.FULL}
        gate.open()


async def test_one_who_fails_is_told_until_it_succeeds() -> None:
    async def body(payload: object) -> None:
        if payload == "bad":
            await fail(payload)

    async with stentor.open_bus() as bus:
        bus.register("a", Diary().handler("a", body)).subscribe("t")
        for _ in range(3):
            await bus.publish("t", "bad")
        await bus.settled()
        assert str(bus.health()) == "a is failing: its handler failed the last 3 times"
        await bus.publish("t", "good")
        await bus.settled()
        assert bus.health().ok
        with pytest.raises(ValueError, match=r"^slow must be > 0 seconds, not 0$"):
            bus.health(slow=0)

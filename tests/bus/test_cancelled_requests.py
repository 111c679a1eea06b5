"""Requests and polls, cancelled or failing at any moment: one outcome each, and nobody gets what is another's."""

from __future__ import annotations

import os
import random
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock

import stentor
from stentor import AddressingMode
from tests.bus.accounts import check_conservation
from tests.bus.stepping import cancelled_at

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.bus.stepping import When


async def echo_slowly(message: stentor.Message) -> object:
    await trio.sleep(1)
    return message.payload


async def echo_more_slowly(message: stentor.Message) -> object:
    await trio.sleep(2.5)
    return message.payload


async def play(step: int, when: When, how: str, *, inside: bool) -> bool:
    """Cancel a request at one step; return whether it came to that."""
    fired = False

    async with stentor.open_bus() as bus:
        agents = [bus.register("slow", echo_slowly), bus.register("slower", echo_more_slowly)]
        for agent in agents:
            agent.subscribe("t", capacity=1)

        async def ask(payload: object) -> list[object]:
            if how == "request":
                return [(await bus.request("t", payload, timeout=10)).payload]
            return [reply.payload for reply in (await bus.gather("t", payload, timeout=10)).messages]

        async def act(_: object = None) -> None:
            nonlocal fired
            fired, _ended = await cancelled_at(step, when, partial(ask, "cancelled"))

        actor = bus.register("actor", act)
        actor.subscribe("act")
        for _ in range(2):
            await bus.publish("t", "before")
        await (bus.publish_and_wait("act") if inside else act())
        assert len(bus._parts.requests) == 0
        assert await ask("mine") == ["mine"] * (1 if how == "request" else 2)
        await bus.settled()
        check_conservation(bus, *agents, actor)
        slow, slower = (agent.statistics() for agent in agents)
        assert slow.handled == slower.handled == slow.addressed == slower.addressed
    return fired


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", ["request", "gather"])
def test_promise_7_a_request_cancelled_at_every_step_leaves_nothing_behind(
    how: str, when: When, *, inside: bool
) -> None:
    for step in count():
        if not trio.run(partial(play, step, when, how, inside=inside), clock=MockClock(autojump_threshold=0)):
            break
    assert step >= 2


async def two_hundred_requests(seed: int) -> None:
    dice = random.Random(seed)
    outcomes: dict[int, str] = {}

    def answerer() -> Callable[[stentor.Message], Awaitable[object]]:
        async def answer(message: stentor.Message) -> object:
            await trio.sleep(dice.choice([0, 0.5, 1, 6]))
            fate = dice.random()
            if fate < 0.1:
                raise ValueError(message.payload)
            return None if fate < 0.2 else message.payload

        return answer

    async def ask(bus: stentor.Bus, number: int) -> None:
        outcome = "cancelled"
        with trio.move_on_after(dice.choice([2, 100])):
            try:
                reply = await bus.request(dice.choice(["t", "t", "nobody"]), number, timeout=dice.choice([1.5, 5, 50]))
                outcome = "reply" if reply.payload == number else "somebody else's reply"
            except (stentor.RequestFailedError, stentor.NoResponderError, trio.TooSlowError) as error:
                outcome = type(error).__name__
        assert number not in outcomes
        outcomes[number] = outcome

    async with stentor.open_bus(drain_timeout=1e6) as bus:
        agents = [bus.register(f"a{n}", answerer(), concurrency=3) for n in range(4)]
        for agent in agents:
            agent.subscribe("t")
        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(ask, bus, number)
        await bus.settled()
        assert len(bus._parts.requests) == 0
        check_conservation(bus, *agents)
    assert len(outcomes) == 200
    assert set(outcomes.values()) <= {"reply", "cancelled", "RequestFailedError", "NoResponderError", "TooSlowError"}
    assert {"reply", "cancelled", "NoResponderError"} <= set(outcomes.values())


@pytest.mark.parametrize("seed", range(5))
async def test_promise_8_every_request_has_one_outcome_and_no_answer_is_anothers(seed: int) -> None:
    await two_hundred_requests(seed)


@pytest.mark.long
async def test_promise_8_every_one_of_many_requests_has_one_outcome() -> None:
    """So many requests: `STENTOR_REQUESTS` or 100,000."""
    for seed in range(1000, 1000 + int(os.environ.get("STENTOR_REQUESTS", "100000")) // 200):
        await two_hundred_requests(seed)


async def poll_at(step: int, when: When, *, auto_ack: bool) -> bool:
    """Cancel a poll at one step; all that it would have returned must come by the next."""
    got: list[object] = []

    async def poll() -> None:
        got.extend(message.payload for message in await agent.poll())

    async def broken(_: stentor.Message) -> None:
        raise ValueError

    async with stentor.open_bus() as bus:
        agent = bus.register("a", broken, auto_ack=auto_ack)
        agent.subscribe("t", mode="polling", auto_ack=auto_ack)
        await bus.publish("t", "waits")
        await bus.route(stentor.Message("a", "is stored", addressing=AddressingMode.DIRECT))
        fired, _ = await cancelled_at(step, when, poll)
        await poll()
        assert got == ["waits", "is stored"]
        check_conservation(bus, agent)
    return fired


@pytest.mark.parametrize("auto_ack", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
def test_promise_7_a_poll_cancelled_at_every_step_loses_nothing(when: When, *, auto_ack: bool) -> None:
    for step in count():
        if not trio.run(partial(poll_at, step, when, auto_ack=auto_ack)):
            break
    assert step >= 2

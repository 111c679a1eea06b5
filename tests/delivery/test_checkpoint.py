"""`Bus.checkpoint` and `Bus.restore`: what a settled bus holds moves to another, and nothing else is let through."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

import stentor


async def handler(_: stentor.Message) -> None:
    """Take it."""


def through_a_file(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own


def set_up(bus: stentor.Bus) -> tuple[stentor.Agent, stentor.Agent]:
    agent = bus.register("agent", handler)
    agent.subscribe("a.*", capacity=3, overflow="drop_oldest")
    poller = bus.register("poller")
    poller.subscribe("a.b", mode="polling", auto_ack=False, capacity=4, overflow="drop_newest")
    poller.subscribe("a.**", mode="polling")
    return agent, poller


STEPS = st.lists(st.sampled_from(["a.b", "a.c", "leave", "rejoin", "poll", "store"]), max_size=20)


async def perform(bus: stentor.Bus, agents: tuple[stentor.Agent, stentor.Agent], steps: list[str]) -> list[Any]:
    """Do what the steps say, and return what could be seen of it."""
    agent, poller = agents
    seen: list[Any] = []
    for step in steps:
        if step == "leave":
            agent.leave()
        elif step == "rejoin":
            agent.rejoin()
        elif step == "poll":
            seen += [message.id for message in await poller.poll(max_messages=3)]
        elif step == "store":
            to_agent = stentor.Message("agent", addressing=stentor.AddressingMode.DIRECT)
            seen.append((await bus.route(to_agent)).outcomes)
        else:
            seen.append((await bus.publish(step, retain=True, ttl=50.0)).message.id)
        await trio.sleep(1.0)
    await bus.settled()
    return seen


def looks(bus: stentor.Bus, agents: tuple[stentor.Agent, ...]) -> list[Any]:
    """What can be seen of a bus, but for the cost of finding routes."""
    statistics = bus.statistics()
    kept = ("messages", "addressed", "handled", "dead", "dropped", "expired", "stored", "waiting", "unacknowledged")
    return [
        [getattr(statistics, name) for name in kept],
        [agent.statistics() for agent in agents],
        [subscription.statistics() for agent in agents for subscription in agent.subscriptions],
        [message.id for message in bus.retained.matching("**", trio.current_time())],
        bus.retained.statistics(),
    ]


@given(first=STEPS, second=STEPS)
async def test_a_restored_bus_goes_on_as_if_nothing_had_been(first: list[str], second: list[str]) -> None:
    async with stentor.open_bus(seed=1) as bus:
        agents = set_up(bus)
        await perform(bus, agents, first)
        taken = through_a_file(await bus.checkpoint())
        async with stentor.open_bus(seed=2) as other:
            others = set_up(other)
            other.restore(taken)
            assert looks(other, others) == looks(bus, agents)
            assert (await other.checkpoint()).waiting == taken.waiting
            both: dict[stentor.Bus, list[Any]] = {}

            async def go_on(bus: stentor.Bus, agents: tuple[stentor.Agent, stentor.Agent]) -> None:
                both[bus] = await perform(bus, agents, second)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(go_on, bus, agents)
                nursery.start_soon(go_on, other, others)
            assert both[bus] == both[other]
            assert looks(other, others) == looks(bus, agents)


async def test_only_a_settled_bus_is_taken() -> None:
    release = trio.Event()

    async def slow(_: stentor.Message) -> None:
        await release.wait()

    async with stentor.open_bus() as bus:
        bus.register("slow", slow).subscribe("a")
        bus.register("silent").subscribe("question", mode="polling")
        await bus.publish("a")
        with pytest.raises(stentor.NotSettledError, match=r"busy: 'slow'"):
            await bus.checkpoint()
        release.set()
        await bus.settled()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bus.request, "question")
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(
                RuntimeError, match=r"^a checkpoint needs a settled bus, but somebody waits for an answer$"
            ):
                await bus.checkpoint()
            nursery.cancel_scope.cancel()


async def test_only_a_new_bus_with_the_same_agents_is_restored() -> None:
    async with stentor.open_bus() as bus:
        set_up(bus)
        taken = await bus.checkpoint()
        assert (taken.time, taken.waiting) == (0.0, 0)
        await bus.publish("a.b")
        with pytest.raises(RuntimeError, match=r"^restore\(\) must come before anything is published$"):
            bus.restore(taken)
    async with stentor.open_bus() as bus:
        bus.register("agent", handler).subscribe("a.*")
        with pytest.raises(
            ValueError, match=r"'poller' had the subscriptions \['a\.b', 'a\.\*\*'\], and has no registration"
        ):
            bus.restore(taken)
        bus.register("poller").subscribe("a.b")
        with pytest.raises(ValueError, match=r"'poller' had .*, and has the subscriptions \['a\.b'\]$"):
            bus.restore(taken)


def test_time_does_not_go_backwards() -> None:
    async def take() -> stentor.BusCheckpoint:
        await trio.sleep(5.0)
        async with stentor.open_bus() as bus:
            return await bus.checkpoint()

    async def put(taken: stentor.BusCheckpoint) -> None:
        async with stentor.open_bus() as bus:
            bus.restore(taken)

    def virtual() -> trio.testing.MockClock:
        return trio.testing.MockClock(autojump_threshold=0)

    taken = trio.run(take, clock=virtual())
    with pytest.raises(ValueError, match=r"^the clock must not stand before the checkpoint \(5 s\), but is at 0 s$"):
        trio.run(put, taken, clock=virtual())


def test_a_message_can_be_pickled() -> None:
    message = stentor.Message("a", {"b": 1}, sender="s", id="1", timestamp=2.0, ttl=3.0, headers={"x": "y"})
    copy = through_a_file(message)
    assert (copy.payload, dict(copy.headers), copy.ttl, copy.id) == (message.payload, {"x": "y"}, 3.0, "1")
    assert copy.expires_at == 5.0
    assert through_a_file(stentor.Message("a")).headers is stentor.Message("b").headers

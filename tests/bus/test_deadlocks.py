"""Cycles of waits: the wait that closes one is refused and names it; no other wait is refused, and none hangs."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock

import stentor
from tests.bus.accounts import all_parked, check_conservation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Body = Callable[[stentor.Message], Awaitable[object]]


class Scene:
    """A bus whose agents keep what their bodies raise, by the agent's name and the payload."""

    def __init__(self, bus: stentor.Bus) -> None:
        """Begin without agents."""
        self.bus = bus
        self.outcomes: list[tuple[str, object, object]] = []

    def add(self, name: str, body: Body, *, capacity: int = 1, concurrency: int = 1) -> stentor.Agent:
        """Register an agent that listens to its own name."""

        async def handler(message: stentor.Message) -> None:
            try:
                outcome = await body(message)
            except stentor.DeadlockError as error:
                outcome = error.agents
            self.outcomes.append((name, message.payload, outcome))

        agent = self.bus.register(name, handler, concurrency=concurrency)
        agent.subscribe(name, capacity=capacity)
        return agent


@pytest.mark.parametrize("length", [1, 2, 3, 7])
async def test_promise_4_a_cycle_of_block_waits_is_raised_to_the_one_that_closes_it(length: int) -> None:
    names = [f"a{n}" for n in range(length)]
    turns = [trio.Event() for _ in names]

    async def body(message: stentor.Message) -> object:
        if message.payload != "go":
            return "quiet"
        n = names.index(message.topic)
        await turns[n].wait()
        await bus.publish(names[(n + 1) % length], "more")
        return "published"

    async with stentor.open_bus() as bus:
        scene = Scene(bus)
        for name in names:
            scene.add(name, body)
            await bus.publish(name, "go")
        await all_parked()
        for name in names:
            await bus.publish(name, "fill")
        for turn in turns:
            assert scene.outcomes == []
            turn.set()
            await all_parked()
        await bus.settled()
        cycle = (names[-1], *names)
        assert scene.outcomes[0] == (names[-1], "go", cycle)
        assert [o for o in scene.outcomes if o[2] == "published"] == [
            (name, "go", "published") for name in reversed(names[:-1])
        ]
        assert bus.statistics().handled == 3 * length - 1
        check_conservation(bus)


async def test_promise_4_the_text_of_a_deadlock_names_the_cycle() -> None:
    async def ask_oneself(message: stentor.Message) -> None:
        await bus.publish_and_wait(message.topic)

    async with stentor.open_bus() as bus:
        bus.register("a", ask_oneself).subscribe("t")
        result = await bus.publish_and_wait("t")
    ((agent, error),) = result.errors
    assert agent == "a"
    assert isinstance(error, stentor.DeadlockError)
    assert str(error) == "waiting here would never end: 'a' waits for 'a'"
    assert bus.statistics().messages == 1


@pytest.mark.parametrize("length", [2, 3, 7])
async def test_promise_4_a_cycle_of_publish_and_wait_is_raised_to_the_one_that_closes_it(length: int) -> None:
    names = [f"a{n}" for n in range(length)]

    async def body(message: stentor.Message) -> object:
        n = names.index(message.topic)
        return (await bus.publish_and_wait(names[(n + 1) % length])).subscribers_reached

    async with stentor.open_bus() as bus:
        scene = Scene(bus)
        for name in names:
            scene.add(name, body)
        result = await bus.publish_and_wait(names[0])
        assert result.subscribers_reached == 1
    assert scene.outcomes == [
        (names[-1], None, (names[-1], *names)),
        *((name, None, 1) for name in reversed(names[:-1])),
    ]


async def test_promise_4_a_deadlock_through_one_of_many_recipients_is_seen() -> None:
    async def ask(message: stentor.Message) -> object:
        return (await bus.publish_and_wait("all")).subscribers_reached if message.payload == "go" else None

    async def quiet(_: stentor.Message) -> None: ...

    async with stentor.open_bus() as bus:
        scene = Scene(bus)
        for name in ("x", "asker", "y"):
            scene.add(name, ask if name == "asker" else quiet).subscribe("all")
        await bus.publish("asker", "go")
        await bus.settled()
    assert scene.outcomes == [("asker", "go", ("asker", "asker"))]


async def test_promise_4_a_second_slot_may_answer_the_first_but_not_for_ever() -> None:
    async def again(message: stentor.Message) -> object:
        n = int(str(message.payload))
        return (await bus.publish_and_wait("a", n + 1)).subscribers_reached

    async with stentor.open_bus() as bus:
        scene = Scene(bus)
        scene.add("a", again, concurrency=3)
        await bus.publish_and_wait("a", 0)
    assert scene.outcomes == [("a", 2, ("a", "a")), ("a", 1, 1), ("a", 0, 1)]


async def test_promise_4_a_free_slot_does_not_help_a_handler_that_waits_for_its_asker() -> None:
    async def ask(message: stentor.Message) -> object:
        return (await bus.publish_and_wait("wide")).subscribers_reached if message.payload == "go" else "answered"

    async def ask_back(_: stentor.Message) -> object:
        return (await bus.publish_and_wait("asker", "back")).subscribers_reached

    async with stentor.open_bus() as bus:
        scene = Scene(bus)
        scene.add("asker", ask)
        scene.add("wide", ask_back, concurrency=5)
        await bus.publish("asker", "go")
        await bus.settled()
    assert scene.outcomes == [("wide", None, ("wide", "asker", "wide")), ("asker", "go", 1)]


async def test_promise_4_waiting_behind_an_own_message_belongs_to_the_cycle() -> None:
    gate = trio.Event()

    async def publish_elsewhere(message: stentor.Message) -> object:
        if message.payload == 0:
            await gate.wait()
            await bus.publish("free", sender="a")
        return "published"

    async def publish_three(bus: stentor.Bus) -> None:
        for i in range(3):
            await bus.publish("a", i, sender="a")

    async with stentor.open_bus() as bus:
        scene = Scene(bus)
        scene.add("a", publish_elsewhere)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(publish_three, bus)
            await all_parked()
            gate.set()
        await bus.settled()
    assert scene.outcomes == [("a", 0, ("a", "a")), ("a", 1, "published"), ("a", 2, "published")]


async def test_promise_4_waiting_in_line_is_looked_at_again_when_the_first_turns_to_somebody_else() -> None:
    gate = trio.Event()

    async def body(message: stentor.Message) -> object:
        if message.payload == "hold":
            await gate.wait()
        if message.payload == "go":
            await bus.publish("free", sender="me")
        return "done"

    async def publish_as_me() -> None:
        await bus.publish("both", "first", sender="me")

    async with stentor.open_bus() as bus:
        scene = Scene(bus)
        scene.add("b", body).subscribe("*th", capacity=1)
        scene.add("a", body).subscribe("bo*", capacity=1)
        await bus.publish("b", "hold")
        await all_parked()
        await bus.publish("bath", "fills b")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(publish_as_me)
            await all_parked()
            await bus.publish("a", "go")
            await all_parked()
            await bus.publish("box", "fills a")
            assert scene.outcomes == []
            gate.set()
        await bus.settled()
        check_conservation(bus)
    assert ("a", "go", ("a", "a")) in scene.outcomes
    assert [o[2] for o in scene.outcomes].count("done") == len(scene.outcomes) - 1 == 5


async def test_promise_4_a_subscription_made_while_publish_and_wait_waits_for_room_may_close_a_cycle() -> None:
    gate = trio.Event()

    async def ask(message: stentor.Message) -> object:
        return (await bus.publish_and_wait("x")).subscribers_reached if message.payload == "go" else "answered"

    async def hold(_: stentor.Message) -> object:
        await gate.wait()
        return "done"

    async with stentor.open_bus() as bus:
        scene = Scene(bus)
        agent = scene.add("a", ask)
        scene.add("b", hold).subscribe("x", capacity=1)
        for _ in range(2):
            await bus.publish("x")
            await all_parked()
        await bus.publish("a", "go")
        await all_parked()
        agent.subscribe("x")
        gate.set()
        await bus.settled()
        check_conservation(bus)
    assert ("a", "go", ("a", "a")) in scene.outcomes


async def test_promise_4_a_waiter_for_whom_there_is_room_already_is_in_no_cycle() -> None:
    gate = trio.Event()

    async def f(message: stentor.Message) -> object:
        return (await bus.publish("a", "third")).accepted if message.payload == "go" else "answered"

    async def a(message: stentor.Message) -> object:
        if message.payload == "first":
            await gate.wait()
        return (await bus.publish_and_wait("f")).subscribers_reached if message.payload == "second" else None

    async with stentor.open_bus() as bus:
        scene = Scene(bus)
        scene.add("f", f)
        scene.add("a", a)
        await bus.publish("a", "first")
        await all_parked()
        await bus.publish("a", "second")
        await bus.publish("f", "go")
        await all_parked()
        gate.set()  # "second" begins before the handler of "go", which is let in now, has its turn
        await bus.settled()
    assert ("a", "second", 1) in scene.outcomes
    assert ("f", "go", 1) in scene.outcomes


async def test_promise_4_a_waiter_whose_answer_has_come_already_is_in_no_cycle() -> None:
    gate = trio.Event()

    async def f(message: stentor.Message) -> object:
        return (await bus.publish_and_wait("a", 1)).subscribers_reached if message.payload == "go" else "answered"

    async def a(message: stentor.Message) -> object:
        if message.payload == 1:
            await gate.wait()
        return (await bus.publish_and_wait("f")).subscribers_reached if message.payload == 2 else None

    async with stentor.open_bus() as bus:
        scene = Scene(bus)
        scene.add("f", f)
        scene.add("a", a)
        await bus.publish("f", "go")
        await all_parked()
        await bus.publish("a", 2)
        gate.set()
        await bus.settled()
    assert ("f", "go", 1) in scene.outcomes
    assert ("a", 2, 1) in scene.outcomes


async def test_promise_4_diamonds_and_waits_that_end_by_themselves_are_no_cycles() -> None:
    async def top(_: stentor.Message) -> object:
        async with trio.open_nursery() as nursery:
            for side in ("left", "right"):
                nursery.start_soon(bus.publish_and_wait, side)
        return "done"

    async def side(_: stentor.Message) -> object:
        return (await bus.publish_and_wait("bottom")).subscribers_reached

    async def bottom(_: stentor.Message) -> object:
        await trio.sleep(1)
        return "done"

    async with stentor.open_bus() as bus:
        scene = Scene(bus)
        for name, body in (("top", top), ("left", side), ("right", side), ("bottom", bottom)):
            scene.add(name, body)
        for _ in range(3):
            await bus.publish_and_wait("top")
    assert len(scene.outcomes) == 3 * 5
    assert {outcome for _, _, outcome in scene.outcomes} == {"done", 1}


async def test_promise_4_who_waits_outside_of_handlers_is_in_no_cycle() -> None:
    async def own(message: stentor.Message) -> object:
        return (await bus.publish("a", "more")).accepted if message.payload == "go" else None

    async with stentor.open_bus() as bus:
        scene = Scene(bus)
        scene.add("a", own, capacity=2)
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(bus.publish_and_wait, "a", "go")
                nursery.start_soon(bus.publish, "a", "quiet")
        await bus.settled()
        assert bus.statistics().waiting == bus.statistics().running == 0
        check_conservation(bus)


async def random_graph(seed: int) -> None:
    """Up to 20 agents that publish, publish and wait, and sleep at random, through tiny mailboxes."""
    dice = random.Random(seed)
    names = [f"n{i}" for i in range(dice.randint(2, 20))]
    ended = 0

    async def handler(message: stentor.Message, delivery: stentor.Delivery) -> None:
        nonlocal ended
        fuel = int(str(message.payload))
        for _ in range(dice.randint(0, 3) if fuel else 0):
            target, how = dice.choice(names), dice.randrange(6)
            sender = dice.choice([None, delivery.agent, dice.choice(names)])
            try:
                if how < 2:
                    await bus.publish(target, fuel - 1, sender=sender)
                elif how < 4:
                    await bus.publish_and_wait(target, fuel - 1, sender=sender, timeout=dice.choice([None, 2.0]))
                elif how < 5:
                    bus.publish_nowait(target, fuel - 1, sender=sender)
                else:
                    await trio.sleep(dice.random())
            except (stentor.DeadlockError, trio.WouldBlock):
                continue
        ended += 1

    with trio.fail_after(3600):
        async with stentor.open_bus(drain_timeout=float("inf")) as bus:
            agents = [bus.register(name, handler, concurrency=dice.choice([1, 1, 1, 2])) for name in names]
            for agent in agents:
                agent.subscribe(agent.name, capacity=dice.choice([1, 1, 2, 5]))
            for _ in range(30):
                await bus.publish(dice.choice(names), 5, sender=dice.choice([None, *names]))
            await bus.settled()
            record = bus.statistics()
            assert record.handled == ended
            assert record.addressed == record.handled + record.dead
            check_conservation(bus, *agents)


@pytest.mark.parametrize("seed", range(60))
async def test_promise_4_random_graphs_of_handlers_never_hang(seed: int) -> None:
    await random_graph(seed)


@pytest.mark.long
def test_promise_4_random_graphs_of_handlers_never_hang_long() -> None:
    """So many graphs, `STENTOR_GRAPHS` or 10,000, each in an order of the scheduler of its own."""
    for seed in range(1000, 1000 + int(os.environ.get("STENTOR_GRAPHS", "10000"))):
        trio._core._run._r.seed(seed)
        try:
            trio.run(random_graph, seed, clock=MockClock(autojump_threshold=0))
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise

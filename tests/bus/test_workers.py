"""Workers: handlers that keep waiting begin together, and nothing that was promised of the others changes by that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from trio.testing import MockClock

import stentor
from stentor._machine.dispatcher import PATIENCE
from stentor._machine.shifts import LEADER_BUDGET
from stentor._machine.workers import SPARES
from tests.bus.accounts import check_conservation
from tests.bus.instruments import Passes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def wait(_: stentor.Message) -> None:
    """Handle a message with one checkpoint."""
    await trio.lowlevel.checkpoint()


async def test_workers_begin_all_handlers_that_keep_waiting_in_one_pass() -> None:
    passes = Passes()
    begun: list[tuple[int, str]] = []

    async def handler(_: stentor.Message, delivery: stentor.Delivery) -> None:
        begun.append((passes.count, delivery.agent))
        await trio.lowlevel.checkpoint()

    trio.lowlevel.add_instrument(passes)
    async with stentor.open_bus() as bus:
        names = [f"agent-{number}" for number in range(50)]
        for name in names:
            bus.register(name, handler).subscribe("t")
        await bus.publish("t")
        await bus.settled()
        begun.clear()
        await bus.publish("t")
        await bus.settled()
        assert [name for _, name in begun] == names
        first, *others = (count for count, _ in begun)
        assert set(others) == {first + 1}


async def test_workers_go_on_with_the_next_message_without_a_pass_in_between() -> None:
    passes = Passes()
    trio.lowlevel.add_instrument(passes)
    async with stentor.open_bus() as bus:
        for number in range(20):
            bus.register(f"agent-{number}", wait).subscribe("t")
        for _ in range(2):
            for _ in range(100):
                await bus.publish("t")
            begin = passes.count
            await bus.settled()
        assert passes.count - begin < 110


def _trace(program: Callable[[list[str]], Awaitable[None]]) -> tuple[str, ...]:
    trace: list[str] = []
    trio.run(program, trace, clock=MockClock(autojump_threshold=0))
    return tuple(trace)


def test_workers_begin_handlers_in_one_and_the_same_order_in_every_run() -> None:
    async def program(trace: list[str]) -> None:
        async def waits(message: stentor.Message, delivery: stentor.Delivery) -> None:
            trace.append(f"{delivery.agent} {message.payload}")
            await trio.lowlevel.checkpoint()

        async def does_not(message: stentor.Message, delivery: stentor.Delivery) -> None:
            trace.append(f"{delivery.agent} {message.payload}")

        async with stentor.open_bus() as bus:
            for number in range(8):
                bus.register(f"waits-{number}", waits).subscribe("t")
                bus.register(f"runs-{number}", does_not).subscribe("t")
            for number in range(3):
                await bus.publish("t", number)
                await bus.settled()

    assert len({_trace(program) for _ in range(30)}) == 1


async def test_workers_set_a_lane_apart_no_longer_when_its_handler_has_not_waited_for_a_while() -> None:
    waits = True
    tasks: dict[str, trio.lowlevel.Task] = {}

    async def handler(_: stentor.Message, delivery: stentor.Delivery) -> None:
        tasks[delivery.agent] = trio.lowlevel.current_task()
        if waits:
            await trio.lowlevel.checkpoint()

    async def together() -> bool:
        await bus.publish("t")
        await bus.settled()
        return len(set(tasks.values())) == 1

    async with stentor.open_bus() as bus:
        for name in ("a", "b", "c", "d"):
            bus.register(name, handler).subscribe("t")
        await together()
        await together()
        lanes = [lane for name in tasks for lane in bus._parts.registry._by_name[name].lanes]
        assert [lane.apart for lane in lanes] == [PATIENCE] * 4
        waits = False
        for left in reversed(range(PATIENCE)):
            await together()
            assert [lane.apart for lane in lanes] == [left] * 4
        assert await together()


async def test_workers_are_named_after_the_agents_whose_handlers_wait() -> None:
    names: list[str] = []

    async def handler(_: stentor.Message) -> None:
        await trio.lowlevel.checkpoint()
        names.append(trio.lowlevel.current_task().name)

    async with trio.open_nursery() as nursery, stentor.open_bus() as bus:
        for name in ("gpt4", "claude"):
            bus.register(name, handler).subscribe("t")
        for _ in range(2):
            await bus.publish("t")
            await bus.settled()
        tasks = bus._parts.nursery.child_tasks
        assert sorted(names) == ["stentor worker for claude"] * 2 + ["stentor worker for gpt4"] * 2
        await trio.testing.wait_all_tasks_blocked()
        assert {task.name for task in tasks} == {"stentor worker"}
        nursery.cancel_scope.cancel()


async def test_workers_that_wait_for_work_are_not_more_than_their_bound() -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", wait, concurrency=SPARES + 50).subscribe("t", capacity=SPARES + 50)
        for _ in range(SPARES + 50):
            await bus.publish("t")
        await trio.testing.wait_all_tasks_blocked()
        gate = trio.Event()

        async def until(_: stentor.Message) -> None:
            await gate.wait()

        bus.register("b", until, concurrency=SPARES + 50).subscribe("u", capacity=SPARES + 50)
        for _ in range(SPARES + 50):
            await bus.publish("u")
        await trio.testing.wait_all_tasks_blocked()
        assert len(bus._parts.nursery.child_tasks) >= SPARES + 50
        gate.set()
        await bus.settled()
        await trio.testing.wait_all_tasks_blocked()
        assert len(bus._parts.nursery.child_tasks) == SPARES


@pytest.mark.parametrize("leaves", [False, True])
async def test_workers_find_nothing_to_do_when_the_agent_is_gone_before_their_turn(*, leaves: bool) -> None:
    called: list[object] = []

    async def handler(message: stentor.Message, delivery: stentor.Delivery) -> None:
        called.append((delivery.agent, message.payload))
        await trio.lowlevel.checkpoint()

    async def dismiss(message: stentor.Message) -> None:
        if message.payload:
            for agent in agents:
                agent.leave() if leaves else agent.close()

    async with stentor.open_bus() as bus:
        agents = [bus.register(f"agent-{number}", handler) for number in range(3)]
        for agent in agents:
            agent.subscribe("t")
        bus.register("last", dismiss).subscribe("t")
        await bus.publish("t", 0)
        await bus.settled()
        await bus.publish("t", 1)
        await bus.settled()
        assert called == [(f"agent-{number}", 0) for number in range(3)]
        if leaves:
            for agent in agents:
                agent.rejoin()
            await bus.settled()
            assert called[3:] == [(f"agent-{number}", 1) for number in range(3)]
        check_conservation(bus)
        assert len(bus.left) == (0 if leaves else 3)


@pytest.mark.parametrize("concurrency", [2, 5])
async def test_workers_begin_the_messages_of_one_agent_in_their_order(concurrency: int) -> None:
    begun: list[object] = []
    running = most = 0

    async def handler(message: stentor.Message) -> None:
        nonlocal running, most
        begun.append(message.payload)
        running += 1
        most = max(most, running)
        await trio.sleep(1)
        running -= 1

    async with stentor.open_bus() as bus:
        for name in ("a", "b"):
            bus.register(name, handler if name == "a" else wait, concurrency=concurrency).subscribe("t")
        for number in range(30):
            await bus.publish("t", number)
        begin = trio.current_time()
        await bus.settled()
        assert trio.current_time() - begin == pytest.approx(30 / concurrency)
    assert begun == list(range(30))
    assert most == concurrency


@pytest.mark.parametrize("passes", range(8))
async def test_workers_that_are_cancelled_before_their_turn_lose_nothing(passes: int) -> None:
    with trio.CancelScope() as scope:
        async with stentor.open_bus() as bus:
            for number in range(10):
                bus.register(f"agent-{number}", wait).subscribe("t")
            await bus.publish("t")
            await bus.settled()
            for _ in range(3):
                await bus.publish("t")
            for _ in range(passes):
                await trio.lowlevel.checkpoint()
            scope.cancel()
            await trio.lowlevel.checkpoint()
    check_conservation(bus)
    statistics = bus.statistics()
    assert statistics.handled + statistics.abandoned == 40
    assert len(bus.left) == statistics.abandoned


async def test_workers_start_afresh_after_a_timeout_in_a_lane_that_is_set_apart() -> None:
    async def handler(message: stentor.Message) -> None:
        await trio.sleep(10 if message.payload == "slow" else 1)

    async with stentor.open_bus() as bus:
        agents = [bus.register(name, handler, timeout=5.0) for name in ("a", "b", "c")]
        for agent in agents:
            agent.subscribe("t")
        for payload in ("quick", "slow", "slow", "quick", "slow"):
            await bus.publish("t", payload)
        await bus.settled()
        assert [(agent.statistics().handled, agent.statistics().dead) for agent in agents] == [(2, 3)] * 3
        assert all(isinstance(letter.cause, TimeoutError) for letter in bus.dead_letters)


async def test_workers_that_are_cancelled_by_the_handler_that_waits_let_it_know() -> None:
    seen: list[object] = []

    async def handler(message: stentor.Message) -> None:
        if message.payload == "end":
            scope.cancel()
        try:
            await trio.sleep(1)
        except trio.Cancelled:
            seen.append(message.payload)
            raise

    with trio.CancelScope() as scope:
        async with stentor.open_bus() as bus:
            agent = bus.register("a", handler)
            agent.subscribe("t")
            quick = bus.register("quick", note := Note())
            quick.subscribe("quick")
            for payload in (1, 2):
                await bus.publish("quick", payload)
                await bus.settled()
            await bus.publish("t", "end")
            await trio.sleep_forever()
    assert seen == ["end"]
    assert note.seen == [1, 2]
    assert [(left.agent, left.state) for left in bus.left] == [("a", "running")]
    check_conservation(bus, agent, quick)


async def test_workers_that_were_called_again_give_the_rest_of_the_program_a_turn() -> None:
    passes = Passes()
    async with stentor.open_bus() as bus:
        bus.register("a", note := Note()).subscribe("t", capacity=10_000)
        await bus.publish("t", 0)
        await bus.settled()
        for number in range(1, 3 * LEADER_BUDGET):
            bus.publish_nowait("t", number)
        trio.lowlevel.add_instrument(passes)
        await bus.settled()
        trio.lowlevel.remove_instrument(passes)
        assert note.seen == list(range(3 * LEADER_BUDGET))
        assert passes.count >= 2


class Note:
    """A handler that writes down what it is called with."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.seen: list[object] = []

    async def __call__(self, message: stentor.Message) -> None:
        """Write it down."""
        self.seen.append(message.payload)

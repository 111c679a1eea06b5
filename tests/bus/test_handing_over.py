"""Handing over: who waits for handlers gives a worker its turn at once, and only the time it takes can tell."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

import stentor
from stentor import simulation
from stentor._machine import inside_trio
from stentor._native import Turns
from tests.bus.instruments import Passes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

IN_A_ROW = 16
"""Turns that are given before a worker must have one of its own."""


class Steps(trio.abc.Instrument):
    """Writes down the names of the tasks of which it is told."""

    def __init__(self, hook: str) -> None:
        """Begin with none, and be told by one hook."""
        self.names: list[str] = []
        setattr(self, hook, self._note)

    def _note(self, task: trio.lowlevel.Task) -> None:
        self.names.append(task.name)


async def echo(message: stentor.Message) -> object:
    """Answer with the question."""
    return message.payload


async def warm(bus: stentor.Bus) -> None:
    """Let there be two workers, and let none of them have had its turn from another lately."""
    bus.register("warm", echo).subscribe("warm")
    for _ in range(2):
        await bus.publish("warm")
        await bus.settled()
    await trio.testing.wait_all_tasks_blocked()


async def settles(bus: stentor.Bus) -> None:
    """Publish, and wait until nothing runs."""
    await bus.publish("t", 1)
    await bus.settled()


async def asks(bus: stentor.Bus) -> None:
    """Ask one agent."""
    assert (await bus.request("t", 1)).payload == 1


async def asks_by_machine(bus: stentor.Bus) -> None:
    """Ask one agent what the desk leaves to the machine."""
    assert (await bus.request("t", 1, priority=stentor.Priority.HIGH)).payload == 1


async def gathers(bus: stentor.Bus) -> None:
    """Ask everybody."""
    assert [reply.payload for reply in (await bus.gather("t", 1)).messages] == [1]


async def waits(bus: stentor.Bus) -> None:
    """Publish, and wait for the handlers."""
    assert (await bus.publish_and_wait("t", 1)).subscribers_reached == 1


async def confirms(bus: stentor.Bus) -> None:
    """Publish, and wait for what the receipt will tell."""
    receipt = await bus.publish("t", 1, confirm=True)
    assert (await receipt.confirmed()).subscribers_reached == 1


ALL = pytest.mark.parametrize("wait", [settles, asks, asks_by_machine, gathers, waits, confirms])


async def passes_of(wait: Callable[[stentor.Bus], Awaitable[None]]) -> int:
    """Return how many scheduling passes it takes to wait as many times in a row as turns are given."""
    passes = Passes()
    async with stentor.open_bus() as bus:
        bus.register("a", echo).subscribe("t")
        await warm(bus)
        trio.lowlevel.add_instrument(passes)
        for _ in range(IN_A_ROW):
            await wait(bus)
        return passes.count


@ALL
async def test_who_waits_for_handlers_waits_for_no_scheduling_pass(
    wait: Callable[[stentor.Bus], Awaitable[None]],
) -> None:
    assert await passes_of(wait) == 0


@ALL
async def test_the_rest_of_the_program_has_its_turn_nevertheless(
    wait: Callable[[stentor.Bus], Awaitable[None]],
) -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with stentor.open_bus() as bus, trio.open_nursery() as nursery:
        bus.register("a", echo).subscribe("t")
        await warm(bus)
        nursery.start_soon(other)
        for number in range(10 * IN_A_ROW):
            before = turns
            for _ in range(2 * (IN_A_ROW + 1)):  # who is first in a pass, trio shuffles
                await wait(bus)
            assert turns > before, number
        nursery.cancel_scope.cancel()


async def test_a_handler_runs_in_the_task_of_a_worker_and_in_a_context_of_its_own() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen: list[tuple[trio.lowlevel.Task, str]] = []

    async def handler(_: stentor.Message) -> None:
        seen.append((trio.lowlevel.current_task(), variable.get()))
        variable.set("inner")

    async with stentor.open_bus() as bus:
        bus.register("a", handler).subscribe("t")
        await warm(bus)
        variable.set("outer")
        me = trio.lowlevel.current_task()
        for _ in range(3):
            await settles(bus)
            assert trio.lowlevel.current_task() is me
        assert variable.get() == "outer"
    assert me not in [task for task, _ in seen]
    assert [value for _, value in seen] == ["unset"] * 3


async def test_a_handler_that_suspends_is_seen_through() -> None:
    seen: list[str] = []
    go = trio.Event()

    async def handler(_: stentor.Message) -> None:
        with trio.move_on_after(10) as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(go.wait)
                await trio.sleep(1)
            seen.append("woken")
        assert not scope.cancelled_caught
        with trio.CancelScope() as cancelled:
            cancelled.cancel()
            await trio.sleep_forever()
        seen.append("cancelled")
        with trio.move_on_after(2):
            await trio.sleep_forever()
        seen.append("timed out")

    async with stentor.open_bus() as bus:
        bus.register("a", handler).subscribe("t")
        await warm(bus)
        await bus.publish("t")
        with pytest.raises(stentor.NotSettledError):
            await bus.settled(timeout=0)
        go.set()
        await bus.settled()
        assert seen == ["woken", "cancelled", "timed out"]
        assert bus.statistics().dead == 0


async def test_a_handler_in_a_cancelled_scope_is_cancelled_at_its_first_wait() -> None:
    seen: list[bool] = []

    async def handler(_: stentor.Message) -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await trio.sleep_forever()
        seen.append(scope.cancelled_caught)

    async with stentor.open_bus() as bus:
        bus.register("a", handler).subscribe("t")
        await warm(bus)
        await settles(bus)
    assert seen == [True]


@pytest.mark.parametrize(
    "pause", [trio.lowlevel.checkpoint, trio.lowlevel.cancel_shielded_checkpoint, lambda: trio.sleep(0.1)]
)
async def test_checkpoints_in_a_handler_are_seen_as_ever(pause: Callable[[], Awaitable[None]]) -> None:
    async def handler(_: stentor.Message) -> None:
        task = trio.lowlevel.current_task()
        before = task._schedule_points
        await pause()
        assert task._schedule_points == before + 1

    async with stentor.open_bus() as bus:
        bus.register("a", handler).subscribe("t")
        await warm(bus)
        await settles(bus)
        assert bus.statistics().dead == 0


async def test_a_handler_for_another_loop_hears_of_it() -> None:
    seen: list[str] = []

    class Foreign:
        def __await__(self) -> Any:
            yield self

    async def handler(_: stentor.Message) -> None:
        try:
            await Foreign()
        except TypeError as error:
            seen.append(str(error))

    async with stentor.open_bus() as bus:
        bus.register("a", handler).subscribe("t")
        await warm(bus)
        await settles(bus)
    assert "asyncio" in seen[0]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
@ALL
async def test_what_is_no_failure_ends_the_bus(
    wait: Callable[[stentor.Bus], Awaitable[None]], error: type[BaseException]
) -> None:
    async def handler(_: stentor.Message) -> None:
        raise error

    with pytest.raises(error):
        async with stentor.open_bus() as bus:
            bus.register("a", handler).subscribe("t")
            await warm(bus)
            await wait(bus)
            pytest.fail("who waited was not cancelled")


@ALL
async def test_who_is_cancelled_by_a_handler_is_cancelled_where_it_waits(
    wait: Callable[[stentor.Bus], Awaitable[None]],
) -> None:
    async with stentor.open_bus() as bus:
        with trio.CancelScope() as scope:

            async def handler(message: stentor.Message) -> object:
                scope.cancel()
                return message.payload

            bus.register("a", handler).subscribe("t")
            await warm(bus)
            await wait(bus)
            pytest.fail("it was not cancelled")
        assert scope.cancelled_caught
        with trio.CancelScope() as scope:
            scope.cancel()
            await wait(bus)
            pytest.fail("it was not cancelled")
        await bus.settled()


async def test_a_handler_may_cancel_the_whole_bus() -> None:
    with trio.CancelScope() as scope:
        async with stentor.open_bus() as bus:

            async def handler(_: stentor.Message) -> None:
                scope.cancel()
                await trio.sleep_forever()

            bus.register("a", handler).subscribe("t")
            await warm(bus)
            await settles(bus)
            pytest.fail("it was not cancelled")
    assert scope.cancelled_caught
    assert [left.state for left in bus.left] == ["running"]


async def test_an_error_that_is_handled_meanwhile_is_no_context_of_that_of_a_handler() -> None:
    seen: list[BaseException | None] = []

    async def handler(_: stentor.Message) -> None:
        try:
            raise KeyError
        except KeyError as error:
            seen.append(error.__context__)

    async with stentor.open_bus() as bus:
        bus.register("a", handler).subscribe("t")
        await warm(bus)
        try:
            raise ValueError
        except ValueError:
            await settles(bus)
    assert seen == [None]


@pytest.mark.parametrize("hook", ["before_task_step", "after_task_step", "task_scheduled"])
async def test_who_watches_every_turn_of_every_task_misses_none(hook: str) -> None:
    steps = Steps(hook)
    async with stentor.open_bus() as bus:
        bus.register("a", echo).subscribe("t")
        await warm(bus)
        trio.lowlevel.add_instrument(steps)
        await settles(bus)
        trio.lowlevel.remove_instrument(steps)
    assert "stentor worker" in steps.names


def elsewhere(state: dict[str, Any], **options: Any) -> object:
    """Look at a task that keeps everything elsewhere."""
    options["task"] = object()
    return Turns(state, **options)


@pytest.mark.parametrize("missing", ["a slot", "the state"])
@ALL
async def test_where_trio_is_not_as_it_is_known_it_is_done_without(
    wait: Callable[[stentor.Bus], Awaitable[None]], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "a slot":
        monkeypatch.setattr(inside_trio, "Turns", elsewhere)
    else:
        monkeypatch.setattr(inside_trio, "state_of_thread", lambda: None)
    assert await passes_of(wait) >= IN_A_ROW


async def test_handlers_of_two_buses_may_wait_for_each_other() -> None:
    async with stentor.open_bus() as one, stentor.open_bus() as two:

        async def relay(message: stentor.Message) -> object:
            return (await two.request("t", message.payload)).payload

        async def back(message: stentor.Message) -> object:
            return (await one.request("end", message.payload)).payload

        one.register("relay", relay).subscribe("t")
        one.register("end", echo).subscribe("end")
        two.register("back", back).subscribe("t")
        await warm(one)
        await warm(two)
        for number in range(3 * IN_A_ROW):
            assert (await one.request("t", number)).payload == number
        await one.settled()
        await two.settled()


async def test_what_is_published_beside_a_checkpoint_is_handled_in_the_end() -> None:
    for _ in range(20):
        async with stentor.open_bus() as bus:
            agent = bus.register("a", echo)
            agent.subscribe("t")
            await warm(bus)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bus.publish, "t", 1)
                with contextlib.suppress(stentor.NotSettledError):
                    await bus.checkpoint()
            await bus.publish("t", 2)
            await trio.testing.wait_all_tasks_blocked()
            assert agent.statistics().handled == 2


@ALL
async def test_a_handler_has_room_for_as_many_calls_as_ever(wait: Callable[[stentor.Bus], Awaitable[None]]) -> None:
    def deep(depth: int) -> None:
        if depth:
            deep(depth - 1)

    async def handler(message: stentor.Message) -> object:
        deep(sys.getrecursionlimit() * 3 // 4)
        return message.payload

    async def far_up(depth: int) -> None:
        if depth:
            await far_up(depth - 1)
        else:
            await wait(bus)

    async with stentor.open_bus() as bus:
        bus.register("a", handler).subscribe("t")
        await warm(bus)
        for depth in range(0, 700, 50):
            await far_up(depth)
        assert bus.statistics().dead == 0


async def test_a_long_chain_of_buses_takes_no_long_chain_of_calls() -> None:
    async with contextlib.AsyncExitStack() as stack:
        buses = [await stack.enter_async_context(stentor.open_bus()) for _ in range(100)]
        for bus, following in itertools.pairwise(buses):

            async def ask(message: stentor.Message, following: stentor.Bus = following) -> object:
                return (await following.request("t", message.payload)).payload

            bus.register("a", ask).subscribe("t")
        buses[-1].register("a", echo).subscribe("t")
        for bus in buses:
            await warm(bus)
        assert (await buses[0].request("t", 1)).payload == 1


@ALL
async def test_slow_handlers_hold_up_no_deadline(
    wait: Callable[[stentor.Bus], Awaitable[None]], autojump_clock: MockClock
) -> None:
    async def slow(message: stentor.Message) -> object:
        autojump_clock.jump(0.01)
        return message.payload

    rounds = 0
    async with stentor.open_bus() as bus:
        bus.register("a", slow).subscribe("t")
        await warm(bus)
        with trio.move_on_after(0.025):
            while True:
                await wait(bus)
                rounds += 1
    assert rounds <= 4


async def test_what_another_bus_does_is_not_put_down_to_a_handler(autojump_clock: MockClock) -> None:
    async def slow(message: stentor.Message) -> object:
        autojump_clock.jump(1.0)
        return message.payload

    async with stentor.open_bus() as one, stentor.open_bus() as two:

        async def ask(message: stentor.Message) -> object:
            return (await two.request("t", message.payload)).payload

        agent = one.register("a", ask)
        agent.subscribe("t")
        other = two.register("a", slow)
        other.subscribe("t")
        for _ in range(3):
            await two.request("t", 1)
            await one.request("t", 1)
        assert (agent.statistics().longest_block, other.statistics().longest_block) == (0.0, 1.0)


async def _program(trace: list[object]) -> None:
    async def note(message: stentor.Message) -> None:
        trace.append(message.payload)

    async def publishes(pause: Callable[[], Awaitable[None]]) -> None:
        for number in range(30):
            await bus.publish("t", number)
            await pause()

    async with stentor.open_bus() as bus:
        bus.register("a", note).subscribe("t")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(publishes, bus.settled)
            nursery.start_soon(publishes, trio.lowlevel.checkpoint)


def _run_by(depth: int, *, handling: bool) -> tuple[list[object], str]:
    if depth:
        return _run_by(depth - 1, handling=handling)
    trace: list[object] = []
    if handling:
        try:
            raise ValueError
        except ValueError:
            return trace, simulation.run(_program, trace, seed=1).digest
    return trace, simulation.run(_program, trace, seed=1).digest


def test_a_simulation_is_the_same_wherever_it_is_called_from() -> None:
    expected = _run_by(0, handling=False)
    assert len(expected[0]) == 60
    for depth in (0, 90, 150, 300):
        for handling in (False, True):
            assert _run_by(depth, handling=handling) == expected


async def test_a_checkpoint_ends_beside_those_who_publish_and_settle() -> None:
    async def settles_on() -> None:
        while True:
            await settles(bus)
            await trio.lowlevel.checkpoint()

    passes = Passes()
    async with stentor.open_bus() as bus, trio.open_nursery() as nursery:
        bus.register("a", echo).subscribe("t")
        await warm(bus)
        for _ in range(5):
            nursery.start_soon(settles_on)
        trio.lowlevel.add_instrument(passes)
        for _ in range(20):
            before = passes.count
            with contextlib.suppress(stentor.NotSettledError):
                await bus.checkpoint()
            assert passes.count <= before + 5
        nursery.cancel_scope.cancel()


_GIVEN_UP = """
import gc, weakref
import stentor, trio

class Payload: ...

async def handler(message): ...

def broken(_): raise ValueError

async def main():
    async with stentor.open_bus() as bus:
        bus.register("a", handler).subscribe("t")
        for _ in range(3):
            await bus.publish("t", payload := Payload())
            alive.append(weakref.ref(payload))
            await bus.settled()
        alive.append(weakref.ref(bus))
        with trio.CancelScope() as scope:
            scope.cancel()
            await trio.lowlevel.wait_task_rescheduled(broken)

alive = []
try:
    trio.run(main)
except trio.TrioInternalError:
    pass
for _ in range(4):
    gc.collect()
print([reference() for reference in alive])
"""


def test_a_run_that_trio_gives_up_keeps_nothing() -> None:
    ended = subprocess.run([sys.executable, "-c", _GIVEN_UP], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "[None, None, None, None]\n"

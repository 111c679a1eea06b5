"""Shifts: a handler that waits is driven natively or in Python, and is cancelled, interrupted and seen in both."""

from __future__ import annotations

import gc
import signal
import sys
import types
from typing import TYPE_CHECKING, Any, Literal

import pytest
import trio
import trio.lowlevel
import trio.testing

import stentor
from stentor._native import Shift
from tests.bus.accounts import check_conservation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import FrameType

BOTH: tuple[Literal["native", "python"], ...] = ("native", "python")

both = pytest.mark.parametrize("name", BOTH)


def shift_of(task: trio.lowlevel.Task) -> Shift:
    """The native shift that a worker awaits."""
    coroutine: Any = task.coro
    while not isinstance(coroutine, Shift):
        coroutine = coroutine.cr_await
    return coroutine


def frames_of(task: trio.lowlevel.Task) -> list[str]:
    """The names of the functions in which a task waits."""
    return [frame.f_code.co_name for frame, _ in task.iter_await_frames()]


class Waiting:
    """A bus with one agent whose handler does what it is told, and a worker that waits in it."""

    def __init__(self, bus: stentor.Bus, handler: Callable[[stentor.Message], Any]) -> None:
        """Register the agent."""
        self.bus = bus
        self.agent = bus.register("a", handler)
        self.agent.subscribe("t")

    async def task(self) -> trio.lowlevel.Task:
        """The worker, when it waits."""
        await self.bus.publish("t")
        await trio.testing.wait_all_tasks_blocked()
        (task,) = (one for one in self.bus._parts.nursery.child_tasks if one.name.endswith(" for a"))
        return task


@both
async def test_the_two_dispatchers_see_a_handler_through_by_different_code(name: Literal["native", "python"]) -> None:
    called_by: list[str] = []

    async def handler(_: stentor.Message) -> None:
        await trio.lowlevel.checkpoint()
        frame: FrameType | None = sys._getframe().f_back
        while frame is not None:
            called_by.append(frame.f_code.co_name)
            frame = frame.f_back

    async with stentor.open_bus(dispatcher=name) as bus:
        bus.register("a", handler).subscribe("t")
        await bus.publish("t")
        await bus.settled()
    assert ("_see_through" in called_by) is (name == "python")
    assert ("_interruptible" in called_by) is (name == "native")


async def test_a_worker_that_waits_shows_where_its_handler_does() -> None:
    async def inner() -> None:
        await trio.sleep(1)

    async def handler(_: stentor.Message) -> None:
        await inner()

    async with stentor.open_bus(dispatcher="native") as bus:
        task = await Waiting(bus, handler).task()
        names = frames_of(task)
        assert names[0] == "work"
        assert names[names.index("handler") :][:3] == ["handler", "inner", "sleep"]
        await bus.settled()
        await trio.testing.wait_all_tasks_blocked()
        assert "handler" not in frames_of(task)


@both
async def test_what_trio_does_not_understand_is_the_failure_of_the_handler_that_asks_it(
    name: Literal["native", "python"],
) -> None:
    @types.coroutine
    def foreign() -> Generator[str, object, None]:
        yield "a future of another loop"

    async def handler(_: stentor.Message) -> None:
        await trio.sleep(1)
        await foreign()

    async with stentor.open_bus(dispatcher=name) as bus:
        bus.register("a", handler).subscribe("t")
        await bus.publish("t")
        await bus.publish("t")
        await bus.settled()
        assert [type(letter.cause) for letter in bus.dead_letters] == [TypeError, TypeError]
        check_conservation(bus)


async def test_a_shift_hands_every_form_of_an_error_on() -> None:
    seen: list[BaseException] = []
    traceback = None
    try:
        raise KeyError
    except KeyError as error:
        traceback = error.__traceback__

    async def handler(_: stentor.Message) -> str:
        while len(seen) < 5:
            try:
                await trio.sleep_forever()
            except ValueError as error:
                seen.append(error)
        await trio.lowlevel.checkpoint()
        return "end"

    async with stentor.open_bus(dispatcher="native") as bus:
        task = await Waiting(bus, handler).task()
        shift = shift_of(task)
        made = ValueError("x")
        shift.throw(ValueError)
        shift.throw(ValueError("y"))
        shift.throw(ValueError, "z")
        shift.throw(ValueError, made, traceback)
        assert shift.interrupt(ValueError("later"))
        shift.send(None)
        assert [error.args for error in seen] == [(), ("y",), ("z",), ("x",), ("later",)]
        assert seen[3] is made
        frames = []
        at = made.__traceback__
        while at is not None:
            frames.append(at.tb_frame.f_code.co_name)
            at = at.tb_next
        assert frames[-1].startswith("test_a_shift_hands")
        trio.lowlevel.reschedule(task)
        await bus.settled()
        assert bus.statistics().handled == 1
        assert not shift.interrupt(ValueError("nobody"))
        with pytest.raises(ValueError, match="nobody"):
            shift.throw(ValueError("nobody"))
        assert (shift.cr_frame, shift.cr_await) == (None, None)


async def test_a_shift_that_is_closed_ends_the_handler_that_waits() -> None:
    ended: list[BaseException] = []

    async def handler(message: stentor.Message) -> None:
        while message.payload is None:
            try:
                await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.SUCCEEDED)
            except GeneratorExit as error:
                ended.append(error)
                if len(ended) == 2:
                    raise

    async with stentor.open_bus(dispatcher="native") as bus:
        task = await Waiting(bus, handler).task()
        shift = shift_of(task)
        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            shift.close()
        shift.close()
        assert len(ended) == 2
        assert [left.state for left in bus.left] == ["running"]
        shift.close()
        trio.lowlevel.reschedule(task)
        await bus.publish("t", 1)
        await bus.settled()
        assert (bus.statistics().handled, bus.statistics().abandoned) == (1, 1)
        check_conservation(bus)


async def test_a_handler_that_waits_has_a_delivery_when_somebody_asks_for_it() -> None:
    def deliveries() -> int:
        return sum(isinstance(each, stentor.Delivery) for each in gc.get_objects())

    async def handler(_: stentor.Message) -> None:
        await trio.sleep(1)

    async with stentor.open_bus(dispatcher="native") as bus:
        gc.collect()
        before = deliveries()
        waiting = Waiting(bus, handler)
        await waiting.task()
        recipient = waiting.agent._recipient
        assert deliveries() == before
        (delivery,) = recipient.running
        scope = delivery._scope
        assert scope is not None
        assert list(recipient.running) == [delivery]
        await bus.settled()
        assert not recipient.running
        assert delivery._scope is None
        await bus.publish("t")
        await bus.settled()
        del delivery
        assert deliveries() == before
        check_conservation(bus)


@both
async def test_handlers_that_wait_run_in_the_order_in_which_they_began_whoever_asks(
    name: Literal["native", "python"],
) -> None:
    async def handler(message: stentor.Message) -> None:
        if message.payload == 2:
            assert bus.statistics().running == 3
        await trio.sleep(5 - message.payload if isinstance(message.payload, int) else 0)

    async with stentor.open_bus(dispatcher=name) as bus:
        agent = bus.register("a", handler, concurrency=5)
        agent.subscribe("t")
        for number in range(5):
            await bus.publish("t", number)
        await trio.testing.wait_all_tasks_blocked()
        running = agent._recipient.running
        assert [delivery.message.payload for delivery in running] == [0, 1, 2, 3, 4]
        await trio.sleep(2.5)
        assert [delivery.message.payload for delivery in running] == [0, 1, 2]
        await bus.settled()
        assert not running


@pytest.fixture
def tracing() -> Iterator[Callable[[Callable[[FrameType, str], None]], None]]:
    """Has every call, and every resumption of a coroutine, told to a function, until that raises."""
    before = sys.gettrace()
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)

    def begin(tell: Callable[[FrameType, str], None]) -> None:
        def trace(frame: FrameType, event: str, _: object) -> None:
            tell(frame, event)

        sys.settrace(trace)

    yield begin
    sys.settrace(before)
    signal.signal(signal.SIGINT, handler)


@pytest.mark.parametrize("catches", [False, True])
async def test_ctrl_c_that_strikes_a_worker_as_it_resumes_its_handler_reaches_the_handler(
    catches: bool, tracing: Callable[[Callable[[FrameType, str], None]], None]
) -> None:
    seen: list[BaseException] = []
    struck = 0

    async def handler(message: stentor.Message) -> None:
        try:
            await trio.sleep(message.payload)  # type: ignore[arg-type]
        except KeyboardInterrupt as error:
            seen.append(error)
            if not catches:
                raise
            await trio.sleep(1)

    def strike(frame: FrameType, event: str) -> None:
        nonlocal struck
        if frame.f_code.co_name == "_interruptible" and frame.f_lasti > 0 and event == "call":
            struck += 1
            sys.settrace(None)
            raise KeyboardInterrupt

    bus = None
    caught = False
    try:
        async with stentor.open_bus(dispatcher="native") as bus:
            bus.register("a", handler).subscribe("t")
            await bus.publish("t", 1)
            await trio.testing.wait_all_tasks_blocked()
            tracing(strike)
            await bus.settled()
            await bus.publish("t", 2)
    except KeyboardInterrupt:
        caught = True
    assert struck == 1
    assert caught is not catches
    assert len(seen) == 1
    assert bus is not None
    assert (bus.statistics().handled, bus.statistics().abandoned) == ((2, 0) if catches else (0, 1))
    check_conservation(bus)


class Fickle(trio.abc.Clock):
    """A virtual clock, the next reading of which can be interrupted."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.now = 0.0
        self.fails = False

    def start_clock(self) -> None:
        """The run begins."""

    def current_time(self) -> float:
        """Return the time, unless it is interrupted."""
        if self.fails:
            self.fails = False
            raise KeyboardInterrupt
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Jump there."""
        self.now = max(self.now, deadline)
        return 0


class BeforeStep(trio.abc.Instrument):
    """Lets the clock fail when the worker of an agent goes on."""

    def __init__(self, clock: Fickle) -> None:
        """Watch for the first worker that goes on."""
        self._clock = clock

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Look whose turn it is."""
        self._clock.fails = task.name.endswith(" for a")


@pytest.mark.parametrize("at", ["begins", "waits", "goes on", "ends"])
def test_a_clock_that_is_interrupted_in_the_middle_of_a_shift_loses_no_delivery(at: str) -> None:
    clock = Fickle()
    kept: list[stentor.Bus] = []

    async def handler(_: stentor.Message) -> None:
        if at != "begins":
            await trio.lowlevel.checkpoint()
        if at == "goes on":
            trio.lowlevel.add_instrument(BeforeStep(clock))
        else:
            clock.fails = True
        if at in {"waits", "goes on"}:
            await trio.lowlevel.checkpoint()

    async def main() -> None:
        async with stentor.open_bus(dispatcher="native") as bus:
            kept.append(bus)
            bus.register("a", handler).subscribe("t")
            await bus.publish("t")
            await bus.settled()

    with pytest.raises(KeyboardInterrupt):
        trio.run(main, clock=clock)
    (bus,) = kept
    assert bus.statistics().abandoned == 1
    check_conservation(bus)

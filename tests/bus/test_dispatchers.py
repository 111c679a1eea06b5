"""Two dispatchers: the native pump and the one in Python are different code, and do the same."""

from __future__ import annotations

import gc
import sys
import weakref
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, Literal

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

import stentor

if TYPE_CHECKING:
    from collections.abc import Callable

    Name = Literal["native", "python"]

BOTH: tuple[Name, Name] = ("native", "python")


def frames_below(frame: Any) -> list[str]:
    """The names of the functions of stentor that a frame was called by."""
    names: list[str] = []
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("stentor."):
            names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names


@pytest.mark.parametrize(("name", "is_in_python"), [("native", False), ("python", True)])
async def test_the_two_dispatchers_are_different_code(name: Name, is_in_python: bool) -> None:
    called_by: list[str] = []

    async def handler(_: stentor.Message) -> None:
        called_by.extend(frames_below(sys._getframe()))

    async with stentor.open_bus(dispatcher=name) as bus:
        bus.register("a", handler).subscribe("t")
        await bus.publish("t")
        await bus.publish("t")
        await bus.settled()
        assert ("_first_step" in called_by) is is_in_python
        assert ("begin" in called_by) is is_in_python
        assert bool(bus._parts.door.ordinary) is not is_in_python


async def test_another_dispatcher_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^dispatcher must be 'native' or 'python', not 'rust'$"):
        async with stentor.open_bus(dispatcher="rust"):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            pass
    with pytest.raises(ValueError, match=r"^dispatcher must be 'native' or 'python', not ''$"):
        with stentor.bus_defaults(dispatcher=""):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            pass


class Trace(stentor.Observer):
    """What a bus tells of every delivery, in the order in which it does."""

    def __init__(self) -> None:
        self.lines: list[tuple[object, ...]] = []

    def accepted(  # noqa: D102 - of an observer
        self, message: stentor.Message, recipients: tuple[str, ...], inside: stentor.Delivery | None
    ) -> None:
        at = None if inside is None else (inside.agent, inside.message.id)
        self.lines.append(("accepted", message.id, message.topic, message.cause, recipients, at))

    def begun(self, delivery: stentor.Delivery) -> None:  # noqa: D102 - of an observer
        self.lines.append(("begun", delivery.agent, delivery.message.id, delivery.attempt))

    def retrying(self, delivery: stentor.Delivery, error: Exception) -> None:  # noqa: D102 - of an observer
        self.lines.append(("retrying", delivery.agent, delivery.message.id, repr(error)))

    def handled(self, delivery: stentor.Delivery, latency: float) -> None:  # noqa: D102 - of an observer
        self.lines.append(("handled", delivery.agent, delivery.message.id, round(latency, 9)))

    def failed(self, delivery: stentor.Delivery, error: Exception) -> None:  # noqa: D102 - of an observer
        self.lines.append(("failed", delivery.agent, delivery.message.id, repr(error)))

    def dropped(self, delivery: stentor.Delivery) -> None:  # noqa: D102 - of an observer
        self.lines.append(("dropped", delivery.agent, delivery.message.id))


async def everything(bus: stentor.Bus, called: list[tuple[object, ...]]) -> None:
    """A program in which handlers return, answer, publish, fail, are tried again and wait."""

    async def relay(message: stentor.Message, delivery: stentor.Delivery) -> None:
        called.append(("relay", message.id, delivery.attempt))
        if isinstance(message.payload, int) and message.payload:
            await bus.publish("chain", message.payload - 1)

    async def failing(message: stentor.Message) -> None:
        called.append(("failing", message.id))
        raise ValueError(message.payload)

    async def waiting(message: stentor.Message) -> None:
        called.append(("waiting", message.id))
        await trio.sleep(1)

    async def answering(message: stentor.Message) -> object:
        called.append(("answering", message.id))
        return message.payload

    bus.register("relay", relay).subscribe("chain")
    bus.register("failing", failing, retry=stentor.RetryPolicy(attempts=3)).subscribe("*")
    bus.register("waiting", waiting).subscribe("chain", capacity=2, overflow="drop_oldest")
    bus.register("answering", answering).subscribe("question")
    for number in range(5):
        await bus.publish("chain", number, sender="main")
        await bus.publish("chain", number, priority=stentor.Priority.HIGH)
    called.append(("reply", (await bus.request("question", "why?", timeout=100)).payload))
    await bus.settled()


@pytest.mark.parametrize("observed", [True, False])
def test_both_dispatchers_give_the_same_order_and_the_same_books(observed: bool) -> None:
    def run(name: Name) -> tuple[object, ...]:
        trace, called = Trace(), list[tuple[object, ...]]()

        async def main() -> object:
            observers = [trace] if observed else []
            async with stentor.open_bus(dispatcher=name, seed=1, observers=observers) as bus:
                await everything(bus, called)
                return [
                    (agent.name, {k: getattr(agent, k) for k in ("addressed", "handled", "dead", "dropped")})
                    for agent in bus._parts.registry.agents()
                ]

        return trio.run(main, clock=MockClock(autojump_threshold=0)), called, trace.lines

    assert run("native") == run("python")


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("name", BOTH)
async def test_a_context_variable_of_one_call_is_not_seen_by_the_next(name: Name, waits: bool) -> None:
    mark: ContextVar[int] = ContextVar("mark", default=0)
    seen: list[int] = []

    async def handler(message: stentor.Message) -> None:
        seen.append(mark.get())
        if waits:
            await trio.lowlevel.checkpoint()
        if message.payload == "set":
            mark.set(1)
        if message.payload == "set twice":
            mark.set(1)
            mark.set(0)

    async with stentor.open_bus(dispatcher=name) as bus:
        bus.register("a", handler).subscribe("t")
        for payload in ("leave", "set", "leave", "set twice", "leave", "leave"):
            await bus.publish("t", payload)
        await bus.settled()
    assert seen == [0] * 6


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("name", BOTH)
async def test_a_task_that_outlives_its_handler_keeps_the_delivery_in_whose_handler_it_began(
    name: Name, waits: bool
) -> None:
    causes: list[tuple[object, str | None]] = []

    async def later(bus: stentor.Bus, payload: object) -> None:
        await trio.sleep(1)
        causes.append((payload, (await bus.publish("late")).message.cause))

    async with trio.open_nursery() as nursery, stentor.open_bus(dispatcher=name, seed=1) as bus:

        async def handler(message: stentor.Message) -> None:
            if message.payload:
                nursery.start_soon(later, bus, message.payload)
            if waits:
                await trio.lowlevel.checkpoint()

        bus.register("a", handler).subscribe("t")
        ids = {payload: (await bus.publish("t", payload)).message.id for payload in (1, 0, 2, 0)}
        await bus.settled()
        assert bus.statistics().running == 0
        await trio.sleep(2)
    assert sorted(causes, key=str) == [(1, ids[1]), (2, ids[2])]


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("name", BOTH)
async def test_a_handler_sees_itself_run(name: Name, waits: bool) -> None:
    async with stentor.open_bus(dispatcher=name) as bus:
        running: list[int] = []

        async def handler(_: stentor.Message) -> None:
            if waits:
                await trio.lowlevel.checkpoint()
            running.append(bus.statistics().running)

        bus.register("a", handler).subscribe("t")
        await bus.publish("t")
        await bus.publish("t")
        await bus.settled()
        assert running == [1, 1]
        assert bus.statistics().running == 0


class Payload:
    """Something that a weak reference can be made to."""


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("name", BOTH)
async def test_what_was_handled_is_let_go(name: Name, waits: bool) -> None:
    async def handler(message: stentor.Message) -> None:
        if waits:
            await trio.lowlevel.checkpoint()
        assert message.payload is not None

    async with stentor.open_bus(dispatcher=name) as bus:
        bus.register("a", handler).subscribe("t")
        references = []
        for _ in range(3):
            payload = Payload()
            references.append(weakref.ref(payload))
            await bus.publish("t", payload)
            del payload
            await bus.settled()
        gc.collect()
        assert [reference() for reference in references] == [None] * 3


def cyclic_message() -> tuple[weakref.ref[Payload], object]:
    held = Payload()
    payload: list[object] = [held]
    message = stentor.Message("t", payload)
    payload.append(message)
    return weakref.ref(held), message


def cyclic_lane() -> tuple[weakref.ref[Payload], object]:
    held = Payload()

    async def main() -> object:
        async with stentor.open_bus() as bus:
            agent = bus.register("a")
            agent.subscribe("t")
            held.bus = bus  # type: ignore[attr-defined]
            await bus.publish("t", held)
            return bus

    return weakref.ref(held), trio.run(main)


def cyclic_context() -> tuple[weakref.ref[Payload], object]:
    """What a handler's context holds, and holds the bus; the handler has been called in it."""
    held = Payload()

    async def main() -> object:
        application.set(held)
        async with stentor.open_bus() as bus:
            held.bus = bus  # type: ignore[attr-defined]
            bus.register("a", ignore).subscribe("t")
            await bus.publish("t")
            await bus.settled()
            return bus

    application = ContextVar[object]("application")
    return weakref.ref(held), copy_context().run(trio.run, main)


def cyclic_clock() -> tuple[weakref.ref[Payload], object]:
    """A clock that holds the bus to which it tells the time."""

    class Clock(trio.abc.Clock):
        held = Payload()

        def start_clock(self) -> None: ...

        def current_time(self) -> float:
            return 0.0

        def deadline_to_sleep_time(self, deadline: float) -> float:
            return max(0.0, deadline)

    clock = Clock()
    clock.held = held = Payload()

    async def main() -> object:
        async with stentor.open_bus() as bus:
            held.bus = bus  # type: ignore[attr-defined]
            return bus

    return weakref.ref(held), trio.run(main, clock=clock)


async def ignore(_: stentor.Message) -> None:
    """Do nothing."""


@pytest.mark.parametrize("make", [cyclic_message, cyclic_lane, cyclic_context, cyclic_clock])
def test_cycles_through_native_objects_are_collected(make: Callable[[], tuple[weakref.ref[Payload], object]]) -> None:
    reference, kept = make()
    gc.collect()
    assert reference() is not None
    del kept
    gc.collect()
    assert reference() is None


def _blocks_after(deliveries: int) -> int:
    async def main() -> int:
        async def handler(_: stentor.Message) -> None: ...

        async def marked(_: stentor.Message, delivery: stentor.Delivery) -> None:
            variable.set(delivery.attempt)

        async def suspended(_: stentor.Message) -> None:
            await trio.lowlevel.checkpoint()

        variable: ContextVar[int] = ContextVar("variable")
        async with stentor.open_bus(dispatcher="native") as bus:
            for number in range(8):
                bus.register(f"plain-{number}", handler).subscribe("t")
            bus.register("marked", marked).subscribe("t")
            bus.register("waiting", suspended).subscribe("u")
            for number in range(deliveries // 10):
                await bus.publish("t", number)
                await bus.publish("u", number)
                if number % 100 == 99:
                    await bus.settled()
            await bus.settled()
            gc.collect()
            return sys.getallocatedblocks()

    return trio.run(main)


async def _many_at_once() -> None:
    """Make so many messages that, when they are let go of, as much memory is kept for others as ever is."""
    async with stentor.open_bus() as bus:
        _ = [await bus.publish("t") for _ in range(1000)]


@pytest.mark.parametrize("deliveries", [20_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_no_reference_is_lost_however_many_deliveries(deliveries: int) -> None:
    trio.run(_many_at_once)
    few = _blocks_after(2_000)
    many = _blocks_after(deliveries)
    assert many - few < 200

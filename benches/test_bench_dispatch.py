"""What it costs to deliver a message: the bus beside a bare loop of handlers and beside trio's channels by hand.

`pytest benches/test_bench_dispatch.py --benchmark-enable --benchmark-group-by=group` measures; without the option each
program runs once, as a test. Whatever a program does between `trio.run` and its end is measured; divide by
`deliveries` in the extra information for the cost of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

import stentor
from stentor._native import BUILD_PROFILE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_benchmark.fixture import BenchmarkFixture

    Program = Callable[[int, int], Awaitable[int]]

DELIVERIES = 20_000
BURST = 100


async def handler(message: object) -> None:
    """Does nothing, without waiting."""


async def bare_loop(width: int, messages: int) -> int:
    """The floor: somebody calls each handler and waits for it."""
    routes = {"topic": (handler,) * width}
    for number in range(messages):
        for each in routes["topic"]:
            await each(number)
    return width * messages


async def trio_channels(width: int, messages: int) -> int:
    """By hand: a memory channel and a task for each recipient."""
    received = 0

    async def receive(channel: trio.MemoryReceiveChannel[int]) -> None:
        nonlocal received
        async for number in channel:
            await handler(number)
            received += 1

    async with trio.open_nursery() as nursery:
        senders: list[trio.MemorySendChannel[int]] = []
        for _ in range(width):
            sender, receiver = trio.open_memory_channel[int](messages)
            senders.append(sender)
            nursery.start_soon(receive, receiver)
        for number in range(messages):
            for sender in senders:
                await sender.send(number)
        for sender in senders:
            sender.close()
    return received


async def fan_out(width: int, messages: int) -> int:
    """The bus: one topic that every agent listens to, in bursts."""
    async with stentor.open_bus() as bus:
        for number in range(width):
            bus.register(f"agent-{number}", handler).subscribe("topic")
        for number in range(messages):
            await bus.publish("topic", number)
            if number % BURST == BURST - 1:
                await bus.settled()
        await bus.settled()
        return bus.statistics().handled


async def one_to_one(width: int, messages: int) -> int:
    """The bus: each agent has a topic of its own, and gets so many messages."""
    async with stentor.open_bus() as bus:
        for number in range(width):
            bus.register(f"agent-{number}", handler).subscribe(f"topic.{number}")
        for number in range(width * messages):
            await bus.publish(f"topic.{number % width}", number)
            if number % BURST == BURST - 1:
                await bus.settled()
        await bus.settled()
        return bus.statistics().handled


async def ask(_: int, messages: int) -> int:
    """The bus: a question, and the wait for its answer."""

    async def answer(message: stentor.Message) -> object:
        return message.payload

    async with stentor.open_bus() as bus:
        bus.register("sage", answer).subscribe("question")
        for number in range(messages):
            await bus.request("question", number)
        return bus.statistics().handled


async def suspending(width: int, messages: int) -> int:
    """The bus: handlers that always wait for something."""

    async def wait(_: stentor.Message) -> None:
        await trio.lowlevel.checkpoint()

    async with stentor.open_bus() as bus:
        for number in range(width):
            bus.register(f"agent-{number}", wait).subscribe("topic")
        for number in range(messages):
            await bus.publish("topic", number)
        await bus.settled()
        return bus.statistics().handled


@pytest.fixture
def measure(benchmark: BenchmarkFixture) -> Callable[[Program, int, int], None]:
    """Measures a program, of which it demands that it made its deliveries; refuses to time a debug build."""

    def run(program: Program, width: int, messages: int) -> None:
        if not benchmark.disabled and BUILD_PROFILE != "release":
            pytest.fail("a debug build says nothing about speed: build with --release", pytrace=False)
        benchmark.extra_info["deliveries"] = width * messages  # pyright: ignore[reportUnknownMemberType]
        delivered = benchmark.pedantic(lambda: trio.run(program, width, messages), rounds=5, warmup_rounds=1)  # type: ignore[no-untyped-call]
        assert delivered == width * messages

    return run


def _messages(benchmark: BenchmarkFixture, width: int) -> int:
    return 2 if benchmark.disabled else DELIVERIES // width


@pytest.mark.parametrize("width", [1, 10, 100, 1000])
@pytest.mark.parametrize("program", [bare_loop, trio_channels, fan_out])
def test_fan_out(
    program: Program, width: int, measure: Callable[[Program, int, int], None], benchmark: BenchmarkFixture
) -> None:
    benchmark.group = f"fan-out {width}"
    measure(program, width, _messages(benchmark, width))


@pytest.mark.parametrize("program", [bare_loop, trio_channels, one_to_one])
def test_one_to_one_over_1000_agents(
    program: Program, measure: Callable[[Program, int, int], None], benchmark: BenchmarkFixture
) -> None:
    benchmark.group = "one to one"
    measure(program, 1000, _messages(benchmark, 1000))


@pytest.mark.parametrize(("program", "width"), [(ask, 1), (suspending, 100)])
def test_waits(
    program: Program, width: int, measure: Callable[[Program, int, int], None], benchmark: BenchmarkFixture
) -> None:
    benchmark.group = program.__name__
    measure(program, width, 2 if benchmark.disabled else 2000 // width)

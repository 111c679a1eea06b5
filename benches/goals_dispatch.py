"""The goals of delivery, each a ratio of things measured in turns in this run: ``python -m benches.goals_dispatch``.

In every round each side of each row has its turn, one right after the other; a figure is the median of the rounds'
ratios. ``--dispatcher python`` measures the reference. A row that another program of the same run is the floor of names
it. Peers are left out where they are not installed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import time
import tracemalloc
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import trio
import trio.testing

import stentor
from stentor._native import BUILD_PROFILE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

BURST: Final = 100
MESSAGES: Final = 20_000
SINGLES: Final = 2_000
AGENTS: Final = 100_000

SETTINGS: dict[str, Any] = {}
"""What each bus is opened with."""


class Row(NamedTuple):
    """One goal: two measurements, and what their ratio may be."""

    quantity: str
    ours: Callable[[], float]
    floor: Callable[[], float]
    goal: float
    worst: float


async def handler(message: object) -> None:
    """Do nothing, without waiting."""


async def waiting(_: object) -> None:
    """Do nothing, and let others have a turn."""
    await trio.lowlevel.checkpoint()


def seconds(program: Callable[..., Awaitable[float]], *args: object) -> float:
    """Return what a program, run under trio, says that it took."""
    return trio.run(program, *args)


# -- the floors -----------------------------------------------------------------------------------------------------


def bare_loop(width: int) -> float:
    """Nanoseconds for each `await handler(m)` in a loop over handlers."""

    async def run() -> float:
        handlers = (handler,) * width
        begin = time.perf_counter()
        for number in range(MESSAGES * 10 // width):
            for each in handlers:
                await each(number)
        return (time.perf_counter() - begin) / (MESSAGES * 10 // width * width) * 1e9

    return seconds(run)


def lookup_and_call() -> float:
    """Nanoseconds for a `dict.get` of the handler and `await handler(m)`."""

    async def run() -> float:
        routes = {"topic": handler}
        get = routes.get
        begin = time.perf_counter()
        for number in range(MESSAGES * 10):
            await get("topic")(number)  # type: ignore[misc]
        return (time.perf_counter() - begin) / (MESSAGES * 10) * 1e9

    return seconds(run)


def checkpoint() -> float:
    """Nanoseconds for one `trio.lowlevel.checkpoint()`, the median."""

    async def run() -> float:
        return await _p50(trio.lowlevel.checkpoint)

    return seconds(run)


async def _p50(call: Callable[[], Awaitable[object]]) -> float:
    taken: list[float] = []
    for _ in range(SINGLES):
        begin = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken) * 1e9


def channels_one_to_one() -> float:
    """Nanoseconds a message: a memory channel and a task for each of 1,000 agents, by hand."""

    async def run() -> float:
        handled = 0

        async def receive(channel: trio.MemoryReceiveChannel[int]) -> None:
            nonlocal handled
            async for number in channel:
                await handler(number)
                handled += 1

        async with trio.open_nursery() as nursery:
            senders: list[trio.MemorySendChannel[int]] = []
            for _ in range(1000):
                sender, receiver = trio.open_memory_channel[int](MESSAGES)
                senders.append(sender)
                nursery.start_soon(receive, receiver)
            await trio.testing.wait_all_tasks_blocked()
            begin = time.perf_counter()
            for number in range(MESSAGES):
                await senders[number * 7919 % 1000].send(number)
                if number % BURST == BURST - 1:
                    while handled <= number:
                        await trio.lowlevel.checkpoint()
            taken = time.perf_counter() - begin
            for sender in senders:
                sender.close()
        return taken / MESSAGES * 1e9

    return seconds(run)


def parked_tasks() -> float:
    """Nanoseconds a delivery: a deque and a task for each of 100 agents whose handlers always suspend, by hand."""

    async def run() -> float:
        handled = 0
        width, messages = 100, MESSAGES // 200

        async def serve(queue: deque[int], lot: trio.lowlevel.ParkingLot) -> None:
            nonlocal handled
            while True:
                while not queue:
                    await lot.park()
                await waiting(queue.popleft())
                handled += 1

        async with trio.open_nursery() as nursery:
            agents = [(deque[int](), trio.lowlevel.ParkingLot()) for _ in range(width)]
            for queue, lot in agents:
                nursery.start_soon(serve, queue, lot)
            await trio.testing.wait_all_tasks_blocked()
            begin = time.perf_counter()
            for number in range(messages):
                for queue, lot in agents:
                    queue.append(number)
                    lot.unpark()
                if number % BURST == BURST - 1:
                    while handled < (number + 1) * width:
                        await trio.lowlevel.checkpoint()
            taken = time.perf_counter() - begin
            nursery.cancel_scope.cancel()
        return taken / (messages * width) * 1e9

    return seconds(run)


def asyncio_queues() -> float:
    """Nanoseconds a delivery at fan-out 100: an asyncio.Queue and a task for each agent, by hand."""

    async def run() -> float:
        width, messages = 100, MESSAGES // 100
        done = asyncio.Event()
        handled = 0

        async def receive(queue: asyncio.Queue[int]) -> None:
            nonlocal handled
            while True:
                await handler(await queue.get())
                handled += 1
                if handled == wanted:
                    done.set()

        queues = [asyncio.Queue[int]() for _ in range(width)]
        tasks = [asyncio.create_task(receive(queue)) for queue in queues]
        await asyncio.sleep(0)
        begin = time.perf_counter()
        for first in range(0, messages, BURST):
            done.clear()
            wanted = (first + BURST) * width
            for number in range(BURST):
                for queue in queues:
                    queue.put_nowait(number)
            await done.wait()
        taken = time.perf_counter() - begin
        for task in tasks:
            task.cancel()
        return taken / (messages * width) * 1e9

    return asyncio.run(run())


# -- the bus ----------------------------------------------------------------------------------------------------------


def fan_out(width: int, **options: Any) -> float:
    """Nanoseconds a delivery: one topic that so many agents listen to, in bursts of 100; the first is not measured."""
    settings = options.pop("settings", {})

    async def run() -> float:
        async with stentor.open_bus(**SETTINGS, **settings) as bus:
            for number in range(width):
                bus.register(f"agent-{number}", handler, **options).subscribe("topic")
            for number in range(BURST):
                await bus.publish("topic", number)
            await bus.settled()
            messages = max(5 * BURST, MESSAGES * 10 // width)
            begin = time.perf_counter()
            for _ in range(messages // BURST):
                for number in range(BURST):
                    await bus.publish("topic", number)
                await bus.settled()
            taken = time.perf_counter() - begin
            assert bus.statistics().handled == (BURST + messages) * width
        return taken / (messages * width) * 1e9

    return seconds(run)


def one_to_one() -> float:
    """Nanoseconds a message: 1,000 agents, each with a topic of its own, in bursts of 100."""

    async def run() -> float:
        async with stentor.open_bus(**SETTINGS) as bus:
            for number in range(1000):
                bus.register(f"agent-{number}", handler).subscribe(f"topic.{number}")
            topics = [f"topic.{number * 7919 % 1000}" for number in range(MESSAGES)]
            begin = time.perf_counter()
            for number, topic in enumerate(topics):
                await bus.publish(topic, number)
                if number % BURST == BURST - 1:
                    await bus.settled()
            taken = time.perf_counter() - begin
        return taken / MESSAGES * 1e9

    return seconds(run)


def idle_latency() -> float:
    """Nanoseconds from `publish` to the handler when nothing else happens, the median."""

    async def run() -> float:
        taken: list[float] = []
        begin = 0.0

        async def note(_: stentor.Message) -> None:
            taken.append(time.perf_counter() - begin)

        async with stentor.open_bus(**SETTINGS) as bus:
            bus.register("agent", note).subscribe("topic")
            for number in range(SINGLES):
                begin = time.perf_counter()
                await bus.publish("topic", number)
                while len(taken) <= number:
                    await trio.lowlevel.checkpoint()
        return statistics.median(taken) * 1e9

    return seconds(run)


def request_reply() -> float:
    """Nanoseconds from a question to its answer, the median."""

    async def run() -> float:
        async def answer(message: stentor.Message) -> object:
            return message.payload

        async with stentor.open_bus(**SETTINGS) as bus:
            bus.register("sage", answer).subscribe("question")
            return await _p50(lambda: bus.request("question", 1))

    return seconds(run)


def one_at_a_time() -> float:
    """Nanoseconds from `publish` to `settled`, when each message is waited for, the median."""

    async def run() -> float:
        async with stentor.open_bus(**SETTINGS) as bus:
            bus.register("agent", handler).subscribe("topic")

            async def step() -> None:
                await bus.publish("topic")
                await bus.settled()

            return await _p50(step)

    return seconds(run)


def suspending() -> float:
    """Nanoseconds a delivery: 100 agents whose handlers always suspend."""

    async def run() -> float:
        width, messages = 100, MESSAGES // 200
        async with stentor.open_bus(**SETTINGS) as bus:
            for number in range(width):
                bus.register(f"agent-{number}", waiting).subscribe("topic")
            await bus.publish("topic", 0)
            await bus.settled()
            begin = time.perf_counter()
            for number in range(messages):
                await bus.publish("topic", number)
                if number % BURST == BURST - 1:
                    await bus.settled()
            taken = time.perf_counter() - begin
        return taken / (messages * width) * 1e9

    return seconds(run)


def creation() -> tuple[float, float]:
    """Return seconds to make, and bytes to keep, each of 100,000 idle agents with one subscription."""

    async def run(*, traced: bool) -> float:
        async with stentor.open_bus(**SETTINGS) as bus:
            gc.collect()
            if traced:
                tracemalloc.start()
            begin = time.perf_counter()
            for number in range(AGENTS):
                bus.register(f"agent-{number}", handler).subscribe(f"topic.{number}")
            taken = time.perf_counter() - begin
            if traced:
                gc.collect()
                taken = tracemalloc.get_traced_memory()[0] / AGENTS
                taken += bus._parts.table._index.index.statistics().bytes / AGENTS  # noqa: SLF001
                tracemalloc.stop()
        return taken

    async def untraced() -> float:
        return await run(traced=False)

    async def traced() -> float:
        return await run(traced=True)

    return seconds(untraced), seconds(traced)


def rows() -> Iterator[Row]:
    """List the goals."""
    yield Row("fan-out 100, a delivery / bare loop", lambda: fan_out(100), lambda: bare_loop(100), 1.8, 2.5)
    yield Row("fan-out 1000, a delivery / bare loop", lambda: fan_out(1000), lambda: bare_loop(1000), 1.8, 2.5)
    yield Row("fan-out 1, publish to handled / dict.get and call", lambda: fan_out(1), lookup_and_call, 1.8, 3)
    yield Row("one to one over 1,000 / trio channels by hand", one_to_one, channels_one_to_one, 1 / 6, 1 / 3)
    yield Row("publish to handler when idle, p50 / checkpoint", idle_latency, checkpoint, 2, 3)
    yield Row("request to reply, p50 / checkpoint", request_reply, checkpoint, 3, 4)
    yield Row("publish to settled, one by one, p50 / checkpoint", one_at_a_time, checkpoint, 1, 2)
    yield Row("handlers that suspend / deque and task by hand", suspending, parked_tasks, 1.2, 2)
    yield Row("rate at fan-out 100 / asyncio.Queue by hand", asyncio_queues, lambda: fan_out(100), 7, 4)


def main() -> None:
    """Measure the goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--only", help="rows whose text contains this")
    parser.add_argument("--dispatcher", choices=["native", "python"])
    arguments = parser.parse_args()
    if BUILD_PROFILE != "release":
        parser.error("a debug build says nothing about speed: build with --release")
    if arguments.dispatcher:
        SETTINGS["dispatcher"] = arguments.dispatcher
    _say(f"Python {sys.version.split()[0]}, trio {trio.__version__}, {arguments.rounds} rounds")
    for row in rows():
        if arguments.only and arguments.only not in row.quantity:
            continue
        pairs = [(row.ours(), row.floor()) for _ in range(arguments.rounds)]
        ratio = statistics.median(ours / floor for ours, floor in pairs)
        ours, floor = (statistics.median(side) for side in zip(*pairs, strict=True))
        _say(
            f"{row.quantity:<52} {ours:9.0f} ns {floor:9.0f} ns  {ratio:6.2f}"
            f"  goal {row.goal:.2f}, worst {row.worst:.2f}"
        )
    if not arguments.only:
        made, kept = creation()
        _say(f"creating {AGENTS} agents: {made:.2f} s; {kept:.0f} bytes each")


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a program's output


if __name__ == "__main__":
    main()

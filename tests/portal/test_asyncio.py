"""A portal under asyncio: awaited, in the order of each task, bounded without blocking the loop, and cancelled."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

import stentor
from tests.bus.accounts import check_conservation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.real_clock


async def under_asyncio(main: Callable[..., Awaitable[Any]], *arguments: object) -> Any:
    """Run `main` under asyncio in another thread, and return what it returns."""
    return await trio.to_thread.run_sync(lambda: asyncio.run(main(*arguments)))  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the loop of asyncio, which trio does not see, has done something."""
    while not condition():  # noqa: ASYNC110 - nobody tells
        await trio.sleep(0.001)


async def test_portal_answers_under_asyncio_as_the_bus_does() -> None:
    async def sage(message: stentor.Message) -> object:
        return None if message.payload is None else f"{message.payload}!"

    async def main(portal: stentor.Portal) -> None:
        assert (await portal.publish_async("questions", sender="me")).recipients == ("sage",)
        assert (await portal.send_async("sage")).recipients == ("sage",)
        assert (await portal.request_async("questions", "why")).payload == "why!"
        assert (await portal.publish_and_wait_async("questions")).subscribers_reached == 1
        routed = await portal.route_async(stentor.Message("questions", "x"))
        assert routed.outcomes == {"sage": stentor.Routed.DELIVERED}
        with pytest.raises(stentor.NoResponderError):
            await portal.request_async("nobody.listens")
        with pytest.raises(stentor.InvalidTopicError):
            await portal.publish_async("a..b")
        assert (await asyncio.wrap_future(portal.publish_soon("questions"))).recipients == ("sage",)

    async with stentor.open_bus() as bus:
        bus.register("sage", sage).subscribe("questions")
        await under_asyncio(main, bus.portal())


@pytest.mark.parametrize("capacity", [1, 3, 1000])
async def test_portal_takes_each_message_of_each_task_once_and_in_order(capacity: int) -> None:
    got: list[list[object]] = [[] for _ in range(20)]

    async def handler(message: stentor.Message) -> None:
        got[int(message.topic.rpartition(".")[2])].append(message.payload)

    async def publish(portal: stentor.Portal, number: int) -> None:
        for i in range(20):
            await portal.publish_async(f"from.{number}", i)

    async def main(portal: stentor.Portal) -> None:
        await asyncio.gather(*(publish(portal, number) for number in range(20)))

    async with stentor.open_bus() as bus:
        bus.register("all", handler).subscribe("from.*", capacity=5)
        await under_asyncio(main, bus.portal(capacity=capacity))
        await bus.settled()
        check_conservation(bus)
    assert got == [list(range(20))] * 20


async def test_portal_does_not_block_the_loop_of_asyncio() -> None:
    async def main(portal: stentor.Portal) -> int:
        turns = 0
        waiting = [asyncio.create_task(portal.publish_async("t", number)) for number in range(10)]
        while portal._entrance._free or len(portal._entrance._callers) < 8:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        trio.from_thread.run_sync(full.set)
        while not all(task.done() for task in waiting):
            turns += 1
            await asyncio.sleep(0)
        assert [(await task).message.payload for task in waiting] == list(range(10))
        return turns

    full = trio.Event()
    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t", capacity=1)
        await bus.publish("t")

        async def read() -> None:
            await full.wait()
            for _ in range(11):
                await feed.receive()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            assert await under_asyncio(main, bus.portal(capacity=2)) > 0


async def test_portal_reaches_nobody_when_it_is_cancelled_while_it_waits() -> None:
    async def main(portal: stentor.Portal) -> None:
        inside = asyncio.create_task(portal.publish_async("t", "inside"))
        while not portal._entrance._lines:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        outside = [asyncio.create_task(portal.publish_async("t", f"outside {number}")) for number in range(3)]
        while len(portal._entrance._callers) < 3:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        for task in (inside, outside[1]):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        trio.from_thread.run_sync(cancelled.set)
        assert [(await task).message.payload for task in (outside[0], outside[2])] == ["outside 0", "outside 2"]

    cancelled = trio.Event()
    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t", capacity=1)
        await bus.publish("t", 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(under_asyncio, main, bus.portal(capacity=1))
            await cancelled.wait()
            assert [(await feed.receive()).payload for _ in range(3)] == [0, "outside 0", "outside 2"]
        check_conservation(bus, feed)
        assert bus.statistics().messages == 3


async def test_portal_asks_no_more_when_it_is_cancelled() -> None:
    begun = trio.Event()

    async def slow(_: stentor.Message) -> None:
        begun.set()
        await trio.sleep_forever()

    async def main(portal: stentor.Portal) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(portal.request_async("q", timeout=1000), 0.02)

    async with stentor.open_bus(drain_timeout=0) as bus:
        bus.register("slow", slow).subscribe("q")
        await under_asyncio(main, bus.portal())
        await begun.wait()
        await until(lambda: not len(bus._parts.requests))


async def test_portal_wakes_others_when_a_loop_is_gone_that_waited_for_room() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    def abandon(portal: stentor.Portal) -> None:
        loop = asyncio.new_event_loop()
        loops.append(loop)
        task = loop.create_task(portal.publish_async("t", "gone"))
        loop.run_until_complete(asyncio.sleep(0))
        task.cancel()
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()

    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t", capacity=1)
        await bus.publish("t", 0)
        portal = bus.portal(capacity=1)
        stuck = portal.publish_soon("t", 1)
        await trio.testing.wait_all_tasks_blocked()
        await trio.to_thread.run_sync(abandon, portal)
        portal._entrance._callers.append(lambda: False)  # as of a loop that was closed without being cancelled
        async with trio.open_nursery() as nursery:
            nursery.start_soon(under_asyncio, partial(portal.publish_async, "t"), 2)
            await until(lambda: len(portal._entrance._callers) == 2)
            assert [(await feed.receive()).payload for _ in range(3)] == [0, 1, 2]
        assert stuck.done()


@pytest.mark.parametrize("seed", range(6))
async def test_portal_loses_nothing_when_the_bus_ends_while_tasks_publish(seed: int) -> None:
    accepted = closed = 0

    async def publish(portal: stentor.Portal) -> None:
        nonlocal accepted, closed
        try:
            while True:
                await portal.publish_async("t")
                accepted += 1
        except trio.ClosedResourceError:
            closed += 1

    async def main(portal: stentor.Portal) -> None:
        await asyncio.gather(*(publish(portal) for _ in range(10)))

    async def handler(_: stentor.Message) -> None:
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            async with stentor.open_bus() as bus:
                bus.register("a", handler).subscribe("t", capacity=2)
                nursery.start_soon(under_asyncio, main, bus.portal(capacity=4))
                await until(lambda: accepted > 3 * seed)
                if seed % 2:
                    scope.cancel()
    assert closed == 10
    assert bus.statistics().messages == accepted
    check_conservation(bus)

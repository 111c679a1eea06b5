"""A closed bus: who calls it, or still waits for it, is told so, and what anybody has of it stays in the books."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

import stentor
from tests.bus.accounts import all_parked, check_conservation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def sleeper(seconds: float, ended: list[object]) -> Callable[[stentor.Message], Awaitable[None]]:
    async def handler(message: stentor.Message) -> None:
        await trio.sleep(seconds)
        ended.append(message.payload)

    return handler


async def test_shutdown_a_closed_bus_refuses_and_a_second_close_is_harmless() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", sleeper(0, []))
        idle = bus.register("b")
        subscription = agent.subscribe("t")
        feed = bus.subscribe("t")
        await bus.publish("t")
        feed.receive_nowait()
    before = bus.statistics().handled, bus.left
    for call in (
        lambda: bus.publish_nowait("t"),
        lambda: bus.register("new"),
        lambda: bus.subscribe("t"),
        lambda: agent.subscribe("t"),
    ):
        with pytest.raises(trio.ClosedResourceError, match=r"^the bus is closed$"):
            call()
    with pytest.raises(trio.ClosedResourceError, match=r"^the bus is closed$"):
        await bus.publish("t")
    for owner in (feed, idle):
        with pytest.raises(trio.EndOfChannel):
            owner.receive_nowait()
        with pytest.raises(trio.EndOfChannel):
            await owner.receive()
        assert [message async for message in owner] == []
    assert agent.closed
    assert feed.closed
    for _ in range(2):
        subscription.close()
        agent.close()
        feed.close()
        idle.close()
    with pytest.raises(trio.ClosedResourceError, match=rf"^'{feed.name}' is closed$"):
        feed.receive_nowait()
    bus._close()
    await bus.settled(timeout=0)
    assert (bus.statistics().handled, bus.left) == before
    check_conservation(bus, agent, feed, idle)


@pytest.mark.parametrize("reader", ["feed", "handler"])
async def test_shutdown_a_publisher_that_waits_for_room_when_the_bus_closes_is_refused(reader: str) -> None:
    outcomes: list[str] = []

    async def hang(_: stentor.Message) -> None:
        await trio.sleep_forever()

    async def publish(bus: stentor.Bus, sender: str | None) -> None:
        try:
            await bus.publish("t", sender=sender)
        except trio.ClosedResourceError as error:
            outcomes.append(str(error))

    async with trio.open_nursery() as nursery:
        async with stentor.open_bus(drain_timeout=1) as bus:
            member = bus.subscribe("t", capacity=1) if reader == "feed" else bus.register("a", hang)
            if reader == "handler":
                member.subscribe("t", capacity=1)
                await bus.publish("t")
                await all_parked()
            await bus.publish("t")
            for sender in (None, "me", "me", "me", None):
                nursery.start_soon(publish, bus, sender)
                await all_parked()
    assert outcomes == ["the bus is closed"] * 5
    record = member.statistics()
    assert record.addressed == record.abandoned == len(bus.left) == (1 if reader == "feed" else 2)
    check_conservation(bus, member)


async def test_shutdown_a_publisher_that_only_lets_others_have_a_turn_is_refused_by_the_closed_bus() -> None:
    accepted = 0

    async def publish(bus: stentor.Bus) -> None:
        nonlocal accepted
        with pytest.raises(trio.ClosedResourceError):
            while True:
                await bus.publish("t")
                accepted += 1

    async with trio.open_nursery() as nursery:
        async with stentor.open_bus() as bus:
            nursery.start_soon(publish, bus)
            await trio.lowlevel.checkpoint()
    assert bus.statistics().messages == accepted


async def test_shutdown_ends_receivers_and_iterators() -> None:
    ends: list[str] = []

    async def receive(feed: stentor.Feed[stentor.Message]) -> None:
        try:
            await feed.receive()
        except trio.EndOfChannel:
            ends.append("end of channel")

    async def iterate(feed: stentor.Feed[stentor.Message]) -> None:
        async for _ in feed:
            ends.append("message")
        ends.append("end of loop")

    async def receive_closed(feed: stentor.Feed[stentor.Message]) -> None:
        try:
            await feed.receive()
        except trio.ClosedResourceError as error:
            ends.append(str(error))

    async with trio.open_nursery() as nursery:
        async with stentor.open_bus() as bus:
            feed, other = bus.subscribe("t"), bus.subscribe("u")
            nursery.start_soon(receive_closed, other)
            await all_parked()
            other.close()
            await all_parked()
            nursery.start_soon(receive, feed)
            await all_parked()
            nursery.start_soon(iterate, feed)
            await all_parked()
    assert ends[0] == f"'{other.name}' is closed"
    assert sorted(ends[1:]) == ["end of channel", "end of loop"]
    assert (feed.statistics().handled, feed.statistics().running) == (0, 0)


async def test_shutdown_who_waits_for_handlers_from_outside_is_told() -> None:
    results: list[stentor.BroadcastResult] = []

    async def wait(bus: stentor.Bus) -> None:
        results.append(await bus.publish_and_wait("t"))

    async with trio.open_nursery() as nursery:
        async with stentor.open_bus(drain_timeout=1) as bus:
            bus.register("a", sleeper(100, [])).subscribe("t")
            for _ in range(2):
                nursery.start_soon(wait, bus)
                await all_parked()
    assert [(r.subscribers_reached, r.delivery_failures) for r in results] == [(0, 1), (0, 1)]
    assert {str(r.errors[0][1]) for r in results} == {"the agent or the bus was closed before the handler had finished"}


async def test_shutdown_an_iterator_that_nobody_moves_is_waited_for_and_told() -> None:
    start = trio.current_time()
    async with stentor.open_bus(drain_timeout=7) as bus:
        feed = bus.subscribe("t")
        iterator = aiter(feed)
        for i in range(2):
            await bus.publish("t", i)
        assert (await anext(iterator)).payload == 0
    assert trio.current_time() - start == 7
    assert [(one.message.payload, one.state) for one in bus.left] == [(0, "running"), (1, "waiting")]
    record = feed.statistics()
    assert (record.handled, record.abandoned, record.running, record.waiting) == (0, 2, 0, 0)
    with pytest.raises(StopAsyncIteration):
        await anext(iterator)
    assert feed.statistics() == record
    check_conservation(bus, feed)

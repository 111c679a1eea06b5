"""The end of the block: drained by default, cancelled on an error, and whatever is left is told."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

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


async def test_shutdown_drains_by_default() -> None:
    ended: list[object] = []
    start = trio.current_time()
    async with stentor.open_bus() as bus:
        bus.register("a", sleeper(5, ended)).subscribe("t")
        for i in range(5):
            await bus.publish("t", i)
    assert ended == [0, 1, 2, 3, 4]
    assert trio.current_time() - start == 25
    assert bus.left == ()
    check_conservation(bus)


async def test_shutdown_out_of_time_cancels_tells_and_logs_what_is_left(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[object] = []
    start = trio.current_time()
    async with stentor.open_bus(drain_timeout=12) as bus:
        slow = bus.register("slow", sleeper(5, ended))
        slow.subscribe("t")
        unread = bus.subscribe("t")
        for i in range(5):
            await bus.publish("t", i)
        unread.receive_nowait()
    assert trio.current_time() - start == 12
    assert ended == [0, 1]
    left = [(one.agent, one.message.payload, one.state) for one in bus.left]
    assert sorted(left) == sorted(
        [("slow", 2, "running"), ("slow", 3, "waiting"), ("slow", 4, "waiting")]
        + [(unread.name, i, "waiting") for i in range(1, 5)]
    )
    assert bus.statistics().abandoned == 7
    check_conservation(bus, slow, unread)
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.getMessage() == f"7 deliveries were left unhandled, at 'slow', '{unread.name}'"
    assert record.__dict__["stentor_left"] == 7


@pytest.mark.parametrize(
    "error",
    [ValueError("body"), KeyboardInterrupt(), SystemExit(3), ExceptionGroup("own", [ValueError(1)])],
    ids=lambda error: type(error).__name__,
)
async def test_shutdown_an_error_in_the_body_cancels_and_comes_out_bare(error: BaseException) -> None:
    begun: list[object] = []

    async def hang(message: stentor.Message) -> None:
        begun.append(message.payload)
        await trio.sleep_forever()

    bus = None
    start = trio.current_time()
    with pytest.raises(type(error)) as caught:
        async with stentor.open_bus() as bus:
            bus.register("a", hang).subscribe("t")
            for i in range(5):
                await bus.publish("t", i)
            await all_parked()
            raise error
    assert caught.value is error
    assert trio.current_time() == start
    assert begun == [0], "nothing begins once the bus is cancelled"
    assert bus is not None
    assert [one.state for one in bus.left] == ["running"] + ["waiting"] * 4
    check_conservation(bus)


async def test_shutdown_an_error_in_the_body_begins_nothing_that_was_only_published() -> None:
    begun: list[object] = []

    async def handler(message: stentor.Message) -> None:
        begun.append(message.payload)

    with pytest.raises(ValueError, match="body"):
        async with stentor.open_bus() as bus:
            bus.register("a", handler).subscribe("t")
            await bus.publish("t", 1)
            msg = "body"
            raise ValueError(msg)
    assert begun == []
    assert bus.statistics().abandoned == 1


async def test_shutdown_cancelled_from_outside_loses_nothing_silently() -> None:
    bus = None
    with trio.move_on_after(7) as scope:
        async with stentor.open_bus() as bus:
            bus.register("a", sleeper(5, [])).subscribe("t")
            for i in range(5):
                await bus.publish("t", i)
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert bus is not None
    assert (bus.statistics().handled, bus.statistics().abandoned) == (1, 4)
    assert [one.message.payload for one in bus.left] == [1, 2, 3, 4]
    check_conservation(bus)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("delay", [None, 1])
async def test_shutdown_what_is_no_exception_passes_from_a_handler_through_the_block(
    error: BaseException, delay: float | None
) -> None:
    async def interrupt(_: stentor.Message) -> None:
        if delay is not None:
            await trio.sleep(delay)
        raise error

    bus = None
    with pytest.raises(type(error)) as caught:
        async with stentor.open_bus() as bus:
            bus.register("a", interrupt).subscribe("t")
            bus.register("b", sleeper(100, [])).subscribe("t")
            await bus.publish("t")
            await bus.publish("t")
            await trio.sleep_forever()
    assert caught.value is error
    assert bus is not None
    check_conservation(bus)
    assert bus.statistics().abandoned == 4 == len(bus.left)


async def test_shutdown_an_error_in_the_body_is_the_cause_of_what_a_handler_lets_through_meanwhile() -> None:
    async def stubborn(_: stentor.Message) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise SystemExit(3)

    body = ValueError("body")
    with pytest.raises(SystemExit) as caught:
        async with stentor.open_bus() as bus:
            bus.register("a", stubborn).subscribe("t")
            await bus.publish("t")
            await all_parked()
            raise body
    assert caught.value.__cause__ is body


async def test_shutdown_cancels_a_handler_with_nurseries_scopes_and_shields() -> None:
    steps: list[str] = []

    async def child() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope() as scope:
                scope.shield = True
                await trio.sleep(3)
            steps.append("child cleaned up")

    async def nested(_: stentor.Message) -> None:
        try:
            with trio.CancelScope(), trio.move_on_after(1000):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(child)
                    nursery.start_soon(child)
                    await trio.sleep_forever()
        finally:
            steps.append("handler cleaned up")

    start = trio.current_time()
    async with stentor.open_bus(drain_timeout=2) as bus:
        bus.register("a", nested).subscribe("t")
        await bus.publish("t")
    assert steps == ["child cleaned up", "child cleaned up", "handler cleaned up"]
    assert trio.current_time() - start == 5
    assert bus.statistics().abandoned == 1
    check_conservation(bus)


async def test_shutdown_while_draining_handlers_may_publish_and_others_may_not() -> None:
    outcomes: dict[str, object] = {}

    async def relay(message: stentor.Message) -> None:
        await trio.sleep(1)
        if message.payload:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bus.publish, "t", int(str(message.payload)) - 1)

    async def outsider(bus: stentor.Bus) -> None:
        await trio.sleep(1.5)
        calls: dict[str, Callable[[], Any]] = {
            "publish": lambda: bus.publish("t", 0),
            "publish_nowait": lambda: bus.publish_nowait("t", 0),
            "publish_and_wait": lambda: bus.publish_and_wait("t", 0),
            "register": lambda: bus.register("new"),
            "subscribe": lambda: bus.subscribe("t"),
        }
        for name, call in calls.items():
            try:
                done = call()
                if hasattr(done, "__await__"):
                    await done
            except trio.ClosedResourceError as error:
                outcomes[name] = str(error)

    async with trio.open_nursery() as nursery:
        async with stentor.open_bus() as bus:
            agent = bus.register("a", relay)
            agent.subscribe("t")
            nursery.start_soon(outsider, bus)
            await bus.publish("t", 4)
    assert agent.statistics().handled == 5
    assert outcomes == dict.fromkeys(
        ("publish", "publish_nowait", "publish_and_wait", "register", "subscribe"), "the bus is closing"
    )


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


def test_shutdown_bad_arguments_come_out_bare() -> None:
    async def open_with(**options: Any) -> None:
        async with stentor.open_bus(**options):
            pytest.fail("it opened")

    for options, text in (
        ({"dialect": "smoke"}, "dialect must be one of 'mailbox', 'mqtt', 'nats', 'amqp', 'redis', not 'smoke'"),
        ({"drain_timeout": -1}, "drain_timeout must be >= 0 seconds, not -1"),
        ({"drain_timeout": float("nan")}, "drain_timeout must be >= 0 seconds, not nan"),
        ({"cache_capacity": -1}, "cache_capacity must be >= 0, not -1"),
    ):
        with pytest.raises(ValueError, match="must be") as caught:
            trio.run(functools.partial(open_with, **options))
        assert str(caught.value) == text


def test_shutdown_says_nothing_when_nothing_is_left(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with stentor.open_bus() as bus:
            await bus.publish("t")

    caplog.set_level(logging.DEBUG)
    trio.run(main)
    assert [record for record in caplog.records if record.name == "stentor"] == []


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

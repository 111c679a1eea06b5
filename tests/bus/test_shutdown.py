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

"""Isolation: a handler that raises or is slow stays subscribed, and concerns nobody else; its failure is seen."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

import pytest
import trio

import stentor
from tests.bus.accounts import Account, all_parked, check_conservation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class HostileError(Exception):
    """An exception that cannot even be shown."""

    def __repr__(self) -> str:
        msg = "no repr"
        raise RuntimeError(msg)

    def __str__(self) -> str:
        msg = "no str"
        raise RuntimeError(msg)


async def at_once(error: Exception) -> None:
    raise error


async def after_suspending(error: Exception) -> None:
    await trio.sleep(1)
    raise error


async def in_a_child(error: Exception) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 3)
        nursery.start_soon(after_suspending, error)


async def while_cancelled(error: Exception) -> None:
    with trio.move_on_after(1):
        try:
            await trio.sleep_forever()
        finally:
            raise error


def causes() -> list[Exception]:
    return [
        ValueError("v"),
        KeyError("k"),
        AssertionError(),
        TimeoutError("t"),
        OSError(5, "o"),
        trio.WouldBlock(),
        trio.ClosedResourceError("c"),
        trio.TooSlowError(),
        StopAsyncIteration(),
        ExceptionGroup("two", [ValueError(1), TypeError(2)]),
        RecursionError("deep"),
        stentor.DeadlockError(("a", "b")),
    ]


WAYS = (at_once, after_suspending, in_a_child, while_cancelled)


class Told(stentor.Observer):
    """An observer that writes down who failed on what."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.failures: list[tuple[str, str]] = []

    def failed(self, delivery: stentor.Delivery, error: Exception) -> None:
        """Write it down."""
        assert isinstance(error, Exception)
        self.failures.append((delivery.agent, delivery.message.id))


async def each_failure_is_seen_once(messages: int, caplog: pytest.LogCaptureFixture) -> None:
    """Plant failures of 12 kinds in 4 ways, about two in three of what six agents get."""
    account, observer = Account(), Told()
    planted: list[tuple[str, str]] = []

    def failing(name: str) -> Callable[[stentor.Message], Awaitable[None]]:
        async def fail(message: stentor.Message) -> None:
            i = int(str(message.payload))
            if (i * 7 + int(name[1:])) % 3:
                planted.append((name, message.id))
                await WAYS[i % 4](causes()[i % 12])

        return account.handler(name, fail)

    caplog.set_level(logging.ERROR, "stentor")
    async with stentor.open_bus(drain_timeout=1e6, observers=[observer], dead_letter_capacity=10**6) as bus:
        agents = [bus.register(f"a{n}", failing(f"a{n}")) for n in range(6)]
        healthy = [bus.register(f"h{n}", account.handler(f"h{n}")) for n in range(3)]
        for agent in (*agents[:3], *healthy, *agents[3:]):
            agent.subscribe("t")
        for i in range(messages):
            account.enter(await bus.publish("t", i))
        await bus.settled()
        letters = [(letter.agent, letter.message.id) for letter in bus.dead_letters]
        account.check(bus, [*agents, *healthy])
        assert all(len(agent.subscriptions) == 1 for agent in agents)
    assert [agent.statistics().handled for agent in healthy] == [messages] * 3
    assert account.failed.total() == len(planted) > 3 * messages
    logged = [(r.__dict__["stentor_agent"], r.__dict__["stentor_message"]) for r in caplog.records]
    assert sorted(logged) == sorted(letters) == sorted(observer.failures) == sorted(planted)


async def test_promise_3_isolation_each_of_many_failures_is_seen_once_and_only_by_its_own_agent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await each_failure_is_seen_once(96, caplog)


@pytest.mark.long
async def test_promise_3_isolation_each_of_ten_thousand_failures_is_seen_once(caplog: pytest.LogCaptureFixture) -> None:
    await each_failure_is_seen_once(2_500, caplog)


async def test_promise_3_isolation_a_failure_is_logged_with_agent_message_and_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(_: stentor.Message) -> None:
        msg = "no such model"
        raise ValueError(msg)

    async with stentor.open_bus() as bus:
        bus.register("gpt4", broken).subscribe("ai.*")
        receipt = await bus.publish("ai.models", "hello")
        await bus.settled()
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.name == "stentor"
    for part in ("gpt4", receipt.message_id, "ai.models", "no such model"):
        assert part in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


async def test_promise_3_isolation_the_receipt_of_who_waits_names_every_failure() -> None:
    async def broken(_: stentor.Message, *, error: Exception, delay: float) -> None:
        await trio.sleep(delay)
        raise error

    async def fine(_: stentor.Message) -> None:
        await trio.sleep(5)

    errors: list[Exception] = [ValueError("late"), KeyError("soon")]
    async with stentor.open_bus() as bus:
        bus.register("one", functools.partial(broken, error=errors[0], delay=2.0)).subscribe("t")
        bus.register("good", fine).subscribe("*")
        bus.register("two", functools.partial(broken, error=errors[1], delay=1.0)).subscribe("t.**")
        result = await bus.publish_and_wait("t")
    assert (result.subscribers_reached, result.delivery_failures, result.pattern_matches) == (1, 2, 2)
    assert result.errors == (("two", errors[1]), ("one", errors[0]))
    assert result.latency_ms == 5000.0
    assert result.target == "t"


async def test_promise_3_isolation_an_exception_that_cannot_be_shown_is_only_a_failure() -> None:
    stream = logging.NullHandler()
    logger = logging.getLogger("stentor")
    logger.addHandler(stream)
    logger.propagate = False
    try:

        async def hostile(_: stentor.Message) -> None:
            raise HostileError

        async with stentor.open_bus() as bus:
            agent = bus.register("a", hostile)
            agent.subscribe("t")
            result = await bus.publish_and_wait("t")
            assert isinstance(result.errors[0][1], HostileError)
            assert agent.statistics().dead == 1
            check_conservation(bus, agent)
    finally:
        logger.removeHandler(stream)
        logger.propagate = True


@pytest.mark.filterwarnings("ignore:coroutine")
async def test_promise_3_isolation_handlers_that_return_or_raise_nonsense_fail() -> None:
    async def honest(_: stentor.Message) -> None: ...

    @functools.wraps(honest)
    def nothing(_: stentor.Message) -> Any:
        return 5

    @functools.wraps(honest)
    def stops(_: stentor.Message) -> Any:
        return next(iter(()))

    @functools.wraps(honest)
    def raises(_: stentor.Message) -> Any:
        raise LookupError

    async with stentor.open_bus() as bus:
        for name, handler in (("nothing", nothing), ("stops", stops), ("raises", raises)):
            bus.register(name, handler).subscribe("t")
        result = await bus.publish_and_wait("t")
        check_conservation(bus)
    assert [(name, type(error).__name__) for name, error in result.errors] == [
        ("nothing", "TypeError"),
        ("stops", "RuntimeError"),
        ("raises", "LookupError"),
    ]


async def test_promise_3_isolation_a_handler_that_sleeps_for_years_holds_up_nobody() -> None:
    year = 365 * 24 * 3600.0
    got: list[tuple[float, object]] = []

    async def slow(_: stentor.Message) -> None:
        await trio.sleep(year)

    async def quick(message: stentor.Message) -> None:
        got.append((trio.current_time() - start, message.payload))

    async with stentor.open_bus(drain_timeout=1e9) as bus:
        agents = [bus.register("before", quick), bus.register("slow", slow), bus.register("after", quick)]
        for agent in agents:
            agent.subscribe("t")
        start = trio.current_time()
        for i in range(3):
            await bus.publish("t", i)
            await all_parked()
        assert got == [(0.0, i) for i in range(3) for _ in range(2)]
        assert trio.current_time() == start
        await bus.settled()
        assert trio.current_time() - start == 3 * year
        assert agents[1].statistics().handled == 3


async def test_promise_3_isolation_one_thousand_suspended_handlers_hold_up_nobody() -> None:
    gate = trio.Event()
    got: list[object] = []

    async def stalled(_: stentor.Message) -> None:
        await gate.wait()

    async def quick(message: stentor.Message) -> None:
        got.append(message.payload)

    async with stentor.open_bus() as bus:
        for n in range(1000):
            bus.register(f"slow{n}", stalled).subscribe("t")
        bus.register("quick", quick).subscribe("t")
        for i in range(5):
            await bus.publish("t", i)
        await all_parked()
        assert got == [0, 1, 2, 3, 4]
        assert bus.statistics().running == 1000
        gate.set()
        await bus.settled()
        assert bus.statistics().handled == 5 * 1001


async def test_promise_3_isolation_a_handler_that_unsubscribes_itself_gets_what_was_accepted_and_no_more() -> None:
    got: list[object] = []

    async def once(message: stentor.Message, delivery: stentor.Delivery) -> None:
        got.append(message.payload)
        delivery.subscriptions[0].close()
        await trio.sleep(1)
        delivery.subscriptions[0].close()

    async with stentor.open_bus() as bus:
        agent = bus.register("a", once)
        agent.subscribe("t")
        other = bus.subscribe("t")
        for i in range(3):
            await bus.publish("t", i)
        await all_parked()
        assert agent.subscriptions == ()
        assert (await bus.publish("t", 3)).recipients == (other.name,)
        await bus.settled()
        assert got == [0, 1, 2]
        check_conservation(bus, agent, other)


async def test_promise_3_isolation_a_handler_that_closes_its_agent_ends_and_what_waits_is_told() -> None:
    later: list[object] = []

    async def successor(message: stentor.Message) -> None:
        later.append(message.payload)

    async def leaver(_: stentor.Message) -> None:
        agent.close()
        bus.register("a", successor).subscribe("t")
        agent.close()
        await trio.sleep(1)

    async with stentor.open_bus() as bus:
        agent = bus.register("a", leaver)
        agent.subscribe("t")
        for i in range(3):
            await bus.publish("t", i)
        await all_parked()
        await bus.publish("t", 9)
        assert [left.message.payload for left in bus.left] == [1, 2]
        await bus.settled()
        assert later == [9]
        assert (agent.statistics().handled, agent.statistics().abandoned, agent.closed) == (1, 2, True)
        check_conservation(bus, agent)

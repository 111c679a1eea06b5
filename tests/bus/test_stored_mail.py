"""Stored mail when things go wrong: a store that fails or is closed, agents that close, buses that end too soon."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

import pytest
import trio

import stentor
from stentor import AddressingMode, MailboxQuery
from tests.bus.accounts import all_parked, check_conservation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stentor import Bus


class Unruly:
    """A store in memory of which methods fail for a while, and that takes its time to append and to close."""

    def __init__(self, *, appending: float = 0.0, closing: float = 0.0) -> None:
        """Fail never yet; take so many seconds after an append, and before closing."""
        self.store = stentor.MemoryStore()
        self.fails: set[str] = set()
        self.failures = 0
        self.error: Exception = stentor.StoreError("the disk is gone")
        self._appending = appending
        self._closing = closing

    async def __aenter__(self) -> Self:
        await self.store.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:  # noqa: PYI036 - handed on
        with trio.CancelScope(shield=True):
            await trio.sleep(self._closing)
        await self.store.__aexit__(*error)

    def __getattr__(self, name: str) -> Any:
        return partial(self._call, name)

    async def _call(self, name: str, *args: Any, **options: Any) -> Any:
        if name in self.fails:
            self.failures += 1
            await trio.lowlevel.checkpoint()
            raise self.error
        result = await getattr(self.store, name)(*args, **options)
        if name == "append":
            await trio.sleep(self._appending)
        return result

    async def numbers(self) -> list[tuple[str, int, int, int, int]]:
        """Of each mailbox, how many are unread, handed out, acknowledged, dead letters."""
        return [(s.agent, s.unread, s.handed_out, s.acknowledged, s.dead_letters) for s in await self.store.mailboxes()]


def as_store(unruly: Unruly) -> Any:
    """It is a store by its methods, not by its class."""
    return unruly


def remember(got: list[object], seconds: float = 0.0) -> Callable[[stentor.Message], Awaitable[None]]:
    """A handler that takes its time and then remembers the message."""

    async def handle(message: stentor.Message) -> None:
        if seconds:
            await trio.sleep(seconds)
        got.append(message.payload)

    return handle


def to(agent: str, payload: object) -> stentor.Message:
    return stentor.Message(agent, payload, addressing=AddressingMode.DIRECT)


# -- a store that fails ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["acknowledge", "read"])
async def test_promise_11_a_store_that_fails_for_a_while_keeps_nothing_back_for_ever(method: str) -> None:
    """Each message is handled once, and acknowledged as soon as the store takes that; nobody need publish again."""
    got: list[object] = []
    store = Unruly()
    async with stentor.open_bus(store=as_store(store)) as bus:
        agent = bus.register("a", remember(got), durable=True)
        for number in range(10):
            await bus.send("a", number)
        await bus.settled()
        store.fails.add(method)
        for number in range(10, 250):
            await bus.send("a", number)
        await bus.settled()
        assert store.failures
        store.fails.clear()
        await trio.sleep(10)
        await bus.settled()
        assert got == list(range(250))
        assert await store.numbers() == [("a", 0, 0, 250, 0)]
        check_conservation(bus, agent)


async def test_promise_11_what_the_store_could_not_mark_as_failed_is_marked_later() -> None:
    calls = 0

    async def fail(_: stentor.Message) -> None:
        nonlocal calls
        calls += 1
        raise ValueError

    store = Unruly()
    async with stentor.open_bus(store=as_store(store)) as bus:
        bus.register("a", fail, durable=True)
        store.fails.add("fail")
        for number in range(3):
            await bus.send("a", number)
        await bus.settled()
        store.fails.clear()
        await trio.sleep(10)
        assert await store.numbers() == [("a", 0, 0, 0, 3)]
    assert calls == 3


async def test_promise_9_a_store_that_fails_for_good_holds_up_neither_others_nor_the_end() -> None:
    got: list[object] = []
    store = Unruly()
    async with stentor.open_bus(store=as_store(store), drain_timeout=60) as bus:
        returning = bus.register("a", remember(got))
        returning.leave()
        await bus.route(to("a", "stored"))
        await bus.send("a", "waits")
        store.fails |= {"read", "acknowledge", "release"}
        returning.rejoin()
        bus.register("b", remember(got))
        await bus.send("b", "other")
        await trio.sleep(1)
        assert got == ["other", "waits"]
        start = trio.current_time()
    assert trio.current_time() - start < 1
    async with store:
        assert await store.numbers() == [("a", 1, 0, 0, 0)]


async def test_promise_3_a_store_that_is_closed_under_a_bus_is_the_trouble_of_those_who_need_it() -> None:
    durable: list[object] = []
    other: list[object] = []
    store = Unruly()
    async with stentor.open_bus(store=as_store(store)) as bus:
        bus.register("durable", remember(durable, 1), durable=True).subscribe("t")
        ordinary = bus.register("other", remember(other))
        away = bus.register("away", remember(other))
        away.leave()
        await bus.publish("t", 1)
        await all_parked()
        await store.store.aclose()
        assert (await bus.route(to("away", 2))).outcomes == {"away": stentor.Routed.REJECTED}
        away.rejoin()
        with pytest.raises(trio.ClosedResourceError):
            await bus.publish("t", 2)
        await bus.send("other", 3)
        await bus.settled()
        assert (durable, other) == ([1], [3])
        check_conservation(bus, ordinary, away)


async def test_promise_7_what_was_polled_is_handed_over_though_the_store_fails() -> None:
    store = Unruly()
    async with stentor.open_bus(store=as_store(store)) as bus:
        agent = bus.register("a", mode="polling")
        agent.leave()
        await bus.route(to("a", "stored"))
        agent.rejoin()
        await bus.send("a", "waits")
        store.fails.add("read")
        assert [message.payload for message in await agent.poll()] == ["waits"]
        with pytest.raises(stentor.StoreError):
            await agent.poll()
        store.fails = {"acknowledge"}
        with pytest.raises(stentor.StoreError):
            await agent.poll()
        store.fails.clear()
        await bus.settled()
        assert [message.payload for message in await agent.poll()] == ["stored"]
        assert await agent.poll() == []


# -- polling -----------------------------------------------------------------------------------------------------------


async def test_promise_11_what_is_being_handled_is_not_polled_too() -> None:
    """An agent that leaves gives back what it polled from the store, and not what its handler has of it."""
    handled: list[object] = []
    store = Unruly()
    async with stentor.open_bus(store=as_store(store)) as bus:
        agent = bus.register("a", remember(handled, 10), auto_ack=False)
        await store.append([stentor.MailboxEntry("a", to("a", "failed"), kind="failed", failure="x")])
        agent.leave()
        for number in range(3):
            await bus.route(to("a", number))
        agent.rejoin()
        await trio.sleep(5)
        (failed,) = await agent.poll()
        assert failed.payload == "failed"
        agent.leave()
        await bus.settled(timeout=20)
        agent.rejoin()
        polled = [message.payload for message in await agent.poll()]
        await bus.settled()
        assert (polled, handled) == (["failed"], [0, 1, 2])


@pytest.mark.parametrize("end", ["bus", "agent"])
async def test_promise_11_what_was_polled_and_not_acknowledged_is_there_for_who_comes_next(end: str) -> None:
    async with stentor.MemoryStore() as store:
        for _ in range(2):
            async with stentor.open_bus(store=store) as bus:
                agent = bus.register("a", auto_ack=False)
                if end == "agent" or not await store.count(MailboxQuery()):
                    await bus.route(to("a", 1))
                assert [message.payload for message in await agent.poll()] == [1]
                if end == "agent":
                    agent.close()
                    await bus.settled()
                    agent = bus.register("a", auto_ack=False)
                    (message,) = await agent.poll()
                    agent.acknowledge(message)
        assert await store.count(MailboxQuery(states=["handed_out"])) == 0
        assert await store.count(MailboxQuery(states=["unread"])) == (end == "bus")


async def test_promise_11_a_message_that_was_stored_twice_is_acknowledged_for_both() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", auto_ack=False)
        message = to("a", 1)
        for _ in range(2):
            await bus.store.append([stentor.MailboxEntry("a", message)])
        await bus.route(to("a", 2))
        polled = await agent.poll()
        assert agent.acknowledge(polled) == 3
        await bus.settled()
        assert await bus.store.count(MailboxQuery(states=["acknowledged"])) == 3


async def test_promise_11_what_was_acknowledged_is_so_though_the_bus_breaks_at_once() -> None:
    async with stentor.MemoryStore() as store:
        with pytest.raises(ValueError, match="broken"):
            async with stentor.open_bus(store=store) as bus:
                agent = bus.register("a", auto_ack=False)
                for number in range(3):
                    await bus.route(to("a", number))
                for message in (await agent.poll())[:2]:
                    agent.acknowledge(message)
                msg = "broken"
                raise ValueError(msg)
        assert await store.count(MailboxQuery(states=["acknowledged"])) == 2
        assert await store.count(MailboxQuery(states=["unread"])) == 1


async def test_promise_11_what_is_acknowledged_while_the_store_fails_is_so_later() -> None:
    store = Unruly()
    async with stentor.open_bus(store=as_store(store)) as bus:
        agent = bus.register("a", auto_ack=False)
        for number in range(3):
            await bus.route(to("a", number))
        polled = await agent.poll()
        store.fails.add("acknowledge")
        for message in polled:
            agent.acknowledge(message)
        await bus.settled(timeout=1)
        await bus.route(to("a", 3))
        assert [message.payload for message in await agent.poll()] == [3]
        store.fails.clear()
        await trio.sleep(10)
        assert await store.numbers() == [("a", 0, 1, 3, 0)]


# -- agents that close -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("waits", [0.0, 5.0])
async def test_promise_11_a_successor_gets_all_that_was_left_once_and_in_order(waits: float, *, durable: bool) -> None:
    """Though a handler of who had the name before still runs, which is let finish; nobody waits for that one."""
    before: list[object] = []
    after: list[object] = []
    store = Unruly()
    async with stentor.open_bus(store=as_store(store)) as bus:
        first = bus.register("a", remember(before, 100), durable=durable)
        first.leave()
        for number in range(150):
            await bus.route(to("a", number))
        first.rejoin()
        await trio.sleep(1)
        first.close()
        await trio.sleep(waits)
        second = bus.register("a", remember(after), durable=durable)
        await trio.sleep(1)
        assert (before, after) == ([], list(range(1, 150)))
        await bus.settled()
        assert (before, after) == ([0], list(range(1, 150)))
        assert await store.numbers() == [("a", 0, 0, 150, 0)]
        check_conservation(bus, first, second)


async def test_promise_11_a_successor_does_not_wait_for_the_only_message_that_is_being_handled() -> None:
    before: list[object] = []
    after: list[object] = []
    async with stentor.open_bus(store=stentor.MemoryStore()) as bus:
        first = bus.register("a", remember(before, 100), durable=True)
        await bus.send("a", 1)
        await trio.sleep(1)
        first.close()
        bus.register("a", remember(after), durable=True)
        await bus.send("a", 2)
        await trio.sleep(1)
        assert (before, after) == ([], [2])
        await bus.settled()
        assert (before, after) == ([1], [2])


# -- buses that end ----------------------------------------------------------------------------------------------------


async def test_promise_11_what_ends_in_a_shielded_scope_when_the_bus_ends_is_acknowledged() -> None:
    """And what failed then is a dead letter; only what was really cut off comes again."""

    async def handle(message: stentor.Message) -> None:
        with trio.CancelScope(shield=message.payload != "cut off"):
            await trio.sleep(10)
        if message.payload == "fails":
            raise ValueError

    for payload, expected in (
        ("finishes", ("a", 1, 0, 1, 0)),
        ("fails", ("a", 1, 0, 0, 1)),
        ("cut off", ("a", 2, 0, 0, 0)),
    ):
        store = Unruly()
        async with store, stentor.open_bus(store=as_store(store), drain_timeout=1) as bus:
            bus.register("a", handle, durable=True)
            await bus.send("a", payload)
            await bus.send("a", "waits")
        async with store:
            assert await store.numbers() == [expected]


@pytest.mark.parametrize("closing", [0.0, 5.0])
async def test_shutdown_a_publish_that_is_being_stored_when_the_bus_breaks_is_stored(closing: float) -> None:
    """By a task that outlives the bus; what it publishes afterwards is refused, while the store closes too."""
    receipts: list[stentor.Receipt] = []
    refused: list[str] = []

    async def publish(bus: Bus) -> None:
        receipts.append(await bus.publish("t", 1))
        for topic in ("t", "u"):
            try:
                await bus.publish(topic, 2)
            except trio.ClosedResourceError as error:
                refused.append(str(error))

    store = Unruly(appending=1.0, closing=closing)
    async with trio.open_nursery() as nursery, store:
        with pytest.raises(ValueError, match="broken"):
            async with stentor.open_bus(store=as_store(store)) as bus:
                agent = bus.register("a", remember([]), durable=True)
                agent.subscribe("t")
                other = bus.register("b", remember([]))
                other.subscribe("u")
                nursery.start_soon(publish, bus)
                await trio.sleep(0.5)
                msg = "broken"
                raise ValueError(msg)
        await trio.sleep(10)
        assert len(receipts) == 1
        assert refused == ["the bus is closed"] * 2
        assert await store.numbers() == [("a", 1, 0, 0, 0)]
        check_conservation(bus, agent, other)


async def test_shutdown_what_is_routed_by_a_task_that_outlives_the_bus_has_a_result() -> None:
    """Of who was there it is stored; of who was not it is said that it is not."""
    results: list[stentor.RouteResult] = []

    async def route(bus: Bus) -> None:
        results.append(await bus.route(stentor.Message("t", 1)))

    store = Unruly(appending=1.0, closing=5.0)
    async with trio.open_nursery() as nursery, store:
        with pytest.raises(ValueError, match="broken"):
            async with stentor.open_bus(store=as_store(store)) as bus:
                bus.register("a", remember([]), durable=True).subscribe("t")
                absent = bus.register("b")
                absent.subscribe("t")
                nursery.start_soon(route, bus)
                await trio.sleep(0.5)
                msg = "broken"
                raise ValueError(msg)
        await trio.sleep(10)
        (result,) = results
        assert result.outcomes == {"a": stentor.Routed.DELIVERED, "b": stentor.Routed.FAILED}
        assert isinstance(result.errors["b"], stentor.AbandonedError)
        assert [(left.agent, left.message.payload) for left in bus.left] == [("b", 1)]
        assert await store.numbers() == [("a", 1, 0, 0, 0)]
        check_conservation(bus, absent)

"""Durable agents beside others: a message that is being stored is for all or for none, whatever happens meanwhile."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Self

import pytest
import trio
from trio.testing import MockClock

import stentor
from tests.bus.accounts import all_parked, check_conservation
from tests.bus.stepping import cancelled_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.bus.stepping import When


class SlowStore:
    """A store in memory, in which an append takes a second after it has been made, or fails after a second."""

    def __init__(self, error: Exception | None = None) -> None:
        """Begin empty; raise `error`, if there is one."""
        self._store = stentor.MemoryStore()
        self._error = error

    async def __aenter__(self) -> Self:
        await self._store.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:  # noqa: PYI036 - handed on
        await self._store.__aexit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def append(self, entries: Iterable[stentor.MailboxEntry]) -> None:
        """Append, and take a second, or fail."""
        if self._error is None:
            await self._store.append(entries)
        await trio.sleep(1)
        if self._error is not None:
            raise self._error


def slow_store(error: Exception | None = None) -> Any:
    """A store that is one by its methods, not by its class."""
    return SlowStore(error)


def durable(bus: stentor.Bus, name: str, got: list[object], **options: Any) -> stentor.Agent:
    """A durable agent that listens to "t" and keeps what it gets."""

    async def handler(message: stentor.Message) -> None:
        got.append(message.payload)

    agent = bus.register(name, handler, durable=True)
    agent.subscribe("t", **options)
    return agent


async def play(step: int, when: When) -> bool:
    """Cancel a publish to a durable agent and a feed at one step; return whether it came to that."""
    got: list[object] = []
    async with stentor.open_bus(store=slow_store()) as bus:
        agent = durable(bus, "a", got)
        feed = bus.subscribe("t", capacity=2)
        fired, ended = await cancelled_at(step, when, partial(bus.publish, "t", 1))
        await bus.settled()
        reached = feed.statistics().addressed
        assert reached in {0, 1}
        assert got == [1] * reached
        assert not ended or reached == 1
        await bus.publish("t", 2)
        await bus.settled()
        assert got == [1, 2][1 - reached :]
        assert feed.statistics().waiting == 1 + reached
        check_conservation(bus, agent, feed)
    return fired


@pytest.mark.parametrize("when", ["before", "after"])
def test_promise_7_a_publish_that_is_being_stored_reaches_all_or_none(when: When) -> None:
    for step in count():
        if not trio.run(partial(play, step, when), clock=MockClock(autojump_threshold=0)):
            break
    assert step >= 2


@pytest.mark.parametrize("overflow", ["block", "fail", "drop_oldest", "drop_newest", "latest"])
async def test_promise_5_room_is_held_while_a_message_is_stored(overflow: str) -> None:
    got: list[object] = []
    refused = 0

    async def publish(number: int) -> None:
        nonlocal refused
        try:
            await bus.publish("t", number)
        except stentor.MailboxFullError:
            refused += 1

    async with stentor.open_bus(store=slow_store()) as bus:
        agent = durable(bus, "a", got)
        feed = bus.subscribe("t", capacity=1, overflow=overflow)
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(publish, number)
                await all_parked()
            await trio.sleep(20)
            record = feed.statistics()
            assert (record.waiting, record.peak_waiting) == (1, 1)
            while overflow == "block" and feed.statistics().handled < 5:
                await feed.receive()
        await bus.settled()
        assert got == list(range(5 - refused))
        assert refused == (4 if overflow == "fail" else 0)
        assert feed.statistics().addressed == 5 - refused
        check_conservation(bus, agent, feed)


async def test_promise_7_a_store_that_fails_lets_nobody_have_the_message_and_gives_the_room_back() -> None:
    async with stentor.open_bus(store=slow_store(stentor.StoreError("the disk is full"))) as bus:
        agent = durable(bus, "a", [])
        feed = bus.subscribe("t", capacity=1)
        for _ in range(3):
            with pytest.raises(stentor.StoreError, match="the disk is full"):
                await bus.publish("t")
        assert feed.statistics().addressed == agent.statistics().addressed == 0
        agent.close()
        await bus.publish("t")
        assert feed.receive_nowait().topic == "t"
        check_conservation(bus, agent, feed)


async def test_promise_7_what_is_being_stored_when_the_bus_closes_is_told() -> None:
    got: list[object] = []
    receipts: list[stentor.Receipt] = []

    async def publish(bus: stentor.Bus) -> None:
        receipts.append(await bus.publish("t", 1))

    for drain_timeout in (10.0, 0.25):
        async with trio.open_nursery() as nursery:
            async with stentor.open_bus(store=slow_store(), drain_timeout=drain_timeout) as bus:
                agent = durable(bus, "a", got)
                feed = bus.subscribe("t")
                nursery.start_soon(publish, bus)
                await all_parked()
        assert receipts.pop().recipients == ("a", feed.name)
        assert got == [1], "the second bus was closed before it could be handled, but it is stored"
        assert [(left.agent, left.message.payload) for left in bus.left] == [(feed.name, 1)]
        assert agent.statistics().stored == 1
        check_conservation(bus, agent, feed)


async def test_promise_7_who_closes_while_a_message_is_stored_has_left_it() -> None:
    got: list[object] = []

    async with stentor.open_bus(store=slow_store()) as bus:
        agent = durable(bus, "a", got)
        feed, other = bus.subscribe("t"), bus.subscribe("t")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bus.publish, "t", 1)
            await all_parked()
            feed.close()
            agent.close()
        await bus.settled()
        assert other.receive_nowait().payload == 1
        assert [(left.agent, left.message.payload) for left in bus.left] == [(feed.name, 1)]
        assert got == []
        successor = durable(bus, "a", got)
        await bus.settled()
        assert got == [1]
        check_conservation(bus, agent, feed, other, successor)


async def test_promise_2_who_joins_while_a_message_is_stored_is_no_recipient_of_it() -> None:
    got: dict[str, list[object]] = {name: [] for name in "abc"}
    async with stentor.open_bus(store=slow_store()) as bus:
        durable(bus, "a", got["a"])

        async def join() -> None:
            await trio.sleep(0.5)
            durable(bus, "b", got["b"])
            durable(bus, "c", got["c"])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(join)
            receipt = await bus.publish("t", 1)
        assert receipt.recipients == ("a",)
        assert (await bus.publish("t", 2)).recipients == ("a", "b", "c")
        await bus.settled()
    assert got == {"a": [1, 2], "b": [2], "c": [2]}


@pytest.mark.parametrize("seed", range(5))
async def test_promise_6_a_group_of_durable_and_other_agents_gets_each_message_once(seed: int) -> None:
    got: list[object] = []

    async def handler(message: stentor.Message) -> None:
        got.append(message.payload)

    async with stentor.open_bus(store=slow_store(), seed=seed) as bus:
        for number in range(4):
            bus.register(f"a{number}", handler, durable=number % 2 == 0).subscribe("t", group="g")
        for number in range(40):
            await bus.publish("t", number)
        await bus.settled()
    assert sorted(got, key=str) == sorted(range(40), key=str)


@pytest.mark.parametrize("batch_size", [10, 30, 80, 150])
@pytest.mark.parametrize("suspends", [True, False])
async def test_promise_2_batches_from_the_store_are_full_while_there_is_enough(
    batch_size: int, *, suspends: bool
) -> None:
    """However the store is read; only the last batch waits, and what comes meanwhile fills it."""
    sizes: list[int] = []
    got: list[object] = []

    async def handler(messages: list[stentor.Message]) -> None:
        sizes.append(len(messages))
        got.extend(message.payload for message in messages)
        if suspends:
            await trio.sleep(0.001)

    async with stentor.open_bus(store=stentor.MemoryStore()) as bus:
        agent = bus.register("a", handler, durable=True, mode="batch", batch_size=batch_size, batch_timeout=60)
        agent.leave()
        for number in range(320):
            await bus.send("a", number)
        agent.rejoin()
        await trio.sleep(1)
        full, rest = divmod(320, batch_size)
        assert sizes == [batch_size] * full
        for number in range(320, 320 + batch_size - rest):
            await bus.send("a", number)
        await trio.sleep(1)
        assert sizes == [batch_size] * (full + 1)
        assert got == list(range(320 + batch_size - rest))
        await bus.settled()
        check_conservation(bus, agent)


async def test_promise_2_a_durable_agent_handles_as_many_at_once_as_it_may() -> None:
    at_once = most = 0

    async def handler(_: stentor.Message) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await trio.sleep(1)
        at_once -= 1

    async with stentor.open_bus(store=stentor.MemoryStore()) as bus:
        agent = bus.register("a", handler, durable=True, concurrency=300)
        agent.leave()
        for number in range(1000):
            await bus.send("a", number)
        agent.rejoin()
        await bus.settled()
        assert most == 300
        assert agent.statistics().peak_waiting <= 600

"""Contexts: what a handler sets stays its own, what it causes says so, and a timeout ends it wherever it is."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest
import trio

import stentor
from tests.bus.accounts import all_parked, check_conservation

if TYPE_CHECKING:
    from collections.abc import Iterator

colour: ContextVar[str] = ContextVar("colour", default="none")


@pytest.mark.parametrize("suspends", [False, True])
async def test_contexts_do_not_leak_between_handlers_and_begin_as_at_registration(*, suspends: bool) -> None:
    seen: list[tuple[str, str]] = []

    async def paint(message: stentor.Message, delivery: stentor.Delivery) -> None:
        seen.append((delivery.agent, colour.get()))
        colour.set(f"{delivery.agent} {message.payload}")
        if suspends:
            await trio.sleep(1)
        assert colour.get() == f"{delivery.agent} {message.payload}"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(check_child, colour.get())

    async def check_child(expected: str) -> None:
        assert colour.get() == expected
        colour.set("child")
        if suspends:
            await trio.sleep(1)

    async with stentor.open_bus() as bus:
        for name in ("red", "green", "blue"):
            colour.set(name)
            bus.register(name, paint, concurrency=2).subscribe("t")
        colour.set("publisher")
        for i in range(3):
            await bus.publish("t", i)
        await bus.settled()
        assert bus.statistics().dead == 0
    assert colour.get() == "publisher"
    assert sorted(seen) == sorted((name, name) for name in ("red", "green", "blue") for _ in range(3))


@pytest.mark.real_clock
async def test_contexts_carry_the_cause_into_what_handlers_and_their_children_publish() -> None:
    causes: dict[str, str | None] = {}

    async def note(message: stentor.Message) -> None:
        causes[message.topic] = message.cause

    async def publish_all(message: stentor.Message) -> None:
        bus.publish_nowait("from.nowait")
        await bus.publish("from.handler")
        await trio.lowlevel.checkpoint()
        await bus.publish("from.later")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bus.publish, "from.child")
            nursery.start_soon(bus.publish_and_wait, "from.waiting")
        await trio.to_thread.run_sync(lambda: trio.from_thread.run(bus.publish, "from.thread"))
        assert message.cause is None

    async with stentor.open_bus() as bus:
        bus.register("note", note).subscribe("from.*")
        bus.register("a", publish_all).subscribe("t")
        receipt = await bus.publish("t")
        await bus.settled()
        await bus.publish("from.outside")
        await bus.settled()
    inside = ("nowait", "handler", "later", "child", "waiting", "thread")
    assert causes == {"from.outside": None} | {f"from.{name}": receipt.message_id for name in inside}


async def test_contexts_each_message_is_caused_by_the_one_that_its_handler_got() -> None:
    chain: list[tuple[str, str | None]] = []

    async def relay(message: stentor.Message) -> None:
        chain.append((message.id, message.cause))
        if len(chain) < 20:
            await bus.publish("b" if message.topic == "a" else "a")

    async with stentor.open_bus() as bus:
        for name in ("a", "b"):
            bus.register(name, relay).subscribe(name)
        await bus.publish("a")
    assert [cause for _, cause in chain] == [None, *(id for id, _ in chain[:-1])]


@contextmanager
def finally_append(steps: list[str], step: str) -> Iterator[None]:
    try:
        yield
    finally:
        steps.append(step)


async def test_timeout_of_publish_and_wait_ends_a_handler_inside_nurseries_and_scopes() -> None:
    steps: list[str] = []

    async def child() -> None:
        with finally_append(steps, "child"):
            await trio.sleep_forever()

    async def nested(message: stentor.Message) -> None:
        if message.payload == "hang":
            with finally_append(steps, "handler"), trio.CancelScope(), trio.move_on_after(1000):
                async with trio.open_nursery() as outer, trio.open_nursery() as inner:
                    outer.start_soon(child)
                    inner.start_soon(child)
        steps.append(str(message.payload))

    async with stentor.open_bus() as bus:
        agent = bus.register("a", nested)
        agent.subscribe("t")
        start = trio.current_time()
        result = await bus.publish_and_wait("t", "hang", timeout=5)
        assert trio.current_time() - start == 5
        assert (result.subscribers_reached, result.delivery_failures) == (0, 1)
        assert [(name, type(e), str(e)) for name, e in result.errors] == [("a", TimeoutError, "not handled within 5 s")]
        assert steps == ["child", "child", "handler"]
        assert (await bus.publish_and_wait("t", "next", timeout=5)).subscribers_reached == 1
        assert steps[3:] == ["next"]
        assert (agent.statistics().dead, agent.statistics().handled) == (1, 1)
        check_conservation(bus, agent)


async def test_timeout_of_publish_and_wait_waits_for_what_a_handler_shields() -> None:
    async def shielded(message: stentor.Message) -> None:
        if message.payload == "shield":
            with trio.CancelScope() as scope:
                scope.shield = True
                await trio.sleep(100)
            await trio.sleep_forever()

    async with stentor.open_bus() as bus:
        agent = bus.register("a", shielded)
        agent.subscribe("t")
        start = trio.current_time()
        result = await bus.publish_and_wait("t", "shield", timeout=5)
        assert trio.current_time() - start == 100
        assert result.delivery_failures == 1
        assert (await bus.publish_and_wait("t", "next", timeout=5)).subscribers_reached == 1
        check_conservation(bus, agent)


async def test_timeout_of_publish_and_wait_withdraws_what_waits_and_leaves_the_rest_alone() -> None:
    ended: list[object] = []

    async def slow(message: stentor.Message) -> None:
        await trio.sleep(10)
        ended.append(message.payload)

    async def quick(_: stentor.Message) -> None: ...

    async with stentor.open_bus(drain_timeout=1e6) as bus:
        agent = bus.register("slow", slow)
        agent.subscribe("t", capacity=2)
        other = bus.register("quick", quick)
        other.subscribe("t")
        await bus.publish("t", 1)
        await all_parked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bus.publish, "t", 3)
            await all_parked()
            result = await bus.publish_and_wait("t", 2, timeout=5)
        assert (result.subscribers_reached, result.errors[0][0]) == (1, "slow")
        assert (agent.statistics().waiting, agent.statistics().running, agent.statistics().dead) == (1, 1, 1)
        bus.publish_nowait("t", 4)
        await bus.settled()
        check_conservation(bus, agent, other)
    assert ended == [1, 3, 4]


async def test_timeout_of_one_delivery_does_not_touch_the_next_in_the_same_task() -> None:
    """Ten in a row run out of time in the worker that has just been used: each ends alone."""
    ended: list[object] = []

    async def uneven(message: stentor.Message) -> None:
        await trio.sleep(10 if message.payload else 1)
        ended.append(message.payload)

    async with stentor.open_bus(drain_timeout=1e6) as bus:
        agent = bus.register("a", uneven)
        agent.subscribe("t")
        for i in range(20):
            result = await bus.publish_and_wait("t", i % 2, timeout=5)
            assert result.subscribers_reached == (i + 1) % 2
        assert ended == [0] * 10
        assert (agent.statistics().handled, agent.statistics().dead) == (10, 10)


async def test_timeout_a_handler_that_ends_in_the_very_moment_counts_once() -> None:
    async def exact(_: stentor.Message) -> None:
        await trio.sleep(5)

    async with stentor.open_bus() as bus:
        agent = bus.register("a", exact)
        agent.subscribe("t")
        for _ in range(20):
            result = await bus.publish_and_wait("t", timeout=5)
            assert result.subscribers_reached + result.delivery_failures == 1
        assert agent.statistics().handled + agent.statistics().dead == 20
        assert (agent.statistics().running, agent.statistics().waiting) == (0, 0)
        check_conservation(bus, agent)


async def test_an_own_cancel_scope_in_a_handler_is_its_own_affair() -> None:
    async def impatient(_: stentor.Message) -> None:
        with trio.move_on_after(1) as scope:
            await trio.sleep_forever()
        assert scope.cancelled_caught
        with pytest.raises(trio.TooSlowError), trio.fail_after(1):
            await bus.publish_and_wait("slow")

    async def slow(_: stentor.Message) -> None:
        await trio.sleep(10)

    async with stentor.open_bus() as bus:
        bus.register("slow", slow).subscribe("slow")
        agent = bus.register("a", impatient)
        agent.subscribe("t")
        result = await bus.publish_and_wait("t")
        assert result.errors == ()
        await bus.settled()
        assert bus.statistics().handled == 2

"""Bounded: no mailbox ever holds more than its capacity, and at the bound the named policy acts."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import trio

import stentor
from stentor import Overflow
from tests.bus.accounts import all_parked, check_conservation

if TYPE_CHECKING:
    from collections.abc import Callable


class AfterEachStep(trio.abc.Instrument):
    """Calls a check after every step of every task."""

    def __init__(self, check: Callable[[], None]) -> None:
        """Check with `check`."""
        self._check = check
        self.steps = 0
        self.failure: AssertionError | None = None

    def after_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002 - the protocol
        """Keep the first failure: trio would only log it."""
        self.steps += 1
        try:
            self._check()
        except AssertionError as error:
            self.failure = self.failure or error


@pytest.mark.parametrize("seed", range(8))
async def test_promise_5_bounded_after_every_step_and_conserved_too(seed: int) -> None:
    dice = random.Random(seed)

    async def handler(message: stentor.Message) -> None:
        await trio.sleep(dice.choice([0, 0.5, 1]))
        if dice.random() < 0.2:
            raise ValueError(message.payload)

    async def publish(bus: stentor.Bus, number: int) -> None:
        for i in range(30):
            with trio.move_on_after(dice.choice([0.1, 1, 100])):
                await bus.publish(f"t.{dice.randrange(4)}", (number, i), sender=dice.choice([None, "one"]))

    async with stentor.open_bus(drain_timeout=1e6) as bus:
        agents = [bus.register(f"a{n}", handler, concurrency=dice.choice([1, 2])) for n in range(5)]
        subscriptions = [
            agent.subscribe(dice.choice(["t.*", "t.0", "*.1", "t.2"]), capacity=dice.choice([1, 2, 3]))
            for agent in agents
            for _ in range(2)
        ]

        def check() -> None:
            for subscription in subscriptions:
                assert 0 <= subscription.waiting <= subscription.options.capacity
            for agent in agents:
                own = sum(s.waiting for s in subscriptions if s.agent == agent.name)
                assert agent.statistics().waiting == own
            check_conservation(bus, *agents)

        watch = AfterEachStep(check)
        trio.lowlevel.add_instrument(watch)
        async with trio.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(publish, bus, number)
        await bus.settled()
        trio.lowlevel.remove_instrument(watch)
        assert watch.failure is None, watch.failure
        assert watch.steps > 200


async def full_agent(bus: stentor.Bus, topic: str, gate: trio.Event, **options: Any) -> stentor.Agent:
    """An agent whose handler waits for `gate`, with one message running and its capacity of 1 used up.

    Its name is "full", and it listens to all topics that match `topic`, in which `?` may stand for a letter.
    """

    async def hold(_: stentor.Message) -> None:
        await gate.wait()

    agent = bus.register("full." + topic.replace("?", "q"), hold)
    agent.subscribe(topic, capacity=1, **options)
    for _ in range(2):
        await bus.publish(topic.replace("?", "q"))
        await all_parked()
    return agent


async def test_promise_5_bounded_what_runs_does_not_count_against_the_capacity() -> None:
    gate = trio.Event()
    async with stentor.open_bus() as bus:
        agent = await full_agent(bus, "t", gate)
        record = agent.statistics()
        assert (record.running, record.waiting, record.peak_waiting) == (1, 1, 1)
        with pytest.raises(trio.WouldBlock):
            bus.publish_nowait("t")
        assert agent.statistics() == record
        gate.set()


async def test_promise_5_bounded_fail_refuses_the_whole_publish_and_names_every_full_agent() -> None:
    gate = trio.Event()
    async with stentor.open_bus() as bus:
        full = [
            await full_agent(bus, "x.?", gate, overflow="fail"),
            await full_agent(bus, "?.y", gate, overflow="block"),
            await full_agent(bus, "?.?", gate, overflow=Overflow.FAIL),
        ]
        free = bus.subscribe("*.*")
        before = [member.statistics() for member in (*full, free)], bus.statistics().messages
        for publish in (bus.publish, bus.publish_and_wait, bus.publish_nowait):
            with pytest.raises(stentor.MailboxFullError) as caught:
                done = publish("x.y", "much")
                if not isinstance(done, stentor.Receipt):
                    await done
            assert caught.value.agents == ("full.x.q", "full.q.q")
            assert str(caught.value) == "nothing was accepted: the mailbox is full at 'full.x.q', 'full.q.q'"
        assert ([member.statistics() for member in (*full, free)], bus.statistics().messages) == before
        check_conservation(bus, *full, free)
        gate.set()


async def test_promise_5_bounded_fail_is_looked_at_before_block() -> None:
    gate = trio.Event()
    async with stentor.open_bus() as bus:
        for policy in ("block", "fail"):
            agent = await full_agent(bus, policy, gate, overflow=policy)
            agent.subscriptions[0].close()
            agent.subscribe("both", capacity=1, overflow=policy)
        receipt = await bus.publish("both")
        assert receipt.accepted == 2
        with pytest.raises(stentor.MailboxFullError):
            bus.publish_nowait("both")
        with pytest.raises(stentor.MailboxFullError):
            await bus.publish("both")
        gate.set()


async def test_promise_5_bounded_a_blocked_publisher_holds_nothing_and_the_oldest_is_let_in_first() -> None:
    gate = trio.Event()
    accepted: list[object] = []

    async def publish(topic: str, payload: int) -> None:
        await bus.publish(topic, payload)
        accepted.append(payload)

    async with stentor.open_bus() as bus:
        agent = await full_agent(bus, "t", gate)
        free = bus.subscribe("*")
        async with trio.open_nursery() as nursery:
            for i in range(5):
                nursery.start_soon(publish, "t", i)
                await all_parked()
            assert free.statistics().waiting == 0
            await bus.publish("elsewhere")
            assert free.receive_nowait().topic == "elsewhere"
            assert accepted == []
            gate.set()
        assert accepted == [0, 1, 2, 3, 4]
        await bus.settled()
        assert agent.statistics().handled == 7
        assert agent.statistics().peak_waiting == 1


@pytest.mark.parametrize("ending", ["cancelled", "accepted"])
async def test_promise_5_bounded_a_wake_up_that_is_of_no_use_is_passed_on(ending: str) -> None:
    """The first is woken by room at one mailbox and then waits at another: the second wants only the first one."""
    gates = {"a": trio.Event(), "b": trio.Event()}
    accepted: list[str] = []
    scope = trio.CancelScope()

    async def publish(topic: str, payload: str) -> None:
        await bus.publish(topic, payload)
        accepted.append(payload)

    async def first() -> None:
        with scope:
            await publish("x.b", "first")

    async with stentor.open_bus() as bus:
        await full_agent(bus, "x.?", gates["a"])
        await full_agent(bus, "?.b", gates["b"])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first)
            await all_parked()
            nursery.start_soon(publish, "x.a", "second")
            await all_parked()
            gates["a"].set()
            await all_parked()
            assert accepted == ["second"]
            if ending == "cancelled":
                scope.cancel()
            gates["b"].set()
        await bus.settled()
        assert accepted == (["second"] if ending == "cancelled" else ["second", "first"])
        check_conservation(bus)


async def test_promise_5_bounded_closing_a_full_subscription_lets_its_publishers_go_on() -> None:
    gate = trio.Event()
    async with stentor.open_bus() as bus:
        agent = await full_agent(bus, "t", gate)
        other = bus.subscribe("t")
        async with trio.open_nursery() as nursery:
            for i in range(3):
                nursery.start_soon(bus.publish, "t", i)
            await all_parked()
            assert other.statistics().waiting == 0
            agent.subscriptions[0].close()
        assert other.statistics().waiting == 3
        assert agent.statistics().waiting == 1
        gate.set()


async def test_promise_5_bounded_the_first_matching_subscription_governs_and_gives_its_quota() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a")
        narrow = agent.subscribe("t.*", capacity=1, overflow="fail")
        wide = agent.subscribe("**", capacity=5)
        await bus.publish("t.x")
        with pytest.raises(stentor.MailboxFullError):
            await bus.publish("t.x")
        for _ in range(5):
            await bus.publish("u")
        with pytest.raises(trio.WouldBlock):
            bus.publish_nowait("u")
        assert (narrow.waiting, wide.waiting, agent.statistics().waiting) == (1, 5, 6)
        narrow.close()
        with pytest.raises(trio.WouldBlock):
            bus.publish_nowait("t.x")
        agent.receive_nowait()
        with pytest.raises(trio.WouldBlock):  # that was the first, accepted under the other quota
            bus.publish_nowait("t.x")
        agent.receive_nowait()
        bus.publish_nowait("t.x")


@pytest.mark.parametrize("leaves", [False, True])
async def test_promise_5_bounded_what_is_polled_and_not_acknowledged(leaves: bool) -> None:
    sent = 0
    got: list[object] = []
    async with stentor.open_bus() as bus:
        agent = bus.register("a")
        subscription = agent.subscribe("t", mode="polling", auto_ack=False, capacity=5)
        for _ in range(20):
            for _ in range(10):
                with suppress(trio.WouldBlock):
                    bus.publish_nowait("t", sent)
                    sent += 1
            await agent.poll(max_messages=100)
            if leaves:
                agent.leave()
                agent.rejoin()
            record = agent.statistics()
            assert record.unacknowledged <= 5
            assert subscription.waiting <= 10
            check_conservation(bus, agent)
        agent.leave()
        agent.rejoin()
        while polled := await agent.poll(max_messages=100):
            got += [message.payload for message in polled]
            assert agent.acknowledge(polled) == len(polled) <= 5
        assert got == list(range(sent))
        assert sent <= 10

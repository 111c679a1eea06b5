"""Order: first in, first out per publisher and recipient at equal priority; recipients in subscription order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import trio

import stentor
from stentor import Priority
from tests.bus.accounts import all_parked, check_conservation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@pytest.mark.parametrize("capacity", [1, 2, 7])
@pytest.mark.parametrize("concurrency", [1, 3])
async def test_promise_2_order_per_publisher_and_recipient_through_small_mailboxes(
    capacity: int, concurrency: int
) -> None:
    seen: dict[str, list[tuple[int, int]]] = {}
    dice = random.Random(capacity * 10 + concurrency)

    def handler(name: str) -> Callable[[stentor.Message], Awaitable[None]]:
        starts = seen.setdefault(name, [])

        async def handle(message: stentor.Message) -> None:
            starts.append(message.payload)  # type: ignore[arg-type]
            await trio.sleep(dice.choice([0, 0, 1, 3]))

        return handle

    async def publisher(bus: stentor.Bus, number: int) -> None:
        for i in range(40):
            await bus.publish(f"t.{dice.randrange(3)}", (number, i), sender=f"p{number}")
            await trio.sleep(dice.choice([0, 0, 0, 2]))

    async with stentor.open_bus(drain_timeout=1e6) as bus:
        agents = [bus.register(f"a{n}", handler(f"a{n}"), concurrency=concurrency) for n in range(4)]
        for agent in agents:
            agent.subscribe("t.*", capacity=capacity)
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(publisher, bus, number)
        await bus.settled()
        check_conservation(bus, *agents)
    for starts in seen.values():
        assert len(starts) == 5 * 40
        for number in range(5):
            assert [i for n, i in starts if n == number] == list(range(40))


async def test_promise_2_order_of_recipients_is_the_order_of_their_first_matching_subscription() -> None:
    started: list[str] = []

    async def handler(_: stentor.Message, delivery: stentor.Delivery) -> None:
        started.append(delivery.agent)

    patterns = ["a.b.c", "a.*.c", "**", "*", "a.**", "?.b.[a-d]", "**.c", "a.b.**", "no.match", "*.b.*"]
    dice = random.Random(2)
    async with stentor.open_bus() as bus:
        agents = {f"n{n}": bus.register(f"n{n}", handler) for n in range(40)}
        expected: list[str] = []
        for name in dice.choices(list(agents), k=120):
            pattern = dice.choice(patterns)
            agents[name].subscribe(pattern)
            if pattern != "no.match" and name not in expected:
                expected.append(name)
        for _ in range(3):
            receipt = await bus.publish("a.b.c")
            assert list(receipt.recipients) == expected
            await bus.settled()
            assert started == expected
            started.clear()


async def test_promise_2_order_a_renewed_subscription_goes_to_the_end() -> None:
    async with stentor.open_bus() as bus:
        first, second = bus.register("first"), bus.register("second")
        renewed = first.subscribe("t")
        second.subscribe("t")
        assert (await bus.publish("t")).recipients == ("first", "second")
        renewed.close()
        assert (await bus.publish("t")).recipients == ("second",)
        first.subscribe("t")
        assert (await bus.publish("t")).recipients == ("second", "first")


async def test_promise_2_order_by_priority_and_then_by_arrival() -> None:
    dice = random.Random(3)
    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t")
        sent = [(dice.choice(list(Priority)), i) for i in range(200)]
        for priority, i in sent:
            await bus.publish("t", i, priority=priority)
        got = [feed.receive_nowait() for _ in sent]
    assert [(m.priority, m.payload) for m in got] == sorted(sent, key=lambda item: (-item[0], item[1]))


async def test_promise_2_order_one_sender_does_not_overtake_itself_but_others_do() -> None:
    gate = trio.Event()
    accepted: list[object] = []

    async def stalled(_: stentor.Message) -> None:
        await gate.wait()

    async def publish(bus: stentor.Bus, topic: str, payload: str, sender: str | None) -> None:
        await bus.publish(topic, payload, sender=sender)
        accepted.append(payload)

    async with stentor.open_bus() as bus:
        bus.register("slow", stalled).subscribe("slow", capacity=1)
        free = bus.subscribe("free")
        for _ in range(2):
            await bus.publish("slow")
            await all_parked()
        async with trio.open_nursery() as nursery:
            for topic, payload, sender in (
                ("slow", "me 1", "me"),
                ("free", "me 2", "me"),
                ("slow", "me 3", "me"),
                ("free", "you", "you"),
                ("free", "nobody", None),
            ):
                nursery.start_soon(publish, bus, topic, payload, sender)
                await all_parked()
            with pytest.raises(trio.WouldBlock):
                bus.publish_nowait("free", "me 4", sender="me")
            assert accepted == ["you", "nobody"]
            gate.set()
        assert [p for p in accepted if str(p).startswith("me")] == ["me 1", "me 2", "me 3"]
        assert [free.receive_nowait().payload for _ in range(3)] == ["you", "nobody", "me 2"]


async def test_promise_2_order_of_starts_with_concurrency_is_the_order_of_the_mailbox() -> None:
    running: list[object] = []
    peak = 0
    started: list[object] = []

    async def handler(message: stentor.Message) -> None:
        nonlocal peak
        started.append(message.payload)
        running.append(message.payload)
        peak = max(peak, len(running))
        await trio.sleep(7 - int(str(message.payload)) % 7)
        running.remove(message.payload)

    async with stentor.open_bus(drain_timeout=1e6) as bus:
        bus.register("a", handler, concurrency=3).subscribe("t")
        for i in range(50):
            await bus.publish("t", i)
        await bus.settled()
    assert started == list(range(50))
    assert peak == 3


async def test_promise_2_order_at_most_one_message_at_a_time_per_agent() -> None:
    inside = 0

    async def handler(message: stentor.Message) -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        if message.payload:
            await trio.sleep(float(str(message.payload)))
        assert inside == 1
        inside -= 1

    async with stentor.open_bus(drain_timeout=1e6) as bus:
        agent = bus.register("a", handler)
        agent.subscribe("t.*")
        agent.subscribe("**")
        for i in range(60):
            await bus.publish(f"t.{i}", i % 3)
        await bus.settled()
        assert agent.statistics().handled == 60
        assert agent.statistics().dead == 0


async def test_promise_2_order_of_calls_is_kept_by_a_sender_of_several_tasks_that_lets_others_have_a_turn() -> None:
    numbers = iter(range(5000))

    async def publish(bus: stentor.Bus) -> None:
        for number in numbers:
            await bus.publish("t", number, sender="me")
            if number % 700 == 0:
                await trio.lowlevel.checkpoint()

    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t", capacity=5000)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(publish, bus)
        assert [feed.receive_nowait().payload for _ in range(5000)] == list(range(5000))

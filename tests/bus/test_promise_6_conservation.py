"""Conservation: every message accepted for a recipient is in exactly one state, and none is lost or doubled."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import trio

import stentor
from tests.bus.accounts import check_conservation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PUBLISHERS, MESSAGES, AGENTS = 16, 100, 1000


async def test_promise_6_conservation_16_publishers_100_messages_1000_agents_lose_nothing() -> None:
    """Counted by the test itself, in order per publisher at every agent, and equal to the statistics."""
    next_wanted = [[0] * PUBLISHERS for _ in range(AGENTS)]
    receipts: Counter[str] = Counter()

    def handler(agent: int) -> Callable[[stentor.Message], Awaitable[None]]:
        wanted = next_wanted[agent]

        async def count(message: stentor.Message) -> None:
            publisher, number = divmod(int(str(message.payload)), MESSAGES)
            assert number == wanted[publisher]
            wanted[publisher] += 1

        return count

    async def publisher(bus: stentor.Bus, number: int) -> None:
        for i in range(MESSAGES):
            receipt = await bus.publish("club.news", number * MESSAGES + i, sender=f"p{number}")
            receipts.update(receipt.recipients)
            if i % 7 == number % 7:
                await trio.lowlevel.checkpoint()

    async with stentor.open_bus() as bus:
        agents = [bus.register(f"a{n}", handler(n)) for n in range(AGENTS)]
        for n, agent in enumerate(agents):
            agent.subscribe(("club.news", "club.*", "**")[n % 3], capacity=50)
        async with trio.open_nursery() as nursery:
            for number in range(PUBLISHERS):
                nursery.start_soon(publisher, bus, number)
        await bus.settled()
        record = bus.statistics()
    each = PUBLISHERS * MESSAGES
    assert all(wanted == [MESSAGES] * PUBLISHERS for wanted in next_wanted)
    assert receipts == Counter({f"a{n}": each for n in range(AGENTS)})
    assert (record.messages, record.addressed, record.handled) == (each, each * AGENTS, each * AGENTS)
    assert (record.dead, record.expired, record.abandoned, record.waiting, record.running) == (0, 0, 0, 0, 0)
    assert record.pattern_matches == each * sum(n % 3 != 0 for n in range(AGENTS))
    assert {agent.statistics().handled for agent in agents} == {each}


async def test_promise_6_conservation_in_every_state_at_once() -> None:
    async def body(message: stentor.Message) -> None:
        match message.payload:
            case "fail":
                raise ValueError
            case "hang":
                await trio.sleep_forever()
            case _:
                pass

    async with stentor.open_bus(drain_timeout=1.0) as bus:
        agent = bus.register("a", body)
        feed = bus.subscribe("t")
        gone = bus.register("gone")
        for member in (agent, gone):
            member.subscribe("t")
        for payload, ttl in (("fine", None), ("fail", None), ("hang", None), ("late", 1.0), ("wait", None)):
            await bus.publish("t", payload, ttl=ttl)
        await trio.sleep(2)
        assert feed.receive_nowait().payload == "fine"
        gone.close()
        check_conservation(bus, agent, feed, gone)
        record = agent.statistics()
        assert (record.addressed, record.handled, record.dead, record.running, record.waiting) == (5, 1, 1, 1, 2)
        assert (gone.statistics().abandoned, gone.statistics().waiting) == (5, 0)
        with trio.move_on_after(0):
            await feed.receive()  # cancelled before it took anything
        assert feed.receive_nowait().payload == "fail"
        assert feed.receive_nowait().payload == "hang"
        assert feed.receive_nowait().payload == "wait"
        assert (feed.statistics().handled, feed.statistics().expired) == (4, 1)
        check_conservation(bus, agent, feed, gone)
    total = bus.statistics()
    check_conservation(bus, agent, feed, gone)
    assert (total.addressed, total.waiting, total.running) == (15, 0, 0)
    assert total.abandoned == 5 + 3 == len(bus.left)


async def test_promise_6_conservation_holds_after_agents_have_come_and_gone() -> None:
    async def body(message: stentor.Message) -> None:
        await trio.sleep(float(str(message.payload)))

    async with stentor.open_bus() as bus:
        for generation in range(50):
            agent = bus.register("a", body)
            agent.subscribe("t")
            for delay in (0, 5, 0):
                await bus.publish("t", delay)
            await trio.sleep(1)
            if generation % 2:
                agent.close()
                check_conservation(bus, agent)
                agent = bus.register("a", body)
            agent.close()
            check_conservation(bus, agent)
        await bus.settled()
        total = bus.statistics()
        assert (total.addressed, total.handled, total.abandoned) == (150, 100, 50)
        assert total.agents == 0

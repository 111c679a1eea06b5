"""Transit: messages that take their time, come twice or never, and where they are meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import pytest
import trio

import stentor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stentor import Bus, Delivery, Message


@final
class Planned(stentor.Transit):
    """Takes the arrivals from the payload; an agent that is named there has its own."""

    def arrivals(self, message: Message, agent: str) -> Sequence[float]:
        """Say what the payload says."""
        plan = message.payload
        assert isinstance(plan, dict)
        found: Sequence[float] | Exception = plan.get(agent, (0.0,))
        if isinstance(found, Exception):
            raise found
        return found


@final
class Heard:
    """A handler that notes who heard what and when."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str, float]] = []

    async def __call__(self, message: Message, delivery: Delivery) -> None:
        """Note it."""
        assert delivery.attempt == 1
        self.notes.append((delivery.agent, message.topic, trio.current_time()))


def adds_up(bus: Bus) -> bool:
    """Whether every delivery that was addressed is in one state."""
    s = bus.statistics()
    outcomes = s.handled + s.dead + s.dropped + s.expired + s.stored + s.abandoned
    return s.addressed == outcomes + s.waiting + s.running + s.unacknowledged


async def test_each_copy_arrives_in_its_time_and_settled_waits_for_it() -> None:
    heard = Heard()
    async with stentor.open_bus(transit=Planned()) as bus:
        for name in ("a", "b", "c"):
            bus.register(name, heard).subscribe("x.*")
        receipt = await bus.publish("x.1", {"a": (3.0,), "b": (), "c": (0.0, 1.0, 0.0)})
        assert receipt.recipients == ("a", "b", "c")
        assert bus.statistics().dropped == 1
        assert adds_up(bus)
        await bus.settled()
        assert adds_up(bus)
        with pytest.raises(stentor.NotSettledError, match=r"busy: 'a' \(1 waiting, 0 running\)"):
            await bus.publish("x.2", {"a": (9.0,)})
            await bus.settled(timeout=1.0)
    assert heard.notes == [
        *(("c", "x.1", 0.0), ("c", "x.1", 0.0), ("c", "x.1", 1.0), ("a", "x.1", 3.0)),
        *(("b", "x.2", 3.0), ("c", "x.2", 3.0), ("a", "x.2", 12.0)),
    ]


async def test_what_is_on_its_way_has_its_room() -> None:
    async with stentor.open_bus(transit=Planned()) as bus:
        agent = bus.register("a", Heard())
        agent.subscribe("full", capacity=1, overflow="fail")
        agent.subscribe("latest", capacity=5, overflow="latest")
        await bus.publish("full", {"a": (5.0,)})
        with pytest.raises(stentor.MailboxFullError):
            await bus.publish("full", {})
        await bus.publish("latest", {"a": (5.0,)})
        await bus.publish("latest", {"a": (6.0,)})
        assert (bus.statistics().dropped, bus.statistics().waiting) == (1, 2)
        assert adds_up(bus)
        await bus.settled()
        assert bus.statistics().handled == 2
        assert trio.current_time() == 6.0


@pytest.mark.parametrize("ordered", [True, False])
async def test_it_is_withdrawn_like_anything_that_waits(ordered: bool) -> None:
    retry = stentor.RetryPolicy(ordered=ordered)
    async with stentor.open_bus(transit=Planned()) as bus:
        bus.register("a", Heard(), retry=retry).subscribe("x")
        result = await bus.publish_and_wait("x", {"a": (5.0,)}, timeout=1.0)
        assert [type(error) for _, error in result.errors] == [TimeoutError]
        result = await bus.publish_and_wait("x", {"a": (0.5,)}, timeout=1.0)
        assert (result.subscribers_reached, trio.current_time()) == (1, 1.5)
        assert adds_up(bus)


async def test_it_arrives_at_an_agent_that_is_away_and_waits_there() -> None:
    heard = Heard()
    async with stentor.open_bus(transit=Planned()) as bus:
        agent = bus.register("a", heard, retry=stentor.RetryPolicy())
        agent.subscribe("x")
        await bus.publish("x", {"a": (1.0,)})
        agent.leave()
        await trio.sleep(2.0)
        await bus.settled()
        assert bus.statistics().waiting == 1
        agent.rejoin()
        await bus.settled()
        assert heard.notes == [("a", "x", 2.0)]
        await bus.publish("x", {"a": (1.0,)})
        agent.close()
        assert [left.state for left in bus.left] == ["waiting"]
        assert adds_up(bus)


async def test_where_the_transit_breaks_the_delivery_has_failed() -> None:
    async with stentor.open_bus(transit=Planned()) as bus:
        for name in ("a", "b", "c"):
            bus.register(name, Heard()).subscribe("x")
        await bus.publish("x", {"a": OSError("no line"), "b": (-1.0,)})
        await bus.settled()
        assert [repr(letter.cause) for letter in bus.dead_letters] == [
            "OSError('no line')",
            "ValueError('arrivals() must be >= 0 seconds, not -1.0')",
        ]
        assert bus.statistics().handled == 1


async def test_an_agent_that_crashes_is_interrupted() -> None:
    ended: list[str] = []

    async def slow(message: Message) -> None:
        try:
            await trio.sleep(10.0)
        except trio.Cancelled:
            ended.append(message.topic)
            raise
        ended.append("finished")

    async with stentor.open_bus() as bus:
        agent = bus.register("a", slow, retry=stentor.RetryPolicy(attempts=5), concurrency=2)
        agent.subscribe("*")
        for number in range(3):
            await bus.publish(f"x.{number}")
        await trio.sleep(1.0)
        agent.leave(interrupt=True)
        await trio.sleep(1.0)
        assert sorted(ended) == ["x.0", "x.1"]
        assert [str(letter.cause) for letter in bus.dead_letters] == [
            "the agent left before the handler had finished"
        ] * 2
        assert adds_up(bus)
        agent.rejoin()
        await bus.settled()
        assert sorted(ended) == ["finished", "x.0", "x.1"]

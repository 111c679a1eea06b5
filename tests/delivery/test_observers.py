"""Observers are told the whole life of every delivery, in order and once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

import stentor
from tests.bus.accounts import all_parked
from tests.delivery.recording import counts

if TYPE_CHECKING:
    from collections.abc import Sequence


class Told(stentor.Observer):
    """Writes down all that it is told, messages by their payload."""

    def __init__(self) -> None:
        """Begin with an empty list."""
        self.all: list[tuple[object, ...]] = []
        self.objects: dict[tuple[str, object], set[int]] = {}

    def tell(self, what: str, delivery: stentor.Delivery, *more: object) -> None:
        """Write it down."""
        payload = delivery.message.payload
        self.objects.setdefault((delivery.agent, payload), set()).add(id(delivery))
        self.all.append((what, delivery.agent, payload, *more))

    def accepted(self, message: stentor.Message, recipients: tuple[str, ...], inside: stentor.Delivery | None) -> None:
        """Write it down."""
        self.all.append(("accepted", message.payload, recipients, inside and (inside.agent, inside.message.payload)))

    def recalled(self, delivery: stentor.Delivery) -> None:
        """Write it down."""
        self.tell("recalled", delivery)

    def begun(self, delivery: stentor.Delivery) -> None:
        """Write it down."""
        self.tell("begun", delivery, delivery.attempt)

    def retrying(self, delivery: stentor.Delivery, error: Exception) -> None:
        """Write it down."""
        self.tell("retrying", delivery, str(error))

    def handled(self, delivery: stentor.Delivery, latency: float) -> None:
        """Write it down."""
        self.tell("handled", delivery, latency)

    def failed(self, delivery: stentor.Delivery, error: Exception) -> None:
        """Write it down."""
        self.tell("failed", delivery, str(error))

    def dropped(self, delivery: stentor.Delivery) -> None:
        """Write it down."""
        self.tell("dropped", delivery)

    def expired(self, delivery: stentor.Delivery) -> None:
        """Write it down."""
        self.tell("expired", delivery)

    def stored(self, delivery: stentor.Delivery) -> None:
        """Write it down."""
        self.tell("stored", delivery)

    def abandoned(self, delivery: stentor.Delivery) -> None:
        """Write it down."""
        self.tell("abandoned", delivery)

    def ending(self) -> None:
        """Write it down."""
        self.all.append(("ending",))


async def listen(_: stentor.Message | Sequence[stentor.Message]) -> None:
    """Take it."""


async def wait_for_ever(_: stentor.Message) -> None:
    """Be cancelled some day."""
    await trio.sleep_forever()


async def test_what_is_handled_is_accepted_first_and_begun_before() -> None:
    told = Told()

    async def slowly(_: stentor.Message) -> None:
        await trio.sleep(2)

    async with stentor.open_bus(observers=[told]) as bus:
        bus.register("a", slowly).subscribe("t")
        feed = bus.subscribe("t")
        await bus.publish("t", 1)
        await bus.settled()
    assert told.all == [
        ("accepted", 1, ("a", feed.name), None),
        ("begun", "a", 1, 1),
        ("handled", "a", 1, 2.0),
        ("ending",),
        ("abandoned", feed.name, 1),
    ]


async def test_inside_names_the_delivery_whose_handler_publishes() -> None:
    told = Told()

    async def publishes(message: stentor.Message) -> str:
        await bus.publish("u", "direct")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bus.publish, "u", "by a child")
        return f"answer to {message.payload}"

    async with stentor.open_bus(observers=[told]) as bus:
        bus.register("a", publishes).subscribe("t")
        await bus.request("t", "question")
    accepted = [entry for entry in told.all if entry[0] == "accepted"]
    assert [(entry[1], entry[3]) for entry in accepted] == [
        ("question", None),
        ("direct", ("a", "question")),
        ("by a child", ("a", "question")),
        ("answer to question", ("a", "question")),
    ]


async def test_each_attempt_is_begun_and_each_but_the_last_is_retrying() -> None:
    told = Told()

    async def fail(_: stentor.Message, delivery: stentor.Delivery) -> None:
        raise ValueError(delivery.attempt)

    async with stentor.open_bus(observers=[told]) as bus:
        bus.register("a", fail, retry=stentor.RetryPolicy(attempts=3)).subscribe("t")
        await bus.publish("t", 1)
        await bus.settled()
    assert told.all[1:-1] == [
        ("begun", "a", 1, 1),
        ("retrying", "a", 1, "1"),
        ("begun", "a", 1, 2),
        ("retrying", "a", 1, "2"),
        ("begun", "a", 1, 3),
        ("failed", "a", 1, "3"),
    ]
    assert [len(objects) for objects in told.objects.values()] == [1]


async def test_every_member_of_a_batch_is_told() -> None:
    told = Told()
    async with stentor.open_bus(observers=[told]) as bus:
        bus.register("a", listen).subscribe("t", mode="batch", batch_size=2)
        for number in range(2):
            await bus.publish("t", number)
        await bus.settled()
    assert [entry[:3] for entry in told.all if entry[0] not in {"accepted", "ending"}] == [
        ("begun", "a", 0),
        ("begun", "a", 1),
        ("handled", "a", 0),
        ("handled", "a", 1),
    ]


@pytest.mark.parametrize(("overflow", "dropped"), [("drop_oldest", 2), ("drop_newest", 3)])
async def test_what_is_dropped_was_accepted_before(overflow: str, dropped: int) -> None:
    told = Told()
    async with stentor.open_bus(observers=[told], drain_timeout=0) as bus:
        bus.register("a", wait_for_ever).subscribe("t", capacity=1, overflow=overflow)
        for number in (1, 2, 3):
            await bus.publish("t", number)
            await all_parked()
    assert told.all[-5:-2] == [("accepted", 3, ("a",), None), ("dropped", "a", dropped), ("ending",)]
    assert sorted(told.all[-2:]) == [("abandoned", "a", 1), ("abandoned", "a", 5 - dropped)]


async def test_a_filter_that_fails_fails_what_was_accepted() -> None:
    told = Told()
    async with stentor.open_bus(observers=[told]) as bus:
        bus.register("a", listen).subscribe("t", filter=lambda message: message.payload > 1)  # type: ignore[operator]
        await bus.publish("t", "text")
    assert [entry[0] for entry in told.all] == ["accepted", "failed", "ending"]


async def test_what_is_stored_is_recalled_when_its_agent_is_there() -> None:
    told = Told()
    async with stentor.open_bus(observers=[told], store=stentor.MemoryStore()) as bus:
        bus.register("durable", listen, durable=True).subscribe("t")
        away = bus.register("away", listen)
        away.subscribe("t")
        away.leave()
        await bus.route(stentor.Message("t", 1))
        await bus.settled()
        away.rejoin()
        await bus.settled()
    of = {agent: [entry[0] for entry in told.all if agent in entry] for agent in ("durable", "away")}
    assert of == {
        "durable": ["stored", "recalled", "begun", "handled"],
        "away": ["stored", "recalled", "begun", "handled"],
    }
    assert told.all[0] == ("accepted", 1, ("durable",), None)


async def test_a_retained_value_is_recalled() -> None:
    told = Told()
    async with stentor.open_bus(observers=[told]) as bus:
        await bus.publish("t", 1, retain=True)
        bus.register("late", listen).subscribe("*", retained=True)
        await bus.settled()
    assert [entry[0] for entry in told.all] == ["accepted", "recalled", "begun", "handled", "ending"]


async def test_what_expires_is_told_once() -> None:
    told = Told()
    async with stentor.open_bus(observers=[told]) as bus:
        feed = bus.subscribe("t")
        await bus.publish("t", 1, ttl=1.0)
        await trio.sleep(2)
        with pytest.raises(trio.WouldBlock):
            feed.receive_nowait()
    assert [entry[0] for entry in told.all] == ["accepted", "expired", "ending"]


class Refusing(stentor.Observer):
    """Does what it must not."""

    def accepted(self, message: stentor.Message, recipients: tuple[str, ...], inside: stentor.Delivery | None) -> None:
        """Fail."""
        raise OSError(message, recipients, inside)


async def test_when_an_observer_raises_nobody_has_the_message() -> None:
    async with stentor.open_bus(observers=[Refusing()]) as bus:
        agent = bus.register("a", listen)
        agent.subscribe("t")
        with pytest.raises(OSError):  # noqa: PT011 - what it raised
            await bus.publish("t")
        assert counts(agent) == {}

"""Filters: enforced for exact and wildcard subscriptions alike; one that raises is a failed delivery."""

from __future__ import annotations

import functools

import pytest

import stentor
from stentor import MessageFilter, Priority
from tests.delivery.recording import Diary, counts


@pytest.mark.parametrize("pattern", ["t.x", "t.*", "**", "*", "t.[xy]"])
@pytest.mark.parametrize(
    "condition",
    [
        MessageFilter(senders=["ann"]),
        MessageFilter(min_priority=Priority.HIGH),
        MessageFilter(keywords=["wanted"]),
        MessageFilter(content_types=["text/plain"]),
        lambda message: message.sender == "ann",
    ],
)
async def test_a_filter_is_enforced_for_every_kind_of_pattern(pattern: str, condition: MessageFilter) -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe(pattern, filter=condition)
        feed = bus.subscribe(pattern, filter=condition)
        await bus.publish("t.x", "wanted", sender="ann", priority=2, content_type="text/plain")
        receipt = await bus.publish("t.x", "other", sender="bob", content_type="text/markdown")
        assert receipt.recipients == ()
        await bus.settled()
        assert diary.calls["a"] == ["wanted"]
        assert counts(agent) == {"handled": 1}
        assert counts(feed) == {"waiting": 1}


async def test_of_several_subscriptions_those_that_pass_are_named_and_the_first_of_them_governs() -> None:
    named: list[list[str]] = []

    async def handler(_: stentor.Message, delivery: stentor.Delivery) -> None:
        named.append([subscription.pattern for subscription in delivery.subscriptions])

    async with stentor.open_bus() as bus:
        agent = bus.register("a", handler)
        agent.subscribe("t.x", filter=lambda message: message.payload == 1)
        agent.subscribe("t.*", filter=lambda message: message.payload == 2)
        agent.subscribe("**")
        for number in (1, 2, 3):
            await bus.publish("t.x", number)
        await bus.settled()
    assert named == [["t.x", "**"], ["t.*", "**"], ["**"]]


async def test_a_filter_that_raises_is_a_failed_delivery_and_nobody_else_is_concerned() -> None:
    diary = Diary()

    def broken(message: stentor.Message) -> bool:
        raise KeyError(message.payload)

    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t", filter=broken)
        bus.register("b", diary.handler("b")).subscribe("t")
        receipt = await bus.publish("t", 1)
        assert receipt.recipients == ("b",)
        assert counts(agent) == {"dead": 1}
        (letter,) = bus.dead_letters
        assert (letter.agent, letter.attempts, repr(letter.cause)) == ("a", 0, "KeyError(1)")
        result = await bus.publish_and_wait("t", 2)
        assert (result.subscribers_reached, result.delivery_failures) == (1, 1)
        assert [(name, repr(error)) for name, error in result.errors] == [("a", "KeyError(2)")]
    assert diary.calls == {"b": [1, 2]}


async def test_where_another_subscription_passes_a_broken_filter_does_no_harm() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t", filter=lambda message: message.nonsense)  # type: ignore[attr-defined]
        agent.subscribe("**")
        await bus.publish("t", 1)
        await bus.settled()
        assert counts(agent) == {"handled": 1}


async def test_what_is_sent_by_name_is_delivered_once_whatever_the_agents_own_filters_do() -> None:
    diary = Diary()

    def broken(_: stentor.Message) -> bool:
        raise KeyError

    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("a", filter=broken)
        await bus.send("a", 1)
        await bus.settled()
        assert counts(agent) == {"handled": 1}
        registered = bus.register("b", diary.handler("b"), filter=broken)
        registered.subscribe("b", filter=broken)
        await bus.send("b", 2)
        assert counts(registered) == {"dead": 1}
        picky = bus.register("c", diary.handler("c"), filter=lambda message: message.payload == 3)
        assert (await bus.send("c", 4)).recipients == ()
        await bus.send("c", 3)
        await bus.settled()
        assert counts(picky) == {"handled": 1}


async def test_a_filter_that_must_be_awaited_is_refused_at_once_or_at_its_first_use() -> None:
    async def asynchronous(_: stentor.Message) -> bool:
        return True

    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a"))
        with pytest.raises(
            TypeError, match=r"^filter must be a MessageFilter or a plain function of the message, not t"
        ):
            agent.subscribe("t", filter=asynchronous)
        agent.subscribe("t", filter=functools.partial(lambda wanted, message: wanted(message), asynchronous))
        await bus.publish("t")
        assert counts(agent) == {"dead": 1}

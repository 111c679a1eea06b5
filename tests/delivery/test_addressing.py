"""Addressing: by topic, to one agent by its name, and to everybody but the sender."""

from __future__ import annotations

import pytest

import stentor
from stentor import AddressingMode
from tests.delivery.recording import Diary, counts, payloads


async def test_what_is_sent_by_name_needs_no_subscription_and_is_observed_by_matching_patterns() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        bus.register("club.ann", diary.handler("ann"))
        bus.register("club.bob", diary.handler("bob"))
        feed = bus.subscribe("club.*")
        receipt = await bus.send("club.ann", 1)
        assert receipt.recipients[0] == "club.ann"
        assert receipt.accepted == 2
        assert (receipt.message.topic, receipt.message.addressing) == ("club.ann", AddressingMode.DIRECT)
        await bus.settled()
        assert diary.calls == {"ann": [1]}
        assert payloads([feed.receive_nowait()]) == [1]


async def test_an_agent_that_subscribes_to_its_own_name_gets_it_once() -> None:
    subscriptions: list[int] = []

    async def handler(_: stentor.Message, delivery: stentor.Delivery) -> None:
        subscriptions.append(len(delivery.subscriptions))

    async with stentor.open_bus() as bus:
        agent = bus.register("a", handler)
        agent.subscribe("*")
        await bus.send("a", 1)
        await bus.settled()
        assert subscriptions == [1]
        assert counts(agent) == {"handled": 1}


async def test_publishing_to_a_name_as_a_topic_reaches_subscribers_only() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a"))
        assert (await bus.publish("a")).recipients == ()
        assert counts(agent) == {}


async def test_a_broadcast_reaches_every_agent_but_the_sender_and_no_feed() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        for name in "abc":
            bus.register(name, diary.handler(name))
        feed = bus.subscribe("**")
        spy = bus.subscribe("_stentor.broadcast")
        assert (await bus.broadcast(1, sender="b")).recipients[:2] == ("a", "c")
        assert set((await bus.broadcast(2)).recipients) >= {"a", "b", "c"}
        await bus.settled()
        assert diary.calls == {"a": [1, 2], "b": [2], "c": [1, 2]}
        assert counts(feed) == {}
        assert counts(spy) == {"waiting": 2}


async def test_one_refusing_mailbox_refuses_a_broadcast_for_everybody() -> None:
    async with stentor.open_bus() as bus:
        full = bus.register("full", capacity=1, overflow="fail")
        other = bus.register("other")
        await bus.send("full")
        with pytest.raises(stentor.MailboxFullError, match=r"^nothing was accepted: the mailbox is full at 'full'$"):
            await bus.broadcast()
        assert counts(other) == {}
        assert counts(full) == {"waiting": 1}


async def test_sending_to_nobody_is_an_error_and_changes_nothing() -> None:
    async with stentor.open_bus() as bus:
        feed = bus.subscribe("**")
        with pytest.raises(stentor.UnknownAgentError) as caught:
            await bus.send("ghost")
        assert (str(caught.value), caught.value.name) == ("there is no agent 'ghost'", "ghost")
        with pytest.raises(stentor.InvalidTopicError):
            await bus.send("gh*st")
        with pytest.raises(TypeError, match=r"^topic must be of type str, not int$"):
            await bus.send(3)  # type: ignore[arg-type]
        assert counts(feed) == {}

"""Routing: realtime first, and the stored mailbox for whoever cannot take a message now."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import trio

import stentor
from stentor import AddressingMode, EntryKind, MailboxQuery, Message, Routed
from tests.bus.accounts import all_parked
from tests.bus.stepping import cancelled_at
from tests.delivery.recording import Diary, Gate, counts, fail, fill, payloads


async def stored(bus: stentor.Bus, agent: str) -> list[tuple[Any, EntryKind, str]]:
    """What is in a stored mailbox: payload, kind and state."""
    page = await bus.store.page(MailboxQuery(agent=agent))
    return [(each.message.payload, each.kind, each.state.value) for each in page.messages]


def to(agent: str, payload: object = None, **options: Any) -> Message:
    return Message(agent, payload, addressing=AddressingMode.DIRECT, **options)


async def test_one_message_has_a_fate_for_each_recipient_in_order_of_subscription() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        for name, handler in (
            ("archive", None),
            ("ann", diary.handler("ann")),
            ("bob", diary.handler("bob", fail)),
            ("eve", diary.handler("eve")),
        ):
            bus.register(name, handler).subscribe("news")
        eve = bus.register("late", diary.handler("late"))
        eve.subscribe("news")
        eve.leave()
        result = await bus.route(Message("news", "one", sender="x"))
        assert list(result.outcomes.items()) == [
            ("archive", Routed.QUEUED),
            ("ann", Routed.DELIVERED),
            ("bob", Routed.FAILED),
            ("eve", Routed.DELIVERED),
            ("late", Routed.QUEUED),
        ]
        assert {name: repr(error) for name, error in result.errors.items()} == {"bob": "ValueError('no')"}
        assert await stored(bus, "archive") == [("one", EntryKind.MAIL, "unread")]
        assert await stored(bus, "bob") == [("one", EntryKind.FAILED, "unread")]
        assert await stored(bus, "late") == [("one", EntryKind.MAIL, "unread")]
        assert len(bus.dead_letters) == 0
        assert counts(bus) == {"handled": 2, "stored": 3}


async def test_routing_to_nobody_and_to_an_unknown_agent() -> None:
    async with stentor.open_bus() as bus:
        result = await bus.route(Message("nobody.listens"))
        assert (dict(result.outcomes), dict(result.errors)) == ({}, {})
        with pytest.raises(stentor.UnknownAgentError, match="there is no agent 'ghost'"):
            await bus.route(to("ghost"))


async def test_a_failed_message_is_stored_once_and_read_by_polling_only() -> None:
    diary = Diary()
    retry = stentor.RetryPolicy(attempts=3, first_delay=1.0)
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", fail), retry=retry)
        result = await bus.route(to("a", 1))
        assert result.outcomes == {"a": Routed.FAILED}
        (entry,) = (await bus.store.page(MailboxQuery(agent="a"))).messages
        assert (entry.attempts, entry.failure) == (3, "ValueError('no')")
        agent.leave()
        agent.rejoin()
        await bus.settled()
        assert diary.calls["a"] == [1, 1, 1]
        assert payloads(await agent.poll()) == [1]
        assert await agent.poll() == []


async def test_who_runs_out_of_time_has_it_stored_as_failed() -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", Diary().handler("a", lambda _: trio.sleep_forever()))
        result = await bus.route(to("a", 1), timeout=2.0)
        assert result.outcomes == {"a": Routed.FAILED}
        assert str(result.errors["a"]) == "not handled within 2 s"
        assert await stored(bus, "a") == [(1, EntryKind.FAILED, "unread")]


async def test_a_batch_that_fails_after_the_result_is_there_is_stored_all_the_same() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a", fail), mode="batch", batch_size=2)
        for number in range(2):
            assert (await bus.route(to("a", number))).outcomes == {"a": Routed.DELIVERED}
        await bus.settled()
        assert await stored(bus, "a") == [(0, EntryKind.FAILED, "unread"), (1, EntryKind.FAILED, "unread")]
        assert counts(agent) == {"stored": 2}


async def test_a_message_for_a_group_goes_to_one_member_in_one_way_only() -> None:
    for seed in range(10):
        async with stentor.open_bus(seed=seed) as bus:
            agents = [bus.register(name, Diary().handler(name)) for name in "abc"]
            for agent in agents:
                agent.subscribe("t", group="g")
            agents[0].leave()
            result = await bus.route(Message("t"))
            assert list(result.outcomes.values()) == [Routed.DELIVERED]
            assert sum(agent.statistics().addressed for agent in agents) == 1
            for agent in agents:
                agent.leave()
            result = await bus.route(Message("t"))
            assert list(result.outcomes.values()) == [Routed.QUEUED]
            assert sum(agent.statistics().addressed for agent in agents) == 2


async def test_a_filter_is_asked_once_and_one_that_raises_is_a_failure_that_is_stored() -> None:
    asked: Counter[str] = Counter()

    def count(message: Message) -> bool:
        asked["count"] += 1
        return message.payload != "skip"

    def broken(_: Message) -> bool:
        raise KeyError

    async with stentor.open_bus() as bus:
        bus.register("a", Diary().handler("a")).subscribe("t", filter=count)
        bus.register("b", Diary().handler("b")).subscribe("t", filter=broken)
        result = await bus.route(Message("t", 1))
        assert result.outcomes == {"a": Routed.DELIVERED, "b": Routed.FAILED}
        assert asked["count"] == 1
        assert await stored(bus, "b") == [(1, EntryKind.FAILED, "unread")]


async def test_a_full_mailbox_is_told_as_rejected() -> None:
    gate = Gate()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a", gate), capacity=1, overflow="drop_newest")
        for number in range(2):
            await bus.send("a", number)
            await all_parked()
        result = await bus.route(to("a", 2))
        assert result.outcomes == {"a": Routed.REJECTED}
        assert str(result.errors["a"]) == "nothing was accepted: the mailbox is full at 'a'"
        gate.open()
        await bus.settled()
        assert counts(agent) == {"handled": 2, "dropped": 1}


async def test_who_waits_in_vain_for_room_has_reached_nobody() -> None:
    gate = Gate()
    async with stentor.open_bus() as bus:
        bus.register("a", Diary().handler("a", gate)).subscribe("t", capacity=1)
        away = bus.register("b", Diary().handler("b"))
        away.subscribe("u")
        await fill(bus, "t", 1, 2)
        bus.register("c").subscribe("t")
        result = await bus.route(Message("t", 3), timeout=1.0)
        assert result.outcomes == {"a": Routed.REJECTED}
        assert str(result.errors["a"]) == "not handled within 1 s"
        assert await stored(bus, "c") == []
        gate.open()


async def test_a_store_without_room_rejects_mail_and_makes_failures_dead_letters() -> None:
    async with stentor.open_bus(store=stentor.MemoryStore(capacity=1)) as bus:
        away = bus.register("away")
        failing = bus.register("failing", Diary().handler("failing", fail))
        for number, fate in enumerate((Routed.QUEUED, Routed.REJECTED)):
            assert (await bus.route(to("away", number))).outcomes == {"away": fate}
            assert (await bus.route(to("failing", number))).outcomes == {"failing": Routed.FAILED}
        assert counts(away) == {"stored": 1, "dropped": 1}
        assert counts(failing) == {"stored": 1, "dead": 1}
        assert [letter.message.payload for letter in bus.dead_letters] == [1]


async def test_a_route_cancelled_at_any_step_reaches_all_or_none_and_loses_nothing() -> None:
    steps = 0
    for when in ("before", "after"):
        for step in range(100):
            async with stentor.open_bus() as bus:
                diary = Diary()
                good = bus.register("good", diary.handler("good", lambda _: trio.sleep(1)))
                bad = bus.register("bad", diary.handler("bad", fail))
                away = bus.register("away")
                for agent in (good, bad, away):
                    agent.subscribe("t")
                fired, ended = await cancelled_at(step, when, lambda: bus.route(Message("t", 1)))
                await bus.settled()
                fates = [counts(agent) for agent in (good, bad, away)]
                assert fates in ([{}, {}, {}], [{"handled": 1}, {"stored": 1}, {"stored": 1}])
                assert len(await stored(bus, "bad")) == bad.statistics().stored
                assert len(await stored(bus, "away")) == away.statistics().stored
            steps += 1
            if ended and not fired:
                break
    assert steps >= 4


async def test_a_broadcast_is_routed_to_every_agent_but_its_sender_and_to_no_topic() -> None:
    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t")
        for name in "ab":
            bus.register(name, Diary().handler(name))
        result = await bus.route(Message("t", 1, sender="a", addressing=AddressingMode.BROADCAST))
        assert result.outcomes == {"b": Routed.DELIVERED}
        assert counts(feed) == {}


@pytest.mark.parametrize(("addressing", "expected"), [("direct", "b"), ("broadcast", "abc"), ("topic", "c")])
async def test_addressing_may_be_said_by_its_value(addressing: str, expected: str) -> None:
    async with stentor.open_bus() as bus:
        for name, pattern in (("a", "x"), ("b", "y"), ("c", "?")):
            bus.register(name, Diary().handler(name)).subscribe(pattern)
        message = Message("b", 1, addressing=addressing)
        assert message.addressing is AddressingMode(addressing)
        result = await bus.route(message)
        assert set(result.outcomes) == {*expected, "c"}
        with pytest.raises(stentor.UnknownAgentError):
            await bus.route(Message("nobody", addressing="direct"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"addressing": "everybody"}, r"^addressing must be one of AddressingMode.DIRECT, .* not 'everybody'$"),
        ({"priority": 9}, r"^priority must be one of Priority.LOW, .* not 9$"),
        ({"priority": "high"}, r"^priority must be one of Priority.LOW, .* not 'high'$"),
    ],
)
def test_what_is_no_member_makes_no_message(options: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Message("t", **options)
    with pytest.raises(ValueError, match=text):
        Message("t").replace(**options)
    assert Message("t", priority=2).priority is stentor.Priority.HIGH


async def test_bad_input_to_route() -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises(TypeError, match=r"^message must be of type Message, not str$"):
            await bus.route("t")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"^timeout must be > 0 seconds, not 0$"):
            await bus.route(Message("t"), timeout=0)
        with pytest.raises(stentor.InvalidTopicError, match="empty segment"):
            await bus.route(Message("t..u"))
        with pytest.raises(ValueError, match=r"^topic must not begin with '_stentor', which is reserved, but is '_st"):
            await bus.route(Message("_stentor.x"))
        assert counts(bus) == {}

"""Overflow: at its capacity the named policy acts, and every message is counted once."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import pytest
import trio

import stentor
from stentor import Overflow, RetryPolicy
from tests.bus.accounts import all_parked
from tests.delivery.recording import Diary, Gate, counts, fail, fill, payloads

POLICIES = [overflow.value for overflow in Overflow]


class Dropped(stentor.Observer):
    """The hook that is told when a mailbox drops something."""

    def __init__(self) -> None:
        """Begin with nothing dropped."""
        self.payloads: list[Any] = []

    def dropped(self, delivery: stentor.Delivery) -> None:
        """Write it down."""
        self.payloads.append(delivery.message.payload)


@pytest.fixture
def dropped() -> Dropped:
    return Dropped()


async def stalled(bus: stentor.Bus, diary: Diary, gate: Gate, **options: Any) -> stentor.Agent:
    """An agent whose handler already waits for `gate`, with a message that had the payload "first"."""
    agent = bus.register("a", diary.handler("a", gate))
    agent.subscribe("**", **options)
    await fill(bus, "t", "first")
    return agent


@pytest.mark.parametrize("capacity", [1, 2, 5])
async def test_drop_oldest_keeps_the_newest(capacity: int, dropped: Dropped) -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus(observers=[dropped]) as bus:
        agent = await stalled(bus, diary, gate, capacity=capacity, overflow="drop_oldest")
        for number in range(20):
            await bus.publish("t", number)
        assert counts(agent) == {"running": 1, "waiting": capacity, "dropped": 20 - capacity}
        assert dropped.payloads == list(range(20 - capacity))
        gate.open()
    assert diary.calls["a"] == ["first", *range(20 - capacity, 20)]
    assert agent.statistics().peak_waiting == capacity


@pytest.mark.parametrize("capacity", [1, 2, 5])
async def test_drop_newest_keeps_the_oldest(capacity: int, dropped: Dropped) -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus(observers=[dropped]) as bus:
        agent = await stalled(bus, diary, gate, capacity=capacity, overflow="drop_newest")
        for number in range(20):
            await bus.publish("t", number)
        assert counts(agent) == {"running": 1, "waiting": capacity, "dropped": 20 - capacity}
        assert dropped.payloads == list(range(capacity, 20))
        gate.open()
    assert diary.calls["a"] == ["first", *range(capacity)]


async def test_latest_replaces_what_waits_on_the_same_topic_even_with_room_to_spare(dropped: Dropped) -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus(observers=[dropped]) as bus:
        agent = await stalled(bus, diary, gate, capacity=100, overflow="latest")
        for number in range(9):
            await bus.publish(f"t.{number % 3}", number)
        assert counts(agent) == {"running": 1, "waiting": 3, "dropped": 6}
        assert dropped.payloads == [0, 1, 2, 3, 4, 5]
        gate.open()
    assert diary.calls["a"] == ["first", 6, 7, 8]


async def test_latest_beyond_its_capacity_drops_what_has_waited_longest(dropped: Dropped) -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus(observers=[dropped]) as bus:
        agent = await stalled(bus, diary, gate, capacity=2, overflow="latest")
        for topic, number in (("x", 1), ("y", 2), ("x", 3), ("z", 4), ("z", 5), ("y", 6)):
            await bus.publish(topic, number)
        assert dropped.payloads == [1, 2, 4, 3]
        assert counts(agent) == {"running": 1, "waiting": 2, "dropped": 4}
        gate.open()
    assert diary.calls["a"] == ["first", 5, 6]


async def test_latest_does_not_replace_what_is_being_handled() -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus() as bus:
        agent = await stalled(bus, diary, gate, capacity=1, overflow="latest")
        await bus.publish("t", "second")
        assert counts(agent) == {"running": 1, "waiting": 1}
        gate.open()
    assert diary.calls["a"] == ["first", "second"]


async def test_fail_refuses_and_nothing_has_changed() -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus() as bus:
        agent = await stalled(bus, diary, gate, capacity=1, overflow="fail")
        other = bus.subscribe("**")
        await bus.publish("t", 1)
        before = agent.statistics(), other.statistics(), bus.statistics().messages
        for _ in range(3):
            with pytest.raises(stentor.MailboxFullError) as caught:
                await bus.publish("t", 2)
        assert str(caught.value) == "nothing was accepted: the mailbox is full at 'a'"
        assert caught.value.agents == ("a",)
        assert (agent.statistics(), other.statistics(), bus.statistics().messages) == before
        gate.open()
        await bus.settled()
        await bus.publish("t", 3)
    assert diary.calls["a"] == ["first", 1, 3]


async def test_block_lets_the_publisher_wait_until_there_is_room() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        bus.register("a", diary.handler("a", lambda _: trio.sleep(2))).subscribe("t", capacity=1, overflow="block")
        begun = trio.current_time()
        for number in range(4):
            await bus.publish("t", number)
        assert trio.current_time() - begun == 4
        with pytest.raises(trio.WouldBlock, match=r"^the mailbox of 'a' is full$"):
            bus.publish_nowait("t", 4)
    assert diary.calls["a"] == [0, 1, 2, 3]


async def test_publish_nowait_drops_where_a_policy_says_so_and_would_block_elsewhere() -> None:
    gate = Gate()
    async with stentor.open_bus() as bus:
        agents = {}
        for policy in POLICIES:
            agents[policy] = bus.register(policy, Diary().handler(policy, gate))
            agents[policy].subscribe(policy, capacity=1, overflow=policy)
            await fill(bus, policy, 1, 2)
        for policy in ("drop_oldest", "drop_newest", "latest"):
            bus.publish_nowait(policy, 3)
            assert counts(agents[policy]) == {"running": 1, "waiting": 1, "dropped": 1}
        with pytest.raises(trio.WouldBlock, match=r"^the mailbox of 'block' is full$"):
            bus.publish_nowait("block", 3)
        with pytest.raises(stentor.MailboxFullError):
            bus.publish_nowait("fail", 3)
        gate.open()


async def test_each_subscription_has_a_quota_and_a_policy_of_its_own() -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", gate))
        old = agent.subscribe("old", capacity=2, overflow="drop_oldest")
        new = agent.subscribe("new", capacity=2, overflow="drop_newest")
        await fill(bus, "hold.nobody")
        await fill(bus, "old", "running")
        for number in range(4):
            await bus.publish("old", f"o{number}")
            await bus.publish("new", f"n{number}")
        assert (old.waiting, new.waiting) == (2, 2)
        gate.open()
    assert diary.calls["a"] == ["running", "n0", "n1", "o2", "o3"]


async def test_drop_oldest_goes_by_the_time_of_arrival_and_not_by_urgency(dropped: Dropped) -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus(observers=[dropped]) as bus:
        await stalled(bus, diary, gate, capacity=2, overflow="drop_oldest")
        for number, priority in ((1, 3), (2, 0), (3, 1), (4, 2)):
            await bus.publish("t", number, priority=priority)
        gate.open()
    assert dropped.payloads == [1, 2]
    assert diary.calls["a"] == ["first", 4, 3]


@pytest.mark.parametrize("mode", ["batch", "polling"])
@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "latest"])
async def test_the_policies_act_in_every_mode(mode: str, policy: str, dropped: Dropped) -> None:
    diary = Diary()
    async with stentor.open_bus(observers=[dropped]) as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("*", mode=mode, capacity=3, overflow=policy, batch_size=5, batch_timeout=1.0)
        for number in range(6):
            await bus.publish("xy"[number % 2], number)
        if mode == "polling":
            diary.calls["a"].append(payloads(await agent.poll()))
    kept = {"drop_oldest": [3, 4, 5], "drop_newest": [0, 1, 2], "latest": [4, 5]}[policy]
    assert diary.calls["a"] == [kept]
    assert dropped.payloads == [number for number in range(6) if number not in kept]
    assert counts(agent) == {"handled": len(kept), "dropped": 6 - len(kept)}


@pytest.mark.parametrize("policy", ["drop_oldest", "latest"])
@pytest.mark.parametrize("ordered", [True, False])
async def test_what_backs_off_is_dropped_or_handled_but_never_both(
    policy: str, ordered: bool, dropped: Dropped
) -> None:
    diary = Diary()
    failed: list[object] = []

    async def fail_once(payload: object) -> None:
        if payload not in failed:
            failed.append(payload)
            raise ValueError(payload)

    retry = RetryPolicy(first_delay=1.0, jitter=0.0, ordered=ordered)
    async with stentor.open_bus(observers=[dropped]) as bus:
        agent = bus.register("a", diary.handler("a", fail_once), retry=retry)
        subscription = agent.subscribe("*", capacity=1, overflow=policy)
        for number in range(6):
            await bus.publish("t", number)
            await all_parked()
            counts(agent)
            assert subscription.waiting <= 1
        await trio.sleep(0.5)
        await bus.publish("u", 6)
        await bus.settled()
        counts(agent)
    handled = [call for call, often in Counter(diary.calls["a"]).items() if often == 2]
    assert sorted(handled + dropped.payloads) == list(range(7))
    assert counts(agent) == {"handled": len(handled), "dropped": len(dropped.payloads)}
    assert 6 in handled


async def test_an_agent_that_always_fails_out_of_order_stays_bounded() -> None:
    async with stentor.open_bus(drain_timeout=0.0) as bus:
        retry = RetryPolicy(first_delay=10.0, jitter=0.0, ordered=False)
        agent = bus.register("a", Diary().handler("a", fail), retry=retry)
        subscription = agent.subscribe("t", capacity=5)
        published = 0
        with trio.move_on_after(1.0):
            while True:
                await bus.publish("t", published)
                published += 1
        assert published == 5
        assert subscription.waiting == 5
        assert counts(agent) == {"waiting": 5}


async def test_latest_does_not_handle_an_old_value_after_a_new_one(dropped: Dropped) -> None:
    diary, gate = Diary(), Gate()

    async def body(payload: object) -> None:
        if payload == "old":
            await gate(payload)
            raise ValueError(payload)

    retry = RetryPolicy(first_delay=1.0, jitter=0.0, ordered=False)
    async with stentor.open_bus(observers=[dropped]) as bus:
        agent = bus.register("a", diary.handler("a", body), retry=retry)
        agent.subscribe("t", overflow="latest")
        await fill(bus, "t", "old")
        await bus.publish("t", "new")
        gate.open()
        await bus.settled()
    assert diary.calls["a"] == ["old", "new"]
    assert dropped.payloads == ["old"]
    assert counts(agent) == {"handled": 1, "dropped": 1}


@pytest.mark.parametrize("policy", ["drop_oldest", "latest", "drop_newest"])
async def test_what_comes_again_after_an_absence_may_be_dropped_like_all_else(policy: str, dropped: Dropped) -> None:
    async with stentor.open_bus(observers=[dropped]) as bus:
        agent = bus.register("a")
        agent.subscribe("*", mode="polling", auto_ack=False, capacity=2, overflow=policy)
        for number in range(200):
            await bus.publish(f"t{number}", number)
            polled = await agent.poll()
            if number < 198:
                agent.acknowledge(polled)
        for number in (500, 501):
            await bus.publish(f"t{number}", number)
        agent.leave()
        assert counts(agent) == {"handled": 198, "waiting": 4}
        await bus.publish("t502", 502)
        agent.rejoin()
        again = []
        while polled := await agent.poll():
            again += payloads(polled)
            agent.acknowledge(polled)
        counts(agent)
    assert dropped.payloads == ([502] if policy == "drop_newest" else [198])
    assert again == [number for number in (198, 199, 500, 501, 502) if number not in dropped.payloads]


async def test_a_publisher_that_gives_up_waiting_has_reached_nobody() -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus() as bus:
        agent = await stalled(bus, diary, gate, capacity=1)
        feed = bus.subscribe("t")
        await bus.publish("t", 1)
        with trio.move_on_after(1) as scope:
            await bus.publish("t", 2)
        assert scope.cancelled_caught
        assert counts(feed) == {"waiting": 1}
        assert counts(agent) == {"running": 1, "waiting": 1}
        gate.open()
        await bus.publish("t", 3)
    assert diary.calls["a"] == ["first", 1, 3]


async def test_one_who_drops_does_not_make_the_publisher_give_up_on_the_others() -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus() as bus:
        await stalled(bus, diary, gate, capacity=1, overflow="drop_newest")
        await bus.publish("t", 1)
        bus.register("b", diary.handler("b", lambda _: trio.sleep(5))).subscribe("t")
        result = await bus.publish_and_wait("t", 2)
        assert (result.subscribers_reached, result.delivery_failures) == (1, 1)
        ((agent, error),) = result.errors
        assert agent == "a"
        assert str(error) == "nothing was accepted: the mailbox is full at 'a'"
        gate.open()
    assert diary.calls["b"] == [2]


async def test_when_all_drop_the_publisher_is_told_once_of_each() -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus() as bus:
        await stalled(bus, diary, gate, capacity=1, overflow="drop_newest")
        await bus.publish("t", 1)
        result = await bus.publish_and_wait("t", 2, timeout=1.0)
        assert [(agent, type(error)) for agent, error in result.errors] == [("a", stentor.MailboxFullError)]
        gate.open()


async def test_drops_are_logged_for_those_who_want_to_know(caplog: pytest.LogCaptureFixture) -> None:
    diary, gate = Diary(), Gate()
    with caplog.at_level(logging.DEBUG, "stentor"):
        async with stentor.open_bus() as bus:
            await stalled(bus, diary, gate, capacity=1, overflow="drop_oldest")
            receipt = await bus.publish("t", 1)
            await bus.publish("t", 2)
            gate.open()
    texts = [record.getMessage() for record in caplog.records]
    assert f"the mailbox of agent 'a' dropped message {receipt.message_id}" in texts


def expected(policy: str, messages: int, capacity: int) -> tuple[list[int], int]:
    """What of so many messages, after the one that is stalled, is kept, and how many are dropped."""
    if policy == "drop_oldest":
        return list(range(messages - capacity, messages)), messages - capacity
    if policy == "latest":
        return [messages - 1], messages - 1
    return list(range(capacity)), messages - capacity if policy == "drop_newest" else 0


async def overflow_exactly(policy: str, messages: int) -> None:
    """Publish so many to a stalled handler, and hold every count against what must be."""
    diary, gate, told = Diary(), Gate(), Dropped()
    capacity = 100
    async with stentor.open_bus(observers=[told]) as bus:
        agent = await stalled(bus, diary, gate, capacity=capacity, overflow=policy)
        accepted = refused = 0
        for number in range(messages):
            try:
                bus.publish_nowait("t", number)
                accepted += 1
            except (trio.WouldBlock, stentor.MailboxFullError):
                refused += 1
        kept, lost = expected(policy, messages, capacity)
        assert (accepted, refused) == (len(kept) + lost, messages - len(kept) - lost)
        record = agent.statistics()
        assert (record.addressed, record.dropped, record.waiting, record.running) == (1 + accepted, lost, len(kept), 1)
        assert len(told.payloads) == lost
        assert record.peak_waiting == len(kept)
        gate.open()
    assert diary.calls["a"] == ["first", *kept]
    assert counts(agent) == {"handled": 1 + len(kept)} | ({"dropped": lost} if lost else {})


@pytest.mark.parametrize("policy", POLICIES)
async def test_overflow_under_a_stalled_handler_is_counted_exactly(policy: str) -> None:
    await overflow_exactly(policy, 20_000)


@pytest.mark.long
@pytest.mark.parametrize("policy", POLICIES)
async def test_overflow_of_a_million_messages_is_counted_exactly(policy: str) -> None:
    await overflow_exactly(policy, 1_000_000)

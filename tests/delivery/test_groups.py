"""Queue groups: members share a subscription, and each message goes to one of them."""

from __future__ import annotations

from collections import Counter

import pytest
import trio

import stentor
from tests.bus.accounts import all_parked
from tests.delivery.recording import Diary, Gate, counts


def members(bus: stentor.Bus, diary: Diary, body: object = None, names: str = "abc") -> list[stentor.Agent]:
    agents = [bus.register(name, diary.handler(name, body)) for name in names]  # type: ignore[arg-type]
    for agent in agents:
        agent.subscribe("t.*", group="g")
    return agents


async def test_each_message_goes_to_one_member_and_they_have_equal_shares() -> None:
    diary = Diary()
    async with stentor.open_bus(seed=1) as bus:
        agents = members(bus, diary, lambda _: trio.sleep(1))
        for number in range(300):
            receipt = await bus.publish("t.x", number)
            assert receipt.accepted == 1
        assert {agent.statistics().addressed for agent in agents} == {100}
        await bus.settled()
    assert sorted(number for calls in diary.calls.values() for number in calls) == list(range(300))


async def test_the_choice_is_a_function_of_the_seed() -> None:
    async def play(seed: int) -> list[tuple[str, ...]]:
        async with stentor.open_bus(seed=seed) as bus:
            members(bus, Diary())
            return [(await bus.publish("t.x")).recipients for _ in range(50)]

    assert await play(1) == await play(1)
    assert await play(1) != await play(2)


async def test_groups_of_other_names_or_patterns_and_single_subscribers_get_it_too() -> None:
    async with stentor.open_bus() as bus:
        members(bus, Diary())
        for name, pattern, group in (("d", "t.*", "other"), ("e", "t.x", "g"), ("f", "t.*", None)):
            bus.register(name, Diary().handler(name)).subscribe(pattern, group=group)
        names = (await bus.publish("t.x")).recipients
        assert len(names) == 4
        assert {"d", "e", "f"} < set(names)


async def test_a_member_that_is_busy_gets_less() -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus() as bus:
        stuck = bus.register("stuck", diary.handler("stuck", gate))
        stuck.subscribe("t", group="g")
        free = bus.register("free", diary.handler("free"))
        for number in range(1):
            await bus.publish("t", number)
        free.subscribe("t", group="g")
        await all_parked()
        for number in range(10):
            await bus.publish("t", number)
            await all_parked()
        assert counts(stuck) == {"running": 1}
        assert counts(free) == {"handled": 10}
        gate.open()


@pytest.mark.parametrize("how", ["leaves", "closes", "unsubscribes", "is quarantined"])
async def test_a_member_that_is_gone_gets_nothing(how: str) -> None:
    diary = Diary()

    async def fail_once(payload: object) -> None:
        if payload == "bad":
            raise ValueError

    async with stentor.open_bus() as bus:
        gone = bus.register("gone", diary.handler("gone", fail_once), on_error="quarantine", quarantine_after=1)
        subscription = gone.subscribe("t", group="g")
        if how == "is quarantined":
            await bus.publish("t", "bad")
            await bus.settled()
        for name in "ab":
            bus.register(name, diary.handler(name)).subscribe("t", group="g")
        {"leaves": gone.leave, "closes": gone.close, "unsubscribes": subscription.close}.get(how, lambda: None)()
        before = gone.statistics().addressed
        for number in range(10):
            await bus.publish("t", number)
        await bus.settled()
        assert gone.statistics().addressed == before
        assert sorted(diary.calls["a"] + diary.calls["b"]) == list(range(10))


async def test_when_all_members_are_away_one_of_them_keeps_the_message() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agents = members(bus, diary)
        for agent in agents:
            agent.leave()
        for number in range(9):
            await bus.publish("t.x", number)
        assert {agent.statistics().waiting for agent in agents} == {3}
        for agent in agents:
            agent.rejoin()
        await bus.settled()
    assert sorted(number for calls in diary.calls.values() for number in calls) == list(range(9))


async def test_a_member_without_room_does_not_block_the_others() -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus() as bus:
        small = bus.register("small", diary.handler("small", gate))
        small.subscribe("t", group="g", capacity=1)
        large = bus.register("large", diary.handler("large", gate))
        large.subscribe("t", group="g", capacity=100)
        for number in range(50):
            bus.publish_nowait("t", number)
        assert small.statistics().waiting == 1
        assert large.statistics().waiting == 49
        gate.open()


async def test_filters_of_members_are_asked_before_one_is_chosen() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        bus.register("even", diary.handler("even")).subscribe(
            "t", group="g", filter=lambda message: message.headers["is"] == "even"
        )
        bus.register("odd", diary.handler("odd")).subscribe(
            "t", group="g", filter=lambda message: message.headers["is"] == "odd"
        )
        for number in range(10):
            await bus.publish("t", number, headers={"is": "odd" if number % 2 else "even"})
        await bus.settled()
    assert diary.calls == {"even": [0, 2, 4, 6, 8], "odd": [1, 3, 5, 7, 9]}


async def test_feeds_and_batches_can_be_members() -> None:
    diary = Diary()
    async with stentor.open_bus(seed=3) as bus:
        feed = bus.subscribe("t", group="g")
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t", group="g", mode="batch", batch_size=5, batch_timeout=1.0)
        for number in range(10):
            await bus.publish("t", number)
        await bus.settled()
        got = Counter(feed.receive_nowait().payload for _ in range(feed.statistics().waiting))
        got.update(number for batch in diary.calls["a"] for number in batch)
        assert got == Counter(range(10))
        assert feed.statistics().addressed == agent.statistics().addressed == 5

"""Retries: a failed delivery keeps its place or rejoins at the end, and is called as often as the policy says."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import stentor
from stentor import RetryPolicy
from tests.bus.accounts import all_parked
from tests.delivery.recording import Diary, counts, fail


def every_second(*, attempts: int = 3, ordered: bool = True, **options: Any) -> RetryPolicy:
    return RetryPolicy(attempts=attempts, first_delay=1.0, factor=1.0, jitter=0.0, ordered=ordered, **options)


async def test_without_a_policy_there_is_one_attempt() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", fail))
        agent.subscribe("t")
        await bus.publish("t", 1)
        await bus.settled()
    assert diary.calls["a"] == [1]
    assert counts(agent) == {"dead": 1}


async def test_in_order_a_message_keeps_its_place_and_the_agent_waits() -> None:
    diary = Diary()
    failures = iter([True, True, False, False, False])

    async def body(_: object) -> None:
        if next(failures):
            raise ValueError

    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", body), retry=every_second())
        agent.subscribe("t")
        for number in range(3):
            await bus.publish("t", number)
        await all_parked()
        assert counts(agent) == {"waiting": 3}
        await bus.settled()
    assert diary.calls["a"] == [0, 0, 0, 1, 2]
    assert diary.times["a"] == [0, 1, 2, 2, 2]
    assert agent.statistics().retries == 2


async def test_out_of_order_a_message_rejoins_at_the_end() -> None:
    diary = Diary()
    failures = iter([True, False])

    async def body(payload: object) -> None:
        if payload == 0 and next(failures):
            raise ValueError
        await trio.sleep(0.4)

    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", body), retry=every_second(ordered=False))
        agent.subscribe("t")
        for number in range(5):
            await bus.publish("t", number)
        await bus.settled()
    assert diary.calls["a"] == [0, 1, 2, 3, 4, 0]
    assert counts(agent) == {"handled": 5}


@pytest.mark.parametrize("ordered", [True, False])
async def test_the_handler_is_told_the_attempt_and_the_last_one_is_final(ordered: bool) -> None:
    attempts: list[int] = []

    async def handler(message: stentor.Message, delivery: stentor.Delivery) -> None:
        attempts.append(delivery.attempt)
        raise ValueError(message.payload)

    async with stentor.open_bus() as bus:
        agent = bus.register("a", handler, retry=every_second(attempts=4, ordered=ordered))
        agent.subscribe("t")
        await bus.publish("t", "x")
        begun = trio.current_time()
        await bus.settled()
        assert trio.current_time() - begun == 3
        (letter,) = bus.dead_letters
        assert (letter.attempts, repr(letter.cause)) == (4, "ValueError('x')")
    assert attempts == [1, 2, 3, 4]
    assert counts(agent) == {"dead": 1}


async def test_only_the_exceptions_that_the_policy_names_are_tried_again() -> None:
    diary = Diary()

    async def body(payload: object) -> None:
        raise KeyError(payload) if payload == "key" else OSError(payload)

    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", body), retry=every_second(retry_on=OSError))
        agent.subscribe("t")
        await bus.publish("t", "key")
        await bus.publish("t", "os")
        await bus.settled()
    assert diary.calls["a"] == ["key", "os", "os", "os"]


async def test_in_order_a_batch_is_tried_again_as_it_was() -> None:
    diary = Diary()
    failures = iter([True, False, False])

    async def body(_: object) -> None:
        if next(failures):
            raise ValueError

    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", body), retry=every_second())
        agent.subscribe("t", mode="batch", batch_size=2)
        for number in range(4):
            await bus.publish("t", number)
        await bus.settled()
    assert diary.calls["a"] == [[0, 1], [0, 1], [2, 3]]
    assert counts(agent) == {"handled": 4}


async def test_out_of_order_each_message_of_a_batch_has_its_own_number_of_attempts() -> None:
    calls: list[list[tuple[object, int]]] = []

    async def handler(_: list[stentor.Message], deliveries: list[stentor.Delivery]) -> None:
        calls.append([(delivery.message.payload, delivery.attempt) for delivery in deliveries])
        raise ValueError

    async with stentor.open_bus() as bus:
        retry = every_second(attempts=2, ordered=False)
        agent = bus.register("a", handler, retry=retry)
        agent.subscribe("t", mode="batch", batch_size=3, batch_timeout=0.5)
        for number in range(6):
            await bus.publish("t", number)
            await trio.sleep(0.3)
        await bus.settled()
        assert {letter.attempts for letter in bus.dead_letters} == {2}
        assert len(bus.dead_letters) == 6
    seen = [pair for call in calls for pair in call]
    assert sorted(seen) == [(number, attempt) for number in range(6) for attempt in (1, 2)]
    assert any(len({attempt for _, attempt in call}) == 2 for call in calls), "attempts were mixed in one batch"
    assert counts(agent) == {"dead": 6}


@pytest.mark.parametrize("ordered", [True, False])
async def test_what_expires_while_it_backs_off_is_not_called_again(ordered: bool) -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", fail), retry=every_second(ordered=ordered))
        agent.subscribe("t")
        await bus.publish("t", 1, ttl=1.5)
        await bus.publish("t", 2, ttl=1.5)
        await bus.settled()
    assert diary.calls["a"] == ([1, 1] if ordered else [1, 2, 1, 2])
    assert counts(agent) == {"expired": 2}


async def test_of_a_batch_that_backs_off_only_what_has_not_expired_is_called_again() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", fail), retry=every_second(attempts=2))
        agent.subscribe("t", mode="batch", batch_size=3)
        for number, ttl in ((1, 0.5), (2, None), (3, 0.5)):
            await bus.publish("t", number, ttl=ttl)
        await bus.settled()
    assert diary.calls["a"] == [[1, 2, 3], [2]]
    assert counts(agent) == {"expired": 2, "dead": 1}


@pytest.mark.parametrize("ordered", [True, False])
async def test_an_agent_that_leaves_is_not_tried_again_before_it_is_back(ordered: bool) -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", fail), retry=every_second(ordered=ordered))
        agent.subscribe("t")
        await bus.publish("t", 1)
        await bus.publish("t", 2)
        await all_parked()
        agent.leave()
        await bus.settled(timeout=0)
        await trio.sleep(100)
        assert diary.calls["a"] == ([1] if ordered else [1, 2])
        assert counts(agent) == {"waiting": 2}
        agent.rejoin()
        await bus.settled()
    assert diary.calls["a"].count(1) == diary.calls["a"].count(2) == 3
    assert counts(agent) == {"dead": 2}


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("ending", ["agent", "bus"])
async def test_what_backs_off_is_told_when_its_agent_or_the_bus_ends(ordered: bool, ending: str) -> None:
    async with stentor.open_bus(drain_timeout=0.5) as bus:
        agent = bus.register("a", Diary().handler("a", fail), retry=every_second(ordered=ordered))
        agent.subscribe("t", mode="batch", batch_size=2)
        for number in range(3):
            await bus.publish("t", number)
        await all_parked()
        assert counts(agent) == {"waiting": 3}
        if ending == "agent":
            agent.close()
            await bus.settled(timeout=0)
    assert counts(agent) == {"abandoned": 3}
    assert {left.message.payload for left in bus.left} == {0, 1, 2}


async def test_a_timeout_at_the_instant_of_the_next_attempt_ends_it() -> None:
    async def handler(_: stentor.Message, delivery: stentor.Delivery) -> None:
        if delivery.attempt == 1:
            raise ValueError
        await trio.sleep_forever()

    async with stentor.open_bus() as bus:
        bus.register("a", handler, retry=every_second()).subscribe("t")
        result = await bus.publish_and_wait("t", timeout=1.0)
        assert [(agent, str(error)) for agent, error in result.errors] == [("a", "not handled within 1 s")]
        await bus.settled(timeout=0)


async def test_jitter_is_a_function_of_the_seed() -> None:
    async def times(seed: int) -> list[float]:
        diary = Diary()
        async with stentor.open_bus(seed=seed) as bus:
            bus.register("a", diary.handler("a", fail), retry=RetryPolicy(attempts=5)).subscribe("t")
            await bus.publish("t")
            await bus.settled()
        return diary.times["a"]

    assert await times(1) == pytest.approx(await times(1))
    assert await times(1) != pytest.approx(await times(2))


async def test_an_attempt_that_is_due_while_a_backlog_is_served_holds_nothing_up() -> None:
    diary = Diary()
    failures = iter([True])

    async def body(payload: object) -> None:
        await trio.sleep(2)
        if payload == "early" and next(failures, False):
            raise ValueError

    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", body), retry=every_second())
        agent.subscribe("t")
        await bus.publish("t", "early")
        await all_parked()
        agent.leave()
        for number in range(2):
            await bus.route(stentor.Message("t", number))
        await bus.publish("t", "late")
        agent.rejoin()
        await bus.settled(timeout=1000)
    assert sorted(map(str, diary.calls["a"])) == ["0", "1", "early", "early", "late"]
    assert diary.calls["a"][-1] == "late"
    assert diary.calls["a"].index(0) < diary.calls["a"].index(1)


async def test_a_handler_that_fails_after_its_agent_was_closed_is_not_called_again() -> None:
    diary = Diary()

    async def body(_: object) -> None:
        await trio.sleep(1)
        raise ValueError

    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", body), retry=every_second())
        agent.subscribe("t")
        await bus.publish("t", 1)
        await all_parked()
        agent.close()
        await bus.settled()
        assert counts(agent) == counts(bus) == {"dead": 1}
    assert diary.calls["a"] == [1]

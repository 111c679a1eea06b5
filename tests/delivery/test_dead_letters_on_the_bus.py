"""Dead letters: what failed for good is kept with its cause, can be looked at, and sent again to who failed on it."""

from __future__ import annotations

import pytest
import trio

import stentor
from tests.bus.accounts import all_parked
from tests.delivery.recording import Diary, Gate, counts, fail, fill


async def failed_once(bus: stentor.Bus, diary: Diary) -> tuple[stentor.Agent, stentor.DeadLetter]:
    """An agent that failed on one message and would succeed now, and the dead letter of it."""
    failures = iter([True])

    async def body(_: object) -> None:
        if next(failures, False):
            raise ValueError("once")

    agent = bus.register("a", diary.handler("a", body))
    agent.subscribe("t")
    bus.register("b", diary.handler("b")).subscribe("t")
    await bus.publish("t", "x", sender="me")
    await bus.settled()
    (letter,) = bus.dead_letters
    return agent, letter


async def test_a_dead_letter_tells_everything() -> None:
    async with stentor.open_bus() as bus:
        await trio.sleep(7)
        now = trio.current_time()
        _, letter = await failed_once(bus, Diary())
        assert (letter.agent, letter.attempts, letter.time, letter.mode.value) == ("a", 1, now, "realtime")  # type: ignore[union-attr]
        assert (repr(letter.cause), letter.message.payload, letter.message.sender) == ("ValueError('once')", "x", "me")
        assert letter.cause.__traceback__ is not None


async def test_resubmitted_it_goes_to_that_agent_alone_and_leaves_the_box() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent, letter = await failed_once(bus, diary)
        receipt = await bus.resubmit(letter)
        assert receipt.recipients == ("a",)
        await bus.settled()
        assert diary.calls == {"a": ["x", "x"], "b": ["x"]}
        assert counts(agent) == {"dead": 1, "handled": 1}
        assert len(bus.dead_letters) == 0
        with pytest.raises(LookupError, match=r"^letter must be one that is in dead_letters$"):
            await bus.resubmit(letter)


async def test_resubmitted_to_an_agent_that_is_gone_it_stays_in_the_box() -> None:
    async with stentor.open_bus() as bus:
        agent, letter = await failed_once(bus, Diary())
        agent.close()
        with pytest.raises(stentor.UnknownAgentError, match=r"^there is no agent 'a'$"):
            await bus.resubmit(letter)
        assert list(bus.dead_letters) == [letter]


async def test_resubmission_cancelled_while_it_waits_for_room_leaves_it_in_the_box() -> None:
    gate = Gate()
    async with stentor.open_bus() as bus:

        async def body(payload: object) -> None:
            if payload == "bad":
                raise ValueError
            await gate(payload)

        bus.register("a", Diary().handler("a", body)).subscribe("t", capacity=1)
        await fill(bus, "t", "bad", 1, 2)
        (letter,) = bus.dead_letters
        with trio.move_on_after(1) as scope:
            await bus.resubmit(letter)
        assert scope.cancelled_caught
        assert list(bus.dead_letters) == [letter]
        gate.open()
        await bus.resubmit(letter)
        await bus.settled()
        assert [again.message.id for again in bus.dead_letters] == [letter.message.id]
        assert letter not in bus.dead_letters


async def test_a_batch_leaves_a_dead_letter_for_each_message() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a", fail))
        agent.subscribe("t", mode="batch", batch_size=3)
        for number in range(3):
            await bus.publish("t", number)
        await bus.settled()
        assert [letter.message.payload for letter in bus.dead_letters] == [0, 1, 2]
        assert len({id(letter.cause) for letter in bus.dead_letters}) == 1


async def test_the_box_is_bounded_and_its_oldest_letters_go_first() -> None:
    async with stentor.open_bus(dead_letter_capacity=2) as bus:
        agent = bus.register("a", Diary().handler("a", fail))
        agent.subscribe("t")
        for number in range(5):
            await bus.publish("t", number)
        await bus.settled()
        assert [letter.message.payload for letter in bus.dead_letters] == [3, 4]
        record = bus.dead_letters.statistics()
        assert (record.added, record.held, record.dropped) == (5, 2, 3)
        assert counts(agent) == {"dead": 5}


async def test_letters_are_selected_and_taken_by_agent_and_pattern() -> None:
    async with stentor.open_bus() as bus:
        for name in "ab":
            bus.register(name, Diary().handler(name, fail)).subscribe("*.*")
        for topic in ("x.1", "y.1", "x.2"):
            await bus.publish(topic, topic)
        await bus.settled()
        assert len(bus.dead_letters.select(pattern="x.*")) == 4
        taken = bus.dead_letters.take(agent="a", pattern="x.*")
        assert [letter.message.topic for letter in taken] == ["x.1", "x.2"]
        assert len(bus.dead_letters) == 4


async def test_a_withdrawn_message_is_a_dead_letter_of_its_publisher_s_patience() -> None:
    gate = Gate()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a", gate))
        agent.subscribe("t")
        await fill(bus, "t", 1)
        await bus.publish_and_wait("t", 2, timeout=1.0)
        assert [str(letter.cause) for letter in bus.dead_letters] == ["not handled within 1 s"]
        gate.open()
        await bus.settled()
        await all_parked()
        assert counts(agent) == {"handled": 1, "dead": 1}

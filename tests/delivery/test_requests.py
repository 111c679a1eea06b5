"""Requests: one answer, the first of many, or everybody's; late, double and missing ones; and cycles of questions."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing

import stentor
from tests.bus.accounts import all_parked
from tests.delivery.recording import Diary, Gate, counts, fail, fill, payloads


def answers(value: object, after: float = 0.0) -> Any:
    """A handler that answers with `value` after so many seconds."""

    async def handler(_: object) -> object:
        if after:
            await trio.sleep(after)
        return value

    return handler


async def test_what_the_handler_returns_is_the_answer() -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", answers(42)).subscribe("ask")
        reply = await bus.request("ask", "?", sender="me")
        (question,) = [reply.in_reply_to]
        assert (reply.payload, reply.sender, reply.cause) == (42, "a", question)


async def test_falsy_answers_are_answers_and_none_is_not() -> None:
    async with stentor.open_bus() as bus:
        falsy: list[object] = [0, "", False, []]
        for value in falsy:
            agent = bus.register("a", answers(value))
            agent.subscribe("ask")
            assert (await bus.request("ask")).payload == value
            agent.close()
        bus.register("a", answers(None)).subscribe("ask")
        with pytest.raises(trio.TooSlowError, match=r"^no reply on 'ask' in time from 'a'$"):
            await bus.request("ask", timeout=1.0)


async def test_the_first_of_many_wins_and_the_others_are_late() -> None:
    late: list[bool] = []

    async with stentor.open_bus() as bus:

        async def slow(message: stentor.Message) -> None:
            await trio.sleep(2)
            late.append(bus.reply(message, "slow"))

        bus.register("slow", slow).subscribe("ask")
        bus.register("quick", answers("quick", 1)).subscribe("ask")
        assert (await bus.request("ask")).payload == "quick"
        await bus.settled()
    assert late == [False]


async def test_gather_returns_all_and_tells_who_failed_and_who_was_silent() -> None:
    async with stentor.open_bus() as bus:
        bus.register("two", answers(2, 0.5)).subscribe("ask")
        bus.register("one", answers(1)).subscribe("ask")
        bus.register("bad", Diary().handler("bad", fail)).subscribe("ask")
        bus.register("mute", answers(None)).subscribe("ask")
        bus.register("slow", answers(3, 100)).subscribe("ask")
        begun = trio.current_time()
        replies = await bus.gather("ask", timeout=3.0)
        assert trio.current_time() - begun == 3
        assert payloads(replies.messages) == [1, 2]
        assert [(name, repr(error)) for name, error in replies.errors] == [("bad", "ValueError('no')")]
        assert (replies.silent, replies.complete) == (("mute", "slow"), False)


async def test_gather_ends_as_soon_as_everybody_has_answered_or_failed() -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", answers(1, 1)).subscribe("ask")
        bus.register("b", Diary().handler("b", fail)).subscribe("ask")
        begun = trio.current_time()
        replies = await bus.gather("ask", timeout=50.0)
        assert trio.current_time() - begun == 1
        assert replies.complete


async def test_one_who_answers_twice_is_heard_once() -> None:
    heard: list[bool] = []

    async with stentor.open_bus() as bus:

        async def twice(message: stentor.Message) -> object:
            heard.extend(bus.reply(message, number) for number in (1, 2))
            return 3

        bus.register("twice", twice).subscribe("ask")
        bus.register("slow", answers("slow", 1)).subscribe("ask")
        replies = await bus.gather("ask")
        assert payloads(replies.messages) == [1, "slow"]
        assert heard == [True, False]
        assert (await bus.request("ask")).payload == 1
        assert heard == [True, False] * 2


async def test_a_request_to_nobody_or_to_failing_handlers_says_so_at_once() -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises(stentor.NoResponderError, match=r"^nobody can answer on 'ask'$"):
            await bus.request("ask")
        with pytest.raises(stentor.NoResponderError):
            await bus.gather("ask")
        bus.register("a", Diary().handler("a", fail)).subscribe("ask")
        with pytest.raises(stentor.RequestFailedError) as caught:
            await bus.request("ask")
        assert str(caught.value) == "the request on 'ask' failed: 'a' with ValueError('no')"


async def test_one_who_drops_the_question_leaves_it_to_the_others() -> None:
    gate = Gate()
    async with stentor.open_bus() as bus:
        bus.register("full", Diary().handler("full", gate)).subscribe("ask", capacity=1, overflow="drop_newest")
        await fill(bus, "ask", 1, 2)
        bus.register("b", answers("b", 1)).subscribe("ask")
        assert (await bus.request("ask")).payload == "b"
        replies = await bus.gather("ask")
        assert [name for name, _ in replies.errors] == ["full"]
        assert replies.complete
        gate.open()


async def test_a_request_that_finds_no_room_in_time_names_whom_it_was_for() -> None:
    gate = Gate()
    async with stentor.open_bus() as bus:
        bus.register("full", Diary().handler("full", gate)).subscribe("ask", capacity=1)
        await fill(bus, "ask", 1, 2)
        with pytest.raises(trio.TooSlowError, match=r"^no reply on 'ask' in time from 'full'$"):
            await bus.request("ask", timeout=1.0)
        replies = await bus.gather("ask", timeout=1.0)
        assert (replies.silent, replies.complete) == (("full",), False)
        gate.open()


async def test_nobody_handles_a_question_whose_time_is_up() -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", gate))
        agent.subscribe("ask")
        await fill(bus, "ask", "hold")
        with pytest.raises(trio.TooSlowError):
            await bus.request("ask", "late", timeout=1.0)
        gate.open()
        await bus.settled()
        assert diary.calls["a"] == ["hold"]
        assert counts(agent) == {"handled": 1, "expired": 1}


async def test_an_agent_is_asked_by_its_name_and_all_agents_by_broadcast() -> None:
    async with stentor.open_bus() as bus:
        for name in "abc":
            bus.register(name, answers(name))
        assert (await bus.request("b", addressing="direct")).payload == "b"
        replies = await bus.gather("anything", addressing=stentor.AddressingMode.BROADCAST, sender="a")
        assert payloads(replies.messages) == ["b", "c"]
        with pytest.raises(stentor.UnknownAgentError, match=r"^there is no agent 'z'$"):
            await bus.request("z", addressing="direct")


async def test_every_question_of_a_batch_gets_the_answer() -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", answers("all")).subscribe("ask", mode="batch", batch_size=3)
        got: list[object] = []

        async def ask() -> None:
            got.append((await bus.request("ask")).payload)

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask)
    assert got == ["all"] * 3


async def test_who_polls_answers_by_reply() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", mode="polling")

        async def poll() -> None:
            await all_parked()
            for message in await agent.poll():
                assert bus.reply(message, "polled", sender="a")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll)
            assert (await bus.request("a", addressing="direct")).payload == "polled"


async def test_an_answer_beyond_the_limits_is_a_failure_of_who_gave_it() -> None:
    async with stentor.open_bus(limits=stentor.MessageLimits(max_payload_bytes=10)) as bus:
        agent = bus.register("a", answers("x" * 100))
        agent.subscribe("ask")
        with pytest.raises(stentor.RequestFailedError, match="payload must be at most 10 bytes"):
            await bus.request("ask")
        assert counts(agent) == {"dead": 1}


async def test_questions_are_answered_while_the_bus_ends() -> None:
    got: list[object] = []
    async with stentor.open_bus() as bus:

        async def asks(_: object) -> None:
            await trio.sleep(1)
            got.append((await bus.request("b")).payload)

        bus.register("a", asks).subscribe("a")
        bus.register("b", answers("b", 1)).subscribe("b")
        await bus.publish("a")
    assert got == ["b"]


@pytest.mark.parametrize("dialect", ["mailbox", "mqtt", "nats", "amqp", "redis"])
async def test_wildcards_hear_no_replies_in_any_dialect(dialect: str) -> None:
    everything = {"mailbox": "**", "mqtt": "#", "nats": ">", "amqp": "#", "redis": "*"}[dialect]
    async with stentor.open_bus(dialect=dialect) as bus:
        feed = bus.subscribe(everything)
        bus.register("a", answers(1)).subscribe("ask")
        await bus.request("ask")
        await bus.broadcast()
        assert payloads([feed.receive_nowait()]) == [None]
        assert counts(feed) == {"handled": 1}


async def test_an_observer_of_replies_without_room_is_counted() -> None:
    async with stentor.open_bus() as bus:
        feed = bus.subscribe("_stentor.reply.*", capacity=1)
        bus.register("a", answers(1)).subscribe("ask")
        for _ in range(3):
            await bus.request("ask")
        assert counts(feed) == {"waiting": 1, "dropped": 2}


async def test_a_request_to_oneself_and_a_cycle_of_requests_are_refused() -> None:
    raised: list[str] = []
    async with stentor.open_bus() as bus:

        def asks(topic: str) -> Any:
            async def handler(_: object) -> object:
                try:
                    return (await bus.request(topic, timeout=50)).payload
                except stentor.DeadlockError as error:
                    raised.append(str(error))
                    return "refused"

            return handler

        bus.register("self", asks("self")).subscribe("self")
        for one, other in (("x", "y"), ("y", "z"), ("z", "x")):
            bus.register(one, asks(other)).subscribe(one)
        begun = trio.current_time()
        assert (await bus.request("self")).payload == "refused"
        assert (await bus.request("x")).payload == "refused"
        assert trio.current_time() == begun
    assert raised == [
        "waiting here would never end: 'self' waits for 'self'",
        "waiting here would never end: 'z' waits for 'x' waits for 'y' waits for 'z'",
    ]


async def test_the_first_of_many_is_no_deadlock_while_one_of_them_can_answer() -> None:
    async with stentor.open_bus() as bus:

        async def asker(_: object) -> object:
            return (await bus.request("both", timeout=50)).payload

        async def stuck(_: object) -> object:
            return (await bus.request("asker", timeout=50)).payload

        bus.register("asker", asker).subscribe("asker")
        bus.register("stuck", stuck).subscribe("both")
        bus.register("free", answers("free", 1)).subscribe("both")
        assert (await bus.request("asker", timeout=100)).payload == "free"


async def test_bad_input_to_requests() -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises(ValueError, match=r"^timeout must be > 0 seconds, not 0$"):
            await bus.request("ask", timeout=0)
        with pytest.raises(ValueError, match=r"^timeout must be a finite number of seconds, not inf$"):
            await bus.gather("ask", timeout=float("inf"))
        with pytest.raises(ValueError, match=r"^addressing must be one of AddressingMode.DIRECT, .*, not 'up'$"):
            await bus.request("ask", addressing="up")
        with pytest.raises(TypeError, match=r"^message must be of type Message, not str$"):
            bus.reply("ask")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"^message must be one that a bus has stamped, but has no id$"):
            bus.reply(stentor.Message("t"), 1)
        assert not bus.reply(stentor.Message("t", id="m-1"), 1)
        assert counts(bus) == {}


async def test_a_question_whose_answer_is_owed_when_the_bus_ends_keeps_nobody_waiting() -> None:
    outcomes: list[str] = []

    async def ask() -> None:
        with pytest.raises((trio.TooSlowError, stentor.RequestFailedError)) as caught:
            await bus.request("t", timeout=1000)
        outcomes.append(type(caught.value).__name__)

    async def later(_: stentor.Message) -> None:
        """Handle the question, and answer never."""

    async with trio.open_nursery() as nursery:
        async with stentor.open_bus() as bus:
            bus.register("later", later).subscribe("t")
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            assert len(bus._parts.requests) == 1
    assert trio.current_time() < 1000
    assert outcomes == ["TooSlowError"]
    assert len(bus._parts.requests) == 0


async def test_many_questions_leave_neither_timers_nor_replies_behind() -> None:
    async def answer(message: stentor.Message) -> object:
        return message.payload

    async with stentor.open_bus() as bus:
        bus.register("a", answer).subscribe("t")
        cached = bus.statistics().routes.cached
        for number in range(3000):
            assert (await bus.request("t", number, timeout=1000)).payload == number
        assert len(bus._parts.timers.alarms) == 0
        assert bus._parts.timers.alarms.idle <= 1001
        assert bus.statistics().routes.cached == cached + 1
        with bus.subscribe("_stentor.reply.*") as spy:
            await bus.request("t", "heard")
            assert spy.receive_nowait().payload == "heard"
        await bus.request("t", "not heard")
        assert spy.statistics().addressed == 1


async def test_a_deadline_counts_also_when_an_earlier_timer_is_set() -> None:
    async def never(_: stentor.Message) -> None:
        await trio.sleep_forever()

    async with stentor.open_bus(drain_timeout=0) as bus:
        bus.register("a", never, concurrency=3).subscribe("t")
        begin = trio.current_time()
        ended: list[float] = []

        async def ask(timeout: float) -> None:
            with pytest.raises(trio.TooSlowError):
                await bus.request("t", timeout=timeout)
            ended.append(trio.current_time() - begin)

        async with trio.open_nursery() as nursery:
            for timeout in (5.0, 1.0, 3.0):
                nursery.start_soon(ask, timeout)
        assert ended == pytest.approx([1.0, 3.0, 5.0])


@pytest.mark.parametrize("name", ["request", "gather"])
async def test_a_deadline_of_its_own_ends_a_question_sooner_and_never_later(name: str) -> None:
    seen: list[float | None] = []

    async def never(message: stentor.Message) -> None:
        seen.append(message.deadline)
        await trio.sleep_forever()

    async with stentor.open_bus(drain_timeout=0) as bus:
        bus.register("a", never, concurrency=3).subscribe("t")
        ask = getattr(bus, name)
        for deadline, ends in ((2.0, 2.0), (9.0, 5.0), (None, 5.0)):
            begin = trio.current_time()
            given = None if deadline is None else begin + deadline
            with suppress(trio.TooSlowError):
                await ask("t", timeout=5.0, deadline=given)
            assert trio.current_time() - begin == pytest.approx(ends)
            assert seen.pop() == pytest.approx(begin + ends)
        for wrong, kind in ((-1, ValueError), (float("nan"), ValueError), ("soon", TypeError)):
            with pytest.raises(kind, match=r"^deadline must be "):
                await ask("t", deadline=wrong)
        assert seen == []


async def test_who_asks_nobody_for_ever_lets_others_have_a_turn() -> None:
    async def ask() -> None:
        while True:
            with pytest.raises(stentor.NoResponderError):
                await bus.request("nobody.listens")

    async with stentor.open_bus() as bus, trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()

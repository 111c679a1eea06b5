"""Asking at once: what both dispatchers do when a question and its answer are as ordinary as can be."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any, Literal

import pytest
import trio
from trio.testing import MockClock

import stentor
from stentor._native import Alarms
from tests.bus.accounts import all_parked, check_conservation
from tests.delivery.recording import Diary, Gate, counts, fill, payloads

if TYPE_CHECKING:
    from collections.abc import Iterator

    Name = Literal["native", "python"]


pytestmark = pytest.mark.usefixtures("dispatcher")


@pytest.fixture(params=["native", "python"])
def dispatcher(request: pytest.FixtureRequest) -> Iterator[Name]:
    """The dispatcher of every bus of the test."""
    with stentor.bus_defaults(dispatcher=request.param):
        yield request.param


async def echo(message: stentor.Message) -> object:
    return message.payload


FIELDS = ("id", "topic", "payload", "sender", "timestamp", "deadline", "expires_at", "in_reply_to", "cause", "ttl")


def test_questions_and_answers_are_the_same_messages_by_either_way() -> None:
    def run(name: Name) -> object:
        async def main() -> object:
            said: list[object] = []

            async def answer(message: stentor.Message, delivery: stentor.Delivery) -> object:
                said.append([getattr(message, field) for field in FIELDS])
                said.append((message.addressing, message.priority, message.headers, delivery.attempt))
                return message.payload

            async def asks(message: stentor.Message) -> object:
                return (await bus.request("t", message.payload)).payload

            async with stentor.open_bus(dispatcher=name, seed=1) as bus:
                bus.register("a", answer).subscribe("t")
                bus.register("b", answer).subscribe("*")
                bus.register("asks", asks).subscribe("ask")
                feed = bus.subscribe("t")
                for sender in (None, None, "me"):
                    await trio.sleep(1)
                    reply = await bus.request("t", 1, sender=sender, timeout=3.0)
                    said.append([getattr(reply, field) for field in FIELDS])
                gathered = await bus.gather("t", 2, timeout=2)
                said.extend([getattr(reply, field) for field in FIELDS] for reply in gathered.messages)
                assert (await bus.request("ask", 3)).payload == 3
                await bus.settled()
                record = bus.statistics()
                said.append((record.messages, record.addressed, record.handled, record.pattern_matches))
                said.append((record.routes.hits, record.routes.misses, counts(feed), bus._parts.requests.late))
                assert (bus._parts.door.ordinary > 0) is (name == "native")
            return said

        return trio.run(main, clock=MockClock(autojump_threshold=0))

    assert run("native") == run("python")


@pytest.mark.parametrize(("after", "handled"), [(0.999, True), (1.0, False), (1.5, False)])
async def test_a_message_is_handled_up_to_its_deadline_and_no_longer(after: float, *, handled: bool) -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", gate))
        agent.subscribe("t")
        await fill(bus, "t", "hold")
        await bus.publish("t", "late", deadline=trio.current_time() + 1)
        await bus.publish("t", "later")
        await trio.sleep(after)
        gate.open()
        await bus.settled()
        assert diary.calls["a"] == ["hold", *["late"] * handled, "later"]
        assert counts(agent) == ({"handled": 3} if handled else {"handled": 2, "expired": 1})


async def test_an_answer_to_whoever_was_cancelled_goes_nowhere() -> None:
    gate = Gate()

    async def slowly(message: stentor.Message) -> object:
        await gate(message)
        return message.payload

    async with stentor.open_bus() as bus:
        agent = bus.register("a", slowly)
        agent.subscribe("t")
        with trio.move_on_after(1):
            await bus.request("t", "cancelled")
        assert len(bus._parts.requests) == len(bus._parts.timers.alarms) == 0
        with pytest.raises(trio.TooSlowError, match=r"^no reply on 't' in time from 'a'$"):
            await bus.request("t", "too late", timeout=1.0)
        gate.open()
        assert (await bus.request("t", "mine")).payload == "mine"
        await bus.settled()
        assert counts(agent) == {"handled": 2, "expired": 1}
        assert bus._parts.requests.late == 0


async def test_who_is_cancelled_already_asks_nobody() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", echo)
        agent.subscribe("t")
        await bus.request("t", 1)
        with trio.CancelScope() as scope:
            scope.cancel()
            await bus.request("t", 1)
        assert scope.cancelled_caught
        assert counts(agent) == {"handled": 1}


async def test_who_asked_is_woken_once_whoever_answers_in_the_same_step() -> None:
    async with stentor.open_bus() as bus:
        agents = [bus.register(f"a{number}", echo) for number in range(3)]
        for agent in agents:
            agent.subscribe("t")
        for number in range(3):
            assert (await bus.request("t", number)).payload == number
        await bus.settled()
        check_conservation(bus, *agents)
        assert bus._parts.requests.late == 6
        assert bus.statistics().messages == 12


async def test_many_ask_at_once_and_each_gets_its_own() -> None:
    got: dict[int, object] = {}

    async def slowly(message: stentor.Message) -> object:
        assert isinstance(message.payload, int)
        await trio.sleep(message.payload % 3)
        return message.payload

    async def ask(number: int) -> None:
        with trio.move_on_after(1.5):
            got[number] = (await bus.request("t" if number % 2 else "u", number, timeout=100.0)).payload

    async with stentor.open_bus() as bus:
        bus.register("slow", slowly, concurrency=100).subscribe("t")
        bus.register("quick", echo).subscribe("u")
        for _ in range(2):
            got.clear()
            async with trio.open_nursery() as nursery:
                for number in range(60):
                    nursery.start_soon(ask, number)
            await bus.settled()
            assert got == {number: number for number in range(60) if number % 2 == 0 or number % 3 < 2}
        assert len(bus._parts.requests) == len(bus._parts.timers.alarms) == 0


async def test_a_handler_that_returns_nothing_leaves_the_question_to_a_reply() -> None:
    kept: list[stentor.Message] = []

    async def keep(message: stentor.Message) -> None:
        kept.append(message)

    async with stentor.open_bus() as bus, trio.open_nursery() as nursery:
        bus.register("a", keep).subscribe("t")

        async def later() -> None:
            await all_parked()
            assert bus.reply(kept[0], "later", sender="a")
            assert not bus.reply(kept[0], "again", sender="a")

        nursery.start_soon(later)
        assert (await bus.request("t")).payload == "later"


async def test_agents_that_poll_and_feeds_are_asked_beside_those_with_handlers() -> None:
    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t")
        polling = bus.register("polling")
        polling.subscribe("t")
        with pytest.raises(trio.TooSlowError, match=r"^no reply on 't' in time from 'polling'$"):
            await bus.request("t", timeout=1.0)
        bus.register("a", echo).subscribe("t")
        replies = await bus.gather("t", 1, timeout=1.0)
        assert (payloads(replies.messages), replies.silent) == ([1], ("polling",))
        assert counts(feed) == {"waiting": 2}


async def test_a_question_is_not_asked_where_nobody_may() -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", echo).subscribe("t")
        await bus.request("t", 1)
        with pytest.raises(ValueError, match=r"^topic must not begin with '_stentor'"):
            await bus.request("_stentor.x")
        bus.permissions.allow("me", publish=["u"])
        with pytest.raises(stentor.PermissionDeniedError):
            await bus.request("t", 1, sender="me")
        bus.permissions.allow("me", publish=["t"])
        assert (await bus.request("t", 2, sender="me")).payload == 2
    with pytest.raises(trio.ClosedResourceError):
        await bus.request("t", 1)


async def test_publish_and_wait_is_told_of_each_delivery_once() -> None:
    async def suspended(_: stentor.Message) -> object:
        await trio.sleep(1)
        return "unasked"

    async with stentor.open_bus() as bus:
        bus.register("eager", echo).subscribe("t")
        bus.register("suspended", suspended).subscribe("t")
        bus.register("polling").subscribe("t")
        for _ in range(3):
            result = await bus.publish_and_wait("t", "unasked")
            assert (result.subscribers_reached, result.delivery_failures) == (3, 0)
            receipt = await bus.publish("t", confirm=True)
            assert (await receipt.confirmed()).subscribers_reached == 3


async def test_a_handler_that_asks_several_at_once_is_refused_what_closes_a_cycle() -> None:
    said: list[object] = []

    async def asks(topic: str) -> None:
        try:
            said.append((await bus.request(topic, topic, timeout=50.0)).payload)
        except stentor.DeadlockError as error:
            said.append(str(error))

    async def both(_: object) -> str:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(asks, "slow")
            await all_parked()
            nursery.start_soon(asks, "loop")
        return "both"

    async def slow(message: stentor.Message) -> object:
        await trio.sleep(1)
        return message.payload

    async def loop(_: object) -> str:
        await asks("both")
        return "loop"

    async with stentor.open_bus() as bus:
        for name, handler in (("both", both), ("slow", slow), ("loop", loop)):
            bus.register(name, handler).subscribe(name)
        assert (await bus.request("both", 1)).payload == "both"
        await bus.settled()
        assert said == ["waiting here would never end: 'loop' waits for 'both' waits for 'loop'", "loop", "slow"]
        assert not bus._parts.waits._waits


async def test_handlers_that_ask_are_cancelled_and_answered_and_wait_for_nobody_afterwards() -> None:
    got: list[object] = []

    async def asks(message: stentor.Message) -> None:
        with trio.move_on_after(1):
            got.append((await bus.request("slow", message.payload)).payload)
        got.append((await bus.gather("quick", message.payload, timeout=2.0)).complete)

    async def slow(message: stentor.Message) -> object:
        await trio.sleep(0 if message.payload else 2)
        return message.payload

    async with stentor.open_bus() as bus:
        bus.register("asks", asks).subscribe("ask")
        bus.register("slow", slow).subscribe("slow")
        for name in ("one", "two"):
            bus.register(name, echo).subscribe("quick")
        for payload in (1, 0, 2):
            await bus.publish("ask", payload)
        await bus.settled()
        assert got == [1, True, True, True]
        assert not bus._parts.waits._waits
        assert bus.statistics().running == 0


class Payload:
    """Something that a weak reference can be made to."""


async def test_questions_and_answers_are_let_go() -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", echo).subscribe("t")
        references = []
        for _ in range(3):
            payload: Any = Payload()
            references.append(weakref.ref(payload))
            assert (await bus.request("t", payload)).payload is payload
            del payload
            await bus.settled()
        gc.collect()
        assert [reference() for reference in references] == [None] * 3


def test_alarms_ring_by_instant_and_then_by_number() -> None:
    rung: list[str] = []
    alarms = Alarms()
    alarms.set(2.0, lambda: rung.append("two"))
    alarms.set(1.0, lambda: rung.append("one"))

    def set_another() -> None:
        alarms.set(1.5, lambda: rung.append("between"))

    alarms.set(1.0, set_another)
    cancelled = alarms.set(0.5, lambda: rung.append("cancelled"))
    alarms.set(3.0, lambda: rung.append("three"))
    alarms.cancel(cancelled)
    assert (len(alarms), alarms.idle, alarms.next()) == (4, 1, 1.0)
    alarms.ring(2.0)
    assert rung == ["one", "between", "two"]
    alarms.cancel(cancelled)
    assert (len(alarms), alarms.next()) == (1, 3.0)


def test_cancelled_alarms_do_not_pile_up() -> None:
    alarms = Alarms()
    kept = [alarms.set(float(number), lambda: None) for number in range(10)]
    for number in range(10_000):
        alarms.cancel(alarms.set(float(number % 7), lambda: None))
    assert (len(alarms), alarms.next()) == (10, 0.0)
    assert alarms.idle <= 1010
    for number in kept:
        alarms.cancel(number)
    assert alarms.next() == float("inf")

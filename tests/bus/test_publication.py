"""What `Bus.publish` returns: it publishes when it is awaited, once, and can be used wherever a coroutine can."""

from __future__ import annotations

import inspect
import subprocess
import sys
import weakref
from collections.abc import Awaitable, Coroutine
from typing import Any

import pytest
import trio
import trio.testing

import stentor


async def nothing(_: stentor.Message) -> None:
    """Do nothing."""


def slow(bus: stentor.Bus) -> Coroutine[Any, Any, stentor.Receipt]:
    """A publish that the machine must see to."""
    return bus.publish("t", 1, priority=stentor.Priority.HIGH)


def quick(bus: stentor.Bus) -> Coroutine[Any, Any, stentor.Receipt]:
    """A publish through the door."""
    return bus.publish("t", 1)


BOTH = pytest.mark.parametrize("publish", [quick, slow])


@BOTH
async def test_nothing_happens_before_it_is_awaited(publish: Any) -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", nothing).subscribe("t")
        publication = publish(bus)
        assert bus.statistics().messages == 0
        receipt = await publication
        assert bus.statistics().messages == 1
        assert receipt.recipients == ("a",)


@BOTH
async def test_it_is_awaited_once(publish: Any) -> None:
    async with stentor.open_bus() as bus:
        publication = publish(bus)
        await publication
        with pytest.raises(RuntimeError, match="a second time"):
            await publication
        assert bus.statistics().messages == 1


@BOTH
async def test_it_is_a_coroutine(publish: Any) -> None:
    async with stentor.open_bus() as bus:
        publication = publish(bus)
        assert isinstance(publication, Coroutine)
        assert isinstance(publication, Awaitable)
        assert inspect.isawaitable(publication)
        publication.close()


@BOTH
async def test_it_can_be_a_task(publish: Any) -> None:
    async with stentor.open_bus() as bus:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(publish, bus)
            nursery.start_soon(bus.publish, "t")
        assert bus.statistics().messages == 2


@BOTH
async def test_it_can_be_driven_by_hand(publish: Any) -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises(StopIteration) as ended:
            publish(bus).send(None)
        assert ended.value.value.message.topic == "t"
        with pytest.raises(StopIteration) as ended:
            next(publish(bus).__await__())
        assert ended.value.value.message.topic == "t"
        assert bus.statistics().messages == 2


@BOTH
async def test_who_never_awaits_it_is_warned(publish: Any) -> None:
    async with stentor.open_bus() as bus:
        with pytest.warns(RuntimeWarning, match=r"'Bus\.publish' was never awaited"):
            publish(bus)
        assert bus.statistics().messages == 0


@BOTH
async def test_once_closed_it_never_happens(publish: Any) -> None:
    async with stentor.open_bus() as bus:
        publication = publish(bus)
        publication.close()
        with pytest.raises(RuntimeError, match="a second time"):
            await publication
        assert bus.statistics().messages == 0


@BOTH
async def test_an_error_thrown_into_it_calls_it_off(publish: Any) -> None:
    async with stentor.open_bus() as bus:
        publication = publish(bus)
        with pytest.raises(ValueError, match="no"):
            publication.throw(ValueError("no"))
        publication.close()
        assert bus.statistics().messages == 0


async def test_it_cannot_be_iterated_or_asked_in_advance() -> None:
    async with stentor.open_bus() as bus:
        publication: Any = bus.publish("t")
        with pytest.raises(RuntimeError, match="is awaited, not iterated"):
            next(publication)
        await publication


async def test_a_task_that_waits_for_room_shows_where() -> None:
    async def publishes() -> None:
        tasks.append(trio.lowlevel.current_task())
        await bus.publish("t", 2)

    tasks: list[trio.lowlevel.Task] = []
    async with stentor.open_bus() as bus, trio.open_nursery() as nursery:
        feed = bus.subscribe("t", capacity=1)
        await bus.publish("t", 1)
        nursery.start_soon(publishes)
        await trio.testing.wait_all_tasks_blocked()
        names = [frame.f_code.co_name for frame, _ in tasks[0].iter_await_frames()]
        assert names[:2] == ["publishes", "_publish"]
        assert [(await feed.receive()).payload for _ in range(2)] == [1, 2]


async def test_what_does_not_wait_has_no_frame() -> None:
    async with stentor.open_bus() as bus:
        publication: Any = bus.publish("t")
        assert (publication.cr_frame, publication.cr_await) == (None, None)
        publication.close()


async def test_what_is_false_is_as_good_as_not_said() -> None:
    async with stentor.open_bus() as bus:
        await bus.publish("t")  # from now on the door knows the route
        before = bus._parts.door.ordinary
        await bus.publish("t", retain=False, confirm=False)
        bus.publish_nowait("t", retain=False)
        assert bus._parts.door.ordinary - before == 2 * (bus._parts.pumping is not None)


async def test_one_that_somebody_has_is_not_made_another() -> None:
    async with stentor.open_bus() as bus:
        first = bus.publish("t")
        await first
        second = bus.publish("t")
        with pytest.raises(RuntimeError, match="a second time"):
            await first
        await second
        assert bus.statistics().messages == 2


async def test_who_never_awaits_one_after_another_is_warned() -> None:
    async with stentor.open_bus() as bus:
        await bus.publish("t")
        with pytest.warns(RuntimeWarning, match=r"'Bus\.publish' was never awaited"):
            quick(bus)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
        await bus.publish("t")
        assert bus.statistics().messages == 2


async def test_nothing_is_kept_of_what_was_published() -> None:
    class Thing:
        pass

    async with stentor.open_bus() as bus:
        bus.register("a", nothing).subscribe("t")
        await bus.publish("t")
        thing = Thing()
        reference = weakref.ref(thing)
        await bus.publish("t", thing)
        await bus.settled()
        del thing
        assert reference() is None


async def test_an_unknown_option_is_refused_by_its_name() -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises(TypeError, match="colour"):
            await bus.publish("t", colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        with pytest.raises(TypeError, match="colour"):
            bus.publish_nowait("t", colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


CALLS: dict[str, tuple[tuple[object, ...], dict[str, object]]] = {
    "topic": (("t",), {}),
    "payload": (("t", 1), {}),
    "sender": (("t",), {"sender": "me"}),
    "payload and sender": (("t", 1), {"sender": "me"}),
    "a sender whose keyword is made anew": (("t", 1), {str(b"sender", "ascii"): "me"}),
    "all by name": ((), {"topic": "t", "payload": 1, "sender": "me"}),
    "nobody": (("t", 1), {"sender": None}),
    "headers": (("t", 1), {"headers": {"k": "v"}, "sender": "me"}),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
async def test_however_it_is_called_the_message_is_the_same(call: tuple[Any, dict[str, Any]]) -> None:
    given, named = call
    async with stentor.open_bus() as bus:
        with bus.subscribe("t") as feed:
            for receipt in (await bus.publish(*given, **named), bus.publish_nowait(*given, **named)):
                message = await feed.receive()
                assert message is receipt.message
                assert message.topic == "t"
                assert message.payload == (1 if len(given) == 2 else named.get("payload"))
                assert message.sender == named.get("sender")
                assert dict(message.headers) == named.get("headers", {})


@pytest.mark.parametrize("method", ["publish", "publish_nowait"])
async def test_what_it_cannot_be_called_with_is_named(method: str) -> None:
    async with stentor.open_bus() as bus:
        publish = getattr(bus, method)
        with pytest.raises(TypeError, match=rf"{method}\(\) missing 1 required positional argument: 'topic'"):
            publish()
        with pytest.raises(TypeError, match=rf"{method}\(\) got an unexpected keyword argument 'urgent'"):
            publish("t", urgent=True)
        with pytest.raises(TypeError, match=rf"{method}\(\) takes from 1 to 2 positional arguments but 3 were given"):
            publish("t", 1, 2)
        assert bus.statistics().messages == 0


async def test_what_is_published_at_once_takes_nobodys_turn() -> None:
    """So that the short way stays open, however many there are, and whoever awaits is let rest as often as without."""
    async with stentor.open_bus() as bus:
        await bus.publish("t")
        door = bus._parts.door
        before, budget = door.ordinary, door.budget
        for _ in range(3000):
            bus.publish_nowait("t")
        assert door.budget == budget
        assert door.ordinary - before == 3000 * (bus._parts.pumping is not None)


async def test_what_is_over_leaves_nothing_behind() -> None:
    """The next message may be made where the last one was, and must not be taken for it."""
    gone: list[object] = []
    async with stentor.open_bus() as bus:
        seen: list[weakref.ref[stentor.Message]] = []
        for number in range(3):
            receipt = await bus.publish("t", [number], headers={"k": "v"} if number == 1 else {}, sender=f"me-{number}")
            assert receipt.message.payload == [number]
            assert receipt.message.sender == f"me-{number}"
            assert weakref.getweakrefcount(receipt.message) == 0
            seen.append(weakref.ref(receipt.message, gone.append))
            del receipt
            assert gone == seen
        assert [reference() for reference in seen] == [None] * 3


CHAIN = """
import trio, stentor

async def published(held):
    last = None
    async with stentor.open_bus() as bus:
        for _ in range(200_000):
            last = held(await bus.publish("t", last))

def made():
    last = None
    for _ in range(200_000):
        last = stentor.Message(topic="t", payload=last, id="1", timestamp=0.0)

"""


@pytest.mark.parametrize(
    "program",
    [
        "trio.run(published, lambda receipt: receipt)",
        "trio.run(published, lambda receipt: receipt.message)",
        "trio.run(published, lambda receipt: [receipt.message])",
        "made()",
    ],
)
def test_a_long_chain_of_messages_each_of_which_holds_the_last_can_end(program: str) -> None:
    """In a process of its own, for it would be the end of this one."""
    subprocess.run([sys.executable, "-c", CHAIN + program], check=True, timeout=60)

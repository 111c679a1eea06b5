"""What `Bus.publish` returns: it publishes when it is awaited, once, and can be used wherever a coroutine can."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from threading import Thread
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


@pytest.mark.parametrize("method", ["publish", "request"])
async def test_an_error_on_its_way_gets_there_past_one_that_nobody_awaits(method: str) -> None:
    async with stentor.open_bus() as bus:
        make = getattr(bus, method)
        with (
            pytest.warns(RuntimeWarning, match=rf"'Bus\.{method}' was never awaited"),
            pytest.raises(ZeroDivisionError),
        ):
            _ = [make("t"), 1 / 0]
        with (
            pytest.warns(RuntimeWarning, match="was never awaited"),
            pytest.raises(TypeError, match="not subscriptable"),
        ):
            make("t")["x"]


@pytest.mark.parametrize("method", ["publish", "request"])
async def test_whoever_is_awaited_can_hand_on_to_it(method: str) -> None:
    class Later:
        def __await__(self) -> Any:
            return (yield from getattr(bus, method)("t", 5).__await__())

    async def echo(message: stentor.Message) -> object:
        return message.payload

    async with stentor.open_bus() as bus:
        bus.register("a", echo).subscribe("t")
        answer: Any = await Later()
        assert (answer.message if method == "publish" else answer).payload == 5


@pytest.mark.parametrize("method", ["publish", "request"])
async def test_what_has_not_begun_can_be_sent_nothing(method: str) -> None:
    async with stentor.open_bus() as bus:
        awaitable = getattr(bus, method)("t")
        with pytest.raises(TypeError, match="has not begun"):
            awaitable.send(5)
        awaitable.close()
        assert bus.statistics().messages == 0


async def test_one_that_was_to_be_awaited_and_never_began_is_warned_of() -> None:
    async with stentor.open_bus() as bus:
        with pytest.warns(RuntimeWarning, match="was never awaited"):
            bus.publish("t").__await__()
        assert bus.statistics().messages == 0


@pytest.mark.parametrize("value", ["no", 0, 1.0, []])
@pytest.mark.parametrize(
    ("method", "flag"), [("publish", "retain"), ("publish", "confirm"), ("publish_nowait", "retain")]
)
async def test_a_flag_is_true_or_false(method: str, flag: str, value: object) -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises(TypeError, match=f"^{flag} must be of type bool, not {type(value).__name__}$"):
            await getattr(bus, method)("t", **{flag: value})
        assert bus.statistics().messages == len(bus.retained) == 0


@pytest.mark.parametrize("method", ["publish", "publish_nowait"])
@pytest.mark.parametrize("option", ["ttl", "headers", "content_type", "in_reply_to"])
async def test_only_a_flag_can_be_false(method: str, option: str) -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises((TypeError, ValueError), match=option):
            answer = getattr(bus, method)("t", **{option: False})
            await answer


@pytest.mark.real_clock
async def test_from_another_thread_it_is_refused_and_nothing_is_stuck() -> None:
    heard: list[object] = []
    refused: list[str] = []

    async def hear(message: stentor.Message) -> None:
        heard.append(message.payload)

    def publish_there() -> None:
        for publish in (lambda: bus.publish_nowait("t", 1), lambda: bus.publish("t", 2).send(None)):
            with pytest.raises(RuntimeError) as error:
                publish()
            refused.append(str(error.value))

    async with stentor.open_bus() as bus:
        bus.register("a", hear).subscribe("t")
        thread = Thread(target=publish_there)
        thread.start()
        thread.join()  # while a task of the bus's thread runs
        await trio.to_thread.run_sync(publish_there)  # while none does
        assert len(refused) == 4
        assert all("portal()" in text for text in refused)
        await bus.publish("t", 3)
        await bus.settled()
        assert heard == [3]
        assert bus.statistics().messages == 1


@pytest.mark.real_clock
@pytest.mark.parametrize("name", ["publish", "send", "route", "resubmit", "request", "settled", "checkpoint"])
async def test_a_task_of_another_run_is_refused_and_the_bus_goes_on(name: str) -> None:
    heard: list[object] = []

    async def fail_first(message: stentor.Message) -> None:
        heard.append(message.payload)
        if len(heard) == 1:
            raise ValueError

    async with stentor.open_bus() as bus:
        bus.register("a", fail_first).subscribe("t")
        await bus.publish("t", 1)
        await bus.settled()
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "publish": lambda: bus.publish("t"),
            "send": lambda: bus.send("a"),
            "route": lambda: bus.route(stentor.Message("t")),
            "resubmit": lambda: bus.resubmit(next(iter(bus.dead_letters))),
            "request": lambda: bus.request("t"),
            "settled": bus.settled,
            "checkpoint": bus.checkpoint,
        }

        async def call() -> None:
            with pytest.raises(RuntimeError, match="only a task of the trio run that the bus is in may do this"):
                await calls[name]()

        await trio.to_thread.run_sync(trio.run, call)
        await bus.publish("t", 2)
        await bus.settled()
        assert heard == [1, 2]


async def test_outside_of_a_task_it_is_refused() -> None:
    """Trio may be about to wait: it would not look any more whether a worker was called."""
    refused: list[str] = []

    class Publishes(trio.abc.Instrument):
        def before_io_wait(self, timeout: float) -> None:
            del timeout
            with pytest.raises(RuntimeError) as error:
                bus.publish_nowait("t")
            refused.append(str(error.value))

    async with stentor.open_bus() as bus:
        instrument = Publishes()
        trio.lowlevel.add_instrument(instrument)
        await trio.lowlevel.checkpoint()
        trio.lowlevel.remove_instrument(instrument)
        assert refused
        assert bus.statistics().messages == 0

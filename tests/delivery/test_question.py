"""What `Bus.request` returns: it asks when it is awaited, once, and can be used wherever a coroutine can."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Coroutine
from typing import Any

import pytest
import trio
import trio.testing

import stentor


async def echo(message: stentor.Message) -> object:
    return message.payload


async def late_echo(message: stentor.Message) -> object:
    await trio.sleep(0.1)
    return message.payload


def quick(bus: stentor.Bus) -> Coroutine[Any, Any, stentor.Message]:
    """A question by the desk."""
    return bus.request("t", 1, timeout=2.0, sender="me")


def slow(bus: stentor.Bus) -> Coroutine[Any, Any, stentor.Message]:
    """A question that the machine must ask."""
    return bus.request("t", 1, priority=stentor.Priority.HIGH)


BOTH = pytest.mark.parametrize("ask", [quick, slow])


@BOTH
async def test_nothing_is_asked_before_it_is_awaited(ask: Any) -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", echo).subscribe("t")
        for asked in (0, 2):
            question = ask(bus)
            assert bus.statistics().messages == asked
            assert (await question).payload == 1


@BOTH
async def test_it_is_awaited_once(ask: Any) -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", echo).subscribe("t")
        await ask(bus)
        question = ask(bus)
        await question
        with pytest.raises(RuntimeError, match="await"):
            await question
        assert bus.statistics().messages == 4


@BOTH
async def test_it_is_a_coroutine_and_can_be_a_task(ask: Any) -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", echo).subscribe("t")
        question = ask(bus)
        assert isinstance(question, Coroutine)
        assert inspect.isawaitable(question)
        question.close()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask, bus)
            nursery.start_soon(bus.request, "t", 1)
        assert bus.statistics().messages == 8


@BOTH
async def test_it_can_be_driven_by_hand(ask: Any) -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", echo).subscribe("t")
        await ask(bus)

        async def drive() -> stentor.Message:
            question = ask(bus)
            sent = None
            while True:
                try:
                    trap = question.send(sent)
                except StopIteration as end:
                    answer: stentor.Message = end.value
                    return answer
                sent = await _Passed(trap)

        assert (await drive()).payload == 1
        assert (await drive()).payload == 1


class _Passed:
    """Passes a trap on to trio, and what trio answers back."""

    def __init__(self, trap: object) -> None:
        self._trap = trap

    def __await__(self) -> Any:
        return (yield self._trap)


@BOTH
async def test_who_never_awaits_it_is_warned(ask: Any) -> None:
    async with stentor.open_bus() as bus:
        with pytest.warns(RuntimeWarning, match=r"'Bus\.request' was never awaited"):
            ask(bus)
        assert bus.statistics().messages == 0


@BOTH
async def test_once_closed_or_thrown_into_it_never_asks(ask: Any) -> None:
    async with stentor.open_bus() as bus:
        question = ask(bus)
        question.close()
        with pytest.raises(RuntimeError, match="a second time"):
            await question
        question = ask(bus)
        with pytest.raises(ValueError, match="no"):
            question.throw(ValueError("no"))
        assert bus.statistics().messages == 0


@BOTH
@pytest.mark.parametrize("how", ["close", "throw", "drop"])
async def test_once_it_was_asked_it_can_be_called_off(ask: Any, how: str) -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", late_echo)
        agent.subscribe("t")
        await ask(bus)
        question = ask(bus)
        question.send(None)
        assert len(bus._parts.requests) == 1
        if how == "close":
            question.close()
        elif how == "throw":
            with pytest.raises(ValueError, match="no"):
                question.throw(ValueError("no"))
        del question
        gc.collect()
        assert len(bus._parts.requests) == len(bus._parts.timers.alarms) == 0
        await bus.settled()
        assert agent.statistics().handled == 2
        assert (await ask(bus)).payload == 1


@pytest.mark.parametrize(("ask", "ends"), [(quick, ["wait", "wait_task_rescheduled"]), (slow, ["wait", "_wait"])])
async def test_who_waits_can_be_looked_at(ask: Any, ends: list[str]) -> None:
    async def never(_: stentor.Message) -> None:
        await trio.sleep_forever()

    async def asks() -> None:
        tasks.append(trio.lowlevel.current_task())
        await ask(bus)

    tasks: list[trio.lowlevel.Task] = []
    async with stentor.open_bus(dispatcher="native", drain_timeout=0) as bus, trio.open_nursery() as nursery:
        bus.register("a", never).subscribe("t")
        with pytest.raises(trio.TooSlowError):
            await ask(bus)
        nursery.start_soon(asks)
        await trio.testing.wait_all_tasks_blocked()
        names = [frame.f_code.co_name for frame, _ in tasks[0].iter_await_frames()]
        assert names[0] == "asks"
        assert [name for name in names if name in ends] == ends
        nursery.cancel_scope.cancel()


async def test_who_does_not_wait_has_no_frame() -> None:
    async with stentor.open_bus() as bus:
        question: Any = bus.request("t")
        assert (question.cr_frame, question.cr_await) == (None, None)
        question.close()


async def test_options_are_refused_by_their_name() -> None:
    async with stentor.open_bus() as bus:
        bus.register("a", echo).subscribe("t")
        await bus.request("t", 1)
        with pytest.raises(TypeError, match="colour"):
            await bus.request("t", 1, colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        for timeout in (0.0, -1, float("nan"), float("inf"), None, "5"):
            with pytest.raises((TypeError, ValueError), match=r"^timeout must be "):
                await bus.request("t", 1, timeout=timeout)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(TypeError, match=r"^sender must be of type str, not int$"):
            await bus.request("t", 1, sender=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(TypeError, match=r"^topic must be of type str, not int$"):
            await bus.request(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert (await bus.request("t", 1, timeout=1, addressing="topic")).payload == 1
        assert bus.statistics().messages == 4

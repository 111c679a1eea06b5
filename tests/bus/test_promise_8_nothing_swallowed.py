"""Nothing is swallowed: after all attempts a failure is a dead letter with its cause."""

from __future__ import annotations

import pytest
import trio

import stentor
from tests.bus.accounts import check_conservation


async def test_promise_8_what_a_handler_raises_at_its_deadline_is_the_cause_of_the_timeout() -> None:
    async def converts(_: stentor.Message) -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            msg = "while it was cancelled"
            raise ValueError(msg) from None

    async with stentor.open_bus() as bus:
        agent = bus.register("a", converts, timeout=5)
        agent.subscribe("t")
        result = await bus.publish_and_wait("t")
        (letter,) = bus.dead_letters
        check_conservation(bus, agent)
    assert result.errors == (("a", letter.cause),)
    assert isinstance(letter.cause, TimeoutError)
    assert str(letter.cause.__cause__) == "while it was cancelled"


async def test_promise_8_what_is_no_exception_passes_even_from_a_handler_whose_time_is_up() -> None:
    async def interrupts(_: stentor.Message) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise KeyboardInterrupt

    bus = None
    with pytest.raises(BaseExceptionGroup) as caught:
        async with stentor.open_bus() as bus:
            agent = bus.register("a", interrupts, timeout=5)
            agent.subscribe("t")
            await bus.publish("t")
            await trio.sleep_forever()
    assert caught.group_contains(KeyboardInterrupt)
    assert bus is not None
    assert agent.statistics().abandoned == 1
    check_conservation(bus, agent)

"""Nothing is swallowed: after all attempts a failure is a dead letter with its cause."""

from __future__ import annotations

from collections import Counter

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
    assert repr(result).endswith(f"errors=(('a', {letter.cause!r}),))")
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


async def crash_loop(messages: int) -> None:
    """An agent that crashes once on most messages and always on every second, its poison; and who restarts it."""
    retry = stentor.RetryPolicy(attempts=3, first_delay=1.0, factor=2.0, jitter=0.0)
    handled: list[int] = []
    attempts: Counter[int] = Counter()
    restarts = 0

    async def fragile(message: stentor.Message) -> None:
        number = int(str(message.payload))
        attempts[number] += 1
        if number % 2 == 0 or (number % 3 and attempts[number] < 2):
            raise ValueError(number)
        handled.append(number)

    async def supervise() -> None:
        nonlocal restarts
        while restarts < messages // 2:
            await trio.sleep(2.0 ** (restarts % 6))
            if agent.quarantined:
                restarts += 1
                agent.rejoin()

    async with stentor.open_bus(drain_timeout=1e9) as bus:
        agent = bus.register("fragile", fragile, retry=retry, on_error="quarantine", quarantine_after=1)
        agent.subscribe("t", capacity=100)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervise)
            for number in range(messages):
                await bus.publish("t", number, sender="source")
        await bus.settled()
        check_conservation(bus, agent)
        assert handled == list(range(1, messages, 2))
        assert [letter.message.payload for letter in bus.dead_letters] == list(range(0, messages, 2))
        assert {letter.attempts for letter in bus.dead_letters} == {3}
        assert not agent.quarantined


async def test_promise_8_a_crash_loop_loses_nothing_but_the_poison() -> None:
    await crash_loop(200)


@pytest.mark.long
async def test_promise_8_a_crash_loop_of_a_thousand_restarts_loses_nothing_but_the_poison() -> None:
    await crash_loop(2_000)

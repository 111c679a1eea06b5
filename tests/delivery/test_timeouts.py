"""Timeouts: one attempt may take so long, and is cancelled then; what never waits is never cancelled."""

from __future__ import annotations

import pytest
import trio

import stentor
from stentor import RetryPolicy
from tests.delivery.recording import Diary, counts


async def test_a_handler_that_takes_too_long_is_cancelled_and_has_failed() -> None:
    cancelled: list[float] = []

    async def slow(_: object) -> None:
        try:
            await trio.sleep(10)
        except trio.Cancelled:
            cancelled.append(trio.current_time())
            raise

    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", slow), timeout=3.0)
        agent.subscribe("t")
        begun = trio.current_time()
        for number in range(2):
            await bus.publish("t", number)
        await bus.settled()
        assert cancelled == [begun + 3, begun + 6]
        assert counts(agent) == {"dead": 2}
        assert {str(letter.cause) for letter in bus.dead_letters} == {"the handler took longer than its timeout"}
        assert {type(letter.cause) for letter in bus.dead_letters} == {TimeoutError}


async def test_each_attempt_has_the_whole_time() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        retry = RetryPolicy(attempts=3, first_delay=1.0, factor=1.0, jitter=0.0)
        agent = bus.register("a", diary.handler("a", lambda _: trio.sleep_forever()), timeout=2.0, retry=retry)
        agent.subscribe("t")
        await bus.publish("t")
        await bus.settled()
    assert diary.times["a"] == [0, 3, 6]
    assert counts(agent) == {"dead": 1}


async def test_a_handler_that_is_in_time_leaves_no_deadline_behind_for_the_next() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        quick = bus.register("quick", diary.handler("quick", lambda _: trio.sleep(2)), timeout=3.0)
        patient = bus.register("patient", diary.handler("patient", lambda _: trio.sleep(50)))
        for agent in (quick, patient):
            agent.subscribe("t")
        for number in range(3):
            await bus.publish("t", number)
        await bus.settled()
        assert counts(bus) == {"handled": 6}


async def test_a_batch_has_one_timeout() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a", lambda _: trio.sleep(10)), timeout=1.0)
        agent.subscribe("t", mode="batch", batch_size=2)
        for number in range(2):
            await bus.publish("t", number)
        await bus.settled()
        assert counts(agent) == {"dead": 2}


@pytest.mark.parametrize(
    ("timeout", "text"),
    [
        (0, "timeout must be > 0 seconds, not 0"),
        (float("inf"), "timeout must be a finite number of seconds, not inf"),
        (float("nan"), "timeout must be > 0 seconds, not nan"),
    ],
)
async def test_a_timeout_out_of_range_is_refused(timeout: float, text: str) -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises(ValueError, match=f"^{text}$"):
            bus.register("a", Diary().handler("a"), timeout=timeout)
        assert bus.statistics().agents == 0
        with pytest.raises(TypeError, match=r"^timeout must be a number of seconds, not str$"):
            bus.register("a", Diary().handler("a"), timeout="1")  # type: ignore[arg-type]

"""An expected message comes or the test fails, and says what came instead; failures of handlers are found."""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio

import stentor
from stentor.testing import assert_no_failures, expect


async def test_the_first_message_that_fulfils_it_is_returned_in_its_time() -> None:
    async with stentor.open_bus() as bus:
        expectation = expect(bus, "news.*", lambda message: message.payload == 2, within=10.0)
        before = trio.current_time()
        async with trio.open_nursery() as nursery:

            async def later() -> None:
                for number in (1, 2, 2, 3):
                    await trio.sleep(4)
                    await bus.publish("news.now", number, sender=f"number {number}")

            nursery.start_soon(later)
            message = await expectation
            assert (message.payload, message.sender) == (2, "number 2")
            assert trio.current_time() - before == 8.0
            assert await expectation is expectation.message is message


async def test_what_was_published_before_it_is_awaited_counts() -> None:
    async with stentor.open_bus() as bus:
        await bus.publish("t", "too early")
        expectation = expect(bus, "t", within=0.0)
        await bus.publish("t", 1)
        await bus.publish("t", 2)
        with pytest.raises(RuntimeError, match=r"^the message has not come yet: await the expectation first$"):
            _ = expectation.message
        assert (await expectation).payload == 1


async def test_what_does_not_come_fails_and_tells_what_came_instead() -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises(AssertionError) as caught:
            await expect(bus, "news.*", within=3.0)
        text = "no message that was expected came on 'news.*' within 3 s, and no other either"
        assert str(caught.value) == text
        with pytest.raises(AssertionError) as caught:
            async with expect(bus, "news.*", lambda message: False, within=3.0):  # noqa: ARG005 - any message
                for number in range(7):
                    await bus.publish("news.now", number, sender="wire")
                await bus.publish("else", 8)
        assert str(caught.value).splitlines() == [
            "no message that was expected came on 'news.*' within 3 s, but 7 others, the last of which:",
            *(f"  news.now {number} from 'wire'" for number in range(2, 7)),
        ]
        assert (await bus.publish("news.now")).recipients == (), "nobody listens any more"


async def test_what_the_predicate_raises_is_raised_where_it_is_awaited() -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises(TypeError, match="not supported"):
            async with expect(bus, "t", lambda message: message.payload > 1):  # type: ignore[operator]
                receipt = await bus.publish("t", "text")
                assert len(receipt.recipients) == 1
        assert_no_failures(bus)


async def test_a_block_that_fails_awaits_nothing() -> None:
    async with stentor.open_bus() as bus:
        before = trio.current_time()
        with pytest.raises(KeyError):
            async with expect(bus, "t"):
                raise KeyError
        assert trio.current_time() == before
        assert (await bus.publish("t")).recipients == ()


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"within": -1}, ValueError, "within must be >= 0 seconds, not -1"),
        ({"within": "x"}, TypeError, "within must be a number of seconds, not str"),
        ({"within": True}, TypeError, "within must be a number of seconds, not bool"),
        ({"predicate": 3}, TypeError, "predicate must be callable, not int"),
        ({"bus": 3}, TypeError, "bus must be of type Bus, not int"),
    ],
)
async def test_bad_arguments_are_refused(wrong: dict[str, Any], error: type[Exception], text: str) -> None:
    async with stentor.open_bus() as bus:
        arguments: dict[str, Any] = {"bus": bus, "pattern": "t", **wrong}
        with pytest.raises(error) as caught:
            _ = expect(**arguments)
        assert str(caught.value) == text
        with pytest.raises(stentor.InvalidPatternError):
            _ = expect(bus, "a..b")
        assert bus.statistics().addressed == 0


async def test_failures_are_named_and_are_the_cause() -> None:
    async def fail(message: stentor.Message) -> None:
        raise LookupError(message.payload)

    async with stentor.open_bus() as bus:
        bus.register("a", fail).subscribe("t.*")
        assert_no_failures(bus)
        for number in range(7):
            await bus.publish("t.x", number)
    with pytest.raises(AssertionError) as caught:
        assert_no_failures(bus)
    assert str(caught.value).splitlines() == [
        "7 deliveries have failed:",
        *(f"  agent 'a' on t.x {number}: LookupError({number})" for number in range(5)),
        "  and 2 more",
    ]
    cause = caught.value.__cause__
    assert isinstance(cause, ExceptionGroup)
    assert re.fullmatch(r"failures of handlers \(7 sub-exceptions\)", str(cause))

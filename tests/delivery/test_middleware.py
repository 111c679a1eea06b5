"""Middleware: around publishing and around handlers, the first outermost; the stamp of a message stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import stentor
from tests.delivery.recording import Diary, counts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Tracing(stentor.Middleware):
    """Writes down what goes through it."""

    def __init__(self, name: str, log: list[str]) -> None:
        """Write into `log`."""
        self._name = name
        self._log = log

    def publishing(self, message: stentor.Message) -> stentor.Message:
        """Change the payload."""
        self._log.append(f"{self._name} publishing")
        return message.replace(payload=f"{message.payload}{self._name}")

    async def delivering(self, delivery: stentor.Delivery, call: Callable[[], Awaitable[object]]) -> object:
        """Go around the handler."""
        self._log.append(f"{self._name} before {delivery.agent}")
        answer = await call()
        self._log.append(f"{self._name} after")
        return f"{answer}{self._name}"


async def test_the_first_is_the_outermost_and_all_may_change_what_passes() -> None:
    log: list[str] = []
    async with stentor.open_bus(middleware=[Tracing("1", log), Tracing("2", log)]) as bus:

        async def handler(message: stentor.Message) -> object:
            log.append(f"handler {message.payload}")
            return "answer"

        bus.register("a", handler).subscribe("t")
        assert (await bus.request("t", "x")).payload == "answer21"
    assert log == [
        "1 publishing",
        "2 publishing",
        "1 before a",
        "2 before a",
        "handler x12",
        "2 after",
        "1 after",
    ]


async def test_what_publishing_raises_refuses_the_message() -> None:
    class Refusing(stentor.Middleware):
        def publishing(self, message: stentor.Message) -> stentor.Message:
            raise PermissionError(message.topic)

    async with stentor.open_bus(middleware=[Refusing()]) as bus:
        feed = bus.subscribe("t")
        with pytest.raises(PermissionError, match=r"^t$"):
            await bus.publish("t")
        assert counts(feed) == {}


async def test_a_message_made_by_hand_gets_the_stamp_of_the_one_it_replaces() -> None:
    class Replacing(stentor.Middleware):
        def publishing(self, message: stentor.Message) -> stentor.Message:
            return stentor.Message("other", message.payload)

    async with stentor.open_bus(middleware=[Replacing()]) as bus:
        feed = bus.subscribe("other")
        receipt = await bus.publish("t", 1)
        assert receipt.message_id
        assert receipt.message.topic == "other"
        assert feed.receive_nowait().id == receipt.message_id


async def test_what_is_no_message_is_refused() -> None:
    class Broken(stentor.Middleware):
        def publishing(self, message: stentor.Message) -> stentor.Message:
            return message.topic  # type: ignore[return-value]

    async with stentor.open_bus(middleware=[Broken()]) as bus:
        with pytest.raises(TypeError, match=r"^publishing\(\) must be of type Message, not str$"):
            await bus.publish("t")


async def test_what_delivering_raises_or_leaves_out_is_as_if_the_handler_did() -> None:
    diary = Diary()

    class Moody(stentor.Middleware):
        async def delivering(self, delivery: stentor.Delivery, call: Callable[[], Awaitable[object]]) -> object:
            if delivery.message.payload == "raise":
                raise ValueError
            return None if delivery.message.payload == "skip" else await call()

    async with stentor.open_bus(middleware=[Moody()]) as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t")
        for payload in ("raise", "skip", "call"):
            await bus.publish("t", payload)
        await bus.settled()
        assert diary.calls["a"] == ["call"]
        assert counts(agent) == {"dead": 1, "handled": 2}


async def test_handlers_of_batches_and_of_deliveries_are_called_as_without_middleware() -> None:
    got: list[Any] = []

    async def batch(messages: list[stentor.Message], deliveries: list[stentor.Delivery]) -> None:
        got.append((len(messages), [delivery.agent for delivery in deliveries]))

    async def single(message: stentor.Message, delivery: stentor.Delivery) -> None:
        got.append((message.payload, delivery.agent))

    async with stentor.open_bus(middleware=[Tracing("m", [])]) as bus:
        bus.register("b", batch).subscribe("t", mode="batch", batch_size=2)
        bus.register("s", single).subscribe("u")
        for topic in ("t", "t", "u"):
            await bus.publish(topic, 1)
        await bus.settled()
    assert got == [(2, ["b", "b"]), ("1m", "s")]

"""Many relayed at once: what is ordinary goes in, in order, and who brought it is told when each is done with."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

import stentor
from stentor import AddressingMode
from tests.delivery.recording import Diary, Gate, counts


def foreign(topic: str, number: int, **options: Any) -> stentor.Message:
    """A message that another bus has stamped."""
    return stentor.Message(topic, number, id=f"other-{number}", timestamp=trio.current_time(), **options)


def at_once(bus: stentor.Bus, place: int, heard: int, unheard: int) -> tuple[int, int, int]:
    """What `relay_many` returns: only the native pump relays many at once."""
    return (0, 0, 0) if bus._parts.pumping is None else (place, heard, unheard)


class Told(list[tuple[object, bool]]):
    """What `done` was told."""

    def __call__(self, token: object, handled: bool) -> None:
        """Write it down."""
        self.append((token, handled))


async def relay_all(
    extension: stentor.Extension, messages: list[stentor.Message | None], done: Told | None = None
) -> tuple[int, int]:
    """Relay as bridges do: many at once, and one by one what is out of the ordinary; return who heard."""
    tokens: list[Any] | None = None if done is None else [f"t{place}" for place in range(len(messages))]
    at = heard = unheard = 0
    while at < len(messages):
        at, more, less = extension.relay_many(messages, at, tokens=tokens, done=done)
        heard, unheard = heard + more, unheard + less
        if at < len(messages):
            message = messages[at]
            told = None if done is None else (lambda handled, at=at: done(f"t{at}", handled))
            if message is None:
                assert told is not None
                told(True)  # noqa: FBT003 - as the bus calls it
            else:
                receipt = await extension.relay(message, done=told)
                heard, unheard = heard + bool(receipt.accepted), unheard + (not receipt.accepted)
            at += 1
    return heard, unheard


async def test_many_come_in_their_order_and_not_to_who_brought_them() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension, bus.extend("y") as other:
            extension.register(diary.handler("x")).subscribe("**")
            other.register(diary.handler("y")).subscribe("t")
            bus.register("a", diary.handler("a")).subscribe("t")
            topics = ["t", "t", "for.x.alone", "t"]
            assert await relay_all(extension, [foreign(topic, n) for n, topic in enumerate(topics)]) == (3, 1)
            await bus.settled()
            assert diary.calls == {"y": [0, 1, 3], "a": [0, 1, 3]}
            assert bus.statistics().messages == 4
            assert counts(bus) == {"handled": 6}


async def test_what_is_ordinary_goes_in_at_once() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:
            agent = bus.register("a", diary.handler("a"))
            for topic in ("t", "u"):
                agent.subscribe(topic)
            assert await relay_all(extension, [foreign("t", 0), foreign("u", 1)]) == (2, 0)
            told = Told()
            messages = [None, foreign("t", 2), foreign("no.body", 3), foreign("u", 4), foreign("t", 5)]
            extension.relay_nowait(foreign("no.body", 6))  # so that its route is known
            found = extension.relay_many(messages, 1, tokens=list("abcde"), done=told)
            assert found == ((1, 0, 0) if bus._parts.pumping is None else (5, 3, 1))
            assert told == ([] if bus._parts.pumping is None else [("c", True)])
            await bus.settled()
            if bus._parts.pumping is not None:
                assert diary.calls == {"a": [0, 1, 2, 4, 5]}
                assert sorted(told) == [("b", True), ("c", True), ("d", True), ("e", True)]
                assert bus.statistics().messages == 7


async def test_each_is_done_once_all_handlers_are_done_with_it() -> None:
    told = Told()
    gate = Gate()

    async def failing(message: stentor.Message) -> None:
        if message.payload == 1:
            msg = "no"
            raise ValueError(msg)

    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:
            bus.register("a", failing).subscribe("t")
            bus.register("b", Diary().handler("b", gate), concurrency=2).subscribe("t")
            bus.register("polls").subscribe("t", mode="polling")
            bus.register("c", failing).subscribe("u")
            await relay_all(extension, [foreign("t", 0), None, foreign("t", 1), foreign("u", 1), foreign("u", 2)], told)
            await trio.testing.wait_all_tasks_blocked()
            assert told == [("t1", True), ("t3", True), ("t4", True)]
            gate.open()
            await bus.settled()
            assert sorted(told) == [("t0", True), ("t1", True), ("t2", True), ("t3", True), ("t4", True)]


async def test_who_closes_before_leaves_what_it_has() -> None:
    told = Told()
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:
            agent = bus.register("a", Diary().handler("a", Gate()))
            agent.subscribe("t")
            await relay_all(extension, [foreign("t", 0), foreign("t", 1), foreign("t", 2)], told)
            await trio.testing.wait_all_tasks_blocked()
            agent.close()
            assert told == [("t1", False), ("t2", False)]
        bus._parts.nursery.cancel_scope.cancel()
    assert told == [("t1", False), ("t2", False), ("t0", False)]


async def test_an_answer_goes_its_way_before_it_is_done() -> None:
    async def answering(message: stentor.Message) -> object:
        return message.payload

    told = Told()
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:
            bus.register("a", answering).subscribe("t")
            await relay_all(extension, [foreign("t", 0), foreign("t", 1)], told)
            await bus.settled()
            assert told == [("t0", True), ("t1", True)]


async def test_a_handler_that_wants_its_delivery_gets_it() -> None:
    seen: list[tuple[object, bool, int]] = []

    async def handler(message: stentor.Message, delivery: stentor.Delivery) -> None:
        seen.append((message.payload, delivery.redelivered, delivery.attempt))

    told = Told()
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:
            bus.register("a", handler).subscribe("t")
            await relay_all(extension, [foreign("t", 0), foreign("t", 1)], told)
            await bus.settled()
    assert seen == [(0, False, 1), (1, False, 1)]
    assert told == [("t0", True), ("t1", True)]


async def test_a_full_mailbox_stops_it() -> None:
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:
            agent = bus.register("a", Diary().handler("a", Gate()))
            agent.subscribe("t", capacity=2)
            extension.relay_nowait(foreign("t", 0))
            await trio.testing.wait_all_tasks_blocked()
            messages: list[stentor.Message | None] = [foreign("t", n) for n in range(1, 5)]
            told = Told()
            assert extension.relay_many(messages, tokens=[1, 2, 3, 4], done=told) == at_once(bus, 2, 2, 0)
            assert counts(agent).get("waiting", 0) == (0 if bus._parts.pumping is None else 2)
            assert told == []
        bus._parts.nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""},
        {"topic": "_stentor.t"},
        {"topic": "unknown.yet"},
        {"addressing": AddressingMode.DIRECT},
        {"addressing": AddressingMode.BROADCAST},
    ],
)
async def test_what_is_out_of_the_ordinary_stops_it(change: dict[str, Any]) -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:
            bus.register("a", diary.handler("a")).subscribe("t")
            extension.relay_nowait(foreign("t", 0))
            odd = foreign("t", 2).replace(**change)
            messages: list[stentor.Message | None] = [foreign("t", 1), odd, foreign("t", 3)]
            assert extension.relay_many(messages) == at_once(bus, 1, 1, 0)


@pytest.mark.parametrize("mode", ["batch", "polling", "feed", "latest", "durable", "filter", "group"])
async def test_whoever_gets_mail_otherwise_gets_it_all_the_same(mode: str) -> None:
    diary = Diary()
    told = Told()
    async with stentor.open_bus(store=stentor.MemoryStore() if mode == "durable" else None) as bus:
        with bus.extend("x") as extension:
            agent = bus.register(
                "a", None if mode in {"polling", "feed"} else diary.handler("a"), durable=mode == "durable"
            )
            if mode == "batch":
                agent.subscribe("t", mode="batch", batch_size=3)
            elif mode == "latest":
                agent.subscribe("t", overflow="latest", capacity=1)
            elif mode == "filter":
                agent.subscribe("t", filter=lambda message: message.payload != 1)
            elif mode == "group":
                agent.subscribe("t", group="g")
            else:
                agent.subscribe("t", mode="polling" if mode == "polling" else "realtime")
            await relay_all(extension, [foreign("t", n) for n in range(3)], told)
            if mode in {"polling", "feed"}:
                assert counts(agent)["waiting"] == 3
                assert sorted(told) == [("t0", True), ("t1", True), ("t2", True)]
                bus._parts.nursery.cancel_scope.cancel()
                return
            await bus.settled()
            expected = {"batch": [[0, 1, 2]], "latest": [2], "filter": [0, 2]}.get(mode, [0, 1, 2])
            assert diary.calls == {"a": expected}
            assert sorted(told) == [("t0", True), ("t1", True), ("t2", True)]


async def test_permissions_and_middleware_have_their_say() -> None:
    async with stentor.open_bus() as bus:
        with bus.extend("x") as extension:
            bus.register("a", Diary().handler("a")).subscribe("t")
            bus.permissions.allow("them", publish=["t"])
            await extension.relay(foreign("t", 0, sender="them"))
            assert extension.relay_many([foreign("t", 1, sender="them")]) == (0, 0, 0)
            with pytest.raises(stentor.PermissionDeniedError):
                await extension.relay(foreign("t", 1, sender="others"))


async def test_a_closed_extension_relays_nothing() -> None:
    async with stentor.open_bus() as bus:
        extension = bus.extend("x")
        extension.close()
        with pytest.raises(trio.ClosedResourceError):
            extension.relay_many([foreign("t", 1)])

"""Storing in the background: in the order in which it was asked for, whatever trio's scheduler does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import stentor
from stentor import AddressingMode, EntryKind, MailboxQuery, Message, Routed
from tests.bus.accounts import all_parked, check_conservation
from tests.delivery.recording import Diary, counts, fail, payloads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RUNS = 10
"""Trio shuffles by chance, so what must not depend on it is looked at several times."""


def to(agent: str, payload: object = None, **options: Any) -> Message:
    return Message(agent, payload, addressing=AddressingMode.DIRECT, **options)


async def contents(store: stentor.MailboxStore, agent: str | None = None) -> list[tuple[str, Any]]:
    """Whose and what, in order of acceptance."""
    page = await store.page(MailboxQuery(agent=agent), limit=1000)
    return [(each.agent, each.message.payload) for each in page.messages]


class _SlowStore:
    """A store whose appends take a second, in which it may refuse some; everything else is as in memory."""

    def __init__(self, *, refuse: object = None) -> None:
        """Refuse each call of `append` with a message whose payload is `refuse`."""
        self._memory = stentor.MemoryStore()
        self._refuse = refuse
        self.appends: list[int] = []
        """How many entries came in each call."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._memory, name)

    async def __aenter__(self) -> Any:
        await self._memory.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._memory.aclose()

    async def append(
        self, entries: Iterable[stentor.MailboxEntry], *, cursors: Mapping[str, str] | None = None
    ) -> tuple[int, ...]:
        """Take a second over it."""
        given = list(entries)
        self.appends.append(len(given))
        await trio.sleep(1)
        if self._refuse in [each.message.payload for each in given]:
            raise stentor.StoreFullError("there is no room")
        return await self._memory.append(given, cursors=cursors)


def slow_store(refuse: object = None) -> Any:
    """A `_SlowStore`, of which a type checker cannot know that it is a store."""
    return _SlowStore(refuse=refuse)


async def test_promise_2_a_batch_that_fails_is_stored_in_its_order() -> None:
    for _ in range(RUNS):
        async with stentor.open_bus() as bus:
            bus.register("a", Diary().handler("a", fail), mode="batch", batch_size=5)
            for number in range(5):
                await bus.route(to("a", number))
            await bus.settled()
            assert await contents(bus.store) == [("a", number) for number in range(5)]


async def test_promise_2_what_is_routed_to_absent_agents_is_stored_in_order_of_subscription() -> None:
    for _ in range(RUNS):
        async with stentor.open_bus() as bus:
            for name in "dbca":
                bus.register(name).subscribe("t")
            await bus.route(Message("t", 1))
            await bus.route(Message("t", 2))
            assert await contents(bus.store) == [(name, number) for number in (1, 2) for name in "dbca"]


async def test_what_gathers_while_the_store_writes_is_written_in_one_call() -> None:
    store = slow_store()
    async with stentor.open_bus(store=store) as bus:
        for number in range(20):
            bus.register(f"agent{number}").subscribe("t")
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(bus.route, Message("t", number))
        assert store.appends in ([20, 40], [60]), store.appends
        assert trio.current_time() - began <= 2.0
        check_conservation(bus)


async def test_what_the_store_refuses_is_refused_alone() -> None:
    store = slow_store(refuse=2)
    async with stentor.open_bus(store=store) as bus:
        away = bus.register("away")
        results: dict[int, stentor.RouteResult] = {}

        async def route(number: int) -> None:
            results[number] = await bus.route(to("away", number))

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(route, number)
        assert [results[n].outcomes["away"] for n in range(4)] == [
            Routed.QUEUED,
            Routed.QUEUED,
            Routed.REJECTED,
            Routed.QUEUED,
        ]
        assert str(results[2].errors["away"]) == "nothing was accepted: there is no room"
        assert sorted(payload for _, payload in await contents(store)) == [0, 1, 3]
        assert counts(away) == {"stored": 3, "dropped": 1}


async def test_promise_2_who_returns_while_its_mail_is_being_stored_gets_that_first() -> None:
    diary = Diary()
    async with stentor.open_bus(store=slow_store()) as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.leave()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bus.route, to("a", "stored"))
            await all_parked()
            agent.rejoin()
            await bus.route(to("a", "later"))
        await bus.settled()
        assert diary.calls["a"] == ["stored", "later"]
        assert counts(agent) == {"stored": 1, "handled": 2}


async def test_who_takes_the_name_while_mail_for_it_is_being_stored_gets_that_too() -> None:
    diary = Diary()
    async with stentor.open_bus(store=slow_store()) as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.leave()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bus.route, to("a", "stored"))
            await all_parked()
            agent.close()
            bus.register("a", diary.handler("successor"))
        await bus.settled()
        assert dict(diary.calls) == {"successor": ["stored"]}
        check_conservation(bus, agent)


async def test_promise_7_what_is_acknowledged_before_its_agent_leaves_never_comes_back() -> None:
    for _ in range(RUNS):
        async with stentor.open_bus() as bus:
            agent = bus.register("a", Diary().handler("a", fail), auto_ack=False)
            for number in range(3):
                await bus.route(to("a", number))
            polled = await agent.poll()
            assert payloads(polled) == [0, 1, 2]
            assert agent.acknowledge(polled[:2]) == 2
            agent.leave()
            agent.rejoin()
            assert payloads(await agent.poll()) == [2]


async def test_promise_7_a_bus_that_is_cancelled_reports_what_was_not_stored_yet() -> None:
    store = slow_store()
    with trio.move_on_after(1.5):
        async with stentor.open_bus(store=store) as bus:
            away = bus.register("away")
            failing = bus.register("failing", Diary().handler("failing", fail))
            async with trio.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(bus.route, to("away", number))
                    nursery.start_soon(bus.route, to("failing", number))
                    await trio.sleep(0.6)
    for agent in (away, failing):
        found = counts(agent)
        assert found["abandoned"] >= 1
        assert found.get("stored", 0) == len(await stored_for(store, agent.name))
    assert bus.statistics().abandoned == len(bus.left)
    check_conservation(bus, away, failing)


async def stored_for(store: Any, agent: str) -> list[Any]:
    async with store:
        page = await store.page(MailboxQuery(agent=agent))
    return [each for each in page.messages if each.kind in {EntryKind.MAIL, EntryKind.FAILED}]


async def test_a_poll_finds_what_was_about_to_be_stored() -> None:
    async with stentor.open_bus(store=slow_store()) as bus:
        agent = bus.register("a")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bus.route, to("a", 1))
            await all_parked()
            assert payloads(await agent.poll()) == [1]


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_bus_is_not_settled_before_everything_is_stored(leaves: bool) -> None:
    store = slow_store()
    async with stentor.open_bus(store=store) as bus:
        agent = bus.register("a", Diary().handler("a", fail), mode="batch", batch_size=2)
        for number in range(2):
            await bus.route(to("a", number))
        if leaves:
            await all_parked()
            agent.leave()
        await bus.settled()
        assert await contents(store) == [("a", 0), ("a", 1)]

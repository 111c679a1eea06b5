"""Durable agents: what is published to them is stored first, and handled from there, in this life or in the next."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

import stentor
from stentor.storage import SQLiteStore

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real_clock


class Listener:
    """A handler that remembers what it got."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.redelivered: list[bool] = []

    async def handle(self, message: stentor.Message, delivery: stentor.Delivery) -> None:
        """Remember the message."""
        self.got.append(message.payload)
        self.redelivered.append(delivery.redelivered)


async def unread(store: SQLiteStore, agent: str) -> int:
    return await store.count(stentor.MailboxQuery(agent=agent, states=[stentor.ReadState.UNREAD]))


async def test_what_arrives_while_the_agent_is_away_comes_first_and_in_order(tmp_path: Path) -> None:
    listener = Listener()
    store = SQLiteStore(tmp_path / "mail.db")
    async with stentor.open_bus(store=store) as bus:
        agent = bus.register("a", listener.handle, durable=True)
        agent.subscribe("t.*")
        agent.leave()
        for number in range(250):
            await bus.publish("t.x", number)
        await bus.settled()
        assert listener.got == []
        assert await unread(store, "a") == 250
        agent.rejoin()
        await bus.publish("t.x", 250)
        await bus.settled()
        assert listener.got == list(range(251))
        assert await unread(store, "a") == 0
        assert agent.statistics().peak_waiting <= 100, "a backlog is read page by page"


async def test_what_arrives_in_one_life_is_handled_in_the_next(tmp_path: Path) -> None:
    async with stentor.open_bus(store=SQLiteStore(tmp_path / "mail.db")) as bus:
        agent = bus.register("a", Listener().handle, durable=True)
        agent.subscribe("t")
        agent.leave()
        for number in range(5):
            await bus.publish("t", number)
    listener = Listener()
    async with stentor.open_bus(store=SQLiteStore(tmp_path / "mail.db")) as bus:
        bus.register("a", listener.handle, durable=True).subscribe("t")
        await bus.publish("t", 5)
        await bus.settled()
    assert listener.got == [0, 1, 2, 3, 4, 5]
    again = Listener()
    async with stentor.open_bus(store=SQLiteStore(tmp_path / "mail.db")) as bus:
        bus.register("a", again.handle, durable=True)
        await bus.settled()
    assert again.got == []


async def test_a_time_to_live_runs_out_by_the_wall_clock_while_no_process_runs(tmp_path: Path) -> None:
    """Whatever trio's clock says, which starts anew in each process."""
    noon = 1.8e9

    def store(wall: float) -> SQLiteStore:
        return SQLiteStore(tmp_path / "mail.db", clock=lambda: wall)

    async with stentor.open_bus(store=store(noon)) as bus:
        agent = bus.register("a", Listener().handle, durable=True)
        agent.leave()
        for ttl in (10.0, 100.0, None):
            await bus.send("a", ttl, ttl=ttl)
    left: list[tuple[object, float]] = []

    async def handle(message: stentor.Message) -> None:
        left.append((message.payload, message.expires_at - trio.current_time()))

    async with stentor.open_bus(store=store(noon + 60)) as bus:
        bus.register("a", handle, durable=True)
        await bus.settled()
        assert [payload for payload, _ in left] == [100.0, None]
        assert 39 < left[0][1] <= 40
        assert left[1][1] == inf
        assert await bus.store.count(stentor.MailboxQuery(states=["expired"])) == 1


async def test_a_handler_that_the_end_of_the_bus_cancels_gets_the_message_again_and_is_told(tmp_path: Path) -> None:
    async def stall(_: stentor.Message) -> None:
        await trio.sleep_forever()

    async with stentor.open_bus(store=SQLiteStore(tmp_path / "mail.db"), drain_timeout=0) as bus:
        bus.register("a", stall, durable=True).subscribe("t")
        for number in range(3):
            await bus.publish("t", number)
        await trio.testing.wait_all_tasks_blocked(0.01)
    listener = Listener()
    async with stentor.open_bus(store=SQLiteStore(tmp_path / "mail.db")) as bus:
        bus.register("a", listener.handle, durable=True)
        await bus.settled()
    assert listener.got == [0, 1, 2]
    assert listener.redelivered[0]


async def test_each_message_reaches_durable_and_other_agents_once_and_in_order(tmp_path: Path) -> None:
    durable, other = Listener(), Listener()

    async def publish(bus: stentor.Bus, sender: str) -> None:
        for number in range(20):
            await bus.publish("t", [sender, number], sender=sender)

    async with stentor.open_bus(store=SQLiteStore(tmp_path / "mail.db")) as bus:
        bus.register("durable", durable.handle, durable=True).subscribe("t")
        bus.register("other", other.handle).subscribe("t")
        async with trio.open_nursery() as nursery:
            for name in "abcde":
                nursery.start_soon(publish, bus, name)
        await bus.settled()
    for listener in (durable, other):
        for name in "abcde":
            assert [number for sender, number in listener.got if sender == name] == list(range(20))


async def test_what_failed_for_good_is_a_stored_dead_letter_and_does_not_come_back(tmp_path: Path) -> None:
    calls = 0

    async def broken(_: stentor.Message) -> None:
        nonlocal calls
        calls += 1
        msg = "no such model"
        raise ValueError(msg)

    for _ in range(2):
        store = SQLiteStore(tmp_path / "mail.db")
        async with stentor.open_bus(store=store) as bus:
            bus.register("a", broken, durable=True).subscribe("t")
            if calls == 0:
                await bus.publish("t", 1)
            await bus.settled()
            page = await store.page(stentor.MailboxQuery(agent="a"))
            kinds = [(stored.kind, stored.failure) for stored in page.messages]
            assert kinds == [(stentor.EntryKind.DEAD_LETTER, "ValueError('no such model')")]
    assert calls == 1


async def test_a_message_that_cannot_be_stored_is_accepted_by_nobody(tmp_path: Path) -> None:
    other = Listener()
    async with stentor.open_bus(store=SQLiteStore(tmp_path / "mail.db")) as bus:
        bus.register("a", Listener().handle, durable=True).subscribe("t")
        bus.register("other", other.handle).subscribe("**")
        with pytest.raises(stentor.UnstorableError):
            await bus.publish("t", object())
        await bus.publish("elsewhere", object())
        await bus.settled()
        assert len(other.got) == 1
        assert bus.statistics().messages == 1


async def test_publish_nowait_would_have_to_wait_for_the_commit(tmp_path: Path) -> None:
    async with stentor.open_bus(store=SQLiteStore(tmp_path / "mail.db")) as bus:
        bus.register("a", Listener().handle, durable=True).subscribe("t")
        with pytest.raises(trio.WouldBlock):
            bus.publish_nowait("t", 1)


async def test_a_durable_agent_answers_requests(tmp_path: Path) -> None:
    async def double(message: stentor.Message) -> object:
        assert isinstance(message.payload, int)
        return message.payload * 2

    async with stentor.open_bus(store=SQLiteStore(tmp_path / "mail.db")) as bus:
        bus.register("a", double, durable=True).subscribe("t")
        assert (await bus.request("t", 21)).payload == 42


async def test_a_durable_agent_needs_a_handler_and_a_store(tmp_path: Path) -> None:
    text = "durable must go with a handler, and with a store given to open_bus"
    async with stentor.open_bus() as bus:
        with pytest.raises(ValueError, match=f"^{text}$"):
            bus.register("a", Listener().handle, durable=True)
        bus.register("a", Listener().handle)
    async with stentor.open_bus(store=SQLiteStore(tmp_path / "mail.db")) as bus:
        with pytest.raises(ValueError, match=f"^{text}$"):
            bus.register("a", durable=True)
        with pytest.raises(TypeError, match=r"^durable must be of type bool, not int$"):
            bus.register("a", Listener().handle, durable=1)  # type: ignore[arg-type]  # that is the point

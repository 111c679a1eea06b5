"""Retained messages: the last of each topic, for subscribers who come late and ask for it."""

from __future__ import annotations

import pytest
import trio

import stentor
from tests.bus.accounts import all_parked
from tests.delivery.recording import Diary, counts, payloads


async def test_who_comes_late_and_asks_gets_the_last_of_each_topic_in_order_of_publication() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        for topic, payload in (("w.rome", 1), ("w.oslo", 2), ("w.rome", 3), ("other", 4)):
            await bus.publish(topic, payload, retain=True)
        await bus.publish("w.oslo", 5)
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("w.*")
        await bus.settled()
        assert diary.calls["a"] == []
        agent.subscribe("w.*", retained=True)
        await bus.settled()
        assert diary.calls["a"] == [2, 3]
        assert counts(agent) == {"handled": 2}
        with bus.subscribe("w.oslo", retained=True) as feed:
            assert payloads([feed.receive_nowait()]) == [2]


async def test_an_empty_message_clears_its_topic_and_is_delivered() -> None:
    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t")
        await bus.publish("t", 1, retain=True)
        await bus.publish("t", None, retain=True)
        assert counts(feed) == {"waiting": 2}
        assert len(bus.retained) == 0
        late = bus.subscribe("t", retained=True)
        assert counts(late) == {}


async def test_more_than_fits_leaves_the_newest() -> None:
    async with stentor.open_bus() as bus:
        for number in range(5):
            await bus.publish(f"t.{number}", number, retain=True)
        feed = bus.subscribe("t.*", retained=True, capacity=2, overflow="fail")
        assert payloads([feed.receive_nowait(), feed.receive_nowait()]) == [3, 4]


async def test_the_filter_decides_and_what_has_expired_is_left_out() -> None:
    async with stentor.open_bus() as bus:
        await bus.publish("t.1", 1, retain=True, ttl=1.0)
        await bus.publish("t.2", 2, retain=True)
        await bus.publish("t.3", 3, retain=True)
        await trio.sleep(2)
        feed = bus.subscribe("t.*", retained=True, filter=lambda message: message.payload != 3)
        assert payloads([feed.receive_nowait()]) == [2]
        assert counts(feed) == {"handled": 1}


@pytest.mark.parametrize("mode", ["batch", "polling"])
async def test_the_mode_decides_how_they_come(mode: str) -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        for number in range(3):
            await bus.publish(f"t.{number}", number, retain=True)
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t.*", retained=True, mode=mode, batch_size=2, batch_timeout=1.0)
        await bus.settled()
        if mode == "batch":
            assert diary.calls["a"] == [[0, 1], [2]]
        else:
            assert payloads(await agent.poll()) == [0, 1, 2]


async def test_the_bus_keeps_no_more_topics_than_it_may() -> None:
    async with stentor.open_bus(retained_capacity=3) as bus:
        for number in range(10):
            await bus.publish(f"t.{number}", number, retain=True)
        assert len(bus.retained) == 3
        assert payloads(bus.retained.matching("t.*", trio.current_time())) == [7, 8, 9]


async def test_what_is_refused_is_not_retained() -> None:
    async with stentor.open_bus() as bus:
        bus.subscribe("t", capacity=1, overflow="fail")
        await bus.publish("t", 1, retain=True)
        with pytest.raises(stentor.MailboxFullError):
            await bus.publish("t", 2, retain=True)
        assert payloads(bus.retained.matching("t", trio.current_time())) == [1]


async def test_promise_2_a_message_is_retained_in_the_step_in_which_it_is_accepted() -> None:
    seen: list[int] = []

    async def be_newer() -> None:
        while not feed.statistics().waiting:
            await trio.lowlevel.checkpoint()
        seen.append(len(bus.retained))
        await bus.publish("t", "newer", retain=True)

    for turn in range(10):  # trio decides who has the first
        async with stentor.open_bus() as bus, trio.open_nursery() as nursery:
            feed = bus.subscribe("t")
            nursery.start_soon(be_newer)
            for _ in range(1000):
                await bus.publish("nobody.listens")
            await bus.publish("t", "older", retain=True)  # after which the publisher lets others have a turn
            await all_parked()
            assert seen == [1] * (turn + 1)
            with bus.subscribe("t", retained=True) as late:
                assert late.receive_nowait().payload == "newer"

"""Modes: when a recipient is called, and with what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import stentor
from stentor import DeliveryMode, Priority
from tests.bus.accounts import all_parked
from tests.delivery.recording import Diary, Gate, counts, fill, payloads

if TYPE_CHECKING:
    from collections.abc import AsyncIterable


async def publish_all(bus: stentor.Bus, topic: str, *contents: object, **options: Any) -> None:
    for content in contents:
        await bus.publish(topic, content, **options)


async def test_realtime_calls_with_one_message_as_soon_as_the_agent_is_free() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        bus.register("a", diary.handler("a", lambda _: trio.sleep(2))).subscribe("t", mode="realtime")
        await publish_all(bus, "t", 1, 2, 3)
        await bus.settled()
    assert diary.calls["a"] == [1, 2, 3]
    assert diary.times["a"] == [0, 2, 4]


async def test_a_batch_is_called_when_it_is_full_and_holds_no_more() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t", mode=DeliveryMode.BATCH, batch_size=3, batch_timeout=10.0)
        await publish_all(bus, "t", 1, 2)
        await all_parked()
        assert diary.calls["a"] == []
        await publish_all(bus, "t", *range(3, 9))
        await all_parked()
        assert diary.calls["a"] == [[1, 2, 3], [4, 5, 6]]
        assert counts(agent) == {"handled": 6, "waiting": 2}
        await bus.settled()
        assert diary.calls["a"][2:] == [[7, 8]]
        assert diary.times["a"] == [0, 0, 10]


async def test_the_time_of_a_batch_begins_with_its_first_message_and_is_not_prolonged() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        bus.register("a", diary.handler("a")).subscribe("t", mode="batch", batch_size=3, batch_timeout=10.0)
        for content in range(6):
            await bus.publish("t", content)
            await trio.sleep(6)
        await bus.settled()
    assert diary.calls["a"] == [[0, 1], [2, 3], [4, 5]]
    assert diary.times["a"] == [10, 22, 34]


async def test_the_time_of_a_batch_that_is_taken_does_not_cut_the_next_one_short() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        bus.register("a", diary.handler("a")).subscribe("t", mode="batch", batch_size=2, batch_timeout=10.0)
        await publish_all(bus, "t", 1)
        await trio.sleep(9)
        await publish_all(bus, "t", 2, 3)
        await bus.settled()
    assert diary.calls["a"] == [[1, 2], [3]]
    assert diary.times["a"] == [9, 19]


async def test_a_batch_of_one_is_a_list_and_comes_at_once() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        bus.register("a", diary.handler("a")).subscribe("t", mode="batch", batch_size=1)
        await publish_all(bus, "t", 1, 2)
        await bus.settled()
    assert diary.calls["a"] == [[1], [2]]
    assert diary.times["a"] == [0, 0]


async def test_a_batch_larger_than_the_capacity_comes_by_time_and_lets_publishers_wait() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t", mode="batch", batch_size=10, batch_timeout=5.0, capacity=2)
        await publish_all(bus, "t", *range(5))
        await bus.settled()
    assert diary.calls["a"] == [[0, 1], [2, 3], [4]]
    assert diary.times["a"] == [5, 10, 15]
    assert agent.statistics().peak_waiting == 2


async def test_an_infinite_batch_timeout_waits_for_a_full_batch() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        bus.register("a", diary.handler("a")).subscribe("t", mode="batch", batch_size=2, batch_timeout=float("inf"))
        await bus.publish("t", 1)
        with pytest.raises(stentor.NotSettledError, match="busy: 'a'"):
            await bus.settled(timeout=1e6)
        await bus.publish("t", 2)
        await bus.settled(timeout=0)
    assert diary.calls["a"] == [[1, 2]]


async def test_the_end_of_the_bus_delivers_a_partial_batch_at_once() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t", mode="batch", batch_size=3, batch_timeout=10.0)
        await publish_all(bus, "t", *range(5))
    assert diary.calls["a"] == [[0, 1, 2], [3, 4]]
    assert diary.times["a"] == [0, 0]
    assert counts(agent) == {"handled": 5}
    assert bus.left == ()


async def test_what_a_handler_publishes_at_the_end_waits_for_no_batch_either() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:

        async def hand_on(content: object) -> None:
            await bus.publish("second", content)

        bus.register("first", diary.handler("first", hand_on)).subscribe("first")
        bus.register("second", diary.handler("second")).subscribe("second", mode="batch", batch_timeout=1e6)
        await publish_all(bus, "first", 1, 2)
    assert [content for batch in diary.calls["second"] for content in batch] == [1, 2]
    assert diary.times["second"][-1] == 0


async def test_a_partial_batch_of_a_closed_subscription_comes_when_its_time_is_up() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        subscription = agent.subscribe("t", mode="batch", batch_size=3, batch_timeout=10.0)
        await bus.publish("t", 1)
        subscription.close()
        receipt = await bus.publish("t", 2)
        assert receipt.accepted == 0
        await bus.settled()
    assert diary.calls["a"] == [[1]]
    assert diary.times["a"] == [10]


async def test_a_partial_batch_of_a_closed_agent_is_abandoned_and_told() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t", mode="batch", batch_size=3, batch_timeout=10.0)
        await publish_all(bus, "t", 1, 2)
        agent.close()
        assert [(left.agent, left.message.payload, left.state) for left in bus.left] == [
            ("a", 1, "waiting"),
            ("a", 2, "waiting"),
        ]
        await bus.settled(timeout=0)
        await trio.sleep(100)
    assert diary.calls["a"] == []
    assert counts(agent) == {"abandoned": 2}


async def test_a_batch_may_be_taken_with_its_deliveries() -> None:
    seen: list[tuple[list[object], list[stentor.Delivery]]] = []

    async def handler(messages: list[stentor.Message], deliveries: list[stentor.Delivery]) -> None:
        seen.append((payloads(messages), deliveries))

    async with stentor.open_bus() as bus:
        bus.register("a", handler).subscribe("t", mode="batch", batch_size=2)
        await publish_all(bus, "t", 1, 2)
        await bus.settled()
    ((contents, deliveries),) = seen
    assert contents == [1, 2] == [delivery.message.payload for delivery in deliveries]
    assert {delivery.mode for delivery in deliveries} == {DeliveryMode.BATCH}
    assert [delivery.agent for delivery in deliveries] == ["a", "a"]


async def test_subscriptions_with_equal_batches_fill_one_batch_and_others_their_own() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("x", mode="batch", batch_size=2)
        agent.subscribe("y", mode="batch", batch_size=2)
        agent.subscribe("z", mode="batch", batch_size=3)
        await publish_all(bus, "x", "x1")
        await publish_all(bus, "z", "z1", "z2")
        await publish_all(bus, "y", "y1")
        await all_parked()
        assert diary.calls["a"] == [["x1", "y1"]]
        await publish_all(bus, "z", "z3")
    assert diary.calls["a"] == [["x1", "y1"], ["z1", "z2", "z3"]]


async def test_batches_of_a_busy_agent_are_filled_while_they_wait() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", lambda _: trio.sleep(8)))
        agent.subscribe("t", mode="batch", batch_size=4, batch_timeout=1.0)
        for content in range(7):
            await bus.publish("t", content)
            await trio.sleep(1.5)
        await bus.settled()
    assert diary.calls["a"] == [[0], [1, 2, 3, 4], [5, 6]]
    assert diary.times["a"] == [1, 9, 17]


async def test_with_concurrency_several_batches_are_handled_at_once() -> None:
    diary, gate = Diary(), Gate()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a", gate), concurrency=2)
        agent.subscribe("t", mode="batch", batch_size=2)
        await publish_all(bus, "t", *range(6))
        await all_parked()
        assert diary.calls["a"] == [[0, 1], [2, 3]]
        assert counts(agent) == {"running": 4, "waiting": 2}
        gate.open()
        await bus.settled()
    assert diary.calls["a"][2:] == [[4, 5]]


async def test_a_feed_of_batches_yields_lists() -> None:
    async with stentor.open_bus() as bus:
        with bus.subscribe("t", mode="batch", batch_size=2, batch_timeout=10.0) as feed:
            with pytest.raises(trio.WouldBlock):
                feed.receive_nowait()
            await publish_all(bus, "t", 1)
            with pytest.raises(trio.WouldBlock):
                feed.receive_nowait()
            await publish_all(bus, "t", 2, 3)
            assert payloads(feed.receive_nowait()) == [1, 2]
            with pytest.raises(trio.WouldBlock):
                feed.receive_nowait()
            begun = trio.current_time()
            assert payloads(await feed.receive()) == [3]
            assert trio.current_time() - begun == 10
            assert counts(feed) == {"handled": 3}


async def test_a_feed_of_batches_that_is_iterated_gets_the_last_one_when_the_bus_ends() -> None:
    batches: list[list[object]] = []

    async def iterate(feed: AsyncIterable[list[stentor.Message]]) -> None:
        async for batch in feed:
            batches.append(payloads(batch))

    async with trio.open_nursery() as nursery:
        async with stentor.open_bus() as bus:
            feed = bus.subscribe("t", mode="batch", batch_size=2, batch_timeout=1e6)
            nursery.start_soon(iterate, feed)
            await publish_all(bus, "t", 1, 2, 3)
            await all_parked()
            assert batches == [[1, 2]]
            begun = trio.current_time()
    assert batches == [[1, 2], [3]]
    assert trio.current_time() == begun


async def test_an_agent_without_a_handler_receives_batches() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a")
        agent.subscribe("t", mode="batch", batch_size=2)
        agent.subscribe("u")
        await publish_all(bus, "t", 1, 2)
        await publish_all(bus, "u", 3)
        got: list[Any] = [await agent.receive(), await agent.receive()]
        assert sorted(str(payloads(mail) if isinstance(mail, list) else mail.payload) for mail in got) == [
            "3",
            "[1, 2]",
        ]


async def test_polling_calls_no_handler_and_hands_out_in_order() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t", mode="polling")
        await publish_all(bus, "t", *range(5))
        await bus.settled(timeout=0)
        assert counts(agent) == {"waiting": 5}
        assert payloads(await agent.poll(max_messages=2)) == [0, 1]
        assert counts(agent) == {"handled": 2, "waiting": 3}
        assert payloads(await agent.poll()) == [2, 3, 4]
        assert await agent.poll() == []
    assert diary.calls["a"] == []
    assert counts(agent) == {"handled": 5}


async def test_polling_hands_out_ten_if_nothing_is_said_and_the_most_urgent_first() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a")
        agent.subscribe("t", mode="polling")
        for number in range(12):
            await bus.publish("t", number, priority=Priority(number % 4))
        assert payloads(await agent.poll()) == [3, 7, 11, 2, 6, 10, 1, 5, 9, 0]
        assert payloads(await agent.poll()) == [4, 8]


async def test_without_auto_ack_what_was_polled_is_unread_until_it_is_acknowledged() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a")
        agent.subscribe("t", mode="polling", auto_ack=False)
        await publish_all(bus, "t", *range(4))
        first = await agent.poll(max_messages=3)
        assert counts(agent) == {"waiting": 1, "unacknowledged": 3}
        assert agent.acknowledge(first[1]) == 1
        assert counts(agent) == {"waiting": 1, "unacknowledged": 2, "handled": 1}
        assert agent.acknowledge(first) == 2
        assert agent.acknowledge(first) == 0
        assert agent.acknowledge([]) == 0
        assert payloads(await agent.poll()) == [3]
        await bus.settled(timeout=0)
    assert counts(agent) == {"handled": 3, "abandoned": 1}
    assert [(left.message.payload, left.state) for left in bus.left] == [(3, "waiting")]


async def test_acknowledging_what_one_never_polled_does_nothing() -> None:
    async with stentor.open_bus() as bus:
        agents = [bus.register(name) for name in "ab"]
        for agent in agents:
            agent.subscribe("t", mode="polling", auto_ack=False)
        receipt = await bus.publish("t", 1)
        assert agents[0].acknowledge(receipt.message) == 0
        (message,) = await agents[0].poll()
        assert agents[1].acknowledge(message) == 0
        assert counts(agents[0]) == {"unacknowledged": 1}
        assert counts(agents[1]) == {"waiting": 1}


async def test_what_was_not_acknowledged_comes_again_first_and_in_order_after_the_agent_has_left() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a")
        agent.subscribe("t", mode="polling", auto_ack=False)
        await publish_all(bus, "t", *range(5))
        polled = await agent.poll(max_messages=3)
        agent.acknowledge(polled[1])
        agent.leave()
        assert counts(agent) == {"waiting": 4, "handled": 1}
        assert agent.acknowledge(polled) == 0
        await bus.publish("t", 5)
        agent.rejoin()
        again = await agent.poll()
        assert payloads(again) == [0, 2, 3, 4, 5]
        assert agent.acknowledge(again) == 5


async def test_what_was_not_acknowledged_is_abandoned_when_the_agent_closes() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a")
        agent.subscribe("t", mode="polling", auto_ack=False)
        await publish_all(bus, "t", 1, 2)
        await agent.poll(max_messages=1)
        agent.close()
        assert counts(agent) == {"abandoned": 2}
        assert {left.message.payload for left in bus.left} == {1, 2}
        with pytest.raises(trio.ClosedResourceError, match="'a' is closed"):
            await agent.poll()


async def test_one_message_polled_by_two_subscriptions_is_acknowledged_as_often_as_it_came() -> None:
    async with stentor.open_bus() as bus:
        await bus.publish("t", "kept", retain=True)
        agent = bus.register("a")
        for _ in range(2):
            agent.subscribe("t", mode="polling", auto_ack=False, retained=True)
        polled = await agent.poll()
        assert payloads(polled) == ["kept", "kept"]
        counts(agent)
        agent.acknowledge(polled)
        assert counts(agent) == {"handled": 2}


async def test_a_feed_can_be_polled() -> None:
    async with stentor.open_bus() as bus:
        with bus.subscribe("t", mode="polling", auto_ack=False) as feed:
            await publish_all(bus, "t", 1, 2)
            with pytest.raises(trio.WouldBlock):
                feed.receive_nowait()
            polled = await feed.poll()
            assert payloads(polled) == [1, 2]
            assert counts(feed) == {"unacknowledged": 2}
            assert feed.acknowledge(polled) == 2


async def test_modes_are_mixed_freely_on_one_agent_and_each_keeps_its_order() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("now", mode="realtime")
        agent.subscribe("batch", mode="batch", batch_size=2)
        agent.subscribe("poll", mode="polling")
        for number in range(4):
            for topic in ("poll", "batch", "now"):
                await bus.publish(topic, number)
        await bus.settled(timeout=0)
        assert [call for call in diary.calls["a"] if isinstance(call, int)] == [0, 1, 2, 3]
        assert [call for call in diary.calls["a"] if isinstance(call, list)] == [[0, 1], [2, 3]]
        assert payloads(await agent.poll()) == [0, 1, 2, 3]


async def test_the_first_matching_subscription_whose_filter_passes_gives_the_mode() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t.*", mode="polling", filter=lambda message: message.payload != "skip")
        agent.subscribe("**", mode="realtime")
        await publish_all(bus, "t.x", "poll", "skip")
        await bus.settled()
        assert diary.calls["a"] == ["skip"]
        assert payloads(await agent.poll()) == ["poll"]


async def test_settled_counts_partial_batches_but_no_unread_mail() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a"))
        agent.subscribe("poll", mode="polling", auto_ack=False)
        agent.subscribe("batch", mode="batch", batch_timeout=7.0)
        await bus.publish("poll")
        await bus.publish("poll")
        await agent.poll(max_messages=1)
        await bus.settled(timeout=0)
        await bus.publish("batch")
        with pytest.raises(stentor.NotSettledError) as caught:
            await bus.settled(timeout=6.9)
        assert caught.value.busy == (("a", 2, 0),)
        begun = trio.current_time()
        await bus.settled()
        assert trio.current_time() - begun == pytest.approx(0.1)


async def test_what_is_sent_by_name_takes_the_mode_of_the_registration() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        bus.register("b", diary.handler("b"), mode="batch", batch_size=2)
        poller = bus.register("p", mode="polling")
        for content in (1, 2):
            await bus.send("b", content)
            await bus.broadcast(content + 10)
        await all_parked()
        assert diary.calls["b"] == [[1, 11], [2, 12]]
        assert payloads(await poller.poll()) == [11, 12]


async def test_a_stalled_handler_does_not_keep_its_agent_from_polling() -> None:
    gate = Gate()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", Diary().handler("a", gate))
        agent.subscribe("t")
        agent.subscribe("p", mode="polling")
        await fill(bus, "t", 1, 2)
        await bus.publish("p", 3)
        assert payloads(await agent.poll()) == [3]
        assert counts(agent) == {"running": 1, "waiting": 1, "handled": 1}
        gate.open()

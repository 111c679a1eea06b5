"""Quiescence: `settled` returns when nothing waits or runs, what handlers caused included, and says who is busy."""

from __future__ import annotations

import pytest
import trio
import trio.testing

import stentor
from tests.bus.accounts import all_parked


async def test_promise_9_quiescence_includes_what_handlers_cause() -> None:
    done: list[object] = []

    async def relay(message: stentor.Message) -> None:
        n = int(str(message.payload))
        await trio.sleep(10)
        done.append(n)
        if n:
            await bus.publish("t", n - 1)

    async with stentor.open_bus() as bus:
        bus.register("a", relay).subscribe("t")
        start = trio.current_time()
        await bus.publish("t", 20)
        await bus.settled()
        assert done == list(range(20, -1, -1))
        assert trio.current_time() - start == 210


async def test_promise_9_quiescence_is_told_and_never_polls() -> None:
    async def slow(_: stentor.Message) -> None:
        await trio.sleep(1000)

    class Steps(trio.abc.Instrument):
        taken = 0

        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            self.taken += task is here

    here = trio.lowlevel.current_task()
    steps = Steps()
    async with stentor.open_bus() as bus:
        bus.register("a", slow).subscribe("t")
        await bus.publish("t")
        trio.lowlevel.add_instrument(steps)
        await bus.settled()
        trio.lowlevel.remove_instrument(steps)
    assert steps.taken <= 3


async def test_promise_9_quiescence_out_of_time_names_who_is_busy() -> None:
    async def hang(_: stentor.Message) -> None:
        await trio.sleep_forever()

    async with stentor.open_bus(drain_timeout=0) as bus:
        for n in range(12):
            bus.register(f"a{n:02}", hang, concurrency=2).subscribe("t")
        bus.register("idle", hang).subscribe("u")
        for _ in range(5):
            await bus.publish("t")
        start = trio.current_time()
        with pytest.raises(stentor.NotSettledError) as caught:
            await bus.settled(timeout=7.5)
        assert trio.current_time() - start == 7.5
        assert caught.value.busy == tuple((f"a{n:02}", 3, 2) for n in range(12))
        assert caught.value.timeout == 7.5
        shown = ", ".join(f"'a{n:02}' (3 waiting, 2 running)" for n in range(10))
        assert str(caught.value) == f"not settled within 7.5 s, busy: {shown}, and 2 more"
        with pytest.raises(stentor.NotSettledError):
            await bus.settled(timeout=0)
        assert trio.current_time() - start == 7.5


async def test_promise_9_quiescence_of_an_idle_bus_is_at_once_and_still_a_checkpoint() -> None:
    async with stentor.open_bus() as bus:
        with trio.testing.assert_checkpoints():
            await bus.settled(timeout=0)
        with trio.CancelScope() as scope:
            scope.cancel()
            await bus.settled()
        assert scope.cancelled_caught


async def test_promise_9_quiescence_in_a_handler_or_its_child_is_refused() -> None:
    texts: list[str] = []

    async def ask() -> None:
        try:
            await bus.settled()
        except RuntimeError as error:
            texts.append(str(error))

    async def handler(_: stentor.Message) -> None:
        await ask()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)

    async with stentor.open_bus() as bus:
        bus.register("a", handler).subscribe("t")
        await bus.publish("t")
        await bus.settled()
    assert texts == ["settled() in a handler would wait for that handler"] * 2


async def test_promise_9_quiescence_counts_a_feed_only_while_somebody_iterates() -> None:
    async def read(feed: stentor.Feed[stentor.Message]) -> None:
        async for message in feed:
            await trio.sleep(10)
            got.append(message.payload)
            if message.payload == 2:
                break

    got: list[object] = []
    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t")
        for i in range(5):
            await bus.publish("t", i)
        await bus.settled(timeout=0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, feed)
            await all_parked()
            with pytest.raises(stentor.NotSettledError, match=r"5 waiting|4 waiting, 1 running"):
                await bus.settled(timeout=5)
            await bus.settled()
            assert got == [0, 1, 2]
        assert feed.statistics().waiting == 2
        await bus.settled(timeout=0)


async def test_promise_9_quiescence_counts_a_closed_agent_whose_handler_still_runs() -> None:
    async def slow(_: stentor.Message) -> None:
        await trio.sleep(10)

    async with stentor.open_bus() as bus:
        agent = bus.register("a", slow)
        agent.subscribe("t")
        await bus.publish("t")
        await all_parked()
        agent.close()
        with pytest.raises(stentor.NotSettledError, match="'a'"):
            await bus.settled(timeout=5)
        await bus.settled()
        assert agent.statistics().handled == 1


async def test_promise_9_quiescence_tells_every_waiter_and_a_refused_iteration_changes_nothing() -> None:
    ended: list[float] = []

    async def slow(_: stentor.Message) -> None:
        await trio.sleep(10)

    async def wait() -> None:
        await bus.settled()
        ended.append(trio.current_time() - start)

    async with stentor.open_bus() as bus:
        agent = bus.register("a", slow)
        agent.subscribe("t")
        with pytest.raises(RuntimeError) as caught:
            async for _ in agent:
                pass
        assert str(caught.value) == "agent 'a' has a handler, which gets the messages"
        del caught
        start = trio.current_time()
        await bus.publish("t")
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(wait)
    assert ended == [10.0] * 5


async def test_promise_9_quiescence_counts_what_an_iterated_feed_subscribes_to_later() -> None:
    got: list[object] = []

    async def read(feed: stentor.Feed[stentor.Message]) -> None:
        async for message in feed:
            await trio.sleep(10)
            got.append(message)

    async with stentor.open_bus() as bus:
        feed: stentor.Feed[stentor.Message] = bus.subscribe("t")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, feed)
            await all_parked()
            feed.subscribe("u", mode="batch", batch_size=2)
            for _ in range(2):
                await bus.publish("u")
            await bus.settled()
            assert len(got) == 1
            feed.close()


async def test_promise_9_quiescence_two_tasks_on_one_iterator_leave_nothing_running() -> None:
    async with stentor.open_bus() as bus:
        feed: stentor.Feed[stentor.Message] = bus.subscribe("t")
        iterator = aiter(feed)
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(anext, iterator)
            await all_parked()
            for _ in range(2):
                await bus.publish("t")
        assert (feed.statistics().handled, feed.statistics().running) == (1, 1)
        del iterator
        assert (feed.statistics().handled, feed.statistics().running) == (2, 0)
        await bus.settled(timeout=0)

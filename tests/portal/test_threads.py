"""A portal from threads: nothing lost, nothing twice, in the order of each thread, bounded, with an answer each."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

import stentor
from tests.bus.accounts import check_conservation

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.real_clock


async def in_thread(call: Callable[..., Any], *arguments: object) -> Any:
    """Run `call` in another thread, and return what it returns."""
    return await trio.to_thread.run_sync(call, *arguments)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a thread, which trio does not see, has done something."""
    while not condition():  # noqa: ASYNC110 - nobody tells
        await trio.sleep(0.001)


async def flood(threads: int, messages: int, *, capacity: int = 1000) -> None:
    """Publish from several threads at once, and look at what has come."""
    got: list[list[object]] = [[] for _ in range(threads)]
    receipts = [0] * threads

    async def handler(message: stentor.Message) -> None:
        got[int(message.topic.rpartition(".")[2])].append(message.payload)

    def publish(portal: stentor.Portal, number: int) -> None:
        futures = []
        for i in range(messages):
            futures.append(portal.publish_soon(f"from.{number}", i, sender=f"thread-{number}"))
            if len(futures) == 500:
                receipts[number] += sum(future.result().recipients == ("all",) for future in futures)
                futures.clear()
        receipts[number] += sum(future.result().recipients == ("all",) for future in futures)

    async with stentor.open_bus() as bus:
        bus.register("all", handler).subscribe("from.*", capacity=50)
        portal = bus.portal(capacity=capacity)
        async with trio.open_nursery() as nursery:
            for number in range(threads):
                nursery.start_soon(in_thread, publish, portal, number)
        await bus.settled()
        check_conservation(bus)
        assert bus.statistics().handled == bus.statistics().messages == threads * messages
    assert all(each == list(range(messages)) for each in got)
    assert receipts == [messages] * threads


@pytest.mark.parametrize(("capacity", "messages"), [(1, 60), (7, 200), (1000, 1000)])
async def test_portal_takes_each_message_of_each_thread_once_and_in_order(capacity: int, messages: int) -> None:
    await flood(8, messages, capacity=capacity)


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
async def test_portal_takes_100_000_messages_of_each_thread_once_and_in_order(part: int) -> None:
    await flood(8, 10_000, capacity=(10, 100, 1000)[part % 3])


async def test_portal_answers_as_the_bus_does() -> None:
    async def sage(message: stentor.Message) -> object:
        return None if message.payload is None else f"{message.payload}!"

    def calls(portal: stentor.Portal) -> None:
        receipt = portal.publish("questions", sender="me", headers={"a": "b"}, priority=stentor.Priority.HIGH)
        assert receipt.recipients == ("sage",)
        message = receipt.message
        assert (message.sender, message.headers, message.priority, message.cause) == ("me", {"a": "b"}, 2, None)
        assert portal.send("sage").recipients == ("sage",)
        assert portal.request("questions", "why").payload == "why!"
        assert portal.request("sage", "how", addressing="direct").payload == "how!"
        assert portal.publish_and_wait("questions").subscribers_reached == 1
        routed = portal.route(stentor.Message("questions", "x"))
        assert routed.outcomes == {"sage": stentor.Routed.DELIVERED}
        portal.publish("kept", 5, retain=True)

    async with stentor.open_bus() as bus:
        bus.register("sage", sage).subscribe("questions")
        await in_thread(calls, bus.portal())
        assert [message.payload for message in bus._parts.retained.matching("kept", trio.current_time())] == [5]


async def test_portal_raises_what_the_bus_raises() -> None:
    def calls(portal: stentor.Portal) -> None:
        with pytest.raises(stentor.InvalidTopicError):
            portal.publish("a..b")
        with pytest.raises(stentor.UnknownAgentError):
            portal.send("nobody")
        with pytest.raises(stentor.NoResponderError):
            portal.request("nobody.listens")
        with pytest.raises(stentor.MailboxFullError):
            portal.publish("full")
        with pytest.raises(ValueError, match=r"^timeout must be >= 0 seconds, not -1$"):
            portal.publish("t", timeout=-1)
        with pytest.raises(TypeError, match=r"^topic must be of type str, not int$"):
            portal.publish_soon(5).result()  # type: ignore[arg-type]

    async with stentor.open_bus() as bus:
        bus.subscribe("full", capacity=1, overflow=stentor.Overflow.FAIL)
        await bus.publish("full")
        await in_thread(calls, bus.portal())
        assert bus.statistics().addressed == 1
        check_conservation(bus)


@pytest.mark.parametrize("capacity", [0, -1])
async def test_portal_refuses_no_capacity(capacity: int) -> None:
    async with stentor.open_bus() as bus:
        with pytest.raises(ValueError, match=rf"^capacity must be >= 1, not {capacity}$"):
            bus.portal(capacity=capacity)


async def test_portal_does_not_block_the_thread_of_the_bus() -> None:
    async with stentor.open_bus() as bus:
        portal = bus.portal(capacity=1)
        with pytest.raises(RuntimeError, match=r"^the thread in which the bus lives must not be blocked: await"):
            portal.publish("t")
        soon = portal.publish_soon("t")
        with pytest.raises(RuntimeError, match=r"^the thread in which the bus lives must not be blocked: await"):
            portal.publish_soon("t")
        await trio.testing.wait_all_tasks_blocked()
        assert soon.result(0).recipients == ()
        assert bus.statistics().messages == 1


async def test_portal_blocks_a_thread_whose_message_finds_no_room_and_no_other() -> None:
    accepted: list[str] = []

    def stuck(portal: stentor.Portal) -> None:
        for _ in range(3):
            portal.publish("slow")
            accepted.append("slow")
        portal.publish("quick")
        accepted.append("quick, behind")

    def free(portal: stentor.Portal) -> None:
        for _ in range(20):
            portal.publish("quick")
        accepted.append("quick")

    async with stentor.open_bus() as bus:
        slow = bus.subscribe("slow", capacity=2)
        quick = bus.subscribe("quick", capacity=100)
        portal = bus.portal()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(in_thread, stuck, portal)
            await until(lambda: slow.statistics().waiting == 2)
            await in_thread(free, portal)
            assert accepted == ["slow", "slow", "quick"]
            await slow.receive()
        assert accepted[3:] == ["slow", "quick, behind"]
        assert quick.statistics().waiting == 21


async def test_portal_keeps_the_order_of_a_thread_behind_a_message_that_waits() -> None:
    def publish(portal: stentor.Portal) -> list[Any]:
        futures = [portal.publish_soon("t", number) for number in range(50)]
        asked = portal.publish_and_wait("t", 50)
        return [*(future.result().message.payload for future in futures), asked.subscribers_reached]

    got: list[object] = []

    async def handler(message: stentor.Message) -> None:
        got.append(message.payload)
        await trio.lowlevel.checkpoint()

    async with stentor.open_bus() as bus:
        bus.register("a", handler).subscribe("t", capacity=1)
        assert await in_thread(publish, bus.portal()) == [*range(50), 1]
    assert got == list(range(51))


async def test_portal_has_at_most_its_capacity_on_their_way() -> None:
    handed_in = 0

    def publish(portal: stentor.Portal) -> None:
        nonlocal handed_in
        for number in range(20):
            portal.publish_soon("t", number)
            handed_in += 1

    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t", capacity=1)
        portal = bus.portal(capacity=5)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(in_thread, publish, portal)
            for number in range(20):
                assert (await feed.receive()).payload == number
                assert handed_in <= number + 1 + 1 + 5 + 1  # taken, in the mailbox, on their way, and not yet counted
        assert handed_in == 20


async def test_portal_gives_up_in_time_and_nobody_gets_the_message() -> None:
    def publish(portal: stentor.Portal) -> None:
        with pytest.raises(trio.TooSlowError, match=r"^not accepted within 0\.01 s$"):
            portal.publish("t", 1, timeout=0.01)
        blocked = portal.publish_soon("t", 2)
        with pytest.raises(trio.TooSlowError, match=r"^not accepted within 0\.01 s$"):
            portal.send("a", 3, timeout=0.01)  # there is no room in the portal
        later.append(blocked)

    later: list[Any] = []
    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t", capacity=1)
        bus.register("a")
        await bus.publish("t", 0)
        portal = bus.portal(capacity=1)
        await in_thread(publish, portal)
        assert [(await feed.receive()).payload for _ in range(2)] == [0, 2]
        await trio.testing.wait_all_tasks_blocked()
        assert later[0].result(0).message.payload == 2
        with pytest.raises(trio.WouldBlock):
            feed.receive_nowait()
        check_conservation(bus, feed)


async def test_portal_gives_up_also_behind_a_message_that_waits() -> None:
    def publish(portal: stentor.Portal) -> None:
        portal.publish_soon("t", 1)
        with pytest.raises(trio.TooSlowError, match=r"^not accepted within 0\.01 s$"):
            portal.publish("free", 2, timeout=0.01)
        portal.publish_soon("t", 3)

    async with stentor.open_bus() as bus:
        feed, free = bus.subscribe("t", capacity=1), bus.subscribe("free")
        await bus.publish("t", 0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(in_thread, publish, bus.portal(capacity=3))
            await until(lambda: any(len(line) == 2 for line in bus_lines(bus)))
            await until(lambda: any(line[-1]._called_off for line in bus_lines(bus)))
            assert [(await feed.receive()).payload for _ in range(3)] == [0, 1, 3]
        assert free.statistics().addressed == 0
        check_conservation(bus, feed)


def bus_lines(bus: stentor.Bus) -> list[Any]:
    """Return what waits for its turn behind a message that finds no room, for each thread."""
    return [line for entrance in bus._parts.entrances for line in entrance._lines.values()]


async def test_portal_publishes_nothing_whose_future_was_cancelled_before() -> None:
    async with stentor.open_bus() as bus:
        portal = bus.portal(capacity=2)
        first, second = portal.publish_soon("t", 1), portal.publish_soon("t", 2)
        assert first.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert second.result(0).message.payload == 2
        assert not second.cancel()
        assert bus.statistics().messages == 1
        with pytest.raises(CancelledError):
            first.result()
        for number in (3, 4):  # there is room again
            portal.publish_soon("t", number)


async def test_portal_is_called_once_for_many_messages() -> None:
    calls = 0

    class Token:
        def run_sync_soon(self, function: Callable[[], object]) -> None:
            nonlocal calls
            calls += 1
            token.run_sync_soon(function)

    token = trio.lowlevel.current_trio_token()
    async with stentor.open_bus() as bus:
        portal = bus.portal(capacity=100)
        await trio.testing.wait_all_tasks_blocked()
        portal._entrance._token = Token()  # type: ignore[assignment]
        for _ in range(100):
            portal.publish_soon("t")
        await trio.testing.wait_all_tasks_blocked()
        assert bus.statistics().messages == 100
        assert calls == 1


async def test_portal_closes_itself_and_lets_in_what_has_come() -> None:
    async with stentor.open_bus() as bus:
        with bus.portal() as portal:
            soon = [portal.publish_soon("t", number) for number in range(3)]
        portal.close()
        with pytest.raises(trio.ClosedResourceError, match=r"^the portal is closed$"):
            portal.publish_soon("t")
        await trio.testing.wait_all_tasks_blocked()
        assert [future.result(0).message.payload for future in soon] == [0, 1, 2]
        assert not bus._parts.entrances
        tasks = {task.name for task in bus._parts.nursery.child_tasks}
        assert "stentor portal" not in tasks


async def test_portal_lets_in_what_has_come_before_the_end_of_the_bus() -> None:
    got: list[object] = []

    async def handler(message: stentor.Message) -> None:
        got.append(message.payload)

    async with stentor.open_bus() as bus:
        bus.register("a", handler).subscribe("t", capacity=2)
        portal = bus.portal()
        for number in range(10):
            portal.publish_soon("u", number)
        soon = portal.publish_soon("t", 0)
    assert soon.result(0).recipients == ("a",)
    assert got == [0]
    with pytest.raises(trio.ClosedResourceError, match=r"^the portal is closed$"):
        portal.publish_soon("t")


@pytest.mark.parametrize("error", [None, ValueError("the body has failed")])
async def test_portal_tells_every_caller_that_the_bus_has_been_closed(error: Exception | None) -> None:
    outcomes: list[str] = []

    def call(method: Callable[[], object]) -> None:
        try:
            method()
        except trio.ClosedResourceError as closed:
            outcomes.append(str(closed))

    async def program() -> None:
        async with stentor.open_bus(drain_timeout=0.01) as bus:
            feed = bus.subscribe("t", capacity=1)
            bus.register("mute", stuck).subscribe("q")
            await bus.publish("t")
            portal = bus.portal(capacity=5)
            nursery.start_soon(in_thread, call, partial(portal.publish, "t"))
            nursery.start_soon(in_thread, call, partial(portal.publish, "t", timeout=60))
            nursery.start_soon(in_thread, call, partial(portal.publish_and_wait, "q"))
            nursery.start_soon(in_thread, call, partial(portal.request, "q", timeout=60))
            await until(lambda: portal._entrance._free == 1)
            portal.publish_soon("t")
            for _ in range(3):
                nursery.start_soon(in_thread, call, partial(portal.publish, "t"))
            await until(lambda: bool(portal._entrance._lines))
            assert feed.statistics().waiting == 1
            if error is not None:
                raise error

    async def stuck(_: stentor.Message) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        if error is None:
            await program()
        else:
            with pytest.raises(ValueError, match="the body has failed"):
                await program()
    assert len(outcomes) == 7
    assert set(outcomes) <= {"the bus is closing", "the bus is closed", "the portal is closed"}


async def test_portal_tells_a_thread_that_the_trio_run_is_over() -> None:
    def run(keep: list[stentor.Portal]) -> None:
        async def main() -> None:
            opened = stentor.open_bus()
            keep.append((await opened.__aenter__()).portal())
            keep.append(opened)  # type: ignore[arg-type]
            await trio.testing.wait_all_tasks_blocked()

        with pytest.raises(BaseException):  # noqa: B017, PT011 - trio finds a nursery that nobody has closed
            trio.run(main)

    kept: list[Any] = []
    await in_thread(run, kept)
    with pytest.raises((trio.RunFinishedError, trio.ClosedResourceError)):
        kept[0].publish("t")


@pytest.mark.parametrize("seed", range(12))
async def test_portal_loses_nothing_when_the_bus_ends_while_threads_publish(seed: int) -> None:
    accepted = [0] * 4
    stopped: list[int] = []
    started = threading.Barrier(5)

    def publish(portal: stentor.Portal, number: int) -> None:
        started.wait()
        try:
            while True:
                if number % 2:
                    portal.publish("t", number)
                    accepted[number] += 1
                else:
                    futures = [portal.publish_soon("t", number) for _ in range(10)]
                    for future in futures:
                        future.result()
                        accepted[number] += 1
        except trio.ClosedResourceError:
            stopped.append(number)

    async def handler(_: stentor.Message) -> None:
        if seed % 3 == 0:
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            async with stentor.open_bus() as bus:
                bus.register("a", handler).subscribe("t", capacity=3)
                portal = bus.portal(capacity=5)
                for number in range(4):
                    nursery.start_soon(in_thread, publish, portal, number)
                await in_thread(started.wait)
                await trio.sleep(0.002 * seed)
                if seed % 2:
                    scope.cancel()
    assert sorted(stopped) == [0, 1, 2, 3]
    statistics = bus.statistics()
    assert sum(accepted) <= statistics.messages <= sum(accepted) + 20  # a future's thread may not ask any more
    assert statistics.addressed == statistics.messages == statistics.handled + statistics.abandoned
    check_conservation(bus)

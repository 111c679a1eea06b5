"""A mode of one's own: called when the tick changes, with everything that has gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

import stentor
from tests.bus.accounts import all_parked
from tests.delivery.recording import Diary, counts

if TYPE_CHECKING:
    from collections.abc import Callable


class OnTick:
    """Due when `tick` is called; a class that knows nothing of the library."""

    def __init__(self, *, counts: bool = False) -> None:
        """Begin between two ticks."""
        self.counts = counts
        self._open = False
        self._wakes: list[Callable[[], None]] = []

    def attach(self, wake: Callable[[], None]) -> None:
        """Take note of whom to wake."""
        self._wakes.append(wake)

    def due(self, waiting: int, since: float, now: float) -> float:
        """At once while a tick lasts, and never by itself."""
        assert waiting >= 1
        assert since <= now
        return now if self._open else float("inf")

    def size(self, waiting: int) -> int | None:
        """Everything."""
        return waiting

    def tick(self) -> None:
        """Let all recipients have what waits for them."""
        self._open = True
        for wake in self._wakes:
            wake()
        self._open = False


async def test_all_that_has_gathered_comes_with_the_tick_and_settled_waits_for_it() -> None:
    diary = Diary()
    mode = OnTick()
    async with stentor.open_bus() as bus:
        agents = [bus.register(name, diary.handler(name)) for name in "ab"]
        for agent in agents:
            agent.subscribe("t", mode=mode)
        for tick in range(3):
            for number in range(tick + 1):
                await bus.publish("t", (tick, number))
            await bus.settled(timeout=0)
            assert len(diary.calls["a"]) == tick
            mode.tick()
            await bus.settled()
        assert diary.calls["a"] == diary.calls["b"] == [[(0, 0)], [(1, 0), (1, 1)], [(2, 0), (2, 1), (2, 2)]]
        mode.tick()
        await bus.settled()
        assert len(diary.calls["a"]) == 3
        assert counts(agents[0]) == {"handled": 6}


async def test_deliveries_tell_the_mode_and_a_tick_skips_who_is_away() -> None:
    diary = Diary()
    mode = OnTick()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        subscription = agent.subscribe("t", mode=mode)
        assert subscription.mode is mode
        await bus.publish("t", 1)
        agent.leave()
        mode.tick()
        await all_parked()
        assert counts(agent) == {"waiting": 1}
        agent.rejoin()
        mode.tick()
        await bus.settled()
        assert diary.calls["a"] == [[1]]


async def test_what_waits_for_a_tick_keeps_the_bus_from_being_settled_if_the_mode_says_so() -> None:
    diary = Diary()
    async with stentor.open_bus() as bus:
        agent = bus.register("a", diary.handler("a"))
        agent.subscribe("t", mode=OnTick(counts=True))
        await bus.publish("t", 1)
        with pytest.raises(stentor.NotSettledError):
            await bus.settled(timeout=10)
    assert diary.calls["a"] == [[1]], "the end of the bus waits for no tick"


async def test_a_feed_may_have_such_a_mode() -> None:
    mode = OnTick()
    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t", mode=mode)
        await bus.publish("t", 1)
        await bus.publish("t", 2)
        with pytest.raises(trio.WouldBlock):
            feed.receive_nowait()
        got: list[object] = []

        async def receive() -> None:
            got.append(await feed.receive())

        bus._parts.nursery.start_soon(receive)
        await all_parked()
        mode.tick()
        await all_parked()
        assert [len(mail) for mail in got if isinstance(mail, list)] == [2]


async def test_what_is_no_mode_is_refused() -> None:
    async with stentor.open_bus() as bus:
        agent = bus.register("a")
        with pytest.raises(ValueError, match=r"^mode must be one of DeliveryMode.REALTIME, .*, not 'sometimes'$"):
            agent.subscribe("t", mode="sometimes")
        assert agent.subscriptions == ()

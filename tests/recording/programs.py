"""Programs that the tests record."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import trio
from trio.testing import MockClock

import stentor
from stentor.recording import record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path


def on_virtual_clock(main: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
    """Run `main` on a clock that jumps."""
    return trio.run(partial(main, *args, **kwargs), clock=MockClock(autojump_threshold=0))


class Town:
    """A bus on which a bit of everything happens, decided by a seed: every outcome that there is."""

    def __init__(self, bus: stentor.Bus, seed: int) -> None:
        """Register everybody."""
        self.bus = bus
        self.dice = Random(seed)
        reporter = bus.register("reporter", self.report)
        reporter.subscribe("news.**")
        thinker = bus.register("thinker", self.think, retry=stentor.RetryPolicy(attempts=2))
        thinker.subscribe("ask.*")
        sleeper = bus.register("sleeper", self.sleep)
        sleeper.subscribe("news.*", capacity=2, overflow="drop_oldest")
        archive = bus.register("archive", self.archive)
        archive.subscribe("**", mode="batch", batch_size=3, batch_timeout=5.0)
        keeper = bus.register("keeper", self.archive, durable=True)
        keeper.subscribe("news.*")
        self.away = bus.register("away", self.archive)
        self.away.subscribe("news.*")
        feed = bus.subscribe("story", capacity=3, overflow="drop_newest")
        self.members = [reporter, thinker, sleeper, archive, keeper, self.away, feed]

    async def report(self, message: stentor.Message) -> None:
        """Publish from inside a handler, or fail."""
        if self.dice.random() < 0.2:
            raise ValueError(message.payload)
        await self.bus.publish("story", {"of": message.id, "text": message.payload}, sender="reporter")

    async def think(self, message: stentor.Message) -> object:
        """Answer in a while, or fail."""
        await trio.sleep(self.dice.choice([0.25, 1.0]))
        if self.dice.random() < 0.3:
            raise LookupError("no idea")
        return ("answer", message.payload)

    async def sleep(self, _: stentor.Message) -> None:
        """Sleep."""
        await trio.sleep(3)

    async def archive(self, _: object) -> None:
        """Take it."""

    async def live(self, steps: int) -> None:
        """Let things happen."""
        for step in range(steps):
            what = self.dice.choice(["news", "news", "ask", "away", "send", "broadcast", "odd", "short"])
            if what == "news":
                await self.bus.publish(f"news.{step % 3}", step, sender="wire", priority=stentor.Priority(step % 4))
            elif what == "ask":
                try:
                    await self.bus.request("ask.why", step, timeout=4.0)
                except (stentor.RequestFailedError, trio.TooSlowError):
                    await self.bus.publish("news.failed", step)
            elif what == "away":
                self.away.leave()
                await self.bus.route(stentor.Message("news.routed", step))
                self.away.rejoin()
            elif what == "send":
                await self.bus.send("sleeper", step, headers={"a": "b"})
            elif what == "broadcast":
                await self.bus.broadcast([step, {"x": None}], sender="thinker")
            elif what == "odd":
                await self.bus.publish("news.odd", object(), content_type="application/x-odd")
            else:
                await self.bus.publish("news.short", step, ttl=0.5)
            await trio.sleep(self.dice.choice([0.125, 1.0, 2.0]))


async def town(
    path: Path, *, seed: int = 0, steps: int = 30, observers: Sequence[stentor.Observer] = ()
) -> dict[str, stentor.AgentStatistics]:
    """Record a town, and return what its members counted."""
    with record(path, about={"seed": str(seed)}) as recorder:
        return await unrecorded_town(seed=seed, steps=steps, observers=[recorder, *observers])


async def unrecorded_town(
    *, seed: int = 0, steps: int = 30, observers: Sequence[stentor.Observer] = ()
) -> dict[str, stentor.AgentStatistics]:
    """Let a town live, and return what its members counted."""
    options: dict[str, Any] = {"store": stentor.MemoryStore(), "drain_timeout": 1.0}
    async with stentor.open_bus(seed=seed, observers=observers, **options) as bus:
        alive = Town(bus, seed)
        await alive.live(steps)
    return {member.name: member.statistics() for member in alive.members}


@attrs.frozen
class Step:
    """One thing that is done in a village."""

    do: Callable[[Village, Step], Awaitable[object]]
    payload: Any
    options: dict[str, Any]
    pause: float


class Village:
    """A bus of agents most of which never wait, so that what happens is the ordinary for the most part."""

    def __init__(self, bus: stentor.Bus) -> None:
        """Register everybody."""
        self.bus = bus
        self.calls = 0
        bus.register("hearing", self.hear).subscribe("told")
        retry = stentor.RetryPolicy(attempts=2, first_delay=0.25, jitter=0.0)
        bus.register("failing", self.fail, retry=retry).subscribe("told.**")
        bus.register("waiting", self.wait).subscribe("told", capacity=1, overflow="drop_newest")
        bus.register("x" * 200, self.hear).subscribe("echo")
        bus.register("answering", self.answer).subscribe("told.ask")
        self.polled = bus.register("polled")
        self.polled.subscribe("nobody", mode="polling", capacity=5, overflow="drop_oldest")

    async def hear(self, message: stentor.Message) -> None:
        """Take it, and now and then pass it on."""
        self.calls += 1
        if self.calls % 3 == 0:
            await self.bus.publish("echo", message.payload, sender="hearing")

    async def fail(self, message: stentor.Message, delivery: stentor.Delivery) -> object:
        """Answer, or now and then fail."""
        self.calls += 1
        if self.calls % 4 == 0:
            raise LookupError(delivery.attempt)
        return message.topic

    async def answer(self, message: stentor.Message) -> object:
        """Answer."""
        return message.payload

    async def wait(self, _: stentor.Message) -> None:
        """Wait, and publish from a task."""
        await trio.sleep(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.bus.publish, "echo")

    async def tell(self, step: Step) -> None:
        """Publish, and let somebody come who is told what was retained."""
        await self.bus.publish("told", step.payload, **step.options)
        self.bus.subscribe("told", retained=True).close()

    async def tell_and_wait(self, step: Step) -> None:
        """Publish, and wait for what becomes of it."""
        await self.bus.publish_and_wait("told", step.payload, timeout=0.5)

    async def tell_nobody(self, step: Step) -> None:
        """Publish for who polls."""
        await self.bus.publish("nobody", step.payload, **step.options)

    async def ask(self, step: Step) -> None:
        """Ask, and tell where there is no answer."""
        try:
            await self.bus.request("told.ask", step.payload, timeout=3.0)
        except (stentor.RequestFailedError, trio.TooSlowError):
            await self.bus.publish("failed")

    async def gather(self, step: Step) -> None:
        """Ask everybody."""
        await self.bus.gather("told.ask", step.payload, timeout=3.0)

    async def poll(self, _: Step) -> None:
        """Poll, and acknowledge."""
        self.polled.acknowledge(await self.polled.poll(max_messages=3))


async def village(steps: Sequence[Step], *, observers: Sequence[stentor.Observer]) -> int:
    """Do all steps in a village, and return how many messages took the short way."""
    async with stentor.open_bus(seed=1, observers=observers, drain_timeout=1.0) as bus:
        alive = Village(bus)
        for step in steps:
            await step.do(alive, step)
            await trio.sleep(step.pause)
        return bus._parts.door.ordinary

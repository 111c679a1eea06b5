"""Cancellation at every step of every call: a publish reached all or none, nothing is lost, the next call works."""

from __future__ import annotations

import os
from functools import partial
from itertools import count, product
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock

import stentor
from tests.bus.accounts import all_parked, check_conservation
from tests.bus.stepping import cancelled_at

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.bus.stepping import When

    Call = Callable[[], Awaitable[object]]


class Scene:
    """Two agents of different speed and a feed, all of whom hear "t"; what each got is written down by the test."""

    def __init__(self, bus: stentor.Bus, nursery: trio.Nursery) -> None:
        """Set the stage on a fresh bus, with a nursery for who else plays."""
        self.bus = bus
        self.nursery = nursery
        self.begun: dict[str, list[object]] = {"slow": [], "slower": []}
        self.ended: dict[str, list[object]] = {"slow": [], "slower": []}
        self.received: list[object] = []
        self.sent: list[object] = []
        self.agents: list[stentor.Agent] = []
        for name, seconds in (("slow", 1.0), ("slower", 2.5)):
            self.agents.append(agent := bus.register(name, partial(self._hear, name, seconds)))
            agent.subscribe("t", capacity=1)
        self.feed = bus.subscribe("t", capacity=100)

    async def _hear(self, name: str, seconds: float, message: stentor.Message) -> None:
        self.begun[name].append(message.payload)
        await trio.sleep(seconds)
        self.ended[name].append(message.payload)

    async def rest(self, _: stentor.Message) -> None:
        """Another agent's handler."""
        await trio.sleep(1.5)

    async def publish(self, payload: object, **options: Any) -> None:
        """Publish, and write down that it was accepted."""
        assert (await self.bus.publish("t", payload, **options)).accepted == 3
        self.sent.append(payload)

    async def publish_two(self) -> None:
        """Fill the agents: one message runs at each, and one waits."""
        for payload in ("a", "b"):
            await self.publish(payload)
            await all_parked()

    async def publish_and_wait(self, payload: object, timeout: float | None = None) -> None:
        """Publish and wait, and write down that it was accepted."""
        result = await self.bus.publish_and_wait("t", payload, timeout=timeout)
        assert result.subscribers_reached + result.delivery_failures == 3
        self.sent.append(payload)

    async def check(self) -> None:
        """Let everything come to its end, and hold the books against the bus."""
        await self.bus.settled()
        while self.feed.statistics().waiting:
            self.received.append((await self.feed.receive()).payload)
        check_conservation(self.bus, *self.agents, self.feed)
        heard = self.feed.statistics()
        assert heard.handled == heard.addressed == len(self.received)
        assert set(self.sent) <= set(self.received)
        assert len(self.received) - len(self.sent) <= 1, "only the one that was cancelled may have got in unseen"
        for agent in self.agents:
            record = agent.statistics()
            assert record.addressed == heard.addressed, "all or none"
            assert record.handled == len(self.ended[agent.name])
            assert record.dead == record.addressed - record.handled
            assert self.begun[agent.name] == [p for p in self.received if p in self.begun[agent.name]]

    async def next_works(self) -> None:
        """Publish once more, to everybody."""
        result = await self.bus.publish_and_wait("t", "next")
        assert (result.subscribers_reached, result.errors) == (3, ())


async def publish_that_waits(scene: Scene) -> Call:
    await scene.publish_two()
    return lambda: scene.publish("X")


async def publish_in_line(scene: Scene) -> Call:
    await scene.publish_two()
    scene.nursery.start_soon(lambda: scene.publish("c", sender="me"))
    await all_parked()
    return lambda: scene.publish("X", sender="me")


async def publish_and_wait(scene: Scene) -> Call:
    await scene.publish("a")
    return lambda: scene.publish_and_wait("X")


async def publish_and_wait_that_waits_for_room(scene: Scene) -> Call:
    await scene.publish_two()
    return lambda: scene.publish_and_wait("X")


async def publish_and_wait_with_timeout(scene: Scene) -> Call:
    await scene.publish("a")
    return lambda: scene.publish_and_wait("X", timeout=3.0)


async def publish_and_be_told(scene: Scene) -> Call:
    await scene.publish("a")

    async def call() -> None:
        receipt = await scene.bus.publish("t", "X", confirm=True)
        scene.sent.append("X")
        assert (await receipt.confirmed()).subscribers_reached == 3

    return call


async def send_that_waits(scene: Scene) -> Call:
    """Observed by everybody, so that all of them must have it or none."""
    target = scene.bus.register("target", scene.rest, capacity=1)
    scene.agents[0].subscribe("target", capacity=1)
    scene.agents[1].subscribe("target", capacity=1)
    scene.feed.subscribe("target", capacity=100)
    for _ in range(2):
        await scene.bus.send("target", "before")
        scene.sent.append("before")
        await all_parked()

    async def call() -> None:
        assert (await scene.bus.send("target", "X")).recipients[0] == target.name
        scene.sent.append("X")

    return call


async def settled(scene: Scene) -> Call:
    await scene.publish_two()
    return scene.bus.settled


async def receive(scene: Scene) -> Call:
    async def produce() -> None:
        for payload in "abc":
            await trio.sleep(1)
            await scene.publish(payload)

    async def call() -> None:
        for _ in range(3):
            scene.received.append((await scene.feed.receive()).payload)

    scene.nursery.start_soon(produce)
    return call


async def iterate(scene: Scene) -> Call:
    await receive(scene)

    async def call() -> None:
        async for message in scene.feed:
            scene.received.append(message.payload)
            if message.payload == "c":
                break

    return call


SCENES = (
    publish_that_waits,
    publish_in_line,
    publish_and_wait,
    publish_and_wait_that_waits_for_room,
    publish_and_wait_with_timeout,
    publish_and_be_told,
    send_that_waits,
    settled,
    receive,
    iterate,
)


WHENS: tuple[When, ...] = ("before", "after")


async def play(set_stage: Callable[[Scene], Awaitable[Call]], step: int, when: When, *, inside: bool) -> bool:
    """Cancel the call of a scene at one step, made inside of a handler or outside; return whether it came to that."""
    fired = False

    async def act(_: object = None) -> None:
        nonlocal fired
        fired, _ended = await cancelled_at(step, when, call)

    async with stentor.open_bus(drain_timeout=1e6) as bus, trio.open_nursery() as nursery:
        scene = Scene(bus, nursery)
        call = await set_stage(scene)
        if inside:
            actor = bus.register("actor", act)
            actor.subscribe("act")
            assert (await bus.publish_and_wait("act")).errors == ()
            check_conservation(bus, actor)
        else:
            await act()
        await scene.check()
        await scene.next_works()
    return fired


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("set_stage", "inside"),
    [(scene, inside) for scene in SCENES for inside in (False, True) if not (inside and scene is settled)],
)
def test_promise_7_cancelled_at_every_step(
    set_stage: Callable[[Scene], Awaitable[Call]], when: When, *, inside: bool
) -> None:
    for step in count():
        if not trio.run(partial(play, set_stage, step, when, inside=inside), clock=MockClock(autojump_threshold=0)):
            break
    assert step >= (1 if set_stage is settled or inside else 2)


@pytest.mark.long
def test_promise_7_cancelled_at_every_step_long() -> None:
    """Every scene and step, in so many orders of the scheduler: `STENTOR_SEEDS` or 1,000."""
    for seed in range(int(os.environ.get("STENTOR_SEEDS", "1000"))):
        for scene, when, inside in product(SCENES, WHENS, (False, True)):
            for step in count() if not (inside and scene is settled) else ():
                trio._core._run._r.seed(seed)
                try:
                    fired = trio.run(
                        partial(play, scene, step, when, inside=inside), clock=MockClock(autojump_threshold=0)
                    )
                except BaseException as error:
                    error.add_note(f"seed {seed}, {scene.__name__}, {when} step {step}, inside: {inside}")
                    raise
                if not fired:
                    break


async def publish_2500(step: int, when: When) -> bool:
    """Cancel a publisher that only waits when the bus's budget of turns is spent."""
    accepted = 0

    async def call() -> None:
        nonlocal accepted
        for i in range(2500):
            await bus.publish("t", i)
            accepted += 1

    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t", capacity=10_000)
        fired, _ = await cancelled_at(step, when, call)
        assert feed.statistics().waiting == accepted == bus.statistics().messages
        assert [feed.receive_nowait().payload for _ in range(accepted)] == list(range(accepted))
    return fired


@pytest.mark.parametrize("when", ["before", "after"])
def test_promise_7_a_publisher_cancelled_when_it_lets_others_have_a_turn_knows_what_was_accepted(when: When) -> None:
    for step in count():
        if not trio.run(publish_2500, step, when):
            break
    assert step >= 2


async def test_promise_7_an_already_cancelled_publish_reaches_nobody() -> None:
    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t")
        for call in (bus.publish, bus.publish_and_wait):
            with trio.CancelScope() as scope:
                scope.cancel()
                await call("t")
            assert scope.cancelled_caught
        assert feed.statistics().addressed == 0
        await bus.publish("t")
        for receive_one in (feed.receive, feed.__aiter__().__anext__):
            with trio.CancelScope() as scope:
                scope.cancel()
                await receive_one()
            assert scope.cancelled_caught
            assert feed.statistics().waiting == 1


async def test_promise_7_receivers_cancelled_in_the_moment_of_delivery_lose_nothing() -> None:
    """Fifty times a receiver is cancelled in the same instant in which its message is published."""
    got: list[object] = []

    async def one(feed: stentor.Feed[stentor.Message], scope: trio.CancelScope) -> None:
        with scope:
            got.append((await feed.receive()).payload)

    async with stentor.open_bus() as bus:
        feed = bus.subscribe("t")
        for i in range(50):
            async with trio.open_nursery() as nursery:
                scope = trio.CancelScope()
                nursery.start_soon(one, feed, scope)
                await all_parked()
                if i % 2:
                    scope.cancel()
                await bus.publish("t", i)
                scope.cancel()
        while feed.statistics().waiting:
            got.append(feed.receive_nowait().payload)
        assert got == list(range(50))
        check_conservation(bus, feed)

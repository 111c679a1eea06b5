"""A busy program, ended at every single step of any of its tasks: accepted is handled, failed or told to be left."""

from __future__ import annotations

import os
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Literal

import pytest
import trio
from trio.testing import MockClock

import stentor
from tests.bus.accounts import check_conservation
from tests.bus.stepping import AtStep

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Pair = tuple[str, str]
    Ending = Literal["cancelled", "error"]


class Program:
    """Agents that relay, ask, fail, sleep and use nurseries, a feed, and publishers, through tiny mailboxes."""

    def __init__(self) -> None:
        """Begin with empty books; a pair is a recipient and a message."""
        self.accepted: set[Pair] = set()
        self.begun: set[Pair] = set()
        self.ended: set[Pair] = set()
        self.failed: set[Pair] = set()
        self.members: list[stentor.Agent | stentor.Feed[stentor.Message]] = []
        self.bus: stentor.Bus | None = None

    async def publish(self, topic: str, payload: int) -> None:
        """Publish, and enter the receipt."""
        assert self.bus is not None
        receipt = await self.bus.publish(topic, payload)
        self.accepted |= {(name, receipt.message_id) for name in receipt.recipients}

    async def ask(self, topic: str, payload: int) -> None:
        """Publish and wait; who got it is not told."""
        assert self.bus is not None
        await self.bus.publish_and_wait(topic, payload, timeout=2.5)

    def handler(
        self, name: str, body: Callable[[int], Awaitable[object]]
    ) -> Callable[[stentor.Message], Awaitable[None]]:
        """A handler that keeps the books."""

        async def handle(message: stentor.Message) -> None:
            pair = name, message.id
            assert pair not in self.begun, "nothing twice"
            self.begun.add(pair)
            try:
                await body(int(str(message.payload)))
            except Exception:
                self.failed.add(pair)
                raise
            self.ended.add(pair)

        return handle

    async def relay(self, fuel: int) -> None:
        """Hand on to two others."""
        if fuel:
            await self.publish("ask.x", fuel - 1)
            await trio.sleep(1)
            await self.publish("rest.y", fuel - 1)

    async def question(self, fuel: int) -> None:
        """Wait for somebody else's handlers."""
        if fuel:
            await self.ask("rest.x", fuel - 1)

    async def rest(self, fuel: int) -> None:
        """Let children sleep and publish."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 2)
            nursery.start_soon(self.publish, "fail", fuel)

    async def fail(self, fuel: int) -> None:
        """Fail, sooner or later."""
        await trio.sleep(fuel % 2)
        raise ValueError(fuel)

    async def read(self, feed: stentor.Feed[stentor.Message]) -> None:
        """Iterate over everything."""
        async for message in feed:
            pair = feed.name, message.id
            assert pair not in self.begun
            self.begun.add(pair)
            await trio.sleep(0.25)
            self.ended.add(pair)

    async def run(self, stop: trio.Event) -> None:
        """Run the whole; setting `stop` makes the body fail."""
        async with stentor.open_bus(drain_timeout=6.0) as bus:
            self.bus = bus
            for name, body in (("relay", self.relay), ("ask", self.question), ("rest", self.rest), ("fail", self.fail)):
                agent = bus.register(name, self.handler(name, body), concurrency=2 if name == "rest" else 1)
                agent.subscribe(f"{name}.**", capacity=2)
                self.members.append(agent)
            feed = bus.subscribe("**", capacity=5)
            self.members.append(feed)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._fail_on, stop, nursery.cancel_scope)
                nursery.start_soon(self.read, feed)
                for i in range(3):
                    await self.publish("relay", 3 - i)
                nursery.start_soon(self.publish, "rest.z", 1)
                await bus.settled()
                nursery.cancel_scope.cancel()
            if stop.is_set():
                raise ZeroDivisionError
            for i in range(2):
                await self.publish("relay", i)
            feed.close()

    async def _fail_on(self, stop: trio.Event, scope: trio.CancelScope) -> None:
        await stop.wait()
        scope.cancel()

    def check(self) -> None:
        """Hold the books against the bus, which is closed."""
        if self.bus is None:
            return
        check_conservation(self.bus, *self.members)
        total = self.bus.statistics()
        left = {(one.agent, one.message.id): one.state for one in self.bus.left}
        assert len(left) == len(self.bus.left), "nothing is told twice"
        waiting = {pair for pair, state in left.items() if state == "waiting"}
        running = {pair for pair, state in left.items() if state == "running"}
        by_feed = {pair for pair in self.begun if pair[0].startswith("_stentor.feed")}
        cut = self.begun - by_feed - self.ended - self.failed - running
        withdrawn = total.dead - len(self.failed) - len(cut)
        assert withdrawn >= 0, "by a timeout, before the handler was called"
        assert not waiting & self.begun
        assert running <= self.begun - self.ended - self.failed
        assert self.accepted <= self.begun | waiting
        assert total.handled == len((self.ended | by_feed) - self.failed)
        assert total.abandoned == len(left)
        assert total.addressed == len(self.begun | waiting) + withdrawn
        assert total.waiting == total.running == 0


async def play(step: int, ending: Ending) -> bool:
    """Run the program, ended at one step; return whether it came to that."""
    program = Program()
    stop = trio.Event()
    with trio.CancelScope() as scope:
        instrument = AtStep(scope.cancel if ending == "cancelled" else stop.set, step)
        trio.lowlevel.add_instrument(instrument)
        try:
            await program.run(stop)
        except ZeroDivisionError:
            assert ending == "error"
        trio.lowlevel.remove_instrument(instrument)
    program.check()
    return instrument.fired


@pytest.mark.parametrize("ending", ["cancelled", "error"])
def test_promise_7_a_program_ended_at_every_step_loses_nothing_silently(ending: Ending) -> None:
    for step in count():
        if not trio.run(partial(play, step, ending), clock=MockClock(autojump_threshold=0)):
            break
    assert step > 100


@pytest.mark.long
@pytest.mark.parametrize("ending", ["cancelled", "error"])
def test_promise_7_a_program_ended_at_every_step_loses_nothing_silently_long(ending: Ending) -> None:
    """Every step, in so many orders of the scheduler: `STENTOR_SEEDS` or 1,000."""
    for seed in range(int(os.environ.get("STENTOR_SEEDS", "1000"))):
        for step in count():
            trio._core._run._r.seed(seed)
            try:
                if not trio.run(partial(play, step, ending), clock=MockClock(autojump_threshold=0)):
                    break
            except BaseException as error:
                error.add_note(f"seed {seed}, step {step}")
                raise

"""Two links through paths that break at random: what is missing was published in an interruption that was told."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import trio

from stentor.bridge._address import Address
from stentor.bridge._errors import ConnectionLost, ReplyError
from stentor.bridge._link import Interruption, Link, LinkTiming
from tests.bridge.proxy import open_proxy
from tests.bridge.servers import redis_server

if TYPE_CHECKING:
    from stentor.bridge._connection import Connection
    from tests.bridge.proxy import Direction, Proxy
    from tests.bridge.servers import RedisServer

pytestmark = [pytest.mark.live, pytest.mark.real_clock]
TIMING = LinkTiming(interval=0.2, grace=0.4, timeout=1.0, first_delay=0.02, max_delay=0.2, healthy_after=0.5)
PACE = 0.002
HALVES: tuple[tuple[Direction, ...], ...] = (("up",), ("down",), ("up", "down"))
CALM = 1.5
"""Seconds without a fault between two, on average half of it."""


class Torture:
    """A publisher and a subscriber, each by a link of its own, and what became of each number."""

    def __init__(self, server: RedisServer, paths: tuple[Proxy, Proxy], rng: Random) -> None:
        self.server = server
        self.paths = paths
        self.rng = rng
        self.got: list[int] = []
        self.told: list[Interruption] = []
        self.lost_at: list[int] = []
        """How many had been received whenever the subscriber had taken all that had come by a lost connection."""
        self.unsure: set[int] = set()
        """Numbers whose publisher saw an error, so that they were published or not."""
        self.published = 0
        self.faults = 0
        self.sending = Link(Address.parse(paths[0].url), timing=TIMING, rng=Random(1))
        self.receiving = Link(
            Address.parse(paths[1].url),
            timing=TIMING,
            rng=Random(2),
            setup=self._subscribe,
            on_interruption=self.told.append,
        )

    async def _subscribe(self, connection: Connection) -> None:
        await connection.execute("SUBSCRIBE", "numbers")

    async def publish(self) -> None:
        """Publish one number after the other, each once, whatever happens."""
        while True:
            connection = await self.sending.connected()
            self.published += 1
            try:
                await connection.execute("PUBLISH", "numbers", self.published)
            except (ConnectionLost, ReplyError):
                self.unsure.add(self.published)
            await trio.sleep(PACE)

    async def receive(self) -> None:
        """Write down what comes."""
        while True:
            connection = await self.receiving.connected()
            try:
                while True:
                    self.got += [int(push[2]) for push in await connection.receive_pushes()]
            except ConnectionLost:
                self.lost_at.append(len(self.got))

    async def one_fault(self) -> None:
        """Break something, and mend it."""
        self.faults += 1
        path = self.rng.choice(self.paths)
        choice = self.rng.randrange(6)
        if choice == 0:
            await path.cut(reset=self.rng.random() < 0.5)
        elif choice == 1:
            path.hold(*self.rng.choice(HALVES))
            await trio.sleep(self.rng.random() * 2)
            path.release()
        elif choice == 2:
            await self._blocking(self.server.kill)
            await trio.sleep(self.rng.random())
            await self._blocking(self.server.start)
        elif choice == 3:
            self.server.freeze()
            await trio.sleep(self.rng.random() * 2)
            self.server.thaw()
        elif choice == 4:
            await self._blocking(self.server.ask, "CLIENT", "KILL", "TYPE", self.rng.choice(("normal", "pubsub")))
        else:
            path.segment, path.delay = self.rng.choice((1, 7, 50)), self.rng.random() / 100
            await trio.sleep(self.rng.random())
            path.segment, path.delay = 2**16, 0.0

    async def _blocking(self, call: Any, *args: Any) -> None:
        await trio.to_thread.run_sync(partial(call, *args))

    async def run(self, seconds: float) -> None:
        """Do all of it for a while, and then see that all is well again."""
        async with trio.open_nursery() as nursery:
            for task in (self.sending.run, self.receiving.run, self.publish, self.receive):
                nursery.start_soon(task)
            end = trio.current_time() + seconds
            while trio.current_time() < end:
                await self.one_fault()
                await trio.sleep(self.rng.random() * CALM)
            with trio.fail_after(30):
                last = self.published
                while not self.got or self.got[-1] <= last:  # noqa: ASYNC110 - nobody tells
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()

    def check(self) -> None:
        """See that numbers only rise, and that every hole is one of which somebody was told.

        A number of which its publisher is unsure may come late: a path that was held delivers what it has.
        """
        assert len(set(self.got)) == len(self.got), "twice"
        sure = [(place, number) for place, number in enumerate(self.got) if number not in self.unsure]
        for (place, one), (next_place, other) in pairwise(sure):
            assert one < other, "out of order"
            missing = set(range(one + 1, other)) - self.unsure
            told = any(place < lost <= next_place for lost in self.lost_at)
            assert told or not missing, f"{missing} lost, and nobody told"
        assert len(self.told) == self.receiving.statistics().connects - 1 >= len(set(self.lost_at))
        assert all(interruption.seconds > 0 for interruption in self.told)


async def torture(seed: int, seconds: float) -> Torture:
    with redis_server() as server:
        async with open_proxy(server.port) as one, open_proxy(server.port) as other:
            found = Torture(server, (one, other), Random(seed))
            await found.run(seconds)
            found.check()
            return found


async def test_a_few_faults() -> None:
    await torture(1, 3.0)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
async def test_half_a_minute_of_faults(seed: int) -> None:
    found = await torture(seed, 36.0)
    assert found.faults > 10
    print(  # noqa: T201
        f"seed {seed}: {found.faults} faults, {len(found.told)} interruptions of the subscriber; of "
        f"{found.published} published, {len(found.got)} received, {len(found.unsure)} unsure to their publisher"
    )

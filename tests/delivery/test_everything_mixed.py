"""Everything at once: a seeded program mixes all features; after every step the states add up and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import random
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock

import stentor
from stentor import AddressingMode, Message, Overflow, Priority, RetryPolicy
from tests.bus.accounts import all_parked
from tests.delivery.recording import counts

if TYPE_CHECKING:
    from collections.abc import Callable

TOPICS = ["t.0", "t.1", "t.2", "u.0"]
PATTERNS = ["t.*", "t.0", "*.0", "**", "u.?", "t.[12]"]
MODES: list[dict[str, Any]] = [
    {"mode": "realtime"},
    {"mode": "realtime"},
    {"mode": "batch", "batch_size": 3, "batch_timeout": 2.0},
    {"mode": "polling"},
    {"mode": "polling", "auto_ack": False},
]
POLICIES = [*Overflow, Overflow.DROP_OLDEST, Overflow.DROP_NEWEST, Overflow.LATEST, Overflow.LATEST]
"""Those that let most through more often than those that hold publishers up."""
REFUSALS = (
    stentor.MailboxFullError,
    stentor.NoResponderError,
    stentor.RequestFailedError,
    stentor.UnknownAgentError,
    trio.TooSlowError,
)
Fate = tuple[str, str]
"""An agent and the id of a message."""


class World(stentor.Observer):
    """A bus, its members, and books of its own, kept by handlers and an observer."""

    def __init__(self, seed: int) -> None:
        """Begin with an empty world, a function of `seed`."""
        self.dice = random.Random(seed)
        self.fates: dict[str, Counter[Fate]] = {name: Counter() for name in ("handled", "failed", "dropped", "expired")}
        self.finished: Counter[Fate] = Counter()
        """By the handlers themselves, at their end."""
        self.agents: list[stentor.Agent] = []
        self.gone: list[stentor.Agent] = []
        self.polled: dict[str, list[Message]] = {}
        self.names = 0
        self.bus: Any = None

    # -- what the observer is told --

    def handled(self, delivery: stentor.Delivery, latency: float) -> None:
        """Count it."""
        assert latency >= 0
        self.fates["handled"][delivery.agent, delivery.message.id] += 1

    def failed(self, delivery: stentor.Delivery, error: Exception) -> None:
        """Count it."""
        assert isinstance(error, Exception)
        self.fates["failed"][delivery.agent, delivery.message.id] += 1

    def dropped(self, delivery: stentor.Delivery) -> None:
        """Count it."""
        self.fates["dropped"][delivery.agent, delivery.message.id] += 1

    def expired(self, delivery: stentor.Delivery) -> None:
        """Count it."""
        assert delivery.message.expires_at <= trio.current_time()
        self.fates["expired"][delivery.agent, delivery.message.id] += 1

    # -- the members --

    def handler(self, name: str) -> Callable[[Any, Any], Any]:
        """A handler that fails, sleeps and publishes as the dice say."""

        async def handle(mail: Message | list[Message], delivery: Any) -> object:
            leads = delivery if isinstance(delivery, list) else [delivery]
            messages = mail if isinstance(mail, list) else [mail]
            for message in messages:
                assert message.expires_at > trio.current_time()
            assert leads
            roll = self.dice.random()
            if roll < 0.25:
                await trio.sleep(self.dice.choice([0, 0.5, 3]))
            if roll > 0.8:
                raise ValueError(name)
            if 0.3 < roll < 0.4:
                self.publish_nowait()
            self.finished.update((name, message.id) for message in messages)
            return "answer" if roll < 0.1 else None

        return handle

    def register(self) -> None:
        """Add an agent with options at random."""
        dice = self.dice
        name = f"a{self.names}"
        self.names += 1
        agent = self.bus.register(
            name,
            dice.choice([None, *[self.handler(name)] * 4]),
            concurrency=dice.choice([1, 1, 2]),
            timeout=dice.choice([None, 2.0]),
            retry=dice.choice([None, *(RetryPolicy(attempts=3, first_delay=1.0, ordered=o) for o in (True, False))]),
            on_error=dice.choice(["log", "log", "quarantine"]),
            quarantine_after=3,
            capacity=4,
            overflow=dice.choice(POLICIES),
        )
        for _ in range(dice.randint(1, 3)):
            agent.subscribe(
                dice.choice(PATTERNS),
                capacity=dice.choice([1, 3, 20]),
                overflow=dice.choice(POLICIES),
                group=dice.choice([None, None, "g"]),
                filter=dice.choice([None, None, lambda message: message.priority > 0]),
                retained=dice.random() < 0.2,
                **dice.choice(MODES),
            )
        self.agents.append(agent)

    # -- the operations --

    def options(self) -> dict[str, Any]:
        """Options of a message at random."""
        dice = self.dice
        return {
            "sender": dice.choice([None, "one", "two"]),
            "priority": dice.choice(list(Priority)),
            "ttl": dice.choice([None, None, 1.5, 4.0]),
        }

    def publish_nowait(self) -> None:
        """Publish where it does not wait."""
        retain = self.dice.random() < 0.1
        with contextlib.suppress(trio.WouldBlock, stentor.MailboxFullError):
            self.bus.publish_nowait(self.dice.choice(TOPICS), 1, retain=retain, **self.options())

    async def wait(self, call: Callable[[], Any]) -> None:
        """Do something that may wait, and give up at a random time."""
        with trio.move_on_after(self.dice.choice([0, 0.3, 1, 5])), contextlib.suppress(*REFUSALS):
            await call()

    async def operate(self) -> None:  # noqa: C901, PLR0912 - one thing out of many
        """Do one thing."""
        dice, bus = self.dice, self.bus
        topic = dice.choice(TOPICS)
        agent = dice.choice(self.agents)
        name = agent.name
        direct = Message(name, 2, addressing=AddressingMode.DIRECT, **self.options())
        roll = dice.randrange(100)
        if roll < 40:
            self.publish_nowait()
        elif roll < 50:
            await self.wait(partial(bus.publish, topic, **self.options()))
        elif roll < 54:
            await self.wait(partial(bus.publish_and_wait, topic, timeout=dice.choice([0.5, 2.0]), **self.options()))
        elif roll < 58:
            await self.wait(partial(bus.route, dice.choice([direct, Message(topic)]), timeout=3.0))
        elif roll < 62:
            await self.wait(partial(bus.request, topic, timeout=1.0))
        elif roll < 64:
            await self.wait(partial(bus.broadcast, sender=name))
        elif roll < 68:
            agent.leave()
        elif roll < 73:
            agent.rejoin()
        elif roll < 80:
            self.polled.setdefault(name, []).extend(await agent.poll(max_messages=3))
        elif roll < 86:
            mine = self.polled.pop(name, [])
            agent.acknowledge(mine[: dice.randint(0, len(mine))])
        elif roll < 88 and len(self.agents) > 4:
            self.agents.remove(agent)
            self.gone.append(agent)
            agent.close()
        elif roll < 90 and len(self.agents) < 10:
            self.register()
        elif roll < 92 and bus.dead_letters:
            await self.wait(partial(bus.resubmit, dice.choice(list(bus.dead_letters))))
        elif roll < 97:
            await trio.sleep(dice.choice([0, 0.2, 1, 7]))
        else:
            await all_parked()

    # -- what must always hold --

    def check(self) -> None:
        """Hold the library's numbers against the books, agent by agent and for the bus."""
        for agent in (*self.agents, *self.gone):
            found = counts(agent)
            mine = {
                state: sum(often for (name, _), often in fates.items() if name == agent.name)
                for state, fates in self.fates.items()
            }
            assert found.get("handled", 0) == mine["handled"]
            assert found.get("expired", 0) == mine["expired"]
            assert found.get("dropped", 0) == mine["dropped"]
            assert found.get("dead", 0) <= mine["failed"] <= found.get("dead", 0) + found.get("stored", 0)
            finished = sum(often for (name, _), often in self.finished.items() if name == agent.name)
            assert agent._recipient.handler is None or finished <= mine["handled"] + 30
        total = counts(self.bus)
        for state, fates in self.fates.items():
            if state != "failed":
                assert total.get(state, 0) == fates.total(), state
        assert self.bus._parts.ledger.busy >= 0
        for quota in {sub._made_quota for sub in self.bus._parts.table if sub._made_quota is not None}:
            order = quota.order
            assert quota.waiting >= 0
            assert order is None or len(order) == quota.waiting

    async def settle(self) -> None:
        """The bus comes to rest, and knows it."""
        await self.bus.settled(timeout=1e4)
        for agent in self.agents:
            if agent._recipient.handler is not None:
                assert not agent.statistics().running
        self.check()

    async def play(self, operations: int) -> None:
        """Do so many things, and hold everything at the end."""
        async with stentor.open_bus(seed=self.dice.randrange(1000), observers=[self], drain_timeout=100.0) as self.bus:
            for _ in range(6):
                self.register()
            for number in range(operations):
                await self.operate()
                if number % 5 == 0:
                    self.check()
                if number % 100 == 99:
                    await self.settle()
        self.check()
        total = self.bus.statistics()
        assert (total.waiting, total.running, total.unacknowledged) == (0, 0, 0)
        assert total.abandoned == len(self.bus.left)


def run(seed: int, operations: int) -> None:
    """Play one world on a clock of its own."""

    async def main() -> None:
        await World(seed).play(operations)

    trio.run(main, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("seed", range(20))
def test_everything_mixed_adds_up_after_every_step(seed: int) -> None:
    run(seed, 300)


@pytest.mark.long
def test_everything_mixed_for_long() -> None:
    """So many operations, `STENTOR_OPERATIONS` or a million, in worlds of a thousand."""
    for seed in range(1000, 1000 + int(os.environ.get("STENTOR_OPERATIONS", "1000000")) // 1000):
        run(seed, 1000)

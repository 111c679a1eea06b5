"""The whole bus against a plain model: everything at random, and every happening judged by what happened before."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock

import stentor
from tests.bus.accounts import all_parked, check_conservation
from tests.bus.model import ModelBus, ModelRecipient, ModelSubscription

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPICS = ("a", "a.b", "a.c", "a.b.c", "d.b", "d")
PATTERNS = ("a", "a.*", "**", "*.b", "a.**", "d.?", "[a-c].b", "a.b.c", "d", "**.c", "*")
SENDERS = (None, None, "one", "two", "three")
ACTS = ("ok", "ok", "ok", "fail", "sleep", "sleep", "hold", "publish", "nowait", "ask", "unsubscribe", "close")
LONG = int(os.environ.get("STENTOR_OPERATIONS", "1000000"))
"""How many operations the long search makes, in all."""


class World(stentor.Observer):
    """A bus, its model, and the dice. A payload is (number of the call, what its handlers do, fuel)."""

    def __init__(self, seed: int) -> None:
        """Begin with an empty bus; in one world messages expire, in the next there are feeds."""
        self.dice = random.Random(seed)
        self.has_feeds = seed % 2 == 0
        self.model = ModelBus()
        self.bus: stentor.Bus
        self.nursery: trio.Nursery
        self.members: dict[str, stentor.Agent | stentor.Feed[stentor.Message]] = {}
        self.closed: list[tuple[stentor.Agent | stentor.Feed[stentor.Message], ModelRecipient]] = []
        self.pairs: list[tuple[stentor.Subscription, ModelSubscription]] = []
        self.gates: dict[str, trio.Event] = {}
        self.scopes: dict[int, trio.CancelScope] = {}
        self.numbers: Iterator[int] = iter(range(10**9))
        self.read: set[str] = set()
        self.accepted_for: dict[int, tuple[str, ...]] = {}

    # -- what the bus tells --------------------------------------------------------------------------------------------

    def accepted(self, message: stentor.Message, recipients: tuple[str, ...], inside: stentor.Delivery | None) -> None:
        """Tell the model."""
        names = tuple(self.model.route(message.topic))
        assert names == recipients
        assert (message.cause is None) == (inside is None)
        number = message.payload[0]  # type: ignore[index]
        self.accepted_for[number] = names
        self.model.accepted(number, message, trio.current_time())

    def failed(self, delivery: stentor.Delivery, error: Exception) -> None:  # noqa: ARG002 - the protocol
        """Tell the model."""
        self.model.failed(self.of(delivery), delivery.message)

    def of(self, delivery: stentor.Delivery) -> ModelRecipient:
        """The model of the agent, which may have closed while its handler ran."""
        found = [self.model.recipients.get(delivery.agent), *self.model.gone]
        return next(
            r for r in found if r and r.name == delivery.agent and (not r.closed or delivery.message.id in r.running)
        )

    # -- handlers ------------------------------------------------------------------------------------------------------

    async def handle(self, message: stentor.Message, delivery: stentor.Delivery) -> None:
        """Do what the message says."""
        name = delivery.agent
        recipient = self.model.recipients[name]
        self.model.begun(recipient, message, trio.current_time())
        act: str
        fuel: int
        _, act, fuel = message.payload  # type: ignore[misc]
        await self.act(act, name, fuel - 1)
        self.model.ended(recipient, message, failed=False)

    async def act(self, act: str, name: str, fuel: int) -> None:
        """One of `ACTS`."""
        match act:
            case "fail":
                raise ValueError(name)
            case "sleep":
                await trio.sleep(self.dice.choice([0, 0.5, 1, 2]))
            case "hold":
                await self.gates.setdefault(name, trio.Event()).wait()
            case "publish" | "nowait" | "ask" if fuel > 0:
                await self.publish(act, fuel, sender=self.dice.choice([None, name]))
            case "unsubscribe":
                self.unsubscribe(name)
            case "close":
                self.close(name)
            case _:
                pass

    # -- what is done --------------------------------------------------------------------------------------------------

    async def publish(self, how: str, fuel: int, sender: str | None) -> None:
        """Publish in one of three ways, and tell the model how it came out."""
        number, topic = next(self.numbers), self.dice.choice(TOPICS)
        payload = number, self.dice.choice(ACTS), fuel
        options: dict[str, Any] = {"sender": sender, "priority": self.dice.choice([0, 1, 1, 1, 2, 3])}
        if not self.has_feeds and self.dice.random() < 0.1:
            options["ttl"] = self.dice.choice([0.25, 1.0, 3.0])
        self.model.called(number, topic, sender)
        receipt = None
        try:
            if how == "nowait":
                receipt = self.bus.publish_nowait(topic, payload, **options)
            elif how == "publish":
                receipt = await self.bus.publish(topic, payload, **options)
            else:
                timeout = self.dice.choice([None, 1.0, 3.0])
                await self.bus.publish_and_wait(topic, payload, timeout=timeout, **options)
        except stentor.MailboxFullError as error:
            self.model.refused(number, error.agents)
        except trio.WouldBlock:
            self.model.would_block(number)
        except stentor.DeadlockError:
            pass
        finally:
            if number in self.model.blocked:
                self.model.returned(number)
        if receipt is not None:
            assert receipt.recipients == self.accepted_for[number]

    async def publish_cancellable(self, how: str) -> None:
        """Publish from a task that the driver may cancel."""
        key = next(self.numbers)
        with trio.CancelScope() as self.scopes[key]:
            await self.publish(how, 3, self.dice.choice(SENDERS))
        del self.scopes[key]

    def register(self) -> None:
        """Add an agent, or a feed, with a subscription."""
        if self.has_feeds and self.dice.random() < 0.3:
            feed: stentor.Feed[stentor.Message] = self.bus.subscribe(self.dice.choice(PATTERNS), capacity=10**6)
            self.model.register(feed.name, 0)
            self.members[feed.name] = feed
            self.model.subscribe(feed.name, feed.subscriptions[0].pattern, 10**6, fails=False)
            return
        slots = self.dice.choice([1, 1, 1, 2, 3])
        name = f"agent{next(self.numbers)}"
        self.members[name] = self.bus.register(name, self.handle, concurrency=slots)
        self.model.register(name, slots)
        self.subscribe(name)

    def subscribe(self, name: str) -> None:
        """Add a subscription."""
        pattern, capacity, fails = self.dice.choice(PATTERNS), self.dice.randint(1, 4), self.dice.random() < 0.3
        if name.startswith("_stentor"):
            capacity, fails = 10**6, False
        subscription = self.members[name].subscribe(pattern, capacity=capacity, overflow="fail" if fails else "block")
        self.pairs.append((subscription, self.model.subscribe(name, pattern, capacity, fails=fails)))

    def unsubscribe(self, name: str) -> None:
        """Close a subscription of an agent, if it has one."""
        own = [pair for pair in self.pairs if pair[1].owner.name == name and not pair[1].owner.closed]
        if own:
            pair = self.dice.choice(own)
            self.pairs.remove(pair)
            pair[0].close()
            self.model.unsubscribe(pair[1])

    def close(self, name: str) -> None:
        """Close an agent or a feed."""
        if name in self.members:
            member = self.members.pop(name)
            recipient = self.model.recipients[name]
            self.model.close(name)
            member.close()
            self.closed.append((member, recipient))
            self.pairs = [pair for pair in self.pairs if pair[1].owner is not recipient]

    async def receive(self, feed: stentor.Feed[stentor.Message]) -> None:
        """Read a feed, with or without waiting; one task at a time, so that it is known who had what first."""
        if feed.name in self.read or feed.closed:
            return
        recipient = self.model.recipients[feed.name]
        self.read.add(feed.name)
        with trio.move_on_after(self.dice.choice([0, 0.5, 2])):
            try:
                message = await feed.receive() if self.dice.random() < 0.5 else feed.receive_nowait()
            except (trio.WouldBlock, trio.ClosedResourceError):
                return
            finally:
                self.read.remove(feed.name)
            self.model.received(recipient, message)

    async def operate(self) -> None:
        """One operation."""
        dice = self.dice
        roll = dice.random()
        if roll < 0.06 and len(self.members) < 8:
            self.register()
        elif roll < 0.10 and self.members:
            self.subscribe(dice.choice(list(self.members)))
        elif roll < 0.13 and self.members:
            self.unsubscribe(dice.choice(list(self.members)))
        elif roll < 0.15 and self.members:
            self.close(dice.choice(list(self.members)))
        elif roll < 0.60:
            self.nursery.start_soon(self.publish_cancellable, dice.choice(["publish", "publish", "nowait", "ask"]))
        elif roll < 0.66 and self.scopes:
            self.scopes[dice.choice(list(self.scopes))].cancel()
        elif roll < 0.80 and self.gates:
            self.gates.pop(dice.choice(list(self.gates))).set()
        elif roll < 0.86:
            await trio.sleep(dice.choice([0.25, 0.5, 1.0]))
        elif feeds := [m for m in self.members.values() if isinstance(m, stentor.Feed)]:
            self.nursery.start_soon(self.receive, dice.choice(feeds))

    # -- what must be true ---------------------------------------------------------------------------------------------

    def check(self, *, quiet: bool) -> None:
        """Hold the model against the bus; when all tasks wait, number by number."""
        everyone = [(m, self.model.recipients[name]) for name, m in self.members.items()] + self.closed[-5:]
        check_conservation(self.bus, *(member for member, _ in everyone))
        for subscription, known in self.pairs:
            assert subscription.waiting <= known.capacity
        assert self.bus.statistics().messages == self.model.messages
        if not quiet:
            return
        self.model.check_nothing_is_left_to_do(trio.current_time())
        for member, recipient in everyone:
            record = member.statistics()
            assert record.addressed == recipient.addressed
            assert (record.handled, record.dead) == (recipient.handled, recipient.dead)
            assert record.running == len(recipient.running)
            assert recipient.alive(trio.current_time()) <= record.waiting <= len(recipient.mailbox)
            unhandled = recipient.expired + recipient.abandoned + len(recipient.mailbox)
            assert record.expired + record.abandoned + record.waiting == unhandled
            if self.has_feeds:  # nothing expires in this world
                assert (record.expired, record.abandoned) == (0, recipient.abandoned)
        told = [(left.agent, left.message.id, left.state) for left in self.bus.left]
        foretold = iter(self.model.left)
        assert all(one in foretold for one in told), "in that order"

    async def run(self, operations: int) -> None:
        """Do so many operations, and then let everything come to its end."""
        async with stentor.open_bus(drain_timeout=1e6, observers=[self], seed=1) as self.bus:
            async with trio.open_nursery() as self.nursery:
                for _ in range(3):
                    self.register()
                for _ in range(operations):
                    await self.operate()
                    quiet = self.dice.random() < 0.5
                    if quiet:
                        await all_parked()
                    self.check(quiet=quiet)
                for scope in list(self.scopes.values()):
                    scope.cancel()
                for name in [name for name in self.members if self.dice.random() < 0.5]:
                    self.close(name)
                self.nursery.start_soon(self._open_gates)
                await self.bus.settled()
                self.nursery.cancel_scope.cancel()
            await all_parked()
            self.check(quiet=True)

    async def _open_gates(self) -> None:
        while True:
            while self.gates:
                self.gates.popitem()[1].set()
            await trio.sleep(0.5)


def run(seed: int, operations: int) -> None:
    """One world, with the scheduler's dice seeded too, so that a failure comes again."""
    trio._core._run._r.seed(seed)
    try:
        trio.run(World(seed).run, operations, clock=MockClock(autojump_threshold=0))
    except BaseException as error:
        error.add_note(f"seed {seed}, {operations} operations")
        raise


@pytest.mark.parametrize("seed", range(20))
def test_the_bus_does_nothing_that_its_model_forbids(seed: int) -> None:
    run(seed, 150)


@pytest.mark.long
def test_the_bus_does_nothing_that_its_model_forbids_long() -> None:
    each = 500
    for seed in range(1000, 1000 + LONG // each):
        run(seed, each)

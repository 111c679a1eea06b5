"""A hundred agents, ten of which always fail and ten stall for ever: the others get everything, in order, bounded."""

from __future__ import annotations

import logging
import resource
from collections import Counter

import pytest
import trio

import stentor

AGENTS, FAILING, STALLED, CAPACITY = 100, 10, 10, 50


class Recount(stentor.Observer):
    """Counts outcomes by agent, from what observers are told."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.failed_at: Counter[str] = Counter()
        self.dropped_at: Counter[str] = Counter()

    def failed(self, delivery: stentor.Delivery, error: Exception) -> None:
        """Count a failure."""
        assert str(error) == delivery.agent
        self.failed_at[delivery.agent] += 1

    def dropped(self, delivery: stentor.Delivery) -> None:
        """Count a drop."""
        self.dropped_at[delivery.agent] += 1


async def hundred_agents(messages: int) -> None:
    recount = Recount()
    wanted: Counter[str] = Counter()
    begun: Counter[str] = Counter()

    async def good(message: stentor.Message, delivery: stentor.Delivery) -> None:
        assert message.payload == wanted[delivery.agent], "in order, and none is missing"
        wanted[delivery.agent] += 1

    async def bad(_: stentor.Message, delivery: stentor.Delivery) -> None:
        raise ValueError(delivery.agent)

    async def stall(_: stentor.Message, delivery: stentor.Delivery) -> None:
        begun[delivery.agent] += 1
        await trio.sleep_forever()

    async with stentor.open_bus(drain_timeout=1.0, observers=[recount], dead_letter_capacity=100) as bus:
        agents = {}
        for number in range(AGENTS):
            handler = bad if number < FAILING else stall if number < FAILING + STALLED else good
            agents[f"a{number}"] = agent = bus.register(f"a{number}", handler)
            overflow = "drop_oldest" if handler is stall else "block"
            agent.subscribe(("news", "n*s", "**")[number % 3], capacity=CAPACITY, overflow=overflow)
        for number in range(messages):
            receipt = await bus.publish("news", number, sender="editor")
            assert receipt.accepted == AGENTS
        await trio.sleep(1)
        check(agents, recount, begun, wanted, messages)
        total = bus.statistics()
        assert total.addressed == AGENTS * messages
        assert total.handled == wanted.total()
        assert len(bus.dead_letters) == 100
    left = Counter(each.agent for each in bus.left)
    assert left == Counter({f"a{n}": CAPACITY + 1 for n in range(FAILING, FAILING + STALLED)})


def check(
    agents: dict[str, stentor.Agent], recount: Recount, begun: Counter[str], wanted: Counter[str], messages: int
) -> None:
    """Hold each agent's numbers against what its handler and the observer counted."""
    for number, (name, agent) in enumerate(agents.items()):
        record = agent.statistics()
        assert record.addressed == messages
        if number < FAILING:
            assert record.dead == recount.failed_at[name] == messages
        elif number < FAILING + STALLED:
            assert (begun[name], record.running, record.waiting) == (1, 1, CAPACITY)
            assert record.dropped == recount.dropped_at[name] == messages - CAPACITY - 1
        else:
            assert record.handled == wanted[name] == messages
        assert record.peak_waiting <= CAPACITY


@pytest.fixture
def _unlogged() -> None:
    """A log of all these failures would be larger than what is measured."""
    logging.getLogger("stentor").setLevel(logging.CRITICAL)


@pytest.mark.usefixtures("_unlogged")
async def test_the_healthy_get_everything_in_order_and_every_delivery_is_accounted_for() -> None:
    try:
        await hundred_agents(3_000)
    finally:
        logging.getLogger("stentor").setLevel(logging.NOTSET)


@pytest.mark.long
@pytest.mark.usefixtures("_unlogged")
async def test_a_hundred_thousand_messages_to_a_hundred_agents_take_bounded_memory() -> None:
    try:
        await hundred_agents(1_000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await hundred_agents(100_000)
    finally:
        logging.getLogger("stentor").setLevel(logging.NOTSET)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"the peak grew by {grown} kB over that of a hundredth of the messages")  # noqa: T201 - the figure to report
    assert grown < 20_000

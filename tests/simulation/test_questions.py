"""Agents that ask one another, from outside and in handlers: both dispatchers give one record and the same outcomes."""

from __future__ import annotations

import logging
import random
from typing import Literal

import pytest
import trio

import stentor
from stentor import simulation

Name = Literal["native", "python"]


class Club:
    """Agents that answer at once, later, never or by an error, or ask another; and what came of every question."""

    def __init__(self, bus: stentor.Bus) -> None:
        self.bus = bus
        self.outcomes: list[tuple[float, int, str]] = []
        for number in range(9):
            agent = bus.register(f"a{number}", self.hear, concurrency=1 + number % 2)
            agent.subscribe(f"to.{number}", capacity=5)
            agent.subscribe(f"team.{number % 3}", capacity=5)

    async def ask(self, number: int, topic: str) -> None:
        """Ask, for as long as chance says, and write down what came of it."""
        outcome = "cancelled"
        with trio.move_on_after(random.choice([1.0, 2.0, 9.0])):
            try:
                outcome = await self.answers(number, topic)
            except (stentor.RequestFailedError, stentor.DeadlockError, trio.TooSlowError) as error:
                outcome = str(error)
        self.outcomes.append((trio.current_time(), number, outcome))

    async def answers(self, number: int, topic: str) -> str:
        """Ask for one answer, or for everybody's."""
        timeout = random.choice([1.0, 3.0])
        if random.random() < 0.7:
            return str((await self.bus.request(topic, number, timeout=timeout)).payload)
        replies = await self.bus.gather(topic, number, timeout=timeout)
        return f"{len(replies.messages)} of {len(replies.messages) + len(replies.silent)}"

    async def hear(self, message: stentor.Message, delivery: stentor.Delivery) -> object:
        """Do as chance says."""
        fate = random.randrange(8)
        if fate == 0:
            raise ValueError(message.payload)
        if fate == 1:
            return None
        if fate == 2:
            await self.ask(-1, f"to.{random.randrange(9)}")
        elif fate < 5:
            await trio.sleep(random.choice([0.0, 0.5, 2.0]))
        return f"{delivery.agent} heard {message.payload}"


async def everybody_asks(ordinary: list[int]) -> list[tuple[float, int, str]]:
    async with stentor.open_bus() as bus:
        club = Club(bus)
        for _ in range(8):
            async with trio.open_nursery() as nursery:
                for number in range(12):
                    topic = f"to.{random.randrange(9)}" if number % 2 else f"team.{random.randrange(3)}"
                    nursery.start_soon(club.ask, number, topic)
        await bus.settled()
        assert len(bus._parts.requests) == 0
        record = bus.statistics()
        club.outcomes.append((0.0, record.messages, f"{record.handled} {record.expired} {record.dead}"))
        ordinary.append(bus._parts.door.ordinary)
    return club.outcomes


@pytest.mark.parametrize("seed", range(6))
def test_questions_have_one_record_and_the_same_outcomes_by_either_dispatcher(seed: int) -> None:
    def run(name: Name) -> tuple[object, str]:
        with stentor.bus_defaults(dispatcher=name):
            result = simulation.run(everybody_asks, ordinary, seed=seed, shuffle=seed % 2 == 1)
        return result.value, result.digest

    ordinary: list[int] = []
    logging.getLogger("stentor").disabled = True
    try:
        assert run("native") == run("python")
        assert ordinary[0] > 50
        assert ordinary[1] == 0
    finally:
        logging.getLogger("stentor").disabled = False

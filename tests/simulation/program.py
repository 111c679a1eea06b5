"""A program in which all is mixed that could tell two runs apart; as a script it prints the digests of its runs.

Agents sleep for equal times, share queue groups, fail and are tried again, time out, open nurseries, cancel them, ask
one another, fill mailboxes that drop, and use sets of strings and `random` as careless programs do.
"""

from __future__ import annotations

import argparse
import logging
import random
from functools import partial
from typing import TYPE_CHECKING

import trio

import stentor
from stentor import simulation

if TYPE_CHECKING:
    from stentor import Bus, Delivery, Message

RETRY = stentor.RetryPolicy(attempts=3, first_delay=0.5, jitter=1.0)


class Agent:
    """One of those who mix it all."""

    def __init__(self, bus: Bus, number: int) -> None:
        self.bus = bus
        self.number = number
        self.name = f"agent-{number}"
        self.heard = 0

    def join(self) -> None:
        """Register and subscribe."""
        agent = self.bus.register(
            self.name,
            self.hear,
            timeout=3.0,
            retry=RETRY if self.number % 3 == 0 else None,
            concurrency=1 + self.number % 2,
        )
        agent.subscribe(f"team.{self.number % 10}", capacity=4, overflow="drop_oldest")
        agent.subscribe("job.*", group=f"shift-{self.number % 7}")
        agent.subscribe(f"to.{self.number}")

    async def hear(self, message: Message, delivery: Delivery) -> object:
        """Do one of six things, by number and by what came before."""
        self.heard += 1
        kind = (self.number + self.heard) % 6
        if kind == 0:
            await trio.sleep(1.0)
        elif kind == 1 and message.topic.startswith("job"):
            await self.work_in_a_nursery()
        elif kind == 2 and delivery.attempt < 3:
            msg = f"attempt {delivery.attempt}"
            raise ValueError(msg)
        elif kind == 3:
            await trio.sleep(5.0)  # runs out of time
        elif kind == 4 and message.topic.startswith("job"):
            await self.bus.publish(f"to.{(self.number * 7) % 50}", sender=self.name, ttl=2.0)
        return self.number

    async def work_in_a_nursery(self) -> None:
        """Let children publish, and half of the agents cancel theirs."""
        async with trio.open_nursery() as nursery:
            for delay in (0.5, 0.5, 1.0):
                nursery.start_soon(self.publish_after, delay)
            await trio.sleep(0.5)
            if self.number % 2:
                nursery.cancel_scope.cancel()

    async def publish_after(self, delay: float) -> None:
        """Publish to one agent by chance."""
        await trio.sleep(delay)
        await self.bus.publish(f"to.{random.randrange(50)}", sender=self.name)

    async def live(self, rounds: int) -> None:
        """Publish at the same instants as everybody else."""
        for _ in range(rounds):
            await trio.sleep(1.0)
            colours = {random.choice(["red", "blue"]), "green"}
            if self.number % 5 == 0:
                await self.bus.publish(f"job.{sorted(colours)[self.number % 2]}", sender=self.name)
            if self.number % 25 == 0:
                await self.bus.publish(f"team.{random.randrange(10)}", sender=self.name)
            with trio.move_on_after(1.0):
                await trio.sleep(1.0)


async def main(agents: int, rounds: int) -> int:
    async with stentor.open_bus() as bus:
        everybody = [Agent(bus, number) for number in range(agents)]
        for agent in everybody:
            agent.join()
        async with trio.open_nursery() as nursery:
            for agent in everybody:
                nursery.start_soon(agent.live, rounds)
            try:
                await bus.request("to.1", timeout=4.0)
            except (trio.TooSlowError, stentor.RequestFailedError):
                await bus.publish("team.0", "nobody answered")
        await bus.settled()
        return sum(agent.heard for agent in everybody)


def digest(agents: int, rounds: int, *, seed: int = 0, shuffle: bool = False) -> str:
    return simulation.run(partial(main, agents, rounds), seed=seed, shuffle=shuffle).digest


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("agents", type=int)
    parser.add_argument("rounds", type=int)
    parser.add_argument("runs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.getLogger("stentor").disabled = True
    for _ in range(arguments.runs):
        print(digest(arguments.agents, arguments.rounds, seed=arguments.seed))  # noqa: T201 - for whoever compares

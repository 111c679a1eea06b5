"""Boltzmann wealth: everybody begins with one coin, and now and then who has a coin gives one to somebody.

The model of Dragulescu and Yakovenko ("Statistical mechanics of money", 2000), known to users of Mesa: rules as fair as
these lead to wealth as unequal as can be. Every agent acts on the tick and learns of a gift by a message. In the end
the shares of those who have 0, 1, 2, ... coins are those of a geometric distribution, 1/2, 1/4, 1/8, ..., whose Gini
coefficient is 2/3. That is so while few act at once; where all act at each step, the coins of one are a queue with
one server (M/D/1), and the share of those who have nothing is sqrt(2) - 1. One seed gives one run.

It prints:

    400 steps of 200 agents, 200 coins
    with 0 coins: 0.49
    with 1 coin: 0.25
    with 2 coins: 0.14
    Gini coefficient: 0.66
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import stentor
from stentor import simulation

if TYPE_CHECKING:
    from random import Random


class Person:
    """An agent: what it has, and how it acts."""

    def __init__(self, bus: stentor.Bus, name: str, others: list[str], random: Random, activity: float) -> None:
        self.wealth = 1
        self._bus = bus
        self._name = name
        self._others = others
        self._random = random
        self._activity = activity

    async def __call__(self, message: stentor.Message) -> None:
        """Give a coin away at a tick, or take one that is given."""
        if isinstance(message.payload, simulation.Tick):
            if self.wealth and self._random.random() < self._activity:
                self.wealth -= 1
                await self._bus.send(self._random.choice(self._others), 1, sender=self._name)
        else:
            self.wealth += 1


async def society(size: int, steps: int, activity: float) -> list[int]:
    """Return what each of `size` people has in the end, when each acts at a step with the chance `activity`."""
    names = [f"person-{number}" for number in range(size)]
    run = simulation.current_run()
    async with stentor.open_bus() as bus:
        people = [Person(bus, name, names, run.random(name), activity) for name in names]
        for name, person in zip(names, people, strict=True):
            bus.register(name, person).subscribe("tick")
        async for _ in simulation.Ticks(bus, "tick", count=steps):
            if sum(person.wealth for person in people) != size:
                message = "coins are neither made nor lost"
                raise RuntimeError(message)
    return [person.wealth for person in people]


def gini(wealth: list[int]) -> float:
    """Return how unequal it is: 0 where all have the same, near 1 where one has everything."""
    ordered = sorted(wealth)
    weighted = sum(rank * each for rank, each in enumerate(ordered, start=1))
    return 2 * weighted / (len(ordered) * sum(ordered)) - (len(ordered) + 1) / len(ordered)


def main() -> None:
    """Run the model and tell what became of it."""
    wealth = simulation.run(partial(society, 200, 400, 0.1), seed=1).value or []
    print(f"400 steps of {len(wealth)} agents, {sum(wealth)} coins")
    shares = Counter(wealth)
    for coins in range(3):
        print(f"with {coins} coin{'s' if coins != 1 else ''}: {shares[coins] / len(wealth):.2f}")
    print(f"Gini coefficient: {gini(wealth):.2f}")


if __name__ == "__main__":
    main()

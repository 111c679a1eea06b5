"""Faults: what a network and its machines do to messages and agents, by a seed."""

from __future__ import annotations

from contextlib import suppress
from math import inf, nextafter
from typing import TYPE_CHECKING, final

import trio
from attrs import frozen

import stentor
from stentor.simulation._checks import chance, delay_range, seconds
from stentor.simulation._current import current_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random
    from typing import Never

    from stentor import Agent, Message


@final
@frozen(kw_only=True)
class FaultStatistics:
    """What was done to messages and agents.

    Example:
        >>> from stentor import simulation
        >>> counts = dict(carried=3, lost=1, doubled=0, delayed=2, overtaken=0, crashes=0)
        >>> simulation.FaultStatistics(**counts).lost
        1
    """

    carried: int
    """Deliveries that were to be carried."""
    lost: int
    """Those of them that never arrived."""
    doubled: int
    """Those of them that arrived twice."""
    delayed: int
    """Copies that took their time."""
    overtaken: int
    """Copies that were held back, so that later ones could overtake them."""
    crashes: int
    """How often an agent crashed."""


@final
class Faults(stentor.Transit):
    """Loses, doubles, delays and reorders messages, and lets agents crash and come back, by chance.

    Give it to `open_bus(transit=...)`. What it does depends on the seed of the run, or on `random`, alone.

    Args:
        lose: The chance, 0 to 1, that a message does not come to one of its recipients.
        double: The chance that it comes twice.
        delay: How many seconds it takes: a number, or the least and the most of them.
        reorder: The chance that a copy is held back once more as long, so that later ones overtake it. Otherwise what
            goes to one agent arrives in order, whatever its delay.
        topics: The pattern of the topics that are concerned, in the dialect of the bus.
        dialect: That dialect.
        agents: The names of the recipients that are concerned; None for all.
        random: A generator of random numbers; None for that of the run.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of its range, or `reorder` goes without a delay.
        InvalidPatternError: `topics` is no pattern.
        SimulationError: `random` is not given, and the code is in no run.

    Example:
        >>> import stentor
        >>> from stentor import simulation
        >>> async def main():
        ...     heard = []
        ...
        ...     async def gpt4(message):
        ...         heard.append(message.payload)
        ...
        ...     faults = simulation.Faults(lose=0.2, double=0.2, delay=(0.1, 0.5), reorder=0.3)
        ...     async with stentor.open_bus(transit=faults) as bus:
        ...         bus.register("gpt4", gpt4).subscribe("ai.*")
        ...         for number in range(8):
        ...             await bus.publish("ai.models", number)
        ...         await bus.settled()
        ...     return heard
        >>> simulation.run(main, seed=4).value
        [0, 1, 2, 3, 3, 7, 6, 5]
    """

    def __init__(
        self,
        *,
        lose: float = 0.0,
        double: float = 0.0,
        delay: float | tuple[float, float] = 0.0,
        reorder: float = 0.0,
        topics: str | None = None,
        dialect: stentor.Dialect | str = "mailbox",
        agents: Iterable[str] | None = None,
        random: Random | None = None,
    ) -> None:
        """Do nothing yet."""
        self._lose = chance("lose", lose)
        self._double = chance("double", double)
        self._least, self._most = delay_range("delay", delay)
        self._reorder = chance("reorder", reorder)
        if reorder and not self._most:
            msg = "reorder must go with a delay, for nothing overtakes what takes no time"
            raise ValueError(msg)
        self._pattern = None if topics is None else stentor.Pattern(topics, dialect)
        self._agents = None if agents is None else frozenset(agents)
        self._random = current_run().random("stentor.faults") if random is None else random
        self._arrived_by: dict[str, float] = {}
        """When the last message that keeps its order will have come to each agent."""
        self._carried = self._lost = self._doubled = self._delayed = self._overtaken = self._crashes = 0

    def statistics(self) -> FaultStatistics:
        """Return what has been done so far."""
        return FaultStatistics(
            carried=self._carried,
            lost=self._lost,
            doubled=self._doubled,
            delayed=self._delayed,
            overtaken=self._overtaken,
            crashes=self._crashes,
        )

    def arrivals(self, message: Message, agent: str) -> Sequence[float]:
        """Say when each copy of `message` comes to `agent`; the bus asks."""
        if not self._concerns(message.topic, agent):
            return (0.0,)
        self._carried += 1
        if self._happens(self._lose):
            self._lost += 1
            return ()
        copies = 1
        if self._happens(self._double):
            self._doubled += 1
            copies = 2
        return [self._delay(agent) for _ in range(copies)]

    async def crash(self, agents: Iterable[Agent], *, every: float, away: float) -> Never:
        """Let agents crash and come back until this is cancelled: each by itself, at exponentially distributed times.

        A crash cancels what the agent's handler is at, as `Agent.leave(interrupt=True)` does; what comes meanwhile
        waits. An agent that is away for another reason is let be.

        Args:
            agents: Who crashes.
            every: Seconds from a return to the next crash, on average.
            away: Seconds from a crash to the return, on average.

        Raises:
            ValueError: `every` or `away` is not > 0.
        """
        mean_up, mean_down = seconds("every", every), seconds("away", away)
        async with trio.open_nursery() as nursery:
            for agent in agents:
                nursery.start_soon(self._crash_for_ever, agent, mean_up, mean_down)
            await trio.sleep_forever()

    async def _crash_for_ever(self, agent: Agent, mean_up: float, mean_down: float) -> None:
        with suppress(trio.ClosedResourceError):
            while True:
                await trio.sleep(self._random.expovariate(1 / mean_up))
                if not agent.away:
                    agent.leave(interrupt=True)
                    self._crashes += 1
                    await trio.sleep(self._random.expovariate(1 / mean_down))
                    agent.rejoin()

    def _concerns(self, topic: str, agent: str) -> bool:
        named = self._agents is None or agent in self._agents
        return named and (self._pattern is None or self._pattern.matches(topic))

    def _happens(self, likely: float) -> bool:
        return likely > 0 and self._random.random() < likely

    def _delay(self, agent: str) -> float:
        """Return how long one copy takes; never so short that it overtakes what keeps its order."""
        if not self._most:
            return 0.0
        now = trio.current_time()
        taken = self._random.uniform(self._least, self._most)
        self._delayed += 1
        if self._happens(self._reorder):
            self._overtaken += 1
            return taken + self._random.uniform(self._least, self._most)
        earliest = self._arrived_by.get(agent, 0.0)
        taken = max(taken, earliest - now)
        while now + taken < earliest:  # by rounding
            taken = nextafter(taken, inf)
        self._arrived_by[agent] = now + taken
        return taken

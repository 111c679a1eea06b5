"""The club on the bus: every member an agent, two observers with wildcards, and a secretary who calls the rounds.

In each round the secretary publishes its number on `club.round`. Every member then reconsiders what the friends
said in the round before and publishes its opinion; its friends hear it by exact topics, the historian and the
pollster by wildcards. `bus.settled()` ends the round. Nobody learns anything except by a message.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, final

import attrs
import trio

import stentor
from stentor.demo import _topics
from stentor.demo._opinions import Mind, first_minds, side_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor.demo._network import Network

REPORT_EVERY = 500
"""After how many opinions within a round the pollster reports how it stands."""


@final
class Opinion(NamedTuple):
    """What a member says of itself: the payload on `club.<member>.opinion`."""

    member: str
    value: float


@final
@attrs.frozen
class Poll:
    """How the club stands, as the pollster knows it.

    Attributes:
        round: The round that it belongs to, from 1.
        heard: How many members have spoken in this round.
        first: How many of these are with the first leader.
        second: How many of these are with the second leader.
    """

    round: int
    heard: int
    first: int
    second: int


@final
@attrs.frozen
class Run:
    """What a run of the club came to, all of it told by the observers and the bus.

    Attributes:
        network: Who is a friend of whom.
        leaders: The two who part.
        opinions: What each member said, round by round, as the historian noted it.
        sides: The leader with whom each member is in the end, or None, as the pollster found.
        statistics: The bus's own figures at the end.
        seconds: How long the rounds took, in seconds of real time.
    """

    network: Network
    leaders: tuple[str, str]
    opinions: dict[str, list[float]]
    sides: dict[str, str | None]
    statistics: stentor.BusStatistics
    seconds: float


@final
class Member:
    """An agent of the club: it speaks when a round is called and remembers what its friends say."""

    def __init__(self, bus: stentor.Bus, name: str, mind: Mind) -> None:
        self._bus = bus
        self._name = name
        self._agent = agent_of(name)
        self._topic = _topics.opinion_of(name)
        self._mind = mind

    async def __call__(self, message: stentor.Message) -> None:
        """Take one message: a friend's opinion, or the call of a round."""
        payload = message.payload
        if isinstance(payload, Opinion):
            self._mind.heard[payload.member] = payload.value
        else:
            self._mind.reconsider()
            await self._bus.publish(self._topic, Opinion(self._name, self._mind.opinion), sender=self._agent)


@final
class Historian:
    """An observer of everything: it notes what each member said, in the order in which it was said."""

    def __init__(self) -> None:
        self.opinions: dict[str, list[float]] = {}
        self.rounds = 0

    async def __call__(self, message: stentor.Message) -> None:
        """Note one message."""
        payload = message.payload
        if isinstance(payload, Opinion):
            self.opinions.setdefault(payload.member, []).append(payload.value)
        else:
            self.rounds += 1


@final
class Pollster:
    """An observer of opinions: it counts the sides of each round and reports how it stands."""

    def __init__(self, leaders: tuple[str, str], report: Callable[[Poll], None]) -> None:
        self.sides: dict[str, str | None] = {}
        self._leaders = leaders
        self._report = report
        self._round = 0
        self._counts: dict[str | None, int] = {}
        self._heard = 0

    def open(self, number: int) -> None:
        """Begin to count a round."""
        self._round, self._counts, self._heard = number, {}, 0

    async def __call__(self, message: stentor.Message) -> None:
        """Count one opinion."""
        payload = message.payload
        if isinstance(payload, Opinion):
            side = self.sides[payload.member] = side_of(payload.value, self._leaders)
            self._counts[side] = self._counts.get(side, 0) + 1
            self._heard += 1
            if self._heard % REPORT_EVERY == 0:
                self.report()

    def report(self) -> None:
        """Tell how the round stands."""
        first, second = (self._counts.get(leader, 0) for leader in self._leaders)
        self._report(Poll(round=self._round, heard=self._heard, first=first, second=second))


def agent_of(member: str) -> str:
    """The name of a member's agent."""
    return f"club.{member}"


async def run_club(
    network: Network,
    leaders: tuple[str, str],
    *,
    seed: int,
    rounds: int,
    pause: float = 0.0,
    report: Callable[[Poll], None] = lambda _: None,
) -> Run:
    """Simulate a club in which two leaders part: a function of its arguments, but for the time it takes.

    Args:
        network: Who is a friend of whom.
        leaders: The two who part, members of the network.
        seed: Of first opinions and of each member's openness.
        rounds: How many rounds, at least 1.
        pause: Seconds after each round.
        report: Called by the pollster, at the end of a round and now and then within it.
    """
    historian, pollster = Historian(), Pollster(leaders, report)
    size = len(network.friends)
    async with stentor.open_bus(cache_capacity=size + 1) as bus:  # each member has a topic, and each topic its turn
        _admit_members(bus, network, first_minds(network, leaders, seed=seed))
        bus.register("historian", historian).subscribe(_topics.EVERYTHING, capacity=size + 1)
        bus.register("pollster", pollster).subscribe(_topics.OPINIONS, capacity=size)
        began = time.perf_counter()
        for number in range(1, rounds + 1):
            pollster.open(number)
            await bus.publish(_topics.ROUND, number, sender="secretary")
            await bus.settled()
            pollster.report()
            if pause:
                await trio.sleep(pause)
        seconds = time.perf_counter() - began
        statistics = bus.statistics()
    return Run(network, leaders, historian.opinions, pollster.sides, statistics, seconds)


def _admit_members(bus: stentor.Bus, network: Network, minds: dict[str, Mind]) -> None:
    for member, friends in network.friends.items():
        agent = bus.register(agent_of(member), Member(bus, member, minds[member]))
        agent.subscribe(_topics.ROUND)
        for friend in friends:
            agent.subscribe(_topics.opinion_of(friend))

"""How a member forms an opinion: the model, which knows nothing of the bus.

An opinion lies between -1 (with the first leader) and +1 (with the second). The leaders never move. Everybody else
begins near 0 and, each round, moves towards what the friends said in the last one, by a share that is the member's
own openness (averaging after M. H. DeGroot, "Reaching a Consensus", 1974, with stubborn leaders). Company that
agrees makes bolder: the average is stretched by `REINFORCEMENT` and bounded by tanh, so circles of friends part
instead of meeting in the middle.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, final

import attrs

if TYPE_CHECKING:
    from stentor.demo._network import Network

FIRST_DOUBTS = 0.05
"""Standard deviation of the opinions that those who do not lead begin with."""

OPENNESS = (0.1, 0.5)
"""Between which shares a member's openness is drawn."""

REINFORCEMENT = 2.0
"""How much bolder than its average a circle of friends makes its member, near 0."""


@final
@attrs.define
class Mind:
    """One member's opinion and what the member last heard from each friend.

    Example:
        >>> mind = Mind(opinion=0.0, openness=0.5)
        >>> mind.heard["ann"] = 0.8
        >>> mind.reconsider()
        >>> round(mind.opinion, 3)
        0.461
    """

    opinion: float
    openness: float
    heard: dict[str, float] = attrs.field(factory=dict[str, float])

    def reconsider(self) -> None:
        """Move towards what the friends said; the order in which they were heard makes no difference."""
        if self.heard and self.openness:
            average = math.fsum(self.heard.values()) / len(self.heard)
            self.opinion += self.openness * (math.tanh(REINFORCEMENT * average) - self.opinion)


def first_minds(network: Network, leaders: tuple[str, str], *, seed: int) -> dict[str, Mind]:
    """The minds of all members before the first round: a function of the network's order and the seed."""
    chance = random.Random(seed)
    minds = {
        member: Mind(opinion=chance.gauss(0.0, FIRST_DOUBTS), openness=chance.uniform(*OPENNESS))
        for member in network.members
    }
    first, second = leaders
    minds[first] = Mind(opinion=-1.0, openness=0.0)
    minds[second] = Mind(opinion=1.0, openness=0.0)
    return minds


def side_of(opinion: float, leaders: tuple[str, str]) -> str | None:
    """The leader whose side an opinion is on; None if it is on neither."""
    if opinion == 0.0:
        return None
    return leaders[0] if opinion < 0.0 else leaders[1]

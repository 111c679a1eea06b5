"""How well a run foretold what really happened. Only this module reads the real sides, and only after a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stentor.demo._network import rows, shipped

if TYPE_CHECKING:
    from collections.abc import Mapping


def real_sides() -> dict[str, str]:
    """The leader whose club each member of the karate club really joined."""
    return {member: leader for _, (member, leader) in rows(shipped("karate_club.sides"))}


def agreeing(predicted: Mapping[str, str | None], real: Mapping[str, str]) -> frozenset[str]:
    """The members whose predicted side is the real one.

    Example:
        >>> sorted(agreeing({"ann": "ann", "bob": None}, {"ann": "ann", "bob": "ann"}))
        ['ann']
    """
    return frozenset(member for member, side in real.items() if predicted.get(member) == side)

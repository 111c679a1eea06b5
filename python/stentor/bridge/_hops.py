"""Hops: how many bridges a message has crossed, for buses that have several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import stentor

MOST_HOPS: Final = 8
"""A message that has crossed more bridges goes round in a circle, and is dropped."""

_hops: Final[WeakKeyDictionary[stentor.Message, int]] = WeakKeyDictionary()
_bridges: Final[WeakKeyDictionary[stentor.Bus, int]] = WeakKeyDictionary()
several_bridges: Final[list[bool]] = []
"""Holds something once a bus has had several bridges; until then no message has crossed any."""


def count_bridge(bus: stentor.Bus, change: int) -> None:
    """Take note that a bus has one bridge more, or less."""
    _bridges[bus] = _bridges.get(bus, 0) + change
    if has_others(bus) and not several_bridges:
        several_bridges.append(True)


def has_others(bus: stentor.Bus) -> bool:
    """Say whether a bus has more than one bridge, so that messages may go from one to another."""
    return _bridges.get(bus, 0) > 1


def note_hops(bus: stentor.Bus, message: stentor.Message, hops: int) -> None:
    """Remember how many bridges a message has crossed, if there is another that could take it further."""
    if several_bridges and has_others(bus):
        _hops[message] = hops


def hops_of(message: stentor.Message) -> int:
    """Return how many bridges a message has crossed."""
    return _hops.get(message, 0) if several_bridges else 0

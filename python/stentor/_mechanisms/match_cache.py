"""A bounded map from topics to ready values, for a hot path of one ``dict`` lookup.

A hit touches nothing but the ``dict``, so it leaves no mark, and eviction takes the oldest. What protects topics that
are asked for again is the door: once the cache is full, a topic comes in at its second miss, and topics that are seen
once never do. The door remembers topics by one number each in an array of fixed size, so a topic that is not cached
leaves no memory behind. (TinyLFU, Einziger, Friedman and Manes, 2017, calls it a doorkeeper.)
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar, final

if TYPE_CHECKING:
    from collections.abc import Callable

V = TypeVar("V")

LEAST_TARGETS = 1 << 20
"""Targets that a cache may hold at least, however few its topics."""

TARGETS_PER_TOPIC = 16
"""Targets that a cache may hold for each topic it may hold."""

_MOST_REMEMBERED = 1 << 16
_WORD = (1 << 63) - 1


class _Values(dict[str, V]):
    """Topic to value; what is not there is made by the owner."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[str], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, topic: str) -> V:
        return self._make(topic)


@final
class MatchCache(Generic[V]):
    """Topics with their values, the oldest first to go. Its owner calls it from one thread at a time.

    A finalizer may clear it in the middle of a call; whoever stored meanwhile must clear it again.

    Args:
        capacity: The most topics; 0 switches the cache off.
        make: Called with a topic that is not cached; its result is the answer to the lookup.

    Example:
        >>> cache = MatchCache(capacity=2, make=str.upper)
        >>> cache.lookup("a")
        'A'
        >>> cache.store("a", "the A", 1)
        >>> cache.lookup("a")
        'the A'
    """

    __slots__ = (
        "_capacity",
        "_door",
        "_most_targets",
        "_order",
        "_targets",
        "_values",
        "cached",
        "evictions",
        "lookup",
    )

    lookup: Callable[[str], V]
    """The value of a topic: a bare ``dict`` lookup where it is cached, else what ``make`` returns."""

    cached: dict[str, V]
    """Topics with their values, for whoever looks them up by himself and changes nothing."""

    evictions: int
    """Topics that left to make room."""

    def __init__(self, *, capacity: int, make: Callable[[str], V]) -> None:
        self._capacity = capacity
        self._most_targets = max(LEAST_TARGETS, TARGETS_PER_TOPIC * capacity)
        self._targets = 0
        self._values = _Values(make)
        self._order: OrderedDict[str, int] = OrderedDict()
        self._door: array[int] | None = None
        self.lookup = self._values.__getitem__
        self.cached = self._values
        self.evictions = 0

    def __len__(self) -> int:
        """Return the number of topics."""
        return len(self._order)

    def store(self, topic: str, value: V, targets: int) -> None:
        """Keep the value of a topic, unless it has one or the door does not let it in. O(1) amortised.

        Args:
            topic: The topic.
            value: What a lookup of it shall return.
            targets: How much the value holds; all values together hold a bounded number.
        """
        order = self._order
        if len(order) >= self._capacity and not self._admits(topic):
            return
        if type(topic) is not str or targets > self._most_targets or topic in order:
            return
        order[topic] = targets
        self._values[topic] = value
        self._targets += targets
        while len(order) > self._capacity or self._targets > self._most_targets:
            self._evict()

    def _evict(self) -> None:
        oldest, held = self._order.popitem(last=False)
        self._targets -= held
        self._values.pop(oldest, None)
        self.evictions += 1

    def _admits(self, topic: str) -> bool:
        """Whether a topic missed before, and not long ago."""
        if not self._capacity:
            return False
        if self._door is None:
            self._door = array("q", bytes(8 * min(2 * self._capacity, _MOST_REMEMBERED)))
        mark = hash(topic) & _WORD
        place = mark % len(self._door)
        if self._door[place] == mark:
            return True
        self._door[place] = mark
        return False

    def forget(self, topic: str) -> None:
        """Drop the value of one topic, if it is there."""
        held = self._order.pop(topic, None)
        if held is not None:
            self._targets -= held
            self._values.pop(topic, None)

    def clear(self) -> None:
        """Drop every value."""
        self._values.clear()
        self._order.clear()
        self._targets = 0

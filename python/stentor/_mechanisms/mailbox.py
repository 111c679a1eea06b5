"""A mailbox: the deliveries that wait for one recipient, the most urgent first, equals in their order.

Two ideas meet here. The *mailbox* orders what waits. The *quota* bounds it: every subscription may have so many of its
deliveries waiting, whichever recipient they wait for, and publishers that find a quota used up queue at it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, final

from stentor._values.messages import Priority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stentor._mechanisms.deliveries import Delivery

_BEFORE_NORMAL = (Priority.URGENT, Priority.HIGH)


@final
class Mailbox:
    """Waiting deliveries, ordered by priority and then by arrival; adding and taking are O(1).

    Ordinary mailboxes hold NORMAL messages only, so these have a queue of their own and the others exist on demand.
    """

    __slots__ = ("_normal", "_others", "peak")

    def __init__(self) -> None:
        """Make an empty mailbox."""
        self._normal: deque[Delivery] = deque()
        self._others: dict[Priority, deque[Delivery]] | None = None
        self.peak: int = 0
        """The most that ever waited at once."""

    def __len__(self) -> int:
        """Return how many deliveries wait."""
        if self._others is None:
            return len(self._normal)
        return len(self._normal) + sum(map(len, self._others.values()))

    def __iter__(self) -> Iterator[Delivery]:
        """Iterate over what waits, in the order in which it would be taken."""
        others = self._others or {}
        for priority in sorted(Priority, reverse=True):
            yield from self._normal if priority is Priority.NORMAL else others.get(priority, ())

    def put(self, delivery: Delivery) -> None:
        """Add a delivery behind those of its priority."""
        priority = delivery.message.priority
        if priority is Priority.NORMAL:
            self._normal.append(delivery)
        else:
            if self._others is None:
                self._others = {p: deque() for p in Priority if p is not Priority.NORMAL}
            self._others[priority].append(delivery)
        waiting = len(self._normal) if self._others is None else len(self)
        if waiting > self.peak:
            self.peak = waiting

    def take(self) -> Delivery | None:
        """Remove and return the first delivery, or None when nothing waits."""
        if self._others is not None:
            for priority in _BEFORE_NORMAL:
                if queue := self._others[priority]:
                    return queue.popleft()
        if self._normal:
            return self._normal.popleft()
        if self._others is not None and (queue := self._others[Priority.LOW]):
            return queue.popleft()
        return None

    def remove(self, delivery: Delivery) -> bool:
        """Remove `delivery` if it waits, and return whether it did; O(n)."""
        priority = delivery.message.priority
        queue = self._normal if priority is Priority.NORMAL else (self._others or {}).get(priority, deque())
        try:
            queue.remove(delivery)
        except ValueError:
            return False
        return True

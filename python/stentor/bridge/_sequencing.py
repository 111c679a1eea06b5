"""Sequencing: what a receiver knows of the numbers of others. It drops repeats exactly, and finds every hole.

A message is taken when its number is greater than the last of its origin and scope, so a repeat is dropped however
late it comes. Numbers that were skipped are missing, because everything of a scope comes by one way and in order. What
a receiver has never heard of a scope tells nothing, unless the origin has answered a roll call that was made after the
scope became of interest: then the first number that is expected is 1.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SCOPES: Final = 200_000
"""Scopes of one origin that are remembered."""
REPEAT: Final = -1
"""What `Sequencing.take` returns for a message that has come before."""


@final
class Origin:
    """What is known of one origin, which is one incarnation of a node."""

    __slots__ = ("answered", "gone", "heard", "last", "node")

    def __init__(self) -> None:
        """Know nothing."""
        self.last: dict[str, int] = {}
        """The last number of each scope."""
        self.node = ""
        """The node, once it has said so."""
        self.answered = False
        """Whether it has answered the last roll call, so that a scope not heard of begins at 1."""
        self.gone = False
        """Whether it has said goodbye or has a successor. Its numbers stay: a copy of what it sent may still come."""
        self.heard = 0.0
        """When something came from it last."""


@final
class Sequencing:
    """The numbers of all origins; O(1) a message, and O(origins x scopes) of memory, bounded in origins.

    Example:
        >>> sequencing = Sequencing(capacity=10)
        >>> [sequencing.take(b"origin", "topic", number, 0.0) for number in (5, 6, 6, 9)]
        [0, 0, -1, 2]
    """

    __slots__ = ("_capacity", "origins")

    def __init__(self, *, capacity: int) -> None:
        """Know nobody, and remember at most `capacity` origins, those heard of last."""
        self._capacity = capacity
        self.origins: OrderedDict[bytes, Origin] = OrderedDict()
        """What is known of each."""

    def origin(self, origin: bytes, now: float) -> Origin:
        """Return what is known of an origin that something came from at the time `now`."""
        known = self.origins.get(origin)
        if known is None:
            if len(self.origins) >= self._capacity:
                self.origins.popitem(last=False)
            known = self.origins[origin] = Origin()
        else:
            self.origins.move_to_end(origin)
        known.heard = now
        return known

    def get(self, origin: bytes) -> Origin | None:
        """Return what is known of an origin, or None."""
        return self.origins.get(origin)

    def items(self) -> list[tuple[bytes, Origin]]:
        """Return all origins, the one heard of longest ago first."""
        return list(self.origins.items())

    def take(self, origin: bytes, scope: str, number: int, now: float) -> int:
        """Take a message, and return how many are missing before it: 0 if none, or REPEAT if it is to be dropped."""
        known = self.origins.get(origin)
        if known is None:
            known = self.origin(origin, now)
        known.heard = now
        last = known.last.get(scope)
        if last is None:
            if len(known.last) >= SCOPES:
                del known.last[next(iter(known.last))]
            last = 0 if known.answered else number - 1
        elif number <= last:
            return REPEAT
        known.last[scope] = number
        return number - last - 1

    def reach(self, origin: Origin, scopes: Mapping[str, int], *, answer: bool) -> dict[str, int]:
        """Take note of how far an origin has numbered, and return how many are missing of each scope where any are.

        What is not known of a scope begins here only where this answers a roll call.
        """
        missing: dict[str, int] = {}
        for scope, number in scopes.items():
            last = origin.last.get(scope)
            if last is None:
                if not (answer or origin.answered):
                    continue
                last = 0 if origin.answered else number
            if number > last:
                missing[scope] = number - last
            origin.last[scope] = max(number, last)
        return missing

    def forget(self, keep: Callable[[str], bool]) -> None:
        """Forget the scopes of all origins that are not to be kept, and that all have answered; O(scopes)."""
        for known in self.origins.values():
            known.answered = False
            for scope in [scope for scope in known.last if not keep(scope)]:
                del known.last[scope]

    def begin_anew(self, origin: Origin, scopes: Iterable[str]) -> None:
        """Forget the numbers of scopes that the origin has forgotten too."""
        for scope in scopes:
            origin.last.pop(scope, None)

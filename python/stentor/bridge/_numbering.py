"""Numbering: every message that leaves gets a number, one more than the last, in the scope that it leaves by.

A scope is what a receiver gets all of or nothing: a topic, the inbox of a node, or the shard of a stream. So a number
that does not come is a message that was lost.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import final


@final
class Numbering:
    """The last number of each scope of one origin; O(1) a message.

    At most `capacity` scopes are remembered. One that was forgotten begins anew above every number that was ever
    given, so that nobody takes its messages for repeats, and those who know its old numbers are told to forget them.

    Example:
        >>> numbering = Numbering(capacity=100)
        >>> numbering.next("a", 0.0), numbering.next("a", 1.0), numbering.next("b", 2.0)
        (1, 2, 1)
        >>> numbering.active(since=1.5)
        {'b': 1}
    """

    __slots__ = ("_capacity", "_floor", "_last", "_latest", "_used", "forgotten")

    def __init__(self, *, capacity: int) -> None:
        """Begin at 1 everywhere."""
        self._capacity = capacity
        self._last: OrderedDict[str, int] = OrderedDict()
        """The scope used longest ago comes first."""
        self._latest: str | None = None
        """The one used last."""
        self._used: dict[str, float] = {}
        self._floor = 0
        self.forgotten: list[str] = []
        """Scopes of which others are yet to be told that they begin anew."""

    def next(self, scope: str, now: float) -> int:
        """Return the next number of a scope, used at the time `now`."""
        last = self._last
        number = last.get(scope)
        if number is None:
            number = self._floor
            if len(last) >= self._capacity:
                self._forget()
        number += 1
        last[scope] = number
        if scope is not self._latest:
            last.move_to_end(scope)
            self._latest = scope
        self._used[scope] = now
        return number

    def _forget(self) -> None:
        scope, number = self._last.popitem(last=False)
        del self._used[scope]
        self._floor = max(self._floor, number)
        self.forgotten.append(scope)

    def active(self, *, since: float) -> dict[str, int]:
        """Return the last number of each scope that was used after the time `since`; O(those)."""
        found: dict[str, int] = {}
        for scope in reversed(self._last):
            if self._used[scope] <= since:
                break
            found[scope] = self._last[scope]
        return found

    def all(self) -> dict[str, int]:
        """Return the last number of every scope; O(scopes)."""
        return dict(self._last)

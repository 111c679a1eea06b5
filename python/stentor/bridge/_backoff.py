"""How long to wait before the next attempt to connect."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from random import Random


@final
class Backoff:
    """Delays that double from `first` to `most` seconds, each cut at random to between a half and the whole of it.

    The randomness keeps those who lost the same server from coming back all at once.
    """

    def __init__(self, first: float, most: float, rng: Random) -> None:
        self._first = first
        self._most = most
        self._rng = rng
        self._next = first

    def delay(self) -> float:
        """Return the seconds to wait now; the next delay will be twice as long."""
        delay, self._next = self._next, min(self._next * 2, self._most)
        return self._jittered(delay)

    def longest(self) -> float:
        """Return the seconds to wait where trying again soon cannot help."""
        return self._jittered(self._most)

    def reset(self) -> None:
        """Begin anew with the first delay."""
        self._next = self._first

    def _jittered(self, delay: float) -> float:
        return delay * self._rng.uniform(0.5, 1.0)

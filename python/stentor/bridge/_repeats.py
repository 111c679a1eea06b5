"""Repeats where several share a stream: each sees a part of the numbers, and remembers them one by one."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, final

REMEMBERED: Final = 100_000


@final
class Repeats:
    """The last messages that have come, so that what comes twice is known; O(1) a message, bounded.

    Example:
        >>> repeats = Repeats()
        >>> [repeats.is_repeat(b"origin", "stream", number) for number in (1, 3, 1)]
        [False, False, True]
    """

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        """Remember nothing."""
        self._seen: OrderedDict[tuple[bytes, str, int], None] = OrderedDict()

    def is_repeat(self, origin: bytes, scope: str, number: int) -> bool:
        """Say whether a message has come before, and remember it."""
        key = (origin, scope, number)
        if key in self._seen:
            self._seen.move_to_end(key)
            return True
        self._seen[key] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return False

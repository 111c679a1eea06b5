"""What the server sends unasked, until somebody takes it: a buffer with a bound."""

from __future__ import annotations

from collections import deque
from typing import Any, Final, TypeAlias, final

import trio

Push: TypeAlias = list[Any]
"""Such as `[b"message", channel, payload]`."""

OVERHEAD: Final = 200
"""What a push takes in memory beside its last part, roughly, in bytes."""


@final
class PushBuffer:
    """Pushes in their order. Whoever puts one above the bound in waits until there is room again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pushes: deque[Push] = deque()
        self._bytes = 0
        self._takers = trio.lowlevel.ParkingLot()
        self._waiting = 0
        """Takers that are parked."""
        self._putters = trio.lowlevel.ParkingLot()
        self._is_closed = False

    @property
    def is_full(self) -> bool:
        """Whether the bound is reached."""
        return self._bytes >= self._limit

    def put(self, push: Push) -> bool:
        """Add a push, wake whoever waits for one, and return whether the bound is reached."""
        if self._waiting:
            self._waiting -= 1
            self._takers.unpark()
        self._pushes.append(push)
        self._bytes += _size(push)
        return self._bytes >= self._limit

    async def room(self) -> None:
        """Wait until the bound is not reached, or nobody will take anything any more."""
        while self.is_full and not self._is_closed:
            await self._putters.park()

    async def wait(self) -> bool:
        """Wait until there is a push; return False where there is none and none can come."""
        if self._pushes or self._is_closed:
            await trio.lowlevel.checkpoint()
        while not self._pushes and not self._is_closed:
            self._waiting += 1
            try:
                await self._takers.park()
            except BaseException:
                self._waiting -= 1
                raise
        return bool(self._pushes)

    def take(self) -> Push:
        """Take the oldest push."""
        push = self._pushes.popleft()
        self._bytes -= _size(push)
        self._putters.unpark_all()
        return push

    def take_all(self) -> list[Push]:
        """Take all there are, in their order."""
        taken = list(self._pushes)
        self._pushes.clear()
        self._bytes = 0
        self._putters.unpark_all()
        return taken

    def close(self) -> None:
        """Take no more in, and let nobody wait; what is there can still be taken."""
        self._is_closed = True
        self._waiting = 0
        self._takers.unpark_all()
        self._putters.unpark_all()


def _size(push: Push) -> int:
    last = push[-1] if push else None
    return OVERHEAD + (len(last) if isinstance(last, bytes) else 0)

"""Relaying: what came from elsewhere may be a question, and then its answers go back there."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable

    from stentor._values.messages import Message


@final
class RelayedQuestion:
    """A question from elsewhere: replies to it go back there."""

    __slots__ = ("_take", "message")

    def __init__(self, message: Message, take: Callable[[Message], bool]) -> None:
        """Give replies to `message` to `take`, which says whether they are still waited for."""
        self.message = message
        self._take = take

    def reply(self, message: Message) -> bool:
        """Send a reply back."""
        return self._take(message)

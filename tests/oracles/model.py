"""What `stentor.Matcher` must be indistinguishable from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from tests.oracles.matching import matches

if TYPE_CHECKING:
    from tests.oracles.rules import Rules

V = TypeVar("V")


class ModelMatcher(Generic[V]):
    """A list of subscriptions, asked one by one in order of adding."""

    def __init__(self, dialect: str | Rules) -> None:
        self._dialect = dialect
        self._subscriptions: dict[int, tuple[str, V]] = {}
        self._added = 0

    def add(self, pattern: str, value: V) -> int:
        """Add a valid pattern; return a handle that is never used again."""
        self._added += 1
        self._subscriptions[self._added] = (pattern, value)
        return self._added

    def remove(self, handle: int) -> None:
        """Take a subscription back."""
        del self._subscriptions[handle]

    def match(self, topic: str) -> tuple[V, ...]:
        """Return the values of all patterns that match, in order of adding."""
        found = self._subscriptions.values()
        return tuple(value for pattern, value in found if matches(pattern, topic, self._dialect))

    def __len__(self) -> int:
        return len(self._subscriptions)

"""Who subscribes to a topic: the native index behind a match cache that is never stale.

The hot path is one lookup in a ``dict``: topic to ready value. Rust runs on a miss and on a change of subscriptions,
and a change takes out of the cache what it may have changed before anyone can look it up again.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar, final

import attrs

from stentor._native import Index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stentor._native import Explanation
    from stentor._values.dialects import DialectLike

V = TypeVar("V")

DEFAULT_CACHE_CAPACITY = 65_536
"""Topics that a match cache holds unless told otherwise."""


@final
@attrs.frozen(kw_only=True)
class MatchStatistics:
    """What a matcher holds and has done; counts unless said otherwise."""

    subscriptions: int
    """Subscriptions added and not removed."""
    patterns: int
    """Different patterns among them; two that differ only in runs of wildcards are one."""
    nodes: int
    """Nodes of the trie, which holds the patterns that no faster structure takes."""
    shapes: int
    """Shapes of wildcard patterns that are probed by hash."""
    symbols: int
    """Different segment texts in the trie."""
    prefixes: int
    """Different literal prefixes of patterns without segments."""
    bytes: int
    """Bytes that the native index owns."""
    cached: int
    """Topics in the match cache now."""
    hits: int | None
    """Lookups answered by the cache; None if nobody counted the lookups."""
    misses: int
    """Lookups that the cache could not answer."""
    evictions: int
    """Topics that left the cache to make room."""


class _Cache(dict[str, V]):
    """Topic to value; what is not there is made by the table."""

    __slots__ = ("_fill",)

    def __init__(self, fill: Callable[[str], V]) -> None:
        super().__init__()
        self._fill = fill

    def __missing__(self, topic: str) -> V:
        return self._fill(topic)


@final
class MatchTable(Generic[V]):
    """A native index and, before it, a cache of what ``build`` made of each match.

    Args:
        dialect: the grammar of topics and patterns.
        build: makes a value of the ids that match, ascending; called on a miss, with the table's lock held.
        cache_capacity: the most topics cached; 0 switches the cache off.
        reserved: a first segment; topics under it are matched only by patterns that spell it.

    Raises:
        ValueError: if ``cache_capacity`` is negative.

    Example:
        >>> table = MatchTable("mailbox", build=len, cache_capacity=100)
        >>> first = table.add("ai.*")
        >>> table.lookup("ai.models"), table.lookup("ai")
        (1, 0)
        >>> table.remove(first)
        >>> table.lookup("ai.models")
        0
    """

    __slots__ = ("_build", "_cache", "_capacity", "_evictions", "_index", "_lock", "_misses", "_order", "lookup")

    lookup: Callable[[str], V]
    """The value for a topic: a bare dict lookup where it is cached. Raises InvalidTopicError."""

    def __init__(
        self,
        dialect: DialectLike,
        *,
        build: Callable[[tuple[int, ...]], V],
        cache_capacity: int,
        reserved: str | None = None,
    ) -> None:
        if cache_capacity < 0:
            message = f"cache_capacity must be >= 0, not {cache_capacity}"
            raise ValueError(message)
        self._index = Index(dialect, reserved=reserved)
        self._build = build
        self._capacity = cache_capacity
        self._lock = threading.RLock()
        self._misses = 0
        self._evictions = 0
        self._order: deque[str] = deque()
        self._cache = _Cache(self._fill)
        self.lookup = self._cache.__getitem__

    def _fill(self, topic: str) -> V:
        with self._lock:
            self._misses += 1
            value = self._build(self._index.match(topic))
            if self._capacity:
                self._store(topic, value)
            return value

    def _store(self, topic: str, value: V) -> None:
        cache, order = self._cache, self._order
        while len(order) >= self._capacity:
            if cache.pop(order.popleft(), None) is not None:
                self._evictions += 1
        cache[topic] = value
        order.append(topic)

    def add(self, pattern: str) -> int:
        """Add one subscription to ``pattern`` and return its id, greater than all before.

        Raises:
            InvalidPatternError: if ``pattern`` is none; nothing has changed then.
        """
        with self._lock:
            number = self._index.add(pattern)
            self.clear()
            return number

    def add_many(self, patterns: Iterable[str]) -> list[int]:
        """Add a subscription to each pattern, or none at all, and return their ids.

        Raises:
            InvalidPatternError: for the first that is no pattern; nothing has changed then.
        """
        with self._lock:
            numbers = self._index.add_many(list(patterns))
            self.clear()
            return numbers

    def remove(self, id: int) -> None:
        """Remove the subscription with this id.

        Raises:
            ValueError: if ``id`` is of no subscription of this table, or no longer.
        """
        with self._lock:
            self._index.remove(id)
            self.clear()

    def clear(self) -> None:
        """Drop every cached value, so that ``build`` is asked again."""
        with self._lock:
            self._cache.clear()
            self._order.clear()

    def __len__(self) -> int:
        """Return the number of subscriptions."""
        return len(self._index)

    def explain(self, topic: str) -> tuple[Explanation, ...]:
        """Say which patterns match ``topic``, and through which structure.

        Raises:
            InvalidTopicError: if ``topic`` is none.
        """
        return self._index.explain(topic)

    def match_many(self, topics: Iterable[str]) -> list[tuple[int, ...]]:
        """Return the ids that match, for each topic; the cache is neither asked nor filled.

        Raises:
            InvalidTopicError: for the first that is no topic.
        """
        return self._index.match_many(list(topics))

    def statistics(self, *, lookups: int | None = None) -> MatchStatistics:
        """Return what the table holds and has done.

        Args:
            lookups: how often ``lookup`` was called, if the caller counted; hits are the lookups that were no misses.
        """
        with self._lock:
            native = self._index.statistics()
            return MatchStatistics(
                subscriptions=native.subscriptions,
                patterns=native.patterns,
                nodes=native.nodes,
                shapes=native.shapes,
                symbols=native.symbols,
                prefixes=native.prefixes,
                bytes=native.bytes,
                cached=len(self._cache),
                hits=None if lookups is None else lookups - self._misses,
                misses=self._misses,
                evictions=self._evictions,
            )


@final
class Matcher(Generic[V]):
    """Values by pattern, matched against topics, usable without a bus.

    Args:
        dialect: the grammar of topics and patterns.
        cache_capacity: the most topics cached; 0 switches the cache off.

    Raises:
        ValueError: if ``cache_capacity`` is negative.

    Example:
        >>> matcher = Matcher()
        >>> everything = matcher.add("ai.**", "all")
        >>> matcher.add("ai.models.*", "models")
        1
        >>> matcher.match("ai.models.gpt4")
        ('all', 'models')
        >>> matcher.remove(everything)
        >>> matcher.match("ai.models.gpt4")
        ('models',)
    """

    __slots__ = ("_table", "_values", "match")

    match: Callable[[str], tuple[V, ...]]
    """The values whose patterns match a topic, in the order of adding. Raises InvalidTopicError."""

    def __init__(self, dialect: DialectLike = "mailbox", *, cache_capacity: int = DEFAULT_CACHE_CAPACITY) -> None:
        self._values: dict[int, V] = {}
        self._table: MatchTable[tuple[V, ...]] = MatchTable(dialect, build=self._pick, cache_capacity=cache_capacity)
        self.match = self._table.lookup

    def _pick(self, ids: tuple[int, ...]) -> tuple[V, ...]:
        return tuple(map(self._values.__getitem__, ids))

    def add(self, pattern: str, value: V) -> int:
        """Add ``value`` under ``pattern`` and return the handle that removes it.

        Raises:
            InvalidPatternError: if ``pattern`` is none; nothing has changed then.
        """
        handle = self._table.add(pattern)
        self._values[handle] = value
        return handle

    def remove(self, handle: int) -> None:
        """Remove what ``add`` returned this handle for.

        Raises:
            ValueError: if ``handle`` is not of this matcher, or removed already.
        """
        self._table.remove(handle)
        del self._values[handle]

    def match_many(self, topics: Iterable[str]) -> list[tuple[V, ...]]:
        """Return the values for each topic, as ``match`` would.

        Raises:
            InvalidTopicError: for the first that is no topic.
        """
        return [self._pick(ids) for ids in self._table.match_many(topics)]

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self._values)

    def explain(self, topic: str) -> tuple[Explanation, ...]:
        """Say which patterns match ``topic``, and through which structure.

        Raises:
            InvalidTopicError: if ``topic`` is none.
        """
        return self._table.explain(topic)

    def statistics(self) -> MatchStatistics:
        """Return what the matcher holds and has done."""
        return self._table.statistics()

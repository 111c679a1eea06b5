"""Who subscribes to a topic: the native index behind a match cache that is never stale.

The hot path is one lookup in a ``dict``: topic to ready value. Rust runs on a miss and on a change of subscriptions. A
change of an exact subscription drops the one topic that it matches, a change of a wildcard drops all: a cold match is
cheap, and finding out which topics a wildcard matches was not.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar, final

import attrs

from stentor._mechanisms.match_cache import MatchCache
from stentor._native import Explanation as Explanation
from stentor._native import Index
from stentor._values import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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
    """Shapes of wildcard patterns, found by hash."""
    symbols: int
    """Different segment texts in the trie."""
    prefixes: int
    """Different literal prefixes of patterns without segments."""
    bytes: int
    """Bytes that the native index owns."""
    cached: int
    """Topics in the match cache now."""
    hits: int | None
    """Lookups answered by the cache; None where nobody counts lookups, as a bare `Matcher` does not."""
    misses: int
    """Lookups of valid topics that the cache could not answer."""
    evictions: int
    """Topics that left the cache to make room."""


@final
class MatchTable(Generic[V]):
    """A native index and, before it, a cache of what ``build`` made of each match.

    Args:
        dialect: The grammar of topics and patterns.
        build: Makes what is cached of the ids that match, ascending; called on a miss, with `lock` held.
        cache_capacity: The most topics cached; 0 switches the cache off.
        reserved: A first segment; topics under it are matched only by patterns that spell it.
        keeps_values: Whether each subscription has a value, so that ``build`` gets values rather than ids.

    Raises:
        TypeError: `cache_capacity` is not an int.
        ValueError: `cache_capacity` is negative.

    Example:
        >>> table = MatchTable("mailbox", build=len, cache_capacity=100)
        >>> first = table.add("ai.*")
        >>> table.lookup("ai.models"), table.lookup("ai")
        (1, 0)
        >>> table.remove(first)
        >>> table.lookup("ai.models")
        0
    """

    __slots__ = ("_build", "_cache", "_changes", "_find", "cached", "index", "lock", "lookup")

    index: Index
    """The native index, to be asked past the cache; what changes it must come through the table."""

    lookup: Callable[[str], V]
    """The value for a topic: a bare ``dict`` lookup where it is cached. Raises `InvalidTopicError`."""

    cached: dict[str, V]
    """Topics with their values, for whoever looks them up by himself and changes nothing."""

    lock: threading.RLock
    """Held by every change and every miss. Whoever must change with the table takes it around both."""

    def __init__(
        self,
        dialect: DialectLike,
        *,
        build: Callable[[tuple[Any, ...]], V],
        cache_capacity: int,
        reserved: str | None = None,
        keeps_values: bool = False,
    ) -> None:
        checks.whole("cache_capacity", cache_capacity, least=0)
        self.index = Index(dialect, reserved=reserved, keeps_values=keeps_values)
        self._find: Callable[[str], tuple[Any, ...]] = self.index.pick if keeps_values else self.index.match
        self._build = build
        self._changes = 0
        self._cache: MatchCache[V] = MatchCache(capacity=cache_capacity, make=self._make)
        self.lock = threading.RLock()
        self.lookup = self._cache.lookup
        self.cached = self._cache.cached

    def _make(self, topic: str) -> V:
        with self.lock:
            changes = self._changes
            found = self._find(topic)
            value = self._build(found)
            self._cache.store(topic, value, len(found))
            if changes != self._changes:  # by a finalizer that ran meanwhile, or the handler of a signal
                self._cache.clear()
            return value

    def add(self, pattern: str, value: object = None) -> int:
        """Add one subscription to ``pattern``, with its value, and return its id, greater than all before.

        Raises:
            InvalidPatternError: `pattern` is none; nothing has changed.
        """
        with self.lock:
            number = self.index.add(pattern, value)
            self._changes += 1
            if self.cached:
                self._forget(self.index.exact_topic(number))
            return number

    def add_many(self, patterns: Iterable[str], values: Sequence[object] | None = None) -> list[int]:
        """Add a subscription to each pattern, with its value, or none at all, and return their ids.

        Raises:
            InvalidPatternError: For the first that is no pattern; nothing has changed.
        """
        with self.lock:
            numbers = self.index.add_many(list(patterns), values)
            if numbers:
                self.clear()
            return numbers

    def remove(self, number: int, /) -> object:
        """Remove the subscription with this id, and return its value.

        Raises:
            ValueError: The id is of no subscription of this table, or no longer.
        """
        with self.lock:
            topic = self.index.exact_topic(number)
            value = self.index.remove(number)
            self._changes += 1
            self._forget(topic)
            return value

    def _forget(self, topic: str | None) -> None:
        """Drop what a change of a subscription to this topic, or of one with a wildcard, may have changed."""
        if topic is None:
            self._cache.clear()
        else:
            self._cache.forget(topic)

    def clear(self) -> None:
        """Drop every cached value, so that ``build`` is asked again."""
        with self.lock:
            self._changes += 1
            self._cache.clear()

    def __len__(self) -> int:
        """Return the number of subscriptions."""
        return len(self.index)

    def explain(self, topic: str) -> tuple[Explanation, ...]:
        """Say which subscriptions match ``topic``, and through which structure.

        Raises:
            InvalidTopicError: `topic` is none.
        """
        return self.index.explain(topic)

    def statistics(self, *, lookups: int | None = None) -> MatchStatistics:
        """Return what the table holds and has done.

        Args:
            lookups: How often a valid topic was looked up, if the caller counted; hits are those that were no misses.
        """
        with self.lock:
            native = self.index.statistics()
            return MatchStatistics(
                subscriptions=native.subscriptions,
                patterns=native.patterns,
                nodes=native.nodes,
                shapes=native.shapes,
                symbols=native.symbols,
                prefixes=native.prefixes,
                bytes=native.bytes,
                cached=len(self._cache),
                hits=None if lookups is None else lookups - native.lookups,
                misses=native.lookups,
                evictions=self._cache.evictions,
            )


@final
class Matcher(Generic[V]):
    """Values by pattern, matched against topics, usable without a bus, from any thread.

    `match` is the lookup of a ``dict`` itself where the topic is cached. It counts nothing, so `statistics` knows the
    misses and not the hits.

    Args:
        dialect: The grammar of topics and patterns.
        cache_capacity: The most topics cached; 0 switches the cache off.

    Raises:
        TypeError: `cache_capacity` is not an int.
        ValueError: `cache_capacity` is negative.

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

    __slots__ = ("_table", "match")

    match: Callable[[str], tuple[V, ...]]
    """The values whose patterns match a topic, in the order of adding. Raises `InvalidTopicError`.

    The topic is given by position only.
    """

    def __init__(self, dialect: DialectLike = "mailbox", *, cache_capacity: int = DEFAULT_CACHE_CAPACITY) -> None:
        self._table: MatchTable[tuple[V, ...]] = MatchTable(
            dialect, build=tuple, cache_capacity=cache_capacity, keeps_values=True
        )
        # Without a cache nothing but the native half need be asked.
        self.match = self._table.lookup if cache_capacity else self._table.index.pick

    def add(self, pattern: str, value: V) -> int:
        """Add ``value`` under ``pattern`` and return the handle that removes it.

        Raises:
            InvalidPatternError: `pattern` is none; nothing has changed.
        """
        return self._table.add(pattern, value)

    def add_many(self, items: Iterable[tuple[str, V]]) -> list[int]:
        """Add many values, each under a pattern of its own, or none at all, and return their handles.

        Makes room once, and drops what is cached once.

        Args:
            items: Pairs of a pattern and a value.

        Raises:
            InvalidPatternError: For the first pattern that is none; nothing has changed.
            TypeError: An item is no pair; nothing has changed.

        Example:
            >>> matcher = Matcher()
            >>> matcher.add_many([("ai.**", "all"), ("ai.models.*", "models")])
            [0, 1]
            >>> matcher.match("ai.models.gpt4")
            ('all', 'models')
        """
        pairs = [_pair(item) for item in items]
        return self._table.add_many([pattern for pattern, _ in pairs], [value for _, value in pairs])

    def remove(self, handle: int) -> None:
        """Remove what `add` returned this handle for.

        Raises:
            ValueError: `handle` is not of this matcher, or removed already.
        """
        with self._table.lock:
            if handle not in self._table.index:
                message = f"handle must be of a value that was added and not removed, not {handle!r}"
                raise ValueError(message)
            value = self._table.remove(handle)
        del value  # what it refers to may run code of its own, without the lock

    def match_many(self, topics: Iterable[str]) -> list[tuple[V, ...]]:
        """Return what `match` returns, for each topic; the cache is neither asked nor filled.

        Raises:
            InvalidTopicError: For the first that is no topic.
            TypeError: `topics` is a single string, or holds something else than strings.
        """
        checks.collection("topics", topics, "topics")
        wanted = list(topics)
        with self._table.lock:
            return self._table.index.pick_many(wanted)

    def __repr__(self) -> str:
        return f"<Matcher of {len(self)} values>"

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self._table)

    def explain(self, topic: str) -> tuple[Explanation, ...]:
        """Say which values' patterns match ``topic``, by handle, and through which structure each was found.

        Raises:
            InvalidTopicError: `topic` is none.
        """
        return self._table.explain(topic)

    def statistics(self) -> MatchStatistics:
        """Return what the matcher holds and has done."""
        return self._table.statistics()


def _pair(item: tuple[str, V]) -> tuple[str, V]:
    """Return a pair that may be readable once only."""
    try:
        if not isinstance(item, str):
            pattern, value = item
            return pattern, value
    except (TypeError, ValueError):
        pass
    message = f"items must hold pairs of a pattern and a value, not {item!r}"
    raise TypeError(message)

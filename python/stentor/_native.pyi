"""The compiled half of stentor: topics, patterns and the index of subscriptions."""

from collections.abc import Sequence
from typing import Final, Literal, TypeVar, final

from stentor._values.dialects import Dialect, DialectLike

__all__ = [
    "BUILD_PROFILE",
    "VERSION",
    "Explanation",
    "Grammar",
    "Index",
    "IndexStatistics",
    "Pattern",
    "validate_topic",
]

_V = TypeVar("_V")

VERSION: Final[str]
"""The version of the crate, which is the version of the package."""

BUILD_PROFILE: Final[str]
"""The cargo profile of this build: `"release"` or `"debug"`."""

@final
class Grammar:
    """What topics and patterns look like: a dialect of one's own, or a built-in one with other limits.

    A frozen value, which pickles. `Grammar.of` gives those of the built-in dialects.

    Args:
        separator: One ASCII character between two segments.
        single: The segment that matches exactly one segment.
        multi: The segment that matches a run of segments.
        multi_min: The fewest segments that `multi` matches: 0 or 1.
        multi_anywhere: Whether `multi` may stand anywhere and several times, or last only.
        empty_segments: Whether a segment may be empty.
        empty_topic: Whether the empty text is a topic, of zero segments.
        globs: Whether `*`, `?` and `[...]` are a glob inside one segment.
        hidden_prefix: A topic that starts with it is matched only by a pattern that spells it.
        global_pattern: The whole pattern that matches every topic, beside `multi` itself.
        wildcard_text: Where the text of a wildcard is plain text: `"nowhere"`, `"inside"` a longer
            segment, or also in `"topics"`.
        forbidden: Characters that neither a topic nor a pattern may hold.
        max_segments: The most segments of a topic or a pattern.
        max_bytes: The most bytes of UTF-8 of a topic or a pattern.
        max_multi: The most multi wildcards of a pattern (in `redis`: stars).

    Raises:
        ValueError: The parts contradict each other; the text names the part and the rule.

    Example:
        >>> colons = stentor.Grammar(":", single="+", multi="...")
        >>> stentor.Pattern("ai:...:error", colons).matches("ai:models:gpt4:error")
        True
    """

    def __new__(
        cls,
        separator: str,
        *,
        single: str,
        multi: str,
        multi_min: int = 0,
        multi_anywhere: bool = True,
        empty_segments: bool = False,
        empty_topic: bool = False,
        globs: bool = False,
        hidden_prefix: str | None = None,
        global_pattern: str | None = None,
        wildcard_text: Literal["nowhere", "inside", "topics"] = "nowhere",
        forbidden: str = "",
        max_segments: int = 256,
        max_bytes: int = 4096,
        max_multi: int = 8,
    ) -> Grammar: ...
    @classmethod
    def of(
        cls,
        dialect: DialectLike,
        *,
        max_segments: int | None = None,
        max_bytes: int | None = None,
        max_multi: int | None = None,
    ) -> Grammar:
        """Return the grammar of a dialect, with other limits where they are given.

        Args:
            dialect: A `Dialect`, its value, or a `Grammar`.
            max_segments: The most segments of a topic or a pattern.
            max_bytes: The most bytes of UTF-8 of a topic or a pattern.
            max_multi: The most multi wildcards of a pattern (in `redis`: stars).

        Raises:
            TypeError: `dialect` is none of the three.
            ValueError: `dialect` is not the name of one, or a limit is below 1.

        Example:
            >>> stentor.Grammar.of("mqtt").separator
            '/'
            >>> stentor.Pattern("**.a.**", stentor.Grammar.of("mailbox", max_multi=1))
            Traceback (most recent call last):
            ...
            stentor.InvalidPatternError: invalid pattern '**.a.**' at offset 5: more than 1 multi wildcards (max_multi)
        """

    @property
    def separator(self) -> str | None:
        """One character between two segments; None in `redis`, which has no segments."""

    @property
    def single(self) -> str | None:
        """The segment that matches exactly one segment; None in `redis`."""

    @property
    def multi(self) -> str | None:
        """The segment that matches a run of segments; None in `redis`."""

    @property
    def hidden_prefix(self) -> str | None:
        """The text that hides a topic from patterns that do not spell it, if there is one."""

    @property
    def max_segments(self) -> int:
        """The most segments of a topic or a pattern."""

    @property
    def max_bytes(self) -> int:
        """The most bytes of UTF-8 of a topic or a pattern."""

    @property
    def max_multi(self) -> int:
        """The most multi wildcards of a pattern (in `redis`: stars)."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Pattern:
    """What a subscription matches: a text with wildcards, read by a dialect.

    A frozen value: patterns of the same text and dialect are equal, hash alike, and pickle.

    Args:
        text: The pattern as it is written.
        dialect: A `Dialect`, its value, or a `Grammar`.

    Raises:
        InvalidPatternError: `text` is no pattern of the dialect; the first flaw from the left.
        TypeError: `text` is not a `str`, or `dialect` none of the three.
        ValueError: `dialect` is not the name of one.

    Example:
        >>> pattern = stentor.Pattern("ai.models.*")
        >>> pattern.matches("ai.models.gpt4")
        True
        >>> pattern.matches("ai.models.gpt4.turbo")
        False
        >>> stentor.Pattern("ai.**").includes(pattern)
        True
    """

    def __new__(cls, text: str, dialect: DialectLike = "mailbox") -> Pattern: ...
    @property
    def text(self) -> str:
        """The text as it was given."""

    @property
    def dialect(self) -> Dialect | Grammar:
        """The dialect it was read by: a `Dialect`, or the `Grammar` of one's own."""

    @property
    def canonical(self) -> str:
        """The text with all runs of wildcards in one form.

        Patterns that mean the same because of runs of wildcards have the same one: `a.**.**` and
        `a.**` do, `a.**.*` and `a.*.**` do. In `redis`, which has no such form, the text itself.

        Example:
            >>> stentor.Pattern("**.*.logs").canonical
            '*.**.logs'
            >>> stentor.Pattern("*").canonical == stentor.Pattern("*.**").canonical == "**"
            True
        """

    @property
    def is_exact(self) -> bool:
        """Whether it holds no wildcard, so that it matches one topic."""

    def matches(self, topic: str) -> bool:
        """Whether a topic matches.

        Args:
            topic: A topic of the same dialect.

        Raises:
            InvalidTopicError: `topic` is no topic of the dialect.
            TypeError: `topic` is not a `str`.

        Example:
            >>> stentor.Pattern("logs.**.error").matches("logs.db.replica.error")
            True
        """

    def includes(self, other: Pattern) -> bool:
        """Whether every topic that `other` matches is matched by this pattern too.

        Exact, over topics of any length: the limits of a dialect do not count.

        Args:
            other: A pattern of the same dialect.

        Raises:
            LimitError: The answer takes more than 4,000,000 steps, about a tenth of a second.
            TypeError: `other` is not a `Pattern`.
            ValueError: `other` is of another dialect.

        Example:
            >>> stentor.Pattern("ai.**").includes(stentor.Pattern("ai.*.gpt[34]"))
            True
        """

    def overlaps(self, other: Pattern) -> bool:
        """Whether some topic is matched by both patterns.

        Exact, over topics of any length: the limits of a dialect do not count.

        Args:
            other: A pattern of the same dialect.

        Raises:
            LimitError: The answer takes more than 4,000,000 steps, about a tenth of a second.
            TypeError: `other` is not a `Pattern`.
            ValueError: `other` is of another dialect.

        Example:
            >>> stentor.Pattern("ai.*.log").overlaps(stentor.Pattern("**.error.*"))
            True
            >>> stentor.Pattern("v?").overlaps(stentor.Pattern("v[!0-9]*x"))
            False
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def validate_topic(text: str, dialect: DialectLike = "mailbox") -> str:
    """Return a topic as it was given, if it is one.

    Args:
        text: The topic.
        dialect: A `Dialect`, its value, or a `Grammar`.

    Raises:
        InvalidTopicError: `text` is no topic of the dialect; the first flaw from the left.
        TypeError: `text` is not a `str`, or `dialect` none of the three.
        ValueError: `dialect` is not the name of one.

    Example:
        >>> stentor.validate_topic("ai.models.gpt4")
        'ai.models.gpt4'
        >>> stentor.validate_topic("sport//tennis", "mqtt")
        'sport//tennis'
    """

@final
class Explanation:
    """One subscription that matches a topic, and why."""

    @property
    def id(self) -> int:
        """The subscription."""

    @property
    def pattern(self) -> str:
        """Its pattern, as it was given."""

    @property
    def structure(self) -> str:
        """Through which structure it was found: `"exact"`, `"shape"`, `"trie"` or `"prefix"`."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class IndexStatistics:
    """What an index holds; counts unless said otherwise."""

    @property
    def subscriptions(self) -> int:
        """Subscriptions added and not removed."""

    @property
    def patterns(self) -> int:
        """Different patterns among them; two that differ only in runs of wildcards are one."""

    @property
    def nodes(self) -> int:
        """Nodes of the trie, which holds the patterns that no faster structure takes."""

    @property
    def shapes(self) -> int:
        """Shapes of wildcard patterns, found by hash."""

    @property
    def symbols(self) -> int:
        """Different segment texts in the trie."""

    @property
    def prefixes(self) -> int:
        """Different literal prefixes of patterns without segments."""

    @property
    def bytes(self) -> int:
        """Bytes that the index owns on the heap."""

    @property
    def lookups(self) -> int:
        """Valid topics that `match` and `pick` were asked for."""

    def __eq__(self, other: object, /) -> bool: ...

@final
class Index:
    """The subscription index: which subscriptions match a topic. Not public; it holds ids and no values.

    Args:
        dialect: A `Dialect`, its value, or a `Grammar`.
        reserved: A first segment: topics under it are matched only by patterns that spell it.

    Raises:
        TypeError: `dialect` is none of the three.
        ValueError: `dialect` is not the name of one.

    Example:
        >>> from stentor._native import Index
        >>> index = Index("mailbox")
        >>> index.add_many(["ai.**", "ai.models.*", "ops.**"])
        [0, 1, 2]
        >>> index.match("ai.models.gpt4")
        (0, 1)
    """

    def __new__(cls, dialect: DialectLike, *, reserved: str | None = None) -> Index: ...
    def add(self, pattern: str) -> int:
        """Add one subscription to `pattern` and return its id, greater than all before.

        Raises:
            InvalidPatternError: `pattern` is none of the dialect; nothing has changed.
        """

    def add_many(self, patterns: Sequence[str]) -> list[int]:
        """Add a subscription to each of the patterns, or none at all, and return their ids.

        Raises:
            InvalidPatternError: for the first that is no pattern; nothing has changed.
        """

    def remove(self, id: int) -> None:
        """Remove the subscription with this id.

        Raises:
            ValueError: `id` is of no subscription, or no longer.
        """

    def exact_topic(self, id: int) -> str | None:
        """Return the one topic that a subscription matches; None if its pattern has a wildcard or it is not there."""

    def match(self, topic: str) -> tuple[int, ...]:
        """Return the ids whose patterns match a topic, ascending.

        Raises:
            InvalidTopicError: `topic` is none of the dialect.
        """

    def match_many(self, topics: Sequence[str]) -> list[tuple[int, ...]]:
        """Return what `match` returns, for each topic.

        Raises:
            InvalidTopicError: for the first that is no topic.
        """

    def pick(self, values: dict[int, _V], topic: str) -> tuple[_V, ...]:
        """Return the values of the ids whose patterns match a topic, by ascending id; an id without one is left out.

        Raises:
            InvalidTopicError: `topic` is none of the dialect.
        """

    def pick_many(self, values: dict[int, _V], topics: Sequence[str]) -> list[tuple[_V, ...]]:
        """Return what `pick` returns, for each topic.

        Raises:
            InvalidTopicError: for the first that is no topic.
        """

    def explain(self, topic: str) -> tuple[Explanation, ...]:
        """Say which patterns match a topic, and through which structure, in the order of their first subscriptions.

        Raises:
            InvalidTopicError: `topic` is none of the dialect.
        """

    def statistics(self) -> IndexStatistics:
        """Return what the index holds."""

    def __len__(self) -> int: ...

"""Retained messages: the last one of each topic that was published to stay, for subscribers who come late.

As in MQTT (version 5.0, section 3.3.1.3) a retained message replaces that of its topic, and an empty one clears the
topic and is not kept itself. Empty is what has the payload None: an empty text or empty bytes are values here.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, final

from attrs import frozen

from stentor._native import Index
from stentor._values import checks
from stentor._values.patterns import Grammar, Pattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stentor._values.dialects import DialectLike
    from stentor._values.messages import Message

DEFAULT_CAPACITY: Final = 10_000
"""Topics whose last message is kept unless one says otherwise."""


@final
@frozen(kw_only=True)
class RetainedStatistics:
    """What became of the retained messages.

    At every moment stored = held + replaced + cleared + expired + dropped; each is counted by itself.

    Example:
        >>> import stentor
        >>> counts = dict(stored=3, held=1, replaced=2, cleared=0, expired=0, dropped=0, peak=1, capacity=10)
        >>> stentor.RetainedStatistics(**counts).held
        1
    """

    stored: int
    """Messages that were kept."""
    held: int
    """Those that are kept now; one whose time is up counts until it is looked for."""
    replaced: int
    """Those that a newer message on their topic replaced."""
    cleared: int
    """Those that an empty message on their topic cleared."""
    expired: int
    """Those whose time was found to be up."""
    dropped: int
    """Those that made room for newer ones."""
    peak: int
    """The most that ever were kept at once."""
    capacity: int
    """How many are kept at most."""


@final
class RetainedMessages:
    """The last message of each topic; at its capacity the one that was published longest ago is dropped, and counted.

    Keeping one is O(1). Looking for those of a pattern is O(topics) where it holds a wildcard, else O(1).

    Example:
        >>> import stentor
        >>> retained = RetainedMessages("mailbox")
        >>> for topic, payload in [("weather.rome", "sun"), ("weather.oslo", "snow"), ("weather.rome", "rain")]:
        ...     retained.put(stentor.Message(topic, payload), now=0.0)
        >>> [message.payload for message in retained.matching("weather.*", now=0.0)]
        ['snow', 'rain']
        >>> retained.put(stentor.Message("weather.oslo"), now=0.0)
        >>> len(retained), [message.topic for message in retained]
        (1, ['weather.rome'])
    """

    __slots__ = (
        "_capacity",
        "_cleared",
        "_dialect",
        "_dropped",
        "_expired",
        "_messages",
        "_peak",
        "_replaced",
        "_reserved",
        "_spelled",
        "_stored",
    )

    def __init__(self, dialect: DialectLike, *, capacity: int = DEFAULT_CAPACITY, reserved: str | None = None) -> None:
        """Keep nothing yet, of topics of `dialect`; those under `reserved` match only what spells that first segment.

        Raises:
            TypeError: `capacity` is not an integer.
            ValueError: `capacity` is smaller than 1.
        """
        self._capacity = checks.whole("capacity", capacity, least=1)
        self._dialect = dialect
        self._reserved = reserved
        self._spelled = Grammar.of(dialect).separator is not None
        """Whether an exact pattern is spelt like its topic; in `redis` it may hold escapes."""
        self._messages: OrderedDict[str, Message] = OrderedDict()
        self._stored = 0
        self._replaced = 0
        self._cleared = 0
        self._expired = 0
        self._dropped = 0
        self._peak = 0

    def __len__(self) -> int:
        """Return of how many topics a message is kept; one whose time is up counts until it is looked for."""
        return len(self._messages)

    def __iter__(self) -> Iterator[Message]:
        """Return an iterator over what is kept now, in order of publication; what `len` counts is what it gives."""
        return iter(list(self._messages.values()))

    def put(self, message: Message, now: float) -> None:
        """Keep `message` as the last of its topic, or clear the topic where its payload is None."""
        replaced = self._messages.pop(message.topic, None)
        if replaced is not None:
            if replaced.expires_at <= now:
                self._expired += 1
            elif message.payload is None:
                self._cleared += 1
            else:
                self._replaced += 1
        if message.payload is None:
            return
        if len(self._messages) == self._capacity:
            self._messages.popitem(last=False)
            self._dropped += 1
        self._messages[message.topic] = message
        self._stored += 1
        self._peak = max(self._peak, len(self._messages))

    def matching(self, pattern: str, now: float) -> list[Message]:
        """Return the kept messages whose topics match `pattern` and whose time is not up, in order of publication.

        Raises:
            InvalidPatternError: `pattern` is none of the dialect.
        """
        found = [self._messages[topic] for topic in self._topics(pattern)]
        gone = [message for message in found if message.expires_at <= now]
        for message in gone:
            del self._messages[message.topic]
        self._expired += len(gone)
        return [message for message in found if message.expires_at > now] if gone else found

    def statistics(self) -> RetainedStatistics:
        """Return what became of all there were."""
        return RetainedStatistics(
            stored=self._stored,
            held=len(self._messages),
            replaced=self._replaced,
            cleared=self._cleared,
            expired=self._expired,
            dropped=self._dropped,
            peak=self._peak,
            capacity=self._capacity,
        )

    def _topics(self, pattern: str) -> Sequence[str]:
        if self._spelled and Pattern(pattern, self._dialect).is_exact:
            return (pattern,) if pattern in self._messages else ()
        index = Index(self._dialect, reserved=self._reserved)
        index.add(pattern)
        topics = list(self._messages)
        return [topic for topic, ids in zip(topics, index.match_many(topics), strict=True) if ids]

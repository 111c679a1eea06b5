"""Dead letters: the deliveries that failed for good, kept with their cause until somebody has looked at them."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Final, final

from attrs import frozen

from stentor._values import checks
from stentor._values.patterns import Pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stentor._values.dialects import DialectLike
    from stentor._values.messages import Message
    from stentor._values.modes import Mode
    from stentor._values.options import DeliveryMode

DEFAULT_CAPACITY: Final = 1000
"""Dead letters that are kept unless one says otherwise."""


@final
@frozen(kw_only=True, eq=False)
class DeadLetter:
    """One delivery that failed for good. Each is itself: two are never equal.

    Example:
        >>> import stentor
        >>> letter = stentor.DeadLetter(
        ...     message=stentor.Message("ai.models", "hello"),
        ...     agent="gpt4",
        ...     cause=ValueError("no such model"),
        ...     attempts=3,
        ...     time=12.5,
        ...     mode=stentor.DeliveryMode.REALTIME,
        ... )
        >>> letter.agent, letter.attempts, str(letter.cause)
        ('gpt4', 3, 'no such model')
    """

    message: Message
    """The message as it was published."""
    agent: str
    """For whom it was."""
    cause: Exception
    """What the last attempt failed with, traceback included: that holds on to what the handler had in its variables."""
    attempts: int
    """How many times the handler was called with it."""
    time: float
    """When it failed for good: seconds on trio's clock."""
    mode: DeliveryMode | Mode
    """The mode of the subscription that governed it."""


@final
@frozen(kw_only=True)
class DeadLetterStatistics:
    """What became of the dead letters. At every moment added = held + dropped + taken; each is counted by itself."""

    added: int
    """Deliveries that failed for good."""
    held: int
    """Dead letters in the box now."""
    dropped: int
    """Those that left it unseen, to make room for newer ones."""
    taken: int
    """Those that somebody took out."""
    peak: int
    """The most there ever were at once."""
    capacity: int
    """How many it holds at most."""


@final
class DeadLetterBox:
    """The dead letters of a bus, the oldest first; at its capacity the oldest is dropped, and counted.

    Adding and removing are O(1), looking for some O(letters).

    Example:
        >>> import stentor
        >>> box = DeadLetterBox("mailbox", capacity=2)
        >>> for topic in ("ai.models", "ai.data", "news"):
        ...     _ = box.add(
        ...         stentor.DeadLetter(
        ...             message=stentor.Message(topic),
        ...             agent="gpt4",
        ...             cause=ValueError("no"),
        ...             attempts=1,
        ...             time=0.0,
        ...             mode=stentor.DeliveryMode.REALTIME,
        ...         )
        ...     )
        >>> [letter.message.topic for letter in box]
        ['ai.data', 'news']
        >>> [letter.message.topic for letter in box.take(pattern="ai.**")]
        ['ai.data']
        >>> len(box), box.statistics().dropped
        (1, 1)
    """

    __slots__ = ("_added", "_capacity", "_dialect", "_dropped", "_letters", "_peak", "_taken")

    def __init__(self, dialect: DialectLike, *, capacity: int = DEFAULT_CAPACITY) -> None:
        """Make an empty box for messages on topics of `dialect`; users have `Bus.dead_letters`.

        Raises:
            TypeError: `capacity` is not an integer.
            ValueError: `capacity` is smaller than 1.
        """
        self._capacity = checks.whole("capacity", capacity, least=1)
        self._dialect = dialect
        self._letters: OrderedDict[DeadLetter, None] = OrderedDict()
        self._added = 0
        self._dropped = 0
        self._taken = 0
        self._peak = 0

    def add(self, letter: DeadLetter) -> DeadLetter | None:
        """Put `letter` in, as the newest, and return the one that was dropped for it, or None."""
        dropped: DeadLetter | None = None
        if len(self._letters) == self._capacity:
            dropped, _ = self._letters.popitem(last=False)
            self._dropped += 1
        self._letters[letter] = None
        self._added += 1
        if len(self._letters) > self._peak:
            self._peak = len(self._letters)
        return dropped

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._letters)

    def __iter__(self) -> Iterator[DeadLetter]:
        """Iterate over those there are now, the oldest first; adding and taking meanwhile does no harm."""
        return iter(tuple(self._letters))

    def __contains__(self, letter: object) -> bool:
        """Return whether `letter` is in the box."""
        return letter in self._letters

    def select(self, *, agent: str | None = None, pattern: str | None = None) -> tuple[DeadLetter, ...]:
        """Return some, the oldest first, and leave them in.

        Args:
            agent: Only those that were for this agent.
            pattern: Only those whose message's topic matches.

        Raises:
            InvalidPatternError: `pattern` is none of the dialect.
            TypeError: `agent` or `pattern` is not a `str`.
        """
        return tuple(self._choose(agent, pattern))

    def take(
        self, *, agent: str | None = None, pattern: str | None = None, limit: int | None = None
    ) -> tuple[DeadLetter, ...]:
        """Take some out, the oldest first, and return them: to publish them again, or to be done with them.

        Args:
            agent: Only those that were for this agent.
            pattern: Only those whose message's topic matches.
            limit: The most to take; None takes all.

        Raises:
            InvalidPatternError: `pattern` is none of the dialect.
            TypeError: `agent` or `pattern` is not a `str`, or `limit` not an integer.
            ValueError: `limit` is smaller than 1.
        """
        if limit is not None:
            checks.whole("limit", limit, least=1)
        taken = tuple(islice(self._choose(agent, pattern), limit))
        for letter in taken:
            del self._letters[letter]
        self._taken += len(taken)
        return taken

    def remove(self, letter: DeadLetter) -> bool:
        """Take `letter` out, and return whether it was in."""
        if letter not in self._letters:
            return False
        del self._letters[letter]
        self._taken += 1
        return True

    def statistics(self) -> DeadLetterStatistics:
        """Return what became of all there were."""
        return DeadLetterStatistics(
            added=self._added,
            held=len(self._letters),
            dropped=self._dropped,
            taken=self._taken,
            peak=self._peak,
            capacity=self._capacity,
        )

    def _choose(self, agent: str | None, pattern: str | None) -> Iterator[DeadLetter]:
        if agent is not None:
            checks.instance("agent", agent, str)
        wanted = None if pattern is None else Pattern(checks.instance("pattern", pattern, str), self._dialect)
        letters: Iterator[DeadLetter] = iter(self._letters)
        if agent is not None:
            letters = (letter for letter in letters if letter.agent == agent)
        if wanted is not None:
            letters = (letter for letter in letters if wanted.matches(letter.message.topic))
        return letters

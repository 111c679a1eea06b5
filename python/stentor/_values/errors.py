"""What goes wrong with texts: patterns, topics, and questions about them that take too much work."""

from __future__ import annotations

from typing import ClassVar, final

SHOWN = 200
"""Code points of a refused text that an error's message shows; `.text` holds all of it."""


class _InvalidTextError(ValueError):
    """A text that breaks a rule at one place."""

    _noun: ClassVar[str]

    text: str
    """The whole text that was refused."""
    offset: int
    """Where the flaw shows, in code points from the start of the text."""
    reason: str
    """The rule that was broken, in words."""

    def __init__(self, text: str, offset: int, reason: str) -> None:
        super().__init__(text, offset, reason)
        self.text = text
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        shown = repr(self.text) if len(self.text) <= SHOWN else f"{self.text[:SHOWN]!r}..."
        return f"invalid {self._noun} {shown} at offset {self.offset}: {self.reason}"


@final
class InvalidPatternError(_InvalidTextError):
    """A text is no pattern of its dialect. Nothing has changed when it is raised.

    Example:
        >>> import stentor
        >>> try:
        ...     stentor.Pattern("a..b")
        ... except stentor.InvalidPatternError as error:
        ...     print(error)
        ...     print(error.offset, error.reason)
        invalid pattern 'a..b' at offset 2: empty segment
        2 empty segment
    """

    _noun = "pattern"


@final
class InvalidTopicError(_InvalidTextError):
    """A text is no topic of its dialect. Nothing has changed when it is raised.

    Example:
        >>> import stentor
        >>> stentor.validate_topic("ai.*")
        Traceback (most recent call last):
        ...
        stentor.InvalidTopicError: invalid topic 'ai.*' at offset 3: a topic cannot hold '*'
    """

    _noun = "topic"


@final
class LimitError(ValueError):
    """An exact answer would take more work than is allowed, so there is none.

    Raised by `Pattern.includes` and `Pattern.overlaps`.
    """

"""Interest: which channels a process has to listen to, so that it gets what somebody in it listens to, and little else.

Redis patterns have no segments, and a pattern that is subscribed to slows every publish on the server. So topics that
are known are subscribed to one by one, and a wildcard becomes a Redis pattern that matches at least as much; what comes
by it and is of no interest is dropped before it is read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, final

from attrs import frozen

from stentor import Dialect, Grammar, Matcher, Pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stentor.bridge._keys import Keys

REMEMBERED: Final = 10_000
"""Topics of which it is remembered whether they are wanted."""
MOST_PATTERNS: Final = 64
"""Redis patterns of one process; where it would take more, it listens to the whole namespace."""
_REDIS: Final = Grammar.of(Dialect.REDIS)
_SPECIAL: Final = re.compile(r"([*?\[\]\\])")


@final
@frozen
class Channels:
    """What is to be subscribed to."""

    exact: frozenset[str] = frozenset()
    patterns: frozenset[str] = frozenset()


def glob_of(pattern: str, grammar: Grammar) -> str:
    r"""Return a Redis pattern that matches every topic that `pattern` matches, and maybe others.

    Example:
        >>> import stentor
        >>> mailbox = stentor.Grammar.of("mailbox")
        >>> [glob_of(text, mailbox) for text in ("ai.models.*", "ai.**", "**.end", "a.**.b", "a.x[0-9].b")]
        ['ai.models.*', 'ai*', '*end', 'a*b', 'a.*.b']
    """
    if grammar.separator is None:
        return pattern
    if pattern in {grammar.multi, "*"} and Pattern(pattern, grammar).includes(Pattern(grammar.multi or "*", grammar)):
        return "*"
    parts: list[str] = []
    for segment in pattern.split(grammar.separator):
        if segment == grammar.multi:
            parts.append("")
        elif segment == grammar.single or not _is_literal(segment, grammar):
            parts.append("*")
        else:
            parts.append(_SPECIAL.sub(r"\\\1", segment))
    return re.sub(r"\*+", "*", _join(parts, grammar.separator))


def _join(parts: list[str], separator: str) -> str:
    """Join segments by the separator; an empty one is a run of any length, which takes the separators beside it."""
    text = ""
    for index, part in enumerate(parts):
        if part == "":
            text += "*"
        else:
            text += separator + part if index and parts[index - 1] != "" else part
    return text


def _is_literal(segment: str, grammar: Grammar) -> bool:
    try:
        return not segment or Pattern(segment, grammar).is_exact
    except ValueError:
        return False


@final
class Interest:
    """What may come in, and what of it somebody listens to."""

    def __init__(self, patterns: Iterable[str], grammar: Grammar, keys: Keys, *, whole: bool, inbox: str) -> None:
        """Let in what matches one of `patterns`.

        Args:
            patterns: Of the bus's dialect.
            grammar: That dialect.
            keys: The names of the namespace.
            whole: Whether to subscribe to the whole namespace by one pattern, whatever is of interest.
            inbox: The channel that is subscribed to in any case, beside that of control.
        """
        self._grammar = grammar
        self._keys = keys
        self._whole = whole
        self._inbox = inbox
        self._admitted: Matcher[None] = Matcher(grammar)
        for pattern in patterns:
            self._admitted.add(pattern, None)
        self._patterns = tuple(Pattern(text, grammar) for text in patterns)
        self._live: Matcher[None] = Matcher(grammar)
        """What somebody listens to and the server has acknowledged."""
        self._handles: dict[str, int] = {}
        self.wanted: dict[str, bool] = {}
        """What `wants` has found of topics, until what is listened to changes."""

    def admits(self, topic: str) -> bool:
        """Say whether a topic may come in."""
        return bool(self._admitted.match(topic))

    def wants(self, topic: str) -> bool:
        """Say whether a topic may come in, and somebody listens to it since the server knows that."""
        wanted = self.wanted.get(topic)
        if wanted is None:
            if len(self.wanted) >= REMEMBERED:
                self.wanted.clear()
            wanted = self.wanted[topic] = bool(self._live.match(topic) and self._admitted.match(topic))
        return wanted

    def settle(self, patterns: Iterable[str]) -> bool:
        """The server knows now that these are listened to; return whether they are others than before."""
        now = set(patterns)
        gone = self._handles.keys() - now
        new = now - self._handles.keys()
        for pattern in gone:
            self._live.remove(self._handles.pop(pattern))
        for pattern in new:
            self._handles[pattern] = self._live.add(pattern, None)
        self.wanted.clear()
        return bool(gone or new)

    def drop(self, patterns: Iterable[str]) -> None:
        """Nobody listens to anything else than `patterns` any more."""
        self.settle(self._handles.keys() & set(patterns))

    def channels(self, listened: Iterable[str]) -> Channels:
        """Return what to subscribe to when somebody listens to these patterns."""
        own = frozenset({self._keys.control, self._inbox})
        exact: set[str] = set()
        globs: set[str] = set()
        for text in dict.fromkeys(listened):
            pattern = Pattern(text, self._grammar)
            for admitted in self._patterns:
                if pattern.is_exact and admitted.matches(_topic(text, self._grammar)):
                    exact.add(self._keys.channel(_topic(text, self._grammar)))
                elif not pattern.is_exact and _overlap(pattern, admitted):
                    self._add_wildcard(pattern, admitted, exact, globs)
        if not (exact or globs):
            return Channels(own)
        if self._whole or len(globs) > MOST_PATTERNS or f"{_literal(self._keys.topics)}*" in globs:
            return self.everything()
        return Channels(own | self._uncovered(exact, globs), frozenset(globs))

    def _uncovered(self, exact: set[str], globs: set[str]) -> set[str]:
        """Return the channels that no pattern matches, so that nothing comes twice."""
        patterns = [Pattern(glob, Dialect.REDIS) for glob in globs]
        return {channel for channel in exact if not any(pattern.matches(channel) for pattern in patterns)}

    def everything(self) -> Channels:
        """Return what to subscribe to for all of the namespace."""
        own = frozenset({self._keys.control, self._inbox})
        return Channels(own, frozenset({f"{_literal(self._keys.topics)}*"}))

    def _add_wildcard(self, pattern: Pattern, admitted: Pattern, exact: set[str], globs: set[str]) -> None:
        narrower = admitted if _includes(pattern, admitted) else pattern
        if narrower.is_exact:
            exact.add(self._keys.channel(_topic(narrower.text, self._grammar)))
        else:
            globs.add(_literal(self._keys.topics) + glob_of(narrower.text, self._grammar))


def _topic(text: str, grammar: Grammar) -> str:
    """Return the one topic that an exact pattern matches; in `redis` it may hold escapes."""
    return re.sub(r"\\(.)", r"\1", text) if grammar == _REDIS else text


def _literal(text: str) -> str:
    """Return a Redis pattern that matches `text` alone."""
    return _SPECIAL.sub(r"\\\1", text)


def _overlap(one: Pattern, other: Pattern) -> bool:
    try:
        return one.overlaps(other)
    except ValueError:
        return True  # beyond the bound of work: listening to more than is needed loses nothing


def _includes(one: Pattern, other: Pattern) -> bool:
    try:
        return one.includes(other)
    except ValueError:
        return False

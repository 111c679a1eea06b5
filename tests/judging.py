"""How stentor's answers are put beside the oracle's: an error becomes its offset and the class of its reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import stentor
from tests.oracles import Flaw, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

SHOWN = 200
"""Code points of a refused text that the error shows."""
REASONS = {
    r"lone surrogate U\+D[89A-F][0-9A-F]{2}": Reason.SURROGATE,
    r"more than \d+ (bytes|segments|multi wildcards|stars) \(max_\w+\)": Reason.LIMIT,
    r"empty (segment|text)": Reason.EMPTY,
    r"forbidden character U\+[0-9A-F]{4,6}": Reason.FORBIDDEN,
    r"a topic cannot hold '.+'": Reason.WILDCARD_IN_TOPIC,
    r"'.+' must be a whole segment": Reason.MIXED,
    r"'.+' must be the last segment": Reason.NOT_LAST,
    r"stray '\]'": Reason.STRAY,
    r"unclosed '\['": Reason.UNCLOSED,
    r"empty brackets": Reason.EMPTY_BRACKETS,
    r"'\[' inside brackets": Reason.BRACKET_INSIDE,
    r"'\[\^' does not negate, '\[!' does": Reason.CARET,
    r"loose '-' inside brackets": Reason.LOOSE_HYPHEN,
    r"reversed range '.-.'": Reason.REVERSED,
}


def pattern_flaw_of(text: str, dialect: str | stentor.Grammar) -> Flaw | None:
    """Return what stentor finds wrong with a pattern, None where it takes it."""
    return _flaw(stentor.InvalidPatternError, "pattern", text, lambda: stentor.Pattern(text, dialect))


def topic_flaw_of(text: str, dialect: str | stentor.Grammar) -> Flaw | None:
    """Return what stentor finds wrong with a topic, None where it takes it."""
    return _flaw(stentor.InvalidTopicError, "topic", text, lambda: stentor.validate_topic(text, dialect))


def _flaw(
    kind: type[stentor.InvalidPatternError | stentor.InvalidTopicError],
    noun: str,
    text: str,
    attempt: Callable[[], object],
) -> Flaw | None:
    try:
        attempt()
    except kind as error:
        refusal = error
    else:
        return None
    assert refusal.text == text
    shown = repr(text) if len(text) <= SHOWN else f"{text[:SHOWN]!r}..."
    assert str(refusal) == f"invalid {noun} {shown} at offset {refusal.offset}: {refusal.reason}"
    return Flaw(refusal.offset, _reason(refusal.reason))


def _reason(text: str) -> Reason:
    found = [reason for expression, reason in REASONS.items() if re.fullmatch(expression, text, re.DOTALL)]
    assert len(found) == 1, text
    return found[0]

"""Hypothesis strategies for topics, patterns and pairs of both, in every dialect. They need Hypothesis installed.

The pairs hold at least 30 % matches, and near misses beside them: what is drawn is what
`stentor.testing.generators` makes, and it shrinks towards short, plain texts.

>>> from hypothesis import given
>>> import stentor
>>> from stentor.testing import strategies
>>> @given(strategies.pattern_topic_pairs("mqtt"))
... def test_a_pattern_includes_its_canonical_form(pair):
...     pattern = stentor.Pattern(pair[0], "mqtt")
...     assert pattern.matches(pair[1]) == stentor.Pattern(pattern.canonical, "mqtt").matches(pair[1])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

from stentor.testing import generators

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from stentor import Dialect

T = TypeVar("T")


def topics(dialect: Dialect | str = "mailbox") -> st.SearchStrategy[str]:
    """Return a strategy of valid topics."""
    return _drawn(generators.random_topic, dialect)


def patterns(dialect: Dialect | str = "mailbox") -> st.SearchStrategy[str]:
    """Return a strategy of valid patterns."""
    return _drawn(generators.random_pattern, dialect)


def pattern_topic_pairs(dialect: Dialect | str = "mailbox") -> st.SearchStrategy[tuple[str, str]]:
    """Return a strategy of a valid pattern and a valid topic, at least 30 % of them matches."""
    return _drawn(generators.random_pair, dialect)


def invalid_topics(dialect: Dialect | str = "mailbox") -> st.SearchStrategy[str]:
    """Return a strategy of texts that are refused as topics."""
    return _drawn(generators.random_invalid_topic, dialect)


def invalid_patterns(dialect: Dialect | str = "mailbox") -> st.SearchStrategy[str]:
    """Return a strategy of texts that are refused as patterns."""
    return _drawn(generators.random_invalid_pattern, dialect)


def texts(dialect: Dialect | str = "mailbox") -> st.SearchStrategy[str]:
    """Return a strategy of short texts that may be a topic, a pattern, both or neither."""
    return _drawn(generators.random_text, dialect)


def _drawn(make: Callable[[Random, Dialect | str], T], dialect: Dialect | str) -> st.SearchStrategy[T]:
    return st.randoms(use_true_random=False).map(lambda rng: make(rng, dialect))

"""Hypothesis strategies for topics, patterns and pairs of both, in every dialect. They need Hypothesis installed.

What is drawn is what `stentor.testing.generators` makes, and it shrinks towards short, plain texts.

Example:
    >>> from hypothesis import given
    >>> import stentor
    >>> @given(pattern_topic_pairs("mqtt"))
    ... def test_a_canonical_form_matches_the_same_topics(pair):
    ...     pattern = stentor.Pattern(pair[0], "mqtt")
    ...     assert pattern.matches(pair[1]) == stentor.Pattern(pattern.canonical, "mqtt").matches(pair[1])
    >>> test_a_canonical_form_matches_the_same_topics()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

from stentor import Dialect
from stentor.testing import generators

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from stentor import Grammar

T = TypeVar("T")


def topics(dialect: Dialect | str | Grammar = "mailbox") -> st.SearchStrategy[str]:
    """Return a strategy of valid topics.

    Args:
        dialect: The grammar of the topics: a dialect, its name, or a grammar of one's own; so in every strategy.

    Raises:
        ValueError: ``dialect`` names no dialect; so in every strategy.

    Example:
        >>> from hypothesis import given
        >>> import stentor
        >>> @given(topics("mqtt"))
        ... def test(topic):
        ...     assert stentor.validate_topic(topic, "mqtt") == topic
        >>> test()
    """
    return _drawn(generators.random_topic, dialect)


def patterns(dialect: Dialect | str | Grammar = "mailbox") -> st.SearchStrategy[str]:
    """Return a strategy of valid patterns: exact ones, wildcards, globs, the global one.

    Args:
        dialect: The grammar of the patterns.

    Example:
        >>> from hypothesis import given
        >>> import stentor
        >>> @given(patterns("amqp"))
        ... def test(pattern):
        ...     assert stentor.Pattern(pattern, "amqp").text == pattern
        >>> test()
    """
    return _drawn(generators.random_pattern, dialect)


def pattern_topic_pairs(dialect: Dialect | str | Grammar = "mailbox") -> st.SearchStrategy[tuple[str, str]]:
    """Return a strategy of a valid pattern and a valid topic: at least 30 % match, and many nearly do.

    Args:
        dialect: The grammar of both.

    Example:
        >>> from hypothesis import given
        >>> import stentor
        >>> @given(pattern_topic_pairs("nats"))
        ... def test(pair):
        ...     pattern, topic = pair
        ...     if stentor.Pattern(pattern, "nats").is_exact:
        ...         assert stentor.Pattern(pattern, "nats").matches(topic) == (pattern == topic)
        >>> test()
    """
    return _drawn(generators.random_pair, dialect)


def invalid_topics(dialect: Dialect | str | Grammar = "mailbox") -> st.SearchStrategy[str]:
    """Return a strategy of texts that are refused as topics.

    Args:
        dialect: The grammar that refuses them.

    Example:
        >>> from hypothesis import given
        >>> import pytest, stentor
        >>> @given(invalid_topics())
        ... def test(text):
        ...     with pytest.raises(stentor.InvalidTopicError):
        ...         stentor.validate_topic(text)
        >>> test()
    """
    return _drawn(generators.random_invalid_topic, dialect)


def invalid_patterns(dialect: Dialect | str | Grammar = "mailbox") -> st.SearchStrategy[str]:
    """Return a strategy of texts that are refused as patterns.

    Args:
        dialect: The grammar that refuses them.

    Example:
        >>> from hypothesis import given
        >>> import pytest, stentor
        >>> @given(invalid_patterns("nats"))
        ... def test(text):
        ...     with pytest.raises(stentor.InvalidPatternError):
        ...         stentor.Pattern(text, "nats")
        >>> test()
    """
    return _drawn(generators.random_invalid_pattern, dialect)


def texts(dialect: Dialect | str | Grammar = "mailbox") -> st.SearchStrategy[str]:
    """Return a strategy of short texts that may be a topic, a pattern, both or neither.

    Args:
        dialect: The grammar whose characters they are made of.

    Example:
        >>> from hypothesis import given
        >>> import stentor
        >>> @given(texts("redis"))
        ... def test(text):
        ...     assert stentor.Pattern(text, "redis").includes(stentor.Pattern(text, "redis"))
        >>> test()
    """
    return _drawn(generators.random_text, dialect)


def _drawn(make: Callable[[Random, Dialect | Grammar], T], dialect: Dialect | str | Grammar) -> st.SearchStrategy[T]:
    known = Dialect(dialect) if isinstance(dialect, str) else dialect
    return st.randoms(use_true_random=False).map(lambda rng: make(rng, known))

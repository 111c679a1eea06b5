"""`includes`, `overlaps` and `canonical` against brute force: every topic over a small alphabet is asked.

A letter that no pattern spells stands for all the others, and the topics are deeper than the patterns, so that what
no topic here shows, none shows.
"""

from __future__ import annotations

import functools
import itertools
import random
from typing import NamedTuple

import pytest

import stentor
from stentor.testing import generators
from tests.oracles import DIALECTS, matches, pattern_flaw, topic_flaw

PAIRS = 20_000


class Alphabet(NamedTuple):
    """What small patterns and the topics that tell them apart are made of."""

    separator: str
    pattern_pieces: tuple[str, ...]
    longest_pattern: int
    topic_pieces: tuple[str, ...]
    longest_topic: int
    dialect: str


ALPHABETS = {
    "mailbox": Alphabet(".", ("a", "b", "*", "**"), 4, ("a", "b", "c"), 7, "mailbox"),
    "mailbox globs": Alphabet(
        ".", ("a", "*", "**", "a*", "*a", "?", "[ab]", "[!a]", "[b-d]*", "?a*"), 2,
        ("a", "b", "c", "e", "aa", "ab", "ba", "ca", "cc", "aab", "bac"), 3, "mailbox",
    ),
    "mailbox long globs": Alphabet("", ("a", "b", "*", "?", "[ab]", "[!a]"), 4, ("a", "b", "c"), 6, "mailbox"),
    "mqtt": Alphabet("/", ("a", "", "$a", "+", "#"), 4, ("a", "", "$a", "c"), 5, "mqtt"),
    "nats": Alphabet(".", ("a", "b", "*", ">"), 4, ("a", "b", "c"), 6, "nats"),
    "amqp": Alphabet(".", ("a", "", "*", "#"), 4, ("a", "", "c"), 7, "amqp"),
    "redis": Alphabet("", ("a", "b", "*", "?", "[ab]", "[^a]", "\\*"), 4, ("a", "b", "c", "*"), 6, "redis"),
    "redis classes": Alphabet(
        "", ("a", "*", "?", "[a", "[^", "]", "-"), 3, ("a", "]", "c", "[", "^", "?", "*", "-"), 4, "redis",
    ),
}  # fmt: skip


def _texts(separator: str, pieces: tuple[str, ...], longest: int) -> list[str]:
    lists = itertools.chain.from_iterable(itertools.product(pieces, repeat=size) for size in range(longest + 1))
    return list(dict.fromkeys(separator.join(some) for some in lists))


class Universe:
    """All the small patterns of a dialect, and for each the set of small topics that it matches, as bits."""

    def __init__(self, alphabet: Alphabet) -> None:
        self.dialect = alphabet.dialect
        patterns = _texts(alphabet.separator, alphabet.pattern_pieces, alphabet.longest_pattern)
        topics = _texts(alphabet.separator, alphabet.topic_pieces, alphabet.longest_topic)
        self.topics = [text for text in topics if topic_flaw(text, self.dialect) is None]
        valid = [text for text in patterns if pattern_flaw(text, self.dialect) is None]
        rng = random.Random(7)
        self.patterns = [stentor.Pattern(text, self.dialect) for text in rng.sample(valid, min(len(valid), 340))]
        self._sets: dict[str, int] = {}

    @functools.cached_property
    def matched(self) -> dict[str, int]:
        """The set of topics that each pattern matches."""
        return {pattern.text: self.matched_by(pattern) for pattern in self.patterns}

    def matched_by(self, pattern: stentor.Pattern) -> int:
        """The set of topics that a pattern matches; that it matches rightly is shown elsewhere."""
        if pattern.text not in self._sets:
            found = "".join("01"[pattern.matches(topic)] for topic in self.topics)
            self._sets[pattern.text] = int(found, 2)
        return self._sets[pattern.text]

    @functools.cached_property
    def pairs(self) -> list[tuple[stentor.Pattern, stentor.Pattern]]:
        """Some pairs of patterns."""
        pairs = [(pattern, other) for pattern in self.patterns for other in self.patterns]
        return random.Random(8).sample(pairs, min(len(pairs), PAIRS))


@pytest.fixture(scope="module", params=ALPHABETS)
def universe(request: pytest.FixtureRequest) -> Universe:
    """The small patterns of one alphabet and what they match."""
    return Universe(ALPHABETS[request.param])


def test_the_sets_are_the_oracles(universe: Universe) -> None:
    for pattern in universe.patterns[::20]:
        found = [topic for topic in universe.topics[::5] if matches(pattern.text, topic, universe.dialect)]
        assert [topic for topic in universe.topics[::5] if pattern.matches(topic)] == found


def test_a_pattern_includes_another_where_no_topic_says_otherwise(universe: Universe) -> None:
    matched = universe.matched
    wrong = [
        (pattern.text, other.text)
        for pattern, other in universe.pairs
        if pattern.includes(other) != (matched[other.text] & ~matched[pattern.text] == 0)
    ]
    assert wrong == []


def test_patterns_overlap_where_a_topic_matches_both(universe: Universe) -> None:
    matched = universe.matched
    wrong = [
        (pattern.text, other.text)
        for pattern, other in universe.pairs
        if pattern.overlaps(other) != (matched[pattern.text] & matched[other.text] != 0)
    ]
    assert wrong == []


def test_a_canonical_form_matches_the_same_topics_and_is_its_own(universe: Universe) -> None:
    for pattern in universe.patterns:
        canonical = stentor.Pattern(pattern.canonical, universe.dialect)
        assert canonical.canonical == canonical.text
        assert universe.matched_by(canonical) == universe.matched[pattern.text], pattern.text


@pytest.mark.parametrize("name", ["mailbox", "nats"])
def test_patterns_that_match_the_same_have_one_canonical_form(name: str) -> None:
    universe = Universe(ALPHABETS[name])
    forms: dict[int, set[str]] = {}
    for pattern in universe.patterns:
        forms.setdefault(universe.matched[pattern.text], set()).add(pattern.canonical)
    assert [names for names in forms.values() if len(names) > 1] == []


@pytest.mark.parametrize("text", ["*", "**", "*.**", "**.*", "**.**", "**.*.**"])
def test_what_means_everything_has_the_canonical_form_of_everything(text: str) -> None:
    assert stentor.Pattern(text).canonical == "**"


@pytest.mark.parametrize(
    ("dialect", "wide", "narrow"),
    [
        ("mailbox", "*", "**"),
        ("mailbox", "a*.**", "ab.*"),
        ("mailbox", "[!b-d]*", "a?"),
        ("mqtt", "+/#", "#"),
        ("mqtt", "/+/#", "/#"),
        ("mqtt", "$a/#", "$a"),
        ("nats", ">", "*.>"),
        ("amqp", "*.#.", "#."),
        ("amqp", "#.a.#", "#.a.b.#.a"),
        ("redis", "a*", "a\\**"),
        ("redis", "[^a]*", "[b-z]?"),
    ],
)
def test_inclusion_in_the_corners(dialect: str, wide: str, narrow: str) -> None:
    assert stentor.Pattern(wide, dialect).includes(stentor.Pattern(narrow, dialect))


@pytest.mark.parametrize(
    ("dialect", "one", "other"),
    [
        ("mailbox", "a.*", "a"),
        ("mailbox", "a*", "b?"),
        ("mqtt", "#", "$a/#"),
        ("mqtt", "+/b", "$a/b"),
        ("nats", "a.>", "a"),
        ("amqp", "*", ""),
        ("amqp", "#.a", ""),
        ("redis", "*", ""),
        ("redis", "[a-c]", "[^a-c]"),
        ("redis", "é", "?"),
    ],
)
def test_what_has_nothing_in_common(dialect: str, one: str, other: str) -> None:
    assert not stentor.Pattern(one, dialect).overlaps(stentor.Pattern(other, dialect))
    assert not stentor.Pattern(other, dialect).overlaps(stentor.Pattern(one, dialect))
    assert not stentor.Pattern(one, dialect).includes(stentor.Pattern(other, dialect))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_generated_topic_contradicts_what_is_said_of_generated_patterns(dialect: str) -> None:
    rng = random.Random(9)
    pairs = [generators.random_pair(rng, dialect) for _ in range(120)]
    patterns = [stentor.Pattern(pattern, dialect) for pattern, _ in pairs]
    matched = {pattern: {topic for _, topic in pairs if pattern.matches(topic)} for pattern in patterns}
    for one, other in itertools.product(patterns, repeat=2):
        if one.includes(other):
            assert matched[other] <= matched[one]
            assert one.overlaps(other) or not matched[other]
        if not one.overlaps(other):
            assert not matched[one] & matched[other]
    assert all(pattern.includes(pattern) for pattern in patterns)

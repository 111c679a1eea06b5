"""`stentor.Matcher` against its model, after any sequence of operations, in every dialect, with and without cache."""

from __future__ import annotations

import functools
import random
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import stentor
from stentor.testing import generators, strategies
from tests import oracles
from tests.oracles import DIALECTS, ModelMatcher, Rules

CAPACITIES = (0, 3, None)
"""No cache, one that is too small for what is asked, and the default."""


def new_matcher(dialect: str | stentor.Grammar, cache_capacity: int | None) -> stentor.Matcher[int]:
    """Return an empty matcher; None is the default capacity."""
    if cache_capacity is None:
        return stentor.Matcher(dialect)
    return stentor.Matcher(dialect, cache_capacity=cache_capacity)


class _MatcherMachine(RuleBasedStateMachine):
    """Matchers with different caches and the model, side by side through the same operations."""

    dialect: ClassVar[str | stentor.Grammar] = "mailbox"
    judged_by: ClassVar[str | Rules] = "mailbox"

    @initialize(pairs=st.data())
    def start(self, pairs: st.DataObject) -> None:
        self.matchers = [new_matcher(self.dialect, capacity) for capacity in CAPACITIES]
        self.model: ModelMatcher[int] = ModelMatcher(self.judged_by)
        self.handles: list[tuple[int, list[int]]] = []
        self.gone: list[list[int]] = []
        drawn = pairs.draw(st.lists(strategies.pattern_topic_pairs(self.dialect), min_size=3, max_size=12))
        self.patterns = [pattern for pattern, _ in drawn]
        self.topics = [topic for _, topic in drawn]
        self.added = 0

    @rule(place=st.integers(0, 99))
    def add(self, place: int) -> None:
        pattern = self.patterns[place % len(self.patterns)]
        self.added += 1
        handle = self.model.add(pattern, self.added)
        self.handles.append((handle, [matcher.add(pattern, self.added) for matcher in self.matchers]))

    @rule(places=st.lists(st.integers(0, 99), max_size=4))
    def add_many(self, places: list[int]) -> None:
        items = [(self.patterns[place % len(self.patterns)], self.added + 1 + at) for at, place in enumerate(places)]
        self.added += len(items)
        handles = [self.model.add(pattern, value) for pattern, value in items]
        theirs = [matcher.add_many(items) for matcher in self.matchers]
        self.handles += zip(handles, (list(each) for each in zip(*theirs, strict=True)), strict=True)

    @rule(data=st.data())
    def add_what_is_no_pattern(self, data: st.DataObject) -> None:
        text = data.draw(strategies.invalid_patterns(self.dialect))
        for matcher in self.matchers:
            with pytest.raises(stentor.InvalidPatternError):
                matcher.add(text, -1)
            with pytest.raises(stentor.InvalidPatternError):
                matcher.add_many([(self.patterns[0], -1), (text, -1)])

    @precondition(lambda self: self.handles)
    @rule(place=st.integers(0, 99))
    def remove(self, place: int) -> None:
        handle, theirs = self.handles.pop(place % len(self.handles))
        self.model.remove(handle)
        for matcher, its in zip(self.matchers, theirs, strict=True):
            matcher.remove(its)
        self.gone.append(theirs)

    @precondition(lambda self: self.gone)
    @rule(place=st.integers(0, 99))
    def remove_what_is_gone(self, place: int) -> None:
        for matcher, handle in zip(self.matchers, self.gone[place % len(self.gone)], strict=True):
            with pytest.raises(ValueError, match=f"^handle must be of a value that .*, not {handle}$"):
                matcher.remove(handle)

    @rule(place=st.integers(0, 99))
    def match(self, place: int) -> None:
        topic = self.topics[place % len(self.topics)]
        expected = self.model.match(topic)
        assert [matcher.match(topic) for matcher in self.matchers] == [expected] * len(self.matchers)

    @rule()
    def match_all(self) -> None:
        expected = [self.model.match(topic) for topic in self.topics]
        for matcher in self.matchers:
            assert matcher.match_many(self.topics) == expected

    @rule(data=st.data())
    def match_another_topic(self, data: st.DataObject) -> None:
        topic = data.draw(strategies.topics(self.dialect))
        expected = self.model.match(topic)
        assert [matcher.match(topic) for matcher in self.matchers] == [expected] * len(self.matchers)

    @rule(data=st.data())
    def match_what_is_no_topic(self, data: st.DataObject) -> None:
        text = data.draw(strategies.invalid_topics(self.dialect))
        for matcher in self.matchers:
            with pytest.raises(stentor.InvalidTopicError):
                matcher.match(text)
            with pytest.raises(stentor.InvalidTopicError):
                matcher.match_many([self.topics[0], text])

    @invariant()
    def they_are_as_long(self) -> None:
        for matcher in self.matchers:
            assert len(matcher) == matcher.statistics().subscriptions == len(self.model)

    def teardown(self) -> None:
        while self.handles:
            self.remove(0)
        for matcher, capacity in zip(self.matchers, CAPACITIES, strict=True):
            assert [matcher.match(topic) for topic in self.topics] == [()] * len(self.topics)
            assert _structure(matcher) == _structure(new_matcher(self.dialect, capacity))


def _structure(matcher: stentor.Matcher[Any]) -> list[int]:
    told = matcher.statistics()
    return [told.subscriptions, told.patterns, told.nodes, told.shapes, told.symbols, told.prefixes]


COLONS = stentor.Grammar(":", single="+", multi="...", empty_segments=True, hidden_prefix="$", max_multi=3)
COLON_RULES = Rules(":", "+", "...", 4096, empty_segments=True, hidden_prefix="$", max_multi=3)


@pytest.mark.parametrize(
    ("dialect", "rules"), [*((name, name) for name in DIALECTS), (COLONS, COLON_RULES)], ids=[*DIALECTS, "own grammar"]
)
def test_a_matcher_answers_as_its_model(dialect: str | stentor.Grammar, rules: str | Rules) -> None:
    machine = type("Machine", (_MatcherMachine,), {"dialect": dialect, "judged_by": rules})
    run_state_machine_as_test(machine, settings=settings(max_examples=40, stateful_step_count=40))


ROUNDS, CASES, SIZE = 80, 260, 24
LEAST_CASES = 100_000


@functools.lru_cache(maxsize=100_000)
def _is_match(pattern: str, topic: str, dialect: str) -> bool:
    return oracles.matches(pattern, topic, dialect)


class _Round:
    """A short life of one matcher: operations and lookups in random order, judged by the oracle alone."""

    def __init__(self, rng: random.Random, dialect: str) -> None:
        self._rng = rng
        self._dialect = dialect
        pairs = [generators.random_pair(rng, dialect) for _ in range(SIZE)]
        self._patterns = [pattern for pattern, _ in pairs]
        self._topics = [topic for _, topic in pairs]
        self._matcher = new_matcher(dialect, rng.choice(CAPACITIES))
        self._live: dict[int, tuple[int, str]] = {}
        self._added = 0
        self.cases = 0
        self.matched = 0

    def play(self) -> _Round:
        for _ in range(CASES):
            kind = self._rng.randrange(5)
            if kind == 0 and self._live:
                self._remove(self._rng.choice(list(self._live)))
            elif kind <= 2:
                self._add(self._rng.choice(self._patterns))
            self._look_up(self._rng.choice(self._topics))
        return self

    def _add(self, pattern: str) -> None:
        self._added += 1
        self._live[self._added] = (self._matcher.add(pattern, self._added), pattern)

    def _remove(self, value: int) -> None:
        handle, _ = self._live.pop(value)
        self._matcher.remove(handle)

    def _look_up(self, topic: str) -> None:
        found = [value for value, (_, pattern) in self._live.items() if _is_match(pattern, topic, self._dialect)]
        assert list(self._matcher.match(topic)) == found
        self.cases += 1
        self.matched += bool(found)


def test_100_000_cases_of_operations_and_a_topic_agree_with_the_oracle() -> None:
    rng = random.Random(1977)
    rounds = [_Round(rng, dialect).play() for dialect in DIALECTS for _ in range(ROUNDS)]
    cases, matched = sum(played.cases for played in rounds), sum(played.matched for played in rounds)
    assert cases >= LEAST_CASES
    assert 0.3 <= matched / cases <= 0.9


MANY = 1200
MOST_SHAPES = 64
"""Patterns of further shapes go to the trie."""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_many_patterns_at_once_agree_with_the_oracle(dialect: str) -> None:
    rng = random.Random(1909)
    pairs = [generators.random_pair(rng, dialect) for _ in range(MANY)]
    topics = [topic for _, topic in pairs[:30]]
    matcher = new_matcher(dialect, 0)
    live = {value: (matcher.add(pattern, value), pattern) for value, (pattern, _) in enumerate(pairs)}
    for remaining in (MANY, MANY // 2, 20, 0):
        for value in rng.sample(sorted(live), len(live) - remaining):
            matcher.remove(live.pop(value)[0])
        for topic in topics:
            found = [value for value, (_, pattern) in live.items() if _is_match(pattern, topic, dialect)]
            assert list(matcher.match(topic)) == found
    assert _structure(matcher) == _structure(new_matcher(dialect, 0))


def test_many_patterns_use_every_structure_and_all_the_shapes_that_are_kept() -> None:
    rng = random.Random(1909)
    matcher = new_matcher("mailbox", 0)
    pairs = [generators.random_pair(rng) for _ in range(MANY)]
    for value, (pattern, _) in enumerate(pairs):
        matcher.add(pattern, value)
    structures = {explanation.structure for _, topic in pairs[:200] for explanation in matcher.explain(topic)}
    assert structures == {"exact", "shape", "trie"}
    assert matcher.statistics().shapes == MOST_SHAPES

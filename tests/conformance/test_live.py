"""Stentor against the real brokers, each started for it and asked anew: ``pytest -m live tests/conformance``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import stentor
from tests.conformance.brokers import BROKERS
from tests.conformance.facts import ask
from tests.conformance.questions import corner_question, generated_questions
from tests.judging import pattern_flaw_of, topic_flaw_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.conformance.facts import Block, Broker
    from tests.conformance.questions import Question

pytestmark = pytest.mark.live
QUESTIONS = 40
MANY_QUESTIONS = 1000


@pytest.fixture(scope="module", params=BROKERS)
def dialect(request: pytest.FixtureRequest) -> str:
    """The dialect whose broker is asked."""
    return str(request.param)


@pytest.fixture(scope="module")
def broker(dialect: str) -> Iterator[Broker]:
    """The real broker, running for the tests of one dialect."""
    service, client = BROKERS[dialect]
    with service() as running:
        yield client(running)


def answer(dialect: str, question: Question) -> Block:
    """Answer a question as stentor does."""
    return ask(_Stentor(dialect), question)


class _Stentor:
    """Stentor in the place of a broker."""

    version = "stentor"

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect

    def accept_patterns(self, texts: Sequence[str]) -> list[bool]:
        return [pattern_flaw_of(text, self._dialect) is None for text in texts]

    def accept_topics(self, texts: Sequence[str]) -> list[bool]:
        return [topic_flaw_of(text, self._dialect) is None for text in texts]

    def matches(self, patterns: Sequence[str], topics: Sequence[str]) -> list[list[int]]:
        matcher: stentor.Matcher[int] = stentor.Matcher(self._dialect)
        for place, pattern in enumerate(patterns):
            matcher.add(pattern, place)
        return [list(places) for places in matcher.match_many(topics)]


def test_stentor_answers_the_corners_as_the_broker_does(dialect: str, broker: Broker) -> None:
    question = corner_question(dialect)
    assert answer(dialect, question) == ask(broker, question)


def test_stentor_answers_generated_questions_as_the_broker_does(dialect: str, broker: Broker) -> None:
    pairs = 0
    for question in generated_questions(dialect, QUESTIONS, seed=2026):
        told = ask(broker, question)
        assert answer(dialect, question) == told
        pairs += sum(1 for _ in told.pairs)
    assert pairs > 1000


@pytest.mark.long
def test_stentor_answers_many_generated_questions_as_the_broker_does(dialect: str, broker: Broker) -> None:
    for question in generated_questions(dialect, MANY_QUESTIONS, seed=20_260_601):
        assert answer(dialect, question) == ask(broker, question)

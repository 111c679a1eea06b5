"""Which messages a filter passes, and what it refuses to be made of."""

from __future__ import annotations

import functools
import pickle
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stentor
from stentor._values.filters import MessageFilter, as_filter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from stentor._values.filters import Predicate


def message(payload: object = None, **options: Any) -> stentor.Message:
    return stentor.Message("ai.models", payload, **options)


@dataclass
class Query:
    """An object whose type says how it is written."""

    text: str


class Opaque:
    """An object with no text of its own."""


async def later(_: stentor.Message) -> bool:
    return True


async def many(_: stentor.Message) -> AsyncIterator[bool]:
    yield True


class Later:
    """An object that is called like an async function."""

    async def __call__(self, _: stentor.Message) -> bool:
        """Pass it, some time."""
        return True


def long_payload(received: stentor.Message) -> bool:
    return len(str(received.payload)) > 3


def starts_with_h(received: stentor.Message) -> bool:
    return str(received.payload).startswith("h")


def test_a_filter_without_a_condition_passes_everything() -> None:
    assert MessageFilter().passes(message())
    assert MessageFilter().passes(message(b"x", sender="a", priority=stentor.Priority.LOW))


def test_senders() -> None:
    only = MessageFilter(senders=["a", "b"])
    assert [only.passes(message(sender=sender)) for sender in ("a", "b", "c", None)] == [True, True, False, False]


def test_content_types_are_compared_without_case_and_parameters() -> None:
    only = MessageFilter(content_types=["application/json", "Image/PNG"])
    types = ("application/json", "Application/JSON; charset=utf-8", "image/png", "text/plain", None)
    assert [only.passes(message(content_type=kind)) for kind in types] == [True, True, True, False, False]


def test_min_priority() -> None:
    only = MessageFilter(min_priority=2)
    assert [only.passes(message(priority=priority)) for priority in stentor.Priority] == [False, False, True, True]


@pytest.mark.parametrize(
    "payload",
    [
        "the BUDGET is spent",
        "overbudgeted",
        b"budget",
        bytearray(b"budget"),
        memoryview(b"budget"),
        memoryview(b"b.u.d.g.e.t.")[::2],
        b"\xffbudget\xff",
        {"about": "budget"},
        {"budget": 3},
        MappingProxyType({"about": "budget"}),
        ["x", ["y", ("z", {"budget"})]],
        frozenset({("budget",)}),
        Query("budget"),
        ValueError("budget"),
    ],
)
def test_a_keyword_is_found_in_the_payload(payload: object) -> None:
    assert MessageFilter(keywords=["Budget"]).passes(message(payload))


@pytest.mark.parametrize("payload", [None, "", "budge", ["bud", "get"], {"bud": "get"}, Opaque(), {"a": Opaque()}, []])
def test_a_keyword_is_not_found_where_it_is_not(payload: object) -> None:
    assert not MessageFilter(keywords=["budget"]).passes(message(payload))


def test_one_of_the_keywords_is_enough() -> None:
    some = MessageFilter(keywords=["rise", "fall"])
    assert [some.passes(message(text)) for text in ("they rise", "they fall", "they stay")] == [True, True, False]


def test_a_keyword_is_folded_as_unicode_says() -> None:
    assert MessageFilter(keywords=["STRASSE"]).passes(message("Hauptstraße"))
    assert MessageFilter(keywords=["straße"]).passes(message("HAUPTSTRASSE"))


def test_numbers_are_searched_as_they_are_written() -> None:
    assert MessageFilter(keywords=["42"]).passes(message({"answer": 1420}))
    assert not MessageFilter(keywords=["none"]).passes(message({"answer": None}))


def test_an_object_without_a_text_is_not_searched_by_its_address() -> None:
    assert "0x" in str(Opaque())
    assert not MessageFilter(keywords=["0x", "Opaque"]).passes(message(Opaque()))


def test_a_payload_that_contains_itself_is_searched_once() -> None:
    loop: list[object] = ["x"]
    loop.append({"again": loop})
    assert not MessageFilter(keywords=["budget"]).passes(message(loop))
    loop.append("budget")
    assert MessageFilter(keywords=["budget"]).passes(message(loop))


def test_a_payload_of_any_depth_is_searched() -> None:
    deep: object = "budget"
    for _ in range(100_000):
        deep = [deep]
    assert MessageFilter(keywords=["budget"]).passes(message(deep))
    while isinstance(deep, list):  # taken apart piece by piece: the interpreter's own way of freeing it recurses
        deep = deep[0]


def test_a_predicate_says_by_the_truth_of_its_result() -> None:
    answers = MessageFilter(predicate=lambda received: received.payload)
    assert [answers.passes(message(payload)) for payload in (1, "x", 0, None)] == [True, True, False, False]


def test_a_predicate_is_asked_last() -> None:
    asked: list[stentor.Message] = []

    def ask(received: stentor.Message) -> bool:
        asked.append(received)
        return True

    both = MessageFilter(senders=["a"], keywords=["x"], predicate=ask)
    assert not both.passes(message("x", sender="b"))
    assert not both.passes(message("y", sender="a"))
    assert asked == []
    assert both.passes(message("x", sender="a"))
    assert len(asked) == 1


def test_what_a_predicate_raises_comes_out() -> None:
    with pytest.raises(ZeroDivisionError, match=r"^division by zero$"):
        MessageFilter(predicate=lambda received: 1 / received.priority).passes(message(priority=stentor.Priority.LOW))


def hidden(received: stentor.Message) -> Awaitable[bool]:
    return later(received)


@pytest.mark.parametrize(
    ("predicate", "text"),
    [
        (hidden, "predicate hidden must return a truth value, not coroutine"),  # which is closed: it would warn
        (many, "predicate many must return a truth value, not async_generator"),
    ],
)
def test_a_predicate_whose_result_must_be_awaited_is_refused(predicate: Predicate, text: str) -> None:
    with pytest.raises(TypeError) as caught:
        MessageFilter(predicate=predicate).passes(message())
    assert str(caught.value) == text


def test_conditions_combine() -> None:
    from_a, urgent = MessageFilter(senders=["a"]), MessageFilter(min_priority=stentor.Priority.URGENT)
    cases = [
        message(sender=sender, priority=priority)
        for sender in "ab"
        for priority in (stentor.Priority.LOW, stentor.Priority.URGENT)
    ]
    assert [(from_a & urgent).passes(case) for case in cases] == [False, True, False, False]
    assert [(from_a | urgent).passes(case) for case in cases] == [True, True, False, True]
    assert [(~from_a).passes(case) for case in cases] == [False, False, True, True]


def test_a_combination_asks_the_second_only_where_it_matters() -> None:
    asked: list[stentor.Message] = []
    second = MessageFilter(predicate=asked.append)
    (MessageFilter(senders=["a"]) & second).passes(message(sender="b"))
    (MessageFilter(senders=["a"]) | second).passes(message(sender="a"))
    assert asked == []


texts = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=2)
filters = st.builds(MessageFilter, senders=texts, keywords=texts, min_priority=st.sampled_from(stentor.Priority))
messages = st.builds(
    message,
    st.sampled_from(["a", "b", "ab", "c"]),
    sender=st.sampled_from(["a", "b", "c", None]),
    priority=st.sampled_from(stentor.Priority),
)


@given(filters, filters, messages)
def test_combinations_are_those_of_logic(one: MessageFilter, other: MessageFilter, case: stentor.Message) -> None:
    assert (one & other).passes(case) is (one.passes(case) and other.passes(case))
    assert (one | other).passes(case) is (one.passes(case) or other.passes(case))
    assert (~one).passes(case) is not one.passes(case)
    assert (~(one & other)).passes(case) is (~one | ~other).passes(case)


def test_a_filter_combines_with_filters_only() -> None:
    with pytest.raises(TypeError):
        _ = MessageFilter() & long_payload
    with pytest.raises(TypeError):
        _ = MessageFilter() | 3


def test_filters_are_values() -> None:
    some = MessageFilter(senders=["a"], keywords=["X"], predicate=long_payload)
    same = MessageFilter(senders={"a"}, keywords=("x",), predicate=long_payload)
    assert some == same
    assert (some & ~some) == (same & ~same)
    assert hash(some | same) == hash(same | some)
    assert pickle.loads(pickle.dumps(some & ~same)) == some & ~same  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"senders": "a"}, TypeError, "senders must be a collection of strings, not a single str"),
        ({"senders": 3}, TypeError, "senders must be a collection of strings, not int"),
        ({"senders": ["a", 3]}, TypeError, "senders must hold strings only, not int"),
        ({"senders": [["a"]]}, TypeError, "senders must hold strings only, not list"),
        ({"senders": []}, ValueError, "senders must name at least one, or be None for any"),
        ({"content_types": ()}, ValueError, "content_types must name at least one, or be None for any"),
        (
            {"content_types": ["json"]},
            ValueError,
            "content_types must be a ContentType or a media type such as 'image/png', not 'json'",
        ),
        (
            {"min_priority": 7},
            ValueError,
            "min_priority must be one of Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.URGENT, not 7",
        ),
        ({"keywords": ["x", ""]}, ValueError, "keywords must not hold the empty text, which occurs everywhere"),
        ({"keywords": []}, ValueError, "keywords must name at least one, or be None for any"),
        ({"predicate": 3}, TypeError, "predicate must be a plain function of the message, not int"),
        (
            {"predicate": later},
            TypeError,
            "predicate must be a plain function of the message, not the async function later",
        ),
    ],
)
def test_a_wrong_condition_is_refused(options: dict[str, Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        MessageFilter(**options)
    assert str(caught.value) == text


def test_an_option_filter_takes_a_filter_or_a_predicate() -> None:
    some = MessageFilter(senders=["a"])
    assert as_filter(None) is None
    assert as_filter(some) is some
    assert as_filter(starts_with_h) == MessageFilter(predicate=starts_with_h)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "filter must be a MessageFilter or a plain function of the message, not int"),
        (later, "filter must be a MessageFilter or a plain function of the message, not the async function later"),
        (Later(), "filter must be a MessageFilter or a plain function of the message, not the async function Later"),
        (
            functools.partial(later),
            "filter must be a MessageFilter or a plain function of the message, not the async function partial",
        ),
    ],
)
def test_what_is_no_filter_is_refused(value: object, text: str) -> None:
    with pytest.raises(TypeError) as caught:
        as_filter(value)
    assert str(caught.value) == text

"""What a payload is said to be is checked, and the size of a message is limited where one asks for it."""

from __future__ import annotations

import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor._values.content import ContentType, MessageLimits, check_message, media_type

NO_LIMITS = MessageLimits(max_headers=None, max_header_bytes=None)

LOOP: list[object] = []
LOOP.append(LOOP)


class Unread(dict[str, object]):
    """A payload that nobody may look at."""

    def __iter__(self) -> Any:
        pytest.fail("somebody looked at the payload")

    def items(self) -> Any:
        """Fail."""
        pytest.fail("somebody looked at the payload")


def check(payload: object, content_type: str | None = None, limits: MessageLimits = NO_LIMITS) -> None:
    check_message("ai.models", payload, content_type, {}, limits)


@pytest.mark.parametrize(
    ("content_type", "payload"),
    [
        (ContentType.TEXT, ""),
        (ContentType.TEXT, "hello"),
        ("text/plain; charset=utf-8", "hello"),
        (ContentType.CODE, "print()"),
        (ContentType.MARKDOWN, "# hello"),
        (ContentType.BINARY, b""),
        (ContentType.BINARY, bytearray(b"x")),
        (ContentType.BINARY, memoryview(b"xyz")[::2]),
        (ContentType.BINARY, array.array("d", [1.0])),
        (ContentType.JSON, {"a": [1, 2.5, None, True, "x"]}),
        (ContentType.JSON, None),
        (ContentType.JSON, '{"a": 1}'),
        (ContentType.JSON, '"text"'),
        (ContentType.JSON, b'["\xc3\xa9"]'),
        (ContentType.JSON, memoryview(b"[.1.]")[::2]),
        ("Application/JSON", {}),
        ("image/png", 3),
        ("application/vnd.mine+json", "not checked"),
        (None, object()),
    ],
)
def test_a_payload_that_is_what_it_is_said_to_be(content_type: str | None, payload: object) -> None:
    check(payload, content_type)


@pytest.mark.parametrize(
    ("content_type", "payload", "kind", "text"),
    [
        (
            ContentType.TEXT,
            b"x",
            TypeError,
            "payload must be a str for content type 'text/plain', not bytes",
        ),
        (
            "Text/Plain; charset=utf-8",
            3,
            TypeError,
            "payload must be a str for content type 'Text/Plain; charset=utf-8', not int",
        ),
        (ContentType.CODE, None, TypeError, "payload must be a str for content type 'text/x-code', not NoneType"),
        (ContentType.MARKDOWN, [], TypeError, "payload must be a str for content type 'text/markdown', not list"),
        (
            ContentType.BINARY,
            "x",
            TypeError,
            "payload must be bytes-like for content type 'application/octet-stream', not str",
        ),
        (
            ContentType.JSON,
            "hello",
            ValueError,
            (
                "payload must be JSON text for content type 'application/json', but "
                "Expecting value: line 1 column 1 (char 0)"
            ),
        ),
        (
            ContentType.JSON,
            b"\xff",
            ValueError,
            (
                "payload must be JSON text for content type 'application/json', but "
                "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"
            ),
        ),
        (
            ContentType.JSON,
            "[NaN]",
            ValueError,
            "payload must be JSON text for content type 'application/json', but NaN is no JSON",
        ),
        (
            ContentType.JSON,
            {"a": {1, 2}},
            TypeError,
            (
                "payload must be something with a JSON form for content type 'application/json', but "
                "Object of type set is not JSON serializable"
            ),
        ),
        (
            ContentType.JSON,
            LOOP,
            ValueError,
            (
                "payload must be something with a JSON form for content type 'application/json', but "
                "Circular reference detected"
            ),
        ),
        (
            "json",
            {},
            ValueError,
            "content_type must be a ContentType or a media type such as 'image/png', not 'json'",
        ),
        ("", {}, ValueError, "content_type must be a ContentType or a media type such as 'image/png', not ''"),
        (
            "a/b c",
            {},
            ValueError,
            "content_type must be a ContentType or a media type such as 'image/png', not 'a/b c'",
        ),
    ],
)
def test_a_payload_that_is_not_what_it_is_said_to_be(
    content_type: str, payload: object, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        check(payload, content_type)
    assert str(caught.value) == text


def test_a_number_that_json_does_not_have_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^payload must be something with a JSON form for content type 'app.*, but Out "
    ):
        check({"a": float("nan")}, ContentType.JSON)


@pytest.mark.parametrize("payload", ["[" * 100_000, b"[" * 100_000])
def test_json_of_absurd_depth_is_refused(payload: object) -> None:
    with pytest.raises(ValueError, match=r"^payload must be JSON text for content type 'application/json', but "):
        check(payload, ContentType.JSON)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values.filter(lambda value: not isinstance(value, str)))
def test_every_json_value_passes(value: object) -> None:
    check(value, ContentType.JSON)


def test_nothing_is_looked_at_while_nothing_is_declared_or_limited() -> None:
    check(Unread(), None, MessageLimits())
    check(Unread(), "image/png", MessageLimits())
    with pytest.raises(pytest.fail.Exception, match="somebody looked"):
        check(Unread(a=1), None, MessageLimits(max_payload_bytes=10))


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        (None, 0),
        ("", 0),
        ("hello", 5),
        ("é", 2),
        ("\ud800", 3),
        (b"hello", 5),
        (memoryview(b"hello")[::2], 3),
        (array.array("d", [1.0, 2.0]), 16),
        ([1, 2, "é"], 14),
        ({"a": [1, 2]}, 11),
        (True, 4),
    ],
)
def test_the_size_of_a_payload(payload: object, size: int) -> None:
    check(payload, None, MessageLimits(max_payload_bytes=size))
    if size:
        with pytest.raises(ValueError, match=r"^payload must be at most") as caught:
            check(payload, None, MessageLimits(max_payload_bytes=size - 1))
        assert str(caught.value) == f"payload must be at most {size - 1} bytes (max_payload_bytes), not {size}"


def test_a_payload_without_a_size_is_refused_where_that_is_limited() -> None:
    check(object())
    with pytest.raises(TypeError) as caught:
        check(object(), None, MessageLimits(max_total_bytes=1000))
    assert str(caught.value) == (
        "payload must be text, bytes-like or have a JSON form, so that its size can be limited, but "
        "Object of type object is not JSON serializable"
    )


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"max_headers": 1}, "headers must hold at most 1 entries (max_headers), not 2"),
        ({"max_header_bytes": 8}, "headers must be at most 8 bytes (max_header_bytes), not 9"),
        (
            {"max_total_bytes": 15},
            "topic, payload and headers together must be at most 15 bytes (max_total_bytes), not 16",
        ),
    ],
)
def test_headers_and_the_whole_are_limited(limits: dict[str, int], text: str) -> None:
    headers = {"né": "ab", "cd": "ef"}  # 9 bytes, and 3 + 4 more
    with pytest.raises(ValueError, match=r"at most") as caught:
        check_message("a.b", "four", None, headers, MessageLimits(**limits))
    assert str(caught.value) == text
    raised_by_one = MessageLimits(**{name: limit + 1 for name, limit in limits.items()})
    check_message("a.b", "four", None, headers, raised_by_one)


def test_a_message_without_headers_is_as_big_as_its_topic_and_payload() -> None:
    check_message("a.b", "four", None, {}, MessageLimits(max_total_bytes=7))


def test_headers_are_limited_unless_one_says_otherwise() -> None:
    many = {f"h{number}": "" for number in range(129)}
    with pytest.raises(ValueError, match=r"^headers must hold at most 128 entries \(max_headers\), not 129$"):
        check_message("a", None, None, many, MessageLimits())
    big = {"h": "x" * 65_536}
    with pytest.raises(ValueError, match=r"^headers must be at most 65536 bytes \(max_header_bytes\), not 65537$"):
        check_message("a", None, None, big, MessageLimits())
    check_message("a", None, None, many | big, NO_LIMITS)


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"max_payload_bytes": -1}, ValueError, "max_payload_bytes must be >= 0, not -1"),
        ({"max_headers": 1.5}, TypeError, "max_headers must be an int, not float"),
        ({"max_header_bytes": True}, TypeError, "max_header_bytes must be an int, not bool"),
        ({"max_total_bytes": "1"}, TypeError, "max_total_bytes must be an int, not str"),
    ],
)
def test_a_wrong_limit_is_refused(options: dict[str, Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as caught:
        MessageLimits(**options)
    assert str(caught.value) == text


def test_a_content_type_is_its_media_type() -> None:
    assert {member.value for member in ContentType} == {media_type("x", member) for member in ContentType}

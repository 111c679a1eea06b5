"""`Pattern`, `Grammar`, `Dialect` and `validate_topic` as values: what they mean, say, compare, refuse and pickle."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import stentor
from stentor import Dialect, Grammar, Pattern, validate_topic

if TYPE_CHECKING:
    from collections.abc import Callable

COLONS = Grammar(":", single="+", multi="...")

MATCHING = [
    ("mailbox", "ai.models.*", "ai.models.gpt4", True),
    ("mailbox", "ai.models.*", "ai.models.gpt4.turbo", False),
    ("mailbox", "ai.**", "ai", True),
    ("mailbox", "ai.**", "ai.models.gpt4.turbo", True),
    ("mailbox", "**.a.**.b", "x.a.b.y.b", True),
    ("mailbox", "gpt*", "gpt", True),
    ("mailbox", "v?", "v😀", True),
    ("mailbox", "v?", "V1", False),
    ("mailbox", "[ab]x", "bx", True),
    ("mailbox", "[a-c]", "d", False),
    ("mailbox", "[!a]", "b", True),
    ("mailbox", "*", "any.depth.at.all", True),
    ("mailbox", "?*", "any.depth", False),
    ("mqtt", "sport/#", "sport", True),
    ("mqtt", "+/+", "/", True),
    ("mqtt", "#", "$SYS/uptime", False),
    ("mqtt", "+/uptime", "$SYS/uptime", False),
    ("mqtt", "$SYS/+", "$SYS/uptime", True),
    ("mqtt", "a/*", "a/b", False),
    ("nats", "foo.>", "foo", False),
    ("nats", "foo.>", "foo.a.b", True),
    ("nats", "foo*", "foo*", True),
    ("nats", "foo*", "foobar", False),
    ("amqp", "#", "", True),
    ("amqp", "*", "", False),
    ("amqp", "a.#.b", "a..b", True),
    ("amqp", "#.a.#.b.#", "x.a.b", True),
    ("amqp", "a.*", "a.#", True),
    ("redis", "*", "", False),
    ("redis", "", "", True),
    ("redis", "h?llo", "héllo", False),
    ("redis", "h??llo", "héllo", True),
    ("redis", "h[^e]llo", "hallo", True),
    ("redis", "[ab", "b", True),
    ("redis", "a\\*", "a*", True),
    ("redis", "news.*", "news.a.b", True),
    (COLONS, "ai:...:error", "ai:error", True),
    (COLONS, "ai:+:error", "ai:x.y:error", True),
    (COLONS, "ai:+", "ai:x:y", False),
]


@pytest.mark.parametrize(("dialect", "pattern", "topic", "expected"), MATCHING)
def test_a_pattern_matches_as_its_dialect_says(
    dialect: str | Grammar, pattern: str, topic: str, *, expected: bool
) -> None:
    assert Pattern(pattern, dialect).matches(topic) is expected


def text_of_error(kind: type[Exception], attempt: Callable[[], object]) -> str:
    """Return the text of the error that an attempt raises, which is of exactly this kind."""
    with pytest.raises(kind) as caught:
        attempt()
    assert type(caught.value) is kind
    return str(caught.value)


REFUSED_PATTERNS = [
    ("mailbox", "", "invalid pattern '' at offset 0: empty segment"),
    ("mailbox", "a..b", "invalid pattern 'a..b' at offset 2: empty segment"),
    ("mailbox", "é.", "invalid pattern 'é.' at offset 2: empty segment"),
    ("mailbox", "a.b**", "invalid pattern 'a.b**' at offset 3: '**' must be a whole segment"),
    ("mailbox", "a]", "invalid pattern 'a]' at offset 1: stray ']'"),
    ("mailbox", "é.[a", "invalid pattern 'é.[a' at offset 2: unclosed '['"),
    ("mailbox", "[]", "invalid pattern '[]' at offset 0: empty brackets"),
    ("mailbox", "[c-a]", "invalid pattern '[c-a]' at offset 1: reversed range 'c-a'"),
    ("mailbox", "[^a]", "invalid pattern '[^a]' at offset 1: '[^' does not negate, '[!' does"),
    ("mailbox", "[a-]", "invalid pattern '[a-]' at offset 2: loose '-' inside brackets"),
    ("mailbox", "[[a]", "invalid pattern '[[a]' at offset 1: '[' inside brackets"),
    ("mailbox", "a.\ud800", "invalid pattern 'a.\\ud800' at offset 2: lone surrogate U+D800"),
    ("mqtt", "", "invalid pattern '' at offset 0: empty text"),
    ("mqtt", "a/#/b", "invalid pattern 'a/#/b' at offset 2: '#' must be the last segment"),
    ("mqtt", "a/b+", "invalid pattern 'a/b+' at offset 3: '+' must be a whole segment"),
    ("mqtt", "a\0", "invalid pattern 'a\\x00' at offset 1: forbidden character U+0000"),
    ("nats", ">.a", "invalid pattern '>.a' at offset 0: '>' must be the last segment"),
    ("nats", "a b", "invalid pattern 'a b' at offset 1: forbidden character U+0020"),
    ("amqp", "é" * 127 + "ab", f"invalid pattern '{'é' * 127}ab' at offset 128: more than 255 bytes (max_bytes)"),
    ("redis", "a*" * 65, f"invalid pattern '{'a*' * 65}' at offset 129: more than 64 stars (max_multi)"),
    (COLONS, "a:b...", "invalid pattern 'a:b...' at offset 3: '...' must be a whole segment"),
]


@pytest.mark.parametrize(("dialect", "text", "message"), REFUSED_PATTERNS)
def test_a_refused_pattern_says_where_and_why(dialect: str | Grammar, text: str, message: str) -> None:
    assert text_of_error(stentor.InvalidPatternError, lambda: Pattern(text, dialect)) == message


REFUSED_TOPICS = [
    ("mailbox", "a.*", "invalid topic 'a.*' at offset 2: a topic cannot hold '*'"),
    ("mailbox", "a?", "invalid topic 'a?' at offset 1: a topic cannot hold '?'"),
    ("mailbox", "[", "invalid topic '[' at offset 0: a topic cannot hold '['"),
    ("mailbox", ".a", "invalid topic '.a' at offset 0: empty segment"),
    ("mailbox", "\udfff", "invalid topic '\\udfff' at offset 0: lone surrogate U+DFFF"),
    ("mqtt", "a/+", "invalid topic 'a/+' at offset 2: a topic cannot hold '+'"),
    ("nats", "a.>", "invalid topic 'a.>' at offset 2: a topic cannot hold '>'"),
    ("nats", "a.b\n", "invalid topic 'a.b\\n' at offset 3: forbidden character U+000A"),
    (COLONS, "a:b...c", "invalid topic 'a:b...c' at offset 3: a topic cannot hold '...'"),
]


@pytest.mark.parametrize(("dialect", "text", "message"), REFUSED_TOPICS)
def test_a_refused_topic_says_where_and_why(dialect: str | Grammar, text: str, message: str) -> None:
    assert text_of_error(stentor.InvalidTopicError, lambda: validate_topic(text, dialect)) == message
    assert text_of_error(stentor.InvalidTopicError, lambda: Pattern("a", dialect).matches(text)) == message


def test_an_error_holds_text_offset_and_reason_and_pickles() -> None:
    with pytest.raises(stentor.InvalidPatternError) as caught:
        Pattern("é..b")
    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 -- pickled in this line
    assert (error.text, error.offset, error.reason) == ("é..b", 2, "empty segment")
    assert str(error) == str(caught.value)
    assert isinstance(error, ValueError)


def test_an_error_shows_the_head_of_a_long_text_only() -> None:
    text = "a" * 5000
    with pytest.raises(stentor.InvalidTopicError) as caught:
        validate_topic(text)
    assert caught.value.text == text
    shown = f"'{'a' * 200}'..."
    assert str(caught.value) == f"invalid topic {shown} at offset 4096: more than 4096 bytes (max_bytes)"


WRONG_TYPES: list[tuple[Callable[[], Any], str]] = [
    (lambda: Pattern(3), "text must be str, not int"),  # type: ignore[arg-type]
    (lambda: Pattern(b"a"), "text must be str, not bytes"),  # type: ignore[arg-type]
    (lambda: Pattern("a").matches(None), "topic must be str, not NoneType"),  # type: ignore[arg-type]
    (lambda: Pattern("a").includes("a"), "other must be a Pattern, not str"),  # type: ignore[arg-type]
    (lambda: Pattern("a").overlaps(1), "other must be a Pattern, not int"),  # type: ignore[arg-type]
    (lambda: validate_topic(1.5), "text must be str, not float"),  # type: ignore[arg-type]
    (lambda: Pattern("a", None), "dialect must be a Dialect, its value or a Grammar, not NoneType"),  # type: ignore[arg-type]
    (lambda: validate_topic("a", 1), "dialect must be a Dialect, its value or a Grammar, not int"),  # type: ignore[arg-type]
    (lambda: Grammar.of(2), "dialect must be a Dialect, its value or a Grammar, not int"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("attempt", "message"), WRONG_TYPES)
def test_an_argument_of_a_wrong_type_is_named(attempt: Callable[[], Any], message: str) -> None:
    assert text_of_error(TypeError, attempt) == message


KNOWN = "dialect must be one of 'mailbox', 'mqtt', 'nats', 'amqp', 'redis'"
WRONG_VALUES: list[tuple[Callable[[], Any], str]] = [
    (lambda: Pattern("a", "MQTT"), f"{KNOWN}, not 'MQTT'"),
    (lambda: Pattern("a").includes(Pattern("a", "nats")), "other must be a pattern of the same dialect"),
    (lambda: Pattern("a").overlaps(Pattern("a", COLONS)), "other must be a pattern of the same dialect"),
    (lambda: Grammar("::", single="*", multi="#"), "separator must be one ASCII character, not '::'"),
    (lambda: Grammar("é", single="*", multi="#"), "separator must be one ASCII character, not 'é'"),
    (lambda: Grammar("/", single="*", multi="*"), "multi must differ from single, '*'"),
    (lambda: Grammar("/", single="", multi="*"), "single must not be empty"),
    (lambda: Grammar("/", single="a/b", multi="*"), "single must not hold the separator '/', not 'a/b'"),
    (lambda: Grammar("/", single="+", multi="#", multi_min=2), "multi_min must be 0 or 1, not 2"),
    (lambda: Grammar("/", single="+", multi="#", multi_min=-1), "multi_min must be >= 0, not -1"),
    (
        lambda: Grammar("/", single="+", multi="#", wildcard_text="here"),  # type: ignore[arg-type]
        "wildcard_text must be 'nowhere', 'inside' or 'topics', not 'here'",
    ),
    (lambda: Grammar.of("mqtt", max_segments=0), "max_segments must be >= 1, not 0"),
    (lambda: Grammar.of("mqtt", max_bytes=-3), "max_bytes must be >= 1, not -3"),
]


@pytest.mark.parametrize(("attempt", "message"), WRONG_VALUES)
def test_an_argument_of_a_wrong_value_is_named(attempt: Callable[[], Any], message: str) -> None:
    assert text_of_error(ValueError, attempt) == message


@pytest.mark.parametrize("dialect", Dialect)
def test_a_dialect_is_a_member_a_value_or_its_grammar(dialect: Dialect) -> None:
    patterns = [Pattern("a", given) for given in (dialect, dialect.value, Grammar.of(dialect))]
    assert [pattern.dialect for pattern in patterns] == [dialect] * 3
    assert len(set(patterns)) == 1
    assert validate_topic("a", dialect) == "a"


def test_a_pattern_is_a_value() -> None:
    pattern = Pattern("ai.*", "nats")
    assert pattern == Pattern("ai.*", Dialect.NATS)
    assert hash(pattern) == hash(Pattern("ai.*", Dialect.NATS))
    assert pattern not in {Pattern("ai.*"), Pattern("ai.>", "nats")}
    assert pattern != "ai.*"
    assert (pattern.text, pattern.is_exact, Pattern("ai").is_exact) == ("ai.*", False, True)
    with pytest.raises(AttributeError):
        pattern.text = "b"  # type: ignore[misc]


VALUES = [
    (Pattern("ai.*"), "Pattern('ai.*')"),
    (Pattern("it's/#", "mqtt"), "Pattern(\"it's/#\", 'mqtt')"),
    (Pattern("a:...", COLONS), "Pattern('a:...', Grammar(':', single='+', multi='...'))"),
    (COLONS, "Grammar(':', single='+', multi='...')"),
    (Grammar.of("redis"), "Grammar.of('redis')"),
    (Grammar.of("redis", max_multi=3), "Grammar.of('redis', max_multi=3)"),
    (Grammar.of("mqtt", max_bytes=9, max_segments=2), "Grammar.of('mqtt', max_segments=2, max_bytes=9)"),
    (
        Grammar(
            "/", single="+", multi="#", multi_min=1, multi_anywhere=False, empty_segments=True, empty_topic=True,
            globs=True, hidden_prefix="$", global_pattern="all", wildcard_text="inside", forbidden="\0 ", max_multi=2,
        ),
        (
            "Grammar('/', single='+', multi='#', multi_min=1, multi_anywhere=False, empty_segments=True, "
            "empty_topic=True, globs=True, hidden_prefix='$', global_pattern='all', wildcard_text='inside', "
            "forbidden='\\x00 ', max_multi=2)"
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("value", "shown"), VALUES)
def test_a_value_shows_how_it_is_made_and_can_be_copied(value: Pattern | Grammar, shown: str) -> None:
    assert repr(value) == shown
    assert eval(shown, {"Pattern": Pattern, "Grammar": Grammar}) == value  # noqa: S307 -- the text is this test's own
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        loaded = pickle.loads(pickle.dumps(value, protocol))  # noqa: S301 -- pickled in this line
        assert loaded == value
        assert hash(loaded) == hash(value)
    assert copy.deepcopy(value) == value


def test_a_grammar_tells_its_parts() -> None:
    mqtt, redis = Grammar.of("mqtt"), Grammar.of("redis", max_bytes=10)
    assert (mqtt.separator, mqtt.single, mqtt.multi, mqtt.hidden_prefix) == ("/", "+", "#", "$")
    assert (mqtt.max_segments, mqtt.max_bytes, mqtt.max_multi) == (256, 65_535, 8)
    assert (redis.separator, redis.single, redis.multi, redis.hidden_prefix) == (None, None, None, None)
    assert (redis.max_bytes, redis.max_multi) == (10, 64)
    assert Pattern("a", redis).dialect == redis


CANONICAL = [
    ("mailbox", ["*", "**", "*.**", "**.*", "**.**", "**.*.**"], "**"),
    ("mailbox", ["a.**.*", "a.*.**", "a.**.*.**"], "a.*.**"),
    ("mailbox", ["**.*.*"], "*.*.**"),
    ("mailbox", ["?*"], "?*"),
    ("mqtt", ["#", "+/#"], "#"),
    ("nats", [">"], ">"),
    ("nats", ["*.>"], "*.>"),
    ("amqp", ["#.*", "*.#", "#.*.#"], "*.#"),
    ("amqp", ["#", "#.#"], "#"),
    ("redis", ["a**"], "a**"),
    (COLONS, ["...:+:...", "+:..."], "..."),
]


@pytest.mark.parametrize(("dialect", "texts", "canonical"), CANONICAL)
def test_runs_of_wildcards_have_one_canonical_form(dialect: str | Grammar, texts: list[str], canonical: str) -> None:
    assert [Pattern(text, dialect).canonical for text in texts] == [canonical] * len(texts)


RELATED = [
    ("mailbox", "ai.**", "ai.*.gpt[34]", True, True),
    ("mailbox", "*", "a.b.?", True, True),
    ("mailbox", "a.*", "a.**", False, True),
    ("mailbox", "v?", "v[!0-9]*x", False, False),
    ("mailbox", "[a-z]", "[a-cx-z]", True, True),
    ("mailbox", "[!*]", "?", True, True),
    ("mqtt", "#", "$SYS/#", False, False),
    ("mqtt", "/+/#", "/#", True, True),
    ("nats", ">", "*", True, True),
    ("amqp", "*.#", "#", False, True),
    ("amqp", "*.#.", "#.", True, True),
    ("amqp", "*", "#.", False, False),
    ("redis", "[a-z]*", "ab*c", True, True),
    ("redis", "?", "é", False, False),
    ("redis", "[^a]", "?", False, True),
    (COLONS, "...", "a:+", True, True),
]


@pytest.mark.parametrize(("dialect", "one", "other", "includes", "overlaps"), RELATED)
def test_patterns_are_compared_exactly(
    dialect: str | Grammar, one: str, other: str, *, includes: bool, overlaps: bool
) -> None:
    first, second = Pattern(one, dialect), Pattern(other, dialect)
    assert first.includes(second) is includes
    assert first.overlaps(second) is overlaps
    assert second.overlaps(first) is overlaps


def test_a_comparison_that_takes_too_long_raises() -> None:
    one = Pattern("*[ab]" + "?[^a]" * 10_000 + "a", "redis")
    two = Pattern("*[bc]" + "?[^b]" * 10_000 + "b", "redis")
    message = "comparing these patterns takes more than 4000000 steps"
    assert text_of_error(stentor.LimitError, lambda: one.includes(two)) == message
    assert text_of_error(stentor.LimitError, lambda: one.overlaps(two)) == message


def test_a_text_may_be_of_a_subclass_of_str() -> None:
    class Name(str):
        __slots__ = ()

    name = Name("a.b")
    assert validate_topic(name) is name
    assert Pattern(Name("a.*")).matches(name)

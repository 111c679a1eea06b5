"""What generated topics and patterns are made of, dialect by dialect.

Few words, so that independent texts meet; words of several bytes a character, words that start alike, a hidden
one, and the wildcards of the other dialects, which are plain text here.
"""

from __future__ import annotations

import dataclasses
import functools

from stentor import Dialect, Grammar, InvalidPatternError, InvalidTopicError, Pattern, validate_topic

_WORDS = ("a", "b", "c", "ab", "abc", "A", "gpt4", "gpt4o", "é", "日本", "x😀", "$a", "a-c", "!", "^")


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The parts of one dialect with segments."""

    separator: str
    single: str
    multi: str
    words: tuple[str, ...]
    """Segments that are plain text in topics and in patterns."""
    flaws: tuple[str, ...]
    """Segments that no topic and no pattern may hold."""
    topic_flaws: tuple[str, ...] = ()
    """Segments that no topic may hold."""
    pattern_flaws: tuple[str, ...] = ()
    """Segments that no pattern may hold."""
    topic_words: tuple[str, ...] = ()
    """Segments that are plain text in topics, and wildcards in patterns."""
    multi_at_least: int = 0
    multi_anywhere: bool = True
    empty_segments: bool = False
    empty_text: bool = False
    globs: bool = False
    max_bytes: int = 4096
    max_segments: int = 256
    max_multi: int = 8


SURROGATE = "a\ud800"

MAILBOX = Vocabulary(
    ".",
    "*",
    "**",
    words=(*_WORDS, "#", "+", ">", "a/b", "a>", "\\"),
    flaws=("", "]", "a]b", "[", "a[", SURROGATE),
    topic_flaws=("*", "**", "?", "a*", "?b", "[a]"),
    pattern_flaws=("a**", "**b", "***", "[]", "[!]", "[^a]", "[b-a]", "[a-]", "[-a]", "[[a]", "[a[b]", "*[", "?]"),
    globs=True,
)
MQTT = Vocabulary(
    "/",
    "+",
    "#",
    words=(*_WORDS, "*", "**", ">", "a.b", "[a]", "a*", "?", "$"),
    flaws=("a+", "+a", "a#b", "#a", "++", "##", "\x00", "a\x1f", "\x7fa", "\x9f", "\ufdd0", "\uffff", SURROGATE),
    topic_flaws=("+", "#"),
    multi_anywhere=False,
    empty_segments=True,
    max_bytes=65535,
)
NATS = Vocabulary(
    ".",
    "*",
    ">",
    words=(*_WORDS, "#", "+", "**", ">>", "a*", "*a", "a>", "[a]", "a/b", "\x01", "\ufffe"),
    flaws=("", " ", "a b", "\ta", "a\r", "\n", SURROGATE),
    topic_flaws=("*", ">"),
    multi_at_least=1,
    multi_anywhere=False,
)
AMQP = Vocabulary(
    ".",
    "*",
    "#",
    words=(*_WORDS, "+", ">", "**", "a*", "#a", "##", "[a]", "a/b", " ", "\x00"),
    flaws=(SURROGATE,),
    topic_words=("*", "#"),
    empty_segments=True,
    empty_text=True,
    max_bytes=255,
)
VOCABULARIES = {"mailbox": MAILBOX, "mqtt": MQTT, "nats": NATS, "amqp": AMQP}

REDIS_LETTERS = ("a", "b", "c", "d", "ab", ".", "-", "é", "日", "😀", "]", "^", "!")
REDIS_ESCAPES = ("\\*", "\\?", "\\[", "\\\\", "\\]", "\\a", "\\é")
REDIS_CLASSES = (
    "[abc]",
    "[a-c]",
    "[c-a]",
    "[^a]",
    "[^a-c]",
    "[\\]a]",
    "[\\^a]",
    "[a^]",
    "[-a]",
    "[a-]]",
    "[é]",
    "[a-é]",
    "[^é]",
    "[]",
    "[^]",
    "[!a]",
    "[*?]",
    "[[]",
)
REDIS_OPEN_CLASSES = ("[", "[^", "[a", "[a-", "[a-c", "[^a", "[^a-", "[\\", "[\\]", "[a\\")
REDIS_MAX_BYTES = 65535
REDIS_MAX_STARS = 64


def vocabulary_of(dialect: Dialect | str | Grammar) -> Vocabulary | None:
    """Return the parts of a dialect or of a grammar; None for ``redis``, which has no segments."""
    if isinstance(dialect, Grammar):
        return _vocabulary_of_grammar(dialect)
    name = Dialect(dialect).value
    return None if name == "redis" else VOCABULARIES[name]


@functools.lru_cache(maxsize=64)
def _vocabulary_of_grammar(grammar: Grammar) -> Vocabulary | None:
    """Find out what a grammar takes by asking it."""
    separator, single, multi = grammar.separator, grammar.single, grammar.multi
    if separator is None or single is None or multi is None:
        return None
    candidates = [*_WORDS, *(word for known in VOCABULARIES.values() for word in (*known.words, *known.topic_flaws))]
    candidates += [f"a{single}", f"{multi}b", single, multi, ""]
    texts = [text for text in dict.fromkeys(candidates) if separator not in text]
    as_topic = {text: _is_topic(f"a{separator}{text}", grammar) for text in texts}
    as_pattern = {text: _is_pattern(f"a{separator}{text}", grammar) for text in texts}
    plain = [text for text in texts if as_topic[text] and as_pattern[text] and _is_exact(text, grammar)]
    at_least_one = not Pattern(f"a{separator}{multi}", grammar).matches("a")
    return Vocabulary(
        separator,
        single,
        multi,
        words=tuple(plain),
        flaws=(SURROGATE, *(text for text in texts if not as_topic[text] and not as_pattern[text])),
        topic_flaws=tuple(text for text in texts if not as_topic[text] and as_pattern[text]),
        pattern_flaws=tuple(text for text in texts if as_topic[text] and not as_pattern[text]),
        topic_words=tuple(text for text in (single, multi) if as_topic[text]),
        multi_at_least=1 if at_least_one else 0,
        multi_anywhere=grammar.max_multi > 1 and _is_pattern(f"{multi}{separator}a", grammar),
        empty_segments=as_topic[""],
        empty_text=_is_topic("", grammar),
        globs=_is_pattern("a?", grammar) and Pattern("a?", grammar).matches("ab"),
        max_bytes=grammar.max_bytes,
        max_segments=grammar.max_segments,
        max_multi=grammar.max_multi,
    )


def _is_topic(text: str, grammar: Grammar) -> bool:
    try:
        validate_topic(text, grammar)
    except InvalidTopicError:
        return False
    return True


def _is_pattern(text: str, grammar: Grammar) -> bool:
    try:
        Pattern(text, grammar)
    except InvalidPatternError:
        return False
    return True


def _is_exact(text: str, grammar: Grammar) -> bool:
    return text != "" and Pattern(text, grammar).is_exact

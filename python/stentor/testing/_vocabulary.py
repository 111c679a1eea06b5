"""What generated topics and patterns are made of, dialect by dialect.

Few words, so that independent texts meet; words of several bytes a character, words that start alike, a hidden
one, and the wildcards of the other dialects, which are plain text here.
"""

from __future__ import annotations

import dataclasses

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
MAX_SEGMENTS = 256
MAX_MULTI = 8

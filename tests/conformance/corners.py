"""Texts that every broker is asked about, besides the generated ones: the corners of each dialect."""

from __future__ import annotations

from typing import NamedTuple


class Corners(NamedTuple):
    """Texts for one dialect; each pattern that is accepted meets each topic that is accepted."""

    patterns: tuple[str, ...]
    topics: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ODD_CHARACTERS = (
    *("\x00", "\x01", "\x08", "\x0b", "\x0c", "\x1f", "\x7f", "\x80", "\x9f", "\xa0", "\u2028", "\ufdd0", "\ufdef"),
    *(
        "\ufdf0",
        "\ufeff",
        "\ufffd",
        "\ufffe",
        "\uffff",
        "\U0001fffe",
        "\U0010ffff",
        "\ue000",
        "\U0001f600",
        "é",
        "e\u0301",
    ),
)
_WHITE = (" ", "\t", "\n", "\r", "a b", "a\tb", " a", "a ")
_PLAIN = _words(r"** a** > a> >> # a# ## + a+ * a* *a ? [a] [ ] \ {a} a,b")
_SEVERAL = _words("日本 日 本 😀 x😀 ß SS A a")
_COMMON = (*_ODD_CHARACTERS, *_WHITE, *_PLAIN, *_SEVERAL)

MQTT = Corners(
    (
        *_words(
            r"""
            +/+ +/# / // /# //# /+ +/ +//+ /+/ //+ a/ /a a/b a//b a/# a/+ a/+/# a/+/b +/b +/b/# a//# $ $/ $/# $/+ $a
            $a/# $a/+ $a/b +/$a #/a a/#/b #/# #/ #a a/b# +a ++ +/+a a/++ a/#b +/é é/+ 日本/# a.b a.* a/* */a a/> +/é/#
            """
        ),
        *("", "/".join("a" * 150), "/".join("a" * 149) + "/#", "/".join("+" * 150), "/" * 140 + "#"),
        *(f"+/{char}/#" for char in _ODD_CHARACTERS),
        *_COMMON,
    ),
    (
        *_words(
            r"""
            / // /// a/ /a /a/ a/b a//b a///b a/b/ a/b/c $ $/ $a $a/ $a/b $a/b/c a/$a b/$a/c $$ a/+ +/b a/# a+b a#b
            é/x 日本/é a.b a.* a/* */a a/> A/b a/é
            """
        ),
        *("", " /", "/".join("a" * 150), "/".join("a" * 149), "/" * 150),
        *(f"a/{char}" for char in _ODD_CHARACTERS),
        *_COMMON,
    ),
)
NATS = Corners(
    (
        *_words(
            r"""
            *.* *.> *.*.> a.b a.> a.* a.*.> a.*.b *.b *.b.> $a $a.> $a.* a.>.b >.a >.> .> a. .a a..b . .. *. .* *..*
            a.>. *a.b a>.b a.>b a.b> a.** *.** a.*b.c é.* *.é 日本.> a/b *.é.>
            """
        ),
        *(".".join("a" * 150), ".".join("a" * 149) + ".>", ".".join("*" * 150)),
        *(f"*.{char}.>" for char in _ODD_CHARACTERS),
        *_COMMON,
    ),
    (
        *_words(
            r"""
            a.b a.b.c a.c.b $a $a.b $a.b.c b.b b.b.b . .. .a a. a..b a.* a.> *.b >.b a.*.b a.>.b *a.b a>.b a.>b a.b>
            a.>> a.** a.*b.c é.x x.é 日本.é a/b A.b a.é.b
            """
        ),
        *(".".join("a" * 150), ".".join("a" * 149), ".".join("a" * 151)),
        *(f"a.{char}.b" for char in _ODD_CHARACTERS),
        *_COMMON,
    ),
)
AMQP = Corners(
    (
        *_words(
            r"""
            *.* *.# #.* #.# #.#.# *.#.* #.*.# a.b a.# #.a a.#.b #.a.# #.a.#.b #.a.#.a a.* *.a a.*.b a.*.# #.b.#.b.#
            . .. a. .a a..b *. .* *..* #. .# ..# #.. #..# a..# #..b #a a#.b $a.# é.# #.日本 a.> #.é.*
            """
        ),
        *("", ".".join("a" * 120), ".".join("*" * 120), ".".join("a" * 119) + ".#", "#." + ".".join("a" * 119)),
        *("é" * 127, "é" * 128, "a" * 255, "a" * 256),
        *(f"#.{char}.*" for char in _ODD_CHARACTERS),
        *_COMMON,
    ),
    (
        *_words(
            r"""
            . .. ... a. .a .a. a..b a...b a.b a.b.c a.c.b b.b b.c.b a.a a.b.a $a $a.b a.* a.# *.b #.b a.*.b a.#.b
            *.* #.# *. .# #a é.x x.日本 A.b a.é.b
            """
        ),
        *("", ".".join("a" * 120), ".".join("a" * 119), ".".join("a" * 128), "." * 200),
        *("é" * 127, "é" * 128, "a" * 255, "a" * 256),
        *(f"a.{char}.b" for char in _ODD_CHARACTERS),
        *_COMMON,
    ),
)
REDIS = Corners(
    (
        *_words(
            r"""
            *** ?? ??? *? ?* *?* a*b a**b *a*b* a?b \\ \a \* \? \[ a\ a\* \\* [abc] [a-c] [c-a] [a-a] [^a] [^a-c]
            [^^] [a^] [!a] [-a] [a-] [a-]] [--a] [a-c-e] [+--] [\a] [\]] [\^a] [^\]] [\a-c] [a-\]] [a\-c] [*] [?]
            [[] [[]] [] [^] []a] [^]a] []-a] [^ [a [a- [a-c [^a [^a- [\ [\] [^\ [a\ a[ a[^ *[ *[^ *[a ?[a-c [a]*
            *[a] [a][ [a]\ [é] [^é] [^é]? [a-é] [é-a] [á-é] [a-é]? é* *é ??é 日? 日??? [日本] [日-本]?? a.* a/* *.b a.#
            $a* [A-Z] a*a*a*a*a*a*a*a*a*a*a*a*b
            """
        ),
        *(
            "",
            "[ -~]",
            "[^ -~]",
            "\x00*",
            "[\x00]",
            "[^\x00]",
            "[\x00-a]",
            "[a\x00",
            "[^\x00",
            "a\x00b",
            "a[\x00",
            "*\x00",
        ),
        *("*" * 60 + "a", "a*" * 12 + "b", "?" * 150, "[a-c]" * 120, "a" * 400),
        *_COMMON,
    ),
    (
        *_words(
            r"""
            b c d e aa ab ba abc aXb a- - ^ ! [] ]a \\ \a a\ \* , ~ éx aé á 日x ÿ a.b a.b.c a/b $a $ab a.# Z
            aaaaaaaaaaaab aXaXb
            """
        ),
        *("", "a\x00", "\x00a", "a\x00b", "a\nb"),
        *("a" * 12 + "b", "a" * 150, "abc" * 40, "a" * 400, "a" * 399 + "é"),
        *_COMMON,
    ),
)

CORNERS = {"mqtt": MQTT, "nats": NATS, "amqp": AMQP, "redis": REDIS}

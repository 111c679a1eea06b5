//! What patterns mean, case by case, grouped by the rule they show. Every case is put to the pattern
//! and to the oracle.
use std::sync::Arc;

use stentor_core::{CharSet, Grammar, Limits, Pattern, Rules, oracle};

/// A pattern, topics that it matches, and topics that it does not.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

fn check(grammar: Grammar, cases: &[Case]) {
    let grammar = Arc::new(grammar);
    for (text, matched, others) in cases {
        let pattern = Pattern::parse(text, &grammar).expect("the pattern is valid");
        let expected = matched.iter().map(|topic| (topic, true));
        for (topic, expected) in expected.chain(others.iter().map(|topic| (topic, false))) {
            assert_eq!(
                pattern.matches(topic),
                Ok(expected),
                "{text:?} and {topic:?}"
            );
            assert_eq!(
                oracle::matches(text, topic, &grammar),
                expected,
                "{text:?} and {topic:?}"
            );
        }
    }
}

/// A text that is refused, the offset and the reason.
type Refusal = (&'static str, usize, &'static str);

fn check_patterns(grammar: Grammar, refusals: &[Refusal]) {
    let grammar = Arc::new(grammar);
    for (text, offset, reason) in refusals {
        let error = Pattern::parse(text, &grammar).expect_err(text);
        assert_eq!(
            (error.text(), error.offset(), &*error.reason()),
            (*text, *offset, *reason)
        );
        assert_eq!(
            oracle::pattern_flaw(text, &grammar),
            Some(*offset),
            "{text:?}"
        );
    }
}

fn check_topics(grammar: &Grammar, refusals: &[Refusal]) {
    for (text, offset, reason) in refusals {
        let error = grammar.validate_topic(text).expect_err(text);
        assert_eq!(
            (error.text(), error.offset(), &*error.reason()),
            (*text, *offset, *reason)
        );
        assert_eq!(oracle::topic_flaw(text, grammar), Some(*offset), "{text:?}");
    }
}

#[test]
fn mailbox_wildcards() {
    let cases: &[Case] = &[
        (
            "ai.models.*",
            &["ai.models.gpt4"],
            &["ai.models", "ai.models.gpt4.turbo", "ai.x.gpt4"],
        ),
        ("*.b", &["a.b", "é.b"], &["b", "a.b.b", "a.a.b"]),
        (
            "ai.**",
            &["ai", "ai.models", "ai.models.gpt4.turbo"],
            &["aix", "a", "x.ai"],
        ),
        (
            "**.error",
            &["error", "a.error", "a.b.error"],
            &["error.a", "xerror"],
        ),
        (
            "a.**.b",
            &["a.b", "a.x.b", "a.b.b", "a.x.y.b"],
            &["a", "b", "a.b.c", "a.xb"],
        ),
        (
            "**.a.**.a.**",
            &["a.a", "a.x.a", "x.a.x.a.x"],
            &["a", "x.a", "a.x"],
        ),
        ("**.*", &["a", "a.b", "a.b.c"], &[]),
        ("a.*.**", &["a.b", "a.b.c"], &["a"]),
    ];
    check(Grammar::mailbox(), cases);
}

#[test]
fn mailbox_global() {
    let every: &[&str] = &["a", "a.b", "a.b.c.d", "é"];
    check(
        Grammar::mailbox(),
        &[("*", every, &[]), ("**", every, &[]), ("*.**", every, &[])],
    );
    check(
        Grammar::mailbox(),
        &[
            ("?*", &["a", "ab"], &["a.b"]),
            ("*.*", &["a.b"], &["a", "a.b.c"]),
        ],
    );
}

#[test]
fn mailbox_globs() {
    let cases: &[Case] = &[
        ("gpt*", &["gpt", "gpt4"], &["gp", "Gpt4", "gpt4.x", "xgpt"]),
        ("v?", &["v1", "vé", "v😀"], &["v", "v12", "ve\u{301}"]),
        ("[ab]x", &["ax", "bx"], &["cx", "x", "abx"]),
        ("[a-c]", &["a", "b", "c"], &["d", "A"]),
        ("[!a]", &["b", "é", "!"], &["a", "bb"]),
        ("[!a-cx]z", &["dz", "yz"], &["az", "cz", "xz"]),
        ("x[*?]y", &[], &["xay", "xy"]),
        ("*a*b*", &["ab", "xaxbx", "aab", "abb"], &["ba", "a", "b"]),
        (
            "a*b?c*d",
            &["abxcd", "a1b2b3c4d", "abbcd"],
            &["abcd", "abxc"],
        ),
        ("[é-ü]", &["é", "ê", "ü"], &["e", "u", "z"]),
        (
            "a.*x*.b",
            &["a.x.b", "a.axa.b"],
            &["a.b", "a.y.b", "a.x.y.b"],
        ),
    ];
    check(Grammar::mailbox(), cases);
}

#[test]
fn mailbox_refusals() {
    let patterns: &[Refusal] = &[
        ("", 0, "empty segment"),
        (".a", 0, "empty segment"),
        ("a..b", 2, "empty segment"),
        ("é.", 2, "empty segment"),
        ("a.b**", 3, "'**' must be a whole segment"),
        ("***", 0, "'**' must be a whole segment"),
        ("a]", 1, "stray ']'"),
        ("é[ab", 1, "unclosed '['"),
        ("a[.]b", 1, "unclosed '['"),
        ("a[]", 1, "empty brackets"),
        ("[!]", 0, "empty brackets"),
        ("[a[]", 2, "'[' inside brackets"),
        ("[^a]", 1, "'[^' does not negate, '[!' does"),
        ("[-a]", 1, "loose '-' inside brackets"),
        ("[a-]", 2, "loose '-' inside brackets"),
        ("[a-b-c]", 4, "loose '-' inside brackets"),
        ("[xc-a]", 2, "reversed range 'c-a'"),
    ];
    check_patterns(Grammar::mailbox(), patterns);
    let topics: &[Refusal] = &[
        ("", 0, "empty segment"),
        ("a.", 2, "empty segment"),
        ("é.b*", 3, "a topic cannot hold '*'"),
        ("a?", 1, "a topic cannot hold '?'"),
        ("[", 0, "a topic cannot hold '['"),
        ("a.b]", 3, "a topic cannot hold ']'"),
    ];
    check_topics(&Grammar::mailbox(), topics);
}

#[test]
fn mqtt() {
    let cases: &[Case] = &[
        (
            "sport/#",
            &["sport", "sport/", "sport/a/b"],
            &["sports", "a/sport"],
        ),
        ("sport/+", &["sport/", "sport/a"], &["sport", "sport/a/b"]),
        ("+/+", &["/a", "a/", "/"], &["a", "a/b/c", "$SYS/a"]),
        ("/+", &["/a", "/"], &["a"]),
        ("#", &["a", "/", "a//b"], &["$SYS", "$SYS/a"]),
        ("$SYS/#", &["$SYS", "$SYS/a"], &["$SYSTEM"]),
        ("$SYS/+", &["$SYS/a"], &["$SYS"]),
        ("+/$x", &["a/$x"], &["$SYS/$x"]),
        ("a//b", &["a//b"], &["a/b"]),
        ("*.[a]?", &["*.[a]?"], &["x.ab"]),
    ];
    check(Grammar::mqtt(), cases);
    let patterns: &[Refusal] = &[
        ("", 0, "empty text"),
        ("a+/b", 1, "'+' must be a whole segment"),
        ("é/b#", 3, "'#' must be a whole segment"),
        ("#/a", 0, "'#' must be the last segment"),
        ("a/\0", 2, "forbidden character U+0000"),
        ("a\u{fffe}", 1, "forbidden character U+FFFE"),
    ];
    check_patterns(Grammar::mqtt(), patterns);
    let topics: &[Refusal] = &[
        ("", 0, "empty text"),
        ("a/+", 2, "a topic cannot hold '+'"),
        ("a#", 1, "a topic cannot hold '#'"),
        ("\u{85}", 0, "forbidden character U+0085"),
    ];
    check_topics(&Grammar::mqtt(), topics);
}

#[test]
fn nats() {
    let cases: &[Case] = &[
        ("foo.*", &["foo.a", "foo.b*"], &["foo", "foo.a.b"]),
        ("foo.>", &["foo.a", "foo.a.b"], &["foo"]),
        (">", &["a", "a.b"], &[]),
        ("*.>", &["a.b", "a.b.c"], &["a"]),
        ("foo*", &["foo*"], &["foo", "foox"]),
        ("a.>>.**", &["a.>>.**"], &["a.b.c"]),
        ("$JS.*", &["$JS.a"], &[]),
        ("*", &["$JS"], &[]),
    ];
    check(Grammar::nats(), cases);
    let patterns: &[Refusal] = &[
        ("", 0, "empty segment"),
        ("a.>.b", 2, "'>' must be the last segment"),
        ("a..b", 2, "empty segment"),
        ("a b", 1, "forbidden character U+0020"),
    ];
    check_patterns(Grammar::nats(), patterns);
    let topics: &[Refusal] = &[
        ("a.*", 2, "a topic cannot hold '*'"),
        (">", 0, "a topic cannot hold '>'"),
        ("a.b\t", 3, "forbidden character U+0009"),
    ];
    check_topics(&Grammar::nats(), topics);
}

#[test]
fn amqp() {
    let cases: &[Case] = &[
        ("#", &["", "a", ".", "a.b"], &[]),
        ("*", &["a", "*"], &["", ".", "a.b"]),
        ("*.*", &["a.b", ".", "a."], &["a", ""]),
        ("", &[""], &["a", "."]),
        ("#.#", &["", "a", "."], &[]),
        ("a.#.b", &["a.b", "a.x.b", "a..b"], &["a", "ab", "a.b.c"]),
        ("#.a.#.a.#", &["a.a", "x.a..a."], &["a"]),
        (".a", &[".a"], &["a"]),
        ("a.**", &["a.**"], &["a.b", "a"]),
        ("#.", &[".", "a.", "a.b."], &["", "a"]),
    ];
    check(Grammar::amqp(), cases);
    check(Grammar::amqp(), &[("a.*", &["a.#", "a.*", "a.\0"], &[])]);
}

#[test]
fn redis() {
    let cases: &[Case] = &[
        ("", &[""], &["a"]),
        ("*", &["a", ".", "é"], &[""]),
        ("a*", &["a", "ab"], &["", "ba"]),
        ("a**", &["a"], &["b"]),
        ("h?llo", &["hello"], &["hllo", "héllo"]),
        ("h??llo", &["héllo"], &["hello"]),
        ("h[ae]llo", &["hello", "hallo"], &["hillo"]),
        ("h[^e]llo", &["hallo"], &["hello", "hllo"]),
        ("h[a-b]llo", &["hallo", "hbllo"], &["hcllo"]),
        ("h[b-a]llo", &["hallo", "hbllo"], &["hcllo"]),
        ("\\*", &["*"], &["a", "\\"]),
        ("a\\", &["a\\"], &["a"]),
        ("[ab", &["a", "b"], &["c", "ab"]),
        ("[", &[], &["[", "a"]),
        ("[^", &["a", "["], &["", "ab"]),
        ("[]a", &[], &["a", "]a"]),
        ("[^]a", &["xa", "]a"], &["a"]),
        ("[a-]", &["a", "]", "_"], &["-", "b"]),
        ("[\\]]", &["]"], &["\\"]),
        ("[a\\", &["a", "\\"], &["b"]),
        // The ends of the range are 0x61 and 0xC3, as signed bytes 97 and -61.
        ("[a-é]?", &["aa", "A-", "é", "ö"], &["ba", "Aé"]),
    ];
    check(Grammar::redis(), cases);
}

#[test]
fn a_grammar_of_ones_own() {
    let grammar = Grammar::new(Rules::new(':', "+", "..."), Limits::default());
    let cases: &[Case] = &[
        (
            "ai:...:error",
            &["ai:error", "ai:x:y:error"],
            &["ai", "ai:errors"],
        ),
        ("+:b", &["a:b", "*:b"], &["b", "a:b:b"]),
        ("a.*", &["a.*"], &["a.b"]),
    ];
    check(grammar.clone().expect("the parts fit"), cases);
    let patterns: &[Refusal] = &[
        ("a:b...", 3, "'...' must be a whole segment"),
        ("....", 0, "'...' must be a whole segment"),
        ("a:+b", 2, "'+' must be a whole segment"),
        ("a::b", 2, "empty segment"),
    ];
    check_patterns(grammar.clone().expect("the parts fit"), patterns);
    check_topics(
        &grammar.expect("the parts fit"),
        &[("a:x...", 3, "a topic cannot hold '...'")],
    );
}

#[test]
fn limits_are_named() {
    let limits = Limits {
        max_segments: 2,
        max_bytes: 6,
        max_multi: 1,
    };
    let with = |grammar: Grammar| grammar.with_limits(limits).expect("no limit is 0");
    let patterns: &[Refusal] = &[
        ("éé.éé", 3, "more than 6 bytes (max_bytes)"),
        ("a.b.c", 4, "more than 2 segments (max_segments)"),
        ("**.**", 3, "more than 1 multi wildcards (max_multi)"),
    ];
    check_patterns(with(Grammar::mailbox()), patterns);
    check_topics(
        &with(Grammar::mailbox()),
        &[("a.b.c", 4, "more than 2 segments (max_segments)")],
    );
    let stars: &[Refusal] = &[("é*[*]*", 5, "more than 1 stars (max_multi)")];
    let roomy = Grammar::redis().with_limits(Limits {
        max_bytes: 7,
        ..limits
    });
    check_patterns(roomy.expect("no limit is 0"), stars);
}

#[test]
fn canonical_texts() {
    let cases: [(Grammar, &[(&str, &str)]); 5] = [
        (
            Grammar::mailbox(),
            &[
                ("*", "**"),
                ("**.**", "**"),
                ("*.**", "**"),
                ("**.*", "**"),
                ("**.*.*", "*.*.**"),
                ("a.**.*.**.b", "a.*.**.b"),
                ("a.?*.b", "a.*.b"),
                ("?*", "?*"),
                ("a*?*.[ba]", "a?*.[ba]"),
                ("[cab-dz]*?x", "[cab-dz]?*x"),
            ],
        ),
        (
            Grammar::mqtt(),
            &[("+/#", "#"), ("/+/#", "/+/#"), ("a/#", "a/#")],
        ),
        (Grammar::nats(), &[(">", ">"), ("*.>", "*.>")]),
        (
            Grammar::amqp(),
            &[("#.#", "#"), ("#.*", "*.#"), ("*.#.*.#", "*.*.#"), ("", "")],
        ),
        (Grammar::redis(), &[("a**[b", "a**[b")]),
    ];
    for (grammar, texts) in cases {
        let grammar = Arc::new(grammar);
        for (text, canonical) in texts {
            let pattern = Pattern::parse(text, &grammar).expect("it is valid");
            assert_eq!(pattern.canonical(), *canonical, "{text:?}");
        }
    }
}

#[test]
fn a_grammar_whose_parts_contradict_each_other_is_refused() {
    let usual = Rules::new('.', "*", "**");
    let cases = [
        (
            Rules {
                separator: 'é',
                ..usual.clone()
            },
            "separator must be one ASCII character, not 'é'",
        ),
        (
            Rules {
                separator: '?',
                globs: true,
                ..usual.clone()
            },
            "separator must not be '?' where globs are on",
        ),
        (
            Rules {
                single: "".into(),
                ..usual.clone()
            },
            "single must not be empty",
        ),
        (
            Rules {
                multi: "a.b".into(),
                ..usual.clone()
            },
            "multi must not hold the separator '.', not 'a.b'",
        ),
        (
            Rules {
                multi: "*".into(),
                ..usual.clone()
            },
            "multi must differ from single, '*'",
        ),
        (
            Rules {
                single: "[]".into(),
                globs: true,
                ..usual.clone()
            },
            "single must hold no bracket where globs are on, not '[]'",
        ),
        (
            Rules {
                multi_min: 2,
                ..usual.clone()
            },
            "multi_min must be 0 or 1, not 2",
        ),
        (
            Rules {
                empty_topic: true,
                ..usual.clone()
            },
            "empty_topic must be false where empty_segments is",
        ),
        (
            Rules {
                hidden_prefix: Some("".into()),
                ..usual
            },
            "hidden_prefix must not be empty",
        ),
        (
            Rules {
                forbidden: CharSet::new([('.', '.')]),
                ..Rules::new('.', "*", "**")
            },
            "separator must not be forbidden, as '.' is",
        ),
        (
            Rules {
                forbidden: CharSet::new([('*', '*')]),
                ..Rules::new('.', "*", "**")
            },
            "single must hold no forbidden character, not '*'",
        ),
    ];
    for (rules, text) in cases {
        let error = Grammar::new(rules, Limits::default()).expect_err(text);
        assert_eq!(error.to_string(), text);
    }
    let none = Limits {
        max_multi: 0,
        ..Limits::default()
    };
    let error = Grammar::mqtt().with_limits(none).expect_err("a limit is 0");
    assert_eq!(error.to_string(), "max_multi must be >= 1, not 0");
}

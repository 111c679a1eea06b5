//! Patterns and topics compared with the oracle, on thousands of drawn texts in every grammar.
use std::sync::Arc;

use stentor_core::oracle::{self, Samples};
use stentor_core::{CharSet, Grammar, Limits, Pattern, Rules, WildcardText};

const CASES: usize = 5_000;

/// The built-in grammars, and some of a user's own that mix what those keep apart.
fn grammars() -> Vec<(&'static str, Arc<Grammar>)> {
    let own = |rules| Arc::new(Grammar::new(rules, Limits::default()).expect("the parts fit"));
    let hiding = Rules {
        globs: true,
        empty_segments: true,
        hidden_prefix: Some("$".into()),
        ..Rules::new('/', "+", "...")
    };
    let one_or_more = Rules {
        multi_min: 1,
        global: Some(">".into()),
        ..Rules::new('.', "*", "**")
    };
    let free = Rules {
        globs: true,
        wildcard_text: WildcardText::Inside,
        forbidden: CharSet::new([('c', 'c'), (' ', ' ')]),
        ..Rules::new(':', "+", "#")
    };

    let built_in = Grammar::DIALECTS
        .iter()
        .map(|(name, grammar)| (*name, Arc::new(grammar())));
    let others = [
        ("dots", own(Rules::new(':', "+", "..."))),
        ("hiding", own(hiding)),
        ("one or more", own(one_or_more)),
        ("free", own(free)),
    ];
    built_in.chain(others).collect()
}

#[test]
fn patterns_match_what_the_oracle_says() {
    for (name, grammar) in grammars() {
        let mut samples = Samples::new(&grammar, 1);
        let (mut matched, mut wild) = (0, 0);
        for _ in 0..CASES {
            let topic = samples.topic();
            let text = samples.pattern_near(&topic);
            let pattern = Pattern::parse(&text, &grammar).expect("the oracle calls it valid");
            let said = oracle::matches(&text, &topic, &grammar);
            assert_eq!(
                pattern.matches(&topic),
                Ok(said),
                "{name}: {text:?} and {topic:?}"
            );
            matched += usize::from(said);
            wild += usize::from(pattern.exact().is_none());
        }
        assert!(
            (CASES * 3 / 10..CASES * 9 / 10).contains(&matched),
            "{name}: {matched} match"
        );
        assert!(wild > CASES / 2, "{name}: only {wild} have a wildcard");
    }
}

#[test]
fn flaws_are_where_the_oracle_says() {
    for (name, grammar) in grammars() {
        let mut samples = Samples::new(&grammar, 2);
        let (mut topics, mut patterns) = (0, 0);
        for _ in 0..CASES {
            let text = samples.text();
            let topic = grammar
                .validate_topic(&text)
                .err()
                .map(|error| error.offset());
            assert_eq!(
                topic,
                oracle::topic_flaw(&text, &grammar),
                "{name}: topic {text:?}"
            );
            let pattern = Pattern::parse(&text, &grammar)
                .err()
                .map(|error| error.offset());
            assert_eq!(
                pattern,
                oracle::pattern_flaw(&text, &grammar),
                "{name}: pattern {text:?}"
            );
            topics += usize::from(topic.is_none());
            patterns += usize::from(pattern.is_none());
        }
        assert!(
            topics > CASES / 100,
            "{name}: only {topics} topics are valid"
        );
        assert!(
            patterns > CASES / 100,
            "{name}: only {patterns} patterns are valid"
        );
    }
}

#[test]
fn limits_are_where_the_oracle_says() {
    let tight = Limits {
        max_segments: 3,
        max_bytes: 7,
        max_multi: 1,
    };
    for (name, grammar) in grammars() {
        let grammar = Arc::new(grammar.with_limits(tight).expect("no limit is 0"));
        let mut samples = Samples::new(&grammar, 3);
        for _ in 0..CASES {
            let text = samples.text();
            let topic = grammar
                .validate_topic(&text)
                .err()
                .map(|error| error.offset());
            assert_eq!(
                topic,
                oracle::topic_flaw(&text, &grammar),
                "{name}: topic {text:?}"
            );
            let pattern = Pattern::parse(&text, &grammar)
                .err()
                .map(|error| error.offset());
            assert_eq!(
                pattern,
                oracle::pattern_flaw(&text, &grammar),
                "{name}: pattern {text:?}"
            );
        }
    }
}

#[test]
fn a_canonical_text_means_the_same_and_stays() {
    for (name, grammar) in grammars() {
        let mut samples = Samples::new(&grammar, 4);
        for _ in 0..CASES / 4 {
            let topic = samples.topic();
            let text = samples.pattern_near(&topic);
            let pattern = Pattern::parse(&text, &grammar).expect("the oracle calls it valid");
            let short = Pattern::parse(&pattern.canonical(), &grammar).expect("it is a pattern");
            assert_eq!(short.canonical(), pattern.canonical(), "{name}: {text:?}");
            let others = (0..4).map(|_| samples.topic()).collect::<Vec<_>>();
            for topic in others.iter().chain([&topic]) {
                assert_eq!(
                    short.matches(topic),
                    pattern.matches(topic),
                    "{name}: {text:?}, {topic:?}"
                );
            }
        }
    }
}

#[test]
fn an_exact_pattern_matches_its_topic_alone() {
    for (name, grammar) in grammars() {
        let mut samples = Samples::new(&grammar, 5);
        for _ in 0..CASES / 4 {
            let topic = samples.topic();
            let text = samples.pattern_near(&topic);
            let pattern = Pattern::parse(&text, &grammar).expect("the oracle calls it valid");
            if let Some(exact) = pattern.exact() {
                assert_eq!(
                    pattern.matches(&topic),
                    Ok(topic == *exact),
                    "{name}: {text:?}"
                );
            }
        }
    }
}

#[test]
fn long_pieces_with_wildcards_are_found_where_the_oracle_finds_them() {
    let atoms = ["a", "b", "?", "[ab]", "[!a]", "[!b]", "[a-é]", "é"];
    let redis_atoms = ["a", "b", "?", "[ab]", "[^a]", "[^b]", "[a-é]", "é"];
    for (grammar, atoms) in [(Grammar::mailbox(), atoms), (Grammar::redis(), redis_atoms)] {
        let grammar = Arc::new(grammar);
        let mut samples = Samples::new(&grammar, 6);
        let mut matched = 0;
        for _ in 0..CASES / 10 {
            let most = 17 + samples.below(120);
            let kinds = 1 + samples.below(8);
            let piece: String = (0..most).map(|_| atoms[samples.below(kinds)]).collect();
            let letters = ["a", "a", "a", "b", "é"];
            let topic: String = (0..300)
                .map(|_| letters[samples.below(2 + kinds.min(3))])
                .collect();
            // Now and then the piece as it is found, so that there is a match.
            let text = format!("a*{piece}*");
            let hit = piece
                .chars()
                .filter(|c| "abé".contains(*c))
                .collect::<String>();
            for topic in [topic.clone(), format!("a{topic}{hit}{topic}")] {
                let said = oracle::matches(&text, &topic, &grammar);
                let pattern = Pattern::parse(&text, &grammar).expect("it is valid");
                assert_eq!(pattern.matches(&topic), Ok(said), "{text:?} and {topic:?}");
                matched += usize::from(said);
            }
        }
        assert!(matched > CASES / 50, "only {matched} match");
    }
}

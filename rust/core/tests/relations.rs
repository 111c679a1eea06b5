//! `includes` and `overlaps` against brute force: every pair of a pool of patterns, over every small
//! topic of an alphabet in which each pattern of the pool finds what tells it from the others.
use std::sync::Arc;

use stentor_core::oracle::{self, Samples};
use stentor_core::{Grammar, Limits, Pattern, Rules, WildcardText};

/// Every sequence of up to `most` of these parts.
fn sequences(parts: &[&str], most: usize) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..most {
        let until = all.len();
        for index in from..until {
            for part in parts {
                let mut longer: Vec<String> = all[index].clone();
                longer.push((*part).to_owned());
                all.push(longer);
            }
        }
        from = until;
    }
    all
}

/// The distinct valid texts that these parts, joined, make.
fn texts(parts: &[&str], most: usize, joint: &str, valid: impl Fn(&str) -> bool) -> Vec<String> {
    let mut texts: Vec<String> = sequences(parts, most)
        .iter()
        .map(|parts| parts.join(joint))
        .collect();
    texts.sort();
    texts.dedup();
    texts.retain(|text| valid(text));
    texts
}

struct Pool {
    grammar: Arc<Grammar>,
    patterns: Vec<Pattern>,
    /// For each pattern, which of the topics the oracle says it matches.
    matched: Vec<Vec<bool>>,
}

impl Pool {
    fn new(grammar: Grammar, patterns: &[String], topics: &[String]) -> Self {
        let grammar = Arc::new(grammar);
        let matched = patterns.iter().map(|pattern| {
            topics
                .iter()
                .map(|topic| oracle::matches(pattern, topic, &grammar))
                .collect()
        });
        let matched = matched.collect();
        let parse = |text: &String| Pattern::parse(text, &grammar).expect("it is valid");
        Self {
            patterns: patterns.iter().map(parse).collect(),
            matched,
            grammar,
        }
    }

    /// Compares every pair; answers with how many pairs include and overlap.
    fn check(&self) -> (usize, usize) {
        let (mut including, mut overlapping) = (0, 0);
        for (one, matched) in self.patterns.iter().zip(&self.matched) {
            for (other, also) in self.patterns.iter().zip(&self.matched) {
                let mut pairs = matched.iter().zip(also);
                let includes = pairs.clone().all(|(one, other)| *one || !*other);
                let overlaps = pairs.any(|(one, other)| *one && *other);
                let names = (one.text(), other.text(), &self.grammar);
                assert_eq!(one.includes(other), Ok(includes), "includes: {names:?}");
                assert_eq!(one.overlaps(other), Ok(overlaps), "overlaps: {names:?}");
                including += usize::from(includes);
                overlapping += usize::from(overlaps);
            }
        }
        (including, overlapping)
    }
}

/// A pool of patterns and topics with segments from these words.
fn segment_pool(grammar: Grammar, words: &[&str], topic_words: &[&str], most: usize) -> Pool {
    let joint = grammar
        .rules()
        .expect("it has segments")
        .separator
        .to_string();
    let valid = |text: &str| oracle::pattern_flaw(text, &grammar).is_none();
    let mut patterns = texts(words, 3, &joint, valid);
    let mut samples = Samples::new(&grammar, 1);
    while patterns.len() > 64 {
        patterns.swap_remove(samples.below(patterns.len()));
    }
    let topics = texts(topic_words, most, &joint, |text| {
        oracle::topic_flaw(text, &grammar).is_none()
    });
    Pool::new(grammar, &patterns, &topics)
}

#[test]
fn mailbox_wildcards_relate_as_their_topics_do() {
    let pool = segment_pool(
        Grammar::mailbox(),
        &["a", "b", "*", "**"],
        &["a", "b", "x"],
        6,
    );
    let (including, overlapping) = pool.check();
    assert!(
        including > 200 && overlapping > 800,
        "{including} include, {overlapping} overlap"
    );
}

#[test]
fn mailbox_globs_relate_as_their_topics_do() {
    let atoms = ["a", "b", "?", "*", "[ab]", "[!a]", "[a-c]", "[!b-d]"];
    let grammar = Grammar::mailbox();
    let valid = |text: &str| oracle::pattern_flaw(text, &grammar).is_none() && text != "*";
    let mut patterns = texts(&atoms, 3, "", valid);
    let mut samples = Samples::new(&grammar, 2);
    while patterns.len() > 80 {
        patterns.swap_remove(samples.below(patterns.len()));
    }
    let topics = texts(&["a", "b", "c", "e"], 5, "", |text| !text.is_empty());
    let (including, overlapping) = Pool::new(grammar, &patterns, &topics).check();
    assert!(
        including > 200 && overlapping > 1000,
        "{including} include, {overlapping} overlap"
    );
}

#[test]
fn mailbox_globs_and_runs_relate_as_their_topics_do() {
    let words = ["a", "*", "**", "a*", "*b", "?", "??", "[ab]", "[!a]*"];
    let topic_words = ["a", "b", "x", "aa", "ab", "bb", "xx", "axb", "xab"];
    segment_pool(Grammar::mailbox(), &words, &topic_words, 4).check();
}

#[test]
fn mqtt_relates_as_its_topics_do() {
    let words = ["", "a", "$a", "+", "#"];
    segment_pool(Grammar::mqtt(), &words, &["", "a", "x", "$a", "$x"], 5).check();
}

#[test]
fn nats_relates_as_its_topics_do() {
    segment_pool(
        Grammar::nats(),
        &["a", "b", "a*", "*", ">"],
        &["a", "b", "a*", "x"],
        5,
    )
    .check();
}

#[test]
fn amqp_relates_as_its_topics_do() {
    segment_pool(Grammar::amqp(), &["", "a", "*", "#"], &["", "a", "x"], 7).check();
}

#[test]
fn a_grammar_of_ones_own_relates_as_its_topics_do() {
    let rules = Rules {
        globs: true,
        empty_segments: true,
        empty_topic: true,
        hidden_prefix: Some("$".into()),
        ..Rules::new('/', "+", "...")
    };
    let grammar = Grammar::new(rules, Limits::default()).expect("the parts fit");
    let words = ["", "$", "+", "...", "*", "?", "[!$]", "[!x-z]", "$*", "a*"];
    let topic_words = ["", "a", "$", "$a", "x", ".", "..", "ab", "aa", "$x"];
    segment_pool(grammar, &words, &topic_words, 4).check();
}

#[test]
fn a_wildcard_that_topics_may_not_equal_makes_no_difference() {
    let rules = Rules {
        globs: true,
        wildcard_text: WildcardText::Inside,
        ..Rules::new(':', "a", "b")
    };
    let grammar = Grammar::new(rules, Limits::default()).expect("the parts fit");
    let words = ["a", "b", "?", "[ac]", "[!a]", "[!abc]", "c", "[abc]", "?a"];
    segment_pool(
        grammar,
        &words,
        &["a", "b", "c", "d", "aa", "ca", "ac", "abc"],
        4,
    )
    .check();
}

#[test]
fn redis_relates_as_its_names_do() {
    let grammar = Grammar::redis();
    let atoms = ["a", "?", "*", "[ab]", "[^a]", "é", "[é]", "[a-é]"];
    let mut patterns = texts(&atoms, 3, "", |_| true);
    let mut samples = Samples::new(&grammar, 3);
    while patterns.len() > 80 {
        patterns.swap_remove(samples.below(patterns.len()));
    }
    // One for each way the atoms tell bytes apart: é is C3 A9, ü C3 BC, Ʃ C6 A9, Ā C4 80, and one
    // that is longer.
    let parts = ["a", "b", "A", "é", "ü", "Ʃ", "Ā", "꩜"];
    let topics = texts(&parts, 4, "", |_| true);
    let (including, overlapping) = Pool::new(grammar, &patterns, &topics).check();
    assert!(
        including > 200 && overlapping > 1000,
        "{including} include, {overlapping} overlap"
    );
}

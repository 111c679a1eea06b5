//! Two patterns and a topic in any grammar: what is valid, what matches, what a canonical text means
//! and what is included, all as the oracle says.
#![no_main]
mod common;

use std::sync::Arc;

use common::{GRAMMARS, text};
use libfuzzer_sys::fuzz_target;
use stentor_core::{Grammar, Pattern, oracle};

fn parse(text: &str, grammar: &Arc<Grammar>) -> Option<Pattern> {
    let parsed = Pattern::parse(text, grammar);
    let offset = parsed.as_ref().err().map(|error| error.offset());
    assert_eq!(
        offset,
        oracle::pattern_flaw(text, grammar),
        "pattern {text:?}"
    );
    parsed.ok()
}

fn check_one(pattern: &Pattern, topic: &str) {
    let grammar = pattern.grammar();
    let said = oracle::matches(pattern.text(), topic, grammar);
    assert_eq!(
        pattern.matches(topic),
        Ok(said),
        "{pattern:?} and {topic:?}"
    );
    let canonical =
        Pattern::parse(&pattern.canonical(), grammar).expect("a canonical text is valid");
    assert_eq!(canonical.canonical(), pattern.canonical(), "{pattern:?}");
    assert_eq!(
        canonical.matches(topic),
        Ok(said),
        "{canonical:?} and {topic:?}"
    );
}

fn check_both(one: &Pattern, other: &Pattern, topic: &str) {
    let matched = (
        one.matches(topic) == Ok(true),
        other.matches(topic) == Ok(true),
    );
    if matched == (true, true) {
        assert_ne!(
            one.overlaps(other),
            Ok(false),
            "{one:?} and {other:?} by {topic:?}"
        );
    }
    if matched == (false, true) {
        assert_ne!(
            one.includes(other),
            Ok(true),
            "{one:?} and {other:?} by {topic:?}"
        );
    }
    if one.includes(other) == Ok(true) && other.overlaps(other) == Ok(true) {
        assert_eq!(one.overlaps(other), Ok(true), "{one:?} and {other:?}");
    }
}

fuzz_target!(|input: (u8, Vec<u8>, Vec<u8>, Vec<u8>)| {
    let (choice, one, other, topic) = input;
    let grammar = &GRAMMARS[usize::from(choice) % GRAMMARS.len()];
    let topic = text(&topic);
    let flaw = grammar
        .validate_topic(&topic)
        .err()
        .map(|error| error.offset());
    assert_eq!(flaw, oracle::topic_flaw(&topic, grammar), "topic {topic:?}");
    let patterns = (parse(&text(&one), grammar), parse(&text(&other), grammar));
    if flaw.is_some() {
        return;
    }
    for pattern in [&patterns.0, &patterns.1].into_iter().flatten() {
        check_one(pattern, &topic);
    }
    if let (Some(one), Some(other)) = patterns {
        check_both(&one, &other, &topic);
        check_both(&other, &one, &topic);
    }
});

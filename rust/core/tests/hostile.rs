//! Patterns made to be hard: each answers, and a comparison that would take too long says so.
use std::sync::Arc;

use stentor_core::{Grammar, Pattern};

fn mailbox(text: &str) -> Pattern {
    Pattern::parse(text, &Arc::new(Grammar::mailbox())).expect("it is valid")
}

fn redis(text: &str) -> Pattern {
    Pattern::parse(text, &Arc::new(Grammar::redis())).expect("it is valid")
}

#[test]
fn several_multi_wildcards_against_many_segments() {
    let topic = ["a"; 256].join(".");
    for count in 1..=8 {
        let pattern = mailbox(&format!("{}b", "**.a.".repeat(count)));
        assert_eq!(pattern.matches(&topic), Ok(false));
        let pattern = mailbox(&format!("{}a", "**.a.".repeat(count)));
        assert_eq!(pattern.matches(&topic), Ok(true));
    }
}

#[test]
fn globs_that_make_others_backtrack() {
    let text = "a".repeat(4096);
    assert_eq!(
        mailbox(&format!("{}b", "a*".repeat(2000))).matches(&text),
        Ok(false)
    );
    assert_eq!(
        mailbox(&format!("*{}b*", "[ab]?".repeat(600))).matches(&text),
        Ok(false)
    );
    assert_eq!(
        mailbox(&format!("*{}[ab]*", "?a*".repeat(1000))).matches(&text),
        Ok(true)
    );
    let name = "a".repeat(65_535);
    assert_eq!(
        redis(&format!("{}b", "a*".repeat(64))).matches(&name),
        Ok(false)
    );
    assert_eq!(
        redis(&format!("*{}b*", "[ab]".repeat(16_000))).matches(&name),
        Ok(false)
    );
}

#[test]
fn a_long_pattern_includes_itself() {
    let literals = (0..200)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(".");
    let lattice = format!("{}z", "**.*.a.".repeat(8));
    let globs = "*[ab]*x?.".repeat(40) + "**";
    let tail = format!("**.a.{}b", "*.".repeat(60));
    for text in [literals, lattice, globs, tail, "a*[bc]?".repeat(80)] {
        let pattern = mailbox(&text);
        assert_eq!(pattern.includes(&pattern), Ok(true), "{text}");
        assert_eq!(pattern.overlaps(&pattern), Ok(true), "{text}");
        assert_eq!(mailbox("**").includes(&pattern), Ok(true), "{text}");
    }
    let stars = redis(&"a*".repeat(64));
    assert_eq!(stars.includes(&stars), Ok(true));
    let class = redis(&format!("*a{}", "?".repeat(500)));
    assert_eq!(class.includes(&class), Ok(true));
    assert_eq!(redis("*").includes(&class), Ok(true));
    let longest = redis(&format!("*[ab]{}", "?[^a]".repeat(13_000)));
    assert_eq!(redis("*").includes(&longest), Ok(true));
}

#[test]
fn a_comparison_beyond_the_bound_of_work_says_so() {
    let one = redis(&format!("*[ab]{}a", "?[^a]".repeat(10_000)));
    let two = redis(&format!("*[bc]{}b", "?[^b]".repeat(10_000)));
    for answer in [one.includes(&two), one.overlaps(&two)] {
        let error = answer.expect_err("it takes too long");
        assert!(error.is_limit());
        assert_eq!(
            error.to_string(),
            "comparing these patterns takes more than 4000000 steps"
        );
    }
}

#[test]
fn patterns_of_different_grammars_are_not_compared() {
    let error = mailbox("a")
        .includes(&redis("a"))
        .expect_err("the grammars differ");
    assert!(!error.is_limit());
    assert_eq!(
        error.to_string(),
        "other must be a pattern of the same dialect"
    );
}

//! Patterns and topics that were made to be hard, and what a match of each costs.
use std::hint::black_box;
use std::sync::Arc;

use stentor_core::{Grammar, Index};

use crate::common::in_turns;

/// So many matches are long beside the clock's tick.
const CALLS: usize = 100;

/// Microseconds of one match of a topic against patterns.
fn match_time(grammar: Grammar, patterns: &[String], topic: &str) -> f64 {
    let mut index = Index::new(Arc::new(grammar), None);
    index.add_many(patterns).expect("they are patterns");
    let mut ids = Vec::new();
    let mut some = || {
        for _ in 0..CALLS {
            index
                .match_into(black_box(topic), &mut ids)
                .expect("it is a topic");
        }
    };
    in_turns(9, CALLS, &mut [&mut some])[0] / 1e3
}

/// `{a,b}^8` with `**` before each, against 24 segments.
pub(crate) fn many_runs() -> f64 {
    let part = |number: u32, bit: u32| {
        if number >> bit & 1 == 0 {
            "**.a"
        } else {
            "**.b"
        }
    };
    let pattern = |number| {
        (0..8)
            .map(|bit| part(number, bit))
            .collect::<Vec<_>>()
            .join(".")
    };
    let patterns: Vec<String> = (0..256).map(pattern).collect();
    let topic: Vec<&str> = (0..24)
        .map(|at| if at % 3 == 0 { "a" } else { "b" })
        .collect();
    match_time(Grammar::mailbox(), &patterns, &topic.join("."))
}

/// What is matched, and microseconds.
pub(crate) fn each() -> Vec<(String, f64)> {
    let mailbox = Grammar::mailbox;
    let deep = ["a"; 256].join(".");
    let mut all: Vec<_> = [1, 4, 8]
        .map(|count| {
            let pattern = format!("{}b", "**.a.".repeat(count));
            (
                format!("{count} x `**.a` and `.b`, 256 segments"),
                match_time(mailbox(), &[pattern], &deep),
            )
        })
        .into();
    let lattice: Vec<String> = (0..1024_u32).map(lattice_path).collect();
    all.push((
        "the lattice {a,*}^10.z".into(),
        match_time(mailbox(), &lattice, "a.a.a.a.a.a.a.a.a.a.z"),
    ));
    all.push((
        "the lattice, missed at its end".into(),
        match_time(mailbox(), &lattice, "a.a.a.a.a.a.a.a.a.a.y"),
    ));
    let globs: Vec<String> = (0..1000).map(|number| format!("a*{number}*z")).collect();
    all.push((
        "1,000 globs at one node".into(),
        match_time(mailbox(), &globs, "a123456789z"),
    ));
    let stars = ["a*".repeat(2000) + "b"];
    all.push((
        "`a*a*a*...b`, 4,096 bytes".into(),
        match_time(mailbox(), &stars, &"a".repeat(4096)),
    ));
    let classes = [format!("*{}b*", "[ab]?".repeat(600))];
    all.push((
        "`*[ab]?[ab]?...b*`, 4,096 bytes".into(),
        match_time(mailbox(), &classes, &"a".repeat(4096)),
    ));
    let stars = ["a*".repeat(64) + "b"];
    all.push((
        "64 stars of redis, 65,535 bytes".into(),
        match_time(Grammar::redis(), &stars, &"a".repeat(65_535)),
    ));
    all
}

fn lattice_path(number: u32) -> String {
    let part = |bit: u32| if number >> bit & 1 == 0 { "a." } else { "*." };
    (0..10).map(part).collect::<String>() + "z"
}

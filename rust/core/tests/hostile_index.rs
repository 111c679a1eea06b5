//! Subscriptions and topics made to be hard for an index: each match answers, and nothing is left behind.
use std::sync::Arc;

use stentor_core::{Grammar, Index, oracle};

fn index_of(grammar: Grammar, patterns: &[String]) -> Index {
    let mut index = Index::new(Arc::new(grammar), None);
    index.add_many(patterns).expect("they are patterns");
    index
}

/// How many patterns match, which the oracle is asked too.
fn matched(index: &mut Index, patterns: &[String], topic: &str) -> usize {
    let found = index.matches(topic).expect("it is a topic").len();
    let fits = |pattern: &&String| oracle::matches(pattern, topic, index.grammar());
    assert_eq!(
        found,
        patterns.iter().filter(fits).count(),
        "topic {topic:?}"
    );
    found
}

#[test]
fn up_to_eight_multi_wildcards_against_256_segments() {
    let patterns: Vec<String> = (1..=8).map(|count| "**.a.".repeat(count) + "b").collect();
    let mut index = index_of(Grammar::mailbox(), &patterns);
    let all_a = ["a"; 256].join(".");
    assert_eq!(index.matches(&all_a).expect("it is a topic"), []);
    let to_b = format!("{}b", "a.".repeat(255));
    assert_eq!(index.matches(&to_b).expect("it is a topic").len(), 8);
    let two = "a.x.a.b";
    assert_eq!(matched(&mut index, &patterns, two), 2);
}

#[test]
fn a_lattice_of_literals_and_wildcards() {
    let path = |number: u32| -> String {
        let part = |bit: u32| if number >> bit & 1 == 0 { "a." } else { "*." };
        (0..10).map(part).collect::<String>() + "z"
    };
    let patterns: Vec<String> = (0..1024).map(path).collect();
    let mut index = index_of(Grammar::mailbox(), &patterns);
    for others in 0..=10 {
        let topic = "x.".repeat(others) + &"a.".repeat(10 - others) + "z";
        assert_eq!(matched(&mut index, &patterns, &topic), 1 << (10 - others));
    }
    assert_eq!(matched(&mut index, &patterns, "a.a.a.a.a.a.a.a.a.a.y"), 0);
    assert_eq!(matched(&mut index, &patterns, "a.a.a.a.a.a.a.a.a.z"), 0);
}

#[test]
fn as_many_shapes_as_are_looked_for_together_and_more() {
    let path = |number: u32| -> String {
        let parts = (0..7).map(|bit| ["a", "*"][(number >> bit & 1) as usize]);
        parts.collect::<Vec<_>>().join(".")
    };
    let patterns: Vec<String> = (0..128).map(path).collect();
    for count in [63, 64, 65, 66, 128] {
        let patterns = &patterns[..count];
        let mut index = index_of(Grammar::mailbox(), patterns);
        assert_eq!(index.statistics().shapes, (count - 1).min(64));
        assert_eq!(matched(&mut index, patterns, "a.a.a.a.a.a.a"), count);
        matched(&mut index, patterns, "b.a.a.a.a.a.a");
        matched(&mut index, patterns, "a.b.b.a.b.b.b");
    }
}

#[test]
fn a_thousand_globs_at_one_node() {
    let patterns: Vec<String> = (0..1000)
        .map(|number| format!("news.a*{number}*z.top"))
        .collect();
    let mut index = index_of(Grammar::mailbox(), &patterns);
    assert_eq!(matched(&mut index, &patterns, "news.a123z.top"), 6);
    assert_eq!(matched(&mut index, &patterns, "news.az.top"), 0);
}

#[test]
fn globs_that_make_others_backtrack() {
    let patterns: Vec<String> = (0..8)
        .map(|more| "a*".repeat(1000 + more) + "b*c")
        .collect();
    let mut index = index_of(Grammar::mailbox(), &patterns);
    let topic = "a".repeat(4000);
    assert_eq!(index.matches(&topic).expect("it is a topic"), []);
    let topic = "a".repeat(1004) + "bc";
    assert_eq!(index.matches(&topic).expect("it is a topic").len(), 5);
    let patterns: Vec<String> = (0..8).map(|more| "a*".repeat(56 + more) + "b*c").collect();
    let mut index = index_of(Grammar::redis(), &patterns);
    let name = "a".repeat(65_000) + "c";
    assert_eq!(index.matches(&name).expect("it is a name"), []);
}

#[test]
fn topics_that_come_once_leave_nothing_behind() {
    let patterns = [
        "once.**",
        "once.*.done",
        "*",
        "once.t7.done",
        "once.t?.done",
        "**.done",
    ];
    let patterns = patterns.map(str::to_owned);
    let mut index = index_of(Grammar::mailbox(), &patterns);
    index.matches("once.t.done").expect("it is a topic");
    let before = index.statistics();
    let found: usize = (0..100_000)
        .map(|number| {
            index
                .matches(&format!("once.t{number}.done"))
                .expect("it is a topic")
                .len()
        })
        .sum();
    assert_eq!(found, 4 * 100_000 + 1 + 10);
    assert_eq!(index.statistics(), before);
}

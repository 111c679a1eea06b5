//! What is allocated, counted: an index from which all is removed again, in any order, has the memory it began with.
#[path = "../benches/common/counting.rs"]
mod counting;

use std::sync::Arc;

use stentor_core::oracle::Samples;
use stentor_core::{Grammar, Index};

const PATTERNS: usize = 2_000;
const ROUNDS: usize = 2;

/// Adds patterns of every kind and removes them in random order, a few times; answers with the most bytes that it took.
fn fill_and_empty(index: &mut Index, samples: &mut Samples) -> usize {
    let before = counting::in_use();
    let mut most = 0;
    for _ in 0..ROUNDS {
        let mut live = Vec::with_capacity(PATTERNS);
        for _ in 0..PATTERNS {
            let topic = samples.topic();
            let pattern = samples.pattern_near(&topic);
            let id = index.add(&pattern).expect("it is a pattern");
            index.set_value(id, id.0);
            live.push(id);
            index.matches(&topic).expect("it is a topic");
        }
        most = most.max(counting::in_use() - before);
        while !live.is_empty() {
            let id = live.swap_remove(samples.below(live.len()));
            index.remove(id).expect("it is there");
        }
    }
    most
}

#[test]
fn adds_and_removes_in_any_order_come_back_to_the_memory_at_the_start() {
    for (name, grammar) in Grammar::DIALECTS {
        let grammar = Arc::new(grammar());
        for keeps_values in [false, true] {
            let mut samples = Samples::new(&grammar, 1977);
            let mut index = Index::keeping(Arc::clone(&grammar), None, keeps_values);
            let before = counting::in_use();
            let most = fill_and_empty(&mut index, &mut samples);
            let after = counting::in_use();
            assert!(most > PATTERNS * 8, "{name}: {most} bytes at most");
            assert_eq!(after, before, "{name}");
        }
    }
}

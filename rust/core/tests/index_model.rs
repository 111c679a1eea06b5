//! The index beside a list that is asked pattern by pattern, after any sequence of operations.
use std::sync::Arc;

use stentor_core::oracle::Samples;
use stentor_core::{Grammar, Index, Limits, NaiveIndex, Rules};

fn grammars() -> Vec<Grammar> {
    let own = Rules {
        globs: true,
        hidden_prefix: Some("$".into()),
        empty_segments: true,
        ..Rules::new(':', "+", "...")
    };
    let small = Limits {
        max_segments: 4,
        ..Limits::default()
    };
    let mut grammars: Vec<_> = Grammar::DIALECTS
        .iter()
        .map(|(_, grammar)| grammar())
        .collect();
    grammars.push(Grammar::new(own, Limits::default()).unwrap());
    grammars.push(Grammar::mailbox().with_limits(small).unwrap());
    grammars
}

/// Operations drawn from a seed, done to both; answers with the number of matches that were not empty.
fn run(grammar: &Arc<Grammar>, seed: u64, steps: usize, reserved: Option<&str>) -> usize {
    let mut samples = Samples::new(grammar, seed);
    let mut index = Index::new(Arc::clone(grammar), reserved);
    let mut naive = NaiveIndex::new(Arc::clone(grammar), reserved);
    let target = 1 + samples.below(200);
    let mut matched = 0;
    for step in 0..steps {
        let topic = samples.topic();
        if samples.below(target) >= naive.subscriptions().len() / 2 {
            let pattern = samples.pattern_near(&topic);
            assert_eq!(index.add(&pattern).unwrap(), naive.add(&pattern).unwrap());
        } else {
            let at = samples.below(naive.subscriptions().len());
            let id = naive.subscriptions()[at].0;
            assert_eq!(index.remove(id), naive.remove(id));
            assert_eq!(index.remove(id), naive.remove(id));
        }
        let expected = naive.matches(&topic);
        matched += usize::from(!expected.is_empty());
        assert_eq!(index.matches(&topic).unwrap(), expected, "topic {topic:?}");
        if step % 8 == 0 {
            explain(&mut index, &naive, &topic);
            index.check_invariants();
        }
    }
    for (id, _) in naive.subscriptions() {
        index.remove(*id).unwrap();
    }
    let empty = Index::new(Arc::clone(grammar), reserved);
    assert_eq!(index.statistics(), empty.statistics());
    matched
}

fn explain(index: &mut Index, naive: &NaiveIndex, topic: &str) {
    let explained = index.explain(topic).unwrap();
    let ids: Vec<_> = explained.iter().map(|explanation| explanation.id).collect();
    assert_eq!(ids, naive.matches(topic));
    for explanation in explained {
        let mut all = naive.subscriptions().iter();
        let (_, pattern) = all.find(|(id, _)| *id == explanation.id).unwrap();
        assert_eq!(*explanation.pattern, *pattern.text());
    }
}

#[test]
fn equals_a_list_in_every_grammar() {
    for grammar in grammars() {
        let grammar = Arc::new(grammar);
        let matched: usize = (0..40).map(|seed| run(&grammar, seed, 300, None)).sum();
        assert!(matched > 40 * 300 / 3, "{matched} matches of {}", 40 * 300);
    }
}

#[test]
fn equals_a_list_with_a_reserved_segment() {
    for grammar in grammars() {
        let grammar = Arc::new(grammar);
        let matched: usize = (0..20)
            .map(|seed| run(&grammar, seed, 300, Some("a")))
            .sum();
        assert!(matched > 20 * 300 / 10, "{matched} matches of {}", 20 * 300);
    }
}

//! The index beside a list that is asked pattern by pattern, after any sequence of operations.
use std::sync::Arc;

use stentor_core::oracle::Samples;
use stentor_core::{Grammar, Index, Limits, NaiveIndex, Rules, SubscriptionId};

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

/// The value that a subscription is given.
fn value_of(id: SubscriptionId) -> u64 {
    id.0 * 7 + 1
}

/// Operations drawn from a seed, done to both, the index keeping values or not; answers with the number of matches that were
/// not empty.
fn run(grammar: &Arc<Grammar>, seed: u64, steps: usize, reserved: Option<&str>) -> usize {
    let mut samples = Samples::new(grammar, seed);
    let keeps_values = seed % 2 == 1;
    let empty = || Index::keeping(Arc::clone(grammar), reserved, keeps_values);
    let mut index = empty();
    let mut naive = NaiveIndex::new(Arc::clone(grammar), reserved);
    let target = 1 + samples.below(200);
    let mut matched = 0;
    for step in 0..steps {
        let topic = samples.topic();
        if samples.below(target) >= naive.subscriptions().len() / 2 {
            let pattern = samples.pattern_near(&topic);
            let id = index.add(&pattern).unwrap();
            assert_eq!(id, naive.add(&pattern).unwrap());
            assert_eq!(index.set_value(id, 5), keeps_values.then_some(0));
            assert_eq!(index.set_value(id, value_of(id)), keeps_values.then_some(5));
        } else {
            let at = samples.below(naive.subscriptions().len());
            let id = naive.subscriptions()[at].0;
            assert_eq!(index.remove(id), naive.remove(id));
            assert_eq!(index.remove(id), naive.remove(id));
            assert_eq!(index.set_value(id, 1), None);
        }
        let expected = naive.matches(&topic);
        matched += usize::from(!expected.is_empty());
        assert_eq!(index.matches(&topic).unwrap(), expected, "topic {topic:?}");
        if step % 8 == 0 {
            explain(&mut index, &naive, &topic);
            values(&mut index, &naive, &topic, keeps_values);
            index.check_invariants();
        }
    }
    for (id, _) in naive.subscriptions() {
        index.remove(*id).unwrap();
    }
    assert_eq!(index.statistics(), empty().statistics());
    matched
}

fn values(index: &mut Index, naive: &NaiveIndex, topic: &str, keeps_values: bool) {
    let expected = |id| (id, if keeps_values { value_of(id) } else { 0 });
    let mut found = Vec::new();
    index.match_values_into(topic, &mut found).unwrap();
    let matching = naive.matches(topic).into_iter().map(expected);
    assert_eq!(found, matching.collect::<Vec<_>>(), "topic {topic:?}");
    let mut all: Vec<_> = index.values().collect();
    all.sort_unstable();
    let ids = naive.subscriptions().iter().map(|(id, _)| value_of(*id));
    assert_eq!(all, ids.filter(|_| keeps_values).collect::<Vec<_>>());
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
fn values_stay_with_their_subscriptions_when_records_move() {
    let grammar = Arc::new(Grammar::mailbox());
    let mut samples = Samples::new(&grammar, 7);
    let mut index = Index::keeping(Arc::clone(&grammar), None, true);
    let mut naive = NaiveIndex::new(Arc::clone(&grammar), None);
    let mut most = 0;
    for step in 0..11_800 {
        if step < 6_000 {
            let kinds = ["{}.a.b", "{}.*.b", "{}.**"];
            let pattern = kinds[samples.below(3)].replace("{}", &(step / 2).to_string());
            let id = index.add(&pattern).unwrap();
            naive.add(&pattern).unwrap();
            index.set_value(id, value_of(id));
        } else {
            let at = samples.below(naive.subscriptions().len());
            let id = naive.subscriptions()[at].0;
            assert_eq!(index.remove(id), naive.remove(id));
        }
        most = most.max(index.statistics().bytes);
        if step % 500 == 0 {
            let number = samples.below(3_000);
            values(&mut index, &naive, &format!("{number}.a.b"), true);
        }
    }
    index.check_invariants();
    let left = index.statistics().bytes;
    assert!(left < most * 3 / 4, "records moved: {left} of {most}");
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

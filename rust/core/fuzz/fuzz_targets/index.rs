//! Operations on an index, with values or without, done to the naive index too: every answer is the same, the parts of the index agree with each
//! other, and when all is removed the index is as a new one.
#![no_main]
mod common;

use std::sync::Arc;

use common::{GRAMMARS, text};
use libfuzzer_sys::fuzz_target;
use stentor_core::{AddError, Index, NaiveIndex, SubscriptionId, oracle};

/// More would test nothing new and take long.
const MOST_OPERATIONS: usize = 64;

/// The value that a subscription is given.
fn value_of(id: SubscriptionId) -> u64 {
    id.0 + 1
}

/// The two indexes side by side.
struct Both {
    index: Index,
    keeps_values: bool,
    naive: NaiveIndex,
}

impl Both {
    fn add(&mut self, pattern: &str) {
        let expected = self.naive.add(pattern).map_err(AddError::Pattern);
        assert_eq!(self.index.add(pattern), expected, "pattern {pattern:?}");
        if let Ok(id) = expected {
            self.index.set_value(id, value_of(id));
        }
    }

    /// Adds as many patterns as a text has halves, or none if one is refused.
    fn add_many(&mut self, patterns: [&str; 2]) {
        let grammar = self.index.grammar();
        let flaw = patterns
            .iter()
            .find(|pattern| oracle::pattern_flaw(pattern, grammar).is_some());
        let added = self.index.add_many(&patterns);
        match flaw {
            Some(_) => assert!(matches!(added, Err(AddError::Pattern(_))), "{patterns:?}"),
            None => {
                let expected: Result<Vec<_>, _> = patterns
                    .map(|pattern| self.naive.add(pattern))
                    .into_iter()
                    .collect();
                assert_eq!(added.as_ref().ok(), expected.as_ref().ok(), "{patterns:?}");
                for id in expected.into_iter().flatten() {
                    self.index.set_value(id, value_of(id));
                }
            }
        }
    }

    fn remove(&mut self, number: u8) {
        let live = self.naive.subscriptions();
        let id = match live.get(usize::from(number) % (live.len() + 1)) {
            Some((id, _)) => *id,
            None => SubscriptionId(u64::from(number)),
        };
        assert_eq!(self.index.remove(id), self.naive.remove(id));
    }

    fn match_topic(&mut self, topic: &str) {
        let found = self.index.matches(topic);
        if oracle::topic_flaw(topic, self.index.grammar()).is_some() {
            assert!(found.is_err(), "topic {topic:?}");
            return;
        }
        let expected = self.naive.matches(topic);
        assert_eq!(found.as_ref(), Ok(&expected), "topic {topic:?}");
        let mut values = Vec::new();
        self.index
            .match_values_into(topic, &mut values)
            .expect("it is a topic");
        let value = |&id: &SubscriptionId| (id, if self.keeps_values { value_of(id) } else { 0 });
        let expected_values: Vec<_> = expected.iter().map(value).collect();
        assert_eq!(values, expected_values, "topic {topic:?}");
        let explained = self.index.explain(topic).expect("it is a topic");
        let ids: Vec<_> = explained.iter().map(|explanation| explanation.id).collect();
        assert_eq!(ids, expected, "topic {topic:?}");
    }
}

fuzz_target!(|input: (u8, bool, Vec<(u8, u8, Vec<u8>)>)| {
    let (choice, is_reserved, operations) = input;
    let grammar = &GRAMMARS[usize::from(choice) % GRAMMARS.len()];
    let reserved = is_reserved.then_some("a");
    let keeps_values = usize::from(choice) / GRAMMARS.len() % 2 == 1;
    let empty = || Index::keeping(Arc::clone(grammar), reserved, keeps_values);
    let mut both = Both {
        index: empty(),
        keeps_values,
        naive: NaiveIndex::new(Arc::clone(grammar), reserved),
    };
    for (kind, number, bytes) in operations.iter().take(MOST_OPERATIONS) {
        let text = text(bytes);
        match kind % 8 {
            0..=2 => both.add(&text),
            3 => {
                let middle = text.char_indices().nth(usize::from(*number) % 18);
                both.add_many(text.split_at(middle.map_or(0, |(at, _)| at)).into());
            }
            4 => both.remove(*number),
            _ => both.match_topic(&text),
        }
    }
    both.index.check_invariants();
    while !both.naive.subscriptions().is_empty() {
        both.remove(0);
    }
    assert_eq!(both.index.statistics(), empty().statistics());
});

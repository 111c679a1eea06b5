//! How the subscriptions that match a topic are found.
use crate::error::TopicError;
use crate::grammar::Grammar;

use super::entries::Entries;
use super::hashed::Topic;
use super::records::{Home, Place};
use super::walk::First;
use super::{Buffers, Explanation, Index, SubscriptionId};

impl Index {
    /// The subscriptions that match `topic`, ascending.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if `topic` is none of the index's grammar.
    pub fn matches(&mut self, topic: &str) -> Result<Vec<SubscriptionId>, TopicError> {
        let mut ids = Vec::new();
        self.match_into(topic, &mut ids)?;
        Ok(ids)
    }

    /// Puts the subscriptions that match `topic` into `ids`, ascending, in place of what was there.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if `topic` is none of the index's grammar.
    pub fn match_into(
        &mut self,
        topic: &str,
        ids: &mut Vec<SubscriptionId>,
    ) -> Result<(), TopicError> {
        self.gather(topic, ids, Entries::push_ids)
    }

    /// Puts the subscriptions that match `topic` into `found`, ascending, each with its value, in place of what was there.
    ///
    /// A value that was not set is 0.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if `topic` is none of the index's grammar.
    pub fn match_values_into(
        &mut self,
        topic: &str,
        found: &mut Vec<(SubscriptionId, u64)>,
    ) -> Result<(), TopicError> {
        self.gather(topic, found, Entries::push_pairs)
    }

    /// Puts what `push` takes of each entry that matches a topic into `found`, ascending, in place of what was there.
    #[inline]
    fn gather<T: Ord>(
        &mut self,
        topic: &str,
        found: &mut Vec<T>,
        push: impl Fn(&Entries, Place, &mut Vec<T>),
    ) -> Result<(), TopicError> {
        found.clear();
        let mut places = 0_usize;
        self.find(topic, |entries, place| {
            places += 1;
            push(entries, place, found);
        })?;
        if places > 1 {
            found.sort_unstable();
        }
        Ok(())
    }

    /// All values that are set, in no order.
    pub fn values(&self) -> impl Iterator<Item = u64> + '_ {
        self.entries.values().filter(|&value| value != 0)
    }

    /// Finds the entries that match a topic.
    #[inline]
    fn find(
        &mut self,
        topic: &str,
        mut found: impl FnMut(&Entries, Place),
    ) -> Result<(), TopicError> {
        self.cut_topic(topic)?;
        let first = if self.is_guarded {
            first_of(topic, &self.grammar, self.reserved.as_deref())
        } else {
            First::Open
        };
        let Self {
            entries,
            hashed,
            buffers: Buffers { cut, walk },
            seeds,
            trie,
            prefixes,
            ..
        } = self;
        let mut found = |place| found(entries, place);
        let cut_topic = Topic {
            text: topic.as_bytes(),
            cut,
        };
        hashed.find_matching(
            cut_topic,
            !first.is_open(),
            &entries.records,
            seeds,
            &mut found,
        );
        if !trie.is_empty() {
            walk.run(trie, topic, cut, first, &mut found);
        }
        if prefixes.len() > 0 {
            let spelt = if first.is_open() {
                0
            } else {
                self.reserved.as_deref().map_or(0, str::len)
            };
            prefixes.find(topic.as_bytes(), spelt, seeds, &mut found);
        }
        Ok(())
    }

    /// Cuts a topic; the cut alone tells that most texts are topics.
    fn cut_topic(&mut self, topic: &str) -> Result<(), TopicError> {
        let limits = self.grammar.limits();
        let cut = &mut self.buffers.cut;
        if topic.is_empty() || topic.len() > limits.max_bytes {
            self.grammar.validate_topic(topic)?;
        }
        cut.cut(topic.as_bytes(), self.hashed.most_back(), &self.seeds);
        if cut.is_suspect() || cut.len() > limits.max_segments {
            self.grammar.validate_topic(topic)?;
        }
        Ok(())
    }

    /// Which subscriptions match `topic`, ascending, and through which structure.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if `topic` is none of the index's grammar.
    pub fn explain(&mut self, topic: &str) -> Result<Vec<Explanation>, TopicError> {
        let mut places = Vec::new();
        self.find(topic, |_, place| places.push(place))?;
        let mut all = Vec::new();
        let mut ids = Vec::new();
        for place in places {
            ids.clear();
            self.entries.push_ids(place, &mut ids);
            let structure = self.entries.records.get(place).0.structure();
            all.extend(ids.iter().map(|&id| Explanation {
                id,
                pattern: self.spelling(id, place),
                structure,
            }));
        }
        all.sort_by_key(|explanation| explanation.id);
        Ok(all)
    }

    /// The one topic that a subscription matches, if its pattern has no wildcard and it is there.
    #[must_use]
    pub fn exact_topic(&self, id: SubscriptionId) -> Option<&str> {
        let (home, text) = self
            .entries
            .records
            .get(self.entries.find(id, &self.seeds)?);
        if home == Home::EXACT {
            std::str::from_utf8(text).ok()
        } else {
            None
        }
    }

    /// The pattern of a subscription, as it was given.
    pub(super) fn spelling(&self, id: SubscriptionId, place: Place) -> Box<str> {
        if let Some(spelling) = self.spellings.get(&id) {
            return spelling.clone();
        }
        let (home, text) = self.entries.records.get(place);
        String::from_utf8_lossy(home.pattern(text)).into()
    }
}

/// What the first segment of a topic may be matched by.
fn first_of<'g>(topic: &str, grammar: &'g Grammar, reserved: Option<&str>) -> First<'g> {
    let hidden = grammar
        .rules()
        .and_then(|rules| rules.hidden_prefix.as_deref());
    let is_reserved = reserved
        .and_then(|reserved| topic.strip_prefix(reserved))
        .is_some_and(|rest| {
            grammar
                .rules()
                .is_none_or(|rules| rest.is_empty() || rest.starts_with(rules.separator))
        });
    match hidden.filter(|prefix| topic.starts_with(prefix)) {
        _ if is_reserved => First::Literal,
        Some(prefix) => First::Hidden(prefix),
        None => First::Open,
    }
}

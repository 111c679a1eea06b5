//! How subscriptions come into the index and leave it.
use std::collections::HashMap;

use crate::pattern::Element;
use crate::redis::RedisGlob;

use super::entries::{Entries, Left};
use super::hashed::Topic;
use super::parsed::{Kind, Parsed};
use super::prefixes::{MemberId, Prefixes};
use super::records::{Home, Place};
use super::trie::{NodeId, Trie};
use super::{AddError, Buffers, Index, SubscriptionId, UnknownSubscription};

impl Index {
    /// Adds one subscription to the pattern that `text` is. O(length of the text) amortised.
    ///
    /// # Errors
    ///
    /// [`AddError`] if `text` is no pattern of the index's grammar, or the index is full; nothing has changed then.
    pub fn add(&mut self, text: &str) -> Result<SubscriptionId, AddError> {
        let parsed = Parsed::new(text, &self.grammar)?;
        self.check_room(1, parsed.key.len())?;
        Ok(self.add_parsed(text, &parsed))
    }

    /// Adds one subscription to each pattern, or none at all.
    ///
    /// # Errors
    ///
    /// [`AddError`] for the first text that is no pattern, or if the index is full; nothing has changed then.
    pub fn add_many<T: AsRef<str>>(
        &mut self,
        texts: &[T],
    ) -> Result<Vec<SubscriptionId>, AddError> {
        let parse = |text: &T| Parsed::new(text.as_ref(), &self.grammar);
        let parsed = texts.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        self.check_room(
            texts.len(),
            parsed.iter().map(|parsed| parsed.key.len()).sum(),
        )?;
        self.entries.make_room(texts.len(), &self.seeds);
        self.make_room(texts.len());
        Ok(texts
            .iter()
            .zip(&parsed)
            .map(|(text, parsed)| self.add_parsed(text.as_ref(), parsed))
            .collect())
    }

    fn check_room(&self, patterns: usize, bytes: usize) -> Result<(), AddError> {
        if self.entries.records.has_room(patterns, bytes) {
            Ok(())
        } else {
            Err(AddError::Full(bytes))
        }
    }

    fn add_parsed(&mut self, text: &str, parsed: &Parsed) -> SubscriptionId {
        let id = SubscriptionId(self.next_id);
        self.next_id += 1;
        match self.find_entry(parsed) {
            Some(place) => self.entries.subscribe(place, id, &self.seeds),
            None => self.open_entry(parsed, id),
        }
        if *parsed.key != *text {
            self.spellings.insert(id, text.into());
        }
        id
    }

    fn find_entry(&mut self, parsed: &Parsed) -> Option<Place> {
        self.buffers
            .cut
            .cut(parsed.key.as_bytes(), self.hashed.most_back(), &self.seeds);
        let pattern = Topic {
            text: parsed.key.as_bytes(),
            cut: &self.buffers.cut,
        };
        let find = |home| {
            self.hashed
                .find(home, pattern, &self.entries.records, &self.seeds)
        };
        match parsed.kind() {
            Kind::Exact => find(Home::EXACT),
            Kind::Prefix(_) => find(Home::PREFIX),
            Kind::Trie(elements) => self.trie.find(elements, &self.seeds),
            Kind::Shaped(form, elements) => {
                let shaped = self.hashed.shape_of(&form).and_then(find);
                shaped.or_else(|| self.trie.find(elements, &self.seeds))
            }
        }
    }

    /// Makes the entry of a pattern that has none.
    fn open_entry(&mut self, parsed: &Parsed, id: SubscriptionId) {
        let key = parsed.key.as_bytes();
        match parsed.kind() {
            Kind::Exact => drop(self.open_hashed(Home::EXACT, key, id)),
            Kind::Prefix(glob) => self.open_prefix(glob, key, id),
            Kind::Trie(elements) => self.open_path(elements, key, id),
            Kind::Shaped(form, elements) => {
                let rules = self.grammar.rules();
                match rules
                    .and_then(|rules| self.hashed.open_shape(form, elements, rules, &self.seeds))
                {
                    Some(home) => drop(self.open_hashed(home, key, id)),
                    None => self.open_path(elements, key, id),
                }
            }
        }
    }

    fn open_hashed(&mut self, home: Home, text: &[u8], id: SubscriptionId) -> Place {
        self.make_room(1);
        self.buffers
            .cut
            .cut(home.pattern(text), self.hashed.most_back(), &self.seeds);
        let place = self.entries.open(home, text, id, &self.seeds);
        self.hashed
            .insert(home, &self.buffers.cut, place, &self.seeds);
        place
    }

    fn make_room(&mut self, more: usize) {
        self.hashed.make_room(
            more,
            &self.entries.records,
            &mut self.buffers.cut,
            &self.seeds,
        );
    }

    fn open_prefix(&mut self, glob: &RedisGlob, key: &[u8], id: SubscriptionId) {
        let member = self.prefixes.insert(glob.clone(), &self.seeds);
        let place = self.open_hashed(Home::PREFIX, &numbered(member.0, key), id);
        self.prefixes.set_place(member, place);
    }

    fn open_path(&mut self, elements: &[Element], key: &[u8], id: SubscriptionId) {
        let node = self.trie.grow(elements, &self.seeds);
        let place = self
            .entries
            .open(Home::TRIE, &numbered(node.0, key), id, &self.seeds);
        self.trie.node_mut(node).entry = Some(place);
    }

    /// Removes one subscription and returns its pattern, as it was given. O(1) amortised, but for the length of the text.
    ///
    /// # Errors
    ///
    /// [`UnknownSubscription`] if it was never added or is removed already.
    pub fn remove(&mut self, id: SubscriptionId) -> Result<Box<str>, UnknownSubscription> {
        let place = self
            .entries
            .find(id, &self.seeds)
            .ok_or(UnknownSubscription(id))?;
        let pattern = self.spelling(id, place);
        self.spellings.remove(&id);
        if let Left::Nobody = self.entries.unsubscribe(place, id, &self.seeds) {
            self.close_entry(place);
            self.give_back();
        }
        Ok(pattern)
    }

    /// Sets the value of a subscription and returns the one that it had: 0 if none was set. O(1).
    ///
    /// Nothing is set, and nothing returned, if the subscription is not there or the index keeps no values.
    pub fn set_value(&mut self, id: SubscriptionId, value: u64) -> Option<u64> {
        let place = self.entries.find(id, &self.seeds)?;
        self.entries.set_value(place, id, value)
    }

    /// Takes all values out that are set; the subscriptions stay. O(all of it).
    pub fn take_values(&mut self) -> Vec<u64> {
        let mut pairs = Vec::new();
        for place in self.entries.records.places() {
            self.entries.push_pairs(place, &mut pairs);
        }
        pairs.retain(|&(_, value)| value != 0);
        for &(id, _) in &pairs {
            self.set_value(id, 0);
        }
        pairs.into_iter().map(|(_, value)| value).collect()
    }

    fn close_entry(&mut self, place: Place) {
        let Self {
            entries,
            hashed,
            buffers,
            seeds,
            trie,
            prefixes,
            ..
        } = self;
        let (home, text) = entries.records.get(place);
        let (number, pattern) = home.split(text);
        if home == Home::TRIE {
            trie.remove(NodeId(number), seeds);
        } else {
            buffers.cut.cut(pattern, hashed.most_back(), seeds);
            hashed.remove(home, &buffers.cut, place, seeds);
        }
        if home == Home::PREFIX {
            prefixes.remove(MemberId(number), seeds);
        }
        entries.records.remove(place);
    }

    /// Gives memory back: all of it when nothing is left, and much of it when most is free.
    fn give_back(&mut self) {
        if self.is_empty() {
            self.entries = Entries::new(self.keeps_values());
            self.hashed.clear();
            self.trie = Trie::default();
            self.prefixes = Prefixes::default();
            self.spellings = HashMap::new();
            self.buffers = Buffers::new(&self.grammar);
        } else if self.entries.records.is_sparse() {
            let Self {
                entries,
                hashed,
                buffers,
                seeds,
                trie,
                prefixes,
                ..
            } = self;
            entries.compact(seeds, |home, text, place| match home {
                Home::TRIE => trie.node_mut(NodeId(home.split(text).0)).entry = Some(place),
                Home::PREFIX => prefixes.set_place(MemberId(home.split(text).0), place),
                _ => {}
            });
            hashed.index_all(0, &entries.records, &mut buffers.cut, seeds);
            self.spellings.shrink_to_fit();
        }
    }
}

/// The text of a record behind the number that its structure keeps there.
fn numbered(number: u32, key: &[u8]) -> Vec<u8> {
    [&number.to_le_bytes(), key].concat()
}

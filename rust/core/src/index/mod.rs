//! The index: which subscriptions match a topic.
mod cut;
mod entries;
mod hash;
mod hashed;
mod lists;
#[cfg(any(test, feature = "oracle"))]
mod naive;
mod parsed;
mod prefixes;
mod records;
mod report;
mod shapes;
mod symbols;
mod table;
mod trie;
mod walk;

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::TopicError;
use crate::grammar::Grammar;
use crate::pattern::Element;
use crate::redis::RedisGlob;

pub use report::{
    AddError, Explanation, IndexStatistics, Structure, SubscriptionId, UnknownSubscription,
};

#[cfg(any(test, feature = "oracle"))]
pub use naive::NaiveIndex;

use cut::Cut;
use entries::{Entries, Left};
use hash::Seeds;
use hashed::{Hashed, Topic};
use parsed::{Kind, Parsed};
use prefixes::{MemberId, Prefixes};
use records::{Home, Place};
use trie::{NodeId, Trie};
use walk::{First, Walk};

/// Subscriptions by pattern, matched against topics.
///
/// ```
/// use std::sync::Arc;
/// use stentor_core::{Grammar, Index};
///
/// let mut index = Index::new(Arc::new(Grammar::mailbox()), None);
/// let all = index.add("ai.**").unwrap();
/// let one = index.add("ai.models.gpt4").unwrap();
/// assert_eq!(index.matches("ai.models.gpt4").unwrap(), [all, one]);
/// index.remove(all).unwrap();
/// assert_eq!(index.matches("ai.models.gpt4").unwrap(), [one]);
/// ```
#[derive(Debug)]
pub struct Index {
    grammar: Arc<Grammar>,
    /// Topics under this first segment are matched only by patterns that spell it.
    reserved: Option<Box<str>>,
    seeds: Seeds,
    next_id: u64,
    entries: Entries,
    hashed: Hashed,
    trie: Trie,
    prefixes: Prefixes,
    /// Patterns as they were given, where they are not as their entries have them.
    spellings: HashMap<SubscriptionId, Box<str>>,
    buffers: Buffers,
}

/// What a match needs and need not allocate again.
#[derive(Debug)]
struct Buffers {
    cut: Cut,
    walk: Walk,
    found: Vec<Place>,
}

impl Buffers {
    fn new(grammar: &Grammar) -> Self {
        Self {
            cut: Cut::new(grammar),
            walk: Walk::default(),
            found: Vec::new(),
        }
    }
}

impl Index {
    /// An empty index for topics and patterns of `grammar`.
    ///
    /// Topics whose first segment is `reserved` are matched only by patterns that spell it. Where a grammar has no
    /// segments, those are the topics, and the patterns, that begin with the text of `reserved`.
    #[must_use]
    pub fn new(grammar: Arc<Grammar>, reserved: Option<&str>) -> Self {
        let separator = grammar
            .rules()
            .and_then(|rules| u8::try_from(rules.separator).ok());
        Self {
            buffers: Buffers::new(&grammar),
            grammar,
            reserved: reserved.map(Into::into),
            seeds: Seeds::new(),
            next_id: 0,
            entries: Entries::default(),
            hashed: Hashed::new(separator.unwrap_or_default()),
            trie: Trie::default(),
            prefixes: Prefixes::default(),
            spellings: HashMap::new(),
        }
    }

    /// The grammar of its topics and patterns.
    #[must_use]
    pub fn grammar(&self) -> &Arc<Grammar> {
        &self.grammar
    }

    /// The number of subscriptions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no subscription.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

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
        self.buffers.cut.cut(parsed.key.as_bytes(), &self.seeds);
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
            Kind::Shaped(elements) => {
                let shaped = self.hashed.shape_of(elements).and_then(find);
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
            Kind::Shaped(elements) => {
                let rules = self.grammar.rules();
                match rules.and_then(|rules| self.hashed.open_shape(elements, rules)) {
                    Some(home) => drop(self.open_hashed(home, key, id)),
                    None => self.open_path(elements, key, id),
                }
            }
        }
    }

    fn open_hashed(&mut self, home: Home, text: &[u8], id: SubscriptionId) -> Place {
        self.make_room(1);
        self.buffers.cut.cut(home.pattern(text), &self.seeds);
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
            buffers.cut.cut(pattern, seeds);
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
            self.entries = Entries::default();
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
        ids.clear();
        self.find_places(topic)?;
        for &place in &self.buffers.found {
            self.entries.push_ids(place, ids);
        }
        if self.buffers.found.len() > 1 {
            ids.sort();
        }
        Ok(())
    }

    /// Fills the buffer with the entries that match a topic.
    fn find_places(&mut self, topic: &str) -> Result<(), TopicError> {
        self.grammar.validate_topic(topic)?;
        let first = first_of(topic, &self.grammar, self.reserved.as_deref());
        let Self {
            entries,
            hashed,
            buffers,
            seeds,
            trie,
            prefixes,
            ..
        } = self;
        let Buffers { cut, walk, found } = buffers;
        found.clear();
        cut.cut(topic.as_bytes(), seeds);
        hashed.find_matching(
            Topic {
                text: topic.as_bytes(),
                cut,
            },
            !first.is_open(),
            &entries.records,
            seeds,
            found,
        );
        walk.run(trie, topic, cut, first, |place| found.push(place));
        let spelt = if first.is_open() {
            0
        } else {
            self.reserved.as_deref().map_or(0, str::len)
        };
        prefixes.find(topic.as_bytes(), spelt, seeds, |place| found.push(place));
        Ok(())
    }

    /// Which subscriptions match `topic`, ascending, and through which structure.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if `topic` is none of the index's grammar.
    pub fn explain(&mut self, topic: &str) -> Result<Vec<Explanation>, TopicError> {
        self.find_places(topic)?;
        let mut all = Vec::new();
        let mut ids = Vec::new();
        for &place in &self.buffers.found {
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

    /// The pattern of a subscription, as it was given.
    fn spelling(&self, id: SubscriptionId, place: Place) -> Box<str> {
        if let Some(spelling) = self.spellings.get(&id) {
            return spelling.clone();
        }
        let (home, text) = self.entries.records.get(place);
        String::from_utf8_lossy(home.pattern(text)).into()
    }

    /// What the index holds.
    #[must_use]
    pub fn statistics(&self) -> IndexStatistics {
        let spellings: usize = self.spellings.values().map(|text| text.len()).sum();
        let spelling_slots =
            self.spellings.capacity() * (size_of::<(SubscriptionId, Box<str>)>() + 1);
        let structures =
            self.entries.bytes() + self.hashed.bytes() + self.trie.bytes() + self.prefixes.bytes();
        IndexStatistics {
            subscriptions: self.len(),
            patterns: self.entries.records.len(),
            nodes: self.trie.node_count(),
            shapes: self.hashed.shapes(),
            symbols: self.trie.symbols().len(),
            prefixes: self.prefixes.len(),
            bytes: structures + spellings + spelling_slots,
        }
    }
}

#[cfg(any(test, feature = "oracle"))]
impl Index {
    /// Panics if the parts contradict each other. O(all of it).
    #[doc(hidden)]
    pub fn check_invariants(&self) {
        self.entries.check(&self.seeds);
        self.trie.check();
        let mut homes = HashMap::new();
        for place in self.entries.records.places() {
            let (home, text) = self.entries.records.get(place);
            let (number, pattern) = home.split(text);
            *homes.entry(home.0).or_insert(0) += 1;
            if home == Home::TRIE {
                assert_eq!(self.trie.node(NodeId(number)).entry, Some(place));
                continue;
            }
            let mut cut = Cut::new(&self.grammar);
            cut.cut(pattern, &self.seeds);
            let pattern = Topic {
                text: pattern,
                cut: &cut,
            };
            assert_eq!(
                self.hashed
                    .find(home, pattern, &self.entries.records, &self.seeds),
                Some(place)
            );
        }
        self.hashed.check(&homes);
        self.prefixes
            .check(homes.get(&Home::PREFIX.0).copied().unwrap_or(0));
        assert!(
            self.spellings
                .keys()
                .all(|&id| self.entries.find(id, &self.seeds).is_some())
        );
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

fn numbered(number: u32, key: &[u8]) -> Vec<u8> {
    [&number.to_le_bytes(), key].concat()
}

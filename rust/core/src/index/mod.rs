//! The index: which subscriptions match a topic.
mod symbols;
mod trie;
mod walk;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::error::{PatternError, TopicError};
use crate::grammar::Grammar;
use crate::pattern::Pattern;

use trie::{NodeId, Trie};
use walk::{First, Walk};

/// The number of one subscription: ascends in the order of adding and is never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

/// The number given is of no subscription of this index, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownSubscription(pub SubscriptionId);

impl fmt::Display for UnknownSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "id must be of a subscription that was added and not removed, not {}", self.0.0)
    }
}

impl Error for UnknownSubscription {}

/// The place of an entry: one pattern text with everyone who subscribed to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct EntryId(u32);

#[derive(Clone, Copy, Debug)]
enum Home {
    Exact,
    Trie(NodeId),
    Scan,
}

#[derive(Debug)]
struct Entry {
    pattern: Pattern,
    ids: Vec<SubscriptionId>,
    home: Home,
}

/// What an index holds; counts unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStatistics {
    /// Subscriptions added and not removed.
    pub subscriptions: usize,
    /// Different patterns among them.
    pub patterns: usize,
    /// Nodes of the trie.
    pub nodes: usize,
    /// Shapes of wildcard patterns that are probed.
    pub shapes: usize,
    /// Different segment texts in the trie.
    pub symbols: usize,
    /// Bytes owned on the heap, about.
    pub bytes: usize,
}

/// Through which structure a pattern was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Structure {
    /// The table of exact topics.
    Exact,
    /// The table of patterns of one shape.
    Shape,
    /// The trie.
    Trie,
    /// The patterns of one literal prefix.
    Prefix,
}

/// One pattern that matches a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The pattern's text.
    pub pattern: Box<str>,
    /// Through which structure it was found.
    pub structure: Structure,
    /// Who subscribed to it, ascending.
    pub subscriptions: Vec<SubscriptionId>,
}

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
    next_id: u64,
    entries: Vec<Option<Entry>>,
    free: Vec<EntryId>,
    exact: HashMap<Box<str>, EntryId>,
    by_id: HashMap<SubscriptionId, EntryId>,
    scanned: Vec<EntryId>,
    trie: Trie<EntryId>,
    walk: Walk,
}

impl Index {
    /// An empty index for topics and patterns of `grammar`.
    #[must_use]
    pub fn new(grammar: Arc<Grammar>, reserved: Option<&str>) -> Self {
        Self {
            grammar,
            reserved: reserved.map(Into::into),
            next_id: 0,
            entries: Vec::new(),
            free: Vec::new(),
            exact: HashMap::new(),
            by_id: HashMap::new(),
            scanned: Vec::new(),
            trie: Trie::default(),
            walk: Walk::default(),
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
        self.by_id.len()
    }

    /// Whether there is no subscription.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Adds one subscription to the pattern that `text` is.
    ///
    /// # Errors
    ///
    /// [`PatternError`] if `text` is none of the index's grammar; nothing has changed then.
    pub fn add(&mut self, text: &str) -> Result<SubscriptionId, PatternError> {
        Ok(self.add_pattern(&Pattern::parse(text, &self.grammar)?))
    }

    /// Adds one subscription to each pattern, or none at all.
    ///
    /// # Errors
    ///
    /// [`PatternError`] for the first text that is no pattern; nothing has changed then.
    pub fn add_many<T: AsRef<str>>(&mut self, texts: &[T]) -> Result<Vec<SubscriptionId>, PatternError> {
        let parse = |text: &T| Pattern::parse(text.as_ref(), &self.grammar);
        let patterns = texts.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        Ok(patterns.iter().map(|pattern| self.add_pattern(pattern)).collect())
    }

    fn add_pattern(&mut self, pattern: &Pattern) -> SubscriptionId {
        let id = SubscriptionId(self.next_id);
        self.next_id += 1;
        let entry = self.find(pattern).unwrap_or_else(|| self.open_entry(pattern));
        if let Some(entry) = self.entries[entry.0 as usize].as_mut() {
            entry.ids.push(id);
        }
        self.by_id.insert(id, entry);
        id
    }

    fn find(&self, pattern: &Pattern) -> Option<EntryId> {
        if let Some(topic) = pattern.exact() {
            return self.exact.get(&*topic).copied();
        }
        if pattern.as_bytes_glob().is_none() {
            return self.trie.node(self.trie.find(pattern.elements())?).entry;
        }
        self.scanned.iter().copied().find(|id| self.entry(*id).is_some_and(|entry| entry.pattern == *pattern))
    }

    fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.entries[id.0 as usize].as_ref()
    }

    fn open_entry(&mut self, pattern: &Pattern) -> EntryId {
        let id = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            EntryId(u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 patterns"))
        });
        let home = if let Some(topic) = pattern.exact() {
            self.exact.insert(topic.into(), id);
            Home::Exact
        } else if pattern.as_bytes_glob().is_none() {
            Home::Trie(self.trie.insert(pattern.elements(), id))
        } else {
            self.scanned.push(id);
            Home::Scan
        };
        self.entries[id.0 as usize] = Some(Entry { pattern: pattern.clone(), ids: Vec::new(), home });
        id
    }

    /// Removes one subscription.
    ///
    /// # Errors
    ///
    /// [`UnknownSubscription`] if it was never added or is removed already.
    pub fn remove(&mut self, id: SubscriptionId) -> Result<Pattern, UnknownSubscription> {
        let entry_id = self.by_id.remove(&id).ok_or(UnknownSubscription(id))?;
        let slot = &mut self.entries[entry_id.0 as usize];
        let entry = slot.as_mut().ok_or(UnknownSubscription(id))?;
        entry.ids.retain(|&other| other != id);
        let pattern = entry.pattern.clone();
        if entry.ids.is_empty() {
            let home = entry.home;
            *slot = None;
            self.free.push(entry_id);
            self.close_entry(entry_id, home, &pattern);
        }
        Ok(pattern)
    }

    fn close_entry(&mut self, id: EntryId, home: Home, pattern: &Pattern) {
        match home {
            Home::Exact => {
                self.exact.remove(&*pattern.exact().unwrap_or_default());
            }
            Home::Trie(node) => self.trie.remove(node),
            Home::Scan => self.scanned.retain(|&other| other != id),
        }
        if self.by_id.is_empty() {
            *self = Self { next_id: self.next_id, ..Self::new(Arc::clone(&self.grammar), self.reserved.as_deref()) };
        }
    }

    /// The subscriptions that match `topic`, ascending.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if `topic` is none of the index's grammar.
    pub fn matches(&mut self, topic: &str) -> Result<Vec<SubscriptionId>, TopicError> {
        self.grammar.validate_topic(topic)?;
        let mut found = Vec::new();
        for entry in self.entries_of(topic) {
            found.extend(self.entry(entry).into_iter().flat_map(|entry| &entry.ids));
        }
        found.sort_unstable();
        Ok(found)
    }

    fn entries_of(&mut self, topic: &str) -> Vec<EntryId> {
        let mut found: Vec<EntryId> = self.exact.get(topic).copied().into_iter().collect();
        let guarded = self.is_guarded(topic);
        let hidden = self.grammar.rules().and_then(|rules| rules.hidden_prefix.as_deref());
        let first = match (guarded, hidden) {
            (false, _) => First::Open,
            (true, Some(prefix)) if topic.starts_with(prefix) => First::Hidden(prefix),
            (true, _) => First::Literal,
        };
        let segments = self.grammar.segments(topic);
        self.walk.run(&mut self.trie, segments, first, |entry| found.push(entry));
        for &id in &self.scanned {
            let entry = self.entry(id).filter(|entry| entry.pattern.matches(topic) == Ok(true));
            if entry.is_some_and(|entry| !guarded || self.spells_reserved(&entry.pattern)) {
                found.push(id);
            }
        }
        found
    }

    /// Whether only a pattern that spells the first segment matches `topic`.
    fn is_guarded(&self, topic: &str) -> bool {
        let first = self.grammar.segments(topic).next();
        self.grammar.is_hidden(topic) || (first.is_some() && first == self.reserved.as_deref())
    }

    fn spells_reserved(&self, pattern: &Pattern) -> bool {
        self.reserved.as_deref().is_none_or(|reserved| pattern.text().starts_with(reserved))
    }

    /// Which patterns match `topic`, and through which structure.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if `topic` is none of the index's grammar.
    pub fn explain(&mut self, topic: &str) -> Result<Vec<Explanation>, TopicError> {
        self.grammar.validate_topic(topic)?;
        let mut found: Vec<Explanation> = self
            .entries_of(topic)
            .into_iter()
            .filter_map(|id| self.entry(id))
            .map(|entry| Explanation {
                pattern: entry.pattern.text().into(),
                structure: match entry.home {
                    Home::Exact => Structure::Exact,
                    Home::Trie(_) => Structure::Trie,
                    Home::Scan => Structure::Prefix,
                },
                subscriptions: entry.ids.clone(),
            })
            .collect();
        found.sort_unstable_by_key(|explanation| explanation.subscriptions[0]);
        Ok(found)
    }

    /// What the index holds.
    #[must_use]
    pub fn statistics(&self) -> IndexStatistics {
        IndexStatistics {
            subscriptions: self.len(),
            patterns: self.entries.len() - self.free.len(),
            nodes: self.trie.node_count(),
            shapes: 0,
            symbols: self.trie.symbols().len(),
            bytes: self.trie.bytes(),
        }
    }
}

//! The index: which subscriptions match a topic.
//!
//! ```text
//!   topic ── cut into segments, each hashed once; sums of the hashes from either end
//!     │
//!     ├─ one hash for the exact topic, and by the plan of its depth one for each shape that can match
//!     │        sums[…] + sums[…] - sums[…]           s.*.d  │  a.**.z  │  **.c.d  │ …
//!     │    ── table of tags: one word each, no branch; most are not there
//!     │        ── record: the pattern's text decides, never the hash
//!     ├─ trie, if there is one: several `**`, globs, many `*`, a shape too many
//!     └─ prefixes, for grammars without segments
//!                                                     ids, ascending
//! ```
//!
//! **What others do.** NATS keeps a trie of maps and a cache in front of it that any change of a wildcard makes stale;
//! `RabbitMQ`, mosquitto and paho walk a trie, which costs a dependent cache miss for each level and branch; zenoh walks
//! recursively, and needs seconds for `(**/a)`×8`/b`. At a million subscriptions the misses that wait for one another are
//! what a match costs, not the instructions.
//!
//! **What is done here.** Patterns with literals at the same places have one *shape*, and a topic alone tells which hash a
//! matching pattern of a shape has: the sum of the hashes of the segments at those places, each times a random number of
//! its position. So all that may match is looked for at once, and no look waits for another. A match costs O(segments +
//! shapes) and what it finds; adding and removing cost O(length of the pattern), amortised over the growth of the tables.
//! A hash decides where to look and never what matches: two texts with one hash are two records.
//!
//! **What was rejected.** A trie for everything: 1.0 to 4 µs at a million where this takes a third. Tags apart from their
//! places: a search that finds something then waits for one more miss of the cache, and that costs more than what the rest
//! gain by the smaller table. A filter in front of the table: the tags are one already, and they can be removed. Interned
//! segments everywhere: a lookup each before the first hash. Trusting 64-bit hashes: sums collide by structure sooner or
//! later, and patterns come from users.
mod changing;
mod cut;
mod entries;
mod hash;
mod hashed;
mod lists;
mod marks;
mod matching;
#[cfg(any(test, feature = "oracle"))]
mod naive;
mod parsed;
mod plan;
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

use crate::grammar::Grammar;

pub use report::{
    AddError, Explanation, IndexStatistics, Structure, SubscriptionId, UnknownSubscription,
};

#[cfg(any(test, feature = "oracle"))]
pub use naive::NaiveIndex;

use cut::Cut;
use entries::Entries;
use hash::Seeds;
use hashed::Hashed;
use prefixes::Prefixes;
use trie::Trie;
use walk::Walk;

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
    /// Whether there are topics of which only a literal matches the first segment.
    is_guarded: bool,
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
}

impl Buffers {
    fn new(grammar: &Grammar) -> Self {
        Self {
            cut: Cut::new(grammar),
            walk: Walk::default(),
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
        Self::keeping(grammar, reserved, false)
    }

    /// An empty index, as [`Index::new`] makes it, that may keep a number with each subscription.
    ///
    /// The number stands beside the pattern in memory, so that a match has it without another miss of the cache; it costs
    /// eight bytes a pattern, and as many for each place of a list of its subscribers.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use stentor_core::{Grammar, Index};
    ///
    /// let mut index = Index::keeping(Arc::new(Grammar::mailbox()), None, true);
    /// let all = index.add("ai.**").unwrap();
    /// assert_eq!(index.set_value(all, 7), Some(0));
    /// let mut found = Vec::new();
    /// index.match_values_into("ai.models", &mut found).unwrap();
    /// assert_eq!(found, [(all, 7)]);
    /// ```
    #[must_use]
    pub fn keeping(grammar: Arc<Grammar>, reserved: Option<&str>, keeps_values: bool) -> Self {
        let rules = grammar.rules();
        let separator = rules.and_then(|rules| u8::try_from(rules.separator).ok());
        let is_guarded =
            reserved.is_some() || rules.is_some_and(|rules| rules.hidden_prefix.is_some());
        Self {
            buffers: Buffers::new(&grammar),
            grammar,
            reserved: reserved.map(Into::into),
            is_guarded,
            seeds: Seeds::new(),
            next_id: 0,
            entries: Entries::new(keeps_values),
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

    /// Whether it keeps a number with each subscription.
    #[must_use]
    pub fn keeps_values(&self) -> bool {
        self.entries.records.has_values()
    }

    /// Whether this subscription was added and not removed.
    #[must_use]
    pub fn contains(&self, id: SubscriptionId) -> bool {
        self.entries.find(id, &self.seeds).is_some()
    }

    /// Whether there is no subscription.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        use hashed::Topic;
        use records::Home;
        use trie::NodeId;

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
            cut.cut(pattern, self.hashed.most_back(), &self.seeds);
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

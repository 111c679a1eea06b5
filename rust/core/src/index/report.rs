//! What an index tells: its errors, its statistics, its explanations.
use std::error::Error;
use std::fmt;

use crate::error::PatternError;

/// The number of one subscription: ascends in the order of adding and is never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

/// The number given is of no subscription of this index, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownSubscription(pub SubscriptionId);

impl fmt::Display for UnknownSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "id must be of a subscription that was added and not removed, not {}",
            self.0.0
        )
    }
}

impl Error for UnknownSubscription {}

/// Why a subscription was not added. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddError {
    /// The text is no pattern of the index's grammar.
    Pattern(PatternError),
    /// The index has no room for so many bytes of patterns: a pattern may have 2²⁴ - 8, all together about 2³⁴.
    Full(usize),
}

impl From<PatternError> for AddError {
    fn from(error: PatternError) -> Self {
        Self::Pattern(error)
    }
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(error) => error.fmt(f),
            Self::Full(bytes) => write!(
                f,
                "the index has no room for {bytes} more bytes of patterns"
            ),
        }
    }
}

impl Error for AddError {}

/// What an index holds; counts unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStatistics {
    /// Subscriptions added and not removed.
    pub subscriptions: usize,
    /// Different patterns among them; two that differ only in runs of wildcards are one.
    pub patterns: usize,
    /// Nodes of the trie, which holds the patterns that no faster structure takes.
    pub nodes: usize,
    /// Shapes of wildcard patterns, found by hash.
    pub shapes: usize,
    /// Different segment texts in the trie.
    pub symbols: usize,
    /// Different literal prefixes of patterns without segments.
    pub prefixes: usize,
    /// Bytes owned on the heap.
    pub bytes: usize,
}

/// Through which structure a pattern was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Structure {
    /// The table of patterns without wildcards.
    Exact,
    /// The table of patterns of one shape.
    Shape,
    /// The trie.
    Trie,
    /// The patterns of one literal prefix.
    Prefix,
}

impl Structure {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Shape => "shape",
            Self::Trie => "trie",
            Self::Prefix => "prefix",
        }
    }
}

/// One subscription that matches a topic, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The subscription.
    pub id: SubscriptionId,
    /// Its pattern, as it was given.
    pub pattern: Box<str>,
    /// Through which structure it was found.
    pub structure: Structure,
}

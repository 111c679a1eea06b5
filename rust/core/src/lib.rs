//! Topics, patterns and the subscription index of stentor, free of Python.
//!
//! From the bottom up: a [`Grammar`] says what separates segments and which are wildcards; it
//! validates topics. A [`Pattern`] is read by a grammar into elements, matches topics, and is
//! compared with other patterns.
#![deny(unsafe_code)]

mod byteset;
mod canonical;
mod charset;
mod class;
mod error;
mod glob;
mod grammar;
mod index;
#[cfg(any(test, feature = "oracle"))]
pub mod oracle;
mod parse;
mod pattern;
mod pieces;
mod redis;
mod relation;
mod rules;
mod scan;
mod topic;

pub use byteset::ByteSet;
pub use charset::CharSet;
pub use class::Class;
pub use error::{GrammarError, PatternError, RelationError, TopicError};
pub use glob::{Atom, Glob};
pub use grammar::Grammar;
#[cfg(any(test, feature = "oracle"))]
pub use index::NaiveIndex;
pub use index::{
    AddError, Explanation, Index, IndexStatistics, Structure, SubscriptionId, UnknownSubscription,
};
pub use pattern::{Element, Pattern};
pub use redis::{ByteAtom, RedisGlob};
pub use rules::{Limits, Rules, WildcardText};

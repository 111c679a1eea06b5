//! Exact comparison of patterns: does one match everything another does, do they share a topic.
//!
//! A pattern is a line of places, each with an atom that takes one symbol, or with a run that takes
//! any. Read so it is an automaton, and both questions ask whether some word is accepted by certain
//! lines and by certain others not. [`search`] answers that over any alphabet. Three alphabets use
//! it: the segments of a topic ([`segments`]), which ask it again about the characters of one
//! segment ([`characters`]), and the bytes of a name of `redis` ([`bytes`]).
//!
//! Words are topics as the grammar defines them, of any length: hidden prefixes, empty segments,
//! characters that no topic holds and the shape of UTF-8 count, limits do not.
mod bits;
mod bytes;
mod characters;
mod search;
mod segments;

use crate::error::{RelationError, RelationErrorKind};
use crate::pattern::Pattern;
use search::Steps;

impl Pattern {
    /// Whether every topic that `other` matches is matched by this pattern too.
    ///
    /// # Errors
    ///
    /// [`RelationError`] if the patterns are of different grammars, or the answer takes more than
    /// [`Pattern::MAX_STEPS`] steps.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use stentor_core::{Grammar, Pattern};
    ///
    /// let mailbox = Arc::new(Grammar::mailbox());
    /// let all = Pattern::parse("ai.**", &mailbox).unwrap();
    /// let some = Pattern::parse("ai.*.gpt[34]", &mailbox).unwrap();
    /// assert!(all.includes(&some).unwrap());
    /// assert!(!some.includes(&all).unwrap());
    /// ```
    pub fn includes(&self, other: &Self) -> Result<bool, RelationError> {
        self.compare(other, |steps| {
            match (self.as_bytes_glob(), other.as_bytes_glob()) {
                (Some(one), Some(two)) => bytes::includes(one, two, steps),
                _ => segments::includes(self, other, steps),
            }
        })
    }

    /// Whether some topic is matched by both patterns.
    ///
    /// # Errors
    ///
    /// [`RelationError`] if the patterns are of different grammars, or the answer takes more than
    /// [`Pattern::MAX_STEPS`] steps.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use stentor_core::{Grammar, Pattern};
    ///
    /// let mailbox = Arc::new(Grammar::mailbox());
    /// let one = Pattern::parse("ai.*.x", &mailbox).unwrap();
    /// let two = Pattern::parse("**.b?.x", &mailbox).unwrap();
    /// assert!(one.overlaps(&two).unwrap());
    /// ```
    pub fn overlaps(&self, other: &Self) -> Result<bool, RelationError> {
        self.compare(other, |steps| {
            match (self.as_bytes_glob(), other.as_bytes_glob()) {
                (Some(one), Some(two)) => bytes::overlaps(one, two, steps),
                _ => segments::overlaps(self, other, steps),
            }
        })
    }

    /// The most steps that a comparison takes, about a tenth of a second; a step looks at one place
    /// of a pattern or keeps one word of memory.
    pub const MAX_STEPS: u32 = 4_000_000;

    fn compare(
        &self,
        other: &Self,
        answer: impl FnOnce(&mut Steps) -> Result<bool, search::OutOfSteps>,
    ) -> Result<bool, RelationError> {
        if self.grammar() != other.grammar() {
            return Err(RelationError(RelationErrorKind::Grammars));
        }
        let out_of_steps = |_| RelationError(RelationErrorKind::Limit(Self::MAX_STEPS));
        answer(&mut Steps::new(Self::MAX_STEPS)).map_err(out_of_steps)
    }
}

//! A topic cut into segments, each hashed once.
use crate::grammar::Grammar;

use super::hash::{End, Seeds};

/// Where the segments of a text are, and what their hashes add up to.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// What segments are separated by; without one, every text is one segment.
    separator: Option<u8>,
    /// Whether the empty text has no segments, rather than one that is empty.
    empty_is_none: bool,
    /// Where each segment begins, and one byte behind the end of the last.
    starts: Vec<usize>,
    hashes: Vec<u64>,
    /// Each segment's term, counted from the front.
    terms: Vec<u64>,
    /// The sum of all terms.
    pub(super) sum: u64,
}

impl Cut {
    /// A cut of nothing, to be used for texts of this grammar.
    pub(super) fn new(grammar: &Grammar) -> Self {
        let rules = grammar.rules();
        let separator = rules.and_then(|rules| u8::try_from(rules.separator).ok());
        let empty_is_none = rules.is_some_and(|rules| rules.empty_topic);
        Self {
            separator,
            empty_is_none,
            ..Self::default()
        }
    }

    /// Cuts a text.
    pub(super) fn cut(&mut self, text: &[u8], seeds: &Seeds) {
        self.starts.clear();
        self.hashes.clear();
        self.terms.clear();
        self.sum = 0;
        if text.is_empty() && self.empty_is_none {
            return;
        }
        let mut start = 0;
        if let Some(separator) = self.separator {
            for end in memchr::memchr_iter(separator, text) {
                self.push(&text[start..end], start, seeds);
                start = end + 1;
            }
        }
        self.push(&text[start..], start, seeds);
        self.starts.push(text.len() + 1);
    }

    #[inline]
    fn push(&mut self, segment: &[u8], start: usize, seeds: &Seeds) {
        let hash = seeds.segment(segment);
        let term = seeds.term(hash, End::Front, self.hashes.len());
        self.starts.push(start);
        self.hashes.push(hash);
        self.terms.push(term);
        self.sum = self.sum.wrapping_add(term);
    }

    /// The number of segments.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// The hash of a segment.
    #[inline]
    pub(super) fn hash(&self, segment: usize) -> u64 {
        self.hashes[segment]
    }

    /// The term of a segment, counted from the front.
    #[inline]
    pub(super) fn term(&self, segment: usize) -> u64 {
        self.terms[segment]
    }

    /// Where the run of segments from `first` to `last` is in the text.
    #[inline]
    pub(super) fn range(&self, first: usize, last: usize) -> std::ops::Range<usize> {
        self.starts[first]..self.starts[last + 1] - 1
    }
}

//! Seeded hashes of user text: sums of segment hashes by position.
//!
//! A segment hash is a chain of folded multiplications (the construction of wyhash and foldhash). The hash of a pattern
//! is a sum: each literal segment's hash times a random odd number of its position, counted from the front or, behind a
//! multi wildcard, from the back. So the sum of any shape follows from the segment hashes of a topic alone, each
//! computed once. Every number is drawn from the operating system's randomness (through [`RandomState`]), once an index:
//! whoever chooses the texts cannot choose the collisions. A hash decides where to look and never what matches.
use std::hash::{BuildHasher, RandomState};

/// Positions whose factor is kept; those of the segments beyond are computed each time.
const KEPT: usize = 256;

/// Both halves of the whole product, one over the other.
#[inline]
pub(super) fn fold(a: u64, b: u64) -> u64 {
    let [low, high] = wide_product(a, b);
    low ^ high
}

/// The low and the high half of the product of two numbers.
#[inline]
#[allow(
    clippy::cast_possible_truncation,
    reason = "to take it apart is what it is for"
)]
pub(super) fn wide_product(a: u64, b: u64) -> [u64; 2] {
    let product = u128::from(a) * u128::from(b);
    [product as u64, (product >> 64) as u64]
}

/// The random numbers of one index.
#[derive(Debug)]
pub(super) struct Seeds {
    pub(super) start: u64,
    pub(super) word: u64,
    shape: u64,
    positions: [u64; 2],
    kept: Box<[[u64; KEPT]; 2]>,
}

/// From which end a position is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Front,
    Back,
}

impl Seeds {
    pub(super) fn new() -> Self {
        let state = RandomState::new();
        let mut drawn = 0_u64;
        let mut draw = || {
            drawn += 1;
            state.hash_one(drawn) | 1
        };
        let (start, word, shape, positions) = (draw(), draw(), draw(), [draw(), draw()]);
        let kept = positions
            .map(|seed| std::array::from_fn(|at| position_factor(seed, at)))
            .into();
        Self {
            start,
            word,
            shape,
            positions,
            kept,
        }
    }

    /// The hash of a segment of up to eight bytes, which are this number.
    #[inline]
    pub(super) fn short(&self, word: u64, len: usize) -> u64 {
        fold(self.start ^ word, self.word ^ len as u64)
    }

    /// The hash of a segment.
    pub(super) fn segment(&self, text: &[u8]) -> u64 {
        let word = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |word, &byte| word << 8 | u64::from(byte))
        };
        let Some(before) = text.len().checked_sub(9) else {
            return self.short(word(text), text.len());
        };
        let (words, _) = text[..before + 8].as_chunks::<8>();
        let take = |hash, word: &[u8; 8]| fold(hash ^ u64::from_le_bytes(*word), self.word);
        let hash = words.iter().fold(self.start, take);
        fold(
            hash ^ word(&text[words.len() * 8..]),
            self.word ^ text.len() as u64,
        )
    }

    /// What the hash of a segment at this position is multiplied with.
    #[inline]
    pub(super) fn factor(&self, end: End, position: usize) -> u64 {
        match self.kept[end as usize].get(position) {
            Some(&factor) => factor,
            None => position_factor(self.positions[end as usize], position),
        }
    }

    /// What the terms of a pattern are added to, by the number of its shape, so that the shapes are kept apart.
    ///
    /// The sum is the hash: the high half of such a sum is as good as a hash gets (multilinear hashing is strongly universal
    /// there).
    #[inline]
    pub(super) fn of_shape(&self, number: u8) -> u64 {
        u64::from(number).wrapping_mul(self.shape)
    }
}

/// An odd number that looks random (the finaliser of splitmix64).
#[cold]
fn position_factor(seed: u64, position: usize) -> u64 {
    let mut mixed = seed.wrapping_add((position as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) | 1
}

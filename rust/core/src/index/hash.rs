//! Seeded hashes of user text: sums of segment hashes by position.
//!
//! A segment hash is a chain of folded multiplications (the construction of wyhash and foldhash). The hash of a pattern
//! is a sum: each literal segment's hash times a random number of its position, counted from the front or, behind a
//! multi wildcard, from the back. So the sum of any shape follows from the segment hashes of a topic alone, each
//! computed once. Every number is drawn from the operating system's randomness (through [`RandomState`]), once an index:
//! whoever chooses the texts cannot choose the collisions. A hash decides where to look and never what matches.
use std::hash::{BuildHasher, RandomState};

/// Positions whose factor is kept; those of the segments beyond are computed each time.
const KEPT: usize = 32;

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
    finish: u64,
    positions: [u64; 2],
    kept: [[u64; KEPT]; 2],
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
        let (start, word, finish, positions) = (draw(), draw(), draw(), [draw(), draw()]);
        let kept = positions.map(|seed| std::array::from_fn(|at| position_factor(seed, at)));
        Self {
            start,
            word,
            finish,
            positions,
            kept,
        }
    }

    /// The hash of a run of bytes.
    #[inline]
    pub(super) fn segment(&self, bytes: &[u8]) -> u64 {
        let mut hash = self.start ^ bytes.len() as u64;
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            hash = fold(hash ^ u64::from_le_bytes(*word), self.word);
        }
        fold(hash ^ load_short(rest), self.word)
    }

    /// What a literal segment with this hash adds to the sum at this position.
    #[inline]
    pub(super) fn term(&self, segment: u64, end: End, position: usize) -> u64 {
        let factor = match self.kept[end as usize].get(position) {
            Some(&factor) => factor,
            None => position_factor(self.positions[end as usize], position),
        };
        segment.wrapping_mul(factor)
    }

    /// The hash of a pattern from the sum of its terms and the number of its shape.
    #[inline]
    pub(super) fn finish(&self, sum: u64, shape: u8) -> u64 {
        fold(
            sum.wrapping_add(u64::from(shape).wrapping_mul(self.positions[0])),
            self.finish,
        )
    }
}

/// An odd number that looks random (the finaliser of splitmix64).
fn position_factor(seed: u64, position: usize) -> u64 {
    let mut x = seed.wrapping_add((position as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) | 1
}

/// Up to seven bytes as one number.
#[inline]
fn load_short(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*head)) | u64::from(u32::from_le_bytes(*tail)) << 32;
    }
    match len {
        0 => 0,
        _ => u64::from(bytes[0]) | u64::from(bytes[len / 2]) << 8 | u64::from(bytes[len - 1]) << 16,
    }
}

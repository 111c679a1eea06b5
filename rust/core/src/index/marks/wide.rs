//! Thirty-two bytes together, by AVX2, and the notable ones by two looks into tables rather than run by run.
//!
//! ```text
//!   byte      0x2a      '*'
//!   high      2         the classes that bytes 0x2? may be of
//!   low       a         the classes that bytes 0x?a are of        notable if they share one
//! ```
#![allow(unsafe_code, reason = "see the module above")]

use std::arch::x86_64::{
    __m256i, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_or_si256,
    _mm256_set_epi64x, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_srli_epi16, _mm256_testz_si256,
};
use std::mem::transmute;

use super::PIECE;

const WIDTH: usize = 32;
const HALF: usize = 16;

/// What is looked for, on a processor that has AVX2.
#[derive(Debug)]
pub(super) struct Wide {
    separator: u8,
    /// By the low and by the high half of a byte, twice each: a bit for each class.
    low: [u8; WIDTH],
    high: [u8; WIDTH],
}

impl Wide {
    pub(super) fn new(separator: u8, is_notable: &[bool; 256]) -> Option<Self> {
        let (low, high) = classes(is_notable);
        is_x86_feature_detected!("avx2").then_some(Self {
            separator,
            low: twice(low),
            high: twice(high),
        })
    }

    /// Finds the separators of a text, and whether some byte of it is notable.
    #[inline]
    pub(super) fn find(&self, text: &[u8], separators: &mut [u64]) -> bool {
        // SAFETY: the processor has AVX2, or there were no `Wide`.
        unsafe { self.find_together(text, separators) }
    }

    #[target_feature(enable = "avx2")]
    fn find_together(&self, text: &[u8], separators: &mut [u64]) -> bool {
        let mut notable = _mm256_setzero_si256();
        let mut look = |bytes| {
            notable = _mm256_or_si256(notable, self.notable(bytes));
            self.separators(bytes)
        };
        let (pieces, rest) = text.as_chunks::<PIECE>();
        for (piece, word) in pieces.iter().zip(&mut *separators) {
            let (blocks, _) = piece.as_chunks();
            *word = look(bytes_of(blocks[0])) | look(bytes_of(blocks[1])) << WIDTH;
        }
        // Blocks may overlap: what is found twice is the same.
        separators[pieces.len()] = match (rest.first_chunk(), text.last_chunk()) {
            (Some(first), Some(last)) => {
                look(bytes_of(*first)) | look(bytes_of(*last)) << (rest.len() - WIDTH)
            }
            (None, Some(last)) => look(bytes_of(*last)) >> (WIDTH - rest.len()),
            (_, None) => {
                let (halves, apart) = halves_of(text);
                let found = look(halves);
                found & 0xffff | found >> HALF << apart
            }
        };
        _mm256_testz_si256(notable, notable) == 0
    }

    /// A bit for each separator.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn separators(&self, bytes: __m256i) -> u64 {
        let equal = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(self.separator.cast_signed()));
        u64::from(_mm256_movemask_epi8(equal).cast_unsigned())
    }

    /// The classes that make a byte notable, for each.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn notable(&self, bytes: __m256i) -> __m256i {
        let half = _mm256_set1_epi8(0x0f);
        let low = _mm256_and_si256(bytes, half);
        let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), half);
        _mm256_and_si256(
            _mm256_shuffle_epi8(bytes_of(self.low), low),
            _mm256_shuffle_epi8(bytes_of(self.high), high),
        )
    }
}

#[inline]
fn bytes_of(bytes: [u8; WIDTH]) -> __m256i {
    // SAFETY: both are 32 bytes, of which any will do.
    unsafe { transmute(bytes) }
}

/// The bytes of a text that has fewer than 32, as two halves that overlap, and how far apart in the text they begin; what no
/// text has stands behind them.
#[target_feature(enable = "avx2")]
#[inline]
fn halves_of(text: &[u8]) -> (__m256i, usize) {
    if let (Some(first), Some(last)) = (text.first_chunk::<HALF>(), text.last_chunk::<HALF>()) {
        let [a, b] = words_of(first);
        let [c, d] = words_of(last);
        return (_mm256_set_epi64x(d, c, b, a), text.len() - HALF);
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let [first, last] = [*first, *last].map(i64::from_le_bytes);
        return (_mm256_set_epi64x(-1, last, -1, first), text.len() - 8);
    }
    let word = text
        .iter()
        .rev()
        .fold(-1, |word, &byte| word << 8 | i64::from(byte));
    (_mm256_set_epi64x(-1, -1, -1, word), 0)
}

fn words_of(half: &[u8; HALF]) -> [i64; 2] {
    let (words, _) = half.as_chunks();
    [words[0], words[1]].map(i64::from_le_bytes)
}

fn twice(table: [u8; HALF]) -> [u8; WIDTH] {
    std::array::from_fn(|at| table[at % HALF])
}

/// The classes by the low and by the high half of a byte.
///
/// Bytes with the same high half are of one class; so are high halves with the same notable bytes. Of more than eight
/// classes the last ones are taken for one, which makes too many bytes notable and none too few.
fn classes(is_notable: &[bool; 256]) -> ([u8; HALF], [u8; HALF]) {
    let mut kinds: Vec<&[bool; HALF]> = Vec::new();
    let (mut low, mut high) = ([0; HALF], [0; HALF]);
    let (rows, _) = is_notable.as_chunks::<HALF>();
    for (row, class_of_row) in rows.iter().zip(&mut high) {
        if !row.contains(&true) {
            continue;
        }
        let known = kinds.iter().position(|kind| *kind == row);
        let number = known.unwrap_or_else(|| {
            kinds.push(row);
            kinds.len() - 1
        });
        *class_of_row = 1 << number.min(7);
        for (classes, _) in low
            .iter_mut()
            .zip(row)
            .filter(|(_, is_notable)| **is_notable)
        {
            *classes |= *class_of_row;
        }
    }
    (low, high)
}

//! Where the separators of a text are, and whether it holds a byte that calls for a closer look: sixteen bytes at a time.
//!
//! On x86-64 by the instructions of SSE2, elsewhere byte by byte. This is the one module with unsafe code: the compiler
//! takes vector instructions for safe only where a function names the feature, and then not its callers, although every
//! x86-64 processor has SSE2. Nothing here reads through a pointer.
#![cfg_attr(
    all(target_arch = "x86_64", target_feature = "sse2"),
    allow(unsafe_code, reason = "see above")
)]

/// How many bytes are looked at together.
pub(super) const WIDTH: usize = 16;

/// What was found in some bytes, 64 at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// One bit for each byte that is a separator, the first byte's the lowest.
    pub(super) separators: u64,
    /// Whether some byte is notable.
    pub(super) is_notable: bool,
}

impl Found {
    /// Adds what was found in the block of this number.
    #[inline]
    pub(super) fn add(&mut self, other: Self, block: usize) {
        self.separators |= other.separators << (WIDTH * block);
        self.is_notable |= other.is_notable;
    }
}

/// What is looked for: a separator, and runs of notable bytes, each by its first and by how many follow that.
#[derive(Debug)]
pub(super) struct Marks {
    separator: u8,
    notable: Vec<(Same, Same)>,
}

impl Marks {
    pub(super) fn new(separator: u8, is_notable: &[bool; 256]) -> Self {
        let mut runs: Vec<(u8, u8)> = Vec::new();
        for byte in (0..=u8::MAX).filter(|&byte| is_notable[usize::from(byte)]) {
            match runs.last_mut() {
                Some((first, more)) if *first + *more == byte.wrapping_sub(1) => *more += 1,
                _ => runs.push((byte, 0)),
            }
        }
        let notable = runs
            .iter()
            .map(|&(first, more)| (same(first), same(more)))
            .collect();
        Self { separator, notable }
    }

    #[inline]
    pub(super) fn is_separator(&self, byte: u8) -> bool {
        byte == self.separator
    }
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
use together::{Same, same};

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod together {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
        _mm_setzero_si128, _mm_sub_epi8, _mm_subs_epu8,
    };

    use super::{Found, Marks, WIDTH};

    /// One byte, sixteen times.
    pub(super) type Same = __m128i;

    #[inline]
    pub(super) fn same(byte: u8) -> Same {
        // SAFETY: the target has SSE2.
        unsafe { _mm_set1_epi8(byte.cast_signed()) }
    }

    impl Marks {
        #[inline]
        pub(in super::super) fn find(&self, block: &[u8; WIDTH]) -> Found {
            // SAFETY: the target has SSE2.
            unsafe { self.find_together(block) }
        }

        #[target_feature(enable = "sse2")]
        #[inline]
        fn find_together(&self, block: &[u8; WIDTH]) -> Found {
            let (halves, _) = block.as_chunks::<8>();
            let bytes =
                _mm_set_epi64x(i64::from_le_bytes(halves[1]), i64::from_le_bytes(halves[0]));
            let separators = _mm_cmpeq_epi8(bytes, same(self.separator));
            let zero = _mm_setzero_si128();
            let mut notable = zero;
            for &(first, more) in &self.notable {
                let beyond = _mm_subs_epu8(_mm_sub_epi8(bytes, first), more);
                notable = _mm_or_si128(notable, _mm_cmpeq_epi8(beyond, zero));
            }
            Found {
                separators: u64::from(_mm_movemask_epi8(separators).cast_unsigned()),
                is_notable: _mm_movemask_epi8(notable) != 0,
            }
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
use one_by_one::{Same, same};

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
mod one_by_one {
    use super::{Found, Marks, WIDTH};

    pub(super) type Same = u8;

    pub(super) fn same(byte: u8) -> Same {
        byte
    }

    impl Marks {
        pub(in super::super) fn find(&self, block: &[u8; WIDTH]) -> Found {
            let is_in = |byte: u8, &(first, more): &(u8, u8)| byte.wrapping_sub(first) <= more;
            let bit = |place: usize| u64::from(self.is_separator(block[place])) << place;
            Found {
                separators: (0..WIDTH).map(bit).sum(),
                is_notable: block
                    .iter()
                    .any(|&byte| self.notable.iter().any(|run| is_in(byte, run))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, Marks, WIDTH};

    #[test]
    fn sixteen_together_are_found_as_one_by_one() {
        let mut state = 1_u64;
        let mut draw = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_le_bytes()[7]
        };
        let mut notable_blocks = 0;
        for _ in 0..4_000 {
            let mut is_notable = [false; 256];
            for _ in 0..draw() % 4 {
                let (first, more) = (draw(), draw() % 8);
                (first..=first.saturating_add(more))
                    .for_each(|byte| is_notable[usize::from(byte)] = true);
            }
            let block: [u8; WIDTH] = std::array::from_fn(|_| draw());
            let separator = block[usize::from(draw() % 16)];
            let bit = |place: usize| u64::from(block[place] == separator) << place;
            let expected = Found {
                separators: (0..WIDTH).map(bit).sum(),
                is_notable: block.iter().any(|&byte| is_notable[usize::from(byte)]),
            };
            assert_eq!(Marks::new(separator, &is_notable).find(&block), expected);
            notable_blocks += u32::from(expected.is_notable);
        }
        assert!((400..3_600).contains(&notable_blocks), "{notable_blocks}");
    }
}

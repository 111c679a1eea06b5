//! Sixteen bytes together, by SSE2, which every x86-64 processor has.
#![allow(unsafe_code, reason = "see the module above")]

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
    pub(super) fn find_in_block(&self, block: &[u8; WIDTH]) -> Found {
        // SAFETY: the target has SSE2.
        unsafe { self.find_together(block) }
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn find_together(&self, block: &[u8; WIDTH]) -> Found {
        let (halves, _) = block.as_chunks::<8>();
        let bytes = _mm_set_epi64x(i64::from_le_bytes(halves[1]), i64::from_le_bytes(halves[0]));
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

//! Asking for memory ahead of its use.

/// Bytes that the processor fetches at once.
pub(super) const LINE: usize = 64;
/// Bytes that an object of Python begins with: its count of references, and its class.
pub(super) const HEAD: usize = 2 * size_of::<usize>();

/// Lets the processor fetch what lies at an address and right behind it, while it does something else.
#[cfg(target_arch = "x86_64")]
#[inline]
#[allow(
    unsafe_code,
    reason = "an instruction that neither reads nor fails, whatever the address"
)]
pub(super) fn prefetch<T>(address: *const T, lines: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    for line in 0..lines {
        // SAFETY: see above.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.wrapping_byte_add(line * LINE).cast()) }
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(super) fn prefetch<T>(_address: *const T, _lines: usize) {}

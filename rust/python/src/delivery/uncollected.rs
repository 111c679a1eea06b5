//! Keeping the collector of garbage out of what must be one step.
#![allow(
    unsafe_code,
    reason = "the collector has no safe interface but through Python"
)]

use pyo3::ffi;
use pyo3::prelude::*;

use super::cell::LockedCell;

/// Whether a collection may begin wherever an object is made: up to CPython 3.11. Later ones wait for the interpreter's
/// loop.
static ANYWHERE: LockedCell<bool> = LockedCell::new(true);

/// While it is there, no garbage is collected whose finalizers might publish.
///
/// It is looked whether there is room in a mailbox, and then the message is made that goes in: if another came between,
/// there would be one too many.
pub(crate) struct Uncollected {
    /// Whether there were collections before.
    were_there: bool,
}

impl Uncollected {
    /// Puts collections off, while the interpreter is locked.
    #[inline]
    pub(crate) fn begin(_py: Python<'_>) -> Self {
        // SAFETY: whoever comes here is attached.
        let were_there = ANYWHERE.get() && unsafe { ffi::PyGC_Disable() } != 0;
        Self { were_there }
    }
}

impl Drop for Uncollected {
    #[inline]
    fn drop(&mut self) {
        if self.were_there {
            // SAFETY: it is where it began, attached.
            unsafe { ffi::PyGC_Enable() };
        }
    }
}

/// Looks when this interpreter collects.
pub(crate) fn learn_when_collected(py: Python<'_>) {
    ANYWHERE.set(py.version_info() < (3, 12));
}

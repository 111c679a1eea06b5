//! An allocator that counts what is in use, for each thread by itself: others, as that of a test harness, allocate meanwhile.
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The allocator of the system, counting.
pub(crate) struct Counting;

thread_local! {
    /// Needs neither memory nor an end, so it may be asked at any time.
    static IN_USE: Cell<usize> = const { Cell::new(0) };
}

/// Bytes that this thread has allocated and not freed.
pub(crate) fn in_use() -> usize {
    IN_USE.get()
}

/// Counts so many bytes more and so many fewer; what another thread has allocated may be freed here.
fn count(more: usize, fewer: usize) {
    IN_USE.set(IN_USE.get().wrapping_add(more).wrapping_sub(fewer));
}

// SAFETY: every call is handed on unchanged to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

//! Moulds: how objects are made, and made again, of which every message needs one.
#![allow(
    unsafe_code,
    reason = "memory for an object is asked of its class without the constructor of its base class, and used again"
)]

use std::cell::{Cell, RefCell};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::{Borrowed, PyClass, PyClassInitializer};

use super::cell::LockedCell;

/// Objects of one class that are over, and whose memory is kept for those to come: two bursts of 100, and some more.
const KEPT: usize = 256;

/// Objects that are ended one within the other, as each was the payload of the next; any more wait for the first.
///
/// So a long chain of messages, each of which holds the one before, takes no long chain of calls to end. It is as many
/// as CPython ends one within the other.
const DEEP: u32 = 50;

/// What a thread is ending. What an object refers to may let another thread have the lock when it is let go of.
struct Ending {
    /// How many, one within the other.
    depth: Cell<u32>,
    /// Those that nobody has, and that are to be ended when the first is, each with how that is done.
    waiting: RefCell<Vec<(End, *mut ffi::PyObject)>>,
}

/// How an object is ended.
type End = unsafe fn(*mut ffi::PyObject);

thread_local! {
    static ENDING: Ending = const {
        Ending { depth: Cell::new(0), waiting: RefCell::new(Vec::new()) }
    };
}

/// How an object of a class is made once one has been made: where its value lies in it, and in which memory.
///
/// `Py::new` calls the constructor of the class `object`, which takes more instructions than the rest of making it. All
/// that it does for a class without `__dict__` is to ask the class for memory, which comes filled with zeros; those are
/// what the rest of an object of ours begins with, a list of weak references that is empty. That it is when an object is
/// over, too: then the next one can have the memory as it is. Who traces memory is told of the place that asked for it
/// first.
pub(crate) struct Mould {
    shape: LockedCell<Option<Shape>>,
    kept: LockedCell<Vec<Kept>>,
}

#[derive(Clone, Copy)]
struct Shape {
    class: *mut ffi::PyTypeObject,
    /// Bytes from the beginning of an object to its value.
    offset: usize,
}

// SAFETY: a class of this module lives as long as the module, and is only read here.
unsafe impl Send for Shape {}

/// The memory of an object that is over, with a reference to its class: the collector does not know it.
struct Kept(*mut ffi::PyObject);

// SAFETY: it is memory, of any thread that holds the lock.
unsafe impl Send for Kept {}

/// A class whose objects are made in a mould.
///
/// # Safety
///
/// Its objects have no `__dict__`, and nobody inherits from it; the mould is of this class, and of no other.
pub(crate) unsafe trait Moulded: PyClass<Frozen = True> + Sync {
    fn mould() -> &'static Mould;

    /// Lets go of all that it refers to.
    fn drop_ref(self, py: Python<'_>);
}

impl Mould {
    pub(crate) const fn new() -> Self {
        Self {
            shape: LockedCell::new(None),
            kept: LockedCell::new(Vec::new()),
        }
    }
}

/// The mould of a class, for its `Moulded`.
macro_rules! own_mould {
    () => {
        fn mould() -> &'static $crate::delivery::moulds::Mould {
            static MOULD: $crate::delivery::moulds::Mould = $crate::delivery::moulds::Mould::new();
            &MOULD
        }
    };
}

pub(crate) use own_mould;

/// Makes an object.
#[inline]
pub(crate) fn moulded<T: Moulded>(py: Python<'_>, value: T) -> PyResult<Py<T>>
where
    PyClassInitializer<T>: From<T>,
{
    let mould = T::mould();
    let Some(Shape { class, offset }) = mould.shape.get() else {
        return first(py, value);
    };
    // SAFETY: the class is that of `T`, so that there is room for a value where there is one in another of its objects;
    // what lies behind it is zeros, as it should be. Memory that was kept is nobody else's, and the collector is told of
    // it when there is a value in it; it knows new memory already, but nothing runs until there is a value in that.
    unsafe {
        if let Some(Kept(object)) = mould.kept.with(Vec::pop) {
            ffi::Py_INCREF(object);
            object.byte_add(offset).cast::<T>().write(value);
            ffi::PyObject_GC_Track(object.cast());
            return Ok(Bound::from_owned_ptr(py, object)
                .cast_into_unchecked()
                .unbind());
        }
        let object = ffi::PyType_GenericAlloc(class, 0);
        let object = Bound::from_owned_ptr_or_err(py, object)?;
        object.as_ptr().byte_add(offset).cast::<T>().write(value);
        Ok(object.cast_into_unchecked().unbind())
    }
}

/// Makes an object in the ordinary way, and looks where its value lies.
#[cold]
fn first<T: Moulded>(py: Python<'_>, value: T) -> PyResult<Py<T>>
where
    PyClassInitializer<T>: From<T>,
{
    let object = Bound::new(py, value)?;
    let place = std::ptr::from_ref(object.get()) as usize;
    let shape = Shape {
        class: T::type_object_raw(py),
        offset: place - object.as_ptr() as usize,
    };
    T::mould().shape.set(Some(shape));
    Ok(object.unbind())
}

/// Has the objects of a class ended here, and their memory kept.
pub(crate) fn end_here<T: Moulded>(py: Python<'_>) {
    T::mould().kept.with(|kept| kept.reserve_exact(KEPT));
    // SAFETY: the class is a heap type made by this module, whose slots are writable and which nobody uses yet.
    unsafe {
        let class = T::type_object_raw(py);
        debug_assert!(
            (*class).tp_weaklistoffset >= 0,
            "weak references are where `end` looks for them"
        );
        (*class).tp_dealloc = Some(over::<T>);
    }
}

/// Ends an object that nobody has any more, at once or soon.
unsafe extern "C" fn over<T: Moulded>(object: *mut ffi::PyObject) {
    // SAFETY: Python calls it, attached, with an object of the class in whose slot it is. What waits is ended once.
    unsafe {
        ffi::PyObject_GC_UnTrack(object.cast());
        let ended = ENDING.try_with(|ending| {
            let depth = ending.depth.get();
            if depth == DEEP {
                let one = (end::<T> as End, object);
                return ending.waiting.borrow_mut().push(one);
            }
            ending.depth.set(depth + 1);
            end::<T>(object);
            while depth == 0
                && let Some((end, object)) = { ending.waiting.borrow_mut().pop() }
            {
                end(object);
            }
            ending.depth.set(depth);
        });
        if ended.is_err() {
            end::<T>(object); // the thread itself is about to end
        }
    }
}

/// Lets go of what an object refers to, and keeps its memory if there is not enough of that.
///
/// # Safety
///
/// Nobody has it, nor does the collector know it; it is of the class of `T`.
#[inline]
unsafe fn end<T: Moulded>(object: *mut ffi::PyObject) {
    // SAFETY: its value is taken out once, and after that nothing of it is left but memory.
    unsafe {
        let py = Python::assume_attached();
        let class = ffi::Py_TYPE(object);
        let weak = (*class).tp_weaklistoffset;
        if weak > 0 && !(*object.byte_offset(weak).cast::<*mut ffi::PyObject>()).is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
        let value = Borrowed::from_ptr(py, object).cast_unchecked::<T>();
        std::ptr::from_ref(value.get()).read().drop_ref(py);
        let is_kept = T::mould().kept.with(|kept| {
            let is_room = kept.len() < KEPT;
            if is_room {
                kept.push(Kept(object));
            }
            is_room
        });
        if !is_kept {
            ffi::PyObject_GC_Del(object.cast());
            ffi::Py_DECREF(class.cast());
        }
    }
}

/// Whether nobody else has a reference to an object of which this is one.
#[inline]
pub(crate) fn is_unshared<T>(object: &Py<T>) -> bool {
    // SAFETY: a live object.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) == 1 }
}

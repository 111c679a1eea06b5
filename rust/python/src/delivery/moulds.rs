//! Moulds: how objects are made, and made again, of which every message needs one.
#![allow(
    unsafe_code,
    reason = "memory for an object is asked of its class without the constructor of its base class, and used again"
)]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::{PyClass, PyClassInitializer};

use super::cell::LockedCell;

/// Objects of one class that are over, and whose memory is kept for those to come.
const KEPT: usize = 256;

/// How an object of a class is made once one has been made: where its value lies in it, and in which memory.
///
/// `Py::new` calls the constructor of the class `object`, which takes more instructions than the rest of making it. All
/// that it does for a class without `__dict__` is to ask the class for memory, which comes filled with zeros; those are
/// what the rest of an object of ours begins with, a list of weak references that is empty. That it is when an object is
/// over, too: then the next one can have the memory as it is.
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

/// An object that is over: nobody has it, the collector does not know it, and it has no value.
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
    // it when there is a value in it.
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

/// Makes an object in the ordinary way, looks where its value lies, and has the memory kept from now on.
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
    let mould = T::mould();
    mould.shape.set(Some(shape));
    mould.kept.with(|kept| kept.reserve_exact(KEPT));
    // SAFETY: the class is a heap type of this module, whose slots are writable; what ends its objects now, too, ends
    // those that were made before, which are no different.
    unsafe { (*shape.class).tp_dealloc = Some(over::<T>) };
    Ok(object.unbind())
}

/// Ends an object that nobody has any more.
unsafe extern "C" fn over<T: Moulded>(object: *mut ffi::PyObject) {
    // SAFETY: Python calls it, attached, with an object of the class in whose slot it is, after the shape was found. Its
    // value is taken out once, and after that nothing of it is left but memory.
    unsafe {
        let py = Python::assume_attached();
        ffi::PyObject_GC_UnTrack(object.cast());
        let class = ffi::Py_TYPE(object);
        let weak = (*class).tp_weaklistoffset;
        if weak > 0 && !(*object.byte_offset(weak).cast::<*mut ffi::PyObject>()).is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
        let mould = T::mould();
        if let Some(Shape { offset, .. }) = mould.shape.get() {
            object.byte_add(offset).cast::<T>().read().drop_ref(py);
        }
        let is_kept = mould.kept.with(|kept| {
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

/// Lets go of an object that may be there.
#[inline(always)]
pub(crate) fn release(py: Python<'_>, object: Option<Py<PyAny>>) {
    if let Some(object) = object {
        object.drop_ref(py);
    }
}

/// Whether nobody else has a reference to an object of which this is one.
#[inline]
pub(crate) fn is_unshared<T>(object: &Py<T>) -> bool {
    // SAFETY: a live object.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) == 1 }
}

//! Moulds: how objects are made of which every message needs one.
#![allow(
    unsafe_code,
    reason = "memory for an object is asked of its class without the constructor of its base class"
)]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::{PyClass, PyClassInitializer};

use super::cell::LockedCell;

/// How an object of a class is made once one has been made: where its value lies in it.
///
/// `Py::new` calls the constructor of the class `object`, which takes more instructions than the rest of making it. All
/// that it does for a class without `__dict__` is to ask the class for memory, which comes filled with zeros; those are
/// what the rest of an object of ours begins with, a list of weak references that is empty.
pub(crate) struct Mould(LockedCell<Option<Shape>>);

#[derive(Clone, Copy)]
struct Shape {
    class: *mut ffi::PyTypeObject,
    /// Bytes from the beginning of an object to its value.
    offset: usize,
}

// SAFETY: a class of this module lives as long as the module, and is only read here.
unsafe impl Send for Shape {}

/// A class whose objects are made in a mould.
///
/// # Safety
///
/// Its objects have no `__dict__`, and nobody inherits from it; the mould is of this class, and of no other.
pub(crate) unsafe trait Moulded: PyClass<Frozen = True> + Sync {
    fn mould() -> &'static Mould;
}

impl Mould {
    pub(crate) const fn new() -> Self {
        Self(LockedCell::new(None))
    }
}

/// Makes an object.
#[inline]
pub(crate) fn moulded<T: Moulded>(py: Python<'_>, value: T) -> PyResult<Py<T>>
where
    PyClassInitializer<T>: From<T>,
{
    let Some(Shape { class, offset }) = T::mould().0.get() else {
        return first(py, value);
    };
    // SAFETY: the class is that of `T`, so that there is room for a value where there is one in another of its objects;
    // what lies behind it is zeros, as it should be.
    unsafe {
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
    T::mould().0.set(Some(shape));
    Ok(object.unbind())
}

/// Whether nobody else has a reference to an object of which this is one.
#[inline]
pub(crate) fn is_unshared<T>(object: &Py<T>) -> bool {
    // SAFETY: a live object.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) == 1 }
}

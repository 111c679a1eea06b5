//! Methods that take less time than the parsing of their arguments would: Python calls them with the one they have.
#![allow(
    unsafe_code,
    reason = "a method that Python calls directly has no safe interface, nor has a tuple that is filled place by place"
)]

use std::ffi::CStr;

use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{Borrowed, PyClass, PyTypeInfo, ffi};

use crate::panics::caught;

/// A method of one argument, which cannot be given by name.
///
/// It is called attached, which PyO3 does not know: an object that it lets go of goes when PyO3 is called the next time,
/// so it had better let go of none where nothing is out of the ordinary.
pub(crate) trait Method {
    type Class: PyClass;
    const NAME: &CStr;
    /// The signature, as `inspect` reads it, and the docstring.
    const DOC: &CStr;

    fn call<'py>(
        slf: &Bound<'py, Self::Class>,
        argument: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyTuple>>;
}

/// Adds a method to its class.
pub(crate) fn add_method<M: Method>(py: Python<'_>) -> PyResult<()> {
    // The class, which is there to the end, points to it.
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: M::NAME.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunction: call::<M>,
        },
        ml_flags: ffi::METH_O,
        ml_doc: M::DOC.as_ptr(),
    }));
    // SAFETY: the class is ready, and the definition there to the end.
    let method = unsafe {
        let method = ffi::PyDescr_NewMethod(M::Class::type_object_raw(py), definition);
        Bound::from_owned_ptr_or_err(py, method)?
    };
    let name = M::NAME.to_str();
    let name = name.map_err(|error| PySystemError::new_err(error.to_string()))?;
    py.get_type::<M::Class>().setattr(name, method)
}

unsafe extern "C" fn call<M: Method>(
    slf: *mut ffi::PyObject,
    argument: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: whoever calls a method is attached.
    let py = unsafe { Python::assume_attached() };
    let answer = caught(|| {
        // SAFETY: Python lends both for the call, and has checked that the first is of the class.
        let (slf, argument) = unsafe {
            let slf = Borrowed::from_ptr(py, slf).cast_unchecked::<M::Class>();
            (slf, Borrowed::from_ptr(py, argument))
        };
        M::call(&slf, &argument)
    });
    match answer {
        Ok(answer) => answer.into_ptr(),
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}

/// The tuple of some objects, which are taken out.
#[inline]
pub(crate) fn tuple_of<'py>(
    py: Python<'py>,
    objects: &mut Vec<Py<PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    // SAFETY: a new tuple is a tuple, if there is memory for it.
    let tuple = unsafe {
        let tuple = ffi::PyTuple_New(objects.len().cast_signed());
        Bound::from_owned_ptr_or_err(py, tuple).map(|tuple| tuple.cast_into_unchecked::<PyTuple>())
    };
    let tuple = tuple.inspect_err(|_| objects.clear())?;
    while let Some(object) = objects.pop() {
        let place = objects.len().cast_signed();
        // SAFETY: nobody has seen the tuple, and each of its places is filled once, with a reference that it keeps.
        unsafe { ffi::PyTuple_SET_ITEM(tuple.as_ptr(), place, object.into_ptr()) };
    }
    Ok(tuple)
}

//! Errors and panics where Python calls a function that PyO3 has not wrapped.
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::ffi;
use pyo3::panic::PanicException;
use pyo3::prelude::*;

/// What `act` returns; should it panic, the exception that a panic becomes in every other function.
#[inline]
pub(crate) fn caught<R>(act: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| Err(told(&*panic)))
}

/// An answer as Python takes it: null where an error is raised, which it then is.
#[inline]
pub(crate) fn handed_over(
    py: Python<'_>,
    answer: PyResult<*mut ffi::PyObject>,
) -> *mut ffi::PyObject {
    answer.unwrap_or_else(|error| {
        error.restore(py);
        std::ptr::null_mut()
    })
}

#[cold]
fn told(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    PanicException::new_err(text.unwrap_or("panic from Rust code").to_owned())
}

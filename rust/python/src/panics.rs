//! Panics where Python calls a function that PyO3 has not wrapped.
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::panic::PanicException;
use pyo3::prelude::*;

/// What `act` returns; should it panic, the exception that a panic becomes in every other function.
#[inline]
pub(crate) fn caught<R>(act: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| Err(told(&*panic)))
}

#[cold]
fn told(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    PanicException::new_err(text.unwrap_or("panic from Rust code").to_owned())
}

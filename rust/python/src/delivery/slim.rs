//! Results on the way of every message.
use pyo3::prelude::*;

/// What is returned in registers: an error is large, and seldom there, so it lies in a box.
pub(crate) type Slim<T> = Result<T, Box<PyErr>>;

/// The same as it is returned elsewhere.
#[inline]
pub(crate) fn wide<T>(result: Slim<T>) -> PyResult<T> {
    result.map_err(|error| *error)
}

//! Looking something up in a dictionary at the least cost.
#![allow(
    unsafe_code,
    reason = "a look-up that makes nothing and counts no reference has no safe interface"
)]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

/// What a dictionary has under a text.
///
/// A class that inherits from `dict` may make what it does not have; this never does.
#[inline]
pub(crate) fn found<'py>(
    dict: &Bound<'py, PyDict>,
    key: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = dict.py();
    // SAFETY: both are live; the result is borrowed from the dictionary, which nothing changes before it is counted.
    let found = unsafe {
        let found = ffi::PyDict_GetItemWithError(dict.as_ptr(), key.as_ptr());
        Bound::from_borrowed_ptr_or_opt(py, found)
    };
    match found {
        Some(found) => Ok(Some(found)),
        None => PyErr::take(py).map_or(Ok(None), Err),
    }
}

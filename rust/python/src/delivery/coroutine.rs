//! Coroutines of handlers, driven from here.
#![allow(
    unsafe_code,
    reason = "the send of a coroutine has no safe interface as fast"
)]

use pyo3::exceptions::PyStopIteration;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::context::{enter, leave};

/// How far a handler came.
pub(crate) enum Stepped<'py> {
    Returned(Bound<'py, PyAny>),
    /// It waits, and asks this of trio.
    Suspended {
        coroutine: Py<PyAny>,
        trap: Py<PyAny>,
    },
    Raised(Box<PyErr>),
}

impl Stepped<'_> {
    #[cold]
    pub(crate) fn raised(error: PyErr) -> Self {
        Self::Raised(Box::new(error))
    }
}

/// Does a step of a handler inside of its context.
#[inline]
pub(crate) fn inside<'py>(
    py: Python<'py>,
    context: &Py<PyAny>,
    step: impl FnOnce() -> Stepped<'py>,
) -> Stepped<'py> {
    match enter(py, context) {
        Ok(()) => left(py, context, step()),
        Err(error) => Stepped::raised(error),
    }
}

/// Leaves the context of a handler after a step of it.
#[inline(always)]
pub(crate) fn left<'py>(
    py: Python<'py>,
    context: &Py<PyAny>,
    stepped: Stepped<'py>,
) -> Stepped<'py> {
    match leave(py, context) {
        Ok(()) => stepped,
        Err(error) => Stepped::raised(error),
    }
}

/// Lets a coroutine begin, with None, or go on with what trio answers, until it ends or suspends.
#[inline(always)]
pub(crate) fn send<'py>(
    py: Python<'py>,
    coroutine: Py<PyAny>,
    value: &Bound<'_, PyAny>,
) -> Stepped<'py> {
    let coroutine = coroutine.into_bound(py); // which is let go without a look at whether the lock is held
    let mut result = std::ptr::null_mut();
    // SAFETY: a live coroutine and a live value; the result is a new reference unless there is an error.
    let sent = unsafe {
        let slots = (*ffi::Py_TYPE(coroutine.as_ptr())).tp_as_async.as_ref();
        let send = slots.and_then(|slots| slots.am_send);
        let send = send.unwrap_or(ffi::PyIter_Send);
        send(coroutine.as_ptr(), value.as_ptr(), &raw mut result)
    };
    // SAFETY: as above.
    let result = unsafe { Bound::from_owned_ptr_or_opt(py, result) };
    match (sent, result) {
        (ffi::PySendResult::PYGEN_RETURN, Some(answer)) => Stepped::Returned(answer),
        (ffi::PySendResult::PYGEN_NEXT, Some(trap)) => Stepped::Suspended {
            coroutine: coroutine.unbind(),
            trap: trap.unbind(),
        },
        _ => Stepped::raised(PyErr::fetch(py)),
    }
}

/// Raises an error where a coroutine waits, and lets it go on until it ends or suspends.
#[cold]
pub(crate) fn throw(py: Python<'_>, coroutine: Py<PyAny>, error: PyErr) -> Stepped<'_> {
    let thrown = coroutine.call_method1(py, intern!(py, "throw"), (error.into_value(py),));
    match thrown {
        Ok(trap) => Stepped::Suspended { coroutine, trap },
        Err(end) if end.is_instance_of::<PyStopIteration>(py) => {
            match end.value(py).getattr(intern!(py, "value")) {
                Ok(answer) => Stepped::Returned(answer),
                Err(error) => Stepped::raised(error),
            }
        }
        Err(error) => Stepped::raised(error),
    }
}

/// The error that `throw` was called with, in any of its forms.
pub(crate) fn thrown<'py>(
    kind: &Bound<'py, PyAny>,
    value: Option<Bound<'py, PyAny>>,
    traceback: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let error = match (kind.cast::<PyType>(), value) {
        (Err(_), _) => kind.clone(),
        (Ok(class), Some(value)) if value.is_instance(class)? => value,
        (Ok(class), Some(value)) => class.call1((value,))?,
        (Ok(class), None) => class.call0()?,
    };
    if let Some(traceback) = traceback {
        error.call_method1("with_traceback", (traceback,))?;
    }
    Ok(error)
}

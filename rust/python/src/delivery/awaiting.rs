//! Awaitables that are coroutines in all but their type, and take no more than what they do.
#![allow(
    unsafe_code,
    reason = "an awaitable has no safe interface that does without a call by name and an exception"
)]

use std::ffi::CStr;

use pyo3::exceptions::{PyRuntimeWarning, PyStopIteration};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{Borrowed, PyClass, PyTypeInfo};

use super::coroutine::Stepped;
use crate::panics::{caught, handed_over};

/// How far an awaitable came.
pub(crate) enum Step {
    /// It waits, and asks this of trio.
    Asks(Py<PyAny>),
    /// It has ended with this.
    Returns(Py<PyAny>),
}

impl From<Stepped<'_>> for PyResult<Step> {
    fn from(stepped: Stepped<'_>) -> Self {
        match stepped {
            Stepped::Suspended { trap, .. } => Ok(Step::Asks(trap)),
            Stepped::Returned(answer) => Ok(Step::Returns(answer.unbind())),
            Stepped::Raised(error) => Err(*error),
        }
    }
}

/// Something that is awaited as a coroutine is.
pub(crate) trait Awaited: PyClass {
    /// Does all there is to do and returns the answer, if that takes nothing but what is ordinary; else changes nothing.
    ///
    /// What it lets go of in the ordinary case it lets go of with `py` in hand.
    fn at_once(_slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyAny>>> {
        Ok(None)
    }

    /// Begins, or goes on with what trio answers.
    fn step(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<Step>;

    /// Takes note that somebody awaits it; raises if that may not be.
    fn begin_await(_slf: &Bound<'_, Self>) -> PyResult<()> {
        Ok(())
    }

    /// Raises if it is asked for what comes next, and nobody awaits it.
    fn expected(_slf: &Bound<'_, Self>) -> PyResult<()> {
        Ok(())
    }
}

/// Lets an awaitable begin, or go on with what trio answers.
pub(crate) fn go_on<T: Awaited>(
    awaitable: &Bound<'_, T>,
    value: &Bound<'_, PyAny>,
) -> PyResult<Step> {
    match T::at_once(awaitable)? {
        Some(answer) => Ok(Step::Returns(answer)),
        None => T::step(awaitable, value),
    }
}

/// What `send` returns or raises for a step.
pub(crate) fn told(step: Step) -> PyResult<Py<PyAny>> {
    match step {
        Step::Asks(trap) => Ok(trap),
        Step::Returns(answer) => Err(PyStopIteration::new_err((answer,))),
    }
}

/// Warns, as Python does, of something that nobody has awaited.
pub(crate) fn warn_never_awaited(py: Python<'_>, text: &CStr) -> PyResult<()> {
    PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), text, 1)
}

/// Does the last thing for an object, which may be let go of while an error is on its way: that goes on afterwards.
pub(crate) fn at_last(act: impl FnOnce(Python<'_>) -> PyResult<()>) {
    Python::attach(|py| {
        let pending = PyErr::take(py);
        if let Err(error) = act(py) {
            error.write_unraisable(py, None);
        }
        if let Some(pending) = pending {
            pending.restore(py);
        }
    });
}

/// Lets CPython step an awaitable directly: what it would do instead is to call a method, and to raise and catch.
///
/// Up to 3.11 it sends. From 3.12 on it takes what comes next, and that an awaitable has ended it must be told by an
/// exception; but one can be made without the constructor of its class. A method that is called by its name, `__next__`
/// or `send`, is still that of PyO3.
pub(crate) fn step_directly<T: Awaited + PyTypeInfo>(py: Python<'_>) {
    // SAFETY: the type is a heap type made by this module, whose slots are writable and which nobody uses yet.
    unsafe {
        let class = T::type_object_raw(py);
        let slots = (*class).tp_as_async;
        if let Some(slots) = slots.as_mut() {
            slots.am_send = Some(send_to::<T>);
            slots.am_await = Some(await_of::<T>);
        }
        if py.version_info() >= (3, 12) {
            (*class).tp_iternext = Some(next_of::<T>);
        }
    }
}

unsafe extern "C" fn send_to<T: Awaited>(
    awaitable: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    // SAFETY: Python calls it with an object of the type whose slot it is in, and with a live value.
    let (awaitable, value) = unsafe {
        let py = Python::assume_attached();
        let awaitable = Bound::from_borrowed_ptr(py, awaitable);
        let value = Bound::from_borrowed_ptr(py, value);
        (awaitable.cast_into_unchecked::<T>(), value)
    };
    let py = value.py();
    let step = caught(|| match T::at_once(&awaitable)? {
        Some(answer) => Ok(Step::Returns(answer)),
        // It is attached already; that this be known lets every reference go at once, and not by a list with a lock.
        None => Python::attach(|_| T::step(&awaitable, &value)),
    });
    let (outcome, found) = match step {
        Ok(Step::Returns(answer)) => (ffi::PySendResult::PYGEN_RETURN, answer),
        Ok(Step::Asks(trap)) => (ffi::PySendResult::PYGEN_NEXT, trap),
        Err(error) => {
            error.restore(py);
            return ffi::PySendResult::PYGEN_ERROR;
        }
    };
    // SAFETY: the caller gives a place for the result, and takes the reference.
    unsafe { *result = found.into_ptr() };
    outcome
}

unsafe extern "C" fn await_of<T: Awaited>(awaitable: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: Python calls it with an object of the type whose slot it is in.
    unsafe {
        let py = Python::assume_attached();
        let borrowed = Borrowed::from_ptr(py, awaitable).cast_unchecked::<T>();
        let begun = T::begin_await(&borrowed);
        handed_over(py, begun.map(|()| ffi::Py_NewRef(awaitable)))
    }
}

unsafe extern "C" fn next_of<T: Awaited>(awaitable: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let mut result = std::ptr::null_mut();
    // SAFETY: Python calls it with an object of the type whose slot it is in.
    unsafe {
        let py = Python::assume_attached();
        let expected = Borrowed::from_ptr(py, awaitable).cast_unchecked::<T>();
        if let Err(error) = T::expected(&expected) {
            return handed_over(py, Err(error));
        }
        match send_to::<T>(awaitable, ffi::Py_None(), &raw mut result) {
            ffi::PySendResult::PYGEN_NEXT => return result,
            ffi::PySendResult::PYGEN_RETURN => stop(py, result),
            ffi::PySendResult::PYGEN_ERROR => (),
        }
    }
    std::ptr::null_mut()
}

/// Raises a `StopIteration` that holds an answer, of which it takes the reference.
///
/// The interpreter takes the answer out and lets go of it. So it has no `args` and no context, which cost as much as all
/// the rest; only who steps by `next`, or traces, can see that.
///
/// # Safety
///
/// It is one.
unsafe fn stop(py: Python<'_>, answer: *mut ffi::PyObject) {
    // SAFETY: an exception has no constructor but what fills in these; all else is null in it, as memory of a class is.
    #[allow(deprecated, reason = "what is there instead is not there in 3.11")]
    unsafe {
        let class = ffi::PyExc_StopIteration;
        let stop = ffi::PyType_GenericAlloc(class.cast(), 0);
        let Some(fields) = stop.cast::<ffi::PyStopIterationObject>().as_mut() else {
            return ffi::Py_DECREF(answer);
        };
        fields.args = PyTuple::empty(py).into_ptr();
        fields.value = answer;
        ffi::Py_INCREF(class);
        ffi::PyErr_Restore(class, stop, std::ptr::null_mut());
    }
}

/// What Python calls of a coroutine, for a class that is awaited and says what waits in it.
macro_rules! like_a_coroutine {
    ($class:ident) => {
        #[pymethods]
        impl $class {
            /// The frame of who waits here.
            #[getter]
            fn cr_frame(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
                let waiting = self.waiting(py);
                waiting.map(|one| one.getattr(py, "cr_frame")).transpose()
            }

            /// What who waits here awaits.
            #[getter]
            fn cr_await(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
                let waiting = self.waiting(py);
                waiting.map(|one| one.getattr(py, "cr_await")).transpose()
            }
        }
    };
}

/// What drives an awaitable by hand, for a class that says whether a coroutine of the machine is at it, and can be closed.
macro_rules! driven_by_hand {
    ($class:ident) => {
        #[pymethods]
        impl $class {
            fn __await__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
                <Self as Awaited>::begin_await(&slf)?;
                Ok(slf)
            }

            fn __iter__(slf: Py<Self>) -> Py<Self> {
                slf
            }

            fn __next__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
                <Self as Awaited>::expected(slf)?;
                told(go_on(slf, PyNone::get(slf.py()).as_any())?)
            }

            /// Begin, or go on with what trio answers.
            #[pyo3(signature = (value, /))]
            fn send(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
                if !value.is_none() && !slf.get().has_begun() {
                    let text = "can't send a value that is not None to what has not begun";
                    return Err(pyo3::exceptions::PyTypeError::new_err(text));
                }
                told(go_on(slf, value)?)
            }

            /// Raise an error where it waits, or here where it has not begun, which it never will then.
            #[pyo3(signature = (kind, value = None, traceback = None, /))]
            fn throw(
                &self,
                kind: &Bound<'_, PyAny>,
                value: Option<Bound<'_, PyAny>>,
                traceback: Option<Bound<'_, PyAny>>,
            ) -> PyResult<Py<PyAny>> {
                let py = kind.py();
                let error = $crate::delivery::coroutine::thrown(kind, value, traceback)?;
                if let Some(coroutine) = self.by_machine(py) {
                    return coroutine.call_method1(py, intern!(py, "throw"), (error,));
                }
                self.close(py)?;
                Err(PyErr::from_value(error))
            }
        }
    };
}

pub(crate) use {driven_by_hand, like_a_coroutine};

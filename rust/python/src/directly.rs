//! Methods that take less time than the parsing of their arguments would: Python calls them with the one they have.
#![allow(
    unsafe_code,
    reason = "a method that Python calls directly has no safe interface, nor has a tuple that is filled place by place"
)]

use std::ffi::CStr;
use std::sync::OnceLock;

use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
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

/// The function of a method that has got a short way.
pub(crate) type LongWay = OnceLock<ffi::PyCFunctionFastWithKeywords>;

/// A short way into a method, for a call of which nothing is said but two arguments by place and one by name.
///
/// It is called attached, as a [`Method`] is. Where it returns None the method itself is called, as if nothing had been.
pub(crate) trait ShortWay {
    type Class: PyClass;
    /// The method, which parses its arguments by itself and may be called with keywords.
    const METHOD: &str;
    /// The argument that may be given by name.
    fn keyword(py: Python<'_>) -> &Bound<'_, PyString>;

    fn call<'py>(
        slf: &Bound<'py, Self::Class>,
        first: &Bound<'py, PyAny>,
        second: Option<&Bound<'py, PyAny>>,
        named: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>>;

    /// Where the long way is kept.
    fn long_way() -> &'static LongWay;
}

/// Puts a short way in front of a method, whose name, signature, docstring and errors stay what they are.
///
/// At each call CPython looks in the method's definition for the function, which is another then; how that is called
/// depends on the flags, which stay. The name of an argument is the same object wherever it is written in a program; one
/// that was put together goes the long way.
pub(crate) fn shorten<S: ShortWay>(py: Python<'_>) -> PyResult<()> {
    let method = py.get_type::<S::Class>().getattr(S::METHOD)?;
    let unlike = || PySystemError::new_err(format!("{} is not such a method", S::METHOD));
    // SAFETY: a method that PyO3 has made is of this kind; that it takes its arguments so is looked at. Its class, and
    // whatever is defined for it, are there to the end.
    unsafe {
        if ffi::Py_TYPE(method.as_ptr()) != &raw mut ffi::PyMethodDescr_Type {
            return Err(unlike());
        }
        let method = method.as_ptr().cast::<ffi::PyMethodDescrObject>();
        let definition = *(*method).d_method;
        if definition.ml_flags != ffi::METH_FASTCALL | ffi::METH_KEYWORDS {
            return Err(unlike());
        }
        let long = definition.ml_meth.PyCFunctionFastWithKeywords;
        S::long_way().get_or_init(|| long);
        (*method).d_method = Box::leak(Box::new(ffi::PyMethodDef {
            ml_meth: ffi::PyMethodDefPointer {
                PyCFunctionFastWithKeywords: short::<S>,
            },
            ..definition
        }));
    }
    Ok(())
}

unsafe extern "C" fn short<S: ShortWay>(
    slf: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: whoever calls a method is attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: Python lends all of it for the call, as many arguments as are counted and as many more as have names, and
    // has checked that the first is of the class.
    let answer = unsafe {
        let given = |place: ffi::Py_ssize_t| Borrowed::from_ptr(py, *arguments.offset(place));
        let is_named = !names.is_null();
        let is_short = matches!(count, 1 | 2)
            && (!is_named
                || ffi::PyTuple_GET_SIZE(names) == 1
                    && ffi::PyTuple_GET_ITEM(names, 0) == S::keyword(py).as_ptr());
        if is_short {
            let slf = Borrowed::from_ptr(py, slf).cast_unchecked::<S::Class>();
            let second = (count == 2).then(|| given(1));
            let by_name = is_named.then(|| given(count));
            caught(|| S::call(&slf, &given(0), second.as_deref(), by_name.as_deref()))
        } else {
            Ok(None)
        }
    };
    let answer = answer.and_then(|answer| match (answer, S::long_way().get()) {
        (Some(answer), _) => Ok(answer.into_ptr()),
        // SAFETY: it is called with what this was called with.
        (None, Some(long)) => Ok(unsafe { long(slf, arguments, count, names) }),
        (None, None) => Err(PySystemError::new_err("a method without a long way")),
    });
    answer.unwrap_or_else(|error| {
        error.restore(py);
        std::ptr::null_mut()
    })
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

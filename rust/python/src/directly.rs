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

use crate::panics::{caught, handed_over};

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
    handed_over(py, answer.map(Bound::into_ptr))
}

/// What a short way must know of its method: the function that it had, and the name of the argument that may be named.
pub(crate) type LongWay = OnceLock<(ffi::PyCFunctionFastWithKeywords, Py<PyString>)>;

/// A short way into a method, for a call of which nothing is said but two arguments by place and one by name.
///
/// It is called attached, as a [`Method`] is. Where it returns None the method itself is called, as if nothing had been.
pub(crate) trait ShortWay {
    type Class: PyClass;
    /// The method, which parses its arguments by itself and may be called with keywords.
    const METHOD: &str;
    /// The argument that may be given by name.
    const KEYWORD: &str;

    fn call<'py>(
        slf: &Bound<'py, Self::Class>,
        first: &Bound<'py, PyAny>,
        second: Option<&Bound<'py, PyAny>>,
        named: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>>;

    /// Where it is kept; see `own_long_way`.
    fn long_way() -> &'static LongWay;
}

/// The place for the long way of a method, for its `ShortWay`.
macro_rules! own_long_way {
    () => {
        fn long_way() -> &'static $crate::directly::LongWay {
            static LONG: $crate::directly::LongWay = $crate::directly::LongWay::new();
            &LONG
        }
    };
}

pub(crate) use own_long_way;

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
        S::long_way().get_or_init(|| (long, PyString::intern(py, S::KEYWORD).unbind()));
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
    let Some((long, keyword)) = S::long_way().get() else {
        let error = PySystemError::new_err("a method without a long way");
        return handed_over(py, Err(error));
    };
    // SAFETY: Python lends all of it for the call, as many arguments as are counted and as many more as have names, and
    // has checked that the first is of the class. The long way is called with what this was called with.
    unsafe {
        let given = |place: ffi::Py_ssize_t| Borrowed::from_ptr(py, *arguments.offset(place));
        let is_named = !names.is_null();
        let is_short = matches!(count, 1 | 2)
            && (!is_named
                || ffi::PyTuple_GET_SIZE(names) == 1
                    && ffi::PyTuple_GET_ITEM(names, 0) == keyword.as_ptr());
        if !is_short {
            return long(slf, arguments, count, names);
        }
        let object = Borrowed::from_ptr(py, slf).cast_unchecked::<S::Class>();
        let second = (count == 2).then(|| given(1));
        let by_name = is_named.then(|| given(count));
        match caught(|| S::call(&object, &given(0), second.as_deref(), by_name.as_deref())) {
            Ok(None) => long(slf, arguments, count, names),
            Ok(Some(answer)) => answer.into_ptr(),
            Err(error) => handed_over(py, Err(error)),
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

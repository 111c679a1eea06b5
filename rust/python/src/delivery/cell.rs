//! Cells that are read and written only by whoever holds the lock of the interpreter.
#![allow(
    unsafe_code,
    reason = "the lock of the interpreter is what makes a cell safe to share"
)]

use std::cell::UnsafeCell;

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A value inside an object that Python shares.
///
/// The module declares that it needs the interpreter's lock, and every method of its objects runs under it, so one
/// thread at a time comes here. No reference leaves a cell, but for the spare that is lent (see `spares`), and what
/// happens inside of one calls no Python: a value that is taken out is dropped by the caller, for dropping may run a
/// finalizer that comes back.
pub(crate) struct LockedCell<T>(UnsafeCell<T>);

// SAFETY: see above: the interpreter's lock is held wherever a cell can be reached.
unsafe impl<T: Send> Sync for LockedCell<T> {}

impl<T> LockedCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }

    /// Does something with the value; `act` neither calls Python nor drops one of its objects.
    #[inline]
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the lock is held, and `act` cannot come back here, so this is the only reference.
        act(unsafe { &mut *self.0.get() })
    }

    /// Looks at the value; `look` is as above.
    #[inline]
    pub(crate) fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        // SAFETY: as above, but that others may look at it too.
        look(unsafe { &*self.0.get() })
    }

    /// Puts `value` in, and returns what was there, for the caller to drop.
    #[inline]
    pub(crate) fn replace(&self, value: T) -> T {
        self.with(|current| std::mem::replace(current, value))
    }
}

impl<T: Copy> LockedCell<T> {
    #[inline]
    pub(crate) fn get(&self) -> T {
        self.with(|value| *value)
    }

    #[inline]
    pub(crate) fn set(&self, value: T) {
        self.with(|current| *current = value);
    }
}

impl<T: Copy + std::ops::AddAssign> LockedCell<T> {
    #[inline]
    pub(crate) fn add(&self, share: T) {
        self.with(|value| *value += share);
    }
}

/// Lets go of an object that may be there.
#[inline(always)]
pub(crate) fn release<T>(py: Python<'_>, object: Option<Py<T>>) {
    if let Some(object) = object {
        object.drop_ref(py);
    }
}

impl<T> LockedCell<Option<Py<T>>> {
    /// Puts an object in, and lets go of the one that was there.
    #[inline]
    pub(crate) fn put(&self, py: Python<'_>, value: Option<Py<T>>) {
        release(py, self.replace(value));
    }

    /// Another reference to the object, if there is one.
    #[inline]
    pub(crate) fn shared(&self, py: Python<'_>) -> Option<Py<T>> {
        self.with(|value| value.as_ref().map(|object| object.clone_ref(py)))
    }
}

impl LockedCell<Option<Py<PyDict>>> {
    /// The dictionary, made if there is none.
    pub(crate) fn made(&self, py: Python<'_>) -> Py<PyDict> {
        if let Some(dict) = self.shared(py) {
            return dict;
        }
        let dict = PyDict::new(py).unbind();
        self.put(py, Some(dict.clone_ref(py)));
        dict
    }

    /// How many entries the dictionary has, if there is one.
    pub(crate) fn entries(&self, py: Python<'_>) -> usize {
        self.with(|dict| dict.as_ref().map_or(0, |dict| dict.bind(py).len()))
    }
}

/// Properties of a class that stand for cells of its fields.
macro_rules! properties {
    ($class:ident { $($(#[$doc:meta])* $name:ident, $set:ident: $kind:ty;)* }) => {
        #[allow(non_snake_case, reason = "the setter of `_x` is `set__x`")]
        #[pymethods]
        impl $class {
            $(
                $(#[$doc])*
                #[getter]
                fn $name(&self) -> $kind {
                    self.$name.get()
                }

                #[setter]
                fn $set(&self, value: $kind) {
                    self.$name.set(value);
                }
            )*
        }
    };
}

/// Properties of a class that stand for cells which hold an object or None.
macro_rules! references {
    ($class:ident { $($(#[$doc:meta])* $name:ident, $set:ident;)* }) => {
        #[allow(non_snake_case, reason = "the setter of `_x` is `set__x`")]
        #[pymethods]
        impl $class {
            $(
                $(#[$doc])*
                #[getter]
                fn $name(&self, py: Python<'_>) -> Option<Py<PyAny>> {
                    self.$name.shared(py)
                }

                #[setter]
                fn $set(&self, value: Option<Py<PyAny>>) {
                    drop(self.$name.replace(value));
                }
            )*
        }
    };
}

pub(crate) use {properties, references};

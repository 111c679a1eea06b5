//! What the subscriptions of an index stand for: objects, whose addresses stand beside the patterns in its memory.
#![allow(
    unsafe_code,
    reason = "an index keeps numbers, and here a number is the address of an object"
)]

use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};
use stentor_core as core;

use crate::directly::{Method, tuple_of};
use crate::index::{Index, Inner, KEPT};

/// An index of which each value is the address of an object, to which it has a reference, or 0.
///
/// Values are set here alone. What is taken out is dropped where no cell is open, since that may run code that comes
/// back.
pub(crate) struct Holding(core::Index);

impl Holding {
    pub(crate) fn new(index: core::Index) -> Self {
        Self(index)
    }

    /// Puts a value in and returns the one that was there; gives it back if there is no place for it.
    fn put(
        &mut self,
        py: Python<'_>,
        id: core::SubscriptionId,
        object: Py<PyAny>,
    ) -> Result<Option<Py<PyAny>>, Py<PyAny>> {
        let Some(before) = self.0.set_value(id, address_of(&object)) else {
            return Err(object);
        };
        let _held = object.into_ptr();
        // SAFETY: the index has that address no longer.
        Ok(unsafe { owned(py, before) })
    }

    /// Takes a value out, if there is one.
    pub(crate) fn take(&mut self, py: Python<'_>, id: core::SubscriptionId) -> Option<Py<PyAny>> {
        let before = self.0.set_value(id, 0)?;
        // SAFETY: the index has that address no longer.
        unsafe { owned(py, before) }
    }

    /// Adds to `shared` the values whose patterns match a topic; a subscription without one is left out.
    #[inline]
    fn share(
        &mut self,
        py: Python<'_>,
        topic: &str,
        found: &mut Found,
    ) -> Result<(), core::TopicError> {
        self.0.match_values_into(topic, &mut found.pairs)?;
        found.objects.reserve(found.pairs.len());
        for &(_, value) in &found.pairs {
            if let Some(object) = lent(py, value) {
                found.objects.push(object.clone_ref(py));
            }
        }
        Ok(())
    }
}

impl Deref for Holding {
    type Target = core::Index;

    fn deref(&self) -> &core::Index {
        &self.0
    }
}

impl DerefMut for Holding {
    fn deref_mut(&mut self) -> &mut core::Index {
        &mut self.0
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        // SAFETY: objects end where the interpreter is attached.
        let py = unsafe { Python::assume_attached() };
        for value in self.0.values() {
            // SAFETY: nobody else asks this index any more.
            drop(unsafe { owned(py, value) });
        }
    }
}

fn address_of(object: &Py<PyAny>) -> u64 {
    object.as_ptr().expose_provenance() as u64
}

/// The object of a value, with the reference that is kept for it.
///
/// # Safety
///
/// No index has the value any more.
#[inline]
unsafe fn owned(py: Python<'_>, value: u64) -> Option<Py<PyAny>> {
    let object = ptr::with_exposed_provenance_mut(usize::try_from(value).unwrap_or_default());
    // SAFETY: a value that is not 0 is the address of an object, and the reference is the caller's now.
    (value != 0).then(|| unsafe { Bound::from_owned_ptr(py, object).unbind() })
}

/// The object of a value that an index has.
#[inline]
fn lent(py: Python<'_>, value: u64) -> Option<ManuallyDrop<Py<PyAny>>> {
    // SAFETY: the reference of the index is not dropped here.
    unsafe { owned(py, value) }.map(ManuallyDrop::new)
}

/// The buffers of a match.
#[derive(Default)]
pub(crate) struct Found {
    pairs: Vec<(core::SubscriptionId, u64)>,
    objects: Vec<Py<PyAny>>,
}

/// `Index.pick`.
pub(crate) struct Pick;

impl Method for Pick {
    type Class = Index;
    const NAME: &CStr = c"pick";
    const DOC: &CStr = c"pick($self, topic, /)\n--\n\n\
        Return the values whose patterns match a topic, by ascending id; a subscription without one is left out.\n\n\
        Raises:\n    InvalidTopicError: `topic` is none of the dialect.";

    #[inline]
    fn call<'py>(
        index: &Bound<'py, Index>,
        topic: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let py = topic.py();
        let index = index.get();
        let mut found = index.found.replace(Found::default());
        index.look_up(topic, |inner, text| inner.index.share(py, text, &mut found))?;
        let picked = tuple_of(py, &mut found.objects);
        found.pairs.shrink_to(KEPT);
        found.objects.shrink_to(KEPT);
        drop(index.found.replace(found));
        picked
    }
}

#[pymethods]
#[allow(
    clippy::needless_pass_by_value,
    reason = "an argument is taken as it is extracted"
)]
impl Index {
    /// Set the value of a subscription, in place of the one that it had.
    ///
    /// Raises:
    ///     ValueError: `id` is of no subscription, or no longer, or the index keeps no values.
    fn put(&self, py: Python<'_>, id: u64, value: Py<PyAny>) -> PyResult<()> {
        let put = self
            .inner
            .with(|inner| inner.index.put(py, core::SubscriptionId(id), value));
        put.map(drop).map_err(|_refused| {
            let message =
                format!("id must be of a subscription of an index that keeps values, not {id}");
            PyValueError::new_err(message)
        })
    }

    /// Return what `pick` returns, for each topic.
    ///
    /// Raises:
    ///     InvalidTopicError: for the first that is no topic.
    fn pick_many<'py>(
        &self,
        py: Python<'py>,
        topics: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        self.look_up_all(py, &topics, |inner, text| {
            let mut found = Found::default();
            inner.index.share(py, text, &mut found)?;
            Ok(found.objects)
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: objects are visited where the interpreter is attached.
        let py = unsafe { Python::assume_attached() };
        self.inner.with(|inner| {
            let mut values = inner.index.values();
            values.try_for_each(|value| visit.call(lent(py, value).as_deref()))
        })
    }

    fn __clear__(&self) {
        drop(self.inner.with(Inner::forget));
    }
}

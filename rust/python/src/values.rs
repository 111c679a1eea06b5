//! What the subscriptions of an index stand for: objects, whose addresses stand beside the patterns in its memory.
#![allow(
    unsafe_code,
    reason = "an index keeps numbers, and here a number is the address of an object"
)]

use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};
use stentor_core as core;

use crate::directly::{Method, tuple_of};
use crate::index::{Index, KEPT};

/// An index of which each value is the address of an object, to which it has a reference, or 0.
///
/// It is changed here alone. What comes out of it is dropped where no cell is open, since that may run code that comes
/// back.
pub(crate) struct Holding(core::Index);

impl Holding {
    pub(crate) fn new(index: core::Index) -> Self {
        Self(index)
    }

    /// Adds a subscription with its value, if the index keeps values; what it does not keep is returned too.
    pub(crate) fn add(
        &mut self,
        pattern: &str,
        value: Py<PyAny>,
    ) -> (
        Result<core::SubscriptionId, core::AddError>,
        Option<Py<PyAny>>,
    ) {
        let added = self.0.add(pattern);
        let left = match &added {
            Ok(id) => self.keep(*id, value),
            Err(_) => Some(value),
        };
        (added, left)
    }

    /// Adds a subscription to each pattern, or none at all; the values are as above.
    pub(crate) fn add_many(
        &mut self,
        patterns: &[&str],
        values: Vec<Py<PyAny>>,
    ) -> (
        Result<Vec<core::SubscriptionId>, core::AddError>,
        Vec<Py<PyAny>>,
    ) {
        let added = self.0.add_many(patterns);
        let left = match &added {
            Ok(ids) => {
                let pairs = ids.iter().zip(values);
                pairs
                    .filter_map(|(id, value)| self.keep(*id, value))
                    .collect()
            }
            Err(_) => values,
        };
        (added, left)
    }

    /// Gives a new subscription its value; gives it back if there is no place for it.
    fn keep(&mut self, id: core::SubscriptionId, value: Py<PyAny>) -> Option<Py<PyAny>> {
        match self.0.set_value(id, address_of(&value)) {
            Some(_) => {
                let _kept = value.into_ptr();
                None
            }
            None => Some(value),
        }
    }

    /// Removes a subscription; its value is returned, if it had one.
    pub(crate) fn remove(
        &mut self,
        py: Python<'_>,
        id: core::SubscriptionId,
    ) -> (
        Result<Box<str>, core::UnknownSubscription>,
        Option<Py<PyAny>>,
    ) {
        let value = self.0.set_value(id, 0).unwrap_or_default();
        // SAFETY: the index has the value no longer.
        (self.0.remove(id), unsafe { owned(py, value) })
    }

    /// Puts the ids that match a topic into `ids`.
    #[inline]
    pub(crate) fn match_into(
        &mut self,
        topic: &str,
        ids: &mut Vec<core::SubscriptionId>,
    ) -> Result<(), core::TopicError> {
        self.0.match_into(topic, ids)
    }

    /// Adds to `values` those whose patterns match a topic; `pairs` is room for finding them.
    #[inline]
    pub(crate) fn pick_into(
        &mut self,
        py: Python<'_>,
        topic: &str,
        pairs: &mut Vec<(core::SubscriptionId, u64)>,
        values: &mut Vec<Py<PyAny>>,
    ) -> Result<(), core::TopicError> {
        self.0.match_values_into(topic, pairs)?;
        values.reserve(pairs.len());
        for &(_, value) in &*pairs {
            if let Some(object) = lent(py, value) {
                values.push(object.clone_ref(py));
            }
        }
        Ok(())
    }

    pub(crate) fn explain(
        &mut self,
        topic: &str,
    ) -> Result<Vec<core::Explanation>, core::TopicError> {
        self.0.explain(topic)
    }

    /// Takes all values out.
    fn take_all(&mut self, py: Python<'_>) -> Vec<Py<PyAny>> {
        let values = self.0.take_values().into_iter();
        // SAFETY: the index has them no longer.
        values
            .filter_map(|value| unsafe { owned(py, value) })
            .collect()
    }
}

impl Deref for Holding {
    type Target = core::Index;

    fn deref(&self) -> &core::Index {
        &self.0
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        // SAFETY: objects end where the interpreter is attached.
        let py = unsafe { Python::assume_attached() };
        drop(self.take_all(py));
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

/// `Index.pick`.
pub(crate) struct Pick;

impl Method for Pick {
    type Class = Index;
    const NAME: &CStr = c"pick";
    const DOC: &CStr = c"pick($self, topic, /)\n--\n\n\
        Return the values whose patterns match a topic, by ascending id; none if the index keeps no values.\n\n\
        Raises:\n    InvalidTopicError: `topic` is none of the dialect.";

    #[inline]
    fn call<'py>(
        index: &Bound<'py, Index>,
        topic: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let py = topic.py();
        let index = index.get();
        let mut values = index.values.replace(Vec::new());
        index.look_up(topic, |inner, text| inner.pick(py, text, &mut values))?;
        let picked = tuple_of(py, &mut values);
        values.shrink_to(KEPT);
        drop(index.values.replace(values));
        picked
    }
}

#[pymethods]
#[allow(
    clippy::needless_pass_by_value,
    reason = "an argument is taken as it is extracted"
)]
impl Index {
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
            let mut values = Vec::new();
            inner.pick(py, text, &mut values)?;
            Ok(values)
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

    fn __clear__(&self, py: Python<'_>) {
        drop(self.inner.with(|inner| inner.index.take_all(py)));
    }
}

//! `Values`: what the subscriptions of an index stand for, found by their ids.
use std::collections::HashMap;
use std::ffi::CStr;

use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};
use stentor_core as core;

use crate::delivery::cell::LockedCell;
use crate::directly::{Method, tuple_of};
use crate::index::{Index, KEPT};

/// How many places there may be beside four for each value.
const SPARE: usize = 64;

/// Objects by id, where ids ascend.
///
/// What came lately stands at the place that its id tells, so that finding it is one look. When few of those places are
/// taken any more, what is left moves to a map, and the places begin anew: memory is for what is there, whatever came
/// and went, and a change is O(1) amortised.
#[derive(Default)]
struct Slots {
    /// The id of the first place.
    base: u64,
    recent: Vec<Option<Py<PyAny>>>,
    old: HashMap<u64, Py<PyAny>>,
    len: usize,
}

impl Slots {
    #[inline]
    fn place(&self, id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.base)?).ok()
    }

    #[inline]
    fn get(&self, id: u64) -> Option<&Py<PyAny>> {
        match self.place(id) {
            Some(place) => self.recent.get(place)?.as_ref(),
            None => self.old.get(&id),
        }
    }

    /// Puts in a value, if its id is greater than all before; gives it back if not.
    fn put(&mut self, id: u64, value: Py<PyAny>) -> Result<(), Py<PyAny>> {
        match self.place(id) {
            Some(place) if place >= self.recent.len() => {
                if place > self.recent.len() {
                    self.retire();
                    self.base = id;
                }
                self.recent.push(Some(value));
                self.len += 1;
                Ok(())
            }
            _ => Err(value),
        }
    }

    fn take(&mut self, id: u64) -> Option<Py<PyAny>> {
        let value = match self.place(id) {
            Some(place) => self.recent.get_mut(place)?.take()?,
            None => self.old.remove(&id)?,
        };
        self.len -= 1;
        if self.recent.len() > 4 * self.len + SPARE {
            self.retire();
        }
        if self.old.capacity() > 4 * self.old.len() + SPARE {
            self.old.shrink_to_fit();
        }
        Some(value)
    }

    /// Moves what came lately to what is old.
    fn retire(&mut self) {
        let recent = std::mem::take(&mut self.recent);
        let next = self.base + recent.len() as u64;
        let left = (self.base..).zip(recent);
        self.old
            .extend(left.filter_map(|(id, value)| Some((id, value?))));
        self.base = next;
    }

    /// Adds to `found` the values of some ids, without those that have none.
    #[inline]
    fn share(&self, py: Python<'_>, ids: &[core::SubscriptionId], found: &mut Vec<Py<PyAny>>) {
        found.reserve(ids.len());
        for id in ids {
            if let Some(value) = self.get(id.0) {
                found.push(value.clone_ref(py));
            }
        }
    }
}

/// A value for each subscription of an index, and the values for a topic.
///
/// Memory for objects of Python is asked for only where no cell is open, and what is taken out is dropped there, since
/// both may run code that comes back.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Values {
    index: Py<Index>,
    slots: LockedCell<Slots>,
    /// Room for the values of a match, taken out while it is used.
    buffer: LockedCell<Vec<Py<PyAny>>>,
}

impl Values {
    fn shared(&self, py: Python<'_>, ids: &[core::SubscriptionId]) -> Vec<Py<PyAny>> {
        let mut found = Vec::new();
        self.slots.with(|slots| slots.share(py, ids, &mut found));
        found
    }
}

/// `Values.pick`.
pub(crate) struct Pick;

impl Method for Pick {
    type Class = Values;
    const NAME: &CStr = c"pick";
    const DOC: &CStr = c"pick($self, topic, /)\n--\n\n\
        Return the values whose patterns match a topic, by ascending id; an id without one is left out.\n\n\
        Raises:\n    InvalidTopicError: `topic` is none of the dialect.";

    #[inline]
    fn call<'py>(
        values: &Bound<'py, Values>,
        topic: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let py = topic.py();
        let values = values.get();
        let mut found = values.buffer.replace(Vec::new());
        values.index.get().look_up(topic, |ids| {
            values.slots.with(|slots| slots.share(py, ids, &mut found));
        })?;
        let picked = tuple_of(py, &mut found);
        found.shrink_to(KEPT);
        drop(values.buffer.replace(found));
        picked
    }
}

#[pymethods]
#[allow(
    clippy::needless_pass_by_value,
    reason = "an argument is taken as it is extracted"
)]
impl Values {
    #[new]
    fn new(index: Py<Index>) -> Self {
        Self {
            index,
            slots: LockedCell::new(Slots::default()),
            buffer: LockedCell::new(Vec::new()),
        }
    }

    /// Put in the value of a new subscription.
    ///
    /// Raises:
    ///     ValueError: `id` is not greater than all before.
    fn put(&self, id: u64, value: Py<PyAny>) -> PyResult<()> {
        self.slots
            .with(|slots| slots.put(id, value))
            .map_err(|_refused| PyValueError::new_err(format!("id {id} must be a new one")))
    }

    /// Take out the value of a subscription.
    ///
    /// Raises:
    ///     KeyError: there is none.
    fn take(&self, id: u64) -> PyResult<Py<PyAny>> {
        self.slots
            .with(|slots| slots.take(id))
            .ok_or_else(|| PyKeyError::new_err(id))
    }

    /// Return the values of some ids, in their order; an id without one is left out.
    fn of<'py>(&self, py: Python<'py>, ids: Vec<u64>) -> PyResult<Bound<'py, PyTuple>> {
        let ids: Vec<_> = ids.into_iter().map(core::SubscriptionId).collect();
        PyTuple::new(py, self.shared(py, &ids))
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
        self.index
            .get()
            .look_up_all(py, &topics, |ids| self.shared(py, ids))
    }

    fn __contains__(&self, id: &Bound<'_, PyAny>) -> bool {
        id.extract()
            .is_ok_and(|id| self.slots.with(|slots| slots.get(id).is_some()))
    }

    fn __len__(&self) -> usize {
        self.slots.with(|slots| slots.len)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.index)?;
        self.slots.with(|slots| {
            let recent = slots.recent.iter().flatten();
            recent
                .chain(slots.old.values())
                .try_for_each(|value| visit.call(value))
        })
    }

    fn __clear__(&self) {
        let held = self.slots.with(|slots| {
            slots.retire();
            slots.len = 0;
            std::mem::take(&mut slots.old)
        });
        drop(held);
    }
}

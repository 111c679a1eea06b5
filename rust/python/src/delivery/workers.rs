//! What a worker must know of all others.
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::cell::{LockedCell, references};

/// The part of the workers of one bus that is read and written for every handler that waits.
#[pyclass(module = "stentor._native", frozen, subclass, weakref)]
pub(crate) struct WorkersState {
    pub(crate) leader: LockedCell<Option<Py<PyAny>>>,
    /// Publishers that let the leader have a turn, the first to do so at the front.
    #[pyo3(get)]
    pub(crate) resting: Py<PyDict>,
}

impl WorkersState {
    /// Whether `task` leads.
    pub(crate) fn is_led_by(&self, task: &Bound<'_, PyAny>) -> bool {
        self.leader
            .with(|leader| leader.as_ref().is_some_and(|leader| leader.is(task)))
    }
}

#[pymethods]
impl WorkersState {
    #[new]
    #[pyo3(signature = (*_args, **_options))]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _options: Option<&Bound<'_, PyDict>>,
    ) -> Self {
        Self {
            leader: LockedCell::new(None),
            resting: PyDict::new(py).unbind(),
        }
    }

    /// Let `task` lead, unless somebody does, and return whether it leads: what is ready now needs no other worker.
    #[inline]
    pub(crate) fn claim(&self, task: &Bound<'_, PyAny>) -> bool {
        let leads = self
            .leader
            .with(|leader| leader.as_ref().map(|leader| leader.is(task)));
        leads.unwrap_or_else(|| {
            drop(self.leader.replace(Some(task.clone().unbind())));
            true
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.leader.with(|task| visit.call(&*task))?;
        visit.call(&self.resting)
    }

    fn __clear__(&self) {
        drop(self.leader.replace(None));
    }
}

references! { WorkersState {
    /// The task of the worker that leads, or None while nobody does.
    leader, set_leader;
} }

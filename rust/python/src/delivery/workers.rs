//! What a worker must know of all others.
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::cell::{LockedCell, properties, references};
use super::queue::ReadyQueue;

/// The part of the workers of one bus that is read and written for every handler that waits.
#[pyclass(module = "stentor._native", frozen, subclass, weakref)]
pub(crate) struct WorkersState {
    pub(crate) leader: LockedCell<Option<Py<PyAny>>>,
    /// Publishers that let the leader have a turn, the first to do so at the front.
    #[pyo3(get)]
    pub(crate) resting: Py<PyDict>,
    /// The tasks of workers that wait for work.
    #[pyo3(get)]
    spares: Py<PyDict>,
    coming: LockedCell<i64>,
    calling: LockedCell<Option<Calling>>,
}

/// What it takes to call a worker.
struct Calling {
    queue: Py<ReadyQueue>,
    /// `reschedule(task, woken)`.
    reschedule: Py<PyAny>,
    woken: Py<PyAny>,
    /// `start()`: have another worker begin.
    start: Py<PyAny>,
}

impl Calling {
    fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            queue: self.queue.clone_ref(py),
            reschedule: self.reschedule.clone_ref(py),
            woken: self.woken.clone_ref(py),
            start: self.start.clone_ref(py),
        }
    }
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
            spares: PyDict::new(py).unbind(),
            coming: LockedCell::new(0),
            calling: LockedCell::new(None),
        }
    }

    /// Call workers for the lanes of `queue`; `start` has another one begin where none waits for work.
    #[pyo3(signature = (queue, *, reschedule, woken, start))]
    fn call_by(
        &self,
        queue: Py<ReadyQueue>,
        reschedule: Py<PyAny>,
        woken: Py<PyAny>,
        start: Py<PyAny>,
    ) {
        drop(self.calling.replace(Some(Calling {
            queue,
            reschedule,
            woken,
            start,
        })));
    }

    /// See to it that somebody drains the ready queue.
    fn wake(&self, py: Python<'_>) -> PyResult<()> {
        let leads = self.leader.with(|leader| leader.is_some());
        let empty = self.calling.with(|calling| {
            calling
                .as_ref()
                .is_none_or(|one| one.queue.get().is_empty())
        });
        if leads || empty || self.coming.get() > 0 {
            return Ok(());
        }
        self.call(py)
    }

    /// Call a worker, one that waits for work if there is any: of those, the last to have worked.
    fn call(&self, py: Python<'_>) -> PyResult<()> {
        let calling = self
            .calling
            .with(|one| one.as_ref().map(|one| one.clone_ref(py)));
        let Some(calling) = calling else {
            return Ok(());
        };
        self.coming.add(1);
        let spares = self.spares.bind(py);
        if spares.is_empty() {
            calling.start.call0(py)?;
            return Ok(());
        }
        let spare = spares.call_method0(intern!(py, "popitem"))?;
        let task = spare.get_item(0)?;
        calling.reschedule.call1(py, (task, calling.woken))?;
        Ok(())
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
        visit.call(&self.resting)?;
        visit.call(&self.spares)?;
        self.calling.with(|calling| match calling {
            Some(calling) => {
                visit.call(&calling.queue)?;
                visit.call(&calling.start)
            }
            None => Ok(()),
        })
    }

    fn __clear__(&self) {
        drop(self.leader.replace(None));
        drop(self.calling.replace(None));
    }
}

properties! { WorkersState {
    /// Workers that have been called, and have not had their turn yet.
    coming, set_coming: i64;
} }

references! { WorkersState {
    /// The task of the worker that leads, or None while nobody does.
    leader, set_leader;
} }

//! What a worker must know of all others.
use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::cell::{LockedCell, properties, references};
use super::context::Current;
use super::queue::ReadyQueue;
use super::time::Meter;
use super::turns::Turns;

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
    calling: LockedCell<Option<Arc<Calling>>>,
}

/// What it takes to call a worker.
struct Calling {
    queue: Py<ReadyQueue>,
    /// `reschedule(task, woken)`.
    reschedule: Py<PyAny>,
    woken: Py<PyAny>,
    /// `start()`: have another worker begin.
    start: Py<PyAny>,
    /// In whose handler the code runs.
    current: Py<Current>,
    meter: Py<Meter>,
    /// What gives a worker its turn at once; None where it is not known how.
    turns: Option<Py<Turns>>,
}

impl WorkersState {
    /// What it takes to call a worker.
    #[inline]
    fn calling(&self) -> Option<Arc<Calling>> {
        self.calling.with(|calling| calling.clone())
    }

    /// Whether the task that runs is cancelled, where it may have given its turn to a worker.
    pub(super) fn is_cancelled(&self, py: Python<'_>) -> PyResult<bool> {
        match self.calling().as_ref().and_then(|one| one.turns.as_ref()) {
            Some(turns) => turns.get().is_cancelled(py),
            None => Ok(false),
        }
    }

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
    ///
    /// `turns` gives a worker its turn within that of who waits for it, unless in a handler, as `current` says; `meter` is
    /// read when a worker has its turn.
    #[pyo3(signature = (queue, *, reschedule, woken, start, current, meter, turns))]
    #[allow(clippy::too_many_arguments, reason = "as many as it takes")]
    fn call_by(
        &self,
        queue: Py<ReadyQueue>,
        reschedule: Py<PyAny>,
        woken: Py<PyAny>,
        start: Py<PyAny>,
        current: Py<Current>,
        meter: Py<Meter>,
        turns: Option<Py<Turns>>,
    ) {
        drop(self.calling.replace(Some(Arc::new(Calling {
            queue,
            reschedule,
            woken,
            start,
            current,
            meter,
            turns,
        }))));
    }

    /// See to it that somebody drains the ready queue.
    fn wake(&self, py: Python<'_>) -> PyResult<()> {
        let leads = self.leader.with(|leader| leader.is_some());
        let empty = self.calling().is_none_or(|one| one.queue.get().is_empty());
        if leads || empty || self.coming.get() > 0 {
            return Ok(());
        }
        self.call(py)
    }

    /// Call a worker, one that waits for work if there is any: of those, the last to have worked.
    fn call(&self, py: Python<'_>) -> PyResult<()> {
        let Some(calling) = self.calling() else {
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
        calling.reschedule.call1(py, (task, &calling.woken))?;
        Ok(())
    }

    /// Let a worker lead at once, within the turn of the task that runs, and return whether that task may go on.
    ///
    /// It may where what was ready has begun, and nobody has cancelled it. Whoever is about to wait for handlers calls
    /// this; see `stentor._machine.workers`.
    pub(super) fn hand_over(&self, py: Python<'_>) -> PyResult<bool> {
        if self.leader.with(|leader| leader.is_some()) {
            return Ok(false);
        }
        let Some(calling) = self.calling().filter(|one| !one.queue.get().is_empty()) else {
            return Ok(false);
        };
        let Some(turns) = calling.turns.as_ref().map(Py::get) else {
            return Ok(false);
        };
        let handler = calling.current.get().running(py)?;
        if handler.is_some_and(|handler| handler.get().message(py).is_some()) {
            return Ok(false);
        }
        let Some(giver) = turns.giver(py)? else {
            return Ok(false);
        };
        let spares = self.spares.bind(py);
        if spares.is_empty() {
            if self.coming.get() == 1 {
                self.call(py)?; // so that one waits for work the next time
            }
            return Ok(false);
        }
        let spare = spares.call_method0(intern!(py, "popitem"))?.get_item(0)?;
        self.coming.add(1);
        turns.give(&giver, &spare, calling.woken.bind(py), calling.meter.get())
    }

    /// Take note that a worker that was called has its turn.
    fn arrived(&self, py: Python<'_>) -> PyResult<()> {
        self.coming.add(-1);
        let Some(calling) = self.calling() else {
            return Ok(());
        };
        if let Some(turns) = &calling.turns {
            turns.get().arrived(py);
        }
        calling.meter.get().tick(py).map(drop)
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
                visit.call(&calling.start)?;
                visit.call(&calling.current)?;
                visit.call(&calling.meter)?;
                visit.call(&calling.turns)
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

//! The pump: puts messages into mailboxes that have room, and calls handlers that are free, one after another.
//!
//! It does what `stentor._machine.dispatcher` does, for the ordinary case: one message at a time, for a handler, due at
//! once, that never expires, with a quota that pushes nothing out. Whatever else is in a lane it leaves to the machine,
//! lane by lane, so that the order is the same. A call that fails, is watched or returns an answer is handed to the machine
//! with a `Delivery` made for it; any other has none, unless somebody asks.
//!
//! Here is what it needs for that; a message's way leads through [`super::accepting`], [`super::serving`] and
//! [`super::calling`].
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit};

use super::context::Current;
use super::journal::{Journal, Journals};
use super::message::Message;
use super::queue::ReadyQueue;
use super::routes::Selection;
use super::time::Meter;
use super::trio_state::TrioState;

/// What the pump asks of the machine of `stentor._machine` when something is out of the ordinary.
pub(super) struct Machine {
    /// `serve(lane) -> Suspended | None`: begin one call for a lane.
    pub(super) serve: Py<PyAny>,
    /// `arrange(lane)`: line a lane up if it is due.
    pub(super) arrange: Py<PyAny>,
    /// `begun(delivery)`: a handler is about to be called.
    pub(super) begun: Py<PyAny>,
    /// `finish(delivery, answer)`: a handler has finished.
    pub(super) finish: Py<PyAny>,
    /// `fail(delivery, error)`: a handler has failed.
    pub(super) fail: Py<PyAny>,
    /// `abandon(delivery)`: a handler was cancelled from outside.
    pub(super) abandon: Py<PyAny>,
    /// `tell_room(quota)`: there is room for whoever waits for it.
    pub(super) room: Py<PyAny>,
    /// `on_ready()`: the queue may have become non-empty.
    pub(super) ready: Py<PyAny>,
    /// `on_quiet()`: nothing is busy any more.
    pub(super) quiet: Py<PyAny>,
    /// `as_coroutine(awaitable)`: what a handler returned, as a coroutine.
    pub(super) as_coroutine: Py<PyAny>,
}

impl Machine {
    fn all(&self) -> [&Py<PyAny>; 10] {
        [
            &self.serve,
            &self.arrange,
            &self.begun,
            &self.finish,
            &self.fail,
            &self.abandon,
            &self.room,
            &self.ready,
            &self.quiet,
            &self.as_coroutine,
        ]
    }
}

/// Puts messages into mailboxes and calls handlers; it belongs to one bus, and one thread.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Pump {
    pub(super) meter: Py<Meter>,
    pub(super) queue: Py<ReadyQueue>,
    /// The lanes that are set apart.
    pub(super) apart: Py<ReadyQueue>,
    pub(super) current: Py<Current>,
    /// Whether every outcome is to be told, so that the machine writes it down.
    pub(super) observed: bool,
    /// What is written into here, where nobody else is to be told.
    pub(crate) journals: Journals,
    /// None where it is not known where trio keeps it.
    trio: Option<TrioState>,
    /// Calls in a row without waiting after which a lane is set apart no longer.
    pub(super) patience: u32,
    pub(super) machine: Machine,
}

#[pymethods]
impl Pump {
    #[new]
    #[pyo3(
        signature = (meter, queue, apart, current, *, observed, journals, trio, patience, serve, arrange, begun, finish, fail, abandon, room, ready, quiet, as_coroutine),
    )]
    #[allow(clippy::too_many_arguments, reason = "as many as there are ways out")]
    fn new(
        py: Python<'_>,
        meter: Py<Meter>,
        queue: Py<ReadyQueue>,
        apart: Py<ReadyQueue>,
        current: Py<Current>,
        observed: bool,
        journals: Vec<Py<Journal>>,
        trio: Option<Bound<'_, PyDict>>,
        patience: u32,
        serve: Py<PyAny>,
        arrange: Py<PyAny>,
        begun: Py<PyAny>,
        finish: Py<PyAny>,
        fail: Py<PyAny>,
        abandon: Py<PyAny>,
        room: Py<PyAny>,
        ready: Py<PyAny>,
        quiet: Py<PyAny>,
        as_coroutine: Py<PyAny>,
    ) -> PyResult<Self> {
        let machine = Machine {
            serve,
            arrange,
            begun,
            finish,
            fail,
            abandon,
            room,
            ready,
            quiet,
            as_coroutine,
        };
        let journals = Journals::new(py, journals, &meter);
        Ok(Self {
            meter,
            queue,
            apart,
            current,
            observed,
            journals,
            trio: trio.map(TrioState::new).transpose()?,
            patience,
            machine,
        })
    }

    /// Put a message into the mailboxes of a selection, if that is the ordinary thing for all of them; else return False.
    #[pyo3(signature = (message, selection, watcher = None))]
    fn accept(
        &self,
        py: Python<'_>,
        message: &Bound<'_, Message>,
        selection: &Bound<'_, Selection>,
        watcher: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let selection = selection.get();
        if !selection.has_room() {
            return Ok(false);
        }
        self.put(py, message.as_unbound(), &selection.targets, watcher)?;
        Ok(true)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.meter)?;
        visit.call(&self.queue)?;
        visit.call(&self.apart)?;
        visit.call(&self.current)?;
        self.journals.visit(&visit)?;
        if let Some(trio) = &self.trio {
            trio.visit(&visit)?;
        }
        self.machine
            .all()
            .iter()
            .try_for_each(|call| visit.call(*call))
    }
}

impl Pump {
    /// Whether a task was certainly not cancelled.
    #[inline]
    pub(crate) fn may_go_on(&self, task: &Bound<'_, PyAny>) -> PyResult<bool> {
        match &self.trio {
            Some(trio) => Ok(!trio.is_cancelled(task)?),
            None => Ok(false),
        }
    }

    /// The task that runs, if it was certainly not cancelled: else whoever publishes must be told so by trio.
    #[inline]
    pub(crate) fn task_to_go_on<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.trio.as_ref().map(|trio| trio.task(py)).transpose()? {
            Some(Some(task)) if self.may_go_on(&task)? => Ok(Some(task)),
            _ => Ok(None),
        }
    }
}

//! What the pump must know of a recipient: its handler, its slots, its lanes and its counts.
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::cell::{LockedCell, properties, references};
use super::context::{Running, Spare};
use super::histogram::Histogram;

/// The part of a recipient that is read and written for every delivery.
#[pyclass(module = "stentor._native", frozen, subclass, weakref)]
pub(crate) struct RecipientState {
    pub(crate) handler: LockedCell<Option<Py<PyAny>>>,
    pub(crate) context: LockedCell<Option<Py<PyAny>>>,
    pub(crate) lanes: LockedCell<Option<Py<PyAny>>>,
    latency: LockedCell<Option<Py<Histogram>>>,
    running: LockedCell<Option<Py<PyDict>>>,
    /// The call that runs now and has not suspended yet.
    pub(crate) eager: LockedCell<Option<Py<Running>>>,
    /// A context in which a handler ran that left no trace in it.
    pub(crate) spare: LockedCell<Option<Spare>>,
    pub(crate) timeout: LockedCell<f64>,
    pub(crate) wants_delivery: LockedCell<bool>,
    pub(crate) is_feed: LockedCell<bool>,
    pub(crate) durable: LockedCell<bool>,
    pub(crate) away: LockedCell<bool>,
    pub(crate) slots: LockedCell<i64>,
    pub(crate) slots_away: LockedCell<i64>,
    pub(crate) failures_in_a_row: LockedCell<u64>,
    pub(crate) addressed: LockedCell<u64>,
    pub(crate) handled: LockedCell<u64>,
    pub(crate) blocked: LockedCell<f64>,
    pub(crate) longest_block: LockedCell<f64>,
}

impl RecipientState {
    pub(crate) fn has_handler(&self) -> bool {
        self.handler.with(|handler| handler.is_some())
    }

    /// Counts a handled delivery, which took so many seconds.
    #[inline]
    pub(crate) fn count_handled(&self, py: Python<'_>, latency: f64) -> PyResult<()> {
        self.handled.add(1);
        if self.latency.with(|histogram| histogram.is_none()) {
            drop(
                self.latency
                    .replace(Some(Py::new(py, Histogram::default())?)),
            );
        }
        self.latency.with(|histogram| {
            if let Some(histogram) = histogram {
                histogram.get().count(latency);
            }
        });
        Ok(())
    }

    /// Counts how long its handler kept everybody else from running.
    #[inline]
    pub(crate) fn count_block(&self, duration: f64) {
        self.blocked.add(duration);
        if duration > self.longest_block.get() {
            self.longest_block.set(duration);
        }
    }
}

#[pymethods]
impl RecipientState {
    #[new]
    #[pyo3(signature = (*_args, **_options))]
    fn new(_args: &Bound<'_, PyTuple>, _options: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            handler: LockedCell::new(None),
            context: LockedCell::new(None),
            lanes: LockedCell::new(None),
            latency: LockedCell::new(None),
            running: LockedCell::new(None),
            eager: LockedCell::new(None),
            spare: LockedCell::new(None),
            timeout: LockedCell::new(f64::INFINITY),
            wants_delivery: LockedCell::new(false),
            is_feed: LockedCell::new(false),
            durable: LockedCell::new(false),
            away: LockedCell::new(false),
            slots: LockedCell::new(0),
            slots_away: LockedCell::new(0),
            failures_in_a_row: LockedCell::new(0),
            addressed: LockedCell::new(0),
            handled: LockedCell::new(0),
            blocked: LockedCell::new(0.0),
            longest_block: LockedCell::new(0.0),
        }
    }

    /// The deliveries that its handlers have begun with, or that its owner has.
    #[getter]
    pub(crate) fn running(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        if let Some(eager) = self.eager.shared(py) {
            eager.get().delivery(py)?;
        }
        Ok(self.entered(py))
    }

    /// From the acceptance of a message to the end of its handler; None before the first.
    #[getter]
    fn latency(&self, py: Python<'_>) -> Option<Py<Histogram>> {
        self.latency.shared(py)
    }

    #[setter]
    fn set_latency(&self, py: Python<'_>, latency: Option<Py<Histogram>>) {
        self.latency.put(py, latency);
    }

    /// Count a handled delivery, which took so many seconds.
    #[pyo3(name = "count_handled")]
    fn count_one_handled(&self, py: Python<'_>, latency: f64) -> PyResult<()> {
        self.count_handled(py, latency)
    }

    /// Note that its handler kept everybody else from running for so many seconds.
    fn note_block(&self, duration: f64) {
        self.count_block(duration);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.handler.with(|object| visit.call(&*object))?;
        self.context.with(|object| visit.call(&*object))?;
        self.lanes.with(|object| visit.call(&*object))?;
        self.latency.with(|object| visit.call(&*object))?;
        self.running.with(|object| visit.call(&*object))?;
        self.eager.with(|object| visit.call(&*object))?;
        self.spare.with(|spare| match spare {
            Some(spare) => spare.visit(&visit),
            None => Ok(()),
        })
    }

    fn __clear__(&self) {
        drop(self.handler.replace(None));
        drop(self.context.replace(None));
        drop(self.lanes.replace(None));
        drop(self.running.replace(None));
        drop(self.eager.replace(None));
        drop(self.spare.replace(None));
    }
}

impl RecipientState {
    /// The deliveries that run and are known to Python.
    pub(crate) fn entered(&self, py: Python<'_>) -> Py<PyDict> {
        if let Some(running) = self.running.shared(py) {
            return running;
        }
        let running = PyDict::new(py).unbind();
        drop(self.running.replace(Some(running.clone_ref(py))));
        running
    }
}

properties! { RecipientState {
    /// Seconds after which a handler that waits has taken too long; infinity for never.
    timeout, set_timeout: f64;
    /// Whether the handler wants the delivery beside the message.
    wants_delivery, set_wants_delivery: bool;
    /// Whether it is a subscription's own recipient, and no agent.
    is_feed, set_is_feed: bool;
    /// Whether all that it gets comes by way of its stored mailbox.
    durable, set_durable: bool;
    /// Whether it is not called until it is back.
    away, set_away: bool;
    /// How many more of its deliveries may begin now.
    slots, set_slots: i64;
    /// The slots that it gets back when it returns.
    slots_away, set_slots_away: i64;
    /// How many calls of its handler have failed since one did not.
    failures_in_a_row, set_failures_in_a_row: u64;
    /// Messages that passed its filters.
    addressed, set_addressed: u64;
    /// Deliveries whose handler finished, or that the owner has.
    handled, set_handled: u64;
    /// Seconds for which its handler kept everybody else from running, in all.
    blocked, set_blocked: f64;
    /// The same, for its longest stretch.
    longest_block, set_longest_block: f64;
} }

references! { RecipientState {
    /// What is called with its messages, or None when its owner receives.
    handler, set_handler;
    /// What a handler's own copy of the context is made from: as it was at registration.
    context, set_context;
    /// Its lanes, in the order in which they were first needed, as a tuple.
    lanes, set_lanes;
} }

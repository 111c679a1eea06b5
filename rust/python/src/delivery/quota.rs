//! Quotas: what bounds a mailbox.
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use super::cell::{LockedCell, properties, references};
use super::mailbox::Lane;

/// What a quota counts: how many deliveries wait because of one subscription, and how many may.
///
/// What every message reads and writes stands at the beginning, as in a `RecipientState`.
#[pyclass(module = "stentor._native", frozen, subclass)]
#[repr(C)]
pub(crate) struct QuotaState {
    #[pyo3(get)]
    pub(crate) lane: Py<Lane>,
    pub(crate) waiting: LockedCell<usize>,
    pub(crate) total: LockedCell<u64>,
    pub(crate) waiters: LockedCell<Option<Py<PyAny>>>,
    #[pyo3(get)]
    pub(crate) capacity: usize,
    /// Whether each arrival must be entered, because a later one may push it out.
    #[pyo3(get)]
    pub(crate) tracks: bool,
    /// The options that it was made from.
    #[pyo3(get)]
    options: Py<PyAny>,
    dropped: LockedCell<u64>,
    order: LockedCell<Option<Py<PyAny>>>,
    newest: LockedCell<Option<Py<PyAny>>>,
}

impl QuotaState {
    /// Whether a publisher waits for room.
    pub(crate) fn is_awaited(&self) -> bool {
        self.waiters.with(|waiters| waiters.is_some())
    }
}

#[pymethods]
impl QuotaState {
    /// Make a quota of which nothing is used.
    #[new]
    #[pyo3(signature = (lane, options, tracks, /))]
    fn new(lane: Py<Lane>, options: Bound<'_, PyAny>, tracks: bool) -> PyResult<Self> {
        let capacity = options.getattr(intern!(options.py(), "capacity"))?;
        Ok(Self {
            lane,
            capacity: capacity.extract().unwrap_or(usize::MAX),
            options: options.unbind(),
            tracks,
            waiting: LockedCell::new(0),
            total: LockedCell::new(0),
            dropped: LockedCell::new(0),
            waiters: LockedCell::new(None),
            order: LockedCell::new(None),
            newest: LockedCell::new(None),
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.lane)?;
        visit.call(&self.options)?;
        self.waiters.with(|waiters| visit.call(&*waiters))?;
        self.order.with(|order| visit.call(&*order))?;
        self.newest.with(|newest| visit.call(&*newest))
    }

    fn __clear__(&self) {
        drop(self.waiters.replace(None));
        drop(self.order.replace(None));
        drop(self.newest.replace(None));
    }
}

properties! { QuotaState {
    /// How many deliveries wait.
    waiting, set_waiting: usize;
    /// How many deliveries it let in.
    total, set_total: u64;
    /// How many it dropped.
    dropped, set_dropped: u64;
} }

references! { QuotaState {
    /// The publishers that wait for room, as a list; None for none.
    waiters, set_waiters;
    /// What waits, the oldest first, as an ordered dictionary; None before the first that must be entered.
    order, set_order;
    /// The newest that waits of each topic, where a new one replaces it; None before the first.
    newest, set_newest;
} }

//! The queue of lanes.
use std::collections::VecDeque;

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use super::cell::LockedCell;
use super::mailbox::Lane;
use super::prefetch::prefetch;

/// The lanes that can be served now, first come first served.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct ReadyQueue(LockedCell<VecDeque<Py<Lane>>>);

impl ReadyQueue {
    /// Puts a lane at the end, which is scheduled by that.
    #[inline]
    pub(crate) fn push(&self, py: Python<'_>, lane: &Py<Lane>) {
        lane.get().scheduled.set(true);
        self.0.with(|lanes| lanes.push_back(lane.clone_ref(py)));
    }

    /// Has the processor fetch what calls need before they begin, while the first one runs: each is of another recipient,
    /// whose memory is mostly in none of its near caches.
    ///
    /// Where the recipient of a lane lies is read from the lane, so that is fetched one call earlier.
    #[inline]
    pub(crate) fn foresee(&self) {
        self.0.with(|lanes| {
            if let Some(after_next) = lanes.get(2) {
                prefetch(after_next.as_ptr(), Lane::HOT_LINES);
            }
            if let Some(next) = lanes.get(1) {
                next.get().foresee();
            }
        });
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.with(|lanes| lanes.is_empty())
    }

    /// Takes the lane at the front out.
    #[inline]
    pub(crate) fn next(&self) -> Option<Py<Lane>> {
        self.0.with(VecDeque::pop_front)
    }
}

#[pymethods]
impl ReadyQueue {
    #[new]
    fn new() -> Self {
        Self(LockedCell::new(VecDeque::new()))
    }

    /// Put a lane at the end.
    pub(crate) fn append(&self, lane: Py<Lane>) {
        self.0.with(|lanes| lanes.push_back(lane));
    }

    /// Remove and return the lane at the front.
    ///
    /// Raises:
    ///     IndexError: there is none.
    fn popleft(&self) -> PyResult<Py<Lane>> {
        let lane = self.next();
        lane.ok_or_else(|| PyIndexError::new_err("no lane is ready"))
    }

    /// Take a lane out, if it stands here.
    fn discard(&self, lane: &Bound<'_, Lane>) {
        let removed = self.0.with(|lanes| {
            let place = lanes.iter().position(|one| one.is(lane))?;
            lanes.remove(place)
        });
        drop(removed);
    }

    /// Take all lanes out.
    fn clear(&self) {
        drop(self.0.replace(VecDeque::new()));
    }

    fn __len__(&self) -> usize {
        self.0.with(|lanes| lanes.len())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0
            .with(|lanes| lanes.iter().try_for_each(|lane| visit.call(lane)))
    }

    fn __clear__(&self) {
        self.clear();
    }
}

//! Seats: where tasks wait that ask.
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use super::cell::LockedCell;

/// How many seats are kept for whoever waits next.
const MOST_SEATS: usize = 1000;

/// Where a task waits: trio's trap and the function by which it is aborted are made once, and serve one after another.
#[pyclass(module = "stentor._native", frozen)]
pub(super) struct Seat {
    /// What is yielded to trio, and the coroutine that yields it, as it looks while it waits.
    pub(super) trap: LockedCell<Option<(Py<PyAny>, Py<PyAny>)>>,
    /// Who waits here, until it is woken.
    pub(super) task: LockedCell<Option<Py<PyAny>>>,
    /// What says that nobody waits any more.
    pub(super) aborted: Py<PyAny>,
}

#[pymethods]
impl Seat {
    /// Let nobody wait here any more: the task is cancelled.
    fn __call__(&self, py: Python<'_>, _raise_cancel: &Bound<'_, PyAny>) -> Py<PyAny> {
        self.task.put(py, None);
        self.aborted.clone_ref(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.trap.with(|trap| match trap {
            Some((trap, waiting)) => {
                visit.call(&*trap)?;
                visit.call(&*waiting)
            }
            None => Ok(()),
        })?;
        self.task.with(|task| visit.call(&*task))
    }

    fn __clear__(&self) {
        drop(self.trap.replace(None));
        drop(self.task.replace(None));
    }
}

/// Seats that nobody needs now, and what it takes to make another.
pub(super) struct Seats {
    free: LockedCell<Vec<Py<Seat>>>,
    /// `trap(abort)`: what a task yields to trio to wait until it is rescheduled, and the coroutine that does so.
    trap: Py<PyAny>,
    /// `trio.lowlevel.Abort.SUCCEEDED`.
    aborted: Py<PyAny>,
}

impl Seats {
    pub(super) fn new(trap: Py<PyAny>, aborted: Py<PyAny>) -> Self {
        Self {
            free: LockedCell::new(Vec::new()),
            trap,
            aborted,
        }
    }

    /// A seat for whoever waits.
    pub(super) fn take(&self, py: Python<'_>) -> PyResult<Py<Seat>> {
        if let Some(seat) = self.free.with(Vec::pop) {
            return Ok(seat);
        }
        let seat = Seat {
            trap: LockedCell::new(None),
            task: LockedCell::new(None),
            aborted: self.aborted.clone_ref(py),
        };
        let seat = Py::new(py, seat)?;
        let trap = self.trap.call1(py, (&seat,))?;
        drop(seat.get().trap.replace(Some(trap.extract(py)?)));
        Ok(seat)
    }

    /// Keeps a seat for whoever waits next, if nobody waits in it any more.
    pub(super) fn keep(&self, seat: Py<Seat>) {
        let free = seat.get().task.with(|task| task.is_none());
        let dropped = self.free.with(|seats| {
            if free && seats.len() < MOST_SEATS {
                seats.push(seat);
                None
            } else {
                Some(seat)
            }
        });
        drop(dropped);
    }

    pub(super) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.trap)?;
        self.free
            .with(|seats| seats.iter().try_for_each(|seat| visit.call(seat)))
    }

    pub(super) fn clear(&self) {
        drop(self.free.replace(Vec::new()));
    }
}

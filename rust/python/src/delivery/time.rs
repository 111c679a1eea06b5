//! The time, and how much is unfinished.
use pyo3::prelude::*;
use pyo3::types::PyFloat;

use super::cell::{LockedCell, properties};
use super::stopwatch::Stopwatch;

/// Where the time comes from.
enum Clock {
    /// A monotonic clock of the system: what trio's own clock said at an instant, and what has passed since.
    System { then: f64, since: Stopwatch },
    /// Any other clock: a function that returns seconds.
    Other(Py<PyAny>),
}

/// What the machine reads and counts while it runs: the time, and how many deliveries have no outcome yet.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Meter {
    clock: Clock,
    /// When the last handler stopped, in seconds: the next one starts then, so that one reading a delivery is enough.
    pub(crate) now: LockedCell<f64>,
    /// How many deliveries wait or run and keep the bus from being settled.
    pub(crate) busy: LockedCell<i64>,
    /// How many wait until nothing is busy.
    pub(crate) awaited: LockedCell<u32>,
    /// Whether the clock last said an integer, as one may that was told to go on to a whole second.
    pub(crate) whole: LockedCell<bool>,
}

impl Meter {
    /// Reads the clock.
    #[inline(always)]
    pub(crate) fn time(&self, py: Python<'_>) -> PyResult<f64> {
        match &self.clock {
            Clock::System { then, since } => Ok(then + since.passed()),
            Clock::Other(call) => self.ask(call.bind(py)),
        }
    }

    #[inline(never)]
    fn ask(&self, clock: &Bound<'_, PyAny>) -> PyResult<f64> {
        let said = clock.call0()?;
        self.whole.set(!said.is_instance_of::<PyFloat>());
        said.extract()
    }

    /// Reads the clock, and remembers what it said.
    #[inline(always)]
    pub(crate) fn tick(&self, py: Python<'_>) -> PyResult<f64> {
        let now = self.time(py)?;
        self.now.set(now);
        Ok(now)
    }
}

#[pymethods]
impl Meter {
    /// Read `clock`, a function that returns seconds; if `monotonic`, it ticks like the system's monotonic clock.
    #[new]
    #[pyo3(signature = (clock, *, monotonic = false))]
    pub(crate) fn new(py: Python<'_>, clock: Py<PyAny>, monotonic: bool) -> PyResult<Self> {
        let said = clock.bind(py).call0()?;
        let (then, whole) = (said.extract()?, !said.is_instance_of::<PyFloat>());
        let since = Stopwatch::start(); // after the reading, so that a meter is never ahead of its clock
        let clock = if monotonic {
            Clock::System { then, since }
        } else {
            Clock::Other(clock)
        };
        Ok(Self {
            clock,
            now: LockedCell::new(then),
            busy: LockedCell::new(0),
            awaited: LockedCell::new(0),
            whole: LockedCell::new(whole),
        })
    }

    /// Return the time, in seconds.
    fn read(&self, py: Python<'_>) -> PyResult<f64> {
        self.time(py)
    }

    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        match &self.clock {
            Clock::System { .. } => Ok(()),
            Clock::Other(call) => visit.call(call),
        }
    }
}

properties! { Meter {
    now, set_now: f64;
    busy, set_busy: i64;
    awaited, set_awaited: u32;
} }

//! Alarms: what is to be done at an instant, the earliest first.
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use super::cell::{LockedCell, properties};

/// How many cancelled alarms may be left lying about.
const SLACK: usize = 1000;

/// An instant, and the number by which the action is found; the earliest is the greatest, of equals the first set.
struct Alarm {
    when: f64,
    number: u64,
}

impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> Ordering {
        let earlier = other.when.total_cmp(&self.when);
        earlier.then_with(|| other.number.cmp(&self.number))
    }
}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Alarm {}

#[derive(Default)]
struct Set {
    heap: BinaryHeap<Alarm>,
    actions: HashMap<u64, Py<PyAny>>,
    last: u64,
}

/// What is to be done at an instant; setting costs O(log n), cancelling O(1), amortised.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Alarms {
    set: LockedCell<Set>,
    pub(crate) armed: LockedCell<f64>,
}

impl Alarms {
    /// Takes out the action of the earliest alarm, if its instant has come.
    fn take_due(&self, now: f64) -> Option<Py<PyAny>> {
        self.set.with(|set| {
            while let Some(first) = set.heap.peek() {
                let known = set.actions.contains_key(&first.number);
                if known && first.when > now {
                    return None;
                }
                let number = first.number;
                set.heap.pop();
                if known {
                    return set.actions.remove(&number);
                }
            }
            None
        })
    }
}

#[pymethods]
impl Alarms {
    #[new]
    fn new() -> Self {
        Self {
            set: LockedCell::new(Set::default()),
            armed: LockedCell::new(f64::INFINITY),
        }
    }

    /// Have `action` called at the instant `when`, and return a number by which to cancel that.
    pub(crate) fn set(&self, when: f64, action: Py<PyAny>) -> u64 {
        self.set.with(|set| {
            set.last += 1;
            let number = set.last;
            set.heap.push(Alarm { when, number });
            set.actions.insert(number, action);
            number
        })
    }

    /// Forget an alarm; one that has gone off already is forgotten anyway.
    pub(crate) fn cancel(&self, number: u64) {
        let action = self.set.with(|set| {
            let action = set.actions.remove(&number);
            if set.heap.len() > 2 * set.actions.len() + SLACK {
                let actions = &set.actions;
                set.heap.retain(|alarm| actions.contains_key(&alarm.number));
            }
            action
        });
        drop(action);
    }

    /// Return the instant of the earliest alarm; infinity when none is set.
    fn next(&self) -> f64 {
        self.set.with(|set| {
            while let Some(first) = set.heap.peek() {
                if set.actions.contains_key(&first.number) {
                    return first.when;
                }
                set.heap.pop();
            }
            f64::INFINITY
        })
    }

    /// Call the actions of all alarms whose instant has come by `now`, the earliest first.
    fn ring(&self, py: Python<'_>, now: f64) -> PyResult<()> {
        while let Some(action) = self.take_due(now) {
            action.call0(py)?;
        }
        Ok(())
    }

    /// How many cancelled alarms are left lying about.
    #[getter]
    fn idle(&self) -> usize {
        self.set.with(|set| set.heap.len() - set.actions.len())
    }

    /// How many are set.
    fn __len__(&self) -> usize {
        self.set.with(|set| set.actions.len())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.set.with(|set| {
            let mut actions = set.actions.values();
            actions.try_for_each(|action| visit.call(action))
        })
    }

    fn __clear__(&self) {
        drop(self.set.replace(Set::default()));
    }
}

properties! { Alarms {
    /// The instant at which somebody will look what is due; infinity while nobody will.
    armed, set_armed: f64;
} }

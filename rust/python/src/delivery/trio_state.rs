//! The task that runs, and whether it has been cancelled: read where trio keeps it.
#![allow(unsafe_code, reason = "slots of objects have no safe interface")]

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyType};
use pyo3::{PyTraverseError, PyVisit};

use super::dicts::found;

/// Where a class keeps one of its `__slots__`.
///
/// To look an attribute up by its name takes ten times as long as to read it at its place, which the class tells.
pub(super) struct Slot {
    class: Py<PyType>,
    offset: isize,
}

impl Slot {
    /// The slot `name` of the class of an object; None where it is not kept in a slot.
    pub(super) fn of(object: &Bound<'_, PyAny>, name: &str) -> Option<Self> {
        let class = object.get_type();
        let member = class.getattr("__dict__").ok()?.get_item(name).ok()?;
        // SAFETY: of a member descriptor's type, so it is one, and its member lives as long as it does.
        let found = unsafe {
            if ffi::Py_TYPE(member.as_ptr()) != &raw mut ffi::PyMemberDescr_Type {
                return None;
            }
            &*(*member.as_ptr().cast::<ffi::PyMemberDescrObject>()).d_member
        };
        (found.type_code == ffi::Py_T_OBJECT_EX).then_some(Self {
            class: class.unbind(),
            offset: found.offset,
        })
    }

    /// What is in the slot of an object; None if the object is of another class, or the slot is empty.
    #[inline]
    pub(super) fn read<'py>(&self, object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        // SAFETY: an object of exactly this class has a reference, or null, at this place.
        unsafe {
            if ffi::Py_TYPE(object.as_ptr()) != self.class.as_ptr().cast() {
                return None;
            }
            let place = object.as_ptr().byte_offset(self.offset);
            Bound::from_borrowed_ptr_or_opt(object.py(), *place.cast::<*mut ffi::PyObject>())
        }
    }

    /// Puts something into the slot of an object, if it is of the class.
    #[inline]
    pub(super) fn write(&self, object: &Bound<'_, PyAny>, value: Py<PyAny>) {
        // SAFETY: as for `read`; what was there is let go of when the new reference is in its place.
        let last = unsafe {
            if ffi::Py_TYPE(object.as_ptr()) != self.class.as_ptr().cast() {
                return;
            }
            let place = object.as_ptr().byte_offset(self.offset);
            let last = place.cast::<*mut ffi::PyObject>().replace(value.into_ptr());
            Bound::from_owned_ptr_or_opt(object.py(), last)
        };
        drop(last);
    }
}

/// A thread, as the interpreter knows it.
#[derive(PartialEq)]
struct Thread(*mut ffi::PyThreadState);

// SAFETY: it is compared, and never followed.
unsafe impl Send for Thread {}
// SAFETY: as above.
unsafe impl Sync for Thread {}

impl Thread {
    /// The one that runs.
    #[inline]
    fn this() -> Self {
        // SAFETY: whoever comes here is attached.
        Self(unsafe { ffi::PyThreadState_Get() })
    }
}

/// What trio keeps about a thread: under `task` the task that runs, in it its status, in that whether it is cancelled.
pub(crate) struct TrioState {
    state: Py<PyDict>,
    /// The thread of which it is.
    thread: Thread,
    status: Option<Slot>,
    cancelled: Option<Slot>,
}

impl TrioState {
    /// Reads the `state` of this thread from now on; a task must run.
    pub(crate) fn new(state: Bound<'_, PyDict>) -> PyResult<Self> {
        let task = state.as_any().get_item("task")?;
        let status = task.getattr("_cancel_status")?;
        Ok(Self {
            status: Slot::of(&task, "_cancel_status"),
            cancelled: Slot::of(&status, "effectively_cancelled"),
            state: state.unbind(),
            thread: Thread::this(),
        })
    }

    /// The task that runs, if any does, in its own thread.
    #[inline]
    pub(crate) fn task<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.thread != Thread::this() {
            return Ok(None);
        }
        found(self.state.bind(py), intern!(py, "task"))
    }

    /// Lets a task be the one that runs.
    pub(super) fn let_run(&self, task: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = task.py();
        self.state.bind(py).set_item(intern!(py, "task"), task)
    }

    /// What runs all tasks.
    pub(super) fn runner<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.state.bind(py).as_any().get_item(intern!(py, "runner"))
    }

    /// Whether a task has been cancelled.
    #[inline]
    pub(crate) fn is_cancelled(&self, task: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = task.py();
        let status = match self.status.as_ref().and_then(|slot| slot.read(task)) {
            Some(status) => status,
            None => task.getattr(intern!(py, "_cancel_status"))?,
        };
        let cancelled = match self.cancelled.as_ref().and_then(|slot| slot.read(&status)) {
            Some(cancelled) => cancelled,
            None => status.getattr(intern!(py, "effectively_cancelled"))?,
        };
        Ok(!cancelled.is(PyBool::new(py, false)))
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.state)
    }
}

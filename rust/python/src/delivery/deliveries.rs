//! A delivery: one message for one recipient, from acceptance to its one outcome.
#![allow(
    clippy::used_underscore_binding,
    clippy::pub_underscore_fields,
    reason = "what is private to users begins with an underscore in Python"
)]
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::cell::{LockedCell, properties, references, release};
use super::message::Message;
use super::moulds::{Moulded, own_mould};
use super::routes::Target;

/// It waits in a mailbox.
pub(crate) const WAITING: u8 = 0;
/// Its handler has been called with it.
pub(crate) const RUNNING: u8 = 1;
/// It has its outcome.
pub(crate) const OVER: u8 = 2;

/// One message for one agent; handlers may take it as their second argument.
#[pyclass(module = "stentor", frozen, weakref)]
pub(crate) struct Delivery {
    /// The message: one object, shared with every other recipient.
    #[pyo3(get)]
    pub(crate) message: Py<Message>,
    #[pyo3(get, name = "_target")]
    pub(crate) target: Py<Target>,
    pub(crate) _watcher: LockedCell<Option<Py<PyAny>>>,
    pub(crate) attempt: LockedCell<i64>,
    pub(crate) redelivered: LockedCell<bool>,
    pub(crate) _state: LockedCell<u8>,
    pub(crate) _arrived: LockedCell<f64>,
    pub(crate) _started: LockedCell<f64>,
    pub(crate) _batch: LockedCell<Option<Py<PyAny>>>,
    pub(crate) _scope: LockedCell<Option<Py<PyAny>>>,
    pub(crate) _cause: LockedCell<Option<Py<PyAny>>>,
}

// SAFETY: it has neither `__dict__` nor subclasses, and a mould of its own.
#[allow(unsafe_code, reason = "a promise about the class")]
unsafe impl Moulded for Delivery {
    own_mould!();

    #[inline]
    fn drop_ref(self, py: Python<'_>) {
        self.message.drop_ref(py);
        self.target.drop_ref(py);
        release(py, self._watcher.into_inner());
        release(py, self._batch.into_inner());
        release(py, self._scope.into_inner());
        release(py, self._cause.into_inner());
    }
}

impl Delivery {
    /// A delivery in its first attempt.
    pub(crate) fn first(message: Py<Message>, target: Py<Target>, state: u8, started: f64) -> Self {
        Self {
            message,
            target,
            _watcher: LockedCell::new(None),
            attempt: LockedCell::new(1),
            redelivered: LockedCell::new(false),
            _state: LockedCell::new(state),
            _arrived: LockedCell::new(0.0),
            _started: LockedCell::new(started),
            _batch: LockedCell::new(None),
            _scope: LockedCell::new(None),
            _cause: LockedCell::new(None),
        }
    }

    /// The same, of which somebody wants to be told the outcome.
    pub(crate) fn watched(self, watcher: Option<Py<PyAny>>) -> Self {
        drop(self._watcher.replace(watcher));
        self
    }

    /// Who wants to be told its outcome.
    pub(crate) fn watcher<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        Some(self._watcher.shared(py)?.into_bound(py))
    }
}

#[pymethods]
impl Delivery {
    /// Make a delivery that nobody has handled yet; only the dispatcher does so.
    #[new]
    #[pyo3(signature = (message, target, watcher = None))]
    fn new(message: Py<Message>, target: Py<Target>, watcher: Option<Py<PyAny>>) -> Self {
        Self::first(message, target, WAITING, 0.0).watched(watcher)
    }

    /// The name of the agent that it is for.
    #[getter]
    fn agent(&self, py: Python<'_>) -> Py<PyString> {
        self.target.get().recipient.get().name.clone_ref(py)
    }

    /// All of the agent's subscriptions that matched, in order of subscription.
    #[getter]
    fn subscriptions(&self, py: Python<'_>) -> Py<PyTuple> {
        self.target.get().subscriptions.clone_ref(py)
    }

    /// The mode of the subscription that governs this delivery: the first that matched.
    #[getter]
    fn mode<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let quota = self.target.get().quota.bind(py);
        quota.getattr("options")?.getattr("mode")
    }

    /// Name the message and the agent.
    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let message = slf.getattr("message")?;
        Ok(format!(
            "<Delivery of {} on {} to {}, attempt {}>",
            message.getattr("id")?,
            message.getattr("topic")?.repr()?,
            slf.getattr("agent")?.repr()?,
            slf.get().attempt.get()
        ))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.message)?;
        visit.call(&self.target)?;
        for cell in [&self._watcher, &self._batch, &self._scope, &self._cause] {
            cell.with(|object| visit.call(&*object))?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        for cell in [&self._watcher, &self._batch, &self._scope, &self._cause] {
            drop(cell.replace(None));
        }
    }
}

properties! { Delivery {
    /// How many times its handler has been called with it, this call included.
    attempt, set_attempt: i64;
    /// Whether it may have been handled before.
    redelivered, set_redelivered: bool;
    _state, set__state: u8;
    _arrived, set__arrived: f64;
    _started, set__started: f64;
} }

references! { Delivery {
    _watcher, set__watcher;
    _batch, set__batch;
    _scope, set__scope;
    _cause, set__cause;
} }

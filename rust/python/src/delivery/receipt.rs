//! The receipt: what a publisher gets for a message that was accepted.
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};

use super::cell::release;
use super::message::Message;
use super::moulds::{Moulded, own_mould};

/// The message was accepted: each recipient has it in its mailbox, or has dropped it there as its policy says.
#[pyclass(module = "stentor", frozen)]
pub(crate) struct Receipt {
    /// The message as the bus stamped it.
    #[pyo3(get)]
    message: Py<Message>,
    /// The agents and feeds that it is for, in order of subscription.
    #[pyo3(get)]
    recipients: Py<PyTuple>,
    confirm: Option<Py<PyAny>>,
}

// SAFETY: it has neither `__dict__` nor subclasses, and a mould of its own.
#[allow(unsafe_code, reason = "a promise about the class")]
unsafe impl Moulded for Receipt {
    own_mould!();

    #[inline]
    fn drop_ref(self, py: Python<'_>) {
        self.message.drop_ref(py);
        self.recipients.drop_ref(py);
        release(py, self.confirm);
    }
}

#[pymethods]
impl Receipt {
    #[new]
    #[pyo3(signature = (*, message, recipients, confirm = None))]
    pub(super) fn new(
        message: Py<Message>,
        recipients: Py<PyTuple>,
        confirm: Option<Py<PyAny>>,
    ) -> Self {
        Self {
            message,
            recipients,
            confirm,
        }
    }

    /// Wait until every handler has finished or failed, and return what became of the message.
    ///
    /// Whom it waits for, `Bus.publish_and_wait` tells.
    ///
    /// Raises:
    ///     RuntimeError: The message was not published with `confirm=True`.
    ///     DeadlockError: A handler would wait for an agent that waits for it.
    fn confirmed(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match &self.confirm {
            Some(confirm) => confirm.call0(py),
            None => Err(pyo3::exceptions::PyRuntimeError::new_err(
                "only what is published with confirm=True can be confirmed",
            )),
        }
    }

    /// The `id` of the message.
    #[getter]
    fn message_id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.message.bind(py).getattr("id")
    }

    /// How many recipients it is for.
    #[getter]
    fn accepted(&self, py: Python<'_>) -> usize {
        self.recipients.bind(py).len()
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, Self>) -> PyResult<bool> {
        let theirs = other.get();
        let same = self.message.is(&theirs.message);
        Ok(same && self.recipients.bind(py).eq(theirs.recipients.bind(py))?)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.message.bind(py).hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (message, recipients) = (
            self.message.bind(py).repr()?,
            self.recipients.bind(py).repr()?,
        );
        Ok(format!(
            "Receipt(message={message}, recipients={recipients})"
        ))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.message)?;
        visit.call(&self.recipients)?;
        visit.call(&self.confirm)
    }
}

//! One message on its way out.
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::delivery::cell::{LockedCell, properties, references};

/// Bytes that an entry takes beside its body and its names, about.
const OVERHEAD: usize = 200;

/// One message on its way out. It is not known to the garbage collector: it holds nothing that leads back to it.
#[pyclass(module = "stentor.bridge", frozen)]
pub(crate) struct Entry {
    /// What the body is.
    #[pyo3(get)]
    pub(super) kind: u8,
    /// Whose numbers it is numbered by.
    #[pyo3(get)]
    scope: Py<PyString>,
    #[pyo3(get)]
    pub(super) topic: Py<PyString>,
    #[pyo3(get)]
    pub(super) body: Py<PyBytes>,
    #[pyo3(get)]
    pub(super) hop: u8,
    /// When it was accepted, in milliseconds since 1970.
    #[pyo3(get)]
    pub(super) sent_at: u64,
    /// On the steady clock, as `expires_at`.
    #[pyo3(get)]
    accepted_at: f64,
    #[pyo3(get)]
    expires_at: f64,
    /// Bytes that it takes, about.
    #[pyo3(get)]
    size: usize,
    pub(super) number: LockedCell<u64>,
    over: LockedCell<Option<Py<PyAny>>>,
    dropped: LockedCell<bool>,
}

#[pymethods]
impl Entry {
    /// Make one that has no number yet; it is sent at `sent_at` milliseconds since 1970.
    #[new]
    #[pyo3(signature = (kind, scope, topic, body, hop, sent_at, accepted_at, expires_at = f64::INFINITY))]
    #[allow(clippy::too_many_arguments, reason = "as many as there are fields")]
    pub(super) fn new(
        py: Python<'_>,
        kind: u8,
        scope: Py<PyString>,
        topic: Py<PyString>,
        body: Py<PyBytes>,
        hop: u8,
        sent_at: u64,
        accepted_at: f64,
        expires_at: f64,
    ) -> PyResult<Self> {
        let size = body.bind(py).as_bytes().len() + topic.bind(py).len()? + OVERHEAD;
        Ok(Self {
            kind,
            scope,
            topic,
            body,
            hop,
            sent_at,
            accepted_at,
            expires_at,
            size,
            number: LockedCell::new(0),
            over: LockedCell::new(None),
            dropped: LockedCell::new(false),
        })
    }
}

properties! { Entry {
    /// Its number in its scope, 0 before it has one.
    number, set_number: u64;
    /// Whether it was dropped.
    dropped, set_dropped: bool;
} }

references! { Entry {
    /// Is set when it is confirmed, or dropped, if somebody waits for that.
    over, set_over;
} }

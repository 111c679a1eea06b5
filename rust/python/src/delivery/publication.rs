//! A publish as it is awaited: through the door where that will do, and else by a coroutine of the machine.
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyNone};
use pyo3::{PyTraverseError, PyVisit};

use super::awaiting::{
    Awaited, Step, at_last, driven_by_hand, go_on, like_a_coroutine, told, warn_never_awaited,
};
use super::cell::{LockedCell, release};
use super::coroutine::send;
use super::moulds::moulded;
use super::publishing::{Publisher, by_machine};

/// What `publish` was called with.
pub(super) struct Call {
    pub(super) publisher: Py<Publisher>,
    pub(super) topic: Py<PyAny>,
    pub(super) payload: Option<Py<PyAny>>,
    pub(super) sender: Option<Py<PyAny>>,
    /// What is out of the ordinary, as keyword arguments.
    pub(super) more: Option<Py<PyDict>>,
}

impl Call {
    /// Lets go of it.
    #[inline]
    fn drop_ref(self, py: Python<'_>) {
        self.publisher.drop_ref(py);
        self.topic.drop_ref(py);
        release(py, self.payload);
        release(py, self.sender);
    }
}

/// How far a publish has come.
enum Stage {
    /// Whoever awaits it lets it begin.
    Ready(Call),
    /// The machine is at it, by this coroutine.
    Slow(Py<PyAny>),
    /// It is over, or was called off.
    Spent,
}

/// A publish that happens when it is awaited, once; it is a coroutine in all but its type.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Publication {
    stage: LockedCell<Stage>,
    /// Whether somebody awaits it.
    awaited: LockedCell<bool>,
}

fn awaited_twice() -> PyErr {
    PyRuntimeError::new_err("cannot await a publish a second time")
}

impl Publication {
    pub(super) fn of(call: Call) -> Self {
        Self {
            stage: LockedCell::new(Stage::Ready(call)),
            awaited: LockedCell::new(false),
        }
    }

    /// Becomes another publish, after one that is over.
    #[inline]
    pub(super) fn restart(&self, call: Call) {
        drop(self.stage.replace(Stage::Ready(call)));
        self.awaited.set(false);
    }

    /// Lets the machine publish.
    fn begin(&self, py: Python<'_>) -> PyResult<Step> {
        let Stage::Ready(call) = self.stage.replace(Stage::Spent) else {
            return Err(awaited_twice());
        };
        let (publisher, topic) = (call.publisher.into_bound(py), call.topic.into_bound(py));
        let payload = call.payload.unwrap_or_else(|| py.None()).into_bound(py);
        let sender = call.sender.map(|sender| sender.into_bound(py));
        let more = call.more.map(|more| more.into_bound(py));
        let method = intern!(py, "_publish");
        let coroutine = by_machine(&publisher, method, &topic, &payload, sender.as_ref(), more)?;
        let coroutine = coroutine.unbind();
        drop(self.stage.replace(Stage::Slow(coroutine.clone_ref(py))));
        send(py, coroutine, PyNone::get(py).as_any()).into()
    }

    /// The coroutine of the machine, if that is at it.
    fn by_machine(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.stage.with(|stage| match stage {
            Stage::Slow(coroutine) => Some(coroutine.clone_ref(py)),
            Stage::Ready(_) | Stage::Spent => None,
        })
    }

    /// The coroutine that waits here.
    fn waiting(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.by_machine(py)
    }

    /// Whether it is on its way, or over.
    fn has_begun(&self) -> bool {
        !self.stage.with(|stage| matches!(stage, Stage::Ready(_)))
    }

    /// Whether nobody has awaited it.
    fn is_fresh(&self) -> bool {
        !self.awaited.get() && !self.has_begun()
    }
}

impl Awaited for Publication {
    #[inline]
    fn step(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<Step> {
        let (py, publication) = (slf.py(), slf.get());
        match publication.by_machine(py) {
            Some(coroutine) => send(py, coroutine, value).into(),
            None => publication.begin(py),
        }
    }

    #[inline]
    fn at_once(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyAny>>> {
        let (py, publication) = (slf.py(), slf.get());
        let call = match publication.stage.replace(Stage::Spent) {
            Stage::Ready(call) if call.more.is_none() => call,
            other => {
                drop(publication.stage.replace(other));
                return Ok(None);
            }
        };
        let none = PyNone::get(py);
        let payload = call.payload.as_ref().map(|payload| payload.bind(py));
        let payload = payload.unwrap_or_else(|| none.as_any());
        let (topic, sender) = (call.topic.bind(py), call.sender.as_ref());
        let sender = sender.map(|sender| sender.bind(py));
        let publisher = call.publisher.get();
        let receipt = match publisher.door(py).map(|door| door.into_bound(py)) {
            Some(door) => door.get().publish(py, topic, payload, sender),
            None => Ok(None),
        };
        let receipt = match receipt {
            Ok(Some(receipt)) => receipt,
            Ok(None) => {
                drop(publication.stage.replace(Stage::Ready(call)));
                return Ok(None);
            }
            Err(error) => {
                call.drop_ref(py);
                return Err(error);
            }
        };
        publisher.keep(slf);
        call.drop_ref(py);
        moulded(py, receipt).map(|receipt| Some(receipt.into_any()))
    }

    #[inline]
    fn begin_await(slf: &Bound<'_, Self>) -> PyResult<()> {
        if !slf.get().is_fresh() {
            return Err(awaited_twice());
        }
        slf.get().awaited.set(true);
        Ok(())
    }

    #[inline]
    fn expected(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().is_fresh() {
            let text = "a publish is awaited, not iterated";
            return Err(PyRuntimeError::new_err(text));
        }
        Ok(())
    }
}

#[pymethods]
impl Publication {
    /// Call it off.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.stage.replace(Stage::Spent) {
            Stage::Slow(coroutine) => coroutine.call_method0(py, intern!(py, "close")).map(drop),
            Stage::Ready(_) | Stage::Spent => Ok(()),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.stage.with(|stage| match stage {
            Stage::Ready(call) => {
                visit.call(&call.publisher)?;
                visit.call(&call.topic)?;
                visit.call(&call.payload)?;
                visit.call(&call.sender)?;
                visit.call(&call.more)
            }
            Stage::Slow(coroutine) => visit.call(&*coroutine),
            Stage::Spent => Ok(()),
        })
    }

    fn __clear__(&self) {
        drop(self.stage.replace(Stage::Spent));
    }
}

driven_by_hand! { Publication }
like_a_coroutine! { Publication }

impl Drop for Publication {
    /// Warns, as Python does, of a publish that never began.
    fn drop(&mut self) {
        if !self.has_begun() {
            let text = c"coroutine 'Bus.publish' was never awaited";
            at_last(|py| warn_never_awaited(py, text));
        }
    }
}

//! What `Bus.publish` is: a call that is ordinary is over as soon as it is awaited, without a coroutine.
//!
//! To make a coroutine in Python, with a dictionary of its options, costs more than all that an ordinary publish does. So
//! publishing returns an awaitable that goes through the door by itself, and only makes the coroutine of the machine where
//! something is out of the ordinary.
#![allow(
    unsafe_code,
    reason = "an awaitable that ends at once has no safe interface that does without an exception"
)]

use pyo3::exceptions::{PyRuntimeError, PyRuntimeWarning, PyStopIteration};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString, PyTuple};
use pyo3::{PyTraverseError, PyTypeInfo, PyVisit};

use super::asking::Desk;
use super::cell::LockedCell;
use super::door::{Door, Receipt};

/// What may be said of a publish beside its topic, its payload and its sender, by name, in the order of the arguments.
const RARELY: [&str; 8] = [
    "retain",
    "confirm",
    "priority",
    "ttl",
    "deadline",
    "content_type",
    "headers",
    "in_reply_to",
];

/// What was said of that; each argument that was not given is null.
type Said<'py> = [Option<Bound<'py, PyAny>>; RARELY.len()];

/// What is out of the ordinary in a publish, as keyword arguments; None if nothing is.
#[inline]
fn unusual<'py>(py: Python<'py>, said: Said<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
    if said.iter().all(Option::is_none) {
        return Ok(None);
    }
    let keywords = PyDict::new(py);
    for (name, given) in RARELY.iter().zip(said) {
        if let Some(given) = given
            && !given.is(PyBool::new(py, false))
        {
            keywords.set_item(name, given)?;
        }
    }
    Ok((!keywords.is_empty()).then_some(keywords))
}

/// Calls the method of the machine that publishes what is not ordinary.
fn by_machine<'py>(
    publisher: &Bound<'py, Publisher>,
    method: &Bound<'py, PyString>,
    topic: &Bound<'py, PyAny>,
    payload: &Bound<'py, PyAny>,
    sender: Option<&Bound<'py, PyAny>>,
    more: Option<Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = publisher.py();
    let keywords = more.unwrap_or_else(|| PyDict::new(py));
    if let Some(sender) = sender {
        keywords.set_item(intern!(py, "sender"), sender)?;
    }
    publisher.call_method(method, (topic, payload), Some(&keywords))
}

/// The publishing of a bus: through its door where that will do, and else by the machine.
///
/// A bus inherits from it, and offers `_publish` and `_publish_nowait` for what is not ordinary.
#[pyclass(module = "stentor._native", frozen, subclass)]
pub(crate) struct Publisher {
    door: LockedCell<Option<Py<Door>>>,
    pub(super) desk: LockedCell<Option<Py<Desk>>>,
}

impl Publisher {
    /// Publishes what is ordinary; None where the machine must be asked.
    #[inline]
    fn through_door(
        &self,
        py: Python<'_>,
        topic: &Bound<'_, PyAny>,
        payload: &Bound<'_, PyAny>,
        sender: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Receipt>> {
        match self.door.shared(py) {
            Some(door) => door.get().publish(py, topic, payload, sender),
            None => Ok(None),
        }
    }
}

#[pymethods]
impl Publisher {
    #[new]
    #[pyo3(signature = (*_args, **_options))]
    fn new(_args: &Bound<'_, PyTuple>, _options: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            door: LockedCell::new(None),
            desk: LockedCell::new(None),
        }
    }

    /// The door through which ordinary messages go.
    #[getter(_door)]
    fn get_door(&self, py: Python<'_>) -> Option<Py<Door>> {
        self.door.shared(py)
    }

    #[setter(_door)]
    fn set_door(&self, py: Python<'_>, door: Option<Py<Door>>) {
        self.door.put(py, door);
    }

    /// Where questions leave that are ordinary.
    #[getter(_desk)]
    fn get_desk(&self, py: Python<'_>) -> Option<Py<Desk>> {
        self.desk.shared(py)
    }

    #[setter(_desk)]
    fn set_desk(&self, py: Python<'_>, desk: Option<Py<Desk>>) {
        self.desk.put(py, desk);
    }

    /// Publish to everyone whose pattern matches `topic`, and return once every mailbox has accepted the message.
    ///
    /// It is accepted for all recipients in one step. Where a mailbox with `Overflow.BLOCK` is full it waits, holding
    /// nothing; cancelled while it waits, nobody gets the message. It yields to other tasks only when it has to wait,
    /// and once in 1,000 calls.
    ///
    /// Args:
    ///     topic: A concrete name, without wildcards.
    ///     payload: Anything; it is shared by all recipients, not copied.
    ///     retain: Whether it becomes the topic's retained value, for subscribers who come later and ask for it.
    ///     confirm: Whether `Receipt.confirmed` will tell what became of it.
    ///     **options: `sender`, `priority`, `ttl` in seconds, `deadline`, `content_type`, `headers`, `in_reply_to`: see
    ///         `Message`.
    ///
    /// Raises:
    ///     InvalidTopicError: `topic` is not one.
    ///     PermissionDeniedError: The sender may not publish to it.
    ///     MailboxFullError: A mailbox with `Overflow.FAIL` is full; nobody gets the message.
    ///     DeadlockError: A handler would wait for an agent that waits for it.
    ///     ValueError: An option is out of its range, or `topic` is reserved.
    ///     trio.ClosedResourceError: The bus is closed.
    #[pyo3(
        signature = (topic, payload = None, *, retain = None, confirm = None, sender = None, priority = None, ttl = None,
            deadline = None, content_type = None, headers = None, in_reply_to = None),
        text_signature = "($self, topic, payload=None, *, retain=False, confirm=False, sender=None, priority=1, ttl=None, \
            deadline=None, content_type=None, headers={}, in_reply_to=None)",
    )]
    #[allow(clippy::too_many_arguments, reason = "as many as users may give")]
    fn publish<'py>(
        slf: Bound<'py, Self>,
        topic: Bound<'py, PyAny>,
        payload: Option<Bound<'py, PyAny>>,
        retain: Option<Bound<'py, PyAny>>,
        confirm: Option<Bound<'py, PyAny>>,
        sender: Option<Bound<'py, PyAny>>,
        priority: Option<Bound<'py, PyAny>>,
        ttl: Option<Bound<'py, PyAny>>,
        deadline: Option<Bound<'py, PyAny>>,
        content_type: Option<Bound<'py, PyAny>>,
        headers: Option<Bound<'py, PyAny>>,
        in_reply_to: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Publication> {
        let said = [
            retain,
            confirm,
            priority,
            ttl,
            deadline,
            content_type,
            headers,
            in_reply_to,
        ];
        let more = unusual(slf.py(), said)?;
        Ok(Publication {
            publisher: slf.unbind(),
            topic: topic.unbind(),
            payload: payload.map(Bound::unbind),
            sender: sender.map(Bound::unbind),
            more: more.map(Bound::unbind),
            stage: LockedCell::new(Stage::Fresh),
        })
    }

    /// Publish as `publish` does, but raise where that would wait.
    ///
    /// Args:
    ///     topic: A concrete name, without wildcards.
    ///     payload: Anything.
    ///     retain: As for `publish`.
    ///     **options: As for `publish`.
    ///
    /// Raises:
    ///     InvalidTopicError: `topic` is not one.
    ///     PermissionDeniedError: The sender may not publish to it.
    ///     MailboxFullError: A mailbox with `Overflow.FAIL` is full; nobody gets the message.
    ///     ValueError: An option is out of its range, or `topic` is reserved.
    ///     trio.WouldBlock: A mailbox with `Overflow.BLOCK` is full; nobody gets the message.
    ///     trio.ClosedResourceError: The bus is closed.
    #[pyo3(
        signature = (topic, payload = None, *, retain = None, sender = None, priority = None, ttl = None, deadline = None,
            content_type = None, headers = None, in_reply_to = None),
        text_signature = "($self, topic, payload=None, *, retain=False, sender=None, priority=1, ttl=None, \
            deadline=None, content_type=None, headers={}, in_reply_to=None)",
    )]
    #[allow(clippy::too_many_arguments, reason = "as many as users may give")]
    fn publish_nowait<'py>(
        slf: &Bound<'py, Self>,
        topic: &Bound<'py, PyAny>,
        payload: Option<Bound<'py, PyAny>>,
        retain: Option<Bound<'py, PyAny>>,
        sender: Option<&Bound<'py, PyAny>>,
        priority: Option<Bound<'py, PyAny>>,
        ttl: Option<Bound<'py, PyAny>>,
        deadline: Option<Bound<'py, PyAny>>,
        content_type: Option<Bound<'py, PyAny>>,
        headers: Option<Bound<'py, PyAny>>,
        in_reply_to: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let said = [
            retain,
            None,
            priority,
            ttl,
            deadline,
            content_type,
            headers,
            in_reply_to,
        ];
        let payload = payload.unwrap_or_else(|| py.None().into_bound(py));
        let more = unusual(py, said)?;
        if more.is_none()
            && let Some(receipt) = slf.get().through_door(py, topic, &payload, sender)?
        {
            return Ok(Bound::new(py, receipt)?.into_any());
        }
        let method = intern!(py, "_publish_nowait");
        by_machine(slf, method, topic, &payload, sender, more)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.door.with(|door| visit.call(&*door))?;
        self.desk.with(|desk| visit.call(&*desk))
    }

    fn __clear__(&self) {
        drop(self.door.replace(None));
        drop(self.desk.replace(None));
    }
}

/// How far a publish has come.
enum Stage {
    /// It has not begun.
    Fresh,
    /// It has gone through the door, and whoever awaits it has not been told yet.
    Done(Py<Receipt>),
    /// The machine is at it, by this coroutine.
    Slow(Py<PyAny>),
    /// It is over, or was called off.
    Spent,
}

/// A publish that happens when it is awaited, once; it is a coroutine in all but its type.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Publication {
    publisher: Py<Publisher>,
    topic: Py<PyAny>,
    payload: Option<Py<PyAny>>,
    sender: Option<Py<PyAny>>,
    more: Option<Py<PyDict>>,
    stage: LockedCell<Stage>,
}

impl Publication {
    /// Publishes; returns the coroutine that does so where that is not ordinary.
    #[inline]
    fn begin(&self, py: Python<'_>) -> PyResult<Result<Py<Receipt>, Py<PyAny>>> {
        match self.stage.replace(Stage::Spent) {
            Stage::Fresh => {}
            Stage::Slow(_) | Stage::Done(_) | Stage::Spent => {
                return Err(PyRuntimeError::new_err(
                    "cannot await a publish a second time",
                ));
            }
        }
        let publisher = self.publisher.get();
        let none = py.None();
        let payload = self.payload.as_ref().unwrap_or(&none).bind(py);
        let topic = self.topic.bind(py);
        let sender = self.sender.as_ref().map(|one| one.bind(py));
        if self.more.is_none()
            && let Some(receipt) = publisher.through_door(py, topic, payload, sender)?
        {
            return Ok(Ok(Py::new(py, receipt)?));
        }
        let machine = self.publisher.bind(py);
        let more = self.more.as_ref().map(|more| more.bind(py).clone());
        let method = intern!(py, "_publish");
        let coroutine = by_machine(machine, method, topic, payload, sender, more)?;
        Ok(Err(coroutine.unbind()))
    }

    /// The coroutine of the machine, if that is at it.
    fn slow(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.stage.with(|stage| match stage {
            Stage::Slow(coroutine) => Some(coroutine.clone_ref(py)),
            _ => None,
        })
    }
}

#[pymethods]
impl Publication {
    fn __await__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        let py = slf.py();
        match slf.get().begin(py)? {
            Ok(receipt) => {
                drop(slf.get().stage.replace(Stage::Done(receipt)));
                Ok(slf.into_any())
            }
            Err(coroutine) => coroutine.bind(py).call_method0(intern!(py, "__await__")),
        }
    }

    fn __next__(&self) -> PyResult<Py<PyAny>> {
        match self.stage.replace(Stage::Spent) {
            Stage::Done(receipt) => Err(PyStopIteration::new_err((receipt,))),
            other => {
                drop(self.stage.replace(other));
                Err(PyRuntimeError::new_err(
                    "a publish is awaited, not iterated",
                ))
            }
        }
    }

    /// Begin, or go on where the machine is at it: for who drives it by hand.
    #[pyo3(signature = (value, /))]
    fn send(&self, py: Python<'_>, value: Py<PyAny>) -> PyResult<Py<PyAny>> {
        let coroutine = match self.slow(py) {
            Some(coroutine) => coroutine,
            None => match self.begin(py)? {
                Ok(receipt) => return Err(PyStopIteration::new_err((receipt,))),
                Err(coroutine) => {
                    drop(self.stage.replace(Stage::Slow(coroutine.clone_ref(py))));
                    coroutine
                }
            },
        };
        coroutine.call_method1(py, intern!(py, "send"), (value,))
    }

    /// Raise an error where the machine is at it, or here where it has not begun, which it never will then.
    #[pyo3(signature = (*error))]
    fn throw(&self, py: Python<'_>, error: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        if let Some(coroutine) = self.slow(py) {
            return coroutine.call_method1(py, intern!(py, "throw"), error);
        }
        drop(self.stage.replace(Stage::Spent));
        Err(PyErr::from_value(error.get_item(0)?))
    }

    /// Call it off.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(coroutine) = self.slow(py) {
            coroutine.call_method0(py, intern!(py, "close"))?;
        }
        drop(self.stage.replace(Stage::Spent));
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.publisher)?;
        visit.call(&self.payload)?;
        self.stage.with(|stage| match stage {
            Stage::Slow(coroutine) => visit.call(&*coroutine),
            Stage::Done(receipt) => visit.call(&*receipt),
            Stage::Fresh | Stage::Spent => Ok(()),
        })
    }

    fn __clear__(&self) {
        drop(self.stage.replace(Stage::Spent));
    }
}

impl Drop for Publication {
    /// Warns, as Python does, of a publish that nobody has awaited.
    fn drop(&mut self) {
        if self.stage.with(|stage| matches!(stage, Stage::Fresh)) {
            Python::attach(|py| {
                let warning = py.get_type::<PyRuntimeWarning>();
                let text = c"coroutine 'Bus.publish' was never awaited";
                if let Err(error) = PyErr::warn(py, &warning, text, 1) {
                    error.write_unraisable(py, None);
                }
            });
        }
    }
}

/// Lets CPython 3.11 ask a publication for its result directly: what it would do instead is to raise and catch it.
pub(crate) fn answer_directly(py: Python<'_>) {
    // SAFETY: the type is a heap type made by this module, whose slots are writable and which nobody uses yet.
    unsafe {
        let slots = (*Publication::type_object_raw(py)).tp_as_async;
        if let Some(slots) = slots.as_mut() {
            slots.am_send = Some(send_none);
        }
    }
}

unsafe extern "C" fn send_none(
    publication: *mut ffi::PyObject,
    _value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    // SAFETY: Python calls it with an object of the type whose slot it is in, under the interpreter's lock.
    let py = unsafe { Python::assume_attached() };
    let publication = unsafe { Bound::from_borrowed_ptr(py, publication) };
    // SAFETY: as above.
    let publication = unsafe { publication.cast_unchecked::<Publication>() };
    let outcome = match publication.get().stage.replace(Stage::Spent) {
        Stage::Done(receipt) => Ok(receipt.into_any()),
        _ => Err(PyRuntimeError::new_err(
            "a publish is awaited, not iterated",
        )),
    };
    match outcome {
        Ok(receipt) => {
            // SAFETY: the caller gives a place for the result, and takes the reference.
            unsafe { *result = receipt.into_ptr() };
            ffi::PySendResult::PYGEN_RETURN
        }
        Err(error) => {
            error.restore(py);
            ffi::PySendResult::PYGEN_ERROR
        }
    }
}

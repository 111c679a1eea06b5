//! What `Bus.publish` is: a call that is ordinary is over as soon as it is awaited, without a coroutine.
//!
//! To make a coroutine in Python, with a dictionary of its options, costs more than all that an ordinary publish does. So
//! publishing returns an awaitable that goes through the door by itself, and only makes the coroutine of the machine where
//! something is out of the ordinary.
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyNone, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::asking::Desk;
use super::awaiting::{Awaited, Step, like_a_coroutine, told, warn_never_awaited};
use super::cell::LockedCell;
use super::coroutine::{send, thrown};
use super::door::Receipt;

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
        match self.desk.shared(py) {
            Some(desk) => desk.get().door.get().publish(py, topic, payload, sender),
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
            desk: LockedCell::new(None),
        }
    }

    /// Where questions leave that are ordinary, and, by its door, all other messages that are.
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
        self.desk.with(|desk| visit.call(&*desk))
    }

    fn __clear__(&self) {
        drop(self.desk.replace(None));
    }
}

/// How far a publish has come.
enum Stage {
    /// Nobody has awaited it.
    Fresh,
    /// Whoever awaits it will let it begin now.
    Awaited,
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

fn awaited_twice() -> PyErr {
    PyRuntimeError::new_err("cannot await a publish a second time")
}

impl Publication {
    /// Publishes, or else lets the machine do so.
    #[inline]
    fn begin(&self, py: Python<'_>) -> PyResult<Step> {
        match self.stage.replace(Stage::Spent) {
            Stage::Fresh | Stage::Awaited => {}
            Stage::Slow(_) | Stage::Spent => return Err(awaited_twice()),
        }
        let none = PyNone::get(py);
        let payload = self.payload.as_ref().map(|payload| payload.bind(py));
        let payload = payload.unwrap_or_else(|| none.as_any());
        let topic = self.topic.bind(py);
        let sender = self.sender.as_ref().map(|one| one.bind(py));
        let publisher = self.publisher.bind(py);
        if self.more.is_none()
            && let Some(receipt) = publisher.get().through_door(py, topic, payload, sender)?
        {
            return Ok(Step::Returns(Py::new(py, receipt)?.into_any()));
        }
        let more = self.more.as_ref().map(|more| more.bind(py).clone());
        let method = intern!(py, "_publish");
        let coroutine = by_machine(publisher, method, topic, payload, sender, more)?.unbind();
        drop(self.stage.replace(Stage::Slow(coroutine.clone_ref(py))));
        send(py, coroutine, none.as_any()).into()
    }

    /// The coroutine of the machine, if that is at it.
    fn waiting(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.stage.with(|stage| match stage {
            Stage::Slow(coroutine) => Some(coroutine.clone_ref(py)),
            Stage::Fresh | Stage::Awaited | Stage::Spent => None,
        })
    }

    fn is_fresh(&self) -> bool {
        self.stage.with(|stage| matches!(stage, Stage::Fresh))
    }
}

impl Awaited for Publication {
    #[inline]
    fn step(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<Step> {
        let (py, publication) = (value.py(), slf.get());
        match publication.waiting(py) {
            Some(coroutine) => send(py, coroutine, value).into(),
            None => publication.begin(py),
        }
    }
}

#[pymethods]
impl Publication {
    fn __await__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let publication = slf.get();
        if !publication.is_fresh() {
            return Err(awaited_twice());
        }
        drop(publication.stage.replace(Stage::Awaited));
        Ok(slf)
    }

    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        if slf.get().is_fresh() {
            return Err(PyRuntimeError::new_err(
                "a publish is awaited, not iterated",
            ));
        }
        told(Self::step(slf, PyNone::get(slf.py()).as_any())?)
    }

    /// Begin, or go on where the machine is at it: for who drives it by hand.
    #[pyo3(signature = (value, /))]
    fn send(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        told(Self::step(slf, value)?)
    }

    /// Raise an error where the machine is at it, or here where it has not begun, which it never will then.
    #[pyo3(signature = (kind, value = None, traceback = None, /))]
    fn throw(
        &self,
        kind: &Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let py = kind.py();
        let error = thrown(kind, value, traceback)?;
        if let Some(coroutine) = self.waiting(py) {
            return coroutine.call_method1(py, intern!(py, "throw"), (error,));
        }
        self.close(py)?;
        Err(PyErr::from_value(error))
    }

    /// Call it off.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.stage.replace(Stage::Spent) {
            Stage::Slow(coroutine) => coroutine.call_method0(py, intern!(py, "close")).map(drop),
            Stage::Fresh | Stage::Awaited | Stage::Spent => Ok(()),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.publisher)?;
        visit.call(&self.payload)?;
        self.stage.with(|stage| match stage {
            Stage::Slow(coroutine) => visit.call(&*coroutine),
            Stage::Fresh | Stage::Awaited | Stage::Spent => Ok(()),
        })
    }

    fn __clear__(&self) {
        drop(self.stage.replace(Stage::Spent));
    }
}

like_a_coroutine! { Publication }

impl Drop for Publication {
    /// Warns, as Python does, of a publish that nobody has awaited.
    fn drop(&mut self) {
        if self.is_fresh() {
            Python::attach(|py| {
                let text = c"coroutine 'Bus.publish' was never awaited";
                if let Err(error) = warn_never_awaited(py, text) {
                    error.write_unraisable(py, None);
                }
            });
        }
    }
}

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
use super::awaiting::{Awaited, Step, go_on, like_a_coroutine, told, warn_never_awaited};
use super::cell::LockedCell;
use super::coroutine::{send, thrown};
use super::door::Receipt;
use super::moulds::{is_unshared, moulded};

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
    /// A publish that is over, whose object serves the next one if nobody else has it.
    spare: LockedCell<Option<Py<Publication>>>,
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
        match self.desk.shared(py).map(|desk| desk.into_bound(py)) {
            Some(desk) => desk.get().door.get().publish(py, topic, payload, sender),
            None => Ok(None),
        }
    }

    /// An object for a publish, in which nobody sees any more what it was before.
    #[inline]
    fn publication(&self, py: Python<'_>, call: Call) -> PyResult<Py<Publication>> {
        match self.spare.replace(None) {
            Some(spare) if is_unshared(&spare) => {
                spare.get().restart(call);
                Ok(spare)
            }
            _ => Py::new(py, Publication::of(call)),
        }
    }

    /// Keeps the object of a publish that is over.
    #[inline]
    fn keep(&self, publication: &Bound<'_, Publication>) {
        let kept = publication.clone().unbind();
        self.spare.put(publication.py(), Some(kept));
    }
}

#[pymethods]
impl Publisher {
    #[new]
    #[pyo3(signature = (*_args, **_options))]
    fn new(_args: &Bound<'_, PyTuple>, _options: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            desk: LockedCell::new(None),
            spare: LockedCell::new(None),
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
        slf: &Bound<'py, Self>,
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
    ) -> PyResult<Py<Publication>> {
        let py = slf.py();
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
        let more = unusual(py, said)?;
        let call = Call {
            publisher: slf.clone().unbind(),
            topic: topic.unbind(),
            payload: payload.map(Bound::unbind),
            sender: sender.map(Bound::unbind),
            more: more.map(Bound::unbind),
        };
        slf.get().publication(py, call)
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
            return Ok(moulded(py, receipt)?.into_bound(py).into_any());
        }
        let method = intern!(py, "_publish_nowait");
        by_machine(slf, method, topic, &payload, sender, more)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.spare.with(|spare| visit.call(&*spare))?;
        self.desk.with(|desk| visit.call(&*desk))
    }

    fn __clear__(&self) {
        drop(self.spare.replace(None));
        drop(self.desk.replace(None));
    }
}

/// What `publish` was called with.
struct Call {
    publisher: Py<Publisher>,
    topic: Py<PyAny>,
    payload: Option<Py<PyAny>>,
    sender: Option<Py<PyAny>>,
    more: Option<Py<PyDict>>,
}

impl Call {
    /// Lets go of it.
    #[inline]
    fn drop_ref(self, py: Python<'_>) {
        self.publisher.drop_ref(py);
        self.topic.drop_ref(py);
        for given in [self.payload, self.sender].into_iter().flatten() {
            given.drop_ref(py);
        }
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
    fn of(call: Call) -> Self {
        Self {
            stage: LockedCell::new(Stage::Ready(call)),
            awaited: LockedCell::new(false),
        }
    }

    /// Becomes another publish, after one that is over.
    #[inline]
    fn restart(&self, call: Call) {
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
    fn waiting(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.stage.with(|stage| match stage {
            Stage::Slow(coroutine) => Some(coroutine.clone_ref(py)),
            Stage::Ready(_) | Stage::Spent => None,
        })
    }

    /// Whether nobody has awaited it.
    fn is_fresh(&self) -> bool {
        !self.awaited.get() && self.stage.with(|stage| matches!(stage, Stage::Ready(_)))
    }
}

impl Awaited for Publication {
    #[inline]
    fn step(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<Step> {
        let (py, publication) = (slf.py(), slf.get());
        match publication.waiting(py) {
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
        let Some(receipt) = publisher.through_door(py, topic, payload, sender)? else {
            drop(publication.stage.replace(Stage::Ready(call)));
            return Ok(None);
        };
        publisher.keep(slf);
        call.drop_ref(py);
        moulded(py, receipt).map(|receipt| Some(receipt.into_any()))
    }
}

#[pymethods]
impl Publication {
    fn __await__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        if !slf.get().is_fresh() {
            return Err(awaited_twice());
        }
        slf.get().awaited.set(true);
        Ok(slf)
    }

    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        if slf.get().is_fresh() {
            return Err(PyRuntimeError::new_err(
                "a publish is awaited, not iterated",
            ));
        }
        told(go_on(slf, PyNone::get(slf.py()).as_any())?)
    }

    /// Begin, or go on where the machine is at it: for who drives it by hand.
    #[pyo3(signature = (value, /))]
    fn send(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        told(go_on(slf, value)?)
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
            Stage::Ready(_) | Stage::Spent => Ok(()),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.stage.with(|stage| match stage {
            Stage::Ready(call) => {
                visit.call(&call.publisher)?;
                visit.call(&call.payload)
            }
            Stage::Slow(coroutine) => visit.call(&*coroutine),
            Stage::Spent => Ok(()),
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

//! What `Bus.publish` is: a call that is ordinary is over as soon as it is awaited, without a coroutine.
//!
//! To make a coroutine in Python, with a dictionary of its options, costs more than all that an ordinary publish does. So
//! publishing returns an awaitable that goes through the door by itself, and only makes the coroutine of the machine where
//! something is out of the ordinary.
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyNone, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::asking::Desk;
use super::cell::{LockedCell, release};
use super::door::Door;
use super::moulds::{is_unshared, moulded};
use super::publication::{Call, Publication};
use crate::directly::{ShortWay, own_long_way};
use crate::errors::wrong_type;

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

/// The first of them are flags, which are as good as not said where they are false.
const FLAGS: usize = 2;

/// What was said of that; each argument that was not given is null.
type Said<'py> = [Option<Bound<'py, PyAny>>; RARELY.len()];

/// What is out of the ordinary in a publish, as keyword arguments; None if nothing is.
#[inline]
fn unusual<'py>(py: Python<'py>, said: Said<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
    if said.iter().all(Option::is_none) {
        return Ok(None);
    }
    let keywords = PyDict::new(py);
    for (place, (name, given)) in RARELY.iter().zip(said).enumerate() {
        let Some(given) = given else {
            continue;
        };
        if place < FLAGS {
            let Ok(flag) = given.cast::<PyBool>() else {
                return Err(wrong_type(name, "of type bool", &given));
            };
            if !flag.is_true() {
                continue;
            }
        }
        keywords.set_item(name, given)?;
    }
    Ok((!keywords.is_empty()).then_some(keywords))
}

/// Calls the method of the machine that publishes what is not ordinary.
pub(super) fn by_machine<'py>(
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
    /// The door of an open bus.
    #[inline]
    pub(super) fn door(&self, py: Python<'_>) -> Option<Py<Door>> {
        self.desk
            .with(|desk| Some(desk.as_ref()?.get().door.clone_ref(py)))
    }

    /// Publishes what is ordinary now, and returns the receipt; None where the machine must be asked.
    #[inline]
    fn now<'py>(
        &self,
        topic: &Bound<'py, PyAny>,
        payload: &Bound<'py, PyAny>,
        sender: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = topic.py();
        let Some(door) = self.door(py).map(|door| door.into_bound(py)) else {
            return Ok(None);
        };
        match door.get().publish_nowait(py, topic, payload, sender)? {
            Some(receipt) => Ok(Some(moulded(py, receipt)?.into_bound(py).into_any())),
            None => Ok(None),
        }
    }

    /// A publish that happens when it is awaited, in an object in which nobody sees any more what it was before.
    #[inline]
    fn publication(
        slf: &Bound<'_, Self>,
        topic: &Bound<'_, PyAny>,
        payload: Option<&Bound<'_, PyAny>>,
        sender: Option<&Bound<'_, PyAny>>,
        more: Option<Bound<'_, PyDict>>,
    ) -> PyResult<Py<Publication>> {
        let py = slf.py();
        let call = Call {
            publisher: slf.clone().unbind(),
            topic: topic.clone().unbind(),
            payload: payload.map(|payload| payload.clone().unbind()),
            sender: sender.map(|sender| sender.clone().unbind()),
            more: more.map(Bound::unbind),
        };
        match slf.get().spare.replace(None) {
            Some(spare) if is_unshared(&spare) => {
                spare.get().restart(call);
                Ok(spare)
            }
            other => {
                release(py, other);
                Py::new(py, Publication::of(call))
            }
        }
    }

    /// Keeps the object of a publish that is over.
    #[inline]
    pub(super) fn keep(&self, publication: &Bound<'_, Publication>) {
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
        topic: &Bound<'py, PyAny>,
        payload: Option<&Bound<'py, PyAny>>,
        retain: Option<Bound<'py, PyAny>>,
        confirm: Option<Bound<'py, PyAny>>,
        sender: Option<&Bound<'py, PyAny>>,
        priority: Option<Bound<'py, PyAny>>,
        ttl: Option<Bound<'py, PyAny>>,
        deadline: Option<Bound<'py, PyAny>>,
        content_type: Option<Bound<'py, PyAny>>,
        headers: Option<Bound<'py, PyAny>>,
        in_reply_to: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Py<Publication>> {
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
        Self::publication(slf, topic, payload, sender, more)
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
    ///     RuntimeError: It is not called by a task of the trio run that the bus is in; others use `portal`.
    ///     trio.WouldBlock: A mailbox with `Overflow.BLOCK` is full, or an agent is durable; nobody gets the message.
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
            && let Some(receipt) = slf.get().now(topic, &payload, sender)?
        {
            return Ok(receipt);
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

/// The short way into `publish`.
pub(crate) struct Publish;

impl ShortWay for Publish {
    type Class = Publisher;
    const METHOD: &str = "publish";
    const KEYWORD: &str = "sender";

    own_long_way!();

    #[inline]
    fn call<'py>(
        slf: &Bound<'py, Publisher>,
        topic: &Bound<'py, PyAny>,
        payload: Option<&Bound<'py, PyAny>>,
        sender: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let publication = Publisher::publication(slf, topic, payload, sender, None)?;
        Ok(Some(publication.into_bound(slf.py()).into_any()))
    }
}

/// The short way into `publish_nowait`.
pub(crate) struct PublishNowait;

impl ShortWay for PublishNowait {
    type Class = Publisher;
    const METHOD: &str = "publish_nowait";
    const KEYWORD: &str = "sender";

    own_long_way!();

    #[inline]
    fn call<'py>(
        slf: &Bound<'py, Publisher>,
        topic: &Bound<'py, PyAny>,
        payload: Option<&Bound<'py, PyAny>>,
        sender: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let none = PyNone::get(slf.py());
        slf.get().now(topic, payload.unwrap_or(&none), sender)
    }
}

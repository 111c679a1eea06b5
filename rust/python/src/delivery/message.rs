//! The message: immutable, one object for all recipients.
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyMappingProxy, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::cell::{LockedCell, release};
use super::moulds::{Moulded, own_mould};

/// Objects of `stentor._values.messages` that stand for what most messages say.
struct Defaults {
    normal: Py<PyAny>,
    topic: Py<PyAny>,
    no_headers: Py<PyAny>,
    /// By rank.
    priorities: Py<PyTuple>,
    /// `member(name, value, kind)`: the member of an enumeration that a value is, or is the value of.
    member: Py<PyAny>,
}

impl Defaults {
    /// What was chosen of an enumeration, by its member or the value of one; None if that is `usual`, or nothing is said.
    fn chosen(
        &self,
        py: Python<'_>,
        name: &str,
        given: Option<Py<PyAny>>,
        usual: &Py<PyAny>,
    ) -> PyResult<Option<Py<PyAny>>> {
        let Some(given) = unless(given, usual) else {
            return Ok(None);
        };
        let kind = usual.bind(py).get_type();
        if given.bind(py).get_type().is(&kind) {
            return Ok(Some(given));
        }
        let member = self.member.call1(py, (name, given, kind))?;
        Ok(unless(Some(member), usual))
    }
}

static DEFAULTS: PyOnceLock<Defaults> = PyOnceLock::new();

fn defaults(py: Python<'_>) -> PyResult<&Defaults> {
    DEFAULTS.get_or_try_init(py, || {
        let module = py.import("stentor._values.messages")?;
        Ok(Defaults {
            normal: module.getattr("Priority")?.getattr("NORMAL")?.unbind(),
            topic: module.getattr("AddressingMode")?.getattr("TOPIC")?.unbind(),
            no_headers: module.getattr("NO_HEADERS")?.unbind(),
            priorities: py
                .get_type::<PyTuple>()
                .call1((module.getattr("Priority")?,))?
                .cast_into()?
                .unbind(),
            member: py
                .import("stentor._values.checks")?
                .getattr("member")?
                .unbind(),
        })
    })
}

/// Whether this is `AddressingMode.TOPIC`.
pub(crate) fn is_topic(mode: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(mode.is(&defaults(mode.py())?.topic))
}

/// The rank of `Priority.NORMAL`.
pub(crate) const NORMAL: u8 = 1;

/// The id of a message.
pub(crate) enum Id {
    Text(Py<PyString>),
    /// A number under the prefix of a bus; nobody has asked for its text yet.
    Number(Py<PyString>, u64),
}

impl Id {
    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Text(text) => Self::Text(text.clone_ref(py)),
            Self::Number(prefix, number) => Self::Number(prefix.clone_ref(py), *number),
        }
    }

    #[inline]
    fn drop_ref(self, py: Python<'_>) {
        let (Self::Text(text) | Self::Number(text, _)) = self;
        text.drop_ref(py);
    }

    pub(crate) fn text(&self, py: Python<'_>) -> PyResult<Py<PyString>> {
        match self {
            Self::Text(text) => Ok(text.clone_ref(py)),
            Self::Number(prefix, number) => {
                let text = format!("{}-{number}", prefix.bind(py).to_str()?);
                Ok(PyString::new(py, &text).unbind())
            }
        }
    }
}

/// What is published: immutable, and one object for all recipients.
///
/// It is equal to itself only, not to another message that says the same.
#[pyclass(module = "stentor", frozen, weakref)]
pub(crate) struct Message {
    /// The concrete name it was published to; the agent's name for a DIRECT message.
    #[pyo3(get)]
    pub(crate) topic: Py<PyString>,
    /// Whatever the publisher sent. It is shared, not copied: treat it as immutable.
    #[pyo3(get)]
    pub(crate) payload: Py<PyAny>,
    /// Name of the publisher, or None.
    #[pyo3(get)]
    pub(crate) sender: Option<Py<PyAny>>,
    id: LockedCell<Id>,
    /// When the bus accepted it: seconds on trio's clock.
    #[pyo3(get)]
    pub(crate) timestamp: f64,
    /// None for `Priority.NORMAL`.
    priority: Option<Py<PyAny>>,
    pub(crate) rank: u8,
    /// Seconds from `timestamp` after which it is never handled, or None for no such limit.
    #[pyo3(get)]
    pub(crate) ttl: Option<f64>,
    /// Instant on trio's clock from which it is never handled, or None; a request's reply is awaited until then.
    #[pyo3(get)]
    pub(crate) deadline: Option<f64>,
    /// What the payload is, or None when the publisher did not say.
    #[pyo3(get)]
    pub(crate) content_type: Option<Py<PyAny>>,
    /// None for no headers.
    pub(crate) headers: Option<Py<PyAny>>,
    /// The `id` of the request that this message answers, or None.
    #[pyo3(get)]
    pub(crate) in_reply_to: Option<Py<PyAny>>,
    cause: Option<LockedCell<Id>>,
    /// None for `AddressingMode.TOPIC`.
    pub(crate) addressing: Option<Py<PyAny>>,
    /// Instant on trio's clock from which it is not handled any more; infinity without `ttl` and `deadline`.
    #[pyo3(get)]
    pub(crate) expires_at: f64,
}

// SAFETY: it has neither `__dict__` nor subclasses, and a mould of its own.
#[allow(unsafe_code, reason = "a promise about the class")]
unsafe impl Moulded for Message {
    own_mould!();

    #[inline]
    fn drop_ref(self, py: Python<'_>) {
        self.topic.drop_ref(py);
        self.payload.drop_ref(py);
        self.id.into_inner().drop_ref(py);
        if let Some(cause) = self.cause {
            cause.into_inner().drop_ref(py);
        }
        release(py, self.sender);
        release(py, self.priority);
        release(py, self.content_type);
        release(py, self.headers);
        release(py, self.in_reply_to);
        release(py, self.addressing);
    }
}

/// What a bus has said of a message that it stamped, all in plain types.
pub(crate) struct Stamped<'py> {
    pub(crate) topic: Py<PyString>,
    pub(crate) payload: Py<PyAny>,
    pub(crate) sender: Option<Py<PyString>>,
    pub(crate) id: Py<PyString>,
    pub(crate) timestamp: f64,
    pub(crate) rank: u8,
    pub(crate) ttl: Option<f64>,
    pub(crate) deadline: Option<f64>,
    pub(crate) content_type: Option<Py<PyString>>,
    pub(crate) headers: Option<Bound<'py, PyDict>>,
    pub(crate) in_reply_to: Option<Py<PyString>>,
    pub(crate) cause: Option<Py<PyString>>,
}

impl Message {
    /// A message to a topic that another bus has stamped.
    pub(crate) fn stamped(py: Python<'_>, stamped: Stamped<'_>) -> PyResult<Self> {
        let headers = stamped.headers.map(|pairs| {
            let view = PyMappingProxy::new(py, pairs.as_mapping());
            view.into_any().unbind()
        });
        let priority = if stamped.rank == NORMAL {
            None
        } else {
            let all = defaults(py)?.priorities.bind(py);
            Some(all.get_item(usize::from(stamped.rank))?.unbind())
        };
        let limit = stamped.deadline.unwrap_or(f64::INFINITY);
        let lasts = |seconds| limit.min(stamped.timestamp + seconds);
        Ok(Self {
            topic: stamped.topic,
            payload: stamped.payload,
            sender: stamped.sender.map(Py::into_any),
            id: LockedCell::new(Id::Text(stamped.id)),
            timestamp: stamped.timestamp,
            priority,
            rank: stamped.rank,
            ttl: stamped.ttl,
            deadline: stamped.deadline,
            content_type: stamped.content_type.map(Py::into_any),
            headers,
            in_reply_to: stamped.in_reply_to.map(Py::into_any),
            cause: stamped.cause.map(|text| LockedCell::new(Id::Text(text))),
            addressing: None,
            expires_at: stamped.ttl.map_or(limit, lasts),
        })
    }

    /// Whether it was published to a topic, and not sent to somebody by name.
    pub(crate) fn is_to_a_topic(&self) -> bool {
        self.addressing.is_none()
    }

    /// Whether a bus has stamped it.
    pub(crate) fn is_stamped(&self, py: Python<'_>) -> PyResult<bool> {
        self.id.with(|id| match id {
            Id::Text(text) => Ok(text.bind(py).len()? > 0),
            Id::Number(..) => Ok(true),
        })
    }

    /// Another reference to the id of its cause.
    pub(crate) fn share_cause(&self, py: Python<'_>) -> Option<Id> {
        let cause = self.cause.as_ref()?;
        Some(cause.with(|id| id.clone_ref(py)))
    }

    /// An ordinary message: published to a topic, with nothing said but who sent it.
    pub(crate) fn ordinary(
        topic: Py<PyString>,
        payload: Py<PyAny>,
        sender: Option<Py<PyAny>>,
        id: Id,
        timestamp: f64,
        cause: Option<Id>,
    ) -> Self {
        Self {
            topic,
            payload,
            sender,
            id: LockedCell::new(id),
            timestamp,
            priority: None,
            rank: NORMAL,
            ttl: None,
            deadline: None,
            content_type: None,
            headers: None,
            in_reply_to: None,
            cause: cause.map(LockedCell::new),
            addressing: None,
            expires_at: f64::INFINITY,
        }
    }

    /// The same, which nobody handles from `deadline` on.
    pub(crate) fn until(self, deadline: f64) -> Self {
        Self {
            deadline: Some(deadline),
            expires_at: deadline,
            ..self
        }
    }

    /// The same, as the answer to the question with this id.
    pub(crate) fn answering(self, question: Py<PyString>) -> Self {
        Self {
            in_reply_to: Some(question.into_any()),
            ..self
        }
    }

    /// Who sent it.
    pub(crate) fn sender<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.sender.as_ref().map(|sender| sender.bind(py).clone())
    }

    /// Another reference to its id.
    pub(crate) fn share_id(&self, py: Python<'_>) -> Id {
        self.id.with(|id| id.clone_ref(py))
    }

    /// The id of the message whose handler published it, as a text.
    pub(crate) fn text_of_cause(&self, py: Python<'_>) -> PyResult<Option<Py<PyString>>> {
        self.cause.as_ref().map(|id| text_of(id, py)).transpose()
    }
}

/// The text of an id, made once.
#[inline]
fn text_of(cell: &LockedCell<Id>, py: Python<'_>) -> PyResult<Py<PyString>> {
    let id = cell.with(|id| id.clone_ref(py));
    if let Id::Text(text) = id {
        return Ok(text);
    }
    let text = id.text(py)?;
    drop(cell.replace(Id::Text(text.clone_ref(py))));
    Ok(text)
}

fn unless(value: Option<Py<PyAny>>, default: &Py<PyAny>) -> Option<Py<PyAny>> {
    value.filter(|given| !given.is(default))
}

/// Headers that nobody can change: a view of those that were given as a dictionary.
fn frozen(py: Python<'_>, headers: Option<Py<PyAny>>) -> PyResult<Option<Py<PyAny>>> {
    let Some(given) = headers else {
        return Ok(None);
    };
    match given.bind(py).cast_exact::<PyDict>() {
        Ok(pairs) if pairs.is_empty() => Ok(None),
        Ok(pairs) => {
            let view = PyMappingProxy::new(py, pairs.copy()?.as_mapping());
            Ok(Some(view.into_any().unbind()))
        }
        Err(_) => Ok(Some(given)),
    }
}

const FIELDS: [&str; 13] = [
    "topic",
    "payload",
    "sender",
    "id",
    "timestamp",
    "priority",
    "ttl",
    "deadline",
    "content_type",
    "headers",
    "in_reply_to",
    "cause",
    "addressing",
];

#[pymethods]
impl Message {
    #[new]
    #[pyo3(
        signature = (topic, payload = None, *, sender = None, id = None, timestamp = 0.0, priority = None, ttl = None,
            deadline = None, content_type = None, headers = None, in_reply_to = None, cause = None, addressing = None),
    )]
    #[allow(clippy::too_many_arguments, reason = "as many as there are fields")]
    fn new(
        py: Python<'_>,
        topic: Py<PyString>,
        payload: Option<Py<PyAny>>,
        sender: Option<Py<PyAny>>,
        id: Option<Py<PyString>>,
        timestamp: f64,
        priority: Option<Py<PyAny>>,
        ttl: Option<f64>,
        deadline: Option<f64>,
        content_type: Option<Py<PyAny>>,
        headers: Option<Py<PyAny>>,
        in_reply_to: Option<Py<PyAny>>,
        cause: Option<Py<PyString>>,
        addressing: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let usual = defaults(py)?;
        let priority = usual.chosen(py, "priority", priority, &usual.normal)?;
        let rank = priority
            .as_ref()
            .map_or(Ok(NORMAL), |one| one.extract(py))?;
        let limit = deadline.unwrap_or(f64::INFINITY);
        Ok(Self {
            topic,
            payload: payload.unwrap_or_else(|| py.None()),
            sender,
            id: LockedCell::new(Id::Text(
                id.unwrap_or_else(|| PyString::intern(py, "").unbind()),
            )),
            timestamp,
            priority,
            rank,
            ttl,
            deadline,
            content_type,
            headers: frozen(py, unless(headers, &usual.no_headers))?,
            in_reply_to,
            cause: cause.map(|text| LockedCell::new(Id::Text(text))),
            addressing: usual.chosen(py, "addressing", addressing, &usual.topic)?,
            expires_at: ttl.map_or(limit, |seconds| limit.min(timestamp + seconds)),
        })
    }

    /// Unique within the bus, and very likely across buses; empty until a bus has accepted the message.
    #[getter]
    pub(crate) fn id(&self, py: Python<'_>) -> PyResult<Py<PyString>> {
        text_of(&self.id, py)
    }

    /// Order within a mailbox.
    #[getter]
    fn priority(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let normal = &defaults(py)?.normal;
        Ok(self.priority.as_ref().unwrap_or(normal).clone_ref(py))
    }

    /// Free annotations.
    #[getter]
    fn headers(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let none = &defaults(py)?.no_headers;
        Ok(self.headers.as_ref().unwrap_or(none).clone_ref(py))
    }

    /// The `id` of the message whose handler published this one, or None.
    #[getter]
    fn cause(&self, py: Python<'_>) -> PyResult<Option<Py<PyString>>> {
        self.text_of_cause(py)
    }

    /// How its recipients were found.
    #[getter]
    fn addressing(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let topic = &defaults(py)?.topic;
        Ok(self.addressing.as_ref().unwrap_or(topic).clone_ref(py))
    }

    /// Return a message that differs from this one in the fields that are given.
    #[pyo3(signature = (**changes))]
    fn replace<'py>(
        slf: &Bound<'py, Self>,
        changes: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let fields = PyDict::new(py);
        for name in FIELDS {
            fields.set_item(name, slf.getattr(name)?)?;
        }
        if let Some(changes) = changes {
            fields.update(changes.as_mapping())?;
        }
        py.get_type::<Self>().call((), Some(&fields))
    }

    fn __getnewargs_ex__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let fields = PyDict::new(slf.py());
        for name in FIELDS {
            let value = slf.getattr(name)?;
            if name == "headers" {
                // a mapping proxy does not pickle
                fields.set_item(name, slf.py().get_type::<PyDict>().call1((value,))?)?;
            } else {
                fields.set_item(name, value)?;
            }
        }
        let topic = fields.as_any().call_method1("pop", ("topic",))?;
        Ok((PyTuple::new(slf.py(), [topic])?, fields))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let parts = FIELDS
            .iter()
            .map(|name| Ok(format!("{name}={}", slf.getattr(*name)?.repr()?)))
            .collect::<PyResult<Vec<_>>>()?;
        Ok(format!("Message({})", parts.join(", ")))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.payload)?;
        visit.call(&self.headers)?;
        visit.call(&self.priority)?;
        visit.call(&self.sender)?;
        visit.call(&self.content_type)?;
        visit.call(&self.in_reply_to)?;
        visit.call(&self.addressing)
    }
}

//! What `Bus.request` is: a question that leaves when it is awaited, and waits for its answer without a coroutine.
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyNone};
use pyo3::{PyTraverseError, PyVisit};

use super::asking::Desk;
use super::awaiting::{
    Awaited, Step, at_last, driven_by_hand, go_on, like_a_coroutine, told, warn_never_awaited,
};
use super::cell::LockedCell;
use super::coroutine::send;
use super::message::is_topic;
use super::publishing::Publisher;
use super::requests::Request;

/// Seconds for which an answer is waited for, if nothing is said.
const PATIENCE: f64 = 5.0;

/// How far a question has come.
enum Stage {
    /// It has not been asked.
    Fresh,
    /// Somebody waits for the answer here.
    Waiting(Py<Request>),
    /// The machine is at it, by this coroutine.
    Slow(Py<PyAny>),
    /// It is over, or was called off.
    Spent,
}

/// A question that is asked when it is awaited, once; it is a coroutine in all but its type.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Question {
    publisher: Py<Publisher>,
    topic: Py<PyAny>,
    payload: Option<Py<PyAny>>,
    options: Option<Py<PyDict>>,
    stage: LockedCell<Stage>,
}

impl Question {
    /// Asks, if that is the ordinary thing to do.
    #[inline]
    fn ask(&self, py: Python<'_>, payload: &Bound<'_, PyAny>) -> PyResult<Option<Py<Request>>> {
        let mut timeout = PATIENCE;
        let mut sender = None;
        if let Some(options) = &self.options {
            let options = options.bind(py);
            let mut known = 0;
            if let Some(given) = options.get_item(intern!(py, "timeout"))? {
                let Ok(seconds) = given.cast_exact::<PyFloat>() else {
                    return Ok(None);
                };
                timeout = seconds.value();
                known += 1;
            }
            if let Some(mode) = options.get_item(intern!(py, "addressing"))? {
                if !is_topic(&mode)? {
                    return Ok(None);
                }
                known += 1;
            }
            sender = options.get_item(intern!(py, "sender"))?;
            known += usize::from(sender.is_some());
            if options.len() > known {
                return Ok(None);
            }
        }
        match self.publisher.get().desk.shared(py) {
            Some(desk) => {
                let topic = self.topic.bind(py);
                Desk::ask_at_once(desk.bind(py), topic, payload, timeout, sender, Some(1))
            }
            None => Ok(None),
        }
    }

    /// Asks, and returns what is yielded to trio, or else lets the machine ask.
    #[inline]
    fn begin(&self, py: Python<'_>) -> PyResult<Step> {
        drop(self.stage.replace(Stage::Spent));
        let payload = match &self.payload {
            Some(payload) => payload.bind(py).clone(),
            None => PyNone::get(py).to_owned().into_any(),
        };
        if let Some(request) = self.ask(py, &payload)? {
            match request.get().is_over_at_once(py) {
                Ok(false) => {}
                Ok(true) => return outcome(request.bind(py)).map(Step::Returns),
                Err(error) => return Request::leave(request.bind(py), py).and(Err(error)),
            }
            let trap = request.get().trap_of_seat(py)?;
            drop(self.stage.replace(Stage::Waiting(request)));
            return Ok(Step::Asks(trap));
        }
        let options = self.options.as_ref().map(|options| options.bind(py));
        let publisher = self.publisher.bind(py);
        let method = intern!(py, "_request");
        let coroutine = publisher.call_method(method, (&self.topic, payload), options)?;
        drop(self.stage.replace(Stage::Slow(coroutine.clone().unbind())));
        send(py, coroutine.unbind(), PyNone::get(py).as_any()).into()
    }

    /// Has been woken, waits no longer, and returns the answer.
    #[inline]
    fn end(&self, request: &Bound<'_, Request>, sent: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = request.py();
        drop(self.stage.replace(Stage::Spent));
        if !sent.is(&request.get().desk.get().machine.woken) {
            Request::leave(request, py)?;
            sent.call_method0(intern!(py, "unwrap"))?;
        }
        outcome(request)
    }

    /// How far it has come.
    #[inline]
    fn at(&self, py: Python<'_>) -> Stage {
        self.stage.with(|stage| match stage {
            Stage::Fresh => Stage::Fresh,
            Stage::Waiting(request) => Stage::Waiting(request.clone_ref(py)),
            Stage::Slow(coroutine) => Stage::Slow(coroutine.clone_ref(py)),
            Stage::Spent => Stage::Spent,
        })
    }

    /// The coroutine of the machine, if that is at it.
    fn by_machine(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match self.at(py) {
            Stage::Slow(coroutine) => Some(coroutine),
            Stage::Fresh | Stage::Waiting(_) | Stage::Spent => None,
        }
    }

    /// Whether it is on its way, or over.
    fn has_begun(&self) -> bool {
        !self.stage.with(|stage| matches!(stage, Stage::Fresh))
    }

    /// The coroutine that waits here.
    fn waiting(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match self.at(py) {
            Stage::Waiting(request) => request.get().waiting(py),
            Stage::Slow(coroutine) => Some(coroutine),
            Stage::Fresh | Stage::Spent => None,
        }
    }
}

/// Waits no longer, and returns the answer, or says why there is none.
#[inline]
fn outcome(request: &Bound<'_, Request>) -> PyResult<Py<PyAny>> {
    let py = request.py();
    Request::leave(request, py)?;
    if let Some(answer) = request.get().first(py) {
        return Ok(answer.into_any());
    }
    let no_reply = &request.get().desk.get().machine.no_reply;
    let error = no_reply.call1(py, (request,))?;
    Err(PyErr::from_value(error.into_bound(py)))
}

impl Awaited for Question {
    #[inline]
    fn step(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) -> PyResult<Step> {
        let (py, question) = (value.py(), slf.get());
        match question.at(py) {
            Stage::Fresh => question.begin(py),
            Stage::Waiting(request) => question.end(request.bind(py), value).map(Step::Returns),
            Stage::Slow(coroutine) => send(py, coroutine, value).into(),
            Stage::Spent => Err(PyRuntimeError::new_err(
                "cannot await a request a second time",
            )),
        }
    }
}

#[pymethods]
impl Publisher {
    /// Publish a question, and return the first answer.
    ///
    /// An agent answers by what its handler returns, unless that is None, or by `reply`. The way back is open before
    /// the question leaves, and nobody handles it any more once its time is up.
    ///
    /// Args:
    ///     topic: A concrete name, without wildcards; or, by `addressing`, that of an agent.
    ///     payload: The question.
    ///     timeout: Seconds; the message carries it as its deadline, unless one is given that is earlier.
    ///     addressing: `AddressingMode.TOPIC`, or DIRECT to ask one agent by its name, or BROADCAST to ask every agent
    ///         but the sender, whatever the topic.
    ///     **options: As for `publish`.
    ///
    /// Raises:
    ///     trio.TooSlowError: No answer came in time; the text names who has the question.
    ///     NoResponderError: No agent listens there; feeds are not asked.
    ///     UnknownAgentError: It is addressed to an agent that does not exist.
    ///     RequestFailedError: Every handler failed.
    ///     InvalidTopicError: `topic` is not one.
    ///     PermissionDeniedError: The sender may not publish to it.
    ///     MailboxFullError: A mailbox with `Overflow.FAIL` is full; nobody gets the question.
    ///     DeadlockError: A handler would wait for an agent that waits for it.
    ///     ValueError: `timeout` is not > 0, or an option is out of its range.
    ///     trio.ClosedResourceError: The bus is closed.
    #[pyo3(
        signature = (topic, payload = None, **options),
        text_signature = "($self, topic, payload=None, *, timeout=5.0, addressing='topic', sender=None, priority=1, \
            ttl=None, deadline=None, content_type=None, headers={}, in_reply_to=None)",
    )]
    fn request<'py>(
        slf: Bound<'py, Self>,
        topic: Bound<'py, PyAny>,
        payload: Option<Bound<'py, PyAny>>,
        options: Option<Bound<'py, PyDict>>,
    ) -> Question {
        Question {
            publisher: slf.unbind(),
            topic: topic.unbind(),
            payload: payload.map(Bound::unbind),
            options: options.map(Bound::unbind),
            stage: LockedCell::new(Stage::Fresh),
        }
    }
}

#[pymethods]
impl Question {
    /// Call it off.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.stage.replace(Stage::Spent) {
            Stage::Waiting(request) => Request::leave(request.bind(py), py),
            Stage::Slow(coroutine) => coroutine.call_method0(py, intern!(py, "close")).map(drop),
            Stage::Fresh | Stage::Spent => Ok(()),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.publisher)?;
        visit.call(&self.payload)?;
        visit.call(&self.options)?;
        self.stage.with(|stage| match stage {
            Stage::Waiting(request) => visit.call(&*request),
            Stage::Slow(coroutine) => visit.call(&*coroutine),
            Stage::Fresh | Stage::Spent => Ok(()),
        })
    }

    fn __clear__(&self) {
        drop(self.stage.replace(Stage::Spent));
    }
}

impl Drop for Question {
    /// Lets no answer come to who has gone, and warns, as Python does, of a question that nobody has awaited.
    fn drop(&mut self) {
        if self.stage.with(|stage| !matches!(stage, Stage::Spent)) {
            at_last(|py| match self.stage.replace(Stage::Spent) {
                Stage::Waiting(request) => Request::leave(request.bind(py), py),
                Stage::Fresh => {
                    warn_never_awaited(py, c"coroutine 'Bus.request' was never awaited")
                }
                Stage::Slow(_) | Stage::Spent => Ok(()),
            });
        }
    }
}

driven_by_hand! { Question }
like_a_coroutine! { Question }

//! Entries of the causal record, and what they say of messages and payloads.
//!
//! An entry is an array in MessagePack; `docs/guide/recording.md` documents every field.
use std::borrow::Cow;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyString};

use super::deliveries::Delivery;
use super::message::Message;
use super::msgpack as pack;
use super::recipient::RecipientState;
use super::time::Meter;

/// The kinds of entries.
pub(crate) const ACCEPTED: u8 = 1;
pub(crate) const RECALLED: u8 = 2;
pub(crate) const BEGUN: u8 = 3;
pub(crate) const RETRYING: u8 = 4;
pub(crate) const HANDLED: u8 = 5;
pub(crate) const FAILED: u8 = 6;
pub(crate) const DROPPED: u8 = 7;
pub(crate) const EXPIRED: u8 = 8;
pub(crate) const STORED: u8 = 9;
pub(crate) const ABANDONED: u8 = 10;

/// Fields of an accepted or recalled message, without form and payload.
const CAUSAL: usize = 15;
/// The form of a payload that is recorded as the plain data that it is.
const PLAIN: i64 = 0;
/// Bytes that most entries of a call do not exceed.
const USUAL: usize = 64;

/// A call of a handler, or a delivery that has come to its end: the agent, the id of the message, and the attempt.
pub(crate) struct Call {
    agent: Py<PyString>,
    id: Py<PyString>,
    attempt: i64,
}

impl Call {
    #[inline]
    pub(crate) fn of(
        py: Python<'_>,
        message: &Message,
        recipient: &RecipientState,
        attempt: i64,
    ) -> PyResult<Self> {
        Ok(Self {
            agent: recipient.name.clone_ref(py),
            id: message.id(py)?,
            attempt,
        })
    }

    pub(crate) fn with(py: Python<'_>, delivery: &Delivery) -> PyResult<Self> {
        let recipient = delivery.target.get().recipient.get();
        Self::of(
            py,
            delivery.message.get(),
            recipient,
            delivery.attempt.get(),
        )
    }

    /// Lets `write` have the agent, the id and the attempt, as they are recorded.
    #[inline]
    pub(crate) fn told<R>(
        &self,
        py: Python<'_>,
        write: impl FnOnce(&str, &str, i64) -> R,
    ) -> PyResult<R> {
        let (agent, id) = (utf8(self.agent.bind(py))?, utf8(self.id.bind(py))?);
        Ok(write(&agent, &id, self.attempt))
    }
}

/// Packs an entry of a call; `more` is the field behind the others, if there is one.
#[inline]
pub(crate) fn pack_call(
    page: &mut Vec<u8>,
    kind: u8,
    time: Instant,
    (agent, id, attempt): (&str, &str, i64),
    more: Option<&[u8]>,
) {
    page.reserve(USUAL);
    pack::array(page, 5 + usize::from(more.is_some()));
    page.push(kind);
    time.pack(page);
    pack::text(page, agent);
    pack::text(page, id);
    pack::integer(page, attempt);
    page.extend_from_slice(more.unwrap_or_default());
}

/// An instant: whole seconds are recorded as such where a clock says them so.
#[derive(Clone, Copy)]
pub(crate) enum Instant {
    Float(f64),
    Whole(i64),
}

impl Instant {
    #[inline]
    pub(crate) fn said(meter: &Meter, seconds: f64) -> Self {
        if meter.whole.get() {
            #[allow(clippy::cast_possible_truncation, reason = "it was an integer")]
            Self::Whole(seconds as i64)
        } else {
            Self::Float(seconds)
        }
    }

    #[inline]
    fn pack(self, page: &mut Vec<u8>) {
        match self {
            Self::Float(seconds) => pack::float(page, seconds),
            Self::Whole(seconds) => pack::integer(page, seconds),
        }
    }
}

/// A text as UTF-8, with escapes for what that does not have.
#[inline]
fn utf8<'a>(text: &'a Bound<'_, PyString>) -> PyResult<Cow<'a, str>> {
    if let Ok(text) = text.to_str() {
        return Ok(Cow::Borrowed(text));
    }
    let escaped = text.call_method1("encode", ("utf-8", "backslashreplace"))?;
    let escaped = String::from_utf8_lossy(escaped.cast::<PyBytes>()?.as_bytes()).into_owned();
    Ok(Cow::Owned(escaped))
}

fn pack_text(page: &mut Vec<u8>, text: &Bound<'_, PyString>) -> PyResult<()> {
    pack::text(page, &utf8(text)?);
    Ok(())
}

fn pack_seconds(page: &mut Vec<u8>, seconds: Option<f64>) {
    match seconds {
        Some(seconds) => pack::float(page, seconds),
        None => pack::nil(page),
    }
}

/// Returns an entry of a message for `recipients`; `taker` is asked what is recorded of its payload, if that is.
pub(crate) fn entry_of_message(
    taker: &Bound<'_, PyAny>,
    (kind, time): (u8, Instant),
    message: &Message,
    recipients: &[Bound<'_, PyAny>],
    inside: Option<&Call>,
    limit: Option<usize>,
) -> PyResult<Vec<u8>> {
    let py = taker.py();
    let mut entry = Vec::with_capacity(4 * USUAL);
    let page = &mut entry;
    pack::array(page, CAUSAL + if limit.is_some() { 2 } else { 0 });
    page.push(kind);
    time.pack(page);
    pack_text(page, message.id(py)?.bind(py))?;
    pack_text(page, message.topic.bind(py))?;
    pack_value(taker, page, message.sender.as_ref())?;
    pack::array(page, recipients.len());
    for name in recipients {
        pack_text(page, name.cast()?)?;
    }
    match inside {
        Some(call) => call.told(py, |agent, id, attempt| {
            pack::array(page, 3);
            pack::text(page, agent);
            pack::text(page, id);
            pack::integer(page, attempt);
        })?,
        None => pack::nil(page),
    }
    pack_value(taker, page, message.in_reply_to.as_ref())?;
    match message.text_of_cause(py)? {
        Some(cause) => pack_text(page, cause.bind(py))?,
        None => pack::nil(page),
    }
    pack::integer(page, message.rank.into());
    match &message.addressing {
        Some(mode) => pack_value(taker, page, Some(&mode.getattr(py, intern!(py, "value"))?))?,
        None => pack::text(page, "topic"),
    }
    pack_seconds(page, message.ttl);
    pack_seconds(page, message.deadline);
    pack_value(taker, page, message.content_type.as_ref())?;
    match &message.headers {
        Some(headers) => pack_headers(taker, page, headers)?,
        None => pack::nil(page),
    }
    if let Some(limit) = limit {
        pack_payload(taker, page, message.payload.bind(py), limit)?;
    }
    Ok(entry)
}

/// Packs a text or None; anything else as `taker` would have it.
fn pack_value(
    taker: &Bound<'_, PyAny>,
    page: &mut Vec<u8>,
    value: Option<&Py<PyAny>>,
) -> PyResult<()> {
    let Some(value) = value else {
        pack::nil(page);
        return Ok(());
    };
    let value = value.bind(taker.py());
    if let Ok(text) = value.cast::<PyString>() {
        return pack_text(page, text);
    }
    let encoded = taker.call_method1(intern!(taker.py(), "_encode"), (value,))?;
    page.extend_from_slice(encoded.cast::<PyBytes>()?.as_bytes());
    Ok(())
}

fn pack_headers(taker: &Bound<'_, PyAny>, page: &mut Vec<u8>, headers: &Py<PyAny>) -> PyResult<()> {
    let pairs = taker.py().get_type::<PyDict>().call1((headers,))?;
    let pairs = pairs.cast_into::<PyDict>()?;
    if pairs.is_empty() {
        pack::nil(page);
        return Ok(());
    }
    pack::map(page, pairs.len());
    for (name, value) in pairs {
        pack_value(taker, page, Some(&name.unbind()))?;
        pack_value(taker, page, Some(&value.unbind()))?;
    }
    Ok(())
}

/// Packs the form of a payload and the payload in it: the simplest ones here, all others as `taker` would have it.
fn pack_payload(
    taker: &Bound<'_, PyAny>,
    page: &mut Vec<u8>,
    payload: &Bound<'_, PyAny>,
    limit: usize,
) -> PyResult<()> {
    let start = page.len();
    pack::integer(page, PLAIN);
    if pack_simple(page, payload) && page.len() - start - 1 <= limit {
        return Ok(());
    }
    page.truncate(start);
    let encoded = taker.call_method1(intern!(taker.py(), "_content"), (payload, limit))?;
    page.extend_from_slice(encoded.cast::<PyBytes>()?.as_bytes());
    Ok(())
}

/// Packs None, a bool, a number or a text, and says whether the value is one of these, and fits.
fn pack_simple(page: &mut Vec<u8>, value: &Bound<'_, PyAny>) -> bool {
    if value.is_none() {
        pack::nil(page);
    } else if let Ok(value) = value.cast_exact::<PyString>() {
        match value.to_str() {
            Ok(text) => pack::text(page, text),
            Err(_) => return false,
        }
    } else if let Ok(value) = value.cast_exact::<PyInt>() {
        match value.extract() {
            Ok(number) => pack::integer(page, number),
            Err(_) => return false,
        }
    } else if let Ok(value) = value.cast_exact::<PyFloat>() {
        pack::float(page, value.value());
    } else if let Ok(value) = value.cast_exact::<PyBool>() {
        pack::boolean(page, value.is_true());
    } else {
        return false;
    }
    true
}

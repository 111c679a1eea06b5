//! The body of an envelope: a message without its topic, as the fields of `stentor.bridge._body.MessageBody`.
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use super::packing::Writer;
use super::unpacking::Reader;
use super::{Declined, Plainly};
use crate::delivery::{Id, Message, Stamped, moulded};

/// An array of 14 values, as many as a body has fields.
const FIELDS: u8 = 0x9e;
/// Bytes that most bodies have beside their payload.
const USUAL: usize = 160;

/// Writes a message that nobody waits for a reply to, and that is for no node alone.
pub(super) fn write<'py>(
    py: Python<'py>,
    message: &Message,
    anchor: f64,
    again: bool,
) -> Plainly<Bound<'py, PyBytes>> {
    let mut writer = Writer(Vec::with_capacity(USUAL));
    writer.byte(FIELDS);
    id(&mut writer, py, &message.share_id(py))?;
    writer.optional(message.sender.as_ref().map(|one| one.bind(py)))?;
    writer.float(message.timestamp + anchor);
    writer.byte(message.rank);
    float(&mut writer, message.ttl);
    float(
        &mut writer,
        message.deadline.map(|instant| instant + anchor),
    );
    writer.optional(message.content_type.as_ref().map(|one| one.bind(py)))?;
    headers(
        &mut writer,
        message.headers.as_ref().map(|one| one.bind(py)),
    )?;
    writer.optional(message.in_reply_to.as_ref().map(|one| one.bind(py)))?;
    match message.share_cause(py) {
        Some(cause) => id(&mut writer, py, &cause)?,
        None => writer.nil(),
    }
    writer.text("")?;
    writer.text("")?;
    writer.bool(again);
    writer.value(message.payload.bind(py), 0)?;
    Ok(PyBytes::new(py, &writer.0))
}

fn id(writer: &mut Writer, py: Python<'_>, id: &Id) -> Plainly<()> {
    match id {
        Id::Text(text) => writer.string(text.bind(py).as_any()),
        Id::Number(prefix, number) => {
            let prefix = prefix.bind(py).to_str()?;
            writer.joined(prefix, *number)
        }
    }
}

fn float(writer: &mut Writer, value: Option<f64>) {
    match value {
        Some(value) => writer.float(value),
        None => writer.nil(),
    }
}

fn headers(writer: &mut Writer, headers: Option<&Bound<'_, PyAny>>) -> Plainly<()> {
    let Some(given) = headers else {
        return writer.map(0);
    };
    let pairs = given.py().get_type::<PyDict>().call1((given,))?;
    let pairs = pairs.cast_exact::<PyDict>().map_err(|_| Declined::Odd)?;
    writer.map(pairs.len())?;
    for (key, value) in pairs.iter() {
        writer.string(&key)?;
        writer.string(&value)?;
    }
    Ok(())
}

/// Reads a message that `write` could have written, and that was not sent before.
pub(super) fn read(
    py: Python<'_>,
    topic: &Bound<'_, PyString>,
    body: &[u8],
    anchor: f64,
) -> Plainly<Py<Message>> {
    let mut reader = Reader(body);
    if reader.byte()? != FIELDS {
        return Err(Declined::Odd);
    }
    let id = reader.text()?;
    let sender = reader.optional_text()?;
    let accepted = reader.float()?;
    let rank = reader.byte()?;
    let ttl = reader.optional_float()?;
    let deadline = reader.optional_float()?;
    let content_type = reader.optional_text()?;
    let headers = reader.strings(py)?;
    let in_reply_to = reader.optional_text()?;
    let cause = reader.optional_text()?;
    let (asked_by, to, again) = (reader.text()?, reader.text()?, reader.bool()?);
    // The sum is finite only if each is.
    let times = accepted + ttl.unwrap_or(0.0) + deadline.unwrap_or(0.0);
    if id.is_empty()
        || rank > 3
        || !times.is_finite()
        || ttl.is_some_and(|seconds| seconds <= 0.0)
        || !asked_by.is_empty()
        || !to.is_empty()
        || again
    {
        return Err(Declined::Odd);
    }
    let payload = reader.value(py, 0)?;
    if !reader.is_at_the_end() {
        return Err(Declined::Odd);
    }
    let text = |text: Option<&str>| text.map(|text| PyString::new(py, text).unbind());
    let stamped = Stamped {
        topic: topic.clone().unbind(),
        payload: payload.unbind(),
        sender: text(sender),
        id: PyString::new(py, id).unbind(),
        timestamp: accepted - anchor,
        rank,
        ttl,
        deadline: deadline.map(|moment| moment - anchor),
        content_type: text(content_type),
        headers,
        in_reply_to: text(in_reply_to),
        cause: text(cause),
    };
    Ok(moulded(py, Message::stamped(py, stamped)?)?)
}

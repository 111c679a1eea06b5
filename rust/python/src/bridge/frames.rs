//! Frames: many envelopes made, or opened, in one call.
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyList, PyString, PyTuple};

use super::checksum::crc32;
use super::entry::Entry;
use super::head::{Head, Origin};
use super::{body, unless_odd};
use crate::delivery::Message;

/// The kind of an envelope that holds a message for whoever listens to its topic.
const MESSAGE: u8 = 0;
/// Bytes of an envelope beside its topic and its body, at most.
const ROOM_FOR_HEAD: usize = 200;
/// What a push begins with that holds something that was published.
const PUBLISHED: [&[u8]; 3] = [b"message", b"pmessage", b"smessage"];

/// Makes and opens the ordinary envelopes of one bridge.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Frames {
    origin: Origin,
    /// Over which topics are spread; none where each topic is numbered by itself.
    streams: Vec<Py<PyString>>,
    most: usize,
    most_hops: u8,
    anchor: f64,
    /// Upper bounds, in seconds, of the classes of ages.
    ages: Vec<f64>,
}

/// What one call has opened, until something out of the ordinary came.
#[pyclass(module = "stentor._native", frozen, get_all)]
pub(crate) struct Opened {
    /// The messages, and by streams None for each that nobody wants.
    messages: Py<PyList>,
    /// By streams, the entry of each of these: its stream and its id.
    tokens: Py<PyList>,
    /// By streams, the entries, and how many messages each holds.
    held: Py<PyDict>,
    /// The origins that something came from.
    origins: Py<PyList>,
    /// The place of the first item that was not opened.
    stop: usize,
    /// How many messages were from here.
    echoes: usize,
    /// How many messages nobody wants.
    unheard: usize,
    /// The greatest age of a message, in seconds.
    oldest: f64,
}

/// What has been opened so far.
struct Opening<'py> {
    messages: Bound<'py, PyList>,
    tokens: Bound<'py, PyList>,
    held: Bound<'py, PyDict>,
    origins: Bound<'py, PyList>,
    ages: Vec<u64>,
    oldest: f64,
    echoes: usize,
    unheard: usize,
    known: Option<Known<'py>>,
    topic: Option<Bound<'py, PyString>>,
    /// What the frames of one item hold, until all of them are found to be ordinary.
    found: Vec<Found>,
}

/// What an ordinary frame holds.
enum Found {
    Echo,
    Unwanted,
    Wanted(Py<Message>, u64),
}

/// The origin of the last frame, and the numbers that are known of it.
struct Known<'py> {
    origin: Origin,
    last: Bound<'py, PyDict>,
}

/// What frames are put in sequence by, and wanted by.
struct Books<'a, 'py> {
    /// The stream that they come by; None where each topic is numbered by itself.
    scope: Option<&'a Bound<'py, PyString>>,
    origins: &'a Bound<'py, PyDict>,
    wanted: &'a Bound<'py, PyDict>,
    now: f64,
}

#[pymethods]
impl Frames {
    #[new]
    #[pyo3(signature = (origin, *, streams, max_size, most_hops, anchor, ages))]
    fn new(
        origin: Origin,
        streams: Vec<Py<PyString>>,
        max_size: usize,
        most_hops: u8,
        anchor: f64,
        ages: Vec<f64>,
    ) -> Self {
        Self {
            origin,
            streams,
            most: max_size,
            most_hops,
            anchor,
            ages,
        }
    }

    /// Return an ordinary message as an entry of the outbox, accepted `now`; None if it is no ordinary one.
    fn entry(
        &self,
        py: Python<'_>,
        message: &Bound<'_, Message>,
        hop: u8,
        now: f64,
        again: bool,
    ) -> PyResult<Option<Entry>> {
        let state = message.get();
        if !state.is_to_a_topic() {
            return Ok(None);
        }
        let Ok(topic) = state.topic.bind(py).to_str() else {
            return Ok(None);
        };
        let Some(body) = unless_odd(body::write(py, state, self.anchor, again))? else {
            return Ok(None);
        };
        let shard = crc32(0, topic.as_bytes()) as usize % self.streams.len().max(1);
        let scope = self.streams.get(shard).unwrap_or(&state.topic);
        let size = body.as_bytes().len() + topic.len() + ROOM_FOR_HEAD;
        if size > self.most || topic.len() > usize::from(u16::MAX) {
            return Ok(None);
        }
        Entry::new(
            py,
            MESSAGE,
            scope.clone_ref(py),
            state.topic.clone_ref(py),
            body.unbind(),
            hop,
            self.milliseconds(now),
            now,
            state.expires_at,
        )
        .map(Some)
    }

    /// Return the envelopes of entries that have their numbers, in their order; `again` if they may have been sent.
    fn seal<'py>(
        &self,
        py: Python<'py>,
        entries: &Bound<'py, PyList>,
        again: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let frames = PyList::empty(py);
        for entry in entries.iter() {
            let entry = entry.cast::<Entry>()?.get();
            let head = Head {
                kind: entry.kind,
                again,
                origin: self.origin,
                number: entry.number.get(),
                sent_at: entry.sent_at,
                hop: entry.hop,
                topic: entry.topic.bind(py).to_str()?.as_bytes(),
                body: entry.body.bind(py).as_bytes(),
            };
            let frame = head
                .write()
                .ok_or_else(|| pyo3::exceptions::PyOverflowError::new_err("a topic is too long"))?;
            frames.append(PyBytes::new(py, &frame))?;
        }
        Ok(frames)
    }

    /// Open pushes, or the entries of the stream `scope`, up to the first that is out of the ordinary.
    #[pyo3(signature = (items, start, stop, *, scope, origins, wanted, ages, now))]
    #[allow(clippy::too_many_arguments, reason = "as many books as there are")]
    fn open<'py>(
        &self,
        py: Python<'py>,
        items: &Bound<'py, PyList>,
        start: usize,
        stop: usize,
        scope: Option<&Bound<'py, PyString>>,
        origins: &Bound<'py, PyDict>,
        wanted: &Bound<'py, PyDict>,
        ages: &Bound<'py, PyList>,
        now: f64,
    ) -> PyResult<Opened> {
        let books = Books {
            scope,
            origins,
            wanted,
            now,
        };
        let mut opening = Opening {
            messages: PyList::empty(py),
            tokens: PyList::empty(py),
            held: PyDict::new(py),
            origins: PyList::empty(py),
            ages: vec![0; self.ages.len()],
            oldest: 0.0,
            echoes: 0,
            unheard: 0,
            known: None,
            topic: None,
            found: Vec::new(),
        };
        let mut at = start;
        let end = stop.min(items.len());
        while at < end && self.take_item(py, &items.get_item(at)?, &books, &mut opening)? {
            at += 1;
        }
        for (place, count) in opening.ages.iter().enumerate() {
            if *count > 0 {
                ages.set_item(place, ages.get_item(place)?.extract::<u64>()? + count)?;
            }
        }
        Ok(Opened {
            messages: opening.messages.unbind(),
            tokens: opening.tokens.unbind(),
            held: opening.held.unbind(),
            origins: opening.origins.unbind(),
            stop: at,
            echoes: opening.echoes,
            unheard: opening.unheard,
            oldest: opening.oldest,
        })
    }
}

impl Frames {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a date"
    )]
    fn milliseconds(&self, now: f64) -> u64 {
        ((now + self.anchor) * 1000.0).max(0.0) as u64
    }

    /// Takes one push, or one entry; false if anything of it is out of the ordinary, and then nothing has changed.
    fn take_item<'py>(
        &self,
        py: Python<'py>,
        item: &Bound<'py, PyAny>,
        books: &Books<'_, 'py>,
        opening: &mut Opening<'py>,
    ) -> PyResult<bool> {
        let Ok(parts) = item.cast::<PyList>() else {
            return Ok(false);
        };
        opening.found.clear();
        let mut last = None;
        let Some(scope) = books.scope else {
            return match pushed(parts) {
                Some(frame) if self.look(py, &frame, books, opening, &mut last)? => {
                    let topic = opening.topic.clone();
                    self.keep(py, books, opening, last.zip(topic.as_ref()), None)
                }
                _ => Ok(false),
            };
        };
        let Some((id, fields)) = entry_of(parts) else {
            return Ok(false);
        };
        for place in (1..fields.len()).step_by(2) {
            let frame = fields.get_item(place)?.cast_into_exact::<PyBytes>();
            match frame {
                Ok(frame) if self.look(py, &frame, books, opening, &mut last)? => {}
                _ => return Ok(false),
            }
        }
        let token = PyTuple::new(py, [scope.as_any(), &id])?;
        self.keep(py, books, opening, last.zip(Some(scope)), Some(&token))
    }

    /// Looks what an ordinary frame holds, and how far its origin is numbered with it; false if it is none.
    #[inline]
    fn look<'py>(
        &self,
        py: Python<'py>,
        frame: &Bound<'py, PyBytes>,
        books: &Books<'_, 'py>,
        opening: &mut Opening<'py>,
        last: &mut Option<u64>,
    ) -> PyResult<bool> {
        let Some(head) = Head::read(frame.as_bytes(), self.most) else {
            return Ok(false);
        };
        if head.origin == self.origin {
            opening.found.push(Found::Echo);
            return Ok(true);
        }
        if head.hop > self.most_hops || head.kind != MESSAGE {
            return Ok(false);
        }
        let Ok(text) = std::str::from_utf8(head.topic) else {
            return Ok(false);
        };
        let same = opening.topic.take();
        let same = same.filter(|last| last.to_str().is_ok_and(|last| last == text));
        let topic = &*opening
            .topic
            .insert(same.unwrap_or_else(|| PyString::new(py, text)));
        let Some(is_wanted) = books.wanted.get_item(topic)? else {
            return Ok(false);
        };
        let is_wanted = is_wanted.is(PyBool::new(py, true));
        if !is_wanted && books.scope.is_none() {
            opening.found.push(Found::Unwanted);
            return Ok(true);
        }
        let is_known = |known: &Known<'py>| known.origin == head.origin;
        if !opening.known.as_ref().is_some_and(is_known) {
            let found = Known::of(py, head.origin, books)?;
            let Some(found) = found.filter(|_| last.is_none()) else {
                return Ok(false);
            };
            opening.origins.append(PyBytes::new(py, &head.origin))?;
            opening.known = Some(found);
        }
        let Some(known) = &opening.known else {
            return Ok(false);
        };
        if last.is_none() {
            let number = known.last.get_item(books.scope.unwrap_or(topic))?;
            *last = number.and_then(|number| number.extract().ok());
        }
        if last.and_then(|last| last.checked_add(1)) != Some(head.number) {
            return Ok(false);
        }
        *last = Some(head.number);
        let found = if is_wanted {
            match unless_odd(body::read(py, topic, head.body, self.anchor))? {
                Some(message) => Found::Wanted(message, head.sent_at),
                None => return Ok(false),
            }
        } else {
            Found::Unwanted
        };
        opening.found.push(found);
        Ok(true)
    }

    /// Keeps what was found in one item; `last` is how far its origin is numbered with it, and in which scope.
    #[inline]
    fn keep<'py>(
        &self,
        py: Python<'py>,
        books: &Books<'_, 'py>,
        opening: &mut Opening<'py>,
        last: Option<(u64, &Bound<'py, PyString>)>,
        token: Option<&Bound<'py, PyTuple>>,
    ) -> PyResult<bool> {
        if let (Some((number, scope)), Some(known)) = (last, &opening.known) {
            known.last.set_item(scope, number)?;
        }
        if let Some(token) = token {
            opening.held.set_item(token, opening.found.len())?;
        }
        let mut found = std::mem::take(&mut opening.found);
        for one in found.drain(..) {
            match one {
                Found::Wanted(message, sent_at) => {
                    opening.messages.append(message)?;
                    self.count_age(opening, sent_at, books.now);
                }
                Found::Echo => opening.echoes += 1,
                Found::Unwanted => opening.unheard += 1,
            }
            if let Some(token) = token {
                opening.tokens.append(token)?;
                if opening.messages.len() < opening.tokens.len() {
                    opening.messages.append(py.None())?;
                }
            }
        }
        opening.found = found;
        Ok(true)
    }

    #[allow(clippy::cast_precision_loss, reason = "an age in milliseconds")]
    fn count_age(&self, opening: &mut Opening<'_>, sent_at: u64, now: f64) {
        let age = (self.milliseconds(now) as f64 - sent_at as f64) / 1000.0;
        opening.oldest = opening.oldest.max(age);
        let place = self.ages.partition_point(|bound| *bound < age);
        if let Some(count) = opening.ages.get_mut(place) {
            *count += 1;
        }
    }
}

impl<'py> Known<'py> {
    /// What is known of an origin, which was heard of just now; None if nothing is.
    fn of(py: Python<'py>, origin: Origin, books: &Books<'_, 'py>) -> PyResult<Option<Self>> {
        let Some(found) = books.origins.get_item(PyBytes::new(py, &origin))? else {
            return Ok(None);
        };
        found.setattr(intern!(py, "heard"), books.now)?;
        let last = found.getattr(intern!(py, "last"))?.cast_into()?;
        Ok(Some(Self { origin, last }))
    }
}

/// The envelope in a push, if it holds something that was published.
#[inline]
fn pushed<'py>(push: &Bound<'py, PyList>) -> Option<Bound<'py, PyBytes>> {
    let kind = push.get_item(0).ok()?;
    let kind = kind.cast_exact::<PyBytes>().ok()?;
    if !PUBLISHED.contains(&kind.as_bytes()) {
        return None;
    }
    let last = push.len().checked_sub(1)?;
    push.get_item(last).ok()?.cast_into_exact().ok()
}

/// The id of an entry of a stream, and its fields, if that is what it is.
#[inline]
fn entry_of<'py>(entry: &Bound<'py, PyList>) -> Option<(Bound<'py, PyAny>, Bound<'py, PyList>)> {
    let id = entry.get_item(0).ok()?;
    let fields = entry.get_item(1).ok()?.cast_into_exact::<PyList>().ok()?;
    let is_one = id.is_exact_instance_of::<PyBytes>() && fields.len() >= 2 && fields.len() % 2 == 0;
    is_one.then_some((id, fields))
}

//! Frames: many envelopes made, or opened, in one call.
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyList, PyString};

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
    most: usize,
    most_hops: u8,
    anchor: f64,
    /// Upper bounds, in seconds, of the classes of ages.
    ages: Vec<f64>,
}

/// What one call has opened, until something out of the ordinary came.
struct Opened<'py> {
    messages: Bound<'py, PyList>,
    origins: Bound<'py, PyList>,
    ages: Vec<u64>,
    oldest: f64,
    echoes: usize,
    unheard: usize,
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
    #[pyo3(signature = (origin, *, max_size, most_hops, anchor, ages))]
    fn new(origin: Origin, max_size: usize, most_hops: u8, anchor: f64, ages: Vec<f64>) -> Self {
        Self {
            origin,
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
        scope: Py<PyString>,
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
        let size = body.as_bytes().len() + topic.len() + ROOM_FOR_HEAD;
        if size > self.most || topic.len() > usize::from(u16::MAX) {
            return Ok(None);
        }
        Entry::new(
            py,
            MESSAGE,
            scope,
            state.topic.clone_ref(py),
            body.unbind(),
            hop,
            self.milliseconds(now),
            now,
            state.expires_at,
        )
        .map(Some)
    }

    /// Return the envelopes of entries that have their numbers, in their order.
    fn seal<'py>(
        &self,
        py: Python<'py>,
        entries: &Bound<'py, PyList>,
    ) -> PyResult<Bound<'py, PyList>> {
        let frames = PyList::empty(py);
        for entry in entries.iter() {
            let entry = entry.cast::<Entry>()?.get();
            let head = Head {
                kind: entry.kind,
                again: entry.tries.get() > 1,
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
    ///
    /// Returns:
    ///     The messages, with None for each that nobody wants; where it stopped; echoes; messages that nobody wants; the
    ///     greatest age of a message; and the origins that something came from.
    #[pyo3(signature = (items, start, stop, *, scope, origins, wanted, ages, now))]
    #[allow(clippy::too_many_arguments, reason = "as many books as there are")]
    #[allow(clippy::type_complexity, reason = "a record for one caller")]
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
    ) -> PyResult<(
        Bound<'py, PyList>,
        usize,
        usize,
        usize,
        f64,
        Bound<'py, PyList>,
    )> {
        let books = Books {
            scope,
            origins,
            wanted,
            now,
        };
        let mut opened = Opened {
            messages: PyList::empty(py),
            origins: PyList::empty(py),
            ages: vec![0; self.ages.len()],
            oldest: 0.0,
            echoes: 0,
            unheard: 0,
        };
        let (mut known, mut topic) = (None, None);
        let mut at = start;
        let end = stop.min(items.len());
        while at < end {
            let item = items.get_item(at)?;
            let Some(frame) = frame_of(&item, books.scope.is_some()) else {
                break;
            };
            if !self.take(py, &frame, &books, &mut opened, &mut known, &mut topic)? {
                break;
            }
            at += 1;
        }
        for (place, count) in opened
            .ages
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
        {
            ages.set_item(place, ages.get_item(place)?.extract::<u64>()? + count)?;
        }
        Ok((
            opened.messages,
            at,
            opened.echoes,
            opened.unheard,
            opened.oldest,
            opened.origins,
        ))
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

    /// Takes one frame; false if it is out of the ordinary, and then nothing has changed.
    #[inline]
    fn take<'py>(
        &self,
        py: Python<'py>,
        frame: &Bound<'py, PyBytes>,
        books: &Books<'_, 'py>,
        opened: &mut Opened<'py>,
        known: &mut Option<Known<'py>>,
        topic: &mut Option<Bound<'py, PyString>>,
    ) -> PyResult<bool> {
        let Some(head) = Head::read(frame.as_bytes(), self.most) else {
            return Ok(false);
        };
        if head.origin == self.origin {
            opened.echoes += 1;
            return opened.pass(books).map(|()| true);
        }
        if head.hop > self.most_hops || head.kind != MESSAGE {
            return Ok(false);
        }
        let Ok(text) = std::str::from_utf8(head.topic) else {
            return Ok(false);
        };
        let same = topic
            .take()
            .filter(|last| last.to_str().is_ok_and(|last| last == text));
        let topic = &*topic.insert(same.unwrap_or_else(|| PyString::new(py, text)));
        let Some(is_wanted) = books.wanted.get_item(topic)? else {
            return Ok(false);
        };
        let is_wanted = is_wanted.is(PyBool::new(py, true));
        if !is_wanted && books.scope.is_none() {
            opened.unheard += 1;
            return Ok(true);
        }
        if known
            .as_ref()
            .is_none_or(|known| known.origin != head.origin)
        {
            let Some(found) = Known::of(py, head.origin, books)? else {
                return Ok(false);
            };
            opened.origins.append(PyBytes::new(py, &head.origin))?;
            *known = Some(found);
        }
        let Some(known) = known else {
            return Ok(false);
        };
        let scope = books.scope.unwrap_or(topic);
        let last = known.last.get_item(scope)?;
        let last = last.and_then(|last| last.extract::<u64>().ok());
        if last.and_then(|last| last.checked_add(1)) != Some(head.number) {
            return Ok(false);
        }
        let message = if is_wanted {
            match unless_odd(body::read(py, topic, head.body, self.anchor))? {
                Some(message) => Some(message),
                None => return Ok(false),
            }
        } else {
            None
        };
        known.last.set_item(scope, head.number)?;
        if let Some(message) = message {
            opened.messages.append(message)?;
            self.count_age(opened, head.sent_at, books.now);
        } else {
            opened.unheard += 1;
            opened.pass(books)?;
        }
        Ok(true)
    }

    #[allow(clippy::cast_precision_loss, reason = "an age in milliseconds")]
    fn count_age(&self, opened: &mut Opened<'_>, sent_at: u64, now: f64) {
        let age = (self.milliseconds(now) as f64 - sent_at as f64) / 1000.0;
        opened.oldest = opened.oldest.max(age);
        let place = self.ages.partition_point(|bound| *bound < age);
        if let Some(count) = opened.ages.get_mut(place) {
            *count += 1;
        }
    }
}

impl Opened<'_> {
    /// Keeps the place of an entry that is done with, so that it can be acknowledged.
    fn pass(&self, books: &Books<'_, '_>) -> PyResult<()> {
        if books.scope.is_some() {
            self.messages.append(self.messages.py().None())?;
        }
        Ok(())
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

/// The envelope in a push, or in an entry of a stream; None where there is none.
#[inline]
fn frame_of<'py>(item: &Bound<'py, PyAny>, is_entry: bool) -> Option<Bound<'py, PyBytes>> {
    let parts = item.cast::<PyList>().ok()?;
    if is_entry {
        parts.get_item(0).ok()?.cast_into_exact::<PyBytes>().ok()?;
        let fields = parts.get_item(1).ok()?;
        let fields = fields.cast::<PyList>().ok()?;
        return fields.get_item(1).ok()?.cast_into_exact().ok();
    }
    let kind = parts.get_item(0).ok()?;
    let kind = kind.cast_exact::<PyBytes>().ok()?;
    if !PUBLISHED.contains(&kind.as_bytes()) {
        return None;
    }
    let last = parts.len().checked_sub(1)?;
    parts.get_item(last).ok()?.cast_into_exact().ok()
}

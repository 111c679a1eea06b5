//! The journal: what happened to messages, as entries of the causal record, made where it happens.
//!
//! The pump and the door make
//! entries without a call of Python, where all observers of a bus are journals; whoever else calls an observer calls a
//! journal's methods, which make the same ones. What becomes of the bytes is up to a subclass in Python, which is handed
//! them page by page, and says what is recorded of payloads and errors.
#![allow(
    clippy::used_underscore_binding,
    clippy::pub_underscore_fields,
    reason = "what is private to users begins with an underscore in Python"
)]
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::cell::{LockedCell, properties};
use super::deliveries::Delivery;
use super::entries::{
    ABANDONED, ACCEPTED, BEGUN, Call, DROPPED, EXPIRED, FAILED, HANDLED, Instant, RECALLED,
    RETRYING, STORED, entry_of_message, pack_call,
};
use super::message::Message;
use super::recipient::RecipientState;
use super::slim::Slim;
use super::time::Meter;

/// Entries on a page: it is turned when a message or a beginning has made it full.
const FULL: usize = 1024;

/// Gathers entries of the causal record; a subclass takes them, a page at a time.
#[pyclass(module = "stentor", frozen, subclass, weakref)]
pub(crate) struct Journal {
    page: LockedCell<Vec<u8>>,
    /// How many entries the page has.
    on_page: LockedCell<usize>,
    turned: LockedCell<usize>,
    meter: LockedCell<Option<Py<Meter>>>,
    /// Bytes of a payload that are recorded; None where payloads are not.
    _payload_limit: LockedCell<Option<usize>>,
}

impl Journal {
    /// The time, which the caller has just read from `told` perhaps.
    #[inline]
    fn time(&self, py: Python<'_>, told: Option<(&Meter, f64)>) -> PyResult<Instant> {
        let own = self.meter(py)?;
        let own = own.get();
        match told {
            Some((meter, seconds)) if std::ptr::eq(meter, own) => Ok(Instant::said(own, seconds)),
            _ => {
                let seconds = own.time(py)?;
                Ok(Instant::said(own, seconds))
            }
        }
    }

    /// The meter of the first bus, or else of the clock under which the first entry is made.
    #[inline]
    fn meter(&self, py: Python<'_>) -> PyResult<Py<Meter>> {
        if let Some(meter) = self.meter.shared(py) {
            return Ok(meter);
        }
        let clock = py
            .import("trio.lowlevel")?
            .call_method0("current_clock")?
            .getattr("current_time")?;
        let meter = Py::new(py, Meter::new(py, clock.unbind(), false)?)?;
        self.meter.put(py, Some(meter.clone_ref(py)));
        Ok(meter)
    }

    /// Makes an entry of a call; `more` is the field behind the others, if there is one.
    #[inline]
    fn note(
        &self,
        py: Python<'_>,
        kind: u8,
        time: Instant,
        call: &Call,
        more: Option<&[u8]>,
    ) -> PyResult<()> {
        call.told(py, |agent, id, attempt| {
            let call = (agent, id, attempt);
            self.page
                .with(|page| pack_call(page, kind, time, call, more));
            self.on_page.add(1);
        })
    }
}

/// Makes an entry of a message, for `recipients`.
fn note_message(
    slf: &Bound<'_, Journal>,
    kind: u8,
    time: Instant,
    message: &Message,
    recipients: &[Bound<'_, PyAny>],
    inside: Option<&Call>,
) -> PyResult<()> {
    let journal = slf.get();
    let limit = journal._payload_limit.get();
    let entry = entry_of_message(slf, (kind, time), message, recipients, inside, limit)?;
    journal.page.with(|page| page.extend_from_slice(&entry));
    journal.on_page.add(1);
    turn_if_full(slf)
}

/// Makes an entry of a delivery that has failed, now or for good.
fn note_error(
    slf: &Bound<'_, Journal>,
    kind: u8,
    delivery: &Delivery,
    error: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = slf.py();
    let journal = slf.get();
    let told = slf.call_method1(intern!(py, "_error"), (error,))?;
    let told = told.cast::<PyBytes>()?.as_bytes();
    let time = journal.time(py, None)?;
    journal.note(py, kind, time, &Call::with(py, delivery)?, Some(told))
}

/// Makes an entry of a delivery of which no more is to be said.
fn note_plain(slf: &Bound<'_, Journal>, kind: u8, delivery: &Delivery) -> PyResult<()> {
    let py = slf.py();
    let journal = slf.get();
    let time = journal.time(py, None)?;
    journal.note(py, kind, time, &Call::with(py, delivery)?, None)
}

#[inline]
fn turn_if_full(slf: &Bound<'_, Journal>) -> PyResult<()> {
    if slf.get().on_page.get() >= FULL {
        Journal::_turn_page(slf)?;
    }
    Ok(())
}

#[pymethods]
impl Journal {
    #[new]
    #[pyo3(signature = (*_args, **_options))]
    fn new(_args: &Bound<'_, PyTuple>, _options: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            page: LockedCell::new(Vec::new()),
            on_page: LockedCell::new(0),
            turned: LockedCell::new(0),
            meter: LockedCell::new(None),
            _payload_limit: LockedCell::new(None),
        }
    }

    /// How many entries there are so far.
    #[getter]
    fn entries(&self) -> usize {
        self.turned.get() + self.on_page.get()
    }

    /// Hand over what has been gathered.
    fn _turn_page(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let journal = slf.get();
        let count = journal.on_page.replace(0);
        if count == 0 {
            return Ok(());
        }
        journal.turned.add(count);
        let mut page = journal.page.replace(Vec::new());
        let data = PyBytes::new(py, &page);
        page.clear();
        drop(journal.page.replace(page));
        slf.call_method1(intern!(py, "_write"), (data, count))
            .map(drop)
    }

    /// Return the time as it would be recorded.
    fn _now<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self.time(py, None)? {
            Instant::Float(seconds) => PyFloat::new(py, seconds).into_any(),
            Instant::Whole(seconds) => PyInt::new(py, seconds).into_any(),
        })
    }

    /// Make an entry of a message that is accepted.
    fn accepted(
        slf: &Bound<'_, Self>,
        message: &Bound<'_, Message>,
        recipients: &Bound<'_, PyTuple>,
        inside: Option<&Bound<'_, Delivery>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let inside = inside.map(|one| Call::with(py, one.get())).transpose()?;
        let time = slf.get().time(py, None)?;
        let names = recipients.as_slice();
        note_message(slf, ACCEPTED, time, message.get(), names, inside.as_ref())
    }

    /// Make an entry of a message of before that comes into a mailbox.
    fn recalled(slf: &Bound<'_, Self>, delivery: &Bound<'_, Delivery>) -> PyResult<()> {
        let py = slf.py();
        let name = &delivery.get().target.get().recipient.get().name;
        let names = [name.bind(py).clone().into_any()];
        let time = slf.get().time(py, None)?;
        let message = delivery.get().message.get();
        note_message(slf, RECALLED, time, message, &names, None)
    }

    /// Make an entry of a call of a handler.
    fn begun(slf: &Bound<'_, Self>, delivery: &Bound<'_, Delivery>) -> PyResult<()> {
        note_plain(slf, BEGUN, delivery.get())?;
        turn_if_full(slf)
    }

    /// Make an entry of an attempt that has failed, where another follows.
    fn retrying(
        slf: &Bound<'_, Self>,
        delivery: &Bound<'_, Delivery>,
        error: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        note_error(slf, RETRYING, delivery.get(), error)
    }

    /// Make an entry of a delivery that was handled.
    fn handled(
        slf: &Bound<'_, Self>,
        delivery: &Bound<'_, Delivery>,
        latency: f64,
    ) -> PyResult<()> {
        let _ = latency; // the times tell
        note_plain(slf, HANDLED, delivery.get())
    }

    /// Make an entry of a delivery that has failed for good.
    fn failed(
        slf: &Bound<'_, Self>,
        delivery: &Bound<'_, Delivery>,
        error: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        note_error(slf, FAILED, delivery.get(), error)
    }

    /// Make an entry of a delivery that was dropped.
    fn dropped(slf: &Bound<'_, Self>, delivery: &Bound<'_, Delivery>) -> PyResult<()> {
        note_plain(slf, DROPPED, delivery.get())
    }

    /// Make an entry of a delivery whose time was up.
    fn expired(slf: &Bound<'_, Self>, delivery: &Bound<'_, Delivery>) -> PyResult<()> {
        note_plain(slf, EXPIRED, delivery.get())
    }

    /// Make an entry of a delivery that is in the agent's stored mailbox.
    fn stored(slf: &Bound<'_, Self>, delivery: &Bound<'_, Delivery>) -> PyResult<()> {
        note_plain(slf, STORED, delivery.get())
    }

    /// Make an entry of a delivery that was left without an outcome.
    fn abandoned(slf: &Bound<'_, Self>, delivery: &Bound<'_, Delivery>) -> PyResult<()> {
        note_plain(slf, ABANDONED, delivery.get())
    }

    /// The end of the bus's block is no entry.
    #[allow(clippy::unused_self, reason = "it is called as a method")]
    fn ending(&self) {}

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.meter.with(|meter| visit.call(&*meter))
    }

    fn __clear__(&self) {
        drop(self.meter.replace(None));
    }
}

properties! { Journal {
    /// Bytes of an encoded payload that are recorded; None where payloads are not.
    _payload_limit, set__payload_limit: Option<usize>;
} }

/// The journals of one bus, which its pump and its door write into.
pub(crate) struct Journals(Vec<Py<Journal>>);

impl Journals {
    /// Those that `meter` tells the time from now on, unless they have entries that another clock has told it for.
    pub(crate) fn new(py: Python<'_>, journals: Vec<Py<Journal>>, meter: &Py<Meter>) -> Self {
        for journal in &journals {
            if journal.get().entries() == 0 {
                journal.get().meter.put(py, Some(meter.clone_ref(py)));
            }
        }
        Self(journals)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes down that a message is accepted which was published `inside` of a call, at the time that was `told`.
    pub(crate) fn accepted(
        &self,
        py: Python<'_>,
        message: &Message,
        recipients: &Bound<'_, PyTuple>,
        inside: impl FnOnce() -> PyResult<Option<Call>>,
        told: (&Meter, f64),
    ) -> PyResult<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let inside = inside()?;
        for journal in &self.0 {
            let time = journal.get().time(py, Some(told))?;
            let names = recipients.as_slice();
            let journal = journal.bind(py);
            note_message(journal, ACCEPTED, time, message, names, inside.as_ref())?;
        }
        Ok(())
    }

    /// Writes down that a handler is about to be called, at the time that was `told`.
    #[inline(always)]
    pub(crate) fn begun(
        &self,
        py: Python<'_>,
        recipient: &RecipientState,
        message: &Message,
        attempt: i64,
        told: (&Meter, f64),
    ) -> Slim<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.note(py, BEGUN, recipient, message, attempt, told)?;
        for journal in &self.0 {
            turn_if_full(journal.bind(py))?;
        }
        Ok(())
    }

    /// Writes down that a handler has finished, at the time that was `told`.
    #[inline(always)]
    pub(crate) fn handled(
        &self,
        py: Python<'_>,
        recipient: &RecipientState,
        message: &Message,
        attempt: i64,
        told: (&Meter, f64),
    ) -> Slim<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.note(py, HANDLED, recipient, message, attempt, told)
    }

    #[inline(never)] // that nothing is to be written down costs one look
    fn note(
        &self,
        py: Python<'_>,
        kind: u8,
        recipient: &RecipientState,
        message: &Message,
        attempt: i64,
        told: (&Meter, f64),
    ) -> Slim<()> {
        let call = Call::of(py, message, recipient, attempt)?;
        for journal in &self.0 {
            let journal = journal.get();
            let time = journal.time(py, Some(told))?;
            journal.note(py, kind, time, &call, None)?;
        }
        Ok(())
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.iter().try_for_each(|journal| visit.call(journal))
    }
}

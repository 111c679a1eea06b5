//! Relaying: what came from elsewhere is put into mailboxes here, and who brought it is told when that is over.
use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};

use super::cell::LockedCell;
use super::deliveries::{Delivery, WAITING};
use super::door::Door;
use super::mailbox::Entry;
use super::message::Message;
use super::moulds::moulded;
use super::pump::Pump;
use super::routes::{Selection, Target};
use super::uncollected::Uncollected;

/// One relayed message, of which somebody wants to know when everybody is done with it.
struct Item {
    /// What it is called; None if it is the only one.
    token: Option<Py<PyAny>>,
    /// Deliveries that are not over.
    open: usize,
    /// Whether it was accepted for everybody.
    committed: bool,
    /// Whether somebody was closed before it was handled.
    left: bool,
}

/// What is watched.
struct Book {
    items: Vec<Item>,
    /// Deliveries that are not over, by their addresses, for each lives until it is: the place of the message.
    pending: HashMap<usize, usize>,
}

impl Book {
    /// Returns what the message at a place is called, and whether everybody has handled it, if that is to be told now.
    fn is_done(&mut self, place: usize) -> Option<(Option<Py<PyAny>>, bool)> {
        let item = self.items.get_mut(place)?;
        if !item.committed || item.open > 0 {
            return None;
        }
        item.committed = false;
        Some((item.token.take(), !item.left))
    }
}

/// Watches the deliveries of relayed messages.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Relay {
    not_to: Py<PyTuple>,
    redelivered: bool,
    done: LockedCell<Option<Py<PyAny>>>,
    book: LockedCell<Book>,
}

impl Relay {
    /// Watches nothing yet.
    fn idle(not_to: Py<PyTuple>, done: Option<Py<PyAny>>, redelivered: bool) -> Self {
        Self {
            not_to,
            redelivered,
            done: LockedCell::new(done),
            book: LockedCell::new(Book {
                items: Vec::new(),
                pending: HashMap::new(),
            }),
        }
    }

    /// Begins with one more message.
    fn add(&self, token: Option<Py<PyAny>>) {
        let item = Item {
            token,
            open: 0,
            committed: false,
            left: false,
        };
        self.book.with(|book| book.items.push(item));
    }

    /// Takes note that a delivery of the last message is in its mailbox.
    fn is_accepted(&self, delivery: &Py<Delivery>) {
        let state = delivery.get();
        state.redelivered.set(self.redelivered);
        let target = state.target.get();
        let awaited = target.quota.get().lane.get().counted.get();
        if awaited && !target.recipient.get().durable.get() {
            let address = delivery.as_ptr() as usize;
            self.book.with(|book| {
                let place = book.items.len().saturating_sub(1);
                book.pending.insert(address, place);
                if let Some(item) = book.items.get_mut(place) {
                    item.open += 1;
                }
            });
        }
    }

    /// Takes note that a delivery has its outcome.
    pub(super) fn is_over(
        &self,
        py: Python<'_>,
        delivery: &Py<Delivery>,
        abandoned: bool,
    ) -> PyResult<()> {
        let address = delivery.as_ptr() as usize;
        let done = self.book.with(|book| {
            let place = book.pending.remove(&address)?;
            let item = book.items.get_mut(place)?;
            item.open = item.open.saturating_sub(1);
            item.left |= abandoned;
            book.is_done(place)
        });
        self.tell(py, done)
    }

    /// Takes note that the last message was accepted, for everybody.
    fn is_committed(&self, py: Python<'_>) -> PyResult<()> {
        let done = self.book.with(|book| {
            let place = book.items.len().checked_sub(1)?;
            book.items.get_mut(place)?.committed = true;
            book.is_done(place)
        });
        self.tell(py, done)
    }

    /// Calls `done` with a message that is.
    fn tell(&self, py: Python<'_>, told: Option<(Option<Py<PyAny>>, bool)>) -> PyResult<()> {
        let (Some((token, handled)), Some(done)) = (told, self.done.shared(py)) else {
            return Ok(());
        };
        match token {
            Some(token) => done.call1(py, (token, handled)),
            None => done.call1(py, (handled,)),
        }
        .map(drop)
    }
}

/// Whether a target is of one of those who brought the message.
#[inline]
fn is_of(target: &Target, own: &Bound<'_, PyTuple>) -> bool {
    own.iter_borrowed().any(|one| one.is(&target.recipient))
}

fn abandoned_error(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "stentor._values.errors", "AbandonedError")
}

#[pymethods]
impl Relay {
    /// Keep the message from `not_to`, and call `done` once all others are done with it.
    ///
    /// `done` is told whether they are: False when somebody was closed before. Only those are waited for whom
    /// `Bus.settled` waits for: an owner who polls, or who does not iterate, has it as soon as it is in the mailbox.
    #[new]
    #[pyo3(signature = (not_to, done, *, redelivered))]
    fn new(not_to: Py<PyTuple>, done: Option<Py<PyAny>>, redelivered: bool) -> Self {
        let relay = Self::idle(not_to, done, redelivered);
        relay.add(None);
        relay
    }

    /// Choose all but those who brought it.
    fn select<'py>(
        &self,
        py: Python<'py>,
        selection: Bound<'py, Selection>,
    ) -> PyResult<Bound<'py, Selection>> {
        let own = self.not_to.bind(py);
        let all = selection.get();
        if !all.all().any(|target| is_of(target.get(), own)) {
            return Ok(selection);
        }
        let others = all.all().filter(|target| !is_of(target.get(), own));
        let others = others.map(|target| target.clone_ref(py)).collect();
        Bound::new(py, all.only(py, others)?)
    }

    /// Wait for a delivery, if anybody does.
    fn accepted(&self, delivery: &Bound<'_, Delivery>) {
        self.is_accepted(delivery.as_unbound());
    }

    /// Keep nothing: what has failed for good is a dead letter.
    #[allow(clippy::unused_self, reason = "the protocol")]
    fn keeps(&self, delivery: &Bound<'_, PyAny>, error: &Bound<'_, PyAny>) -> bool {
        let _ = (delivery, error); // named as the protocol names them
        false
    }

    /// Take note that one is over.
    fn over(&self, delivery: &Bound<'_, Delivery>, error: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = delivery.py();
        let abandoned = !error.is_none() && error.is_instance(abandoned_error(py)?)?;
        self.is_over(py, delivery.as_unbound(), abandoned)
    }

    /// Take note that it was accepted, for everybody.
    fn committed(&self, py: Python<'_>) -> PyResult<()> {
        self.is_committed(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.not_to)?;
        self.done.with(|done| visit.call(&*done))?;
        self.book.with(|book| {
            let mut items = book.items.iter();
            items.try_for_each(|item| visit.call(&item.token))
        })
    }

    fn __clear__(&self) {
        drop(self.done.replace(None));
    }
}

#[pymethods]
impl Door {
    /// Relay messages from place `start` on, one after another, as long as that is the ordinary thing to do.
    ///
    /// Where `done` is given it is called with the token of each message and whether that was handled, once everybody is
    /// done with it; and for None, which stands for a message that nobody wants, at once.
    ///
    /// Returns:
    ///     The place where it stopped, how many of the messages were for somebody, and how many for nobody.
    #[pyo3(signature = (messages, start, own, tokens = None, done = None))]
    fn relay<'py>(
        &self,
        py: Python<'py>,
        messages: &Bound<'py, PyList>,
        start: usize,
        own: &Bound<'py, PyTuple>,
        tokens: Option<&Bound<'py, PyList>>,
        done: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(usize, usize, usize)> {
        let (mut heard, mut unheard) = (0, 0);
        let Some(pump) = self.pump.as_ref().filter(|_| self.is_open_to_all()) else {
            return Ok((start, heard, unheard));
        };
        let relay = done.map(|done| {
            let done = Some(done.clone().unbind());
            Py::new(py, Relay::idle(own.clone().unbind(), done, false))
        });
        let relay = relay.transpose()?;
        let mut at = start;
        while at < messages.len() {
            let token = tokens.map(|tokens| tokens.get_item(at)).transpose()?;
            let item = messages.get_item(at)?;
            if item.is_none() {
                if let (Some(done), Some(token)) = (done, token) {
                    done.call1((token, true))?;
                }
            } else {
                let message = item.cast_into::<Message>()?;
                match self.relay_one(py, pump.get(), &message, own, relay.as_ref().zip(token))? {
                    Some(0) => unheard += 1,
                    Some(_) => heard += 1,
                    None => break,
                }
            }
            at += 1;
        }
        Ok((at, heard, unheard))
    }
}

impl Door {
    /// Puts one message into the mailboxes of all but those who bring it, and returns how many these are; None, and
    /// nothing has changed, if that is out of the ordinary.
    #[inline]
    fn relay_one<'py>(
        &self,
        py: Python<'py>,
        pump: &Pump,
        message: &Bound<'py, Message>,
        own: &Bound<'py, PyTuple>,
        watch: Option<(&Py<Relay>, Bound<'py, PyAny>)>,
    ) -> PyResult<Option<usize>> {
        let _uncollected = Uncollected::begin(py);
        let state = message.get();
        let topic = state.topic.bind(py);
        if !state.is_to_a_topic() || !state.is_stamped(py)? || !self.has_free_way(topic) {
            return Ok(None);
        }
        let Some(selection) = self.plain_selection(py, topic)? else {
            return Ok(None);
        };
        let targets = &selection.get().targets;
        let (mut wildcards, mut count) = (0, 0);
        if !selection
            .get()
            .has_room_without(|target| is_of(target, own))
        {
            return Ok(None);
        }
        for target in targets.iter().map(Py::get) {
            if !is_of(target, own) {
                wildcards += usize::from(target.wildcard);
                count += 1;
            }
        }
        self.note_relayed(py, pump, state, selection.get(), own)?;
        let relay = watch.map(|(relay, token)| {
            relay.get().add(Some(token.unbind()));
            relay
        });
        let was_idle = pump.is_idle();
        let mut busy = 0;
        for target in targets {
            if is_of(target.get(), own) {
                continue;
            }
            let one = (message.as_unbound().clone_ref(py), target.clone_ref(py));
            let entry = match relay {
                None => Entry::Message(one.0, one.1),
                Some(relay) => {
                    let watcher = Some(relay.clone_ref(py).into_any());
                    let delivery = Delivery::first(one.0, one.1, WAITING, 0.0).watched(watcher);
                    let delivery = moulded(py, delivery)?;
                    relay.get().is_accepted(&delivery);
                    Entry::Delivery(delivery)
                }
            };
            busy += pump.put_one(py, entry, state.rank, target.get());
        }
        pump.were_put(py, busy, was_idle)?;
        self.count(wildcards);
        if let Some(relay) = relay {
            relay.get().is_committed(py)?;
        }
        Ok(Some(count))
    }

    /// Writes down that a message is accepted for all of a selection but those who bring it.
    #[inline]
    fn note_relayed(
        &self,
        py: Python<'_>,
        pump: &Pump,
        message: &Message,
        selection: &Selection,
        own: &Bound<'_, PyTuple>,
    ) -> PyResult<()> {
        if pump.journals.is_empty() {
            return Ok(());
        }
        let others = selection.targets.iter().map(Py::get);
        let others = others.filter(|target| !is_of(target, own));
        let names: Vec<_> = others.map(|target| target.name(py)).collect();
        let running = self.current.get().running(py)?;
        let inside = || running.map_or(Ok(None), |running| running.get().call(py));
        let meter = self.meter.get();
        let told = (meter, meter.time(py)?);
        let names = PyTuple::new(py, names)?;
        pump.journals.accepted(py, message, &names, inside, told)
    }
}

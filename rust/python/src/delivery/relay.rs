//! Relaying: what came from elsewhere is put into mailboxes here, and who brought it is told when that is over.
use std::collections::HashSet;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};

use super::cell::LockedCell;
use super::deliveries::{Delivery, WAITING};
use super::door::{Door, may_be_reserved};
use super::mailbox::Entry;
use super::message::Message;
use super::pump::Pump;
use super::routes::{Selection, Target};

/// The deliveries that are not over, by their addresses; each lives until it is.
enum Pending {
    Nothing,
    One(usize),
    Several(HashSet<usize>),
}

impl Pending {
    fn add(&mut self, address: usize) {
        match self {
            Self::Nothing => *self = Self::One(address),
            Self::One(first) => *self = Self::Several(HashSet::from([*first, address])),
            Self::Several(all) => {
                all.insert(address);
            }
        }
    }

    /// Takes one out, and returns whether it was there.
    fn remove(&mut self, address: usize) -> bool {
        match self {
            Self::One(only) if *only == address => {
                *self = Self::Nothing;
                true
            }
            Self::Several(all) => all.remove(&address),
            _ => false,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::One(_) => false,
            Self::Several(all) => all.is_empty(),
        }
    }
}

/// Watches the deliveries of one relayed message.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Relay {
    not_to: Py<PyTuple>,
    redelivered: bool,
    /// Is called once, and then let go of.
    done: LockedCell<Option<Py<PyAny>>>,
    token: LockedCell<Option<Py<PyAny>>>,
    pending: LockedCell<Pending>,
    committed: LockedCell<bool>,
    left: LockedCell<bool>,
}

impl Relay {
    fn is_done_wanted(&self) -> bool {
        self.done.with(|done| done.is_some())
    }

    /// Takes note that a delivery is in its mailbox.
    fn is_accepted(&self, delivery: &Py<Delivery>) {
        let state = delivery.get();
        state.redelivered.set(self.redelivered);
        let target = state.target.get();
        let awaited = target.quota.get().lane.get().counted.get();
        if awaited && !target.recipient.get().durable.get() && self.is_done_wanted() {
            let address = delivery.as_ptr() as usize;
            self.pending.with(|pending| pending.add(address));
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
        let was_pending = self.pending.with(|pending| pending.remove(address));
        if was_pending && abandoned {
            self.left.set(true);
        }
        self.tell(py)
    }

    /// Calls `done` if everything is over.
    fn tell(&self, py: Python<'_>) -> PyResult<()> {
        if !self.committed.get() || !self.pending.with(|pending| pending.is_empty()) {
            return Ok(());
        }
        let Some(done) = self.done.replace(None) else {
            return Ok(());
        };
        let handled = !self.left.get();
        match self.token.replace(None) {
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
        Self {
            not_to,
            redelivered,
            done: LockedCell::new(done),
            token: LockedCell::new(None),
            pending: LockedCell::new(Pending::Nothing),
            committed: LockedCell::new(false),
            left: LockedCell::new(false),
        }
    }

    /// Choose all but those who brought it.
    fn select<'py>(
        &self,
        py: Python<'py>,
        selection: Bound<'py, Selection>,
    ) -> PyResult<Bound<'py, Selection>> {
        let own = self.not_to.bind(py);
        let all = selection.get().all_targets(py)?.cast_into::<PyTuple>()?;
        let mut others = Vec::with_capacity(all.len());
        for target in all.iter() {
            let target = target.cast_into::<Target>()?;
            if !is_of(target.get(), own) {
                others.push(target.unbind());
            }
        }
        if others.len() == all.len() {
            return Ok(selection);
        }
        Bound::new(py, selection.get().only(py, others)?)
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
        self.committed.set(true);
        self.tell(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.not_to)?;
        self.done.with(|done| visit.call(&*done))?;
        self.token.with(|token| visit.call(&*token))
    }

    fn __clear__(&self) {
        drop(self.done.replace(None));
        drop(self.token.replace(None));
    }
}

/// Who brings messages, and how they want to be told that one is done with.
struct Bringer<'a, 'py> {
    own: &'a Bound<'py, PyTuple>,
    done: Option<&'a Bound<'py, PyAny>>,
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
        let Some(pump) = self.pump.as_ref().filter(|_| self.open.get()) else {
            return Ok((start, heard, unheard));
        };
        let bringer = Bringer { own, done };
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
                match self.relay_one(py, pump.get(), &message, &bringer, token)? {
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
        bringer: &Bringer<'_, 'py>,
        token: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<usize>> {
        let state = message.get();
        let topic = state.topic.bind(py);
        if !state.is_to_a_topic()
            || !state.is_stamped(py)?
            || !self.lines.bind(py).is_empty()
            || may_be_reserved(topic)
        {
            return Ok(None);
        }
        let Some(selection) = self.plain_selection(py, topic)? else {
            return Ok(None);
        };
        let targets = selection.get().targets.bind(py);
        let (mut wildcards, mut count) = (0, 0);
        for target in targets.iter_borrowed() {
            let target = target.cast::<Target>()?.get();
            if !is_of(target, bringer.own) {
                if !target.has_room() {
                    return Ok(None);
                }
                wildcards += usize::from(target.wildcard);
                count += 1;
            }
        }
        let relay = bringer
            .done
            .map(|done| -> PyResult<_> {
                let done = Some(done.clone().unbind());
                let relay = Relay::new(bringer.own.clone().unbind(), done, false);
                drop(relay.token.replace(token.map(Bound::unbind)));
                Py::new(py, relay)
            })
            .transpose()?;
        let was_idle = pump.is_idle();
        let mut busy = 0;
        for target in targets.iter_borrowed() {
            let target = target.cast::<Target>()?;
            if is_of(target.get(), bringer.own) {
                continue;
            }
            let one = (
                message.as_unbound().clone_ref(py),
                target.to_owned().unbind(),
            );
            let entry = match &relay {
                None => Entry::Message(one.0, one.1),
                Some(relay) => {
                    let watcher = Some(relay.clone_ref(py).into_any());
                    let delivery = Delivery::first(one.0, one.1, WAITING, 0.0).watched(watcher);
                    let delivery = Py::new(py, delivery)?;
                    relay.get().is_accepted(&delivery);
                    Entry::Delivery(delivery)
                }
            };
            busy += pump.put_one(py, entry, target.get());
        }
        pump.were_put(py, busy, was_idle)?;
        self.ordinary.add(1);
        self.published.add(1);
        self.wildcards.add(wildcards);
        if let Some(relay) = relay {
            relay.get().committed(py)?;
        }
        Ok(Some(count))
    }
}

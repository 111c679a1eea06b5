//! Accepting: how a message comes into mailboxes that have room for it, all in one step.
use pyo3::intern;
use pyo3::prelude::*;

use super::deliveries::{Delivery, WAITING};
use super::mailbox::Entry;
use super::message::Message;
use super::moulds::moulded;
use super::pump::Pump;
use super::requests::Request;
use super::routes::Target;

impl Pump {
    /// Puts a message into mailboxes that have room for it.
    #[inline]
    pub(crate) fn put(
        &self,
        py: Python<'_>,
        message: &Py<Message>,
        targets: &[Py<Target>],
        watcher: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let was_idle = self.is_idle();
        let rank = message.get().rank;
        let mut busy = 0;
        for target in targets {
            let (message, known) = (message.clone_ref(py), target.clone_ref(py));
            if let Some(watcher) = watcher {
                let delivery = Delivery::first(message, known, WAITING, 0.0);
                let delivery = moulded(py, delivery.watched(Some(watcher.clone().unbind())))?;
                let entry = Entry::Delivery(delivery.clone_ref(py));
                busy += self.put_one(py, entry, rank, target.get());
                tell_accepted(py, watcher, &delivery)?;
            } else {
                busy += self.put_one(py, Entry::Message(message, known), rank, target.get());
            }
        }
        self.were_put(py, busy, was_idle)
    }

    /// Whether no lane can be served now.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.queue.get().is_empty()
    }

    /// Puts one entry into the mailbox of its target; returns by how much more is busy.
    #[inline(always)]
    pub(super) fn put_one(&self, py: Python<'_>, entry: Entry, rank: u8, target: &Target) -> i64 {
        let quota = target.quota.get();
        let lane = quota.lane.get();
        let recipient = lane.recipient.get();
        recipient.addressed.add(1);
        quota.waiting.add(1);
        quota.total.add(1);
        lane.push(entry, rank, false);
        if recipient.slots.get() > 0 && !lane.scheduled.get() {
            self.queue.get().push(py, &quota.lane);
        }
        i64::from(lane.counted.get())
    }

    /// Counts how much more is busy, and lets the machine know if lanes can be served, and none could before.
    #[inline]
    pub(super) fn were_put(&self, py: Python<'_>, busy: i64, was_idle: bool) -> PyResult<()> {
        self.meter.get().busy.add(busy);
        if was_idle && !self.is_idle() {
            self.machine.ready.call0(py)?;
        }
        Ok(())
    }
}

/// Tells a watcher of a delivery that is in its mailbox now.
fn tell_accepted(
    py: Python<'_>,
    watcher: &Bound<'_, PyAny>,
    delivery: &Py<Delivery>,
) -> PyResult<()> {
    if let Ok(request) = watcher.cast_exact::<Request>() {
        request.get().note_accepted(py, delivery);
        Ok(())
    } else {
        watcher
            .call_method1(intern!(py, "accepted"), (delivery,))
            .map(drop)
    }
}

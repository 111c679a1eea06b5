//! Serving: which lane is called next, and how a call ends that has waited.
use pyo3::prelude::*;

use super::mailbox::{Entry, Lane};
use super::pump::Pump;
use super::recipient::RecipientState;
use super::slim::Slim;
use super::suspended::{Asking, Begun, Suspended};

impl Pump {
    /// Whether no lane can be served now.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.get().is_empty() && self.apart.get().is_empty()
    }

    /// Serves lanes until none is ready or one suspends, and no more than `budget`, of which is taken what is used.
    ///
    /// A lane whose handler keeps waiting is set apart, if it is not the only one, and served when there is no other.
    pub(crate) fn lead(&self, py: Python<'_>, budget: &mut u32) -> Slim<Asking> {
        let queue = self.queue.get();
        while *budget > 0 {
            queue.foresee();
            let asking = match queue.next() {
                Some(lane) if lane.get().apart.get() > 0 && !self.is_empty() => {
                    self.apart.get().append(lane);
                    None
                }
                Some(lane) => self.serve(py, lane)?,
                None if self.apart.get().is_empty() => return Ok(None),
                None => self.serve_apart(py)?,
            };
            *budget -= 1;
            if asking.is_some() {
                return Ok(asking);
            }
        }
        Ok(None)
    }

    /// Serves the first lane that is set apart, if there is one.
    pub(crate) fn serve_apart(&self, py: Python<'_>) -> Slim<Asking> {
        match self.apart.get().next() {
            Some(lane) => self.serve(py, lane),
            None => Ok(None),
        }
    }

    /// Begins one call for a lane; the machine does where that is not the ordinary thing to do.
    #[inline(never)]
    fn serve(&self, py: Python<'_>, lane: Py<Lane>) -> Slim<Asking> {
        let lane = lane.into_bound(py);
        let state = lane.get();
        let recipient = state.recipient.get();
        let is_free = recipient.slots.get() > 0 && !recipient.lends();
        if !is_free || !state.realtime || state.tries_again() {
            return self.serve_by_machine(lane);
        }
        let Some(handler) = recipient.handler.shared(py) else {
            return self.serve_by_machine(lane);
        };
        let handler = handler.into_bound(py);
        let mut expires = false;
        let mut entry = state.pop(|entry| {
            expires = entry.message().get().expires_at.is_finite();
            !expires && may_be_called(entry)
        });
        if expires {
            entry = self.pop_in_time(py, state)?;
        }
        let Some(entry) = entry else {
            return self.serve_by_machine(lane);
        };
        state.scheduled.set(false);
        let quota = &entry.target().get().quota;
        quota.get().waiting.set(quota.get().waiting.get() - 1);
        if quota.get().is_awaited() {
            self.machine.room.call1(py, (quota,))?;
        }
        recipient.slots.add(-1);
        if !state.counted.get() {
            self.meter.get().busy.add(1);
        }
        if recipient.slots.get() > 0 && state.is_due() {
            self.queue.get().push(py, lane.as_unbound());
        }
        let asking = self.call(py, &state.recipient, entry, &handler);
        let asking = asking.inspect_err(|_| drop(recipient.give_away()))?;
        if asking.is_some() {
            state.apart.set(self.patience);
        } else if state.apart.get() > 0 {
            state.apart.set(state.apart.get() - 1);
        }
        Ok(asking)
    }

    /// Takes the first entry of a lane, if that may be and its time is not up.
    #[inline(never)]
    fn pop_in_time(&self, py: Python<'_>, lane: &Lane) -> PyResult<Option<Entry>> {
        let now = self.meter.get().time(py)?;
        Ok(lane.pop(|entry| entry.message().get().expires_at > now && may_be_called(entry)))
    }

    /// Lets the machine begin a call for a lane.
    #[inline(never)]
    fn serve_by_machine(&self, lane: Bound<'_, Lane>) -> Slim<Asking> {
        let py = lane.py();
        let found = self.machine.serve.call1(py, (lane,))?.into_bound(py);
        if found.is_none() {
            return Ok(None);
        }
        Ok(Some(Box::new(Suspended::of(&found)?)))
    }

    /// Lets a handler that has waited have finished.
    #[inline]
    pub(crate) fn finished(
        &self,
        py: Python<'_>,
        recipient: &RecipientState,
        call: &Begun,
        answer: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        match call {
            Begun::Ours(spare) => {
                let Some(message) = spare.running.get().message(py) else {
                    return Ok(());
                };
                let now = self.meter.get().now.get();
                self.end(py, recipient, spare, answer, message.get(), now)
            }
            Begun::Theirs { delivery, .. } => {
                let finish = &self.machine.finish;
                finish.call1(py, (delivery, answer)).map(drop)
            }
        }
    }
}

/// Whether nothing is out of the ordinary in a call for an entry before it begins, but that its time may be up.
#[inline]
fn may_be_called(entry: &Entry) -> bool {
    !entry.target().get().quota.get().tracks
}

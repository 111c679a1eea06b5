//! Calling: how a handler is called with what was taken out of a lane, and how its call ends.
#![allow(unsafe_code, reason = "a vector call has no safe interface")]

use pyo3::exceptions::{PyException, PyRuntimeError, PyStopIteration};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyNone;

use super::context::enter;
use super::coroutine::{Stepped, left, send};
use super::deliveries::{Delivery, OVER, RUNNING};
use super::mailbox::Entry;
use super::message::Message;
use super::pump::Pump;
use super::recipient::RecipientState;
use super::relay::Relay;
use super::requests::Request;
use super::slim::{Slim, wide};
use super::spares::{Lent, Spare};
use super::suspended::{Asking, Begun, Suspended};

impl Pump {
    /// Calls the handler with what was taken, as far as it goes without waiting; returns it if it suspends.
    ///
    /// Where there is an error, the recipient may still lend its spare.
    ///
    /// What is out of the ordinary stands in functions of its own: where the way of the ordinary call lies together, the
    /// processor has it at hand.
    #[inline(always)]
    pub(super) fn call(
        &self,
        py: Python<'_>,
        recipient_of: &Py<RecipientState>,
        entry: Entry,
        handler: &Bound<'_, PyAny>,
    ) -> Slim<Asking> {
        let meter = self.meter.get();
        let started = meter.now.get();
        let recipient = recipient_of.get();
        recipient.tell_newest(py)?;
        let attempt = match &entry {
            Entry::Message(..) => 1,
            Entry::Delivery(delivery) => begin_with(py, recipient, delivery, started)?,
        };
        // SAFETY: `serve` has seen that it is not lent; it is not used after it is taken back, or given away.
        let spare = unsafe { recipient.lend(py, self.current.get())? };
        // SAFETY: it is forgotten when the spare is taken back, or when the call has ended that it is given away to.
        let message = unsafe { spare.running.get().begin(py, entry, started) };
        if self.observed {
            self.machine.begun.call1(py, (spare.delivery(py)?,))?;
        }
        self.journals
            .begun(py, recipient, message.get(), attempt, (meter, started))?;
        // As `inside` does, but that a closure would be a function of its own here.
        let stepped = match enter(py, &spare.context) {
            Ok(()) => {
                let stepped = self.first_step(py, recipient, handler, &message, spare);
                left(py, &spare.context, stepped)
            }
            Err(error) => Stepped::raised(error),
        };
        let (stepped, now) = match meter.tick(py) {
            Ok(now) => (stepped, now),
            Err(error) => (Stepped::raised(error), started),
        };
        recipient.count_block(now - started);
        match stepped {
            Stepped::Returned(answer) => {
                recipient.lent.set(Lent::Over);
                if answer.is_none() && !self.observed && !spare.running.get().is_known() {
                    self.count_finished(py, recipient, 1, message.get(), now)?;
                } else {
                    self.end(py, recipient, spare, &answer, message.get(), now)?;
                }
                recipient.take_back(py)?;
                Ok(None)
            }
            Stepped::Suspended { coroutine, trap } => {
                let deadline = started + recipient.timeout.get();
                let call = suspended(py, recipient_of, coroutine, deadline)?;
                Ok(Some(Box::new((call, trap))))
            }
            Stepped::Raised(error) => self.failed(py, recipient, error),
        }
    }

    /// Lets the machine see to a call that has failed, or was cancelled from outside.
    #[cold]
    fn failed(
        &self,
        py: Python<'_>,
        recipient: &RecipientState,
        error: Box<PyErr>,
    ) -> Slim<Asking> {
        let delivery = given_away(recipient)?.delivery(py)?;
        if error.is_instance_of::<PyException>(py) {
            let fail = &self.machine.fail;
            fail.call1(py, (delivery, error.into_value(py)))?;
            Ok(None)
        } else {
            self.machine.abandon.call1(py, (delivery,))?;
            Err(error)
        }
    }

    /// Lets a handler have finished, by the machine where somebody wants to be told of it.
    pub(super) fn end(
        &self,
        py: Python<'_>,
        recipient: &RecipientState,
        spare: &Spare,
        answer: &Bound<'_, PyAny>,
        message: &Message,
        now: f64,
    ) -> PyResult<()> {
        let known = spare.running.get().known(py);
        let watcher = known
            .as_ref()
            .and_then(|one| Some((one, one.get().watcher(py)?)));
        if let Some((delivery, watcher)) = &watcher
            && !self.observed
            && let Ok(request) = watcher.cast_exact::<Request>()
            && request.get().answer(py, delivery, answer, now)?
        {
            self.finish(py, recipient, known.as_ref(), message, now)?;
            request.get().note_over(delivery);
            return Ok(());
        }
        if let Some((delivery, watcher)) = &watcher
            && !self.observed
            && answer.is_none()
            && let Ok(relay) = watcher.cast_exact::<Relay>()
        {
            self.finish(py, recipient, known.as_ref(), message, now)?;
            return relay.get().is_over(py, delivery, false);
        }
        if watcher.is_some() || self.observed || !answer.is_none() {
            let delivery = spare.delivery(py)?;
            return self.machine.finish.call1(py, (delivery, answer)).map(drop);
        }
        self.finish(py, recipient, known.as_ref(), message, now)
    }

    /// Runs a handler until it ends or suspends.
    #[inline(always)]
    fn first_step<'py>(
        &self,
        py: Python<'py>,
        recipient: &RecipientState,
        handler: &Bound<'_, PyAny>,
        message: &Bound<'_, Message>,
        spare: &Spare,
    ) -> Stepped<'py> {
        match self.start(py, recipient, handler, message, spare) {
            Ok(coroutine) => send(py, coroutine, PyNone::get(py).as_any()),
            Err(error) => Stepped::raised(as_of_a_coroutine(py, error)),
        }
    }

    /// Calls a handler, and returns its coroutine.
    #[inline(always)]
    fn start(
        &self,
        py: Python<'_>,
        recipient: &RecipientState,
        handler: &Bound<'_, PyAny>,
        message: &Bound<'_, Message>,
        spare: &Spare,
    ) -> PyResult<Py<PyAny>> {
        let delivery = if recipient.wants_delivery.get() {
            Some(spare.delivery(py)?)
        } else {
            None
        };
        // The first place is for a bound method, which puts what it is bound to there.
        let arguments = [
            std::ptr::null_mut(),
            message.as_ptr(),
            delivery.as_ref().map_or(std::ptr::null_mut(), Py::as_ptr),
        ];
        let count = (1 + usize::from(delivery.is_some())) | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET;
        // SAFETY: as many arguments as are counted, each a live object, behind the place that the flag offers.
        let awaitable = unsafe {
            let first = arguments.as_ptr().add(1);
            let handler = handler.as_ptr();
            let call = ffi::PyVectorcall_Function(handler).unwrap_or(ffi::PyObject_Vectorcall);
            let result = call(handler, first, count, std::ptr::null_mut());
            Bound::from_owned_ptr_or_err(py, result)?
        };
        // SAFETY: a live object.
        if unsafe { ffi::PyCoro_CheckExact(awaitable.as_ptr()) } == 0 {
            return self.machine.as_coroutine.call1(py, (awaitable,));
        }
        Ok(awaitable.unbind())
    }

    /// Lets a handler have finished, of which nobody wants to be told more.
    fn finish(
        &self,
        py: Python<'_>,
        recipient: &RecipientState,
        delivery: Option<&Py<Delivery>>,
        message: &Message,
        now: f64,
    ) -> PyResult<()> {
        let mut attempt = 1;
        if let Some(delivery) = delivery {
            attempt = delivery.get().attempt.get();
            let entered = recipient.entered(py);
            entered.bind(py).del_item(delivery)?;
            delivery.get()._state.set(OVER);
        }
        wide(self.count_finished(py, recipient, attempt, message, now))
    }

    /// Writes down that a handler has finished.
    #[inline(always)]
    fn count_finished(
        &self,
        py: Python<'_>,
        recipient: &RecipientState,
        attempt: i64,
        message: &Message,
        now: f64,
    ) -> Slim<()> {
        recipient.failures_in_a_row.set(0);
        self.give_slot_back(py, recipient)?;
        let meter = self.meter.get();
        meter.busy.add(-1);
        if meter.busy.get() == 0 && meter.awaited.get() > 0 {
            self.machine.quiet.call0(py)?;
        }
        recipient.count_handled(py, now - message.timestamp)?;
        self.journals
            .handled(py, recipient, message, attempt, (meter, now))
    }

    #[inline(always)]
    fn give_slot_back(&self, py: Python<'_>, recipient: &RecipientState) -> Slim<()> {
        if recipient.away.get() {
            recipient.slots_away.add(1);
            return Ok(());
        }
        recipient.slots.add(1);
        let done = recipient.lanes.with(|lanes| match lanes.as_slice() {
            [only] if only.get().realtime => {
                if only.get().is_due() {
                    self.queue.get().push(py, only);
                }
                true
            }
            lanes => lanes.is_empty(),
        });
        if done {
            Ok(())
        } else {
            self.arrange_all(py, recipient)
        }
    }

    /// Lines up those lanes of a recipient that are due, in their order.
    #[inline(never)]
    fn arrange_all(&self, py: Python<'_>, recipient: &RecipientState) -> Slim<()> {
        let mut place = 0;
        while let Some(lane) = recipient.lane_at(py, place) {
            if lane.get().is_due() {
                if lane.get().realtime {
                    self.queue.get().push(py, &lane);
                } else {
                    self.machine.arrange.call1(py, (lane,))?;
                }
            }
            place += 1;
        }
        Ok(())
    }
}

/// A call that has suspended, and has its context for itself from now on.
#[inline(never)]
fn suspended(
    py: Python<'_>,
    recipient: &Py<RecipientState>,
    coroutine: Py<PyAny>,
    deadline: f64,
) -> PyResult<Suspended> {
    let spare = given_away(recipient.get())?;
    let newest = Some(spare.running.clone_ref(py));
    recipient.get().newest.put(py, newest);
    let call = Begun::Ours(spare);
    let recipient = recipient.clone_ref(py);
    Ok(Suspended::new(recipient, coroutine, call, deadline))
}

/// The spare that was lent to a call which is not over yet, or has failed.
fn given_away(recipient: &RecipientState) -> PyResult<Spare> {
    let spare = recipient.give_away();
    spare.ok_or_else(|| PyRuntimeError::new_err("a call without a context"))
}

/// Writes down that a handler is called with a delivery that somebody knows; returns which attempt it is.
#[inline(never)]
fn begin_with(
    py: Python<'_>,
    recipient: &RecipientState,
    delivery: &Py<Delivery>,
    started: f64,
) -> PyResult<i64> {
    let state = delivery.get();
    state._state.set(RUNNING);
    state._started.set(started);
    let entered = recipient.entered(py);
    entered.bind(py).set_item(delivery, py.None())?;
    Ok(state.attempt.get())
}

/// An error that the call of a handler raised, as it would be if its coroutine had raised it.
#[cold]
fn as_of_a_coroutine(py: Python<'_>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyStopIteration>(py) {
        return error;
    }
    let outer = PyRuntimeError::new_err("the handler raised StopIteration");
    outer.set_cause(py, Some(error));
    outer
}

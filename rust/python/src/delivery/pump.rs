//! The pump: puts messages into mailboxes that have room, and calls handlers that are free, one after another.
//!
//! It does what `stentor._machine.dispatcher` does, for the ordinary case: one message at a time, for a handler, due at
//! once, that never expires, with a quota that pushes nothing out. Whatever else is in a lane it leaves to the machine,
//! lane by lane, so that the order is the same. A call that fails, is watched or returns an answer is handed to the machine
//! with a `Delivery` made for it, and one that suspends has one too; any other has none, unless its handler asks.
#![allow(
    unsafe_code,
    reason = "a vector call and the send of a coroutine have no safe interface as fast"
)]

use pyo3::exceptions::{PyException, PyRuntimeError, PyStopIteration};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyNone};
use pyo3::{PyTraverseError, PyVisit};

use super::context::Current;
use super::coroutine::{Stepped, inside, send};
use super::deliveries::{Delivery, OVER, RUNNING};
use super::journal::{Journal, Journals};
use super::mailbox::{Entry, Lane};
use super::message::Message;
use super::queue::ReadyQueue;
use super::recipient::RecipientState;
use super::relay::Relay;
use super::requests::Request;
use super::routes::Selection;
use super::spares::{Lent, Spare};
use super::suspended::{Asking, Begun, Suspended};
use super::time::Meter;
use super::trio_state::TrioState;

/// What the pump asks of the machine of `stentor._machine` when something is out of the ordinary.
pub(super) struct Machine {
    /// `serve(lane) -> Suspended | None`: begin one call for a lane.
    pub(super) serve: Py<PyAny>,
    /// `arrange(lane)`: line a lane up if it is due.
    arrange: Py<PyAny>,
    /// `begun(delivery)`: a handler is about to be called.
    begun: Py<PyAny>,
    /// `finish(delivery, answer)`: a handler has finished.
    pub(super) finish: Py<PyAny>,
    /// `fail(delivery, error)`: a handler has failed.
    fail: Py<PyAny>,
    /// `abandon(delivery)`: a handler was cancelled from outside.
    abandon: Py<PyAny>,
    /// `tell_room(quota)`: there is room for whoever waits for it.
    room: Py<PyAny>,
    /// `on_ready()`: the queue may have become non-empty.
    pub(super) ready: Py<PyAny>,
    /// `on_quiet()`: nothing is busy any more.
    quiet: Py<PyAny>,
    /// `as_coroutine(awaitable)`: what a handler returned, as a coroutine.
    as_coroutine: Py<PyAny>,
}

impl Machine {
    fn all(&self) -> [&Py<PyAny>; 10] {
        [
            &self.serve,
            &self.arrange,
            &self.begun,
            &self.finish,
            &self.fail,
            &self.abandon,
            &self.room,
            &self.ready,
            &self.quiet,
            &self.as_coroutine,
        ]
    }
}

/// Puts messages into mailboxes and calls handlers; it belongs to one bus, and one thread.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Pump {
    pub(super) meter: Py<Meter>,
    pub(super) queue: Py<ReadyQueue>,
    /// The lanes that are set apart.
    pub(super) apart: Py<ReadyQueue>,
    current: Py<Current>,
    /// Whether every outcome is to be told, so that the machine writes it down.
    observed: bool,
    /// What is written into here, where nobody else is to be told.
    pub(crate) journals: Journals,
    /// None where it is not known where trio keeps it.
    trio: Option<TrioState>,
    /// Calls in a row without waiting after which a lane is set apart no longer.
    pub(super) patience: u32,
    pub(super) machine: Machine,
}

#[pymethods]
impl Pump {
    #[new]
    #[pyo3(
        signature = (meter, queue, apart, current, *, observed, journals, trio, patience, serve, arrange, begun, finish, fail, abandon, room, ready, quiet, as_coroutine),
    )]
    #[allow(clippy::too_many_arguments, reason = "as many as there are ways out")]
    fn new(
        py: Python<'_>,
        meter: Py<Meter>,
        queue: Py<ReadyQueue>,
        apart: Py<ReadyQueue>,
        current: Py<Current>,
        observed: bool,
        journals: Vec<Py<Journal>>,
        trio: Option<Bound<'_, PyDict>>,
        patience: u32,
        serve: Py<PyAny>,
        arrange: Py<PyAny>,
        begun: Py<PyAny>,
        finish: Py<PyAny>,
        fail: Py<PyAny>,
        abandon: Py<PyAny>,
        room: Py<PyAny>,
        ready: Py<PyAny>,
        quiet: Py<PyAny>,
        as_coroutine: Py<PyAny>,
    ) -> PyResult<Self> {
        let machine = Machine {
            serve,
            arrange,
            begun,
            finish,
            fail,
            abandon,
            room,
            ready,
            quiet,
            as_coroutine,
        };
        let journals = Journals::new(py, journals, &meter);
        Ok(Self {
            meter,
            queue,
            apart,
            current,
            observed,
            journals,
            trio: trio.map(TrioState::new).transpose()?,
            patience,
            machine,
        })
    }

    /// Put a message into the mailboxes of a selection, if that is the ordinary thing for all of them; else return False.
    #[pyo3(signature = (message, selection, watcher = None))]
    fn accept(
        &self,
        py: Python<'_>,
        message: &Bound<'_, Message>,
        selection: &Bound<'_, Selection>,
        watcher: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let selection = selection.get();
        if !selection.has_room() {
            return Ok(false);
        }
        self.put(py, message.as_unbound(), &selection.targets, watcher)?;
        Ok(true)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.meter)?;
        visit.call(&self.queue)?;
        visit.call(&self.apart)?;
        visit.call(&self.current)?;
        self.journals.visit(&visit)?;
        if let Some(trio) = &self.trio {
            trio.visit(&visit)?;
        }
        self.machine
            .all()
            .iter()
            .try_for_each(|call| visit.call(*call))
    }
}

impl Pump {
    /// Whether a task was certainly not cancelled.
    #[inline]
    pub(crate) fn may_go_on(&self, task: &Bound<'_, PyAny>) -> PyResult<bool> {
        match &self.trio {
            Some(trio) => Ok(!trio.is_cancelled(task)?),
            None => Ok(false),
        }
    }

    /// The task that runs, if it was certainly not cancelled: else whoever publishes must be told so by trio.
    #[inline]
    pub(crate) fn task_to_go_on<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.trio.as_ref().map(|trio| trio.task(py)).transpose()? {
            Some(Some(task)) if self.may_go_on(&task)? => Ok(Some(task)),
            _ => Ok(None),
        }
    }

    /// Takes the next entry of a lane, and a slot for it; None if that is not the ordinary thing to do.
    #[inline]
    pub(super) fn take<'py>(
        &self,
        py: Python<'py>,
        lane: &Bound<'py, Lane>,
    ) -> PyResult<Option<(Entry, Bound<'py, PyAny>)>> {
        let state = lane.get();
        let recipient = state.recipient.get();
        let is_free = recipient.slots.get() > 0 && !recipient.lends();
        if !state.realtime || state.tries_again() || !is_free {
            return Ok(None);
        }
        let Some(handler) = recipient.handler.shared(py) else {
            return Ok(None);
        };
        let Some(entry) = self.pop(py, state)? else {
            return Ok(None);
        };
        state.scheduled.set(false);
        let quota = entry.target().get().quota.get();
        quota.waiting.set(quota.waiting.get() - 1);
        if quota.is_awaited() {
            self.machine
                .room
                .call1(py, (&entry.target().get().quota,))?;
        }
        recipient.slots.add(-1);
        if !state.counted.get() {
            self.meter.get().busy.add(1);
        }
        if state.waiting.get() > 0 && recipient.slots.get() > 0 && !state.scheduled.get() {
            self.queue.get().push(py, lane.as_unbound());
        }
        Ok(Some((entry, handler.into_bound(py))))
    }

    /// Takes the first entry out, if it is for one call of which nothing is out of the ordinary before it begins.
    #[inline]
    fn pop(&self, py: Python<'_>, lane: &Lane) -> PyResult<Option<Entry>> {
        let mut expires = false;
        let entry = lane.pop(|entry| {
            expires = entry.message().get().expires_at.is_finite();
            !expires && !entry.target().get().quota.get().tracks
        });
        if expires {
            return self.pop_before_it_expires(py, lane);
        }
        Ok(entry)
    }

    #[inline(never)]
    fn pop_before_it_expires(&self, py: Python<'_>, lane: &Lane) -> PyResult<Option<Entry>> {
        let now = self.meter.get().time(py)?;
        Ok(lane.pop(|entry| {
            entry.message().get().expires_at > now && !entry.target().get().quota.get().tracks
        }))
    }

    /// Calls the handler with what was taken, as far as it goes without waiting; returns it if it suspends.
    ///
    /// What is out of the ordinary stands in functions of its own: where the way of the ordinary call lies together, the
    /// processor has it at hand.
    #[inline]
    pub(super) fn call(
        &self,
        py: Python<'_>,
        recipient: &Py<RecipientState>,
        entry: Entry,
        handler: &Bound<'_, PyAny>,
    ) -> PyResult<Asking> {
        let asking = self.call_lent(py, recipient, entry, handler);
        if asking.is_err() {
            drop(recipient.get().give_away());
        }
        asking
    }

    /// The same, but where it fails the recipient may have lent its spare.
    #[inline]
    fn call_lent(
        &self,
        py: Python<'_>,
        recipient_of: &Py<RecipientState>,
        entry: Entry,
        handler: &Bound<'_, PyAny>,
    ) -> PyResult<Asking> {
        let meter = self.meter.get();
        let started = meter.now.get();
        let recipient = recipient_of.get();
        recipient.tell_newest(py)?;
        let attempt = match &entry {
            Entry::Message(..) => 1,
            Entry::Delivery(delivery) => begin_with(py, recipient, delivery, started)?,
        };
        let spare = recipient.lend(py, self.current.get())?;
        let message = spare.running.get().begin(py, entry, started);
        if self.observed {
            self.machine.begun.call1(py, (spare.delivery(py)?,))?;
        }
        self.journals
            .begun(py, recipient, message.get(), attempt, (meter, started))?;
        let stepped = inside(py, &spare.context, || {
            self.first_step(py, recipient, handler, &message, spare)
        });
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
                recipient.take_back(py, spare)?;
                Ok(None)
            }
            Stepped::Suspended { coroutine, trap } => {
                let deadline = started + recipient.timeout.get();
                let call = self.suspended(py, recipient_of, coroutine, deadline)?;
                Ok(Some((call, trap)))
            }
            Stepped::Raised(error) => self.failed(py, recipient, *error),
        }
    }

    /// A call that has suspended, and has its context for itself from now on.
    #[inline(never)]
    fn suspended(
        &self,
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

    /// Lets the machine see to a call that has failed, or was cancelled from outside.
    #[cold]
    fn failed(&self, py: Python<'_>, recipient: &RecipientState, error: PyErr) -> PyResult<Asking> {
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
    #[inline]
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
    #[inline]
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
            let result =
                ffi::PyObject_Vectorcall(handler.as_ptr(), first, count, std::ptr::null_mut());
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
        self.count_finished(py, recipient, attempt, message, now)
    }

    /// Writes down that a handler has finished.
    #[inline]
    fn count_finished(
        &self,
        py: Python<'_>,
        recipient: &RecipientState,
        attempt: i64,
        message: &Message,
        now: f64,
    ) -> PyResult<()> {
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

    #[inline]
    fn give_slot_back(&self, py: Python<'_>, recipient: &RecipientState) -> PyResult<()> {
        if recipient.away.get() {
            recipient.slots_away.add(1);
            return Ok(());
        }
        recipient.slots.add(1);
        let queue = self.queue.get();
        let is_due = |lane: &Lane| lane.waiting.get() > 0 && !lane.scheduled.get();
        let first = recipient.lanes.with(|lanes| {
            lanes.iter().position(|lane| {
                let due = is_due(lane.get());
                if due && lane.get().realtime {
                    queue.push(py, lane);
                }
                due && !lane.get().realtime
            })
        });
        match first {
            None => Ok(()),
            Some(place) => self.arrange_from(py, recipient, place),
        }
    }

    /// Lines up the lanes of a recipient from a place in their order on, those that are due by a mode of their own too.
    #[inline(never)]
    fn arrange_from(
        &self,
        py: Python<'_>,
        recipient: &RecipientState,
        mut place: usize,
    ) -> PyResult<()> {
        while let Some(lane) = recipient.lane_at(py, place) {
            let state = lane.get();
            if state.waiting.get() > 0 && !state.scheduled.get() {
                if state.realtime {
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

//! Asking: a question leaves with somebody waiting for the answer, and what a handler returns goes to whoever asked.
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyString};
use pyo3::{PyTraverseError, PyVisit};

use super::alarms::Alarms;
use super::cell::LockedCell;
use super::deliveries::Delivery;
use super::door::Door;
use super::entries::Call;
use super::message::Message;
use super::moulds::moulded;
use super::pump::Pump;
use super::requests::Request;
use super::routes::Selection;
use super::seats::{Seat, Seats};
use super::uncollected::Uncollected;
use super::workers::WorkersState;

/// The ordinary way of a question: nothing is said of it but its sender, and all for whom it is have room.
struct Way<'a, 'py> {
    topic: Bound<'py, PyString>,
    sender: Option<Py<PyAny>>,
    selection: Bound<'py, Selection>,
    pump: &'a Pump,
    /// Who asks.
    task: Bound<'py, PyAny>,
    /// In whose handler.
    asker: Option<Py<Delivery>>,
}

impl Door {
    /// The way of a question, if it is the ordinary one.
    fn way_of_question<'py>(
        &self,
        py: Python<'py>,
        topic: &Bound<'py, PyAny>,
        sender: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Way<'_, 'py>>> {
        let sender = sender.filter(|one| !one.is_none());
        let topic = self.admitted(topic, sender.as_ref());
        let (Some(pump), Some(topic)) = (&self.pump, topic) else {
            return Ok(None);
        };
        let pump = pump.get();
        let Some(selection) = self.selection(py, topic)? else {
            return Ok(None);
        };
        if selection.get().agents().next().is_none() {
            return Ok(None);
        }
        let Some(task) = pump.task_to_go_on(py)? else {
            return Ok(None);
        };
        let asker = match self.current.get().running(py)? {
            Some(running) => running.get().delivery(py)?,
            None => None,
        };
        Ok(Some(Way {
            topic: topic.clone(),
            sender: sender.map(Bound::unbind),
            selection,
            pump,
            task,
            asker,
        }))
    }
}

/// What asking needs of trio and of the machine.
pub(super) struct Machine {
    /// `reschedule(task, woken)`.
    pub(super) reschedule: Py<PyAny>,
    /// What a task that is woken is sent.
    pub(super) woken: Py<PyAny>,
    /// `arm(when)`: see to it that somebody looks at the alarms then.
    arm: Py<PyAny>,
    /// `no_reply(request)`: why there is no answer.
    pub(super) no_reply: Py<PyAny>,
    /// Who waits for whom.
    pub(super) waits: Py<PyAny>,
    /// `any_of(awaited)`: several of whom one is enough.
    pub(super) any_of: Py<PyAny>,
}

/// Where questions leave and answers come in.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Desk {
    pub(super) door: Py<Door>,
    pub(super) alarms: Py<Alarms>,
    /// The questions that wait for answers, by the id of the message.
    pub(super) waiting: Py<PyDict>,
    /// The subscriptions; `eavesdropping` says how many may match an answer.
    table: Py<PyAny>,
    /// What the topic of an answer begins with.
    pub(super) reply_to: Py<PyString>,
    pub(super) machine: Machine,
    pub(super) seats: Seats,
    /// Who handles questions; None before there are any.
    pub(super) workers: LockedCell<Option<Py<WorkersState>>>,
}

impl Desk {
    /// Asks, if that is the ordinary thing to do, and seats who asks; else changes nothing, and returns None.
    pub(super) fn ask_at_once<'py>(
        slf: &Bound<'py, Self>,
        topic: &Bound<'py, PyAny>,
        payload: &Bound<'py, PyAny>,
        timeout: f64,
        sender: Option<Bound<'py, PyAny>>,
        wanted: Option<usize>,
    ) -> PyResult<Option<Py<Request>>> {
        let py = slf.py();
        let desk = slf.get();
        let door = desk.door.get();
        if !(timeout > 0.0 && timeout.is_finite()) {
            return Ok(None);
        }
        let now = door.meter.get().time(py)?; // by a clock that may be anybody's
        let _uncollected = Uncollected::begin(py);
        let Some(way) = door.way_of_question(py, topic, sender)? else {
            return Ok(None);
        };
        let chosen = way.selection.get();
        if let Some(asker) = &way.asker
            && !desk.is_harmless(py, asker, chosen, wanted)?
        {
            return Ok(None);
        }
        let seat = desk.seats.take(py)?;
        let cause = way.asker.as_ref();
        let cause = cause.map(|asker| asker.get().message.get().share_id(py));
        let deadline = now + timeout;
        let message = Message::ordinary(
            way.topic.unbind(),
            payload.clone().unbind(),
            way.sender,
            door.ids.get().next(py),
            now,
            cause,
        );
        let message = moulded(py, message.until(deadline))?;
        let request = Request::new(message.clone_ref(py), wanted, slf.clone().unbind());
        drop(
            request
                .selection
                .replace(Some(way.selection.clone().unbind())),
        );
        let request = Py::new(py, request)?;
        let id = message.get().id(py)?;
        desk.waiting.bind(py).set_item(id, &request)?;
        if let Some(asker) = way.asker {
            desk.enter_wait(request.bind(py), asker)?;
        }
        let watcher = request.bind(py).as_any();
        let told = (door.meter.get(), now);
        let asker = request.get().asker.shared(py);
        let inside = || asker.map(|one| Call::with(py, one.get())).transpose();
        let names = chosen.names.bind(py);
        way.pump
            .journals
            .accepted(py, message.get(), names, inside, told)?;
        way.pump.put(py, &message, &chosen.targets, Some(watcher))?;
        door.count(chosen.wildcards);
        desk.sit(py, &request, seat, way.task.unbind(), deadline)?;
        Ok(Some(request))
    }

    /// Seats a task that waits for the answers to `request` until `deadline`.
    pub(super) fn sit(
        &self,
        py: Python<'_>,
        request: &Py<Request>,
        seat: Py<Seat>,
        task: Py<PyAny>,
        deadline: f64,
    ) -> PyResult<()> {
        seat.get().task.put(py, Some(task));
        let asked = request.get();
        drop(asked.seat.replace(Some(seat)));
        let alarms = self.alarms.get();
        let alarm = alarms.set(deadline, request.clone_ref(py).into_any());
        asked.alarm.set(alarm);
        if deadline < alarms.armed.get() {
            self.machine.arm.call1(py, (deadline,))?;
        }
        Ok(())
    }

    /// Whether a handler may wait for `wanted` answers of a selection without that it be looked at who waits for whom.
    ///
    /// It may if whoever is waited for can go on, and the handler waits for nobody else: that closes no cycle.
    fn is_harmless(
        &self,
        py: Python<'_>,
        asker: &Py<Delivery>,
        selection: &Selection,
        wanted: Option<usize>,
    ) -> PyResult<bool> {
        let mut going = selection.called().map(|target| {
            let recipient = target.get().recipient.get();
            recipient.slots.get() > 0 || recipient.away.get()
        });
        let going = if wanted.is_some() && selection.called().next().is_some() {
            going.any(|goes_on| goes_on)
        } else {
            going.all(|goes_on| goes_on)
        };
        if !going {
            return Ok(false);
        }
        let waits = self.machine.waits.bind(py);
        let waits = waits.call_method1(intern!(py, "waits"), (asker,))?;
        Ok(!waits.is_truthy()?)
    }

    /// Enters that the handler of `asker` waits for the answers to `request`.
    fn enter_wait(&self, request: &Bound<'_, Request>, asker: Py<Delivery>) -> PyResult<()> {
        let py = request.py();
        let awaited = request.getattr(intern!(py, "awaited"))?;
        let waits = &self.machine.waits;
        waits.call_method1(py, intern!(py, "enter"), (&asker, awaited))?;
        request.get().asker.put(py, Some(asker));
        Ok(())
    }

    /// Takes out what was entered.
    pub(super) fn forget_wait(
        &self,
        request: &Bound<'_, Request>,
        asker: Py<Delivery>,
    ) -> PyResult<()> {
        let py = request.py();
        let awaited = request.getattr(intern!(py, "awaited"))?;
        let waits = &self.machine.waits;
        waits.call_method1(py, intern!(py, "leave"), (asker, awaited))?;
        Ok(())
    }

    /// Whether nobody but who asked can hear an answer.
    pub(super) fn is_private(&self, py: Python<'_>) -> PyResult<bool> {
        let ears = self
            .table
            .bind(py)
            .getattr(intern!(py, "eavesdropping"))?
            .extract::<usize>()?;
        Ok(ears == 0)
    }
}

#[pymethods]
impl Desk {
    #[new]
    #[pyo3(
        signature = (door, alarms, *, waiting, table, reply_to, trap, aborted, reschedule, woken, no_reply, arm, waits, any_of),
    )]
    #[allow(clippy::too_many_arguments, reason = "as many as it brings together")]
    fn new(
        door: Py<Door>,
        alarms: Py<Alarms>,
        waiting: Py<PyDict>,
        table: Py<PyAny>,
        reply_to: Py<PyString>,
        trap: Py<PyAny>,
        aborted: Py<PyAny>,
        reschedule: Py<PyAny>,
        woken: Py<PyAny>,
        no_reply: Py<PyAny>,
        arm: Py<PyAny>,
        waits: Py<PyAny>,
        any_of: Py<PyAny>,
    ) -> Self {
        Self {
            door,
            alarms,
            waiting,
            table,
            reply_to,
            machine: Machine {
                reschedule,
                woken,
                arm,
                no_reply,
                waits,
                any_of,
            },
            seats: Seats::new(trap, aborted),
            workers: LockedCell::new(None),
        }
    }

    /// Let who asks hand over to those workers.
    fn served_by(&self, workers: Py<WorkersState>) {
        drop(self.workers.replace(Some(workers)));
    }

    /// Ask, if that is the ordinary thing to do, and seat who asks; else change nothing, and return None.
    fn ask(
        slf: &Bound<'_, Self>,
        topic: &Bound<'_, PyAny>,
        payload: &Bound<'_, PyAny>,
        timeout: &Bound<'_, PyAny>,
        options: &Bound<'_, PyDict>,
        wanted: Option<usize>,
    ) -> PyResult<Option<Py<Request>>> {
        let Ok(timeout) = timeout.cast_exact::<PyFloat>() else {
            return Ok(None);
        };
        let sender = options.get_item(intern!(slf.py(), "sender"))?;
        if options.len() > usize::from(sender.is_some()) {
            return Ok(None);
        }
        Self::ask_at_once(slf, topic, payload, timeout.value(), sender, wanted)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.door)?;
        visit.call(&self.alarms)?;
        visit.call(&self.waiting)?;
        visit.call(&self.table)?;
        visit.call(&self.machine.arm)?;
        visit.call(&self.machine.waits)?;
        self.workers.with(|workers| visit.call(&*workers))?;
        self.seats.visit(&visit)
    }

    fn __clear__(&self) {
        drop(self.workers.replace(None));
        self.seats.clear();
    }
}

//! Requests: a question on its way, and the answers that came to it.
use std::collections::VecDeque;

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::asking::Desk;
use super::cell::LockedCell;
use super::deliveries::Delivery;
use super::message::Message;
use super::routes::Selection;
use super::seats::Seat;

/// One question on its way: the watcher of its deliveries, and the place to which the answers come.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Request {
    /// The question.
    #[pyo3(get)]
    pub(super) message: Py<Message>,
    /// How many answers are wanted; None for one from everybody whom it reached.
    #[pyo3(get)]
    wanted: Option<usize>,
    pub(super) desk: Py<Desk>,
    /// The agents that have it or, until it is accepted, would have it.
    pub(super) selection: LockedCell<Option<Py<Selection>>>,
    accepted: LockedCell<bool>,
    pending: LockedCell<VecDeque<Py<Delivery>>>,
    pub(super) replies: LockedCell<Vec<Py<Message>>>,
    /// Who failed, and why.
    errors: LockedCell<Vec<Py<PyTuple>>>,
    /// Who was asked and neither answered nor failed, by name; None while nobody wants to know.
    silent: LockedCell<Option<Py<PyDict>>>,
    pub(super) seat: LockedCell<Option<Py<Seat>>>,
    pub(super) alarm: LockedCell<u64>,
    /// In whose handler it was asked at once; None for outside of handlers.
    pub(super) asker: LockedCell<Option<Py<Delivery>>>,
    /// Whether it waits for nothing any more.
    pub(super) over: LockedCell<bool>,
}

impl Request {
    pub(super) fn new(message: Py<Message>, wanted: Option<usize>, desk: Py<Desk>) -> Self {
        Self {
            message,
            wanted,
            desk,
            selection: LockedCell::new(None),
            accepted: LockedCell::new(false),
            pending: LockedCell::new(VecDeque::new()),
            replies: LockedCell::new(Vec::new()),
            errors: LockedCell::new(Vec::new()),
            silent: LockedCell::new(None),
            seat: LockedCell::new(None),
            alarm: LockedCell::new(0),
            asker: LockedCell::new(None),
            over: LockedCell::new(false),
        }
    }

    /// Those who were asked and neither answered nor failed.
    fn mute<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        if let Some(silent) = self.silent.shared(py) {
            return Ok(silent.into_bound(py));
        }
        let silent = PyDict::new(py);
        if let Some(selection) = self.selection.shared(py) {
            for target in selection.get().agents() {
                silent.set_item(target.get().name(py), py.None())?;
            }
        }
        let replies = self.replies.with(|all| clones(py, all));
        let errors = self.errors.with(|all| clones(py, all));
        for reply in replies {
            forget(&silent, reply.get().sender(py))?;
        }
        for error in errors {
            forget(&silent, Some(error.bind(py).get_item(0)?))?;
        }
        drop(self.silent.replace(Some(silent.clone().unbind())));
        Ok(silent)
    }

    /// Takes somebody out of those who are silent.
    pub(super) fn speaks(&self, py: Python<'_>, name: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        match self.silent.shared(py) {
            Some(silent) => forget(silent.bind(py), name),
            None => Ok(()),
        }
    }

    /// Whether nobody need wait for it any more.
    pub(super) fn is_complete(&self, py: Python<'_>) -> PyResult<bool> {
        let replies = self.replies.with(|replies| replies.len());
        if self.wanted.is_some_and(|wanted| replies >= wanted) {
            return Ok(true);
        }
        if replies == 0 && self.errors.with(|errors| errors.is_empty()) {
            let selection = self.selection.shared(py);
            return Ok(selection.is_none_or(|one| one.get().agents().next().is_none()));
        }
        Ok(self.mute(py)?.is_empty())
    }

    /// Takes note of a delivery that is in a mailbox now: its agent may answer.
    pub(crate) fn note_accepted(&self, py: Python<'_>, delivery: &Py<Delivery>) {
        self.accepted.set(true);
        if delivery.get().target.get().calls() {
            let delivery = delivery.clone_ref(py);
            self.pending.with(|pending| pending.push_back(delivery));
        }
    }

    /// Takes note of a delivery that is over without an error.
    pub(crate) fn note_over(&self, delivery: &Py<Delivery>) {
        self.accepted.set(true);
        let removed = self.pending.with(|pending| {
            let place = pending.iter().position(|one| one.is(delivery))?;
            pending.remove(place)
        });
        drop(removed);
    }

    /// Leaves the seat, and lets no answer find it any more.
    fn rise(&self, py: Python<'_>) -> PyResult<()> {
        let desk = self.desk.get();
        if !self.over.get() {
            self.over.set(true);
            desk.waiting.bind(py).del_item(self.message.get().id(py)?)?;
        }
        if let Some(seat) = self.seat.replace(None) {
            desk.alarms.get().cancel(self.alarm.get());
            desk.seats.keep(seat);
        }
        Ok(())
    }

    /// What trio is asked by who waits here, and the coroutine that stands for it.
    fn trap(&self, py: Python<'_>) -> Option<(Py<PyAny>, Py<PyAny>)> {
        let seat = self.seat.shared(py)?;
        let trap = &seat.get().trap;
        trap.with(|trap| {
            let (trap, waiting) = trap.as_ref()?;
            Some((trap.clone_ref(py), waiting.clone_ref(py)))
        })
    }

    /// The coroutine that stands for who waits here.
    pub(super) fn waiting(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.trap(py).map(|(_, waiting)| waiting)
    }

    /// Lets who asked go on if it need not wait any more.
    pub(super) fn look(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_complete(py)? {
            self.give_up(py)?;
        }
        Ok(())
    }
}

/// Other references to the same objects.
pub(super) fn clones<T>(py: Python<'_>, objects: &[Py<T>]) -> Vec<Py<T>> {
    objects.iter().map(|one| one.clone_ref(py)).collect()
}

/// Takes a name out, if it is there.
fn forget(names: &Bound<'_, PyDict>, name: Option<Bound<'_, PyAny>>) -> PyResult<()> {
    match name {
        Some(name) if names.contains(&name)? => names.del_item(name),
        _ => Ok(()),
    }
}

#[pymethods]
impl Request {
    /// Wait for `wanted` answers to `message`; None for one from everybody whom it reached.
    #[new]
    fn open(message: Py<Message>, wanted: Option<usize>, desk: Py<Desk>) -> Self {
        Self::new(message, wanted, desk)
    }

    /// Take note of who may answer.
    ///
    /// Raises:
    ///     DeadlockError: Waiting for them would never end.
    fn select(&self, py: Python<'_>, selection: Py<Selection>) -> PyResult<Py<Selection>> {
        drop(self.selection.replace(Some(selection.clone_ref(py))));
        drop(self.silent.replace(None));
        let waits = &self.desk.get().machine.waits;
        waits.call_method0(py, intern!(py, "check"))?;
        Ok(selection)
    }

    /// Name whom it waits for: all who have it or will, or any of them when one answer is enough.
    fn awaited(&self, py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
        let mut awaited = Vec::new();
        let expected = self.selection.shared(py).filter(|_| !self.accepted.get());
        if let Some(selection) = expected {
            for target in selection.get().called() {
                awaited.push(target.get().recipient.clone_ref(py).into_any());
            }
        }
        let pending: Vec<_> = self
            .pending
            .with(|pending| pending.iter().map(|one| one.clone_ref(py)).collect());
        for delivery in pending {
            let recipient = &delivery.get().target.get().recipient;
            let running = recipient.get().running(py)?;
            awaited.push(if running.bind(py).contains(&delivery)? {
                delivery.into_any()
            } else {
                recipient.clone_ref(py).into_any()
            });
        }
        if self.wanted.is_none() || awaited.is_empty() {
            return Ok(awaited);
        }
        let any_of = &self.desk.get().machine.any_of;
        Ok(vec![any_of.call1(py, (awaited,))?])
    }

    /// Expect an answer from the agent of a delivery.
    #[pyo3(name = "accepted")]
    fn expect(&self, py: Python<'_>, delivery: &Bound<'_, Delivery>) {
        self.note_accepted(py, delivery.as_unbound());
    }

    /// Keep nothing: what has failed for good is a dead letter.
    #[allow(clippy::unused_self, reason = "the protocol")]
    fn keeps(&self, delivery: &Bound<'_, PyAny>, error: &Bound<'_, PyAny>) -> bool {
        let _ = (delivery, error); // named as the protocol names them
        false
    }

    /// Expect no answer any more from whoever failed.
    #[pyo3(name = "over")]
    fn end(
        &self,
        py: Python<'_>,
        delivery: &Bound<'_, Delivery>,
        error: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        self.note_over(delivery.as_unbound());
        let target = delivery.get().target.get();
        if let Some(error) = error
            && !target.recipient.get().is_feed.get()
        {
            let name = target.name(py);
            let pair = (&name, error).into_pyobject(py)?.unbind();
            self.errors.with(|errors| errors.push(pair));
            self.speaks(py, Some(name))?;
            self.look(py)?;
        }
        Ok(())
    }

    /// Take one answer, if it is waited for: the first of its sender, and no more than are wanted.
    fn reply(&self, py: Python<'_>, message: Py<Message>) -> PyResult<bool> {
        self.take(py, message)
    }

    /// Let whoever asked wait no longer: the time is up, or the bus is closed.
    fn give_up(&self, py: Python<'_>) -> PyResult<()> {
        let seat = self.seat.shared(py);
        if let Some(task) = seat.and_then(|seat| seat.get().task.replace(None)) {
            let machine = &self.desk.get().machine;
            machine.reschedule.call1(py, (task, &machine.woken))?;
        }
        Ok(())
    }

    /// Let whoever asked wait no longer: the time is up.
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.give_up(py)
    }

    /// Let `task` wait here until `deadline`.
    fn sit(slf: &Bound<'_, Self>, py: Python<'_>, task: Py<PyAny>, deadline: f64) -> PyResult<()> {
        let desk = slf.get().desk.get();
        let seat = desk.seats.take(py)?;
        desk.sit(py, &slf.clone().unbind(), seat, task, deadline)
    }

    /// Wait for nothing any more.
    pub(super) fn leave(slf: &Bound<'_, Self>, py: Python<'_>) -> PyResult<()> {
        slf.get().rise(py)?;
        match slf.get().asker.replace(None) {
            Some(asker) => slf.get().desk.get().forget_wait(slf, asker),
            None => Ok(()),
        }
    }

    /// Let a worker have its turn within that of who asked, and return whether nobody need wait any more.
    pub(super) fn is_over_at_once(&self, py: Python<'_>) -> PyResult<bool> {
        let desk = self.desk.get();
        let (Some(seat), Some(workers)) = (self.seat.shared(py), desk.workers.shared(py)) else {
            return Ok(false);
        };
        let workers = workers.get();
        let task = seat.get().task.replace(None); // whoever runs is not to be woken
        let handed = workers.hand_over(py);
        let over = handed.and_then(|_| Ok(self.is_complete(py)? && !workers.is_cancelled(py)?));
        if !matches!(over, Ok(true)) {
            seat.get().task.put(py, task);
        }
        over
    }

    /// What trio is to be asked by who waits here.
    #[getter]
    #[pyo3(name = "trap")]
    pub(super) fn trap_of_seat(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let trap = self.trap(py).map(|(trap, _)| trap);
        trap.ok_or_else(|| PyRuntimeError::new_err("nobody waits here"))
    }

    /// Whether nobody need wait for it any more.
    #[getter]
    fn complete(&self, py: Python<'_>) -> PyResult<bool> {
        self.is_complete(py)
    }

    /// The first answer, if there is one.
    #[getter]
    pub(super) fn first(&self, py: Python<'_>) -> Option<Py<Message>> {
        self.replies
            .with(|replies| replies.first().map(|reply| reply.clone_ref(py)))
    }

    /// The answers, in the order in which they came.
    #[getter]
    fn replies<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.replies.with(|replies| clones(py, replies)))
    }

    /// Who failed, and why.
    #[getter]
    fn errors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.errors.with(|errors| clones(py, errors)))
    }

    /// Who was asked, and neither answered nor failed.
    #[getter]
    fn silent<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        Ok(self.mute(py)?.keys().to_tuple())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.message)?;
        visit.call(&self.desk)?;
        self.selection.with(|one| visit.call(&*one))?;
        self.pending
            .with(|all| all.iter().try_for_each(|one| visit.call(one)))?;
        self.replies
            .with(|all| all.iter().try_for_each(|one| visit.call(one)))?;
        self.errors
            .with(|all| all.iter().try_for_each(|one| visit.call(one)))?;
        self.silent.with(|one| visit.call(&*one))?;
        self.asker.with(|one| visit.call(&*one))?;
        self.seat.with(|seat| visit.call(&*seat))
    }

    fn __clear__(&self) {
        drop(self.selection.replace(None));
        drop(self.pending.replace(VecDeque::new()));
        drop(self.replies.replace(Vec::new()));
        drop(self.errors.replace(Vec::new()));
        drop(self.silent.replace(None));
        drop(self.asker.replace(None));
        drop(self.seat.replace(None));
    }
}

//! The door: an ordinary message is stamped, matched and put into its mailboxes in one call.
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use pyo3::{PyTraverseError, PyVisit};

use super::cell::{LockedCell, properties};
use super::context::{Current, Running};
use super::dicts::found;
use super::message::{Id, Message};
use super::moulds::moulded;
use super::pump::Pump;
use super::receipt::Receipt;
use super::routes::{RouteState, Selection};
use super::time::Meter;
use super::uncollected::Uncollected;

/// The ids of the messages that one bus stamps: a prefix, and a number each.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Ids {
    prefix: LockedCell<Py<PyString>>,
    number: LockedCell<u64>,
}

impl Ids {
    pub(super) fn next(&self, py: Python<'_>) -> Id {
        self.number.add(1);
        Id::Number(self.prefix(py), self.number.get())
    }
}

#[pymethods]
impl Ids {
    /// Number messages under `prefix`.
    #[new]
    #[pyo3(signature = (prefix, number = 0))]
    fn new(prefix: Py<PyString>, number: u64) -> Self {
        Self {
            prefix: LockedCell::new(prefix),
            number: LockedCell::new(number),
        }
    }

    /// What all ids begin with.
    #[getter]
    fn prefix(&self, py: Python<'_>) -> Py<PyString> {
        self.prefix.with(|prefix| prefix.clone_ref(py))
    }

    #[setter]
    fn set_prefix(&self, prefix: Py<PyString>) {
        drop(self.prefix.replace(prefix));
    }

    /// Return the next id.
    fn take(&self, py: Python<'_>) -> PyResult<Py<PyString>> {
        self.next(py).text(py)
    }
}

properties! { Ids {
    /// The last number that was given.
    number, set_number: u64;
} }

/// Publishes ordinary messages: of which nothing is said but their sender, to recipients that have room.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Door {
    /// None where there is no pump, so that nothing is ordinary.
    pub(super) pump: Option<Py<Pump>>,
    pub(super) meter: Py<Meter>,
    pub(super) current: Py<Current>,
    pub(super) ids: Py<Ids>,
    /// Topic to route, for those that are cached.
    routes: Py<PyDict>,
    /// For each sender that waits at the door, its publishes.
    lines: Py<PyDict>,
    pub(super) open: LockedCell<bool>,
    guarded: LockedCell<bool>,
    budget: LockedCell<u32>,
    full_budget: u32,
    /// Whose budget it is: that of the handler that published last, or None for everybody outside of handlers.
    spender: LockedCell<Option<Py<Running>>>,
    ordinary: LockedCell<u64>,
    pub(super) published: LockedCell<u64>,
    wildcards: LockedCell<usize>,
}

impl Door {
    /// Publishes, if that is the ordinary thing to do; else changes nothing, and returns None.
    ///
    /// When the budget is spent it is not: others must have a turn.
    #[inline]
    pub(crate) fn publish(
        &self,
        py: Python<'_>,
        topic: &Bound<'_, PyAny>,
        payload: &Bound<'_, PyAny>,
        sender: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Receipt>> {
        let running = self.current.get().running(py)?;
        self.turn_to(py, running.as_ref());
        if self.budget.get() == 0 {
            return Ok(None);
        }
        let receipt = self.accept(py, topic, payload, sender, running.as_ref())?;
        if receipt.is_some() {
            self.budget.set(self.budget.get() - 1);
        }
        Ok(receipt)
    }

    /// Publishes as `publish` does for who cannot let others have a turn.
    #[inline]
    pub(crate) fn publish_nowait(
        &self,
        py: Python<'_>,
        topic: &Bound<'_, PyAny>,
        payload: &Bound<'_, PyAny>,
        sender: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Receipt>> {
        let running = self.current.get().running(py)?;
        self.accept(py, topic, payload, sender, running.as_ref())
    }

    /// Stamps, matches and puts a message into its mailboxes, from within the handler that runs, if that is ordinary.
    #[inline(always)]
    fn accept(
        &self,
        py: Python<'_>,
        topic: &Bound<'_, PyAny>,
        payload: &Bound<'_, PyAny>,
        sender: Option<&Bound<'_, PyAny>>,
        running: Option<&Bound<'_, Running>>,
    ) -> PyResult<Option<Receipt>> {
        let Some(pump) = self.pump.as_ref().map(Py::get) else {
            return Ok(None);
        };
        if pump.task_to_go_on(py)?.is_none() {
            return Ok(None);
        }
        let now = self.meter.get().time(py)?; // by a clock that may be anybody's
        let _uncollected = Uncollected::begin(py);
        let sender = sender.filter(|one| !one.is_none());
        let Some(topic) = self.admitted(topic, sender) else {
            return Ok(None);
        };
        let Some(selection) = self.selection(py, topic)? else {
            return Ok(None);
        };
        let running = running.map(Bound::get);
        let message = Message::ordinary(
            topic.clone().unbind(),
            payload.clone().unbind(),
            sender.map(|one| one.clone().unbind()),
            self.ids.get().next(py),
            now,
            running.and_then(|running| running.cause(py)),
        );
        let message = moulded(py, message)?;
        let chosen = selection.get();
        let names = chosen.names.bind(py);
        let inside = || running.map_or(Ok(None), |running| running.call(py));
        let told = (self.meter.get(), now);
        pump.journals
            .accepted(py, message.get(), names, inside, told)?;
        pump.put(py, &message, &chosen.targets, None)?;
        self.count(chosen.wildcards);
        let recipients = chosen.names.clone_ref(py);
        Ok(Some(Receipt::new(message, recipients, None)))
    }

    /// Whether what has nothing out of the ordinary is ordinary, and nobody need be asked who may publish what.
    #[inline]
    pub(super) fn is_open_to_all(&self) -> bool {
        self.open.get() && !self.guarded.get()
    }

    /// The topic of what anybody may publish who is named so, if that is ordinary as far as it can be told from that.
    #[inline]
    pub(super) fn admitted<'a, 'py>(
        &self,
        topic: &'a Bound<'py, PyAny>,
        sender: Option<&Bound<'py, PyAny>>,
    ) -> Option<&'a Bound<'py, PyString>> {
        let topic = topic.cast_exact::<PyString>().ok()?;
        let is_ordinary = self.is_open_to_all()
            && sender.is_none_or(Bound::is_exact_instance_of::<PyString>)
            && self.has_free_way(topic);
        is_ordinary.then_some(topic)
    }

    /// Whether nobody waits at the door, and the topic is certainly not one of the library's own.
    #[inline]
    pub(super) fn has_free_way(&self, topic: &Bound<'_, PyString>) -> bool {
        self.lines.bind(topic.py()).is_empty() && !may_be_reserved(topic)
    }

    /// Counts a message that was published here, and for how many it was found through a wildcard.
    #[inline]
    pub(super) fn count(&self, wildcards: usize) {
        self.ordinary.add(1);
        self.published.add(1);
        self.wildcards.add(wildcards);
    }

    /// Gives another handler, or the outside, a budget of its own.
    fn turn_to(&self, py: Python<'_>, running: Option<&Bound<'_, Running>>) {
        let same = self.spender.with(|spender| match (spender, running) {
            (Some(last), Some(now)) => last.is(now),
            (None, None) => true,
            _ => false,
        });
        if !same {
            let now = running.map(|running| running.clone().unbind());
            self.spender.put(py, now);
            self.budget.set(self.full_budget);
        }
    }

    /// The selection of a topic, if it is the same for every message and every recipient has room.
    pub(super) fn selection<'py>(
        &self,
        py: Python<'py>,
        topic: &Bound<'py, PyString>,
    ) -> PyResult<Option<Bound<'py, Selection>>> {
        let selection = self.plain_selection(py, topic)?;
        Ok(selection.filter(|selection| selection.get().has_room()))
    }

    /// The selection of a topic, if it is the same for every message, and all of it is put into mailboxes.
    pub(super) fn plain_selection<'py>(
        &self,
        py: Python<'py>,
        topic: &Bound<'py, PyString>,
    ) -> PyResult<Option<Bound<'py, Selection>>> {
        let route = found(self.routes.bind(py), topic)?; // made by the machine, if it is not there
        let Some(route) = route else {
            return Ok(None);
        };
        let selection = route.cast::<RouteState>()?.get().selection.shared(py);
        Ok(selection
            .map(|selection| selection.into_bound(py))
            .filter(|selection| selection.get().plain))
    }
}

/// Whether a topic may begin with the reserved segment.
fn may_be_reserved(topic: &Bound<'_, PyString>) -> bool {
    topic.to_str().map_or(true, |text| text.starts_with('_'))
}

#[pymethods]
impl Door {
    #[new]
    #[pyo3(signature = (pump, meter, current, ids, *, routes, lines, budget))]
    #[allow(clippy::too_many_arguments, reason = "as many as it brings together")]
    fn new(
        pump: Option<Py<Pump>>,
        meter: Py<Meter>,
        current: Py<Current>,
        ids: Py<Ids>,
        routes: Py<PyDict>,
        lines: Py<PyDict>,
        budget: u32,
    ) -> Self {
        Self {
            pump,
            meter,
            current,
            ids,
            routes,
            lines,
            open: LockedCell::new(false),
            guarded: LockedCell::new(false),
            budget: LockedCell::new(budget),
            full_budget: budget,
            spender: LockedCell::new(None),
            ordinary: LockedCell::new(0),
            published: LockedCell::new(0),
            wildcards: LockedCell::new(0),
        }
    }

    /// What is left of the budget of everybody outside of handlers.
    #[getter]
    fn budget_outside(&self) -> u32 {
        if self.spender.with(|spender| spender.is_none()) {
            self.budget.get()
        } else {
            self.full_budget
        }
    }

    /// Let the handler that runs now, or the outside, have a budget of its own.
    fn turn(&self, py: Python<'_>) -> PyResult<()> {
        let running = self.current.get().running(py)?;
        self.turn_to(py, running.as_ref());
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.pump)?;
        visit.call(&self.meter)?;
        visit.call(&self.current)?;
        visit.call(&self.ids)?;
        visit.call(&self.routes)?;
        visit.call(&self.lines)?;
        self.spender.with(|spender| visit.call(&*spender))
    }

    fn __clear__(&self) {
        drop(self.spender.replace(None));
    }
}

properties! { Door {
    /// Whether messages are ordinary that have nothing out of the ordinary: no middleware and no limit.
    open, set_open: bool;
    /// Whether it must be asked who may publish what.
    guarded, set_guarded: bool;
    /// Messages that may be published before others must have a turn.
    budget, set_budget: u32;
    /// Messages that were published here, without the machine.
    ordinary, set_ordinary: u64;
    /// Messages that were published.
    published, set_published: u64;
    /// How many of their recipients were reached through a wildcard.
    wildcards, set_wildcards: usize;
} }

//! Targets and selections: whom one message is for.
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit};

use super::cell::LockedCell;
use super::quota::QuotaState;
use super::recipient::RecipientState;

/// One recipient of a message: its subscriptions that match, and the quota that governs the delivery.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Target {
    #[pyo3(get)]
    pub(crate) recipient: Py<RecipientState>,
    #[pyo3(get)]
    pub(crate) quota: Py<QuotaState>,
    #[pyo3(get)]
    pub(crate) subscriptions: Py<PyTuple>,
    /// Whether the governing subscription is a wildcard pattern.
    #[pyo3(get)]
    pub(super) wildcard: bool,
}

impl Target {
    /// Whether a message for it is put into its mailbox, and nothing else, where there is room.
    fn is_ordinary(&self) -> bool {
        let quota = self.quota.get();
        !quota.tracks && quota.lane.get().realtime
    }

    /// Whether there is room for a message.
    #[inline]
    fn has_room(&self) -> bool {
        let quota = self.quota.get();
        quota.waiting.get() < quota.capacity
    }

    /// Whether a handler will be called with the message, message by message.
    pub(crate) fn calls(&self) -> bool {
        let recipient = self.recipient.get();
        self.quota.get().lane.get().realtime && recipient.has_handler() && !recipient.durable.get()
    }

    /// Whether its recipient is a subscription's own, and no agent.
    pub(crate) fn is_feeds(&self) -> bool {
        self.recipient.get().is_feed.get()
    }

    /// The name of the recipient.
    pub(crate) fn name<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.recipient.get().name.bind(py).clone().into_any()
    }
}

#[pymethods]
impl Target {
    #[new]
    #[pyo3(signature = (recipient, quota, subscriptions = None, *, wildcard = false))]
    fn new(
        py: Python<'_>,
        recipient: Py<RecipientState>,
        quota: Py<QuotaState>,
        subscriptions: Option<Py<PyTuple>>,
        wildcard: bool,
    ) -> Self {
        let subscriptions = subscriptions.unwrap_or_else(|| PyTuple::empty(py).unbind());
        Self {
            recipient,
            quota,
            subscriptions,
            wildcard,
        }
    }

    /// Whether a handler will be called with the message, message by message.
    #[getter]
    fn is_called(&self) -> bool {
        self.calls()
    }

    /// Whether somebody takes the message now: a handler, a mailbox that is polled, or an owner who receives.
    #[getter]
    fn is_there(&self) -> bool {
        let recipient = self.recipient.get();
        let lane = self.quota.get().lane.get();
        let taken = recipient.has_handler() || recipient.is_feed.get() || lane.counted.get();
        !recipient.away.get() && (taken || !lane.realtime)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.recipient)?;
        visit.call(&self.quota)?;
        visit.call(&self.subscriptions)
    }
}

/// Whom one message is for, in subscription order, and whose filter failed on it.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Selection {
    /// Those into whose mailboxes it is put in one step.
    pub(crate) targets: Box<[Py<Target>]>,
    /// Those in whose stored mailboxes it must be before.
    pub(crate) durable: Box<[Py<Target>]>,
    /// Recipients whose filter raised, with what it raised.
    #[pyo3(get)]
    pub(crate) broken: Py<PyTuple>,
    /// The names of all whom it is for.
    #[pyo3(get)]
    pub(crate) names: Py<PyTuple>,
    /// How many of them are reached through a wildcard.
    #[pyo3(get)]
    pub(crate) wildcards: usize,
    /// Whether it is put into mailboxes and nowhere else.
    pub(crate) plain: bool,
    /// Whether all mailboxes into which it is put in one step are ordinary ones.
    ordinary: bool,
}

impl Selection {
    /// All recipients: first those that get it in one step, then the durable ones.
    pub(super) fn all(&self) -> impl Iterator<Item = &Py<Target>> {
        self.targets.iter().chain(&self.durable)
    }

    /// All recipients that are agents, in that order.
    pub(crate) fn agents(&self) -> impl Iterator<Item = &Py<Target>> {
        self.all().filter(|target| !target.get().is_feeds())
    }

    /// Whether all mailboxes into which it is put in one step are ordinary ones that have room.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.ordinary && self.targets.iter().all(|target| target.get().has_room())
    }

    /// The same, but for those left out.
    #[inline]
    pub(crate) fn has_room_without(&self, left_out: impl Fn(&Target) -> bool) -> bool {
        let mut targets = self.targets.iter().map(Py::get);
        targets.all(|one| left_out(one) || (one.is_ordinary() && one.has_room()))
    }

    /// Those whose handler will be called with the message, message by message.
    pub(crate) fn called(&self) -> impl Iterator<Item = &Py<Target>> {
        self.targets.iter().filter(|target| target.get().calls())
    }
}

#[pymethods]
impl Selection {
    /// Select `targets`; `broken` are recipients whose filter raised, with what it raised.
    #[new]
    #[pyo3(signature = (targets, broken = None))]
    fn new(
        py: Python<'_>,
        targets: Vec<Py<Target>>,
        broken: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let names: Vec<_> = targets.iter().map(|target| target.get().name(py)).collect();
        let wildcards = targets.iter().filter(|one| one.get().wildcard).count();
        let (durable, targets): (Vec<_>, Vec<_>) = targets
            .into_iter()
            .partition(|target| target.get().recipient.get().durable.get());
        let broken = match broken {
            Some(broken) => py.get_type::<PyTuple>().call1((broken,))?.cast_into()?,
            None => PyTuple::empty(py),
        };
        Ok(Self {
            plain: durable.is_empty() && broken.is_empty(),
            ordinary: targets.iter().all(|target| target.get().is_ordinary()),
            targets: targets.into(),
            durable: durable.into(),
            broken: broken.unbind(),
            names: PyTuple::new(py, names)?.unbind(),
            wildcards,
        })
    }

    /// Those into whose mailboxes it is put in one step.
    #[getter]
    fn targets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.targets.iter())
    }

    /// Those in whose stored mailboxes it must be before.
    #[getter]
    fn durable<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.durable.iter())
    }

    /// All recipients: first those that get it in one step, then the durable ones.
    #[getter]
    fn all_targets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.all().collect::<Vec<_>>())
    }

    /// Return the selection of `targets` instead of all; whose filter failed stays so.
    pub(super) fn only(&self, py: Python<'_>, targets: Vec<Py<Target>>) -> PyResult<Self> {
        Self::new(py, targets, Some(self.broken.bind(py).as_any()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.all().try_for_each(|target| visit.call(target))?;
        visit.call(&self.broken)
    }
}

/// What a publish must know of the route of a topic: whom every message is for, or None where that depends on it.
#[pyclass(module = "stentor._native", frozen, subclass)]
pub(crate) struct RouteState {
    pub(crate) selection: LockedCell<Option<Py<Selection>>>,
}

#[pymethods]
impl RouteState {
    #[new]
    #[pyo3(signature = (*_args))]
    fn new(_args: &Bound<'_, PyTuple>) -> Self {
        Self {
            selection: LockedCell::new(None),
        }
    }

    /// Whom every message is for, or None where that depends on the message.
    #[getter]
    fn selection(&self, py: Python<'_>) -> Option<Py<Selection>> {
        self.selection.shared(py)
    }

    #[setter]
    fn set_selection(&self, selection: Option<Py<Selection>>) {
        drop(self.selection.replace(selection));
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.selection.with(|selection| visit.call(&*selection))
    }

    fn __clear__(&self) {
        drop(self.selection.replace(None));
    }
}

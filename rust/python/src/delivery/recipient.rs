//! The state of a recipient: its handler, its slots, its lanes, its subscriptions and its counts.
//!
//! There may be very many that are idle, so one is a single object: what only few need is made when they need it.
use std::mem::offset_of;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use super::cell::{LockedCell, properties, references};
use super::context::Running;
use super::histogram::Histogram;
use super::mailbox::Lane;
use super::prefetch::{HEAD, LINE};
use super::quota::QuotaState;
use super::slim::{Slim, wide};
use super::spares::{Lent, Spare};
use super::subscribed::Subscribed;

/// What there is of a recipient, but for what is decided about it.
///
/// What every call reads and writes stands together at the beginning: of a hundred recipients that are called in turns,
/// none finds its memory still in the processor's nearest cache, and each line of it is waited for.
#[pyclass(module = "stentor._native", frozen, subclass, weakref)]
#[repr(C)]
pub(crate) struct RecipientState {
    pub(crate) slots: LockedCell<i64>,
    pub(crate) addressed: LockedCell<u64>,
    pub(crate) handler: LockedCell<Option<Py<PyAny>>>,
    /// A context in which a handler ran that left no trace in it.
    pub(crate) spare: LockedCell<Option<Spare>>,
    /// The call that suspended last, until it is over: Python may not know of it yet, but knows of all before.
    pub(crate) newest: LockedCell<Option<Py<Running>>>,
    pub(crate) lanes: LockedCell<Vec<Py<Lane>>>,
    latency: LockedCell<Option<Py<Histogram>>>,
    pub(crate) handled: LockedCell<u64>,
    pub(crate) blocked: LockedCell<f64>,
    pub(crate) longest_block: LockedCell<f64>,
    pub(crate) failures_in_a_row: LockedCell<u64>,
    pub(super) lent: LockedCell<Lent>,
    pub(crate) wants_delivery: LockedCell<bool>,
    pub(crate) away: LockedCell<bool>,
    pub(crate) durable: LockedCell<bool>,
    pub(crate) is_feed: LockedCell<bool>,
    is_extension: LockedCell<bool>,
    returning: LockedCell<bool>,
    quarantined: LockedCell<bool>,
    closed: LockedCell<bool>,
    dismissed: LockedCell<bool>,
    iterators: LockedCell<u32>,
    pub(crate) timeout: LockedCell<f64>,
    /// The name under which messages are addressed to it.
    #[pyo3(get)]
    pub(crate) name: Py<PyString>,
    /// What happens to a handler that takes too long, or fails.
    #[pyo3(get)]
    policy: Py<PyAny>,
    /// How what is addressed to it directly, or to everybody, is delivered.
    #[pyo3(get)]
    options: Py<PyAny>,
    /// `arrange(lane)`: lines a lane up if it is due.
    #[pyo3(get)]
    arrange: Py<PyAny>,
    pub(crate) context: LockedCell<Option<Py<PyAny>>>,
    subscribed: LockedCell<Subscribed>,
    direct: LockedCell<Option<Py<QuotaState>>>,
    receivers: LockedCell<Option<Py<PyAny>>>,
    running: LockedCell<Option<Py<PyDict>>>,
    backing_off: LockedCell<Option<Py<PyDict>>>,
    unacknowledged: LockedCell<Option<Py<PyDict>>>,
    pub(crate) slots_away: LockedCell<i64>,
    dead: LockedCell<u64>,
    dropped: LockedCell<u64>,
    expired: LockedCell<u64>,
    stored: LockedCell<i64>,
    abandoned: LockedCell<u64>,
    retries: LockedCell<u64>,
}

// What every call touches is in those lines, behind what an object begins with.
const _: () =
    assert!(HEAD + offset_of!(RecipientState, timeout) <= RecipientState::HOT_LINES * LINE);

impl RecipientState {
    /// Lines of memory in which lies what every call touches.
    pub(super) const HOT_LINES: usize = 3;

    pub(crate) fn has_handler(&self) -> bool {
        self.handler.with(|handler| handler.is_some())
    }

    /// Counts a handled delivery, which took so many seconds.
    #[inline(always)]
    pub(crate) fn count_handled(&self, py: Python<'_>, latency: f64) -> Slim<()> {
        self.handled.add(1);
        let counted = self.latency.with(|histogram| match histogram {
            Some(histogram) => {
                histogram.get().count(latency);
                true
            }
            None => false,
        });
        if !counted {
            let histogram = Histogram::default();
            histogram.count(latency);
            self.latency.put(py, Some(Py::new(py, histogram)?));
        }
        Ok(())
    }

    /// Counts how long its handler kept everybody else from running.
    #[inline]
    pub(crate) fn count_block(&self, duration: f64) {
        self.blocked.add(duration);
        if duration > self.longest_block.get() {
            self.longest_block.set(duration);
        }
    }
}

#[pymethods]
impl RecipientState {
    /// Make a recipient to which nothing has been addressed, and which has no lane yet.
    #[new]
    #[pyo3(signature = (name, handler, context, policy, options, arrange, /))]
    fn new(
        name: Py<PyString>,
        handler: Option<Py<PyAny>>,
        context: Py<PyAny>,
        policy: Py<PyAny>,
        options: Py<PyAny>,
        arrange: Py<PyAny>,
        py: Python<'_>,
    ) -> PyResult<Self> {
        let timeout: Option<f64> = policy.getattr(py, intern!(py, "timeout"))?.extract(py)?;
        Ok(Self {
            slots: LockedCell::new(i64::from(handler.is_some())),
            name,
            policy,
            options,
            arrange,
            handler: LockedCell::new(handler),
            context: LockedCell::new(Some(context)),
            lanes: LockedCell::new(Vec::new()),
            subscribed: LockedCell::new(Subscribed::Not),
            direct: LockedCell::new(None),
            receivers: LockedCell::new(None),
            latency: LockedCell::new(None),
            running: LockedCell::new(None),
            backing_off: LockedCell::new(None),
            unacknowledged: LockedCell::new(None),
            newest: LockedCell::new(None),
            spare: LockedCell::new(None),
            lent: LockedCell::new(Lent::No),
            timeout: LockedCell::new(timeout.unwrap_or(f64::INFINITY)),
            wants_delivery: LockedCell::new(false),
            is_feed: LockedCell::new(false),
            is_extension: LockedCell::new(false),
            durable: LockedCell::new(false),
            away: LockedCell::new(false),
            returning: LockedCell::new(false),
            quarantined: LockedCell::new(false),
            closed: LockedCell::new(false),
            dismissed: LockedCell::new(false),
            iterators: LockedCell::new(0),
            slots_away: LockedCell::new(0),
            failures_in_a_row: LockedCell::new(0),
            addressed: LockedCell::new(0),
            handled: LockedCell::new(0),
            dead: LockedCell::new(0),
            dropped: LockedCell::new(0),
            expired: LockedCell::new(0),
            stored: LockedCell::new(0),
            abandoned: LockedCell::new(0),
            retries: LockedCell::new(0),
            blocked: LockedCell::new(0.0),
            longest_block: LockedCell::new(0.0),
        })
    }

    /// Its lanes, in the order in which they were first needed.
    #[getter]
    fn lanes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let all: Vec<_> = self
            .lanes
            .with(|lanes| lanes.iter().map(|lane| lane.clone_ref(py)).collect());
        PyTuple::new(py, all)
    }

    /// Whether it has a lane yet.
    #[getter]
    fn has_lanes(&self) -> bool {
        self.lanes.with(|lanes| !lanes.is_empty())
    }

    /// Return the lane for `mode`, that of the backlog or the other one, or None if there is none.
    fn find_lane(&self, mode: &Bound<'_, PyAny>, backlog: bool) -> PyResult<Option<Py<Lane>>> {
        let mut place = 0;
        while let Some(lane) = self.lane_at(mode.py(), place) {
            if lane.get().is_for(mode, backlog)? {
                return Ok(Some(lane));
            }
            place += 1;
        }
        Ok(None)
    }

    /// Give it a lane more, and return that.
    fn open_lane(
        slf: &Bound<'_, Self>,
        mode: Py<PyAny>,
        realtime: bool,
        backlog: bool,
    ) -> PyResult<Py<Lane>> {
        let lane = Lane::new(slf.clone().unbind(), mode, realtime, backlog);
        let lane = Bound::new(slf.py(), lane)?;
        let state = slf.get();
        state.lanes.with(|lanes| {
            lanes.reserve_exact(1);
            lanes.push(lane.clone().unbind());
        });
        lane.get().counted.set(state.counts(&lane)?);
        if state.returning.get() && !backlog {
            lane.get().hold();
        }
        Ok(lane.unbind())
    }

    /// Return whether what waits in `lane` keeps the bus from being settled.
    fn counts(&self, lane: &Bound<'_, Lane>) -> PyResult<bool> {
        let taken = self.has_handler() || self.iterators.get() > 0;
        Ok(taken && lane.get().keeps_busy(lane.py())? && !self.away.get())
    }

    /// Its open subscriptions, in order of subscription.
    #[getter]
    fn subscriptions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let all = self.subscribed.with(|subscribed| subscribed.all(py));
        PyTuple::new(py, all)
    }

    /// Whether it has an open subscription.
    #[getter]
    fn is_subscribed(&self) -> bool {
        self.subscribed.with(|subscribed| subscribed.is_any())
    }

    /// Take note of a subscription under its id, which is greater than all before.
    fn enter(&self, id: u64, subscription: Py<PyAny>) {
        let replaced = self
            .subscribed
            .with(|subscribed| subscribed.enter(id, subscription));
        drop(replaced);
    }

    /// Forget the subscription of that id, if it is there.
    fn discard(&self, id: u64) {
        let gone = self.subscribed.with(|subscribed| subscribed.discard(id));
        drop(gone);
    }

    /// What waits for its next attempt, and the timer of that.
    #[getter]
    fn backing_off(&self, py: Python<'_>) -> Py<PyDict> {
        self.backing_off.made(py)
    }

    /// What was polled and not yet acknowledged, by the id of the message.
    #[getter]
    fn unacknowledged(&self, py: Python<'_>) -> Py<PyDict> {
        self.unacknowledged.made(py)
    }

    /// Whether anything waits for its next attempt.
    #[getter]
    fn backs_off(&self, py: Python<'_>) -> bool {
        self.backing_off.entries(py) > 0
    }

    /// How much was polled and not yet acknowledged.
    #[getter]
    fn unacknowledged_count(&self, py: Python<'_>) -> usize {
        self.unacknowledged.entries(py)
    }

    /// How many deliveries run.
    #[getter]
    fn running_count(&self, py: Python<'_>) -> PyResult<usize> {
        wide(self.tell_newest(py))?;
        Ok(self.running.entries(py))
    }

    /// The deliveries that its handlers have begun with, or that its owner has.
    #[getter]
    pub(crate) fn running(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        wide(self.tell_newest(py))?;
        Ok(self.entered(py))
    }

    /// From the acceptance of a message to the end of its handler; None before the first.
    #[getter]
    fn latency(&self, py: Python<'_>) -> Option<Py<Histogram>> {
        self.latency.shared(py)
    }

    #[setter]
    fn set_latency(&self, py: Python<'_>, latency: Option<Py<Histogram>>) {
        self.latency.put(py, latency);
    }

    /// Count a handled delivery, which took so many seconds.
    #[pyo3(name = "count_handled")]
    fn count_one_handled(&self, py: Python<'_>, latency: f64) -> PyResult<()> {
        wide(self.count_handled(py, latency))
    }

    /// Note that its handler kept everybody else from running for so many seconds.
    fn note_block(&self, duration: f64) {
        self.count_block(duration);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.policy)?;
        visit.call(&self.options)?;
        visit.call(&self.arrange)?;
        self.handler.with(|object| visit.call(&*object))?;
        self.context.with(|object| visit.call(&*object))?;
        self.lanes
            .with(|lanes| lanes.iter().try_for_each(|lane| visit.call(lane)))?;
        self.subscribed
            .with(|subscribed| subscribed.visit(&visit))?;
        self.direct.with(|object| visit.call(&*object))?;
        self.receivers.with(|object| visit.call(&*object))?;
        self.latency.with(|object| visit.call(&*object))?;
        self.running.with(|object| visit.call(&*object))?;
        self.backing_off.with(|object| visit.call(&*object))?;
        self.unacknowledged.with(|object| visit.call(&*object))?;
        self.newest.with(|object| visit.call(&*object))?;
        self.spare.read(|spare| match spare {
            Some(spare) => spare.visit(&visit),
            None => Ok(()),
        })
    }

    fn __clear__(&self) {
        drop(self.handler.replace(None));
        drop(self.context.replace(None));
        drop(self.lanes.replace(Vec::new()));
        drop(self.subscribed.replace(Subscribed::Not));
        drop(self.direct.replace(None));
        drop(self.receivers.replace(None));
        drop(self.running.replace(None));
        drop(self.backing_off.replace(None));
        drop(self.unacknowledged.replace(None));
        drop(self.newest.replace(None));
        if !self.lends() {
            drop(self.spare.replace(None));
        }
    }
}

impl RecipientState {
    /// The deliveries that run and are known to Python.
    pub(crate) fn entered(&self, py: Python<'_>) -> Py<PyDict> {
        self.running.made(py)
    }

    /// Takes note that a call is over.
    #[inline]
    pub(crate) fn end(&self, py: Python<'_>, call: &Py<Running>) {
        let is_newest = |newest: &mut Option<Py<Running>>| {
            newest.as_ref().is_some_and(|newest| newest.is(call))
        };
        if self.newest.with(is_newest) {
            self.newest.put(py, None);
        }
    }

    /// The lane at a place in their order, if there are as many.
    #[inline]
    pub(crate) fn lane_at(&self, py: Python<'_>, place: usize) -> Option<Py<Lane>> {
        self.lanes
            .with(|lanes| lanes.get(place).map(|lane| lane.clone_ref(py)))
    }
}

properties! { RecipientState {
    /// Seconds after which a handler that waits has taken too long; infinity for never.
    timeout, set_timeout: f64;
    /// Whether the handler wants the delivery beside the message.
    wants_delivery, set_wants_delivery: bool;
    /// Whether it is a subscription's own recipient, and no agent.
    is_feed, set_is_feed: bool;
    /// Whether an extension takes messages by it, and it is no agent.
    is_extension, set_is_extension: bool;
    /// Whether all that it gets comes by way of its stored mailbox.
    durable, set_durable: bool;
    /// Whether it is not called until it is back.
    away, set_away: bool;
    /// Whether it gets its backlog, which everything else waits for.
    returning, set_returning: bool;
    /// Whether it is away because its handler failed too often in a row.
    quarantined, set_quarantined: bool;
    /// Whether nothing comes to it any more.
    closed, set_closed: bool;
    /// Whether its owner has closed it.
    dismissed, set_dismissed: bool;
    /// How many iterate over what comes.
    iterators, set_iterators: u32;
    /// How many more of its deliveries may begin now.
    slots, set_slots: i64;
    /// The slots that it gets back when it returns.
    slots_away, set_slots_away: i64;
    /// How many calls of its handler have failed since one did not.
    failures_in_a_row, set_failures_in_a_row: u64;
    /// Messages that passed its filters.
    addressed, set_addressed: u64;
    /// Deliveries whose handler finished, or that the owner has.
    handled, set_handled: u64;
    /// Deliveries that failed for good.
    dead, set_dead: u64;
    /// Deliveries that an overflow policy dropped.
    dropped, set_dropped: u64;
    /// Deliveries that came too late.
    expired, set_expired: u64;
    /// Deliveries that went to the stored mailbox.
    stored, set_stored: i64;
    /// Deliveries that the closing of the agent or of the bus left.
    abandoned, set_abandoned: u64;
    /// Attempts beyond the first.
    retries, set_retries: u64;
    /// Seconds for which its handler kept everybody else from running, in all.
    blocked, set_blocked: f64;
    /// The same, for its longest stretch.
    longest_block, set_longest_block: f64;
} }

references! { RecipientState {
    /// What is called with its messages, or None when its owner receives.
    handler, set_handler;
    /// What a handler's own copy of the context is made from: as it was at registration.
    context, set_context;
    /// Tasks that wait for its mail, the one that has waited longest first, as a deque; None while there was none.
    receivers, set_receivers;
} }

#[pymethods]
impl RecipientState {
    /// The quota of what is addressed to it directly, or to everybody; None while nothing was.
    #[getter]
    fn direct(&self, py: Python<'_>) -> Option<Py<QuotaState>> {
        self.direct.shared(py)
    }

    #[setter]
    fn set_direct(&self, py: Python<'_>, quota: Option<Py<QuotaState>>) {
        self.direct.put(py, quota);
    }
}

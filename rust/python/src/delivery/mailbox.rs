//! A mailbox: the lanes in which deliveries wait for one recipient.
use std::collections::VecDeque;
use std::mem::offset_of;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;
use pyo3::{PyTraverseError, PyVisit};

use super::cell::{LockedCell, properties, references};
use super::deliveries::{Delivery, WAITING};
use super::message::{Message, NORMAL};
use super::moulds::moulded;
use super::prefetch::{HEAD, LINE, prefetch};
use super::recipient::RecipientState;
use super::routes::Target;

/// Ghosts that a lane bears before it is worth looking for them.
const SLACK: usize = 64;
/// How many priorities there are.
const RANKS: usize = 4;

/// What waits: a message for a target. The object that stands for it in Python is made when somebody wants it.
pub(crate) enum Entry {
    Message(Py<Message>, Py<Target>),
    Delivery(Py<Delivery>),
}

// A mailbox that is full is mostly entries.
const _: () = assert!(size_of::<Entry>() == 2 * size_of::<usize>());

impl Entry {
    #[inline]
    pub(crate) fn message(&self) -> &Py<Message> {
        match self {
            Self::Message(message, _) => message,
            Self::Delivery(delivery) => &delivery.get().message,
        }
    }

    #[inline]
    pub(crate) fn target(&self) -> &Py<Target> {
        match self {
            Self::Message(_, target) => target,
            Self::Delivery(delivery) => &delivery.get().target,
        }
    }

    /// Whether it has ceased to wait where it stands.
    fn is_ghost(&self) -> bool {
        match self {
            Self::Message(..) => false,
            Self::Delivery(delivery) => delivery.get()._state.get() != WAITING,
        }
    }

    /// The delivery that it is, made if need be.
    fn delivery(&mut self, py: Python<'_>) -> PyResult<Py<Delivery>> {
        let delivery = match self {
            Self::Delivery(delivery) => return Ok(delivery.clone_ref(py)),
            Self::Message(message, target) => {
                Delivery::first(message.clone_ref(py), target.clone_ref(py), WAITING, 0.0)
            }
        };
        let delivery = moulded(py, delivery)?;
        *self = Self::Delivery(delivery.clone_ref(py));
        Ok(delivery)
    }

    /// Lets go of it.
    #[inline]
    pub(crate) fn drop_ref(self, py: Python<'_>) {
        match self {
            Self::Message(message, target) => {
                message.drop_ref(py);
                target.drop_ref(py);
            }
            Self::Delivery(delivery) => delivery.drop_ref(py),
        }
    }

    pub(super) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Message(message, target) => {
                visit.call(message)?;
                visit.call(target)
            }
            Self::Delivery(delivery) => visit.call(delivery),
        }
    }
}

/// The entries of one lane: those of NORMAL messages, and the others by rank, made on demand.
#[repr(C)]
struct Queues {
    normal: VecDeque<Entry>,
    others: Option<Box<[VecDeque<Entry>; RANKS]>>,
    /// Entries that have ceased to wait and stand here still.
    ghosts: usize,
}

impl Queues {
    fn of(&mut self, rank: u8) -> &mut VecDeque<Entry> {
        if rank == NORMAL {
            return &mut self.normal;
        }
        let place = usize::from(rank).min(RANKS - 1);
        #[allow(clippy::indexing_slicing, reason = "it is within the ranks")]
        &mut self.others.get_or_insert_default()[place]
    }

    /// Whether the first of the NORMAL ones is the first of all.
    #[inline]
    fn are_plain(&self) -> bool {
        self.others.is_none() && self.ghosts == 0
    }

    /// The queues, the most urgent first.
    fn in_order(&mut self) -> impl Iterator<Item = &mut VecDeque<Entry>> {
        let mut low = None;
        let mut urgent = [None, None];
        if let Some(others) = &mut self.others {
            let [first, _, third, fourth] = &mut **others;
            low = Some(first);
            urgent = [Some(fourth), Some(third)];
        }
        urgent
            .into_iter()
            .flatten()
            .chain(std::iter::once(&mut self.normal))
            .chain(low)
    }

    /// The front of what waits; ghosts that stood before it are moved out.
    fn front(&mut self, ghosts: &mut Vec<Entry>) -> Option<&mut VecDeque<Entry>> {
        let mut gone = 0;
        let found = self.in_order().find_map(|queue| {
            while queue.front().is_some_and(Entry::is_ghost) {
                ghosts.extend(queue.pop_front());
                gone += 1;
            }
            (!queue.is_empty()).then_some(std::ptr::from_mut(queue))
        });
        self.ghosts = self.ghosts.saturating_sub(gone);
        #[allow(
            unsafe_code,
            reason = "the borrow checker does not see that the loop is over"
        )]
        // SAFETY: it points into `self`, which is borrowed for as long as the result.
        found.map(|queue| unsafe { &mut *queue })
    }
}

/// Takes the first entry of a queue out, if it is wanted.
#[inline]
fn pop_if(queue: &mut VecDeque<Entry>, wanted: impl FnOnce(&Entry) -> bool) -> Option<Entry> {
    if wanted(queue.front()?) {
        queue.pop_front()
    } else {
        None
    }
}

/// What waits for one recipient in one mode; adding, taking and dropping are O(1), amortised.
///
/// A delivery that is dropped from the middle stays in its queue as a ghost until it comes to the front, or until there
/// are more ghosts than deliveries.
///
/// What every call reads and writes stands at the beginning, as in a [`RecipientState`].
#[pyclass(module = "stentor._native", frozen)]
#[repr(C)]
pub(crate) struct Lane {
    #[pyo3(get)]
    pub(crate) recipient: Py<RecipientState>,
    pub(crate) waiting: LockedCell<usize>,
    peak: LockedCell<usize>,
    queues: LockedCell<Queues>,
    again: LockedCell<Option<Py<PyAny>>>,
    pub(crate) apart: LockedCell<u32>,
    /// Whether it is due as soon as it has anything, one message at a time.
    #[pyo3(get)]
    pub(crate) realtime: bool,
    pub(crate) counted: LockedCell<bool>,
    pub(crate) scheduled: LockedCell<bool>,
    held: LockedCell<bool>,
    /// Whether it is for what comes from the stored mailbox.
    #[pyo3(get)]
    backlog: bool,
    /// When the recipient is called, and with what.
    #[pyo3(get)]
    mode: Py<PyAny>,
    alarm: LockedCell<u64>,
    alarm_at: LockedCell<f64>,
}

// What every call touches is in those lines, behind what an object begins with.
const _: () = assert!(HEAD + offset_of!(Lane, mode) <= Lane::HOT_LINES * LINE);

impl Lane {
    /// Lines of memory in which lies what every call touches.
    pub(super) const HOT_LINES: usize = 2;

    /// Whether it is the one for a mode, that of the backlog or the other one.
    pub(crate) fn is_for(&self, mode: &Bound<'_, PyAny>, backlog: bool) -> PyResult<bool> {
        Ok(self.backlog == backlog
            && (mode.is(&self.mode) || self.mode.bind(mode.py()).eq(mode)?))
    }

    /// Whether what waits in a lane of its mode keeps the bus from being settled.
    pub(crate) fn keeps_busy(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.realtime
            || self
                .mode
                .getattr(py, intern!(py, "counts"))?
                .is_truthy(py)?)
    }

    /// Lets the backlog go first.
    pub(crate) fn hold(&self) {
        self.held.set(true);
        self.scheduled.set(true);
    }

    /// Whether a call is to be made once more before anything that waits.
    pub(crate) fn tries_again(&self) -> bool {
        self.again.with(|again| again.is_some())
    }

    /// Has the processor fetch what its next call needs.
    #[inline]
    pub(super) fn foresee(&self) {
        prefetch(self.recipient.as_ptr(), RecipientState::HOT_LINES);
        self.queues.with(|queues| {
            if let Some(entry) = queues.normal.front() {
                prefetch(entry, 1);
            }
        });
    }

    /// Whether something waits that is not lined up yet.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.waiting.get() > 0 && !self.scheduled.get()
    }

    /// Adds an entry behind those of its rank, or before them.
    #[inline(always)]
    pub(crate) fn push(&self, entry: Entry, rank: u8, first: bool) {
        if rank == NORMAL && !first {
            self.queues.with(|queues| queues.normal.push_back(entry));
        } else {
            self.push_by_rank(entry, rank, first);
        }
        let waiting = self.waiting.get() + 1;
        self.waiting.set(waiting);
        if waiting > self.peak.get() {
            self.peak.set(waiting);
        }
    }

    #[inline(never)]
    fn push_by_rank(&self, entry: Entry, rank: u8, first: bool) {
        self.queues.with(|queues| {
            let queue = queues.of(rank);
            if first {
                queue.push_front(entry);
            } else {
                queue.push_back(entry);
            }
        });
    }

    /// Takes the first entry out, if `wanted` says so; None when nothing waits, or it is not wanted.
    #[inline]
    pub(crate) fn pop(&self, wanted: impl FnOnce(&Entry) -> bool) -> Option<Entry> {
        let entry = if self.queues.with(|queues| queues.are_plain()) {
            self.queues
                .with(|queues| pop_if(&mut queues.normal, wanted))
        } else {
            self.pop_most_urgent(wanted)
        };
        if entry.is_some() {
            self.waiting.set(self.waiting.get() - 1);
        }
        entry
    }

    #[inline(never)]
    fn pop_most_urgent(&self, wanted: impl FnOnce(&Entry) -> bool) -> Option<Entry> {
        loop {
            let mut ghosts = Vec::new();
            self.queues
                .with(|queues| queues.front(&mut ghosts).is_some());
            if ghosts.is_empty() {
                break;
            } // else they go here, where nothing has been taken out that a finalizer could push out once more
        }
        let mut none = Vec::new();
        self.queues
            .with(|queues| pop_if(queues.front(&mut none)?, wanted))
    }

    /// Does something with every entry outside of the cell, and keeps those that it says.
    fn sift(&self, mut keep: impl FnMut(&mut Entry) -> PyResult<bool>) -> PyResult<()> {
        let empty = Queues {
            normal: VecDeque::new(),
            others: None,
            ghosts: 0,
        };
        let mut taken = self.queues.replace(empty);
        let mut dropped = Vec::new();
        let mut result = Ok(());
        let mut gone = 0;
        for queue in taken.in_order() {
            for mut entry in std::mem::take(queue) {
                if result.is_ok() {
                    match keep(&mut entry) {
                        Ok(false) => {
                            gone += 1;
                            dropped.push(entry);
                            continue;
                        }
                        Ok(true) => {}
                        Err(error) => result = Err(error),
                    }
                }
                queue.push_back(entry);
            }
        }
        taken.ghosts = taken.ghosts.saturating_sub(gone);
        let mut added = self.queues.replace(taken);
        for queue in added.in_order() {
            for entry in queue.drain(..) {
                let rank = entry.message().get().rank;
                self.queues.with(|queues| queues.of(rank).push_back(entry));
            }
        }
        drop(dropped);
        result
    }
}

#[pymethods]
impl Lane {
    /// Make an empty lane of `recipient` for `mode`.
    #[new]
    pub(crate) fn new(
        recipient: Py<RecipientState>,
        mode: Py<PyAny>,
        realtime: bool,
        backlog: bool,
    ) -> Self {
        Self {
            recipient,
            mode,
            realtime,
            backlog,
            counted: LockedCell::new(false),
            scheduled: LockedCell::new(false),
            held: LockedCell::new(false),
            apart: LockedCell::new(0),
            alarm: LockedCell::new(0),
            alarm_at: LockedCell::new(f64::INFINITY),
            again: LockedCell::new(None),
            waiting: LockedCell::new(0),
            peak: LockedCell::new(0),
            queues: LockedCell::new(Queues {
                normal: VecDeque::new(),
                others: None,
                ghosts: 0,
            }),
        }
    }

    /// Add a delivery behind those of its priority, or before them when it is put back.
    #[pyo3(signature = (delivery, *, first = false))]
    fn put(&self, delivery: Py<Delivery>, first: bool) {
        let rank = delivery.get().message.get().rank;
        self.push(Entry::Delivery(delivery), rank, first);
    }

    /// Remove and return the first delivery, or None when nothing waits.
    fn take(&self, py: Python<'_>) -> PyResult<Option<Py<Delivery>>> {
        self.pop(|_| true)
            .map(|mut entry| entry.delivery(py))
            .transpose()
    }

    /// Return the delivery that would be taken next, or None.
    fn first(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyAny>>> {
        let all = Self::__iter__(slf)?;
        Ok(all.try_iter()?.next().transpose()?.map(Bound::unbind))
    }

    /// Let go of one delivery that has just ceased to wait, wherever it stands.
    #[pyo3(name = "drop")]
    fn let_go(&self) -> PyResult<()> {
        let waiting = self.waiting.get().saturating_sub(1);
        self.waiting.set(waiting);
        let ghosts = self.queues.with(|queues| {
            queues.ghosts += 1;
            queues.ghosts
        });
        if ghosts > waiting + SLACK {
            self.sift(|entry| Ok(!entry.is_ghost()))?;
        }
        Ok(())
    }

    /// Iterate over what waits now, in the order in which it would be taken.
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let found = PyList::empty(slf.py());
        slf.get().sift(|entry| {
            if !entry.is_ghost() {
                found.append(entry.delivery(slf.py())?)?;
            }
            Ok(true)
        })?;
        Ok(found.try_iter()?.into_any())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.recipient)?;
        visit.call(&self.mode)?;
        self.again.with(|again| visit.call(&*again))?;
        self.queues.with(|queues| {
            queues
                .in_order()
                .flat_map(|queue| queue.iter())
                .try_for_each(|entry| entry.visit(&visit))
        })
    }

    fn __clear__(&self) {
        drop(self.again.replace(None));
        drop(self.queues.replace(Queues {
            normal: VecDeque::new(),
            others: None,
            ghosts: 0,
        }));
    }
}

properties! { Lane {
    /// Whether what waits here keeps the bus from being settled.
    counted, set_counted: bool;
    /// Whether it stands in the ready queue, or is held.
    scheduled, set_scheduled: bool;
    /// Whether what waits here lets the backlog go first.
    held, set_held: bool;
    /// How often in a row its handler must not wait before the leader serves it again; 0 while it does.
    apart, set_apart: u32;
    /// The timer that will look whether it is due.
    alarm, set_alarm: u64;
    /// When that goes off.
    alarm_at, set_alarm_at: f64;
    /// How many deliveries wait.
    waiting, set_waiting: usize;
    /// The most that ever waited at once.
    peak, set_peak: usize;
} }

references! { Lane {
    /// What leads calls whose next attempt is due, and that have kept their slot; None for none.
    again, set_again;
} }

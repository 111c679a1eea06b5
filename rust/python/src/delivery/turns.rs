//! Turns: a task that waits has its turn at once, within that of the task that runs.
//!
//! trio gives a task its turn in its next scheduling pass, which takes as long as forty deliveries, and whoever waits for
//! what that task does waits for two. Here is done with a task what trio does in a pass, in the same order: it runs as the
//! current task, in its own context, until it waits again, and then hears at once of a cancellation that has come
//! meanwhile. `stentor._machine.inside_trio` looks whether trio keeps what this reads and writes.
#![allow(
    unsafe_code,
    reason = "what stands upon what, and which exception is being handled, has no safe interface"
)]

use pyo3::exceptions::PyAttributeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySet, PyType};
use pyo3::{PyTraverseError, PyVisit};

use super::cell::LockedCell;
use super::context::{enter, leave};
use super::coroutine::{Stepped, send};
use super::time::Meter;
use super::trio_state::{Slot, TrioState};

/// Turns that are given in a row, before a worker has one of its own, and the rest of the program with it.
const MOST: u32 = 16;
/// Seconds that they may take together, after which none is given.
const LONGEST: f64 = 1e-3;

/// Where a task keeps what its turn needs.
struct Kept {
    coroutine: Slot,
    context: Slot,
    /// What is called when it is cancelled while it waits.
    abort: Slot,
    /// How often it has been told of a cancellation, or might have been.
    cancel_points: Slot,
    /// How often others had a turn.
    schedule_points: Slot,
    /// What its next turn calls.
    next: Slot,
}

/// What there is beneath the tasks of a run, which is nobody's of them.
#[derive(Clone, Copy)]
struct Ground {
    /// How many frames.
    frames: usize,
    /// Which exception is being handled, if any: it is, for as long as the run lasts.
    error: *mut ffi::PyObject,
}

// SAFETY: the pointer is compared, and never followed.
unsafe impl Send for Ground {}

/// Gives turns to the workers of all buses of one trio run.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Turns {
    trio: TrioState,
    kept: Kept,
    /// Who watches what tasks do, by what is told.
    instruments: Py<PyDict>,
    /// The tasks of all workers, for as long as they live.
    #[pyo3(get)]
    workers: Py<PySet>,
    /// `frame(depth)`: the frame so many calls back; an error where there are not so many.
    frame: Py<PyAny>,
    /// Frames between trio and who gives a turn at most: whoever has it stands upon them.
    deepest: usize,
    /// The class of what a task asks of trio to wait; it has `abort_func`.
    waiting: Py<PyType>,
    /// What it asks to let others have a turn.
    pausing: Py<PyAny>,
    /// `reschedule(task)`.
    reschedule: Py<PyAny>,
    /// `value(result)`: how a task has ended that returned.
    value: Py<PyAny>,
    /// `error(error)`: how a task has ended that raised.
    error: Py<PyAny>,
    /// `replay(trap)`: a function that returns what a task has asked.
    replay: Py<PyAny>,
    /// What a turn of its own stands upon.
    ground: LockedCell<Option<Ground>>,
    /// Whether somebody has a turn now that was given.
    giving: LockedCell<bool>,
    /// How many have been given in a row, and how many seconds these took.
    given: LockedCell<u32>,
    taken: LockedCell<f64>,
}

impl Turns {
    /// The task that runs, if it may give its turn to another.
    ///
    /// It may not if it is cancelled or has its turn from another, or if it is a worker itself, to whose handler what
    /// others do would be put down; if somebody watches every turn, if the rest of the program has waited long enough,
    /// if it stands so deep that a handler would have few calls left, and while it handles an exception, which would become
    /// the context of every other.
    pub(super) fn giver<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.giving.get() || self.given.get() >= MOST || self.taken.get() > LONGEST {
            return Ok(None);
        }
        let (Some(task), Some(ground)) = (self.trio.task(py)?, self.ground.get()) else {
            return Ok(None);
        };
        let may = !self.trio.is_cancelled(&task)?
            && !self.workers.bind(py).contains(&task)?
            && !self.is_watched(py)?
            && handled(py) == ground.error
            && self
                .frame
                .call1(py, (ground.frames + self.deepest,))
                .is_err();
        Ok(may.then_some(task))
    }

    /// Whether somebody watches every turn of every task, and would miss those that are given.
    fn is_watched(&self, py: Python<'_>) -> PyResult<bool> {
        let instruments = self.instruments.bind(py);
        Ok(instruments.contains(intern!(py, "task_scheduled"))?
            || instruments.contains(intern!(py, "before_task_step"))?
            || instruments.contains(intern!(py, "after_task_step"))?)
    }

    /// Wakes a worker that waits, and lets it run within the turn of `giver`; returns whether it waits again, and `giver`
    /// was not cancelled by what it did.
    pub(super) fn give(
        &self,
        giver: &Bound<'_, PyAny>,
        worker: &Bound<'_, PyAny>,
        woken: &Bound<'_, PyAny>,
        meter: &Meter,
    ) -> PyResult<bool> {
        let py = worker.py();
        let places = (
            self.kept.context.read(worker),
            self.kept.coroutine.read(worker),
        );
        let (Some(context), Some(coroutine)) = places else {
            return Err(PyAttributeError::new_err("a task of another class"));
        };
        let context = context.unbind();
        let begun = meter.tick(py)?;
        enter(py, &context)?;
        self.given.add(1);
        self.giving.set(true);
        self.kept.abort.write(worker, py.None());
        let waits = self.trio.let_run(worker).and_then(|()| {
            let stepped = send(py, coroutine.unbind(), woken);
            leave(py, &context)?;
            match stepped {
                Stepped::Suspended { trap, .. } => self.take_in(worker, trap),
                Stepped::Returned(result) => self.end(worker, &self.value, &result),
                Stepped::Raised(error) => self.end(worker, &self.error, error.value(py).as_any()),
            }
        });
        self.giving.set(false);
        self.taken.add(meter.now.get() - begun);
        self.trio.let_run(giver)?;
        Ok(waits? && !self.trio.is_cancelled(giver)?)
    }

    /// Whether the task that runs is cancelled.
    pub(super) fn is_cancelled(&self, py: Python<'_>) -> PyResult<bool> {
        match self.trio.task(py)? {
            Some(task) => self.trio.is_cancelled(&task),
            None => Ok(false),
        }
    }

    /// Takes note that a worker has its turn: if it was not given, the rest of the program has had its own, too.
    pub(super) fn arrived(&self, py: Python<'_>) {
        if self.giving.get() {
            return;
        }
        self.given.set(0);
        self.taken.set(0.0);
        if self.ground.get().is_none() {
            let (frames, error) = (frames(py), handled(py));
            self.ground.set(Some(Ground { frames, error }));
        }
    }

    /// Does what a task has asked of trio; returns whether it waits.
    fn take_in(&self, task: &Bound<'_, PyAny>, trap: Py<PyAny>) -> PyResult<bool> {
        let py = task.py();
        let trap = trap.into_bound(py);
        if trap.get_type().is(&self.waiting) {
            count(&self.kept.schedule_points, task)?;
            count(&self.kept.cancel_points, task)?;
            let abort = trap.getattr(intern!(py, "abort_func"))?;
            self.kept.abort.write(task, abort.unbind());
            if self.trio.is_cancelled(task)? {
                task.call_method0(intern!(py, "_attempt_delivery_of_any_pending_cancel"))?;
            }
            return Ok(true);
        }
        self.reschedule.call1(py, (task,))?;
        if trap.is(&self.pausing) {
            count(&self.kept.schedule_points, task)?;
        } else {
            let next = self.replay.call1(py, (trap,))?; // with which trio does the same in its next pass
            self.kept.next.write(task, next);
        }
        Ok(false)
    }

    /// Lets trio know that a task has ended, and how.
    #[cold]
    fn end(
        &self,
        task: &Bound<'_, PyAny>,
        how: &Py<PyAny>,
        result: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let py = task.py();
        let outcome = how.call1(py, (result,))?;
        let runner = self.trio.runner(py)?;
        runner.call_method1(intern!(py, "task_exited"), (task, outcome))?;
        Ok(false)
    }
}

/// Which exception is being handled; null for none.
fn handled(py: Python<'_>) -> *mut ffi::PyObject {
    // SAFETY: attached; it returns a new reference, or null, to what lives on without it.
    let error = unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyErr_GetHandledException()) };
    error.map_or(std::ptr::null_mut(), |error| error.as_ptr())
}

/// How many frames there are.
fn frames(py: Python<'_>) -> usize {
    // SAFETY: attached; it returns a borrowed reference, or null.
    let innermost = unsafe { ffi::PyEval_GetFrame() };
    // SAFETY: as above.
    let innermost = unsafe { Bound::from_borrowed_ptr_or_opt(py, innermost.cast()) };
    std::iter::successors(innermost, |frame| {
        let back = frame.getattr(intern!(py, "f_back")).ok()?;
        (!back.is_none()).then_some(back)
    })
    .count()
}

/// Adds one to a number that a task keeps.
fn count(slot: &Slot, task: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Some(number) = slot.read(task) {
        slot.write(task, number.add(1)?.unbind());
    }
    Ok(())
}

#[pymethods]
impl Turns {
    /// Give turns to the workers of the trio run in which this is called.
    ///
    /// Args:
    ///     state: What trio keeps about this thread.
    ///     task: One of the tasks.
    ///     frame: Returns the frame so many calls back; raises where there are not so many.
    ///     deepest: How many frames there may be between trio and who gives a turn.
    ///     waiting: The class of what a task asks of trio to wait.
    ///     pausing: What it asks to let others have a turn.
    ///     reschedule: Lets a task have a turn in the next pass.
    ///     value: Makes an outcome of what a task returned.
    ///     error: Makes an outcome of what a task raised.
    ///     replay: Makes a function that returns what a task has asked.
    ///
    /// Raises:
    ///     AttributeError: A task keeps something elsewhere.
    #[new]
    #[pyo3(signature = (state, *, task, frame, deepest, waiting, pausing, reschedule, value, error, replay))]
    #[allow(clippy::too_many_arguments, reason = "as many as trio has to do with")]
    fn new(
        state: Bound<'_, PyDict>,
        task: &Bound<'_, PyAny>,
        frame: Py<PyAny>,
        deepest: usize,
        waiting: Py<PyType>,
        pausing: Py<PyAny>,
        reschedule: Py<PyAny>,
        value: Py<PyAny>,
        error: Py<PyAny>,
        replay: Py<PyAny>,
    ) -> PyResult<Self> {
        let py = state.py();
        let slot = |name| {
            Slot::of(task, name).ok_or_else(|| PyAttributeError::new_err(format!("no slot {name}")))
        };
        task.getattr("_attempt_delivery_of_any_pending_cancel")?;
        let trio = TrioState::new(state)?;
        let instruments = trio.runner(py)?.getattr("instruments")?.getattr("data")?;
        Ok(Self {
            kept: Kept {
                coroutine: slot("coro")?,
                context: slot("context")?,
                abort: slot("_abort_func")?,
                cancel_points: slot("_cancel_points")?,
                schedule_points: slot("_schedule_points")?,
                next: slot("_next_send_fn")?,
            },
            instruments: instruments.cast_into()?.unbind(),
            workers: PySet::empty(py)?.unbind(),
            frame,
            deepest,
            trio,
            waiting,
            pausing,
            reschedule,
            value,
            error,
            replay,
            ground: LockedCell::new(None),
            giving: LockedCell::new(false),
            given: LockedCell::new(0),
            taken: LockedCell::new(0.0),
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.trio.visit(&visit)?;
        visit.call(&self.instruments)?;
        visit.call(&self.workers)
    }
}

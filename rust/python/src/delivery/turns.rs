//! Turns: a task that waits has its turn at once, within that of the task that runs.
//!
//! trio gives a task its turn in its next scheduling pass, which takes as long as forty deliveries, and whoever waits for
//! what that task does waits for two. Here is done with a task what trio does in a pass, in the same order: it runs as the
//! current task, in its own context, until it waits again, and then hears at once of a cancellation that has come
//! meanwhile. `stentor._machine.inside_trio` looks whether trio keeps what this reads and writes.
use pyo3::exceptions::PyAttributeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use pyo3::{PyTraverseError, PyVisit};

use super::coroutine::{Stepped, inside, send};
use super::trio_state::{Slot, TrioState};

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

/// Gives turns to tasks of one trio run.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Turns {
    trio: TrioState,
    kept: Kept,
    /// Who watches what tasks do, by what is told.
    instruments: Py<PyDict>,
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
}

impl Turns {
    /// The task that runs, if it may let another have a turn: it is not cancelled, and nobody watches every step.
    pub(super) fn giver<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(task) = self.trio.task(py)? else {
            return Ok(None);
        };
        let instruments = self.instruments.bind(py);
        let watched = instruments.contains(intern!(py, "before_task_step"))?
            || instruments.contains(intern!(py, "after_task_step"))?;
        Ok((!watched && !self.trio.is_cancelled(&task)?).then_some(task))
    }

    /// Wakes a task that waits, and lets it run within the turn of `giver`, which runs; returns whether it waits again.
    pub(super) fn give(
        &self,
        giver: &Bound<'_, PyAny>,
        task: &Bound<'_, PyAny>,
        woken: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let py = task.py();
        let (Some(context), Some(coroutine)) =
            (self.kept.context.read(task), self.kept.coroutine.read(task))
        else {
            return Ok(false);
        };
        self.kept.abort.write(task, py.None());
        self.trio.let_run(task)?;
        let step = || send(py, coroutine.unbind(), woken);
        let waits = match inside(py, &context.unbind(), step) {
            Stepped::Suspended { trap, .. } => self.take_in(task, trap),
            Stepped::Returned(result) => self.end(task, &self.value, &result),
            Stepped::Raised(error) => self.end(task, &self.error, error.value(py).as_any()),
        };
        self.trio.let_run(giver)?;
        waits
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
        if !trap.is(&self.pausing) {
            let next = self.replay.call1(py, (trap,))?; // which trio does in its next pass
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

/// Adds one to a number that a task keeps.
fn count(slot: &Slot, task: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Some(number) = slot.read(task) {
        slot.write(task, number.add(1)?.unbind());
    }
    Ok(())
}

#[pymethods]
impl Turns {
    /// Give turns to tasks of the trio run in which this is called.
    ///
    /// Args:
    ///     state: What trio keeps about this thread.
    ///     task: One of the tasks.
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
    #[pyo3(signature = (state, *, task, waiting, pausing, reschedule, value, error, replay))]
    #[allow(clippy::too_many_arguments, reason = "as many as trio has to do with")]
    fn new(
        state: Bound<'_, PyDict>,
        task: &Bound<'_, PyAny>,
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
            trio,
            waiting,
            pausing,
            reschedule,
            value,
            error,
            replay,
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.trio.visit(&visit)?;
        visit.call(&self.instruments)
    }
}

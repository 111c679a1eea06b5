//! A shift: a worker begins calls until one suspends, sees that through, and goes on.
use pyo3::exceptions::{PyGeneratorExit, PyRuntimeError, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyNone;
use pyo3::{PyTraverseError, PyVisit};

use super::awaiting::like_a_coroutine;
use super::cell::{LockedCell, references};
use super::coroutine::thrown;
use super::deliveries::Delivery;
use super::pump::Pump;
use super::slim::wide;
use super::suspended::{Ended, Input, Resumed, Suspended};
use super::workers::WorkersState;

/// How a stretch of a shift ended.
enum Stretch {
    /// A handler waits, and asks this of trio.
    Asks(Py<PyAny>),
    /// There is nothing to begin.
    Idle,
    /// A handler has ended, and it must be looked at whether the worker may go on: with its cancel scope, or not.
    Ended { usable: bool },
}

/// What one worker does while there is something to do; to await it is to do it.
///
/// It gives what a handler asks of trio to whoever awaits it, and what trio answers to the handler. To those who ask
/// what the worker waits for, it looks like the coroutine of the handler.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Shift {
    pump: Py<Pump>,
    workers: Py<WorkersState>,
    task: Py<PyAny>,
    /// Calls that a leader begins before it lets the rest of the program have a turn.
    budget: u32,
    scope: LockedCell<Option<Py<PyAny>>>,
    served: LockedCell<Option<Py<PyAny>>>,
    /// The call that waits.
    call: LockedCell<Option<Suspended>>,
    /// How the stretch ended with which it led at once.
    found: LockedCell<Option<Stretch>>,
    /// What interrupted the worker while its handler waited.
    interruption: LockedCell<Option<PyErr>>,
}

impl Shift {
    /// Goes on with what waits, if anything does.
    #[inline]
    fn resume<'py>(&self, py: Python<'py>, input: Input<'py>) -> PyResult<Option<Resumed<'py>>> {
        let Some(call) = self.call.replace(None) else {
            return Ok(None);
        };
        let meter = self.pump.get().meter.get();
        match meter.tick(py) {
            Ok(started) => Ok(Some(call.resume(py, meter, started, input))),
            Err(error) => {
                drop(self.call.replace(Some(call)));
                Err(error)
            }
        }
    }

    /// Goes on with what waits, and then with what else there is.
    #[inline]
    fn go_on(&self, value: Bound<'_, PyAny>) -> PyResult<Stretch> {
        let py = value.py();
        if let Some(stretch) = self.found.replace(None) {
            return Ok(stretch);
        }
        let input = match self.interruption.replace(None) {
            Some(error) => Input::Error(error),
            None => Input::Value(value),
        };
        match self.resume(py, input)? {
            None => self.begin(py),
            Some(Resumed::Asked(call, trap)) => {
                drop(self.call.replace(Some(call)));
                Ok(Stretch::Asks(trap))
            }
            Some(Resumed::Ended(ended)) => {
                let usable = self.end(py, ended)?;
                if usable && self.pump.get().may_go_on(self.task.bind(py))? {
                    self.begin(py)
                } else {
                    Ok(Stretch::Ended { usable })
                }
            }
        }
    }

    /// Begins calls, as the leader if there is no other, until one suspends.
    fn begin(&self, py: Python<'_>) -> PyResult<Stretch> {
        let pump = self.pump.get();
        let workers = self.workers.get();
        if !workers.claim(self.task.bind(py)) {
            return match wide(pump.serve_apart(py))? {
                Some(asking) => self.adopt(py, asking.0, asking.1),
                None => Ok(Stretch::Idle),
            };
        }
        let mut budget = self.budget;
        let asking = wide(pump.lead(py, &mut budget))?;
        let Some((call, trap)) = asking.map(|asking| *asking) else {
            if pump.is_empty() {
                self.step_back(py, false)?;
            }
            return Ok(Stretch::Idle);
        };
        let stretch = self.adopt(py, call, trap)?;
        workers.leader.put(py, None);
        if !pump.is_empty() || !workers.resting.bind(py).is_empty() {
            self.step_back(py, true)?;
        }
        Ok(stretch)
    }

    /// Lets another lead.
    fn step_back(&self, py: Python<'_>, suspended: bool) -> PyResult<()> {
        let (pump, workers) = (self.pump.get(), self.workers.get());
        let told = suspended || pump.meter.get().awaited.get() == 0;
        if told && pump.is_empty() && workers.resting.bind(py).is_empty() {
            workers.leader.put(py, None);
            return Ok(());
        }
        let step_back = intern!(py, "step_back");
        self.workers.call_method1(py, step_back, (suspended,))?;
        Ok(())
    }

    /// Takes over a call that waits, so that it can be cancelled.
    #[inline]
    fn adopt(&self, py: Python<'_>, call: Suspended, trap: Py<PyAny>) -> PyResult<Stretch> {
        let recipient = &call.recipient;
        let same = self
            .served
            .with(|served| served.as_ref().is_some_and(|served| served.is(recipient)));
        let newcomer = (!same).then(|| recipient.clone_ref(py).into_any());
        let deadline = call.deadline;
        let scope = self.scope.shared(py);
        call.call.set_scope(py, scope);
        drop(self.call.replace(Some(call)));
        if let Some(recipient) = newcomer {
            let name = intern!(py, "name_after");
            self.workers
                .call_method1(py, name, (&self.task, &recipient))?;
            drop(self.served.replace(Some(recipient)));
        }
        if deadline.is_finite() {
            let arm = intern!(py, "arm");
            self.workers
                .call_method1(py, arm, (self.scope.shared(py), deadline))?;
        }
        Ok(Stretch::Asks(trap))
    }

    /// Lets a call be over that has waited, and leads if nobody does; returns whether the scope is still usable.
    #[inline]
    fn end(&self, py: Python<'_>, ended: Ended<'_>) -> PyResult<bool> {
        let Ended {
            recipient,
            call,
            deadline,
            result,
        } = ended;
        let recipient = recipient.get();
        let written = match result {
            Ok(answer) => {
                self.workers.get().claim(self.task.bind(py));
                call.end(py, recipient);
                self.pump.get().finished(py, recipient, &call, &answer)
            }
            Err(error) => {
                let delivery = call.delivery(py)?;
                call.end(py, recipient);
                self.fail(py, &delivery, error)
            }
        };
        let has_cause = call.has_cause(py);
        call.set_scope(py, None);
        written?;
        call.recycle(py, recipient)?;
        if deadline.is_infinite() && !has_cause {
            return Ok(true);
        }
        let disarm = intern!(py, "disarm");
        let usable = self
            .workers
            .call_method1(py, disarm, (self.scope.shared(py),))?;
        usable.is_truthy(py)
    }

    /// Lets the machine write down that a handler has failed; an error that is not its failure is returned.
    #[cold]
    fn fail(&self, py: Python<'_>, delivery: &Py<Delivery>, error: PyErr) -> PyResult<()> {
        let error = error.into_value(py);
        let arguments = (&self.task, delivery, self.scope.shared(py), &error);
        let failed = intern!(py, "failed");
        let ours = self.workers.call_method1(py, failed, arguments)?;
        if ours.is_truthy(py)? {
            Ok(())
        } else {
            Err(PyErr::from_value(error.into_bound(py).into_any()))
        }
    }
}

/// Says to whoever awaits how a stretch ended.
#[inline]
fn told(stretch: Stretch) -> PyResult<Py<PyAny>> {
    match stretch {
        Stretch::Asks(trap) => Ok(trap),
        Stretch::Idle => Err(PyStopIteration::new_err(())),
        Stretch::Ended { usable } => Err(PyStopIteration::new_err((usable,))),
    }
}

#[pymethods]
impl Shift {
    /// Make the shift of the worker that is `task`.
    #[new]
    #[pyo3(signature = (pump, workers, task, *, budget))]
    fn new(pump: Py<Pump>, workers: Py<WorkersState>, task: Py<PyAny>, budget: u32) -> Self {
        Self {
            pump,
            workers,
            task,
            budget,
            scope: LockedCell::new(None),
            served: LockedCell::new(None),
            call: LockedCell::new(None),
            found: LockedCell::new(None),
            interruption: LockedCell::new(None),
        }
    }

    /// Lead, and return whether all is done and nothing waits: else what there is is for who awaits this.
    fn lead(&self, py: Python<'_>) -> PyResult<bool> {
        if !self.pump.get().may_go_on(self.task.bind(py))? {
            return Ok(false);
        }
        let stretch = self.begin(py)?;
        let leads = self.workers.get().is_led_by(self.task.bind(py));
        if matches!(stretch, Stretch::Idle) && !leads {
            return Ok(true);
        }
        drop(self.found.replace(Some(stretch)));
        Ok(false)
    }

    /// Whether a handler has suspended, so that this must be awaited.
    #[getter]
    fn waits(&self) -> bool {
        self.call.with(|call| call.is_some())
    }

    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        told(self.go_on(PyNone::get(py).to_owned().into_any())?)
    }

    /// Let the handler go on with what trio answers.
    #[pyo3(signature = (value, /))]
    fn send(&self, value: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        told(self.go_on(value)?)
    }

    /// Let the handler go on with an error.
    #[pyo3(signature = (kind, value = None, traceback = None, /))]
    fn throw(
        &self,
        kind: &Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let error = thrown(kind, value, traceback)?;
        if self.interrupt(error.clone())? {
            self.__next__(kind.py())
        } else {
            Err(PyErr::from_value(error))
        }
    }

    /// Let the handler that waits end.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let exit = Input::Error(PyGeneratorExit::new_err(()));
        match self.resume(py, exit)? {
            None => Ok(()),
            Some(Resumed::Asked(call, _)) => {
                drop(self.call.replace(Some(call)));
                Err(PyRuntimeError::new_err("coroutine ignored GeneratorExit"))
            }
            Some(Resumed::Ended(ended)) => match self.end(py, ended) {
                Err(error) if !error.is_instance_of::<PyGeneratorExit>(py) => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// Let the handler go on with `error` if one waits, and return whether it does.
    ///
    /// If trio does not know yet what it waits for, it must hear of that, and take it back, before the handler goes on.
    fn interrupt(&self, error: Bound<'_, PyAny>) -> PyResult<bool> {
        let py = error.py();
        if !self.waits() {
            return Ok(false);
        }
        drop(self.interruption.replace(Some(PyErr::from_value(error))));
        if self.found.with(|found| found.is_some())
            && let Some(scope) = self.scope.shared(py)
        {
            scope.call_method0(py, intern!(py, "cancel"))?;
        }
        Ok(true)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.pump)?;
        visit.call(&self.workers)?;
        visit.call(&self.task)?;
        self.scope.with(|scope| visit.call(&*scope))?;
        self.served.with(|served| visit.call(&*served))?;
        self.call
            .with(|call| call.as_ref().map_or(Ok(()), |call| call.visit(&visit)))
    }

    fn __clear__(&self) {
        drop(self.scope.replace(None));
        drop(self.served.replace(None));
        drop(self.call.replace(None));
        drop(self.found.replace(None));
        drop(self.interruption.replace(None));
    }
}

impl Shift {
    /// The coroutine of the handler that waits.
    fn waiting(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let call = |call: &mut Option<Suspended>| Some(call.as_ref()?.coroutine.clone_ref(py));
        self.call.with(call)
    }
}

like_a_coroutine! { Shift }

references! { Shift {
    /// The cancel scope that a handler that waits is cancelled by.
    scope, set_scope;
    /// After whose handler the task is named.
    served, set_served;
} }

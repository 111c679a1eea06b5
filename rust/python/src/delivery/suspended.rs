//! A call that waits for something: what is kept of it meanwhile, how it goes on, and how it ends.
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use super::context::Spare;
use super::coroutine::{Stepped, inside, send, throw};
use super::deliveries::Delivery;
use super::recipient::RecipientState;
use super::time::Meter;

/// What a handler that waits is told.
pub(crate) enum Input<'py> {
    Value(Bound<'py, PyAny>),
    Error(PyErr),
}

/// Where the context of a call comes from.
enum Place {
    /// From here: it may serve another call.
    Spare(Spare),
    /// From the machine.
    Context(Py<PyAny>),
}

/// A handler that waits for something.
pub(crate) struct Suspended {
    pub(crate) delivery: Py<Delivery>,
    pub(crate) coroutine: Py<PyAny>,
    place: Place,
    /// When it has taken too long.
    pub(crate) deadline: f64,
}

/// How a call went on.
pub(crate) enum Resumed<'py> {
    /// It waits for something else, and asks this of trio.
    Asked(Suspended, Py<PyAny>),
    Ended(Ended<'py>),
}

/// A call that has come to its end.
pub(crate) struct Ended<'py> {
    pub(crate) delivery: Py<Delivery>,
    pub(crate) deadline: f64,
    /// What it returned, or raised.
    pub(crate) result: PyResult<Bound<'py, PyAny>>,
    /// Its context, if that may serve another call.
    pub(crate) spare: Option<Spare>,
}

impl Suspended {
    /// A call that began here, in a context that may serve another one.
    pub(crate) fn new(
        delivery: Py<Delivery>,
        coroutine: Py<PyAny>,
        spare: Spare,
        deadline: f64,
    ) -> Self {
        let place = Place::Spare(spare);
        Self {
            delivery,
            coroutine,
            place,
            deadline,
        }
    }

    /// What the machine knows as `stentor._machine.calls.Suspended`, and what the handler asks of trio.
    pub(crate) fn of(found: &Bound<'_, PyAny>) -> PyResult<(Self, Py<PyAny>)> {
        let (delivery, coroutine, context, trap, deadline) = found.extract()?;
        let place = Place::Context(context);
        let call = Self {
            delivery,
            coroutine,
            place,
            deadline,
        };
        Ok((call, trap))
    }

    /// Whose handler it is.
    #[inline]
    pub(crate) fn recipient(&self) -> &Py<RecipientState> {
        &self.delivery.get().target.get().recipient
    }

    /// Lets it go on until it ends or waits again, from `started` on, and counts for how long nobody else ran.
    ///
    /// It has ended also where the clock fails after that, or the context is not the running one any more.
    #[inline]
    pub(crate) fn resume<'py>(
        self,
        py: Python<'py>,
        meter: &Meter,
        started: f64,
        input: Input<'py>,
    ) -> Resumed<'py> {
        let Self {
            delivery,
            coroutine,
            place,
            deadline,
        } = self;
        let context = match &place {
            Place::Spare(spare) => &spare.context,
            Place::Context(context) => context,
        };
        let stepped = inside(py, context, || match input {
            Input::Value(value) => send(py, coroutine, &value),
            Input::Error(error) => throw(py, coroutine, error),
        });
        let stepped = match meter.tick(py) {
            Ok(now) => {
                let recipient = delivery.get().target.get().recipient.get();
                recipient.count_block(now - started);
                stepped
            }
            Err(error) => Stepped::Raised(error),
        };
        let result = match stepped {
            Stepped::Suspended { coroutine, trap } => {
                let call = Self {
                    delivery,
                    coroutine,
                    place,
                    deadline,
                };
                return Resumed::Asked(call, trap);
            }
            Stepped::Returned(answer) => Ok(answer),
            Stepped::Raised(error) => Err(error),
        };
        let spare = match place {
            Place::Spare(spare) => Some(spare),
            Place::Context(_) => None,
        };
        Resumed::Ended(Ended {
            delivery,
            deadline,
            result,
            spare,
        })
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.delivery)?;
        visit.call(&self.coroutine)?;
        match &self.place {
            Place::Spare(spare) => spare.visit(visit),
            Place::Context(context) => visit.call(context),
        }
    }
}

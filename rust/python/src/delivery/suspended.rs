//! A call that waits for something: what is kept of it meanwhile, how it goes on, and how it ends.
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use super::coroutine::{Stepped, inside, send, throw};
use super::deliveries::Delivery;
use super::recipient::RecipientState;
use super::spares::Spare;
use super::time::Meter;

/// What a handler that waits is told.
pub(crate) enum Input<'py> {
    Value(Bound<'py, PyAny>),
    Error(PyErr),
}

/// A call of a handler that has suspended.
pub(crate) enum Begun {
    /// It began here, in a context that may serve another one; its delivery is made when somebody wants it.
    Ours(Spare),
    /// The machine began it.
    Theirs {
        delivery: Py<Delivery>,
        context: Py<PyAny>,
    },
}

impl Begun {
    #[inline]
    fn context(&self) -> &Py<PyAny> {
        match self {
            Self::Ours(spare) => &spare.context,
            Self::Theirs { context, .. } => context,
        }
    }

    /// Its delivery, known to Python from now on.
    pub(crate) fn delivery(&self, py: Python<'_>) -> PyResult<Py<Delivery>> {
        match self {
            Self::Ours(spare) => spare.delivery(py),
            Self::Theirs { delivery, .. } => Ok(delivery.clone_ref(py)),
        }
    }

    /// Whether somebody has called it off.
    #[inline]
    pub(crate) fn has_cause(&self, py: Python<'_>) -> bool {
        let has_cause = |delivery: &Py<Delivery>| delivery.get()._cause.with(|one| one.is_some());
        match self {
            Self::Ours(spare) => spare
                .running
                .get()
                .known(py)
                .as_ref()
                .is_some_and(has_cause),
            Self::Theirs { delivery, .. } => has_cause(delivery),
        }
    }

    /// Says by what it is cancelled from now on, or that it cannot be.
    #[inline]
    pub(crate) fn set_scope(&self, py: Python<'_>, scope: Option<Py<PyAny>>) {
        match self {
            Self::Ours(spare) => spare.running.get().set_scope(py, scope),
            Self::Theirs { delivery, .. } => delivery.get()._scope.put(py, scope),
        }
    }

    /// Takes note that it is over.
    #[inline]
    pub(crate) fn end(&self, py: Python<'_>, recipient: &RecipientState) {
        if let Self::Ours(spare) = self {
            recipient.end(py, &spare.running);
        }
    }

    /// Lets its context serve another call, if that can be.
    #[inline]
    pub(crate) fn recycle(self, py: Python<'_>, recipient: &RecipientState) -> PyResult<()> {
        match self {
            Self::Ours(spare) => spare.recycle(py, recipient),
            Self::Theirs { .. } => Ok(()),
        }
    }
}

/// A handler that waits for something.
pub(crate) struct Suspended {
    /// Whose handler it is.
    pub(crate) recipient: Py<RecipientState>,
    pub(crate) coroutine: Py<PyAny>,
    pub(crate) call: Begun,
    /// When it has taken too long.
    pub(crate) deadline: f64,
}

/// A call that suspends in its first step, if one does, and what it asks of trio.
pub(crate) type Asking = Option<Box<(Suspended, Py<PyAny>)>>;

/// How a call went on.
pub(crate) enum Resumed<'py> {
    /// It waits for something else, and asks this of trio.
    Asked(Suspended, Py<PyAny>),
    Ended(Ended<'py>),
}

/// A call that has come to its end.
pub(crate) struct Ended<'py> {
    pub(crate) recipient: Py<RecipientState>,
    pub(crate) call: Begun,
    pub(crate) deadline: f64,
    /// What it returned, or raised.
    pub(crate) result: PyResult<Bound<'py, PyAny>>,
}

impl Suspended {
    pub(crate) fn new(
        recipient: Py<RecipientState>,
        coroutine: Py<PyAny>,
        call: Begun,
        deadline: f64,
    ) -> Self {
        Self {
            recipient,
            coroutine,
            call,
            deadline,
        }
    }

    /// What the machine knows as `stentor._machine.calls.Suspended`, and what the handler asks of trio.
    pub(crate) fn of(found: &Bound<'_, PyAny>) -> PyResult<(Self, Py<PyAny>)> {
        let (delivery, coroutine, context, trap, deadline) = found.extract()?;
        let delivery: Py<Delivery> = delivery;
        let recipient = delivery.get().target.get().recipient.clone_ref(found.py());
        let call = Begun::Theirs { delivery, context };
        Ok((Self::new(recipient, coroutine, call, deadline), trap))
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
            recipient,
            coroutine,
            call,
            deadline,
        } = self;
        let stepped = inside(py, call.context(), || match input {
            Input::Value(value) => send(py, coroutine, &value),
            Input::Error(error) => throw(py, coroutine, error),
        });
        let stepped = match meter.tick(py) {
            Ok(now) => {
                recipient.get().count_block(now - started);
                stepped
            }
            Err(error) => Stepped::raised(error),
        };
        let result = match stepped {
            Stepped::Suspended { coroutine, trap } => {
                let call = Self::new(recipient, coroutine, call, deadline);
                return Resumed::Asked(call, trap);
            }
            Stepped::Returned(answer) => Ok(answer),
            Stepped::Raised(error) => Err(*error),
        };
        Resumed::Ended(Ended {
            recipient,
            call,
            deadline,
            result,
        })
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.recipient)?;
        visit.call(&self.coroutine)?;
        match &self.call {
            Begun::Ours(spare) => spare.visit(visit),
            Begun::Theirs { delivery, context } => {
                visit.call(delivery)?;
                visit.call(context)
            }
        }
    }
}

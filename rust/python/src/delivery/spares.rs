//! Spares: contexts that serve one call of a recipient after another.
//!
//! Most handlers leave no trace in their context: they set no variable, and nobody copied it, as a task that a handler
//! starts would. Such a context serves the next call of the same recipient as if it were new. Whether it is so can be
//! told from the map of its variables, which is never changed in place: it is the same object as before, and nobody else
//! has a reference to it. Where an interpreter keeps that map somewhere else than is expected, every call gets a new copy.
#![allow(
    unsafe_code,
    reason = "contexts have no safe interface, and a spare is lent without being moved"
)]

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use super::context::{Current, Running, enter, is_readable, leave, variables_of};
use super::deliveries::Delivery;
use super::recipient::RecipientState;
use super::slim::Slim;

/// A context for calls of one recipient's handler, and what is written in it.
pub(crate) struct Spare {
    pub(crate) context: Py<PyAny>,
    pub(crate) running: Py<Running>,
    /// The map of its variables as it was made, which is held so that no other can come to its address.
    variables: Option<Py<PyAny>>,
}

impl Spare {
    /// Copies a context and writes into it whose call it is for.
    fn copy(py: Python<'_>, base: &Py<PyAny>, current: &Current) -> PyResult<Self> {
        // SAFETY: `base` is a context; the copy is a new reference, or null with an error set.
        let context = unsafe { ffi::PyContext_Copy(base.as_ptr()) };
        // SAFETY: as above.
        let context = unsafe { Bound::from_owned_ptr_or_err(py, context) }?.unbind();
        let running = Py::new(py, Running::of(None))?;
        enter(py, &context)?;
        let put = current.put(py, &running);
        leave(py, &context)?;
        put?;
        // SAFETY: it is readable, and the context holds its map.
        let variables = is_readable(py).then(|| {
            unsafe { Bound::from_borrowed_ptr(py, variables_of(context.as_ptr())) }.unbind()
        });
        Ok(Self {
            context,
            running,
            variables,
        })
    }

    /// The delivery of the call in this context, known to Python from now on.
    pub(crate) fn delivery(&self, py: Python<'_>) -> PyResult<Py<Delivery>> {
        let delivery = self.running.get().delivery(py)?;
        delivery.ok_or_else(|| PyRuntimeError::new_err("a call without a delivery"))
    }

    /// Ends a call that was not lent its context any more: that serves the next one, if this one left no trace in it.
    #[inline]
    pub(crate) fn recycle(self, py: Python<'_>, recipient: &RecipientState) -> PyResult<()> {
        if !self.is_untouched() {
            return self.running.get().end(py);
        }
        self.running.get().forget(py);
        if !recipient.lends() {
            drop(recipient.spare.replace(Some(self)));
        }
        Ok(())
    }

    /// Whether a call left no trace in it, and nobody but us can see it any more.
    #[inline]
    fn is_untouched(&self) -> bool {
        let Some(variables) = &self.variables else {
            return false;
        };
        let (map, context) = (variables.as_ptr(), self.context.as_ptr());
        // SAFETY: both are live: the map has a reference from here and one from its context, which has one from here.
        variables_of(context) == map
            && unsafe { ffi::Py_REFCNT(map) == 2 && ffi::Py_REFCNT(context) == 1 }
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.context)?;
        visit.call(&self.running)?;
        visit.call(&self.variables)
    }
}

/// Whether a recipient's spare is lent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lent {
    No,
    /// To a call that runs.
    Running,
    /// To a call that is over but for what is written down of it.
    Over,
}

/// A call that runs until it ends or suspends is lent the spare where it is: to take it out and put it back costs more
/// than all that is written into it.
impl RecipientState {
    /// Whether a call has its spare now.
    #[inline]
    pub(crate) fn lends(&self) -> bool {
        self.lent.get() != Lent::No
    }

    /// Lends its spare to a call that runs now.
    ///
    /// # Safety
    ///
    /// It is not lent. What is returned is not used any more when it is taken back or given away.
    #[inline(always)]
    pub(crate) unsafe fn lend(&self, py: Python<'_>, current: &Current) -> Slim<&Spare> {
        if self.spare.read(Option::is_none) {
            self.make_spare(py, current)?;
        }
        self.lent.set(Lent::Running);
        self.spare
            .read(|spare| {
                let spare = spare.as_ref()?;
                // SAFETY: while it is lent nobody else takes it out, nor drops it; and a recipient is not moved.
                Some(unsafe { &*std::ptr::from_ref(spare) })
            })
            .ok_or_else(|| Box::new(PyRuntimeError::new_err("a recipient without a spare")))
    }

    #[inline(never)]
    fn make_spare(&self, py: Python<'_>, current: &Current) -> PyResult<()> {
        let base = self.context.shared(py);
        let base = base.ok_or_else(|| PyRuntimeError::new_err("a recipient without a context"))?;
        let spare = Spare::copy(py, &base, current)?;
        drop(self.spare.replace(Some(spare)));
        Ok(())
    }

    /// Takes the spare back from a call that is over: it serves the next one, if this one left no trace in it.
    #[inline(always)]
    pub(crate) fn take_back(&self, py: Python<'_>) -> Slim<()> {
        let running = self.spare.read(|spare| {
            let spare = spare.as_ref().filter(|spare| spare.is_untouched())?;
            Some(spare.running.clone_ref(py))
        });
        let Some(running) = running else {
            return self.end_touched(py);
        };
        running.get().forget(py);
        running.drop_ref(py);
        self.lent.set(Lent::No);
        Ok(())
    }

    #[inline(never)]
    fn end_touched(&self, py: Python<'_>) -> Slim<()> {
        match self.give_away() {
            Some(spare) => Ok(spare.running.get().end(py)?),
            None => Ok(()),
        }
    }

    /// Gives the spare that was lent away, to a call that goes on without being lent it.
    #[inline(never)]
    pub(crate) fn give_away(&self) -> Option<Spare> {
        self.lent.set(Lent::No);
        self.spare.replace(None)
    }

    /// Lets Python know of the call that began last.
    #[inline]
    pub(crate) fn tell_newest(&self, py: Python<'_>) -> Slim<()> {
        if self.lent.get() != Lent::Running && self.newest.with(|newest| newest.is_none()) {
            return Ok(());
        }
        self.tell(py)
    }

    #[inline(never)]
    fn tell(&self, py: Python<'_>) -> Slim<()> {
        let running = if self.lent.get() == Lent::Running {
            let lent = |spare: &Option<Spare>| Some(spare.as_ref()?.running.clone_ref(py));
            self.spare.read(lent)
        } else {
            self.newest.shared(py)
        };
        if let Some(running) = running {
            running.get().delivery(py)?;
        }
        Ok(())
    }
}

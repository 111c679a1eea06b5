//! Contexts: every call of a handler has one of its own, in which it is written whose call it is.
//!
//! To copy a context and set a variable in it costs more than to call a handler. So a context in which a call left no
//! trace serves the next one: see [`super::spares`].
#![allow(unsafe_code, reason = "contexts have no safe interface")]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};

use super::cell::LockedCell;
use super::deliveries::{Delivery, OVER, RUNNING};
use super::entries::Call;
use super::mailbox::Entry;
use super::message::{Id, Message};
use super::moulds::moulded;
use super::routes::Target;

/// The beginning of a context object, as CPython 3.11 to 3.14 lay it out.
#[repr(C)]
struct ContextLayout {
    base: ffi::PyObject,
    previous: *mut ffi::PyObject,
    variables: *mut ffi::PyObject,
}

/// The map of the variables of a context, if `is_readable` said that it can be read.
pub(super) fn variables_of(context: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: `is_readable` has found the map at this place in this interpreter.
    unsafe { (*context.cast::<ContextLayout>()).variables }
}

/// Whether this interpreter keeps the map of a context's variables where it is expected; found out once.
pub(super) fn is_readable(py: Python<'_>) -> bool {
    static READABLE: PyOnceLock<bool> = PyOnceLock::new();
    *READABLE.get_or_init(py, || probe(py).unwrap_or(false))
}

fn probe(py: Python<'_>) -> PyResult<bool> {
    let module = py.import("contextvars")?;
    let size: usize = module
        .getattr("Context")?
        .getattr("__basicsize__")?
        .extract()?;
    if size < size_of::<ContextLayout>() {
        return Ok(false);
    }
    let variable = module.getattr("ContextVar")?.call1(("stentor probe",))?;
    let context = module.getattr("Context")?.call0()?;
    let before = variables_of(context.as_ptr());
    let value = pyo3::types::PyList::empty(py);
    context.call_method1("run", (variable.getattr("set")?, value))?;
    let after = variables_of(context.as_ptr());
    let held = |object: &Bound<'_, PyAny>| -> PyResult<bool> {
        let referents = py.import("gc")?.call_method1("get_referents", (object,))?;
        let place = variables_of(object.as_ptr());
        Ok(referents
            .try_iter()?
            .any(|one| one.is_ok_and(|one| one.as_ptr() == place)))
    };
    if before == after || !held(&context)? {
        return Ok(false);
    }
    // SAFETY: the garbage collector knows it as an object that the context refers to.
    let references = || unsafe { ffi::Py_REFCNT(after) };
    let alone = references();
    let copy = context.call_method0("copy")?;
    Ok(alone == 1 && variables_of(copy.as_ptr()) == after && references() == 2)
}

/// What is written in the context of a call: the message and the target, and the delivery once somebody asks for it.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Running {
    entry: LockedCell<Option<Entry>>,
    started: LockedCell<f64>,
    /// By what it is cancelled, while it waits and nobody has asked for the delivery.
    scope: LockedCell<Option<Py<PyAny>>>,
}

impl Running {
    pub(super) fn of(entry: Option<Entry>) -> Self {
        Self {
            entry: LockedCell::new(entry),
            started: LockedCell::new(0.0),
            scope: LockedCell::new(None),
        }
    }

    /// Writes down what the next call is for, and returns its message.
    ///
    /// # Safety
    ///
    /// The message is not used any more when that is forgotten.
    #[inline(always)]
    pub(crate) unsafe fn begin<'py>(
        &self,
        py: Python<'py>,
        entry: Entry,
        started: f64,
    ) -> Borrowed<'_, 'py, Message> {
        let message = entry.message().as_ptr();
        self.put(py, Some(entry));
        self.started.set(started);
        // SAFETY: a live message: the entry has it, and so has the delivery that may take the entry's place.
        unsafe { Borrowed::from_ptr(py, message).cast_unchecked() }
    }

    /// Forgets the call that it was for.
    #[inline]
    pub(crate) fn forget(&self, py: Python<'_>) {
        self.put(py, None);
    }

    #[inline]
    fn put(&self, py: Python<'_>, entry: Option<Entry>) {
        if let Some(last) = self.entry.replace(entry) {
            last.drop_ref(py);
        }
    }

    /// Says by what the call is cancelled from now on, or that it cannot be.
    #[inline]
    pub(crate) fn set_scope(&self, py: Python<'_>, scope: Option<Py<PyAny>>) {
        match self.known(py) {
            Some(delivery) => delivery.get()._scope.put(py, scope),
            None => self.scope.put(py, scope),
        }
    }

    /// The message that the call is for, and the target.
    #[inline]
    fn parts(&self, py: Python<'_>) -> Option<(Py<Message>, Py<Target>)> {
        self.entry.read(|entry| {
            let entry = entry.as_ref()?;
            Some((entry.message().clone_ref(py), entry.target().clone_ref(py)))
        })
    }

    /// The message that the call is for.
    #[inline]
    pub(crate) fn message(&self, py: Python<'_>) -> Option<Py<Message>> {
        self.entry
            .read(|entry| Some(entry.as_ref()?.message().clone_ref(py)))
    }

    /// The id of the message that the call is for.
    pub(crate) fn cause(&self, py: Python<'_>) -> Option<Id> {
        self.entry
            .read(|entry| Some(entry.as_ref()?.message().get().share_id(py)))
    }

    /// The call that it is for, as a journal names it; None when there is none.
    pub(crate) fn call(&self, py: Python<'_>) -> PyResult<Option<Call>> {
        let Some((message, target)) = self.parts(py) else {
            return Ok(None);
        };
        let attempt = self.known(py).map_or(1, |one| one.get().attempt.get());
        Call::of(py, message.get(), target.get().recipient.get(), attempt).map(Some)
    }

    /// Whether somebody has asked for the delivery.
    #[inline]
    pub(crate) fn is_known(&self) -> bool {
        self.entry
            .read(|entry| matches!(entry, Some(Entry::Delivery(_))))
    }

    /// The delivery, if somebody has asked for it.
    #[inline]
    pub(crate) fn known(&self, py: Python<'_>) -> Option<Py<Delivery>> {
        self.entry.read(|entry| match entry {
            Some(Entry::Delivery(delivery)) => Some(delivery.clone_ref(py)),
            Some(Entry::Message(..)) | None => None,
        })
    }

    /// The delivery, made and entered among those that run if need be; None when there is no call.
    pub(crate) fn delivery(&self, py: Python<'_>) -> PyResult<Option<Py<Delivery>>> {
        if let Some(known) = self.known(py) {
            return Ok(Some(known));
        }
        let Some(delivery) = self.make(py, RUNNING)? else {
            return Ok(None);
        };
        let recipient = &delivery.get().target.get().recipient;
        let running = recipient.get().entered(py);
        running.bind(py).set_item(&delivery, py.None())?;
        Ok(Some(delivery))
    }

    /// Makes the delivery of a call that is over, for those who have this and may ask.
    pub(crate) fn end(&self, py: Python<'_>) -> PyResult<()> {
        if self.known(py).is_none() {
            self.make(py, OVER)?;
        }
        Ok(())
    }

    fn make(&self, py: Python<'_>, state: u8) -> PyResult<Option<Py<Delivery>>> {
        let Some((message, target)) = self.parts(py) else {
            return Ok(None);
        };
        let delivery = Delivery::first(message, target, state, self.started.get());
        drop(delivery._scope.replace(self.scope.replace(None)));
        let delivery = moulded(py, delivery)?;
        self.put(py, Some(Entry::Delivery(delivery.clone_ref(py))));
        Ok(Some(delivery))
    }
}

#[pymethods]
impl Running {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.entry.with(|entry| match entry {
            Some(entry) => entry.visit(&visit),
            None => Ok(()),
        })?;
        self.scope.with(|object| visit.call(&*object))
    }

    fn __clear__(&self, py: Python<'_>) {
        self.forget(py);
        self.scope.put(py, None);
    }
}

/// The delivery in whose handler, or in whose child task, the code runs; one variable for each bus.
#[pyclass(module = "stentor._native", frozen)]
pub(crate) struct Current {
    variable: Py<PyAny>,
    /// What `base` returned last.
    last_base: LockedCell<Option<Py<PyWeakrefReference>>>,
}

impl Current {
    /// What the context of the running code says, if anything.
    #[inline]
    pub(crate) fn running<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, Running>>> {
        let mut value = std::ptr::null_mut();
        // SAFETY: the variable is one, and `value` is ours if it is set.
        let found = unsafe {
            ffi::PyContextVar_Get(self.variable.as_ptr(), std::ptr::null_mut(), &raw mut value)
        };
        if found < 0 {
            return Err(PyErr::fetch(py));
        }
        // SAFETY: as above.
        let value = unsafe { Bound::from_owned_ptr_or_opt(py, value) };
        Ok(value.and_then(|value| value.cast_into::<Running>().ok()))
    }

    /// Sets the variable in the context that is entered now.
    pub(super) fn put(&self, py: Python<'_>, running: &Py<Running>) -> PyResult<()> {
        // SAFETY: both are live objects; the token is ours, and nobody wants it.
        let token = unsafe { ffi::PyContextVar_Set(self.variable.as_ptr(), running.as_ptr()) };
        // SAFETY: a new reference, or null with an error set.
        unsafe { Bound::from_owned_ptr_or_err(py, token) }.map(drop)
    }
}

#[pymethods]
impl Current {
    /// Make a variable of this name that says nothing yet.
    #[new]
    fn new(py: Python<'_>, name: &str) -> PyResult<Self> {
        let class = py.import("contextvars")?.getattr("ContextVar")?;
        let variable = class.call1((name,))?.unbind();
        Ok(Self {
            variable,
            last_base: LockedCell::new(None),
        })
    }

    /// Return a copy of the running context, for others to be copied from and nothing else.
    ///
    /// It is the same as the last time, if that is still in use and the variables are those of then.
    fn base(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        // SAFETY: a new reference, or null with an error set.
        let copy = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyContext_CopyCurrent())? };
        let last = self.last_base.with(|last| {
            let last = last.as_ref()?.bind(py);
            last.upgrade()
        });
        match last {
            Some(last)
                if is_readable(py)
                    && variables_of(last.as_ptr()) == variables_of(copy.as_ptr()) =>
            {
                Ok(last.unbind())
            }
            _ => {
                let reference = PyWeakrefReference::new(&copy)?.unbind();
                self.last_base.put(py, Some(reference));
                Ok(copy.unbind())
            }
        }
    }

    /// Return the delivery, or None outside of handlers.
    fn get(&self, py: Python<'_>) -> PyResult<Option<Py<Delivery>>> {
        match self.running(py)? {
            Some(running) => running.get().delivery(py),
            None => Ok(None),
        }
    }

    /// Set the delivery for the running context, and return a token for `reset`.
    fn set<'py>(
        &self,
        py: Python<'py>,
        delivery: Option<Py<Delivery>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let value = match delivery {
            Some(delivery) => {
                let entry = Some(Entry::Delivery(delivery));
                Bound::new(py, Running::of(entry))?.into_any()
            }
            None => py.None().into_bound(py),
        };
        self.variable.bind(py).call_method1("set", (value,))
    }

    /// Set again what was set before `token` was made.
    fn reset(&self, py: Python<'_>, token: &Bound<'_, PyAny>) -> PyResult<()> {
        self.variable
            .bind(py)
            .call_method1("reset", (token,))
            .map(drop)
    }
}

/// Makes `context` the running one.
#[inline(always)]
pub(crate) fn enter(py: Python<'_>, context: &Py<PyAny>) -> PyResult<()> {
    // SAFETY: it is a context.
    match unsafe { ffi::PyContext_Enter(context.as_ptr()) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(py)),
    }
}

/// Makes the one before `context`, which is the running one, the running one again.
#[inline(always)]
pub(crate) fn leave(py: Python<'_>, context: &Py<PyAny>) -> PyResult<()> {
    // SAFETY: it is a context.
    match unsafe { ffi::PyContext_Exit(context.as_ptr()) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(py)),
    }
}

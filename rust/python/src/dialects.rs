//! What `dialect=` takes: a `Dialect`, its value, or a `Grammar`.
use std::sync::{Arc, LazyLock};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};
use stentor_core as core;

use crate::errors::wrong_type;
use crate::grammar::Grammar;

static DIALECTS: LazyLock<Vec<(&str, Arc<core::Grammar>)>> = LazyLock::new(|| {
    core::Grammar::DIALECTS
        .iter()
        .map(|(name, grammar)| (*name, Arc::new(grammar())))
        .collect()
});

/// The argument `dialect`, or its absence, which means `mailbox`; `None` is a value like any other.
pub(crate) enum DialectArgument<'a, 'py> {
    Default,
    Given(Borrowed<'a, 'py, PyAny>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for DialectArgument<'a, 'py> {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self::Given(value))
    }
}

impl DialectArgument<'_, '_> {
    /// The grammar that is meant.
    pub(crate) fn grammar(self) -> PyResult<Arc<core::Grammar>> {
        match self {
            Self::Default => named("mailbox"),
            Self::Given(value) => grammar_of(&value),
        }
    }
}

/// The grammar that a value given as `dialect` means.
pub(crate) fn grammar_of(value: &Bound<'_, PyAny>) -> PyResult<Arc<core::Grammar>> {
    if let Ok(name) = value.cast::<PyString>() {
        return named(&name.to_string_lossy());
    }
    if let Ok(grammar) = value.cast::<Grammar>() {
        return Ok(Arc::clone(&grammar.get().0));
    }
    if value.is_instance(dialect_type(value.py())?)? {
        return named(
            &value
                .getattr("value")?
                .cast::<PyString>()?
                .to_string_lossy(),
        );
    }
    Err(wrong_type(
        "dialect",
        "a Dialect, its value or a Grammar",
        value,
    ))
}

fn named(name: &str) -> PyResult<Arc<core::Grammar>> {
    let found = DIALECTS.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, grammar)| Arc::clone(grammar))
        .ok_or_else(|| {
            let known: Vec<_> = DIALECTS
                .iter()
                .map(|(known, _)| format!("'{known}'"))
                .collect();
            PyValueError::new_err(format!(
                "dialect must be one of {}, not '{name}'",
                known.join(", ")
            ))
        })
}

/// The name of the built-in dialect that a grammar is, if it is one.
pub(crate) fn name_of(grammar: &Arc<core::Grammar>) -> Option<&'static str> {
    let found = DIALECTS
        .iter()
        .find(|(_, known)| Arc::ptr_eq(known, grammar) || known == grammar);
    found.map(|(name, _)| *name)
}

/// The built-in dialect that a grammar is, if its limits are left aside.
pub(crate) fn base_of(grammar: &core::Grammar) -> Option<(&'static str, &'static core::Grammar)> {
    let found = DIALECTS
        .iter()
        .find(|(_, known)| known.rules() == grammar.rules());
    found.map(|(name, known)| (*name, &**known))
}

/// What a person would give as `dialect` for this grammar.
pub(crate) fn dialect_of<'py>(
    py: Python<'py>,
    grammar: &Arc<core::Grammar>,
) -> PyResult<Bound<'py, PyAny>> {
    match name_of(grammar) {
        Some(name) => dialect_type(py)?.call1((name,)),
        None => Ok(Bound::new(py, Grammar(Arc::clone(grammar)))?.into_any()),
    }
}

fn dialect_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    TYPE.import(py, "stentor._values.dialects", "Dialect")
}

//! `Pattern` and `validate_topic`.
use pyo3::prelude::*;
use pyo3::types::PyType;
use stentor_core as core;

use crate::dialects::{DialectArgument, dialect_of, name_of};
use crate::errors::{map_error, pattern_text, topic_text, wrong_type};

/// What a subscription matches: a text with wildcards, read by a dialect.
///
/// A frozen value: patterns of the same text and dialect are equal, hash alike, and pickle.
///
/// Args:
///     text: The pattern as it is written.
///     dialect: A `Dialect`, its value, or a `Grammar`.
///
/// Raises:
///     InvalidPatternError: `text` is no pattern of the dialect; the first flaw from the left.
///     TypeError: `text` is not a `str`, or `dialect` none of the three.
///     ValueError: `dialect` is not the name of one.
///
/// Example:
///     >>> pattern = stentor.Pattern("ai.models.*")
///     >>> pattern.matches("ai.models.gpt4")
///     True
///     >>> pattern.matches("ai.models.gpt4.turbo")
///     False
///     >>> stentor.Pattern("ai.**").includes(pattern)
///     True
#[pyclass(module = "stentor", frozen, eq, hash)]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Pattern(core::Pattern);

#[pymethods]
impl Pattern {
    #[new]
    #[pyo3(signature = (text, dialect = DialectArgument::Default), text_signature = "(text, dialect='mailbox')")]
    fn new(text: &Bound<'_, PyAny>, dialect: DialectArgument<'_, '_>) -> PyResult<Self> {
        let grammar = dialect.grammar()?;
        let pattern = core::Pattern::parse(pattern_text("text", text)?, &grammar);
        pattern.map(Self).map_err(map_error)
    }

    /// The text as it was given.
    #[getter]
    fn text(&self) -> &str {
        self.0.text()
    }

    /// The dialect it was read by: a `Dialect`, or the `Grammar` of one's own.
    #[getter]
    fn dialect<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        dialect_of(py, self.0.grammar())
    }

    /// The text with all runs of wildcards in one form.
    ///
    /// Patterns that mean the same because of runs of wildcards have the same one: `a.**.**` and
    /// `a.**` do, `a.**.*` and `a.*.**` do. In `redis`, which has no such form, the text itself.
    ///
    /// Example:
    ///     >>> stentor.Pattern("**.*.logs").canonical
    ///     '*.**.logs'
    ///     >>> stentor.Pattern("*").canonical == stentor.Pattern("*.**").canonical == "**"
    ///     True
    #[getter]
    fn canonical(&self) -> String {
        self.0.canonical().into_owned()
    }

    /// Whether it holds no wildcard, so that it matches one topic.
    #[getter]
    fn is_exact(&self) -> bool {
        self.0.exact().is_some()
    }

    /// Whether a topic matches.
    ///
    /// Args:
    ///     topic: A topic of the same dialect.
    ///
    /// Raises:
    ///     InvalidTopicError: `topic` is no topic of the dialect.
    ///     TypeError: `topic` is not a `str`.
    ///
    /// Example:
    ///     >>> stentor.Pattern("logs.**.error").matches("logs.db.replica.error")
    ///     True
    fn matches(&self, topic: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.0
            .matches(topic_text("topic", topic)?)
            .map_err(map_error)
    }

    /// Whether every topic that `other` matches is matched by this pattern too.
    ///
    /// Exact, over topics of any length: the limits of a dialect do not count.
    ///
    /// Args:
    ///     other: A pattern of the same dialect.
    ///
    /// Raises:
    ///     LimitError: The answer takes more than 4,000,000 steps, about a tenth of a second.
    ///     TypeError: `other` is not a `Pattern`.
    ///     ValueError: `other` is of another dialect.
    ///
    /// Example:
    ///     >>> stentor.Pattern("ai.**").includes(stentor.Pattern("ai.*.gpt[34]"))
    ///     True
    fn includes(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.0.includes(other_pattern(other)?).map_err(map_error)
    }

    /// Whether some topic is matched by both patterns.
    ///
    /// Exact, over topics of any length: the limits of a dialect do not count.
    ///
    /// Args:
    ///     other: A pattern of the same dialect.
    ///
    /// Raises:
    ///     LimitError: The answer takes more than 4,000,000 steps, about a tenth of a second.
    ///     TypeError: `other` is not a `Pattern`.
    ///     ValueError: `other` is of another dialect.
    ///
    /// Example:
    ///     >>> stentor.Pattern("ai.*.log").overlaps(stentor.Pattern("**.error.*"))
    ///     True
    ///     >>> stentor.Pattern("v?").overlaps(stentor.Pattern("v[!0-9]*x"))
    ///     False
    fn overlaps(&self, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.0.overlaps(other_pattern(other)?).map_err(map_error)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let text = self.text().into_pyobject(py)?.repr()?;
        Ok(match name_of(self.0.grammar()) {
            Some("mailbox") => format!("Pattern({text})"),
            Some(name) => format!("Pattern({text}, '{name}')"),
            None => format!("Pattern({text}, {})", self.dialect(py)?.repr()?),
        })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyType>, Arguments<'py>)> {
        let pattern = slf.get();
        Ok((
            slf.get_type(),
            (pattern.text().to_owned(), pattern.dialect(slf.py())?),
        ))
    }
}

fn other_pattern<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<&'a core::Pattern> {
    match value.cast::<Pattern>() {
        Ok(pattern) => Ok(&pattern.get().0),
        Err(_) => Err(wrong_type("other", "a Pattern", value)),
    }
}

/// The arguments that make a pattern again.
type Arguments<'py> = (String, Bound<'py, PyAny>);

/// Return a topic as it was given, if it is one.
///
/// Args:
///     text: The topic.
///     dialect: A `Dialect`, its value, or a `Grammar`.
///
/// Raises:
///     InvalidTopicError: `text` is no topic of the dialect; the first flaw from the left.
///     TypeError: `text` is not a `str`, or `dialect` none of the three.
///     ValueError: `dialect` is not the name of one.
///
/// Example:
///     >>> stentor.validate_topic("ai.models.gpt4")
///     'ai.models.gpt4'
///     >>> stentor.validate_topic("sport//tennis", "mqtt")
///     'sport//tennis'
#[pyfunction]
#[pyo3(signature = (text, dialect = DialectArgument::Default), text_signature = "(text, dialect='mailbox')")]
pub(crate) fn validate_topic<'py>(
    text: Bound<'py, PyAny>,
    dialect: DialectArgument<'_, '_>,
) -> PyResult<Bound<'py, PyAny>> {
    let grammar = dialect.grammar()?;
    grammar
        .validate_topic(topic_text("text", &text)?)
        .map_err(map_error)?;
    Ok(text)
}

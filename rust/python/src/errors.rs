//! From the errors of the core to the exceptions of `stentor`, and from arguments to text.
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyString;
use stentor_core as core;

pyo3::import_exception!(stentor._values.errors, InvalidPatternError);
pyo3::import_exception!(stentor._values.errors, InvalidTopicError);
pyo3::import_exception!(stentor._values.errors, LimitError);

/// An error of the core that has an exception.
pub(crate) enum Failure {
    Pattern(core::PatternError),
    Topic(core::TopicError),
    Relation(core::RelationError),
    Grammar(core::GrammarError),
}

macro_rules! failure_from {
    ($($error:ident => $variant:ident),*) => {
        $(impl From<core::$error> for Failure {
            fn from(error: core::$error) -> Self {
                Self::$variant(error)
            }
        })*
    };
}

failure_from!(PatternError => Pattern, TopicError => Topic, RelationError => Relation, GrammarError => Grammar);

/// The exception that stands for an error of the core.
pub(crate) fn map_error(error: impl Into<Failure>) -> PyErr {
    match error.into() {
        Failure::Pattern(error) => {
            InvalidPatternError::new_err((error.text().to_owned(), error.offset(), error.reason()))
        }
        Failure::Topic(error) => {
            InvalidTopicError::new_err((error.text().to_owned(), error.offset(), error.reason()))
        }
        Failure::Relation(error) if error.is_limit() => LimitError::new_err(error.to_string()),
        Failure::Relation(error) => PyValueError::new_err(error.to_string()),
        Failure::Grammar(error) => PyValueError::new_err(error.to_string()),
    }
}

/// The text of a pattern given as the argument `name`.
pub(crate) fn pattern_text<'a>(name: &str, value: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    text_of(name, value, InvalidPatternError::new_err)
}

/// The text of a topic given as the argument `name`.
pub(crate) fn topic_text<'a>(name: &str, value: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    text_of(name, value, InvalidTopicError::new_err)
}

/// The text, the offset and the reason of an exception that refuses a text.
type Flaw = (Py<PyString>, usize, String);

#[inline]
fn text_of<'a>(
    name: &str,
    value: &'a Bound<'_, PyAny>,
    refuse: fn(Flaw) -> PyErr,
) -> PyResult<&'a str> {
    let Ok(text) = value.cast::<PyString>() else {
        return Err(wrong_type(name, "str", value));
    };
    text.to_str()
        .map_err(|error| refused(text, error, refuse).unwrap_or_else(|error| error))
}

/// The exception for a string that is no text.
#[cold]
fn refused(text: &Bound<'_, PyString>, error: PyErr, refuse: fn(Flaw) -> PyErr) -> PyResult<PyErr> {
    Ok(match first_surrogate(text)? {
        Some((offset, code)) => refuse((
            text.clone().unbind(),
            offset,
            format!("lone surrogate U+{code:04X}"),
        )),
        None => error,
    })
}

/// The exception for an argument that is of another type than it must be.
#[cold]
pub(crate) fn wrong_type(name: &str, wanted: &str, value: &Bound<'_, PyAny>) -> PyErr {
    match value.get_type().name() {
        Ok(given) => PyTypeError::new_err(format!("{name} must be {wanted}, not {given}")),
        Err(error) => error,
    }
}

/// The offset and the code point of the first surrogate.
fn first_surrogate(text: &Bound<'_, PyString>) -> PyResult<Option<(usize, u32)>> {
    let encoded = text.call_method1("encode", ("utf-32-le", "surrogatepass"))?;
    let bytes: &[u8] = encoded.extract()?;
    let codes = bytes.chunks_exact(4).map(|chunk| {
        chunk
            .iter()
            .rev()
            .fold(0, |code, &byte| code << 8 | u32::from(byte))
    });
    Ok(codes
        .enumerate()
        .find(|(_, code)| (0xD800..0xE000).contains(code)))
}

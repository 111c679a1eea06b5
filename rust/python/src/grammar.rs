//! `Grammar`: the parts of a dialect as a value.
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use stentor_core as core;

use crate::dialects::{base_of, grammar_of};
use crate::errors::map_error;

/// What topics and patterns look like: a dialect of one's own, or a built-in one with other limits.
///
/// A frozen value, which pickles. `Grammar.of` gives those of the built-in dialects.
///
/// Args:
///     separator: One ASCII character between two segments.
///     single: The segment that matches exactly one segment.
///     multi: The segment that matches a run of segments.
///     multi_min: The fewest segments that `multi` matches: 0 or 1.
///     multi_anywhere: Whether `multi` may stand anywhere and several times, or last only.
///     empty_segments: Whether a segment may be empty.
///     empty_topic: Whether the empty text is a topic, of zero segments.
///     globs: Whether `*`, `?` and `[...]` are a glob inside one segment.
///     hidden_prefix: A topic that starts with it is matched only by a pattern that spells it.
///     global_pattern: The whole pattern that matches every topic, beside `multi` itself.
///     wildcard_text: Where the text of a wildcard is plain text: `"nowhere"`, `"inside"` a longer
///         segment, or also in `"topics"`.
///     forbidden: Characters that neither a topic nor a pattern may hold.
///     max_segments: The most segments of a topic or a pattern.
///     max_bytes: The most bytes of UTF-8 of a topic or a pattern.
///     max_multi: The most multi wildcards of a pattern (in `redis`: stars).
///
/// Raises:
///     ValueError: The parts contradict each other; the text names the part and the rule.
///
/// Example:
///     >>> colons = stentor.Grammar(":", single="+", multi="...")
///     >>> stentor.Pattern("ai:...:error", colons).matches("ai:models:gpt4:error")
///     True
#[pyclass(module = "stentor", frozen, eq, hash)]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Grammar(pub(crate) Arc<core::Grammar>);

#[pymethods]
impl Grammar {
    #[new]
    #[pyo3(signature = (separator, *, single, multi, multi_min = 0, multi_anywhere = true,
        empty_segments = false, empty_topic = false, globs = false, hidden_prefix = None,
        global_pattern = None, wildcard_text = "nowhere", forbidden = "",
        max_segments = 256, max_bytes = 4096, max_multi = 8))]
    #[allow(
        clippy::too_many_arguments,
        clippy::fn_params_excessive_bools,
        reason = "each is a part of its own"
    )]
    fn new(
        separator: &str,
        single: &str,
        multi: &str,
        multi_min: i64,
        multi_anywhere: bool,
        empty_segments: bool,
        empty_topic: bool,
        globs: bool,
        hidden_prefix: Option<&str>,
        global_pattern: Option<&str>,
        wildcard_text: &str,
        forbidden: &str,
        max_segments: i64,
        max_bytes: i64,
        max_multi: i64,
    ) -> PyResult<Self> {
        let rules = core::Rules {
            multi_min: number("multi_min", multi_min, 0)?,
            multi_anywhere,
            empty_segments,
            empty_topic,
            globs,
            hidden_prefix: hidden_prefix.map(Into::into),
            global: global_pattern.map(Into::into),
            wildcard_text: place_of_wildcards(wildcard_text)?,
            forbidden: core::CharSet::new(forbidden.chars().map(|c| (c, c))),
            ..core::Rules::new(one_character(separator)?, single, multi)
        };
        let limits = core::Limits {
            max_segments: number("max_segments", max_segments, 1)?,
            max_bytes: number("max_bytes", max_bytes, 1)?,
            max_multi: number("max_multi", max_multi, 1)?,
        };
        core::Grammar::new(rules, limits)
            .map(Arc::new)
            .map(Self)
            .map_err(map_error)
    }

    /// Return the grammar of a dialect, with other limits where they are given.
    ///
    /// Args:
    ///     dialect: A `Dialect`, its value, or a `Grammar`.
    ///     max_segments: The most segments of a topic or a pattern.
    ///     max_bytes: The most bytes of UTF-8 of a topic or a pattern.
    ///     max_multi: The most multi wildcards of a pattern (in `redis`: stars).
    ///
    /// Raises:
    ///     TypeError: `dialect` is none of the three.
    ///     ValueError: `dialect` is not the name of one, or a limit is below 1.
    ///
    /// Example:
    ///     >>> stentor.Grammar.of("mqtt").separator
    ///     '/'
    ///     >>> stentor.Pattern("**.a.**", stentor.Grammar.of("mailbox", max_multi=1))
    ///     Traceback (most recent call last):
    ///     ...
    ///     stentor.InvalidPatternError: invalid pattern '**.a.**' at offset 5: more than 1 multi wildcards (max_multi)
    #[classmethod]
    #[pyo3(signature = (dialect, *, max_segments = None, max_bytes = None, max_multi = None))]
    fn of(
        _class: &Bound<'_, PyType>,
        dialect: &Bound<'_, PyAny>,
        max_segments: Option<i64>,
        max_bytes: Option<i64>,
        max_multi: Option<i64>,
    ) -> PyResult<Self> {
        let grammar = grammar_of(dialect)?;
        let limits = grammar.limits();
        let given =
            |name, value: Option<i64>, old| value.map_or(Ok(old), |value| number(name, value, 1));
        let limits = core::Limits {
            max_segments: given("max_segments", max_segments, limits.max_segments)?,
            max_bytes: given("max_bytes", max_bytes, limits.max_bytes)?,
            max_multi: given("max_multi", max_multi, limits.max_multi)?,
        };
        if limits == grammar.limits() {
            return Ok(Self(grammar));
        }
        grammar
            .with_limits(limits)
            .map(Arc::new)
            .map(Self)
            .map_err(map_error)
    }

    /// One character between two segments; None in `redis`, which has no segments.
    #[getter]
    fn separator(&self) -> Option<char> {
        self.0.rules().map(|rules| rules.separator)
    }

    /// The segment that matches exactly one segment; None in `redis`.
    #[getter]
    fn single(&self) -> Option<&str> {
        self.0.rules().map(|rules| &*rules.single)
    }

    /// The segment that matches a run of segments; None in `redis`.
    #[getter]
    fn multi(&self) -> Option<&str> {
        self.0.rules().map(|rules| &*rules.multi)
    }

    /// The text that hides a topic from patterns that do not spell it, if there is one.
    #[getter]
    fn hidden_prefix(&self) -> Option<&str> {
        self.0
            .rules()
            .and_then(|rules| rules.hidden_prefix.as_deref())
    }

    /// The most segments of a topic or a pattern.
    #[getter]
    fn max_segments(&self) -> usize {
        self.0.limits().max_segments
    }

    /// The most bytes of UTF-8 of a topic or a pattern.
    #[getter]
    fn max_bytes(&self) -> usize {
        self.0.limits().max_bytes
    }

    /// The most multi wildcards of a pattern (in `redis`: stars).
    #[getter]
    fn max_multi(&self) -> usize {
        self.0.limits().max_multi
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (maker, first, keywords) = self.recipe(py)?;
        let mut arguments = vec![first.into_pyobject(py)?.repr()?.to_string()];
        for (name, value) in &keywords {
            arguments.push(format!("{name}={}", value.repr()?));
        }
        Ok(format!("{maker}({})", arguments.join(", ")))
    }

    /// A partial of the constructor, or of `of`, with the keywords; applied to the first argument.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let py = slf.py();
        let (maker, first, keywords) = slf.get().recipe(py)?;
        let class = slf.get_type();
        let maker = if maker == "Grammar" {
            class.into_any()
        } else {
            class.getattr("of")?
        };
        let partial = py.import("functools")?.getattr("partial")?;
        Ok((partial.call((maker,), Some(&keywords))?, (first,)))
    }
}

/// What is called, with which argument and which keywords, to make a grammar again.
type Recipe<'py> = (&'static str, String, Bound<'py, PyDict>);

impl Grammar {
    fn recipe<'py>(&self, py: Python<'py>) -> PyResult<Recipe<'py>> {
        let keywords = PyDict::new(py);
        let grammar = &self.0;
        if let Some((name, base)) = base_of(grammar) {
            set_limits(&keywords, grammar.limits(), base.limits())?;
            return Ok(("Grammar.of", name.to_owned(), keywords));
        }
        let Some(rules) = grammar.rules() else {
            return Err(PyValueError::new_err(
                "a grammar without segments is of redis",
            ));
        };
        set_rules(&keywords, rules)?;
        set_limits(&keywords, grammar.limits(), core::Limits::default())?;
        Ok(("Grammar", rules.separator.to_string(), keywords))
    }
}

fn set_limits(
    keywords: &Bound<'_, PyDict>,
    limits: core::Limits,
    usual: core::Limits,
) -> PyResult<()> {
    for (name, limit, usual) in [
        ("max_segments", limits.max_segments, usual.max_segments),
        ("max_bytes", limits.max_bytes, usual.max_bytes),
        ("max_multi", limits.max_multi, usual.max_multi),
    ] {
        if limit != usual {
            keywords.set_item(name, limit)?;
        }
    }
    Ok(())
}

/// Sets the keywords of the parts that are not the usual ones.
fn set_rules(keywords: &Bound<'_, PyDict>, rules: &core::Rules) -> PyResult<()> {
    keywords.set_item("single", &*rules.single)?;
    keywords.set_item("multi", &*rules.multi)?;
    if rules.multi_min != 0 {
        keywords.set_item("multi_min", rules.multi_min)?;
    }
    for (name, switch, usual) in [
        ("multi_anywhere", rules.multi_anywhere, true),
        ("empty_segments", rules.empty_segments, false),
        ("empty_topic", rules.empty_topic, false),
        ("globs", rules.globs, false),
    ] {
        if switch != usual {
            keywords.set_item(name, switch)?;
        }
    }
    for (name, text) in [
        ("hidden_prefix", &rules.hidden_prefix),
        ("global_pattern", &rules.global),
    ] {
        if let Some(text) = text {
            keywords.set_item(name, &**text)?;
        }
    }
    if let Some((name, _)) = PLACES
        .iter()
        .skip(1)
        .find(|(_, place)| *place == rules.wildcard_text)
    {
        keywords.set_item("wildcard_text", *name)?;
    }
    let forbidden: String = rules
        .forbidden
        .ranges()
        .iter()
        .flat_map(|&(low, high)| low..=high)
        .collect();
    if !forbidden.is_empty() {
        keywords.set_item("forbidden", forbidden)?;
    }
    Ok(())
}

const PLACES: [(&str, core::WildcardText); 3] = [
    ("nowhere", core::WildcardText::Nowhere),
    ("inside", core::WildcardText::Inside),
    ("topics", core::WildcardText::Topics),
];

fn place_of_wildcards(text: &str) -> PyResult<core::WildcardText> {
    let found = PLACES
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, place)| *place);
    found.ok_or_else(|| {
        let rule = "wildcard_text must be 'nowhere', 'inside' or 'topics'";
        PyValueError::new_err(format!("{rule}, not '{text}'"))
    })
}

fn one_character(separator: &str) -> PyResult<char> {
    let mut characters = separator.chars();
    match (characters.next(), characters.next()) {
        (Some(c), None) => Ok(c),
        _ => Err(PyValueError::new_err(format!(
            "separator must be one ASCII character, not '{separator}'"
        ))),
    }
}

fn number(name: &str, value: i64, least: i64) -> PyResult<usize> {
    match usize::try_from(value) {
        Ok(number) if value >= least => Ok(number),
        _ => Err(PyValueError::new_err(format!(
            "{name} must be >= {least}, not {value}"
        ))),
    }
}

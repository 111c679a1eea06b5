//! `Index`: the native subscription index.
use std::ffi::CStr;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyTuple};
use stentor_core as core;

use crate::delivery::cell::LockedCell;
use crate::dialects::grammar_of;
use crate::directly::Method;
use crate::errors::{LimitError, map_error, pattern_text, topic_text};
use crate::values::Holding;

/// The subscription index: which subscriptions match a topic, and what they stand for.
///
/// Memory for objects of Python is asked for only where no cell is open, since that may run code that comes back.
#[pyclass(module = "stentor", frozen)]
pub(crate) struct Index {
    pub(crate) inner: LockedCell<Inner>,
    /// Room for the values of a match, taken out while it is used.
    pub(crate) values: LockedCell<Vec<Py<PyAny>>>,
}

pub(crate) struct Inner {
    pub(crate) index: Holding,
    /// Valid topics that were looked up one by one.
    lookups: u64,
    /// The buffers of a match: for ids, and for ids with their values.
    ids: Vec<core::SubscriptionId>,
    pairs: Vec<(core::SubscriptionId, u64)>,
}

/// Room for so many ids, or values, is kept from one match to the next.
pub(crate) const KEPT: usize = 4096;

impl Inner {
    #[inline]
    pub(crate) fn pick(
        &mut self,
        py: Python<'_>,
        topic: &str,
        values: &mut Vec<Py<PyAny>>,
    ) -> Result<(), core::TopicError> {
        self.pairs.shrink_to(KEPT);
        self.index.pick_into(py, topic, &mut self.pairs, values)
    }

    #[inline]
    fn numbers(&mut self, topic: &str) -> Result<Vec<u64>, core::TopicError> {
        self.ids.shrink_to(KEPT);
        self.index.match_into(topic, &mut self.ids)?;
        Ok(self.ids.iter().map(|id| id.0).collect())
    }
}

/// What an index holds; counts unless said otherwise.
#[pyclass(module = "stentor._native", frozen, get_all, eq)]
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct IndexStatistics {
    /// Subscriptions added and not removed.
    subscriptions: usize,
    /// Different patterns among them; two that differ only in runs of wildcards are one.
    patterns: usize,
    /// Nodes of the trie, which holds the patterns that no faster structure takes.
    nodes: usize,
    /// Shapes of wildcard patterns, found by hash.
    shapes: usize,
    /// Different segment texts in the trie.
    symbols: usize,
    /// Different literal prefixes of patterns without segments.
    prefixes: usize,
    /// Bytes that the index owns on the heap.
    bytes: usize,
    /// Valid topics that `match` and `pick` were asked for.
    lookups: u64,
}

/// One subscription that matches a topic, and why.
#[pyclass(module = "stentor", frozen, get_all, eq, hash)]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Explanation {
    /// The subscription.
    id: u64,
    /// Its pattern, as it was given.
    pattern: String,
    /// Through which structure it was found: `"exact"`, `"shape"`, `"trie"` or `"prefix"`.
    structure: &'static str,
}

#[pymethods]
impl Explanation {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let Self {
            id,
            pattern,
            structure,
        } = self;
        let pattern = pattern.as_str().into_pyobject(py)?.repr()?;
        Ok(format!(
            "Explanation(id={id}, pattern={pattern}, structure='{structure}')"
        ))
    }
}

impl From<core::Explanation> for Explanation {
    fn from(explanation: core::Explanation) -> Self {
        let core::Explanation {
            id,
            pattern,
            structure,
        } = explanation;
        Self {
            id: id.0,
            pattern: pattern.into(),
            structure: structure.name(),
        }
    }
}

impl Index {
    /// Raises if there are values, and the index keeps none.
    fn check_keeps(&self, are_values: bool) -> PyResult<()> {
        if are_values && !self.inner.with(|inner| inner.index.keeps_values()) {
            let text = "an index made without keeps_values keeps no value";
            return Err(PyValueError::new_err(text));
        }
        Ok(())
    }

    /// What `find` finds for a topic; it neither calls Python nor drops one of its objects.
    #[inline]
    pub(crate) fn look_up<R>(
        &self,
        topic: &Bound<'_, PyAny>,
        find: impl FnOnce(&mut Inner, &str) -> Result<R, core::TopicError>,
    ) -> PyResult<R> {
        let text = topic_text("topic", topic)?;
        let answer = self.inner.with(|inner| {
            let answer = find(inner, text)?;
            inner.lookups += 1;
            Ok(answer)
        });
        answer.map_err(|error: core::TopicError| map_error(error))
    }

    /// The tuples of what `find`, which is as above, finds for each topic.
    pub(crate) fn look_up_all<'py, T: IntoPyObject<'py>>(
        &self,
        py: Python<'py>,
        topics: &[Bound<'py, PyAny>],
        find: impl Fn(&mut Inner, &str) -> Result<Vec<T>, core::TopicError>,
    ) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let texts: Vec<_> = topics
            .iter()
            .map(|topic| topic_text("topics", topic))
            .collect::<PyResult<_>>()?;
        let mut answers = Vec::with_capacity(texts.len());
        let done = self.inner.with(|inner| {
            for text in texts {
                answers.push(find(inner, text)?);
            }
            Ok(())
        });
        done.map_err(|error: core::TopicError| map_error(error))?;
        answers
            .into_iter()
            .map(|elements| PyTuple::new(py, elements))
            .collect()
    }
}

/// `Index.match`.
pub(crate) struct Match;

impl Method for Match {
    type Class = Index;
    const NAME: &CStr = c"match";
    const DOC: &CStr = c"match($self, topic, /)\n--\n\n\
        Return the ids whose patterns match a topic, ascending.\n\n\
        Raises:\n    InvalidTopicError: `topic` is none of the dialect.";

    #[inline]
    fn call<'py>(
        index: &Bound<'py, Index>,
        topic: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(topic.py(), index.get().look_up(topic, Inner::numbers)?)
    }
}

/// The exception for a pattern that was not added.
fn refused(error: core::AddError) -> PyErr {
    match error {
        core::AddError::Pattern(error) => map_error(error),
        core::AddError::Full(_) => LimitError::new_err(error.to_string()),
    }
}

fn unknown(error: core::UnknownSubscription) -> PyErr {
    PyValueError::new_err(error.to_string())
}

#[pymethods]
#[allow(
    clippy::needless_pass_by_value,
    reason = "an argument is taken as it is extracted"
)]
impl Index {
    #[new]
    #[pyo3(signature = (dialect, *, reserved = None, keeps_values = false))]
    fn new(
        dialect: &Bound<'_, PyAny>,
        reserved: Option<&str>,
        keeps_values: bool,
    ) -> PyResult<Self> {
        let grammar = grammar_of(dialect)?;
        Ok(Self {
            values: LockedCell::new(Vec::new()),
            inner: LockedCell::new(Inner {
                index: Holding::new(core::Index::keeping(grammar, reserved, keeps_values)),
                lookups: 0,
                ids: Vec::new(),
                pairs: Vec::new(),
            }),
        })
    }

    /// Add one subscription to `pattern` and return its id, greater than all before.
    ///
    /// Raises:
    ///     InvalidPatternError: `pattern` is none of the dialect; nothing has changed.
    ///     ValueError: there is a `value`, and the index keeps none; nothing has changed.
    #[pyo3(signature = (pattern, value = None))]
    fn add(&self, pattern: &Bound<'_, PyAny>, value: Option<Py<PyAny>>) -> PyResult<u64> {
        let text = pattern_text("pattern", pattern)?;
        self.check_keeps(value.is_some())?;
        let value = value.unwrap_or_else(|| pattern.py().None());
        let (added, _left) = self.inner.with(|inner| inner.index.add(text, value));
        added.map(|id| id.0).map_err(refused)
    }

    /// Add a subscription to each of the patterns, or none at all, and return their ids.
    ///
    /// Raises:
    ///     InvalidPatternError: for the first that is no pattern; nothing has changed.
    ///     ValueError: `values` are not as many as `patterns`, or the index keeps none; nothing has changed.
    #[pyo3(signature = (patterns, values = None))]
    fn add_many(
        &self,
        py: Python<'_>,
        patterns: Vec<Bound<'_, PyAny>>,
        values: Option<Vec<Py<PyAny>>>,
    ) -> PyResult<Vec<u64>> {
        let texts: Vec<_> = patterns
            .iter()
            .map(|text| pattern_text("patterns", text))
            .collect::<PyResult<_>>()?;
        self.check_keeps(values.is_some())?;
        let values = values.unwrap_or_else(|| texts.iter().map(|_| py.None()).collect());
        if values.len() != texts.len() {
            let (wanted, given) = (texts.len(), values.len());
            let message = format!("values must be as many as patterns, {wanted}, not {given}");
            return Err(PyValueError::new_err(message));
        }
        let (added, _left) = self
            .inner
            .with(|inner| inner.index.add_many(&texts, values));
        added
            .map(|ids| ids.iter().map(|id| id.0).collect())
            .map_err(refused)
    }

    /// Remove the subscription with this id, and return its value, if it had one.
    ///
    /// Raises:
    ///     ValueError: `id` is of no subscription, or no longer.
    fn remove(&self, py: Python<'_>, id: u64) -> PyResult<Option<Py<PyAny>>> {
        let id = core::SubscriptionId(id);
        let (removed, value) = self.inner.with(|inner| inner.index.remove(py, id));
        removed.map(|_| value).map_err(unknown)
    }

    /// Return the one topic that a subscription matches, or None if its pattern has a wildcard or it is not there.
    fn exact_topic(&self, id: u64) -> Option<String> {
        let id = core::SubscriptionId(id);
        self.inner
            .with(|inner| inner.index.exact_topic(id).map(str::to_owned))
    }

    /// Return what `match` returns, for each topic.
    ///
    /// Raises:
    ///     InvalidTopicError: for the first that is no topic.
    fn match_many<'py>(
        &self,
        py: Python<'py>,
        topics: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        self.look_up_all(py, &topics, Inner::numbers)
    }

    /// Say which patterns match a topic, and through which structure, in the order of their first subscriptions.
    ///
    /// Raises:
    ///     InvalidTopicError: `topic` is none of the dialect.
    fn explain<'py>(&self, topic: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
        let text = topic_text("topic", topic)?;
        let found = self.inner.with(|inner| inner.index.explain(text));
        let found = found.map_err(map_error)?.into_iter();
        let records: PyResult<Vec<_>> = found
            .map(|one| Bound::new(topic.py(), Explanation::from(one)))
            .collect();
        PyTuple::new(topic.py(), records?)
    }

    /// Return what the index holds.
    fn statistics(&self) -> IndexStatistics {
        let (lookups, statistics) = self
            .inner
            .with(|inner| (inner.lookups, inner.index.statistics()));
        let core::IndexStatistics {
            subscriptions,
            patterns,
            nodes,
            shapes,
            symbols,
            prefixes,
            bytes,
        } = statistics;
        IndexStatistics {
            subscriptions,
            patterns,
            nodes,
            shapes,
            symbols,
            prefixes,
            bytes,
            lookups,
        }
    }

    fn __contains__(&self, id: &Bound<'_, PyAny>) -> bool {
        let contains = |id| self.inner.with(|inner| inner.index.contains(id));
        !id.is_instance_of::<PyBool>()
            && id
                .extract()
                .is_ok_and(|id| contains(core::SubscriptionId(id)))
    }

    fn __len__(&self) -> usize {
        self.inner.with(|inner| inner.index.len())
    }
}

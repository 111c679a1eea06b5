//! `Index`: the native subscription index, integer ids only.
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use stentor_core as core;

use crate::dialects::grammar_of;
use crate::errors::{LimitError, map_error, pattern_text, topic_text};

/// The subscription index: which subscriptions match a topic.
#[pyclass(module = "stentor", frozen)]
pub(crate) struct Index {
    inner: Mutex<Inner>,
}

struct Inner {
    index: core::Index,
    /// Valid topics that were looked up one by one.
    lookups: u64,
}

impl Inner {
    fn look_up(&mut self, topic: &str) -> Result<Vec<core::SubscriptionId>, core::TopicError> {
        let found = self.index.matches(topic)?;
        self.lookups += 1;
        Ok(found)
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
    /// The core index and its count. Poison is ignored: a panic in it was turned into an exception already.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The values of some ids, without those that have none. Looking a number up runs no code of Python.
fn values_of<'py>(
    values: &Bound<'py, PyDict>,
    ids: &[core::SubscriptionId],
) -> PyResult<Bound<'py, PyTuple>> {
    let found: Vec<_> = ids
        .iter()
        .filter_map(|id| values.get_item(id.0).transpose())
        .collect::<PyResult<_>>()?;
    PyTuple::new(values.py(), found)
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
    #[pyo3(signature = (dialect, *, reserved = None))]
    fn new(dialect: &Bound<'_, PyAny>, reserved: Option<&str>) -> PyResult<Self> {
        let grammar = grammar_of(dialect)?;
        Ok(Self {
            inner: Mutex::new(Inner {
                index: core::Index::new(grammar, reserved),
                lookups: 0,
            }),
        })
    }

    /// Add one subscription to `pattern` and return its id, greater than all before.
    ///
    /// Raises:
    ///     InvalidPatternError: `pattern` is none of the dialect; nothing has changed.
    fn add(&self, pattern: &Bound<'_, PyAny>) -> PyResult<u64> {
        let text = pattern_text("pattern", pattern)?;
        let added = self.lock().index.add(text);
        added.map(|id| id.0).map_err(refused)
    }

    /// Add a subscription to each of the patterns, or none at all, and return their ids.
    ///
    /// Raises:
    ///     InvalidPatternError: for the first that is no pattern; nothing has changed.
    fn add_many(&self, patterns: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<u64>> {
        let texts: Vec<_> = patterns
            .iter()
            .map(|text| pattern_text("patterns", text))
            .collect::<PyResult<_>>()?;
        let added = self.lock().index.add_many(&texts);
        added
            .map(|ids| ids.iter().map(|id| id.0).collect())
            .map_err(refused)
    }

    /// Remove the subscription with this id.
    ///
    /// Raises:
    ///     ValueError: `id` is of no subscription, or no longer.
    fn remove(&self, id: u64) -> PyResult<()> {
        let removed = self.lock().index.remove(core::SubscriptionId(id));
        removed.map(drop).map_err(unknown)
    }

    /// Return the one topic that a subscription matches, or None if its pattern has a wildcard or it is not there.
    fn exact_topic(&self, id: u64) -> Option<String> {
        self.lock()
            .index
            .exact_topic(core::SubscriptionId(id))
            .map(str::to_owned)
    }

    /// Return the ids whose patterns match a topic, ascending.
    ///
    /// Raises:
    ///     InvalidTopicError: `topic` is none of the dialect.
    #[pyo3(name = "match")]
    fn match_<'py>(&self, topic: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
        let text = topic_text("topic", topic)?;
        let found = self.lock().look_up(text);
        PyTuple::new(topic.py(), found.map_err(map_error)?.iter().map(|id| id.0))
    }

    /// Return the values of the ids whose patterns match a topic, by ascending id; an id without one is left out.
    ///
    /// Raises:
    ///     InvalidTopicError: `topic` is none of the dialect.
    fn pick<'py>(
        &self,
        values: &Bound<'py, PyDict>,
        topic: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let text = topic_text("topic", topic)?;
        let found = self.lock().look_up(text);
        values_of(values, &found.map_err(map_error)?)
    }

    /// Return what `pick` returns, for each topic.
    ///
    /// Raises:
    ///     InvalidTopicError: for the first that is no topic.
    fn pick_many<'py>(
        &self,
        values: &Bound<'py, PyDict>,
        topics: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let texts: Vec<_> = topics
            .iter()
            .map(|topic| topic_text("topics", topic))
            .collect::<PyResult<_>>()?;
        let found = self.lock().index.match_many(&texts);
        found
            .map_err(map_error)?
            .iter()
            .map(|ids| values_of(values, ids))
            .collect()
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
        let texts: Vec<_> = topics
            .iter()
            .map(|topic| topic_text("topics", topic))
            .collect::<PyResult<_>>()?;
        let found = self.lock().index.match_many(&texts);
        found
            .map_err(map_error)?
            .iter()
            .map(|ids| PyTuple::new(py, ids.iter().map(|id| id.0)))
            .collect()
    }

    /// Say which patterns match a topic, and through which structure, in the order of their first subscriptions.
    ///
    /// Raises:
    ///     InvalidTopicError: `topic` is none of the dialect.
    fn explain<'py>(&self, topic: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
        let text = topic_text("topic", topic)?;
        let found = self.lock().index.explain(text);
        let found = found.map_err(map_error)?.into_iter();
        let records: PyResult<Vec<_>> = found
            .map(|one| Bound::new(topic.py(), Explanation::from(one)))
            .collect();
        PyTuple::new(topic.py(), records?)
    }

    /// Return what the index holds.
    fn statistics(&self) -> IndexStatistics {
        let inner = self.lock();
        let lookups = inner.lookups;
        let core::IndexStatistics {
            subscriptions,
            patterns,
            nodes,
            shapes,
            symbols,
            prefixes,
            bytes,
        } = inner.index.statistics();
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

    fn __len__(&self) -> usize {
        self.lock().index.len()
    }
}

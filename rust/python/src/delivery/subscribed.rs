//! The subscriptions of one recipient, by their ids: most have one.
use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

/// None, one, or as many as there are, in the order of their ids.
pub(crate) enum Subscribed {
    Not,
    Once(u64, Py<PyAny>),
    Often(BTreeMap<u64, Py<PyAny>>),
}

impl Subscribed {
    pub(crate) fn is_any(&self) -> bool {
        match self {
            Self::Not => false,
            Self::Once(..) => true,
            Self::Often(all) => !all.is_empty(),
        }
    }

    /// Another reference to each.
    pub(crate) fn all(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        match self {
            Self::Not => Vec::new(),
            Self::Once(_, one) => vec![one.clone_ref(py)],
            Self::Often(all) => all.values().map(|one| one.clone_ref(py)).collect(),
        }
    }

    /// Adds one, and returns what had its id.
    pub(crate) fn enter(&mut self, id: u64, subscription: Py<PyAny>) -> Option<Py<PyAny>> {
        match std::mem::replace(self, Self::Not) {
            Self::Not => {
                *self = Self::Once(id, subscription);
                None
            }
            Self::Once(first, one) => {
                let mut all = BTreeMap::from([(first, one)]);
                let replaced = all.insert(id, subscription);
                *self = Self::Often(all);
                replaced
            }
            Self::Often(mut all) => {
                let replaced = all.insert(id, subscription);
                *self = Self::Often(all);
                replaced
            }
        }
    }

    /// Takes one out, if it is there.
    pub(crate) fn discard(&mut self, id: u64) -> Option<Py<PyAny>> {
        match std::mem::replace(self, Self::Not) {
            Self::Not => None,
            Self::Once(first, one) if first == id => Some(one),
            Self::Once(first, one) => {
                *self = Self::Once(first, one);
                None
            }
            Self::Often(mut all) => {
                let gone = all.remove(&id);
                *self = Self::Often(all);
                gone
            }
        }
    }

    pub(crate) fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Not => Ok(()),
            Self::Once(_, one) => visit.call(one),
            Self::Often(all) => all.values().try_for_each(|one| visit.call(one)),
        }
    }
}

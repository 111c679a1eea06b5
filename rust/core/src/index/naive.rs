//! The naive index: a list of subscriptions, each asked for each topic.
use std::sync::Arc;

use crate::error::PatternError;
use crate::grammar::Grammar;
use crate::oracle;
use crate::pattern::{Element, Pattern};
use crate::redis::RedisGlob;

use super::{SubscriptionId, UnknownSubscription};

/// What an [`Index`](crate::Index) must be equal to, said as plainly as possible.
#[derive(Debug)]
pub struct NaiveIndex {
    grammar: Arc<Grammar>,
    reserved: Option<Box<str>>,
    next_id: u64,
    subscriptions: Vec<(SubscriptionId, Pattern)>,
}

impl NaiveIndex {
    /// An empty index.
    #[must_use]
    pub fn new(grammar: Arc<Grammar>, reserved: Option<&str>) -> Self {
        Self {
            grammar,
            reserved: reserved.map(Into::into),
            next_id: 0,
            subscriptions: Vec::new(),
        }
    }

    /// The subscriptions with their patterns, ascending.
    #[must_use]
    pub fn subscriptions(&self) -> &[(SubscriptionId, Pattern)] {
        &self.subscriptions
    }

    /// Adds one subscription.
    ///
    /// # Errors
    ///
    /// [`PatternError`] if `text` is no pattern.
    pub fn add(&mut self, text: &str) -> Result<SubscriptionId, PatternError> {
        let pattern = Pattern::parse(text, &self.grammar)?;
        let id = SubscriptionId(self.next_id);
        self.next_id += 1;
        self.subscriptions.push((id, pattern));
        Ok(id)
    }

    /// Removes one subscription and returns its pattern.
    ///
    /// # Errors
    ///
    /// [`UnknownSubscription`] if it is not there.
    pub fn remove(&mut self, id: SubscriptionId) -> Result<Box<str>, UnknownSubscription> {
        let at = self
            .subscriptions
            .iter()
            .position(|(other, _)| *other == id)
            .ok_or(UnknownSubscription(id))?;
        Ok(self.subscriptions.remove(at).1.text().into())
    }

    /// The subscriptions that match a valid topic.
    #[must_use]
    pub fn matches(&self, topic: &str) -> Vec<SubscriptionId> {
        let matching = self.subscriptions.iter().filter(|(_, pattern)| {
            oracle::matches(pattern.text(), topic, &self.grammar) && self.may_reach(pattern, topic)
        });
        matching.map(|(id, _)| *id).collect()
    }

    /// Whether a topic is not reserved, or the pattern spells what it is reserved by.
    fn may_reach(&self, pattern: &Pattern, topic: &str) -> bool {
        let Some(reserved) = self.reserved.as_deref() else {
            return true;
        };
        if let Some(rules) = self.grammar.rules() {
            let first = pattern.elements().first();
            let spelt = matches!(first, Some(Element::Literal(text)) if **text == *reserved);
            return spelt || topic.split(rules.separator).next() != Some(reserved);
        }
        let spelt = pattern
            .as_bytes_glob()
            .map(RedisGlob::prefix)
            .unwrap_or_default();
        spelt.starts_with(reserved.as_bytes()) || !topic.starts_with(reserved)
    }
}

//! A pattern on its way into the index: which structure it is for, and the text of its record.
use std::borrow::Cow;
use std::sync::Arc;

use crate::error::PatternError;
use crate::grammar::Grammar;
use crate::pattern::{Element, Pattern};
use crate::redis::RedisGlob;
use crate::rules::Rules;

use super::shapes::Form;

/// Which structure a pattern is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind<'p> {
    /// The table, found by its whole text.
    Exact,
    /// The table, found by its shape; the trie if there are too many shapes.
    Shaped(Form, &'p [Element]),
    /// The trie.
    Trie(&'p [Element]),
    /// The groups of one prefix.
    Prefix(&'p RedisGlob),
}

/// A parsed pattern and the text that stands for it in its record.
///
/// Two patterns have the same key just if their elements are the same: the key of one with segments is its elements
/// written one after the other, that of one without is its text.
#[derive(Debug)]
pub(super) struct Parsed {
    pattern: Pattern,
    pub(super) key: String,
    is_exact: bool,
}

impl Parsed {
    pub(super) fn new(text: &str, grammar: &Arc<Grammar>) -> Result<Self, PatternError> {
        let pattern = Pattern::parse(text, grammar)?;
        let exact = pattern.exact().map(Cow::into_owned);
        let is_exact = exact.is_some();
        let key = exact.unwrap_or_else(|| match grammar.rules() {
            Some(rules) => written(pattern.elements(), rules),
            None => text.to_owned(),
        });
        Ok(Self {
            pattern,
            key,
            is_exact,
        })
    }

    pub(super) fn kind(&self) -> Kind<'_> {
        if self.is_exact {
            return Kind::Exact;
        }
        if let Some(glob) = self.pattern.as_bytes_glob() {
            return Kind::Prefix(glob);
        }
        let elements = self.pattern.elements();
        Form::of(elements).map_or(Kind::Trie(elements), |form| Kind::Shaped(form, elements))
    }
}

/// Elements with separators between.
fn written(elements: &[Element], rules: &Rules) -> String {
    let mut text = String::new();
    for (at, element) in elements.iter().enumerate() {
        if at > 0 {
            text.push(rules.separator);
        }
        match element {
            Element::Literal(literal) => text.push_str(literal),
            Element::Single => text.push_str(&rules.single),
            Element::Multi => text.push_str(&rules.multi),
            Element::Glob(glob) => glob.write(&mut text),
        }
    }
    text
}

//! Patterns: a parsed text that answers which topics it matches.
use std::borrow::Cow;
use std::sync::Arc;

use crate::error::{PatternError, TopicError};
use crate::glob::Glob;
use crate::grammar::Grammar;
use crate::parse::parse_elements;
use crate::redis::RedisGlob;

/// What one segment of a topic is compared with, or a run of any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Element {
    /// This segment.
    Literal(Box<str>),
    /// Any one segment.
    Single,
    /// Any run of segments, which may be empty.
    Multi,
    /// One segment that a glob matches.
    Glob(Glob),
}

impl Element {
    /// Whether a single segment matches; [`Element::Multi`] is never asked.
    #[must_use]
    pub fn accepts(&self, segment: &str) -> bool {
        match self {
            Self::Literal(text) => **text == *segment,
            Self::Single => true,
            Self::Glob(glob) => glob.matches(segment),
            Self::Multi => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Body {
    Segments(Box<[Element]>),
    Bytes(RedisGlob),
}

/// What a subscription matches.
///
/// ```
/// use std::sync::Arc;
/// use stentor_core::{Grammar, Pattern};
///
/// let mailbox = Arc::new(Grammar::mailbox());
/// let pattern = Pattern::parse("ai.**", &mailbox).unwrap();
/// assert!(pattern.matches("ai.models.gpt4").unwrap());
/// assert!(!pattern.matches("nature.lion").unwrap());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: Box<str>,
    grammar: Arc<Grammar>,
    body: Body,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// [`PatternError`] with the first flaw from the left; too many bytes come before all others.
    pub fn parse(text: &str, grammar: &Arc<Grammar>) -> Result<Self, PatternError> {
        let body = match grammar.rules() {
            Some(rules) => {
                parse_elements(text, grammar, rules).map(|elements| Body::Segments(elements.into()))
            }
            None => RedisGlob::parse(text, grammar).map(Body::Bytes),
        };
        match body {
            Ok(body) => Ok(Self {
                text: text.into(),
                grammar: Arc::clone(grammar),
                body,
            }),
            Err(flaw) => Err(PatternError::new(text, flaw)),
        }
    }

    /// The text as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The grammar it was read by.
    #[must_use]
    pub fn grammar(&self) -> &Arc<Grammar> {
        &self.grammar
    }

    /// The elements, normalised: no multi wildcard follows another, singles stand before a multi
    /// wildcard beside them, and where every topic has a segment, `*.**` is `**`. Empty in `redis`.
    #[must_use]
    pub fn elements(&self) -> &[Element] {
        match &self.body {
            Body::Segments(elements) => elements,
            Body::Bytes(_) => &[],
        }
    }

    /// The glob over bytes that a pattern of `redis` is; `None` in a grammar with segments.
    #[must_use]
    pub fn as_bytes_glob(&self) -> Option<&RedisGlob> {
        match &self.body {
            Body::Segments(_) => None,
            Body::Bytes(glob) => Some(glob),
        }
    }

    /// The one topic it matches, if it has no wildcard.
    #[must_use]
    pub fn exact(&self) -> Option<Cow<'_, str>> {
        match &self.body {
            Body::Segments(elements) => {
                let literal = |element: &Element| matches!(element, Element::Literal(_));
                elements
                    .iter()
                    .all(literal)
                    .then_some(Cow::Borrowed(&*self.text))
            }
            Body::Bytes(glob) => glob.exact().map(Cow::Owned),
        }
    }

    /// Whether it spells the hidden prefix, without which it matches no hidden topic.
    #[must_use]
    pub fn reaches_hidden(&self) -> bool {
        let prefix = self
            .grammar
            .rules()
            .and_then(|rules| rules.hidden_prefix.as_deref());
        prefix.is_none_or(|prefix| match self.elements().first() {
            Some(Element::Literal(text)) => text.starts_with(prefix),
            Some(Element::Glob(glob)) => glob.prefix().starts_with(prefix),
            _ => false,
        })
    }

    /// Whether a topic matches. At most the product of both numbers of segments; one pass where
    /// there is no multi wildcard.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if the topic is not valid in the grammar of the pattern.
    pub fn matches(&self, topic: &str) -> Result<bool, TopicError> {
        self.grammar.validate_topic(topic)?;
        Ok(match &self.body {
            Body::Bytes(glob) => glob.matches(topic.as_bytes()),
            Body::Segments(elements) => {
                (self.reaches_hidden() || !self.grammar.is_hidden(topic))
                    && match_elements(elements, self.grammar.segments(topic))
            }
        })
    }

    /// Its text with all runs of wildcards in one form: patterns that differ only there have the same
    /// one. In `redis`, the text itself.
    #[must_use]
    pub fn canonical(&self) -> Cow<'_, str> {
        match (&self.body, self.grammar.rules()) {
            (Body::Segments(elements), Some(rules)) => {
                Cow::Owned(crate::canonical::write(elements, rules))
            }
            _ => Cow::Borrowed(&self.text),
        }
    }
}

/// Compares element by element; what follows the first multi wildcard is compared with a list.
fn match_elements<'t>(elements: &[Element], mut segments: impl Iterator<Item = &'t str>) -> bool {
    for (at, element) in elements.iter().enumerate() {
        if *element == Element::Multi {
            return match_runs(&elements[at..], &segments.collect::<Vec<_>>());
        }
        if !segments
            .next()
            .is_some_and(|segment| element.accepts(segment))
        {
            return false;
        }
    }
    segments.next().is_none()
}

/// After a mismatch, the last multi wildcard takes one segment more. Going back further is never
/// needed: an earlier one with more segments leaves the same rest.
fn match_runs(elements: &[Element], segments: &[&str]) -> bool {
    let (mut element, mut segment) = (0, 0);
    let mut last_multi = None;
    while segment < segments.len() {
        if elements.get(element) == Some(&Element::Multi) {
            last_multi = Some((element, segment));
            element += 1;
        } else if elements
            .get(element)
            .is_some_and(|e| e.accepts(segments[segment]))
        {
            element += 1;
            segment += 1;
        } else if let Some((multi, taken)) = last_multi {
            last_multi = Some((multi, taken + 1));
            (element, segment) = (multi + 1, taken + 1);
        } else {
            return false;
        }
    }
    elements[element..]
        .iter()
        .all(|element| *element == Element::Multi)
}

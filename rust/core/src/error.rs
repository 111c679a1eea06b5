//! The errors of the pattern language: opaque outside, with a private kind inside.
use std::error::Error;
use std::fmt;

/// What is wrong with a text. A reason never repeats the text itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    EmptySegment,
    EmptyText,
    Forbidden(char),
    WildcardInTopic(Box<str>),
    WildcardMixed(Box<str>),
    WildcardNotLast(Box<str>),
    StrayBracket,
    UnclosedBracket,
    EmptyBrackets,
    BracketInside,
    CaretNegation,
    LooseHyphen,
    ReversedRange(char, char),
    Limit {
        name: &'static str,
        what: &'static str,
        most: usize,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptySegment => f.write_str("empty segment"),
            Self::EmptyText => f.write_str("empty text"),
            Self::Forbidden(c) => write!(f, "forbidden character U+{:04X}", u32::from(*c)),
            Self::WildcardInTopic(w) => write!(f, "a topic cannot hold '{w}'"),
            Self::WildcardMixed(w) => write!(f, "'{w}' must be a whole segment"),
            Self::WildcardNotLast(w) => write!(f, "'{w}' must be the last segment"),
            Self::StrayBracket => f.write_str("stray ']'"),
            Self::UnclosedBracket => f.write_str("unclosed '['"),
            Self::EmptyBrackets => f.write_str("empty brackets"),
            Self::BracketInside => f.write_str("'[' inside brackets"),
            Self::CaretNegation => f.write_str("'[^' does not negate, '[!' does"),
            Self::LooseHyphen => f.write_str("loose '-' inside brackets"),
            Self::ReversedRange(low, high) => write!(f, "reversed range '{low}-{high}'"),
            Self::Limit { name, what, most } => write!(f, "more than {most} {what} ({name})"),
        }
    }
}

/// A reason and the byte where it shows; the caller knows the text.
pub(crate) type Flaw = (usize, Reason);

/// A flaw with the text it was found in, boxed so that a `Result` stays small.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Report {
    text: Box<str>,
    offset: usize,
    reason: Reason,
}

impl Report {
    fn new(text: &str, (byte, reason): Flaw) -> Self {
        let offset = text.char_indices().take_while(|&(at, _)| at < byte).count();
        Self {
            text: text.into(),
            offset,
            reason,
        }
    }
}

macro_rules! text_error {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(Box<Report>);

        impl $name {
            pub(crate) fn new(text: &str, flaw: Flaw) -> Self {
                Self(Box::new(Report::new(text, flaw)))
            }

            /// The whole text that was refused.
            #[must_use]
            pub fn text(&self) -> &str {
                &self.0.text
            }

            /// Where the flaw shows, in code points from the start of the text.
            #[must_use]
            pub fn offset(&self) -> usize {
                self.0.offset
            }

            /// The rule that was broken, in words.
            #[must_use]
            pub fn reason(&self) -> String {
                self.0.reason.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Report { text, offset, reason } = &*self.0;
                write!(f, concat!("invalid ", $noun, " '{}' at offset {}: {}"), text, offset, reason)
            }
        }

        impl Error for $name {}
    };
}

text_error! {
    /// A text is no pattern of its grammar.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use stentor_core::{Grammar, Pattern};
    ///
    /// let error = Pattern::parse("a..b", &Arc::new(Grammar::mailbox())).unwrap_err();
    /// assert_eq!(error.to_string(), "invalid pattern 'a..b' at offset 2: empty segment");
    /// ```
    PatternError, "pattern"
}

text_error! {
    /// A text is no topic of its grammar.
    ///
    /// ```
    /// use stentor_core::Grammar;
    ///
    /// let error = Grammar::mailbox().validate_topic("a.*").unwrap_err();
    /// assert_eq!(error.offset(), 2);
    /// assert_eq!(error.reason(), "a topic cannot hold '*'");
    /// ```
    TopicError, "topic"
}

/// The parts of a grammar contradict each other; the text names the part and the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrammarError(pub(crate) String);

impl fmt::Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for GrammarError {}

/// Why two patterns could not be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationError(pub(crate) RelationErrorKind);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RelationErrorKind {
    /// The answer needs more than this many steps.
    Limit(u32),
    /// The patterns are of different grammars.
    Grammars,
}

impl RelationError {
    /// Whether the bound of work was reached, so that the answer stays unknown.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(self.0, RelationErrorKind::Limit(_))
    }
}

impl fmt::Display for RelationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            RelationErrorKind::Limit(steps) => {
                write!(f, "comparing these patterns takes more than {steps} steps")
            }
            RelationErrorKind::Grammars => {
                f.write_str("other must be a pattern of the same dialect")
            }
        }
    }
}

impl Error for RelationError {}

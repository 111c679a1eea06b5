//! The parts of a grammar, and which parts fit together.
use crate::charset::CharSet;
use crate::error::GrammarError;

/// The characters that mean something inside a segment where globs are on.
pub(crate) const GLOB_CHARACTERS: &str = "*?[]";

/// Bounds on what a grammar accepts; an error that one of them causes names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The most segments a topic or a pattern may have.
    pub max_segments: usize,
    /// The most bytes of UTF-8 a topic or a pattern may have.
    pub max_bytes: usize,
    /// The most multi wildcards a pattern may have (in `redis`: stars).
    pub max_multi: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_segments: 256,
            max_bytes: 4096,
            max_multi: 8,
        }
    }
}

impl Limits {
    /// Whether every limit lets something through.
    pub(crate) fn check(self) -> Result<(), GrammarError> {
        let all = [
            ("max_segments", self.max_segments),
            ("max_bytes", self.max_bytes),
            ("max_multi", self.max_multi),
        ];
        match all.iter().find(|(_, limit)| *limit == 0) {
            Some((name, _)) => refuse(format!("{name} must be >= 1, not 0")),
            None => Ok(()),
        }
    }
}

/// Where the text of a wildcard may stand without being one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WildcardText {
    /// Nowhere: a longer segment may not contain it, and neither may a topic.
    Nowhere,
    /// Inside a longer segment; a segment of a topic may not equal it.
    Inside,
    /// Inside a longer segment, and anywhere in a topic.
    Topics,
}

/// The parts of a grammar with segments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "each is one rule of its own")]
pub struct Rules {
    /// One ASCII character between two segments.
    pub separator: char,
    /// The segment that matches exactly one segment.
    pub single: Box<str>,
    /// The segment that matches a run of segments.
    pub multi: Box<str>,
    /// The fewest segments that `multi` matches: 0 or 1.
    pub multi_min: usize,
    /// Whether `multi` may stand anywhere and several times, or last only.
    pub multi_anywhere: bool,
    /// Whether a segment may be empty.
    pub empty_segments: bool,
    /// Whether the empty text is a topic (and a pattern) of zero segments.
    pub empty_topic: bool,
    /// Whether `*`, `?` and `[...]` are a glob inside one segment.
    pub globs: bool,
    /// A pattern matches a topic that starts with this text only if it spells it.
    pub hidden_prefix: Option<Box<str>>,
    /// The whole pattern that matches every topic, beside `multi` itself.
    pub global: Option<Box<str>>,
    /// Where a wildcard's text is plain text.
    pub wildcard_text: WildcardText,
    /// Characters that neither a topic nor a pattern may hold.
    pub forbidden: CharSet,
}

impl Rules {
    /// Rules with these three texts and nothing special: `multi` matches zero or more segments
    /// anywhere, segments are not empty and hold no globs, nothing is hidden.
    #[must_use]
    pub fn new(separator: char, single: &str, multi: &str) -> Self {
        Self {
            separator,
            single: single.into(),
            multi: multi.into(),
            multi_min: 0,
            multi_anywhere: true,
            empty_segments: false,
            empty_topic: false,
            globs: false,
            hidden_prefix: None,
            global: None,
            wildcard_text: WildcardText::Nowhere,
            forbidden: CharSet::default(),
        }
    }

    /// Whether the parts fit together; the error names the part and the rule.
    pub(crate) fn check(&self) -> Result<(), GrammarError> {
        self.check_separator()?;
        self.check_wildcard("single", &self.single)?;
        self.check_wildcard("multi", &self.multi)?;
        if self.single == self.multi {
            return refuse(format!("multi must differ from single, '{}'", self.single));
        }
        if self.multi_min > 1 {
            return refuse(format!("multi_min must be 0 or 1, not {}", self.multi_min));
        }
        if self.empty_topic && !self.empty_segments {
            return refuse("empty_topic must be false where empty_segments is".to_owned());
        }
        for (name, text) in [
            ("hidden_prefix", &self.hidden_prefix),
            ("global", &self.global),
        ] {
            self.check_text(name, text.as_deref())?;
        }
        Ok(())
    }

    fn check_separator(&self) -> Result<(), GrammarError> {
        let c = self.separator;
        if !c.is_ascii() {
            return refuse(format!("separator must be one ASCII character, not '{c}'"));
        }
        if self.globs && GLOB_CHARACTERS.contains(c) {
            return refuse(format!("separator must not be '{c}' where globs are on"));
        }
        if self.forbidden.contains(c) {
            return refuse(format!("separator must not be forbidden, as '{c}' is"));
        }
        Ok(())
    }

    fn check_wildcard(&self, name: &str, text: &str) -> Result<(), GrammarError> {
        self.check_text(name, Some(text))?;
        if self.globs && text.contains(['[', ']']) {
            return refuse(format!(
                "{name} must hold no bracket where globs are on, not '{text}'"
            ));
        }
        Ok(())
    }

    fn check_text(&self, name: &str, text: Option<&str>) -> Result<(), GrammarError> {
        match text {
            Some("") => refuse(format!("{name} must not be empty")),
            Some(text) if text.contains(self.separator) => refuse(format!(
                "{name} must not hold the separator '{}', not '{text}'",
                self.separator
            )),
            Some(text) if text.chars().any(|c| self.forbidden.contains(c)) => refuse(format!(
                "{name} must hold no forbidden character, not '{text}'"
            )),
            _ => Ok(()),
        }
    }
}

fn refuse(message: String) -> Result<(), GrammarError> {
    Err(GrammarError(message))
}

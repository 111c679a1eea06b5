//! Character classes: what stands between brackets inside one segment.
use crate::charset::CharSet;
use crate::error::{Flaw, Reason};

/// A set of code points, or all others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Class {
    text: Box<str>,
    set: CharSet,
    negated: bool,
}

impl Class {
    /// Reads what stands between the brackets at the start of `text`; its own text tells how
    /// much was read.
    pub(crate) fn parse(text: &str) -> Result<Self, Flaw> {
        let end = text.find(']').ok_or((0, Reason::UnclosedBracket))?;
        let inside = &text[1..end];
        if inside.starts_with('^') {
            return Err((1, Reason::CaretNegation));
        }
        let body = inside.strip_prefix('!').unwrap_or(inside);
        let negated = body.len() < inside.len();
        if body.is_empty() {
            return Err((0, Reason::EmptyBrackets));
        }
        let start = end - body.len();
        let ranges = parse_ranges(body).map_err(|(at, reason)| (start + at, reason))?;
        let text = text[..=end].into();
        Ok(Self {
            text,
            set: CharSet::new(ranges),
            negated,
        })
    }

    /// Whether the set holds this character.
    #[must_use]
    pub fn contains(&self, c: char) -> bool {
        self.set.contains(c) != self.negated
    }

    /// The ranges that are named, whether they are the set or what it leaves out.
    pub(crate) fn ranges(&self) -> &[(char, char)] {
        self.set.ranges()
    }

    /// The ranges that toggle membership: those named, and everything if they are what is left out.
    pub(crate) fn members(&self) -> impl Iterator<Item = (char, char)> + '_ {
        let everything = self.negated.then_some(('\0', char::MAX));
        self.ranges().iter().copied().chain(everything)
    }

    /// The class as it was written, with its brackets.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn parse_ranges(body: &str) -> Result<Vec<(char, char)>, Flaw> {
    let mut ranges = Vec::new();
    let mut rest = body.char_indices().peekable();
    while let Some((at, low)) = rest.next() {
        let low = member(at, low)?;
        if rest.next_if(|&(_, c)| c == '-').is_none() {
            ranges.push((low, low));
            continue;
        }
        let hyphen = at + low.len_utf8();
        let (at_high, high) = rest.next().ok_or((hyphen, Reason::LooseHyphen))?;
        let high = member(at_high, high)?;
        if high < low {
            return Err((at, Reason::ReversedRange(low, high)));
        }
        ranges.push((low, high));
    }
    Ok(ranges)
}

fn member(at: usize, c: char) -> Result<char, Flaw> {
    match c {
        '[' => Err((at, Reason::BracketInside)),
        '-' => Err((at, Reason::LooseHyphen)),
        _ => Ok(c),
    }
}

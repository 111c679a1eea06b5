//! One pass over the bytes of a text: where it is split, and whether it needs a closer look.
use crate::charset::CharSet;
use crate::rules::{GLOB_CHARACTERS, Rules};

const SEPARATOR: u8 = 1;
/// The first byte of something that can be a wildcard, a glob or forbidden.
const NOTABLE: u8 = 2;

/// For each byte, what it can be in the texts of one grammar.
#[derive(Clone)]
pub(crate) struct ByteKinds {
    kinds: Box<[u8; 256]>,
    separator: u8,
}

/// What one pass over a text tells.
pub(crate) struct Scan {
    /// How many separators it holds.
    pub(crate) separators: usize,
    /// Whether some segment is empty.
    pub(crate) has_empty: bool,
    /// Whether some byte is notable.
    pub(crate) is_notable: bool,
}

impl ByteKinds {
    /// The kinds for a grammar without segments: there is no separator, and nothing is notable.
    pub(crate) fn without_segments() -> Self {
        Self {
            kinds: Box::new([0; 256]),
            separator: NO_BYTE_OF_TEXT,
        }
    }

    pub(crate) fn new(rules: &Rules) -> Self {
        let mut kinds = Box::new([0; 256]);
        let globs = if rules.globs { GLOB_CHARACTERS } else { "" };
        let texts = [globs, &rules.single[..], &rules.multi[..]];
        let characters = texts.iter().flat_map(|text| text.chars()).map(|c| (c, c));
        let notable = CharSet::new(characters.chain(rules.forbidden.ranges().iter().copied()));
        for &(low, high) in notable.ranges() {
            kinds[usize::from(first_byte(low))..=usize::from(first_byte(high))].fill(NOTABLE);
        }
        let separator = first_byte(rules.separator);
        kinds[usize::from(separator)] |= SEPARATOR;
        Self { kinds, separator }
    }

    pub(crate) fn scan(&self, text: &str) -> Scan {
        let (mut separators, mut all, mut empty, mut previous) = (0, 0, 0, SEPARATOR);
        for byte in text.bytes() {
            let kind = self.kinds[usize::from(byte)];
            all |= kind;
            empty |= kind & previous;
            previous = kind;
            separators += usize::from(kind & SEPARATOR);
        }
        let has_empty = (empty | previous) & SEPARATOR != 0;
        Scan {
            separators,
            has_empty,
            is_notable: all & NOTABLE != 0,
        }
    }

    /// Whether no byte of a segment is notable.
    pub(crate) fn is_plain(&self, segment: &str) -> bool {
        !segment
            .bytes()
            .any(|byte| self.kinds[usize::from(byte)] & NOTABLE != 0)
    }

    /// The segments of a text, each with the byte where it begins; at least one.
    pub(crate) fn split<'t>(&self, text: &'t str) -> Segments<'t> {
        Segments {
            rest: Some(text),
            at: 0,
            separator: self.separator,
        }
    }
}

/// A byte that UTF-8 never has.
const NO_BYTE_OF_TEXT: u8 = 0xff;

fn first_byte(c: char) -> u8 {
    let mut buffer = [0; 4];
    c.encode_utf8(&mut buffer);
    buffer[0]
}

/// The segments of a text, each with the byte where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Segments<'t> {
    rest: Option<&'t str>,
    at: usize,
    separator: u8,
}

impl Segments<'_> {
    /// No segments at all.
    pub(crate) fn none() -> Self {
        Self {
            rest: None,
            at: 0,
            separator: NO_BYTE_OF_TEXT,
        }
    }
}

impl<'t> Iterator for Segments<'t> {
    type Item = (usize, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest?;
        let start = self.at;
        let end = text.bytes().position(|byte| byte == self.separator);
        self.rest = end.map(|end| &text[end + 1..]);
        let segment = &text[..end.unwrap_or(text.len())];
        self.at = start + segment.len() + 1;
        Some((start, segment))
    }
}

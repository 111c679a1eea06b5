//! Which texts are topics.
use crate::error::{Flaw, Reason, TopicError};
use crate::grammar::Grammar;
use crate::rules::{GLOB_CHARACTERS, Rules, WildcardText};
use crate::scan::Scan;

impl Grammar {
    /// Whether a text is a topic of this grammar. One pass over its bytes where it is.
    ///
    /// # Errors
    ///
    /// [`TopicError`] with the first flaw from the left; too many bytes come before all others.
    pub fn validate_topic(&self, text: &str) -> Result<(), TopicError> {
        self.find_topic_flaw(text)
            .map_or(Ok(()), |flaw| Err(TopicError::new(text, flaw)))
    }

    fn find_topic_flaw(&self, text: &str) -> Option<Flaw> {
        self.find_excess_bytes(text).or_else(|| {
            let rules = self.rules()?;
            if text.is_empty() {
                return rules.empty_text_flaw();
            }
            let scan = self.bytes().scan(text);
            if !scan.is_notable && self.accepts_segments(rules, &scan) {
                return None;
            }
            self.bytes()
                .split(text)
                .enumerate()
                .find_map(|(index, (at, segment))| {
                    self.find_excess_segment(index)
                        .or_else(|| self.find_segment_flaw(rules, segment))
                        .map(|(byte, reason)| (at + byte, reason))
                })
        })
    }

    /// Whether the number of segments and their emptiness are no flaw of a text.
    pub(crate) fn accepts_segments(&self, rules: &Rules, scan: &Scan) -> bool {
        scan.separators < self.limits().max_segments && (rules.empty_segments || !scan.has_empty)
    }

    fn find_segment_flaw(&self, rules: &Rules, segment: &str) -> Option<Flaw> {
        if segment.is_empty() {
            return (!rules.empty_segments).then_some((0, Reason::EmptySegment));
        }
        if self.bytes().is_plain(segment) {
            return None;
        }
        segment.char_indices().find_map(|(at, c)| {
            if rules.forbidden.contains(c) {
                return Some((at, Reason::Forbidden(c)));
            }
            let wildcard = rules.wildcard_in_topic(segment, at, c)?;
            Some((at, Reason::WildcardInTopic(wildcard)))
        })
    }

    /// The first character that goes beyond `max_bytes`.
    pub(crate) fn find_excess_bytes(&self, text: &str) -> Option<Flaw> {
        let most = self.limits().max_bytes;
        let excess = |&(at, c): &(usize, char)| at + c.len_utf8() > most;
        let at = (text.len() > most)
            .then(|| text.char_indices().find(excess))??
            .0;
        Some((
            at,
            Reason::Limit {
                name: "max_bytes",
                what: "bytes",
                most,
            },
        ))
    }

    /// The flaw of the segment with this number beginning here, if it is one too many.
    pub(crate) fn find_excess_segment(&self, index: usize) -> Option<Flaw> {
        let most = self.limits().max_segments;
        (index >= most).then_some((
            0,
            Reason::Limit {
                name: "max_segments",
                what: "segments",
                most,
            },
        ))
    }
}

impl Rules {
    /// What is wrong with the empty text, if anything is.
    pub(crate) fn empty_text_flaw(&self) -> Option<Flaw> {
        match (self.empty_topic, self.empty_segments) {
            (true, _) => None,
            (false, true) => Some((0, Reason::EmptyText)),
            (false, false) => Some((0, Reason::EmptySegment)),
        }
    }

    /// The wildcard that begins at this byte of a topic's segment and may not be there.
    fn wildcard_in_topic(&self, segment: &str, at: usize, c: char) -> Option<Box<str>> {
        if self.globs && GLOB_CHARACTERS.contains(c) {
            return Some(c.to_string().into());
        }
        let found =
            [&self.multi, &self.single]
                .into_iter()
                .find(|wildcard| match self.wildcard_text {
                    WildcardText::Nowhere => segment[at..].starts_with(&***wildcard),
                    WildcardText::Inside => segment == &***wildcard,
                    WildcardText::Topics => false,
                });
        found.cloned()
    }
}

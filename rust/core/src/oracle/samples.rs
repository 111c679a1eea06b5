//! Topics and patterns drawn from a seed: small, alike, and full of corners.
use super::{pattern_flaw, topic_flaw};
use crate::grammar::Grammar;
use crate::rules::Rules;

/// Draws texts for one grammar; the same seed gives the same texts.
///
/// ```
/// use stentor_core::Grammar;
/// use stentor_core::oracle::Samples;
///
/// let mut samples = Samples::new(&Grammar::mqtt(), 7);
/// let topic = samples.topic();
/// assert!(Grammar::mqtt().validate_topic(&topic).is_ok());
/// ```
#[derive(Debug, Clone)]
pub struct Samples {
    grammar: Grammar,
    state: u64,
}

const WORDS: [&str; 6] = ["a", "b", "ab", "ba", "é", "a-b"];

impl Samples {
    /// Draws from this seed.
    #[must_use]
    pub fn new(grammar: &Grammar, seed: u64) -> Self {
        Self {
            grammar: grammar.clone(),
            state: seed,
        }
    }

    /// A number below `bound`, by the generator `SplitMix64` (Steele, Lea and Flood, 2014).
    pub fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let wide = u128::from(mixed ^ (mixed >> 31)) * bound as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }

    fn pick<'c>(&mut self, choices: &[&'c str]) -> &'c str {
        choices[self.below(choices.len())]
    }

    /// A valid topic of up to five segments.
    pub fn topic(&mut self) -> String {
        loop {
            let topic = match self.grammar.rules().cloned() {
                Some(rules) => self.segmented_topic(&rules),
                None => (0..self.below(6))
                    .map(|_| self.pick(&["a", "b", "c", "é", "]"]))
                    .collect(),
            };
            if topic_flaw(&topic, &self.grammar).is_none() {
                return topic;
            }
        }
    }

    fn segmented_topic(&mut self, rules: &Rules) -> String {
        let hidden = rules
            .hidden_prefix
            .as_deref()
            .filter(|_| self.below(6) == 0);
        let count = 1 + self.below(5);
        let words: Vec<&str> = (0..count).map(|_| self.word(rules)).collect();
        hidden.unwrap_or("").to_owned() + &words.join(&rules.separator.to_string())
    }

    fn word(&mut self, rules: &Rules) -> &'static str {
        if rules.empty_segments && self.below(5) == 0 {
            ""
        } else {
            self.pick(&WORDS)
        }
    }

    /// A valid pattern that matches `topic` more often than not.
    pub fn pattern_near(&mut self, topic: &str) -> String {
        loop {
            let pattern = match self.grammar.rules().cloned() {
                Some(rules) => self.generalised(topic, &rules),
                None => self.generalised_bytes(topic),
            };
            if pattern_flaw(&pattern, &self.grammar).is_none() {
                return pattern;
            }
        }
    }

    fn generalised(&mut self, topic: &str, rules: &Rules) -> String {
        if rules.global.is_some() && self.below(40) == 0 {
            return rules.global.as_deref().unwrap_or_default().to_owned();
        }
        let mut parts: Vec<String> = Vec::new();
        let separator = rules.separator.to_string();
        let mut segments = topic.split(rules.separator).peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            match self.below(8) {
                0 | 1 if rules.multi_anywhere || is_last => {
                    parts.push(rules.multi.to_string());
                    let skipped = self.below(3);
                    segments.by_ref().take(skipped).for_each(drop);
                }
                2 | 3 => parts.push(rules.single.to_string()),
                4 | 5 if rules.globs => parts.push(self.glob_near(segment)),
                6 if self.below(2) == 0 => parts.push(self.word(rules).to_owned()),
                _ => parts.push(segment.to_owned()),
            }
        }
        if self.below(5) == 0 {
            parts.push(rules.multi.to_string());
        }
        parts.join(&separator)
    }

    /// A glob like one segment, each character of it kept or taken for a wildcard.
    fn glob_near(&mut self, segment: &str) -> String {
        let mut glob = String::new();
        for c in segment.chars() {
            match self.below(8) {
                0 => glob.push('*'),
                1 => glob.push('?'),
                2 => {
                    glob.push_str(
                        self.pick(&["[ab]", "[!a]", "[a-c]", "[!b-z]", "[é-ü]", "[,-.]"]),
                    );
                }
                3 => glob.extend(['*', c]),
                _ => glob.push(c),
            }
        }
        glob + self.pick(&["", "", "", "*", "?", "b*a"])
    }

    fn generalised_bytes(&mut self, topic: &str) -> String {
        let mut pattern = String::new();
        for c in topic.chars() {
            match self.below(9) {
                0 => pattern.push_str(self.pick(&["*", "**", "*a", "*?"])),
                1 => pattern.push_str(if c.len_utf8() == 2 { "??" } else { "?" }),
                2 => pattern
                    .push_str(self.pick(&["[abc]", "[^b]", "[a-c]", "[c-a]", "[^", "[", "[a\\]]"])),
                3 => pattern.extend(['\\', c]),
                4 => pattern.extend(['[', c, ']']),
                5 => pattern.push_str(self.pick(&["[a-é]", "[é]?", "[]", "[^]", "[a-]", "\\"])),
                _ => pattern.push(c),
            }
        }
        pattern + self.pick(&["", "", "", "*", "?", "[", "\\"])
    }

    /// Any text over the characters that mean something somewhere, valid or not.
    pub fn text(&mut self) -> String {
        const PIECES: [&str; 24] = [
            "a", "a", "b", "c", ".", ".", "/", "/", "*", "**", "?", "[", "]", "[!", "-", "^", "+",
            "#", ">", "$", "é", "😀", "\0", " ",
        ];
        (0..self.below(9)).map(|_| self.pick(&PIECES)).collect()
    }
}

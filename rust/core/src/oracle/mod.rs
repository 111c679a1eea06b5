//! What topics and patterns mean, said as plainly as possible, for comparison with the real thing.
//!
//! Nothing here is quick, and nothing here is shared with what it checks but the data of a
//! [`Grammar`]: texts are split and read again at every step.
mod flaws;
mod redis;
mod samples;

pub use flaws::{pattern_flaw, topic_flaw};
pub use samples::Samples;

use std::collections::HashSet;

use crate::grammar::Grammar;
use crate::rules::Rules;

/// Whether a valid pattern matches a valid topic.
#[must_use]
pub fn matches(pattern: &str, topic: &str, grammar: &Grammar) -> bool {
    match grammar.rules() {
        Some(rules) => segmented(pattern, topic, rules),
        None => redis::matches(pattern.as_bytes(), topic.as_bytes()),
    }
}

fn segmented(pattern: &str, topic: &str, rules: &Rules) -> bool {
    let spells = |prefix: &str| pattern.starts_with(prefix) || !topic.starts_with(prefix);
    let visible = rules.hidden_prefix.as_deref().is_none_or(spells);
    let global = rules.global.as_deref() == Some(pattern);
    visible && (global || all_match(&split(pattern, rules), &split(topic, rules), rules))
}

fn split<'t>(text: &'t str, rules: &Rules) -> Vec<&'t str> {
    let zero = text.is_empty() && rules.empty_topic;
    if zero {
        Vec::new()
    } else {
        text.split(rules.separator).collect()
    }
}

fn all_match(pattern: &[&str], topic: &[&str], rules: &Rules) -> bool {
    match pattern {
        [] => topic.is_empty(),
        [multi, rest @ ..] if **multi == *rules.multi => {
            (rules.multi_min..=topic.len()).any(|taken| all_match(rest, &topic[taken..], rules))
        }
        [first, rest @ ..] => topic.split_first().is_some_and(|(segment, others)| {
            one_matches(first, segment, rules) && all_match(rest, others, rules)
        }),
    }
}

fn one_matches(pattern: &str, segment: &str, rules: &Rules) -> bool {
    let characters = |text: &str| text.chars().collect::<Vec<_>>();
    let glob = || glob_matches(&characters(pattern), &characters(segment));
    *pattern == *rules.single
        || if rules.globs {
            glob()
        } else {
            pattern == segment
        }
}

fn glob_matches(glob: &[char], text: &[char]) -> bool {
    rest_matches(glob, text, &mut HashSet::new())
}

/// Whether the rest of a glob matches the rest of a text.
///
/// A star that has been tried at one place of the text is not tried there again: it failed, or all would be over.
fn rest_matches(glob: &[char], text: &[char], tried: &mut HashSet<(usize, usize)>) -> bool {
    match glob {
        [] => text.is_empty(),
        ['*', rest @ ..] => {
            tried.insert((glob.len(), text.len()))
                && (0..=text.len()).any(|taken| rest_matches(rest, &text[taken..], tried))
        }
        [first, rest @ ..] => text.split_first().is_some_and(|(&c, others)| {
            let end = rest.iter().position(|&c| c == ']');
            match (first, end) {
                ('?', _) => rest_matches(rest, others, tried),
                ('[', Some(end)) => {
                    in_brackets(&rest[..end], c) && rest_matches(&rest[end + 1..], others, tried)
                }
                _ => *first == c && rest_matches(rest, others, tried),
            }
        }),
    }
}

fn in_brackets(body: &[char], c: char) -> bool {
    match body {
        ['!', rest @ ..] => !in_ranges(rest, c),
        _ => in_ranges(body, c),
    }
}

fn in_ranges(body: &[char], c: char) -> bool {
    match body {
        [] => false,
        [low, '-', high, rest @ ..] => (*low <= c && c <= *high) || in_ranges(rest, c),
        [one, rest @ ..] => *one == c || in_ranges(rest, c),
    }
}

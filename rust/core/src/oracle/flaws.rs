//! Which texts are refused, and where: every offence is listed, the leftmost counts.
use crate::grammar::Grammar;
use crate::rules::{Rules, WildcardText};

/// The offset in code points of the flaw of a topic, `None` for a valid one.
#[must_use]
pub fn topic_flaw(text: &str, grammar: &Grammar) -> Option<usize> {
    too_long(text, grammar).or_else(|| {
        let rules = grammar.rules()?;
        let held = (0..)
            .zip(text.chars())
            .filter(|(_, c)| rules.globs && "*?[]".contains(*c));
        let mut flaws: Vec<usize> = held.map(|(offset, _)| offset).collect();
        flaws.extend(common(text, grammar, rules));
        flaws.extend(wildcards_in_topic(text, rules));
        flaws.into_iter().min()
    })
}

/// The offset in code points of the flaw of a pattern, `None` for a valid one.
#[must_use]
pub fn pattern_flaw(text: &str, grammar: &Grammar) -> Option<usize> {
    too_long(text, grammar).or_else(|| {
        let most = grammar.limits().max_multi;
        let Some(rules) = grammar.rules() else {
            return stars(text).get(most).copied();
        };
        if rules.global.as_deref() == Some(text) {
            return None;
        }
        let segments = placed(text, rules);
        let is_multi = |(_, segment): &&(usize, Vec<char>)| chars(&rules.multi) == *segment;
        let multis: Vec<usize> = segments
            .iter()
            .filter(is_multi)
            .map(|(at, _)| *at)
            .collect();
        let last = segments.last().map_or(0, |(at, _)| *at);
        let misplaced = multis
            .iter()
            .copied()
            .filter(|&at| !rules.multi_anywhere && at != last);
        let mut flaws: Vec<usize> = misplaced.chain(multis.get(most).copied()).collect();
        flaws.extend(common(text, grammar, rules));
        let whole = [chars(&rules.multi), chars(&rules.single)];
        let others = segments
            .iter()
            .filter(|(_, segment)| !whole.contains(segment));
        flaws.extend(others.filter_map(|(at, segment)| Some(at + offence(segment, rules)?)));
        flaws.into_iter().min()
    })
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn too_long(text: &str, grammar: &Grammar) -> Option<usize> {
    let most = grammar.limits().max_bytes;
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    (text.len() > most).then(|| ends.filter(|&end| end <= most).count())
}

/// The segments with the offset of each.
fn placed(text: &str, rules: &Rules) -> Vec<(usize, Vec<char>)> {
    let mut placed = vec![(0, Vec::new())];
    for (offset, c) in text.chars().enumerate() {
        match placed.last_mut() {
            Some((_, segment)) if c != rules.separator => segment.push(c),
            _ => placed.push((offset + 1, Vec::new())),
        }
    }
    if text.is_empty() && rules.empty_topic {
        Vec::new()
    } else {
        placed
    }
}

fn common(text: &str, grammar: &Grammar, rules: &Rules) -> Vec<usize> {
    let segments = placed(text, rules);
    let empty = segments
        .iter()
        .filter(|(_, segment)| segment.is_empty() && !rules.empty_segments);
    let forbidden = (0..)
        .zip(text.chars())
        .filter(|(_, c)| rules.forbidden.contains(*c));
    let mut flaws: Vec<usize> = empty.map(|(at, _)| *at).collect();
    flaws.extend(forbidden.map(|(offset, _)| offset));
    flaws.extend(
        segments
            .get(grammar.limits().max_segments)
            .map(|(at, _)| *at),
    );
    flaws.extend((text.is_empty() && !rules.empty_topic).then_some(0));
    flaws
}

fn wildcards_in_topic(text: &str, rules: &Rules) -> Vec<usize> {
    let wildcards = [chars(&rules.single), chars(&rules.multi)];
    let whole = |(at, segment): (usize, Vec<char>)| wildcards.contains(&segment).then_some(at);
    let all = chars(text);
    let begins = |offset: &usize| {
        wildcards
            .iter()
            .any(|text| all[*offset..].starts_with(text))
    };
    match rules.wildcard_text {
        WildcardText::Nowhere => (0..all.len()).filter(begins).collect(),
        WildcardText::Inside => placed(text, rules).into_iter().filter_map(whole).collect(),
        WildcardText::Topics => Vec::new(),
    }
}

/// The first offence of a segment that is no wildcard as a whole.
fn offence(segment: &[char], rules: &Rules) -> Option<usize> {
    let mixed = |wildcard: &str| {
        let is_glob = rules.globs && ["*", "?"].contains(&wildcard);
        rules.wildcard_text == WildcardText::Nowhere
            && !is_glob
            && segment.starts_with(&chars(wildcard))
    };
    let (first, rest) = segment.split_first()?;
    if mixed(&rules.single) || mixed(&rules.multi) || (rules.globs && *first == ']') {
        return Some(0);
    }
    if !rules.globs || *first != '[' {
        return Some(1 + offence(rest, rules)?);
    }
    let Some(end) = rest.iter().position(|&c| c == ']') else {
        return Some(0);
    };
    let in_brackets = bracket_offence(&rest[..end]);
    in_brackets.or_else(|| Some(end + 2 + offence(&rest[end + 1..], rules)?))
}

/// The first offence between brackets, counted from the opening one.
fn bracket_offence(body: &[char]) -> Option<usize> {
    match body {
        ['^', ..] => Some(1),
        [] | ['!'] => Some(0),
        ['!', members @ ..] => Some(2 + member_offence(members)?),
        members => Some(1 + member_offence(members)?),
    }
}

fn member_offence(members: &[char]) -> Option<usize> {
    match members {
        [] => None,
        ['[' | '-', ..] => Some(0),
        [_, '-'] => Some(1),
        [_, '-', '[' | '-', ..] => Some(2),
        [low, '-', high, ..] if high < low => Some(0),
        [_, '-', _, rest @ ..] => Some(3 + member_offence(rest)?),
        [_, rest @ ..] => Some(1 + member_offence(rest)?),
    }
}

/// Where the stars of a pattern of `redis` are that are neither escaped nor in a class.
fn stars(text: &str) -> Vec<usize> {
    let (mut stars, mut offset, all) = (Vec::new(), 0, chars(text));
    while let Some(&c) = all.get(offset) {
        stars.extend((c == '*').then_some(offset));
        offset = match c {
            '\\' => offset + 2,
            '[' => after_class(&all, offset + 1),
            _ => offset + 1,
        };
    }
    stars
}

fn after_class(all: &[char], start: usize) -> usize {
    let mut at = start + usize::from(all.get(start) == Some(&'^'));
    loop {
        match all.get(at..).unwrap_or_default() {
            [] => return at,
            [']', ..] => return at + 1,
            ['\\', _, ..] => at += 2,
            [_, '-', _, ..] => at += 3,
            _ => at += 1,
        }
    }
}

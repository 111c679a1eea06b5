//! Comparison of patterns with segments.
use std::borrow::Cow;

use super::bits::Bits;
use super::characters::Characters;
use super::search::{Alphabet, Move, OutOfSteps, Search, Steps};
use crate::glob::Atom;
use crate::grammar::Grammar;
use crate::pattern::{Element, Pattern};
use crate::rules::{Rules, WildcardText};

/// Whether `one` matches every topic that `other` does.
pub(super) fn includes(
    one: &Pattern,
    other: &Pattern,
    steps: &mut Steps,
) -> Result<bool, OutOfSteps> {
    let Some(segments) = Segments::new(other.grammar(), !other.reaches_hidden()) else {
        return Ok(false);
    };
    // What reaches hidden topics matches no others, so only what reaches them too can include it.
    let comparable = one.reaches_hidden() || !other.reaches_hidden();
    let watched: &[&[Element]] = if comparable { &[one.elements()] } else { &[] };
    let sets = Search::new(&segments, &[other.elements()], watched).minimal_sets(steps)?;
    Ok(!sets.iter().any(Bits::is_empty))
}

/// Whether both match some topic.
pub(super) fn overlaps(
    one: &Pattern,
    other: &Pattern,
    steps: &mut Steps,
) -> Result<bool, OutOfSteps> {
    let only_visible = !one.reaches_hidden() || !other.reaches_hidden();
    let Some(segments) = Segments::new(other.grammar(), only_visible) else {
        return Ok(false);
    };
    let wanted = [one.elements(), other.elements()];
    let sets = Search::new(&segments, &wanted, &[]).minimal_sets(steps)?;
    Ok(!sets.is_empty())
}

/// No segment yet.
const NONE: u8 = 0;
/// One segment, and it is empty: written out, the empty text, which is never a topic of one segment.
const LONE_EMPTY: u8 = 1;
/// Any others.
const SOME: u8 = 2;

/// The segments of topics.
struct Segments<'g> {
    rules: &'g Rules,
    characters: Characters,
    /// Globs that no segment of a topic matches.
    refused: Vec<Vec<Atom>>,
    /// What a hidden topic starts with, if only visible ones count.
    hidden_prefix: Option<&'g str>,
}

impl<'g> Segments<'g> {
    fn new(grammar: &'g Grammar, only_visible: bool) -> Option<Self> {
        let rules = grammar.rules()?;
        let characters = Characters::new(rules);
        let wildcards = [&*rules.single, &*rules.multi].into_iter();
        let refused = match rules.wildcard_text {
            WildcardText::Nowhere => wildcards
                .filter(|text| characters.allow(text))
                .map(anything_with)
                .collect(),
            WildcardText::Inside => wildcards.map(atoms_of).collect(),
            WildcardText::Topics => Vec::new(),
        };
        let hidden_prefix = rules.hidden_prefix.as_deref().filter(|_| only_visible);
        Some(Self {
            rules,
            characters,
            refused,
            hidden_prefix,
        })
    }

    fn guard_after(guard: u8, is_empty: bool) -> u8 {
        if guard == NONE && is_empty {
            LONE_EMPTY
        } else {
            SOME
        }
    }

    /// The move for one known segment.
    fn literal_move(
        &self,
        guard: u8,
        text: &str,
        wanted: &[&Element],
        watched: &[&Element],
    ) -> Option<Move> {
        let is_hidden = self
            .hidden_prefix
            .is_some_and(|prefix| text.starts_with(prefix));
        if guard == NONE && is_hidden || !wanted.iter().all(|element| element.accepts(text)) {
            return None;
        }
        let taken = Bits::of(watched.len(), |place| watched[place].accepts(text));
        Some(Move {
            taken,
            guard: Self::guard_after(guard, text.is_empty()),
        })
    }

    /// The moves where globs decide, found by a search over characters.
    fn glob_moves(
        &self,
        guard: u8,
        wanted: &[&Element],
        watched: &[&Element],
        steps: &mut Steps,
    ) -> Result<Vec<Move>, OutOfSteps> {
        let wanted: Vec<_> = wanted.iter().map(|element| line_of(element)).collect();
        let wanted: Vec<_> = wanted.iter().map(|line| &**line).collect();
        let mut lines: Vec<_> = watched.iter().map(|element| line_of(element)).collect();
        // After the watched elements: those refused, and for a first segment the empty one.
        lines.extend(self.refused.iter().map(|line| Cow::Borrowed(&line[..])));
        if guard == NONE {
            lines.extend(self.hidden_prefix.map(starting_with).map(Cow::Owned));
        }
        let empty = lines.len();
        if guard == NONE && self.rules.empty_segments {
            lines.push(Cow::Borrowed(&[]));
        }
        steps.take(lines.iter().map(|line| line.len()).sum())?;
        let lines: Vec<_> = lines.iter().map(|line| &**line).collect();
        let sets = Search::new(&self.characters, &wanted, &lines).minimal_sets(steps)?;
        let allowed = |set: &&Bits| {
            !set.iter()
                .any(|line| (watched.len()..empty).contains(&line))
        };
        let to_move = |set: &Bits| {
            let is_empty = set.iter().any(|line| line == empty);
            let taken = Bits::of(watched.len(), |line| set.contains(line));
            Move {
                taken,
                guard: Self::guard_after(guard, is_empty),
            }
        };
        Ok(sets.iter().filter(allowed).map(to_move).collect())
    }
}

impl Alphabet for Segments<'_> {
    type Atom = Element;

    fn any() -> &'static Element {
        &Element::Single
    }

    fn is_run(atom: &Element) -> bool {
        *atom == Element::Multi
    }

    fn may_end(&self, guard: u8) -> bool {
        guard == SOME || guard == NONE && self.rules.empty_topic
    }

    fn moves(
        &self,
        guard: u8,
        wanted: &[&Element],
        watched: &[&Element],
        steps: &mut Steps,
    ) -> Result<Vec<Move>, OutOfSteps> {
        steps.take(1 + watched.len())?;
        let literal = wanted.iter().find_map(|element| match element {
            Element::Literal(text) => Some(text),
            _ => None,
        });
        if let Some(text) = literal {
            return Ok(self
                .literal_move(guard, text, wanted, watched)
                .into_iter()
                .collect());
        }
        let is_glob = |element: &&Element| matches!(element, Element::Glob(_));
        if wanted.iter().any(is_glob) || watched.iter().any(is_glob) {
            return self.glob_moves(guard, wanted, watched, steps);
        }
        // Some segment that no pattern names is matched by single wildcards alone.
        let taken = Bits::of(watched.len(), |place| *watched[place] == Element::Single);
        Ok(vec![Move { taken, guard: SOME }])
    }
}

/// An element that takes one segment, as a line over its characters.
fn line_of(element: &Element) -> Cow<'_, [Atom]> {
    match element {
        Element::Literal(text) => Cow::Owned(atoms_of(text)),
        Element::Single | Element::Multi => Cow::Borrowed(&[Atom::Run]),
        Element::Glob(glob) => Cow::Borrowed(glob.atoms()),
    }
}

fn atoms_of(text: &str) -> Vec<Atom> {
    text.chars().map(Atom::Char).collect()
}

fn starting_with(text: &str) -> Vec<Atom> {
    text.chars().map(Atom::Char).chain([Atom::Run]).collect()
}

fn anything_with(text: &str) -> Vec<Atom> {
    [Atom::Run].into_iter().chain(starting_with(text)).collect()
}

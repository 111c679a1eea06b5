//! Shapes: what patterns with wildcards have in common when the text of their literals is left out.
use crate::pattern::Element;
use crate::rules::Rules;

use super::cut::Cut;
use super::hash::{End, Seeds};

/// A run of literal segments that stand next to each other.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Bytes of wildcards and separators between the run before, or the start, and this one.
    skip: usize,
    /// The segment nearest to the front and the one nearest to the back, counted from `end`.
    first: usize,
    last: usize,
    end: End,
}

/// Patterns with literals at the same places and wildcards at the same places.
///
/// ```text
///   a.*.c.**.y.z   literals: 0 and 2 from the front, 1 and 0 from the back
///                  runs: "a" · skip ".*." · "c" · skip ".**." · "y.z" · tail 0
/// ```
#[derive(Debug)]
pub(super) struct Shape {
    /// For each element but the multi wildcard, whether it is a literal.
    literal: Box<[bool]>,
    /// The number of elements before the multi wildcard, if there is one.
    multi: Option<usize>,
    runs: Box<[Run]>,
    /// Bytes of wildcards and separators behind the last run.
    tail: usize,
    fronts: Box<[usize]>,
    backs: Box<[usize]>,
    /// How many patterns of the index have the shape; never 0.
    pub(super) patterns: usize,
}

impl Shape {
    /// Whether elements like these can have a shape: no glob, at most one multi wildcard.
    pub(super) fn can_be_of(elements: &[Element]) -> bool {
        let multis = elements
            .iter()
            .filter(|element| **element == Element::Multi)
            .count();
        multis < 2
            && !elements
                .iter()
                .any(|element| matches!(element, Element::Glob(_)))
    }

    /// The shape of elements that can have one, with no pattern yet.
    pub(super) fn of(elements: &[Element], rules: &Rules) -> Self {
        let multi = elements
            .iter()
            .position(|element| *element == Element::Multi);
        let (runs, tail) = runs_of(elements, rules, multi.unwrap_or(elements.len()));
        let positions = |end| {
            let runs = runs.iter().filter(move |run| run.end == end);
            runs.flat_map(|run| run.first.min(run.last)..=run.first.max(run.last))
                .collect()
        };
        let singles = elements
            .iter()
            .filter(|element| **element != Element::Multi);
        Self {
            literal: singles.map(is_literal).collect(),
            multi,
            fronts: positions(End::Front),
            backs: positions(End::Back),
            runs: runs.into(),
            tail,
            patterns: 0,
        }
    }

    /// Whether elements have this shape.
    pub(super) fn is_of(&self, elements: &[Element]) -> bool {
        let multi = elements
            .iter()
            .position(|element| *element == Element::Multi);
        let singles = elements
            .iter()
            .filter(|element| **element != Element::Multi);
        self.multi == multi && singles.map(is_literal).eq(self.literal.iter().copied())
    }

    /// Whether a pattern of this shape can match a topic with so many segments.
    #[inline]
    pub(super) fn takes(&self, segments: usize) -> bool {
        segments == self.literal.len() || segments > self.literal.len() && self.multi.is_some()
    }

    /// Whether its patterns begin with a literal.
    #[inline]
    pub(super) fn begins_literal(&self) -> bool {
        self.multi != Some(0) && self.literal.first() == Some(&true)
    }

    /// What the literals at this shape's places add up to, in a topic or in a pattern of this shape.
    #[inline]
    pub(super) fn sum(&self, cut: &Cut, seeds: &Seeds) -> u64 {
        let fronts = self.fronts.iter().map(|&at| cut.term(at));
        let back = cut.len().wrapping_sub(1);
        let backs = self
            .backs
            .iter()
            .map(|&at| seeds.term(cut.hash(back - at), End::Back, at));
        fronts.chain(backs).fold(0, u64::wrapping_add)
    }

    /// Whether the text of a pattern of this shape matches a topic.
    ///
    /// The text is the pattern's elements with separators between. Each run must stand where it would stand if the
    /// pattern matched, and be followed by a separator or the end, so no two texts can be taken for each other.
    #[inline]
    pub(super) fn fits(&self, text: &[u8], topic: &[u8], cut: &Cut, separator: u8) -> bool {
        let mut at = 0;
        for run in &self.runs {
            let literal = &topic[run.range(cut)];
            at += run.skip;
            if text.get(at..at + literal.len()) != Some(literal) {
                return false;
            }
            at += literal.len();
            if text.get(at).is_some_and(|&byte| byte != separator) {
                return false;
            }
        }
        at + self.tail == text.len()
    }

    pub(super) fn bytes(&self) -> usize {
        let positions = self.fronts.len() + self.backs.len();
        self.literal.len() + self.runs.len() * size_of::<Run>() + positions * size_of::<usize>()
    }
}

impl Run {
    #[inline]
    fn range(&self, cut: &Cut) -> std::ops::Range<usize> {
        match self.end {
            End::Front => cut.range(self.first, self.last),
            End::Back => cut.range(cut.len() - 1 - self.first, cut.len() - 1 - self.last),
        }
    }
}

fn is_literal(element: &Element) -> bool {
    matches!(element, Element::Literal(_))
}

/// The runs of elements and the bytes behind the last; `front` elements are counted from the front.
fn runs_of(elements: &[Element], rules: &Rules, front: usize) -> (Vec<Run>, usize) {
    let mut runs: Vec<Run> = Vec::new();
    let mut skip = 0;
    for (index, element) in elements.iter().enumerate() {
        let separator = usize::from(index > 0);
        let (at, end) = if index < front {
            (index, End::Front)
        } else {
            (elements.len() - 1 - index, End::Back)
        };
        match (element, runs.last_mut()) {
            (Element::Literal(_), Some(run)) if skip == 0 => run.last = at,
            (Element::Literal(_), _) => {
                runs.push(Run {
                    skip: skip + separator,
                    first: at,
                    last: at,
                    end,
                });
                skip = 0;
            }
            (Element::Multi, _) => skip += separator + rules.multi.len(),
            (Element::Single | Element::Glob(_), _) => skip += separator + rules.single.len(),
        }
    }
    (runs, skip)
}

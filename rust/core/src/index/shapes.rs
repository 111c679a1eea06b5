//! Shapes: what patterns with wildcards have in common when the text of their literals is left out.
use crate::pattern::Element;
use crate::rules::Rules;

use super::cut::Cut;
use super::hash::{End, Seeds};
use super::records::Home;

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

/// The most wildcards for one segment in a pattern that has a shape.
const MOST_SINGLES: usize = 6;

/// What makes a shape: how many elements stand before and behind the multi wildcard, and which of them are single wildcards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// Elements before the multi wildcard, or all.
    front: u16,
    /// Elements behind it.
    pub(super) back: u16,
    has_multi: bool,
    front_singles: u8,
    all_singles: u8,
    /// Positions of single wildcards, each from its end, those of the front first.
    singles: [u16; MOST_SINGLES],
}

/// Patterns with literals at the same places and wildcards at the same places.
///
/// ```text
///   a.*.c.**.y.z   literals: 0 and 2 from the front, 1 and 0 from the back
///                  runs: "a" · skip ".*." · "c" · skip ".**." · "y.z" · tail 0
/// ```
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) form: Form,
    /// Whether the patterns begin with a literal.
    begins_literal: bool,
    runs: Box<[Run]>,
    /// Bytes of wildcards and separators behind the last run.
    tail: usize,
    /// How many patterns of the index have the shape; never 0.
    pub(super) patterns: usize,
}

impl Form {
    /// The form of these elements: there is none for globs, several multi wildcards, or many single ones.
    pub(super) fn of(elements: &[Element]) -> Option<Self> {
        let multi = elements
            .iter()
            .position(|element| *element == Element::Multi);
        let front = multi.unwrap_or(elements.len());
        let back = elements.len() - front - usize::from(multi.is_some());
        let (front_16, back) = (u16::try_from(front).ok()?, u16::try_from(back).ok()?);
        let mut form = Self {
            front: front_16,
            back,
            has_multi: multi.is_some(),
            ..Self::default()
        };
        for (at, element) in elements.iter().enumerate() {
            match element {
                Element::Single if at < front => form.add_single(at)?,
                Element::Single => form.add_single(elements.len() - 1 - at)?,
                Element::Multi if at == front => form.front_singles = form.all_singles,
                Element::Literal(_) => {}
                Element::Glob(_) | Element::Multi => return None,
            }
        }
        if multi.is_none() {
            form.front_singles = form.all_singles;
        }
        Some(form)
    }

    fn add_single(&mut self, position: usize) -> Option<()> {
        *self.singles.get_mut(usize::from(self.all_singles))? = u16::try_from(position).ok()?;
        self.all_singles += 1;
        Some(())
    }
}

/// What a search for the patterns of a shape needs: which sums of a cut make the hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    pub(super) home: Home,
    begins_literal: bool,
    /// Single wildcards beside the first.
    more: u8,
    /// The fewest segments of a topic, and how many more it may have.
    least: usize,
    beyond: usize,
    /// What the terms are added to.
    pub(super) start: u64,
    /// Where the sums of a cut are that are added, and those of the single wildcards that are taken away again: up to the
    /// wildcard, and up to the one before.
    front: u32,
    back: u32,
    holes: [u32; MOST_SINGLES],
}

impl Search {
    /// The search for a shape with this home, in cuts that sum so many terms from the back.
    pub(super) fn new(shape: &Shape, home: Home, backs: usize, seeds: &Seeds) -> Self {
        let Form {
            front,
            back,
            has_multi,
            front_singles,
            all_singles,
            singles,
        } = shape.form;
        let begin = u32::try_from(backs).unwrap_or_default() + 1;
        let mut holes = [0; MOST_SINGLES];
        for (number, (hole, position)) in (0..all_singles).zip(holes.iter_mut().zip(singles)) {
            let begin = if number < front_singles { begin } else { 0 };
            *hole = begin + u32::from(position) + 1;
        }
        Self {
            home,
            begins_literal: shape.begins_literal,
            more: all_singles.saturating_sub(1),
            least: usize::from(front) + usize::from(back),
            beyond: if has_multi { usize::MAX } else { 0 },
            start: seeds.of_shape(home.0),
            front: begin + u32::from(front),
            back: u32::from(back),
            holes,
        }
    }

    /// Whether a pattern of the shape can match a topic with so many segments, where its first must be a literal.
    #[inline]
    pub(super) fn takes(&self, segments: usize, literal_first: bool) -> bool {
        segments.wrapping_sub(self.least) <= self.beyond
            && segments >= self.least
            && (self.begins_literal || !literal_first)
    }

    /// The hash of the literals at the shape's places, in a topic or in a pattern of the shape.
    #[inline]
    pub(super) fn hash(&self, sums: &[u64]) -> u64 {
        let mut hash = self
            .start
            .wrapping_add(sums[self.front as usize])
            .wrapping_add(sums[self.back as usize]);
        let hole = self.holes[0] as usize;
        if hole > 0 {
            hash = hash.wrapping_sub(sums[hole]).wrapping_add(sums[hole - 1]);
        }
        if self.more > 0 {
            hash = self.without_more(hash, sums);
        }
        hash
    }

    /// Two sums of a cut to add and one to subtract, if that is all there is to the hash.
    pub(super) fn summands(&self) -> Option<([usize; 2], usize)> {
        let [front, back, hole] = [self.front, self.back, self.holes[0]].map(|at| at as usize);
        match (hole, back) {
            _ if self.more > 0 => None,
            (0, _) => Some(([front, back], 0)),
            (_, 0) => Some(([front, hole - 1], hole)),
            _ => None,
        }
    }

    #[inline(never)]
    fn without_more(&self, hash: u64, sums: &[u64]) -> u64 {
        let more = self.holes[1..=usize::from(self.more)]
            .iter()
            .map(|&hole| hole as usize);
        more.fold(hash, |hash, hole| {
            hash.wrapping_sub(sums[hole]).wrapping_add(sums[hole - 1])
        })
    }
}

impl Shape {
    /// The shape of these elements, with no pattern yet.
    pub(super) fn new(form: Form, elements: &[Element], rules: &Rules) -> Self {
        let (runs, tail) = runs_of(elements, rules, usize::from(form.front));
        let begins_literal = matches!(elements.first(), Some(Element::Literal(_)));
        Self {
            form,
            begins_literal,
            runs: runs.into(),
            tail,
            patterns: 0,
        }
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
        size_of_val(&*self.runs)
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

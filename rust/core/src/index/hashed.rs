//! Patterns found by hash: those without wildcards, and those of a shape.
use crate::pattern::Element;
use crate::rules::Rules;

use super::cut::Cut;
use super::hash::Seeds;
use super::records::{Home, Place, Records};
use super::shapes::Shape;
use super::table::{Probe, Table};

/// The most shapes that are probed; a pattern of one more goes into the trie.
const MOST_SHAPES: usize = 64;

/// One table for all of them, with the number of the shape in the hash.
#[derive(Debug)]
pub(super) struct Hashed {
    table: Table,
    /// By number; `None` where the number is free.
    shapes: Vec<Option<Shape>>,
    separator: u8,
    /// The buffer of a search: where it looked and saw something.
    probes: Vec<(Home, Probe)>,
}

/// A topic, cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Topic<'t> {
    pub(super) text: &'t [u8],
    pub(super) cut: &'t Cut,
}

impl Hashed {
    pub(super) fn new(separator: u8) -> Self {
        Self {
            table: Table::default(),
            shapes: Vec::new(),
            separator,
            probes: Vec::new(),
        }
    }

    /// Forgets every entry and every shape.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.separator);
    }

    /// The number of live shapes.
    pub(super) fn shapes(&self) -> usize {
        self.shapes.iter().flatten().count()
    }

    /// Bytes owned on the heap, about.
    pub(super) fn bytes(&self) -> usize {
        let shapes: usize = self.shapes.iter().flatten().map(Shape::bytes).sum();
        shapes + self.shapes.capacity() * size_of::<Option<Shape>>() + self.table.bytes()
    }

    /// The live shape of these elements.
    pub(super) fn shape_of(&self, elements: &[Element]) -> Option<Home> {
        let at = self
            .shapes
            .iter()
            .position(|shape| shape.as_ref().is_some_and(|shape| shape.is_of(elements)))?;
        u8::try_from(at).ok().map(Home)
    }

    /// The shape of these elements, made live if there is room for one more.
    pub(super) fn open_shape(&mut self, elements: &[Element], rules: &Rules) -> Option<Home> {
        if let Some(shape) = self.shape_of(elements) {
            return Some(shape);
        }
        let free = self
            .shapes
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.shapes.len());
        if free == MOST_SHAPES {
            return None;
        }
        let shape = Some(Shape::of(elements, rules));
        match self.shapes.get_mut(free) {
            Some(slot) => *slot = shape,
            None => self.shapes.push(shape),
        }
        u8::try_from(free).ok().map(Home)
    }

    fn shape(&mut self, home: Home) -> Option<&mut Option<Shape>> {
        self.shapes.get_mut(usize::from(home.0))
    }

    fn hash(&self, home: Home, cut: &Cut, seeds: &Seeds) -> u64 {
        let shape = self
            .shapes
            .get(usize::from(home.0))
            .and_then(Option::as_ref);
        seeds.finish(shape.map_or(cut.sum, |shape| shape.sum(cut, seeds)), home.0)
    }

    /// The entry with this home and this pattern, which `cut` is the cut of.
    pub(super) fn find(
        &self,
        home: Home,
        pattern: Topic<'_>,
        records: &Records,
        seeds: &Seeds,
    ) -> Option<Place> {
        let mut candidates = self
            .table
            .candidates(self.hash(home, pattern.cut, seeds))
            .map(Place);
        candidates.find(|&place| {
            let (other, text) = records.get(place);
            other == home && home.pattern(text) == pattern.text
        })
    }

    /// Makes room for so many more entries; `records` are all there are.
    pub(super) fn make_room(
        &mut self,
        more: usize,
        records: &Records,
        cut: &mut Cut,
        seeds: &Seeds,
    ) {
        if self.table.lacks_room(more) {
            self.index_all(more, records, cut, seeds);
        }
    }

    /// Puts every record that is found by hash into the table anew, with room for so many more.
    pub(super) fn index_all(
        &mut self,
        more: usize,
        records: &Records,
        cut: &mut Cut,
        seeds: &Seeds,
    ) {
        self.table.reset(self.table.len() + more);
        for place in records.places() {
            let (home, text) = records.get(place);
            if home != Home::TRIE {
                cut.cut(home.pattern(text), seeds);
                self.table.insert(self.hash(home, cut, seeds), place.0);
            }
        }
    }

    /// Puts in an entry, for which there is room, with the cut of its pattern.
    pub(super) fn insert(&mut self, home: Home, cut: &Cut, place: Place, seeds: &Seeds) {
        self.table.insert(self.hash(home, cut, seeds), place.0);
        if let Some(Some(shape)) = self.shape(home) {
            shape.patterns += 1;
        }
    }

    /// Takes out an entry, with the cut of its pattern.
    pub(super) fn remove(&mut self, home: Home, cut: &Cut, place: Place, seeds: &Seeds) {
        self.table.remove(self.hash(home, cut, seeds), place.0);
        if let Some(slot) = self.shape(home)
            && let Some(shape) = slot
        {
            shape.patterns -= 1;
            if shape.patterns == 0 {
                *slot = None;
            }
        }
    }

    /// Adds to `found` the entries whose patterns match a topic, each once.
    ///
    /// First every bucket is looked at, with nothing in between that depends on what is in it, so that the cache misses
    /// overlap; then the few records that seem to fit are read.
    pub(super) fn find_matching(
        &mut self,
        topic: Topic<'_>,
        literal_first: bool,
        records: &Records,
        seeds: &Seeds,
        found: &mut Vec<Place>,
    ) {
        if self.table.len() == 0 {
            return;
        }
        self.probes.clear();
        self.probes.push((
            Home::EXACT,
            self.table.probe(seeds.finish(topic.cut.sum, Home::EXACT.0)),
        ));
        let segments = topic.cut.len();
        for (number, shape) in (0..).zip(&self.shapes) {
            if let Some(shape) = shape
                && shape.takes(segments)
                && (!literal_first || shape.begins_literal())
            {
                let probe = self
                    .table
                    .probe(seeds.finish(shape.sum(topic.cut, seeds), number));
                self.probes.push((Home(number), probe));
            }
        }
        for (home, probe) in &mut self.probes {
            while let Some(place) = probe.next(&self.table).map(Place) {
                let (other, text) = records.get(place);
                let shape = self
                    .shapes
                    .get(usize::from(home.0))
                    .and_then(Option::as_ref);
                let fits = other == *home
                    && match shape {
                        Some(shape) => shape.fits(text, topic.text, topic.cut, self.separator),
                        None => text == topic.text,
                    };
                if fits {
                    found.push(place);
                    break;
                }
            }
        }
    }
}

#[cfg(any(test, feature = "oracle"))]
impl Hashed {
    /// Panics unless each shape counts its patterns; `homes` has how many there are.
    pub(super) fn check(&self, homes: &std::collections::HashMap<u8, usize>) {
        for (number, shape) in (0_u8..).zip(&self.shapes) {
            let counted = shape.as_ref().map(|shape| shape.patterns);
            assert_eq!(homes.get(&number).copied(), counted);
        }
        let all: usize = homes
            .iter()
            .filter(|&(&home, _)| home != Home::TRIE.0)
            .map(|(_, &count)| count)
            .sum();
        assert_eq!(self.table.len(), all);
        self.table.check();
    }
}

//! Patterns found by hash: those without wildcards, and those of a shape.
use crate::pattern::Element;
use crate::rules::Rules;

use super::cut::Cut;
use super::hash::Seeds;
use super::plan::{Plans, Wanted};
use super::records::{Home, Place, Records};
use super::shapes::{Form, Search, Shape};
use super::table::Sparse;

/// The most shapes that are probed, which is how many bits say what a table may hold; a pattern of one more goes into the
/// trie.
const MOST_SHAPES: usize = 64;

/// One table for all of them, with the number of the shape in the hash.
#[derive(Debug)]
pub(super) struct Hashed {
    table: Sparse,
    /// By number; `None` where the number is free.
    shapes: Vec<Option<Shape>>,
    plans: Plans,
    /// The most elements that a live shape has behind a multi wildcard.
    most_back: usize,
    separator: u8,
}

/// A topic, or the text of a pattern, cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Topic<'t> {
    pub(super) text: &'t [u8],
    pub(super) cut: &'t Cut,
}

impl Hashed {
    pub(super) fn new(separator: u8) -> Self {
        Self {
            table: Sparse::default(),
            shapes: Vec::new(),
            plans: Plans::new(Vec::new()),
            most_back: 0,
            separator,
        }
    }

    /// Forgets every entry and every shape.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.separator);
    }

    /// The number of live shapes.
    pub(super) fn shapes(&self) -> usize {
        self.plans.len()
    }

    /// How many sums from the back a cut must have.
    #[inline]
    pub(super) fn most_back(&self) -> usize {
        self.most_back
    }

    /// Bytes owned on the heap, about.
    pub(super) fn bytes(&self) -> usize {
        let shapes: usize = self.shapes.iter().flatten().map(Shape::bytes).sum();
        let slots = self.shapes.capacity() * size_of::<Option<Shape>>();
        shapes + slots + self.plans.bytes() + self.table.bytes()
    }

    /// The live shape of this form.
    pub(super) fn shape_of(&self, form: &Form) -> Option<Home> {
        let is_of = |shape: &Option<Shape>| shape.as_ref().is_some_and(|shape| shape.form == *form);
        u8::try_from(self.shapes.iter().position(is_of)?)
            .ok()
            .map(Home)
    }

    /// The shape of these elements, made live if there is room for one more.
    pub(super) fn open_shape(
        &mut self,
        form: Form,
        elements: &[Element],
        rules: &Rules,
        seeds: &Seeds,
    ) -> Option<Home> {
        if let Some(home) = self.shape_of(&form) {
            return Some(home);
        }
        let free = self
            .shapes
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.shapes.len());
        if free == MOST_SHAPES {
            return None;
        }
        if free == self.shapes.len() {
            self.shapes.push(None);
        }
        self.shapes[free] = Some(Shape::new(form, elements, rules));
        self.list_searches(seeds);
        u8::try_from(free).ok().map(Home)
    }

    fn list_searches(&mut self, seeds: &Seeds) {
        let live = self.shapes.iter().flatten();
        self.most_back = live
            .map(|shape| usize::from(shape.form.back))
            .max()
            .unwrap_or(0);
        let shapes = (0..).map(Home).zip(&self.shapes);
        let live = shapes.filter_map(|(home, shape)| {
            Some(Search::new(shape.as_ref()?, home, self.most_back, seeds))
        });
        self.plans = Plans::new(live.collect());
    }

    fn hash(&self, home: Home, cut: &Cut, seeds: &Seeds) -> u64 {
        match self.plans.search(home) {
            Some(search) => search.hash(cut.sums()),
            None => seeds.of_shape(home.0).wrapping_add(cut.sum()),
        }
    }

    /// The entry with this home and this pattern.
    pub(super) fn find(
        &self,
        home: Home,
        pattern: Topic<'_>,
        records: &Records,
        seeds: &Seeds,
    ) -> Option<Place> {
        let hash = self.hash(home, pattern.cut, seeds);
        self.table.candidates(hash).map(Place).find(|&place| {
            let text = records.text(place, home);
            text.is_some_and(|text| home.pattern(text) == pattern.text)
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
                cut.cut(home.pattern(text), self.most_back, seeds);
                self.table.insert(self.hash(home, cut, seeds), place.0);
            }
        }
    }

    /// Puts in an entry, for which there is room, with the cut of its pattern.
    pub(super) fn insert(&mut self, home: Home, cut: &Cut, place: Place, seeds: &Seeds) {
        self.table.insert(self.hash(home, cut, seeds), place.0);
        if let Some(Some(shape)) = self.shapes.get_mut(usize::from(home.0)) {
            shape.patterns += 1;
        }
    }

    /// Takes out an entry, with the cut of its pattern.
    pub(super) fn remove(&mut self, home: Home, cut: &Cut, place: Place, seeds: &Seeds) {
        self.table.remove(self.hash(home, cut, seeds), place.0);
        if let Some(slot) = self.shapes.get_mut(usize::from(home.0))
            && let Some(shape) = slot
        {
            shape.patterns -= 1;
            if shape.patterns == 0 {
                *slot = None;
                self.list_searches(seeds);
            }
        }
    }

    /// Finds the entries whose patterns match a topic, each once.
    ///
    /// First everything is looked for by tags alone; then the one or two records that seem to fit are read and verified.
    /// The pattern without wildcards, which is there more often than any other, is looked for first, and need not wait until
    /// all shapes were seen.
    #[inline]
    pub(super) fn find_matching(
        &mut self,
        topic: Topic<'_>,
        literal_first: bool,
        records: &Records,
        seeds: &Seeds,
        mut found: impl FnMut(Place),
    ) {
        let Self {
            table,
            plans,
            shapes,
            separator,
            ..
        } = self;
        if table.len() == 0 {
            return;
        }
        let mut candidates = table.candidates(hash_of_exact(topic.cut, seeds)).map(Place);
        let promising = plans.probe(topic.cut, literal_first, table);
        if let Some(place) = candidates.find(|&place| records.is(place, Home::EXACT, topic.text)) {
            found(place);
        }
        for Wanted { hash, home } in promising {
            let Some(Some(shape)) = shapes.get(usize::from(home.0)) else {
                continue;
            };
            let fits = |&place: &Place| {
                let text = records.text(place, home);
                text.is_some_and(|text| shape.fits(text, topic.text, topic.cut, *separator))
            };
            if let Some(place) = table.candidates(hash).map(Place).find(fits) {
                found(place);
            }
        }
    }
}

/// The hash of a pattern without wildcards, and of the topic that it matches.
#[inline]
fn hash_of_exact(cut: &Cut, seeds: &Seeds) -> u64 {
    seeds.of_shape(Home::EXACT.0).wrapping_add(cut.sum())
}

#[cfg(any(test, feature = "oracle"))]
impl Hashed {
    /// Panics unless each shape counts its patterns; `homes` has how many there are.
    pub(super) fn check(&self, homes: &std::collections::HashMap<u8, usize>) {
        for (number, shape) in (0_u8..).zip(&self.shapes) {
            let counted = shape.as_ref().map(|shape| shape.patterns);
            assert_eq!(homes.get(&number).copied(), counted);
        }
        assert_eq!(self.plans.len(), self.shapes.iter().flatten().count());
        let hashed = homes.iter().filter(|&(&home, _)| home != Home::TRIE.0);
        assert_eq!(
            self.table.len(),
            hashed.map(|(_, &count)| count).sum::<usize>()
        );
        self.table.check();
    }
}

//! The characters of one segment of a topic.
use super::bits::{Bits, insert_minimal};
use super::search::{Alphabet, Move, OutOfSteps, Steps};
use crate::charset::CharSet;
use crate::glob::Atom;
use crate::rules::{GLOB_CHARACTERS, Rules, WildcardText};

/// The characters that a segment may hold. Its guard is 0 before the first of them and 1 after it.
pub(super) struct Characters {
    excluded: CharSet,
    /// Whether no character at all is a segment too.
    may_be_empty: bool,
}

impl Characters {
    pub(super) fn new(rules: &Rules) -> Self {
        let globs = if rules.globs { GLOB_CHARACTERS } else { "" };
        let wildcards = [&rules.single, &rules.multi].into_iter();
        let refused = wildcards.filter(|_| rules.wildcard_text == WildcardText::Nowhere);
        let single_characters = refused.filter(|text| text.chars().count() == 1);
        let characters = single_characters
            .flat_map(|text| text.chars())
            .chain(globs.chars());
        let alone = characters.chain([rules.separator]).map(|c| (c, c));
        let excluded = CharSet::new(alone.chain(rules.forbidden.ranges().iter().copied()));
        Self {
            excluded,
            may_be_empty: rules.empty_segments,
        }
    }

    /// Whether a segment may hold all characters of a text.
    pub(super) fn allow(&self, text: &str) -> bool {
        !text.chars().any(|c| self.excluded.contains(c))
    }

    /// One character of each range of characters that neither these atoms nor topics tell apart.
    fn representatives(&self, atoms: &[&Atom]) -> Vec<char> {
        const SURROGATES: [u32; 2] = [0xd800, 0xe000];
        let named = atoms.iter().flat_map(|atom| match atom {
            Atom::Class(class) => class.ranges().to_vec(),
            Atom::Char(c) => vec![(*c, *c)],
            Atom::Any | Atom::Run => Vec::new(),
        });
        let ranges = named.chain(self.excluded.ranges().iter().copied());
        let cuts = ranges.flat_map(|(low, high)| [u32::from(low), u32::from(high) + 1]);
        let mut cuts: Vec<u32> = cuts.chain(SURROGATES).chain([0]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let characters = cuts.into_iter().filter_map(char::from_u32);
        characters.filter(|&c| !self.excluded.contains(c)).collect()
    }
}

impl Alphabet for Characters {
    type Atom = Atom;

    fn any() -> &'static Atom {
        &Atom::Any
    }

    fn is_run(atom: &Atom) -> bool {
        *atom == Atom::Run
    }

    fn may_end(&self, guard: u8) -> bool {
        guard == 1 || self.may_be_empty
    }

    fn moves(
        &self,
        _guard: u8,
        wanted: &[&Atom],
        watched: &[&Atom],
        steps: &mut Steps,
    ) -> Result<Vec<Move>, OutOfSteps> {
        let characters = match wanted.iter().find_map(|atom| atom.character()) {
            Some(c) if self.excluded.contains(c) => Vec::new(),
            Some(c) => vec![c],
            None => self.representatives(&[wanted, watched].concat()),
        };
        let mut minimal = Vec::new();
        steps.take(characters.len())?;
        for c in characters {
            if wanted.iter().all(|atom| atom.accepts(c)) {
                let taken = Bits::of(watched.len(), |place| watched[place].accepts(c));
                steps.take(1 + watched.len() + minimal.len() * taken.words())?;
                insert_minimal(&mut minimal, &taken);
            }
        }
        Ok(minimal
            .into_iter()
            .map(|taken| Move { taken, guard: 1 })
            .collect())
    }
}

//! Globs inside one segment, over code points.
use crate::class::Class;
use crate::pieces::{Piece, SymbolSet, find_end, fit, tries};

/// What one code point of a segment is compared with, or a run of any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Atom {
    /// This code point.
    Char(char),
    /// Any one code point.
    Any,
    /// One code point of a set.
    Class(Class),
    /// Any run of code points, which may be empty.
    Run,
}

impl Atom {
    /// Whether a single code point matches; a run is never asked.
    pub(crate) fn accepts(&self, c: char) -> bool {
        match self {
            Self::Char(wanted) => *wanted == c,
            Self::Any => true,
            Self::Class(class) => class.contains(c),
            Self::Run => false,
        }
    }
}

/// Atoms without a run, as text where all are characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Text(Box<str>),
    Atoms(Box<[Atom]>),
}

/// A glob inside one segment, with at least one wildcard, class or run.
///
/// ```
/// use std::sync::Arc;
/// use stentor_core::{Element, Grammar, Pattern};
///
/// let pattern = Pattern::parse("gpt*", &Arc::new(Grammar::mailbox())).unwrap();
/// let [Element::Glob(glob)] = pattern.elements() else { panic!() };
/// assert!(glob.matches("gpt4"));
/// assert_eq!(glob.prefix(), "gpt");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    atoms: Box<[Atom]>,
    parts: Box<[Part]>,
}

impl Glob {
    /// A glob of atoms whose runs are already in order.
    pub(crate) fn new(atoms: Vec<Atom>) -> Self {
        let parts = atoms
            .split(|atom| *atom == Atom::Run)
            .map(Part::new)
            .collect();
        Self {
            atoms: atoms.into(),
            parts,
        }
    }

    /// The atoms in order; no run follows a run, and `?` stands before a run beside it.
    #[must_use]
    pub fn atoms(&self) -> &[Atom] {
        &self.atoms
    }

    /// Whether the whole segment matches. Linear where runs stand between text; with `?` or classes
    /// there, at most the product of both lengths divided by 64. Does not recurse.
    #[must_use]
    pub fn matches(&self, segment: &str) -> bool {
        fit(&self.parts, segment)
    }

    /// The text that every matching segment starts with; may be empty.
    #[must_use]
    pub fn prefix(&self) -> String {
        self.atoms.iter().map_while(Atom::character).collect()
    }

    /// The text that every matching segment ends with; may be empty.
    #[must_use]
    pub fn suffix(&self) -> String {
        let backwards: Vec<_> = self.atoms.iter().rev().map_while(Atom::character).collect();
        backwards.iter().rev().collect()
    }

    /// Writes the glob in its canonical form.
    pub(crate) fn write(&self, text: &mut String) {
        for atom in &self.atoms {
            match atom {
                Atom::Char(c) => text.push(*c),
                Atom::Any => text.push('?'),
                Atom::Class(class) => text.push_str(class.text()),
                Atom::Run => text.push('*'),
            }
        }
    }
}

impl Atom {
    pub(crate) fn character(&self) -> Option<char> {
        match self {
            Self::Char(c) => Some(*c),
            _ => None,
        }
    }
}

impl SymbolSet<char> for Atom {
    fn toggles(&self, symbols: &[char], mut toggle: impl FnMut(usize)) {
        let mut between = |low: char, high: char| {
            toggle(symbols.partition_point(|&c| c < low));
            toggle(symbols.partition_point(|&c| c <= high));
        };
        match self {
            Self::Char(c) => between(*c, *c),
            Self::Any => between('\0', char::MAX),
            Self::Class(class) => class.members().for_each(|(low, high)| between(low, high)),
            Self::Run => {}
        }
    }
}

impl Part {
    fn new(atoms: &[Atom]) -> Self {
        let text: Option<String> = atoms.iter().map(Atom::character).collect();
        text.map_or_else(|| Self::Atoms(atoms.into()), |text| Self::Text(text.into()))
    }
}

impl Piece for Part {
    type Text = str;

    fn strip_start<'t>(&self, text: &'t str) -> Option<&'t str> {
        let atoms = match self {
            Self::Text(piece) => return text.strip_prefix(&**piece),
            Self::Atoms(atoms) => atoms,
        };
        let mut rest = text.chars();
        let matched = atoms
            .iter()
            .all(|atom| rest.next().is_some_and(|c| atom.accepts(c)));
        matched.then_some(rest.as_str())
    }

    fn strip_end<'t>(&self, text: &'t str) -> Option<&'t str> {
        let atoms = match self {
            Self::Text(piece) => return text.strip_suffix(&**piece),
            Self::Atoms(atoms) => atoms,
        };
        let mut rest = text.chars();
        let mut backwards = atoms.iter().rev();
        let matched = backwards.all(|atom| rest.next_back().is_some_and(|c| atom.accepts(c)));
        matched.then_some(rest.as_str())
    }

    fn skip_past<'t>(&self, text: &'t str) -> Option<&'t str> {
        let atoms = match self {
            Self::Text(piece) => return text.find(&**piece).map(|at| &text[at + piece.len()..]),
            Self::Atoms(atoms) => atoms,
        };
        let tries = tries(atoms.len(), text.len());
        let mut places = text.char_indices().map(|(at, _)| &text[at..]);
        if let Some(rest) = places
            .by_ref()
            .take(tries)
            .find_map(|text| self.strip_start(text))
        {
            return Some(rest);
        }
        let rest = places.next()?;
        let end = find_end(atoms, &rest.chars().collect::<Vec<_>>())?;
        Some(
            rest.char_indices()
                .nth(end)
                .map_or("", |(at, _)| &rest[at..]),
        )
    }

    fn is_empty(text: &str) -> bool {
        text.is_empty()
    }
}

//! Globs inside one segment, over code points.
//!
//! A glob is cut at its runs (`*`) into pieces of fixed length. The first piece stands at the start,
//! the last at the end, and each piece between them is taken at its leftmost place: with nothing
//! but fixed-length pieces between runs the leftmost choice leaves the most room for the rest, so
//! nothing is ever tried twice (the argument of every glob matcher since Krauss, 2008).
use crate::class::Class;

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
enum Piece {
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
    pieces: Box<[Piece]>,
}

impl Glob {
    /// A glob of atoms whose runs are already in order.
    pub(crate) fn new(atoms: Vec<Atom>) -> Self {
        let pieces = atoms
            .split(|atom| *atom == Atom::Run)
            .map(Piece::new)
            .collect();
        Self {
            atoms: atoms.into(),
            pieces,
        }
    }

    /// The atoms in order; no run follows a run, and `?` stands before a run beside it.
    #[must_use]
    pub fn atoms(&self) -> &[Atom] {
        &self.atoms
    }

    /// Whether the whole segment matches. Linear for pieces of text; for others at most the
    /// product of both lengths. Does not recurse.
    #[must_use]
    pub fn matches(&self, segment: &str) -> bool {
        self.rest_after_pieces(segment).is_some()
    }

    fn rest_after_pieces(&self, segment: &str) -> Option<()> {
        let (first, others) = self.pieces.split_first()?;
        let mut rest = first.strip_start(segment)?;
        let Some((last, middle)) = others.split_last() else {
            return rest.is_empty().then_some(());
        };
        rest = last.strip_end(rest)?;
        for piece in middle {
            rest = piece.skip_past(rest)?;
        }
        Some(())
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
                Atom::Class(class) => class.write(text),
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

impl Piece {
    fn new(atoms: &[Atom]) -> Self {
        let text: Option<String> = atoms.iter().map(Atom::character).collect();
        text.map_or_else(|| Self::Atoms(atoms.into()), |text| Self::Text(text.into()))
    }

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

    /// What follows the leftmost place where the piece matches.
    fn skip_past<'t>(&self, text: &'t str) -> Option<&'t str> {
        if let Self::Text(piece) = self {
            return text.find(&**piece).map(|at| &text[at + piece.len()..]);
        }
        text.char_indices()
            .find_map(|(at, _)| self.strip_start(&text[at..]))
    }
}

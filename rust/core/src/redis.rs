//! The globs of Redis, over the bytes of a whole name.
//!
//! What counts is what `stringmatchlen` of Redis does, not what a manual says of it: a class may
//! end with the pattern, `]` closes it at once, ends of a range are compared as signed bytes and
//! swapped where reversed, a backslash at the end is itself, and nothing but the empty pattern
//! matches the empty name, because the loop of Redis never starts.
use crate::byteset::ByteSet;
use crate::error::{Flaw, Reason};
use crate::grammar::Grammar;
use crate::pieces::{Piece, SymbolSet, find_end, fit, tries};

/// What one byte of a name is compared with, or a run of any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ByteAtom {
    /// This byte.
    Byte(u8),
    /// Any one byte.
    Any,
    /// One byte of a set, which may be empty.
    Class(Box<ByteSet>),
    /// Any run of bytes, which may be empty.
    Run,
}

impl ByteAtom {
    /// Whether a single byte matches; a run is never asked.
    pub(crate) fn accepts(&self, byte: u8) -> bool {
        match self {
            Self::Byte(wanted) => *wanted == byte,
            Self::Any => true,
            Self::Class(set) => set.contains(byte),
            Self::Run => false,
        }
    }

    /// The bytes that match; none for a run, which is never asked.
    pub(crate) fn bytes(&self) -> ByteSet {
        match self {
            Self::Byte(byte) => ByteSet::range(*byte, *byte),
            Self::Any => ByteSet::default().complement(),
            Self::Class(set) => **set,
            Self::Run => ByteSet::default(),
        }
    }

    fn byte(&self) -> Option<u8> {
        match self {
            Self::Byte(byte) => Some(*byte),
            _ => None,
        }
    }
}

/// Atoms without a run, as bytes where all are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Bytes(Box<[u8]>),
    Atoms(Box<[ByteAtom]>),
}

/// A pattern of the `redis` dialect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedisGlob {
    atoms: Box<[ByteAtom]>,
    parts: Box<[Part]>,
}

impl RedisGlob {
    /// Reads any text; only its length and too many stars are flaws.
    pub(crate) fn parse(text: &str, grammar: &Grammar) -> Result<Self, Flaw> {
        if let Some(flaw) = grammar.find_excess_bytes(text) {
            return Err(flaw);
        }
        let most = grammar.limits().max_multi;
        let mut atoms = Vec::with_capacity(text.len());
        let mut stars = 0;
        let mut reader = Reader {
            bytes: text.as_bytes(),
            at: 0,
        };
        while let Some((at, atom)) = reader.next_atom() {
            if atom == ByteAtom::Run {
                stars += 1;
                if stars > most {
                    return Err((
                        at,
                        Reason::Limit {
                            name: "max_multi",
                            what: "stars",
                            most,
                        },
                    ));
                }
            }
            push_in_order(&mut atoms, atom);
        }
        let parts = atoms
            .split(|atom| *atom == ByteAtom::Run)
            .map(Part::new)
            .collect();
        Ok(Self {
            atoms: atoms.into(),
            parts,
        })
    }

    /// The atoms in order; no run follows a run, and `?` stands before a run beside it.
    #[must_use]
    pub fn atoms(&self) -> &[ByteAtom] {
        &self.atoms
    }

    /// Whether the whole name matches, as Redis would answer. Linear where runs stand between
    /// bytes; with `?` or classes there, at most the product of both lengths divided by 64.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        if name.is_empty() {
            self.atoms.is_empty()
        } else {
            fit(&self.parts, name)
        }
    }

    /// The bytes that every matching name starts with; may be empty.
    #[must_use]
    pub fn prefix(&self) -> Vec<u8> {
        self.atoms.iter().map_while(ByteAtom::byte).collect()
    }

    /// The one name that matches, if there is exactly one and it is text.
    #[must_use]
    pub fn exact(&self) -> Option<String> {
        let bytes: Option<Vec<u8>> = self.atoms.iter().map(ByteAtom::byte).collect();
        String::from_utf8(bytes?).ok()
    }
}

/// Appends an atom so that `*` runs collapse and `*?` becomes `?*`.
fn push_in_order(atoms: &mut Vec<ByteAtom>, atom: ByteAtom) {
    match (atoms.last(), &atom) {
        (Some(ByteAtom::Run), ByteAtom::Run) => {}
        (Some(ByteAtom::Run), ByteAtom::Any) => atoms.insert(atoms.len() - 1, atom),
        _ => atoms.push(atom),
    }
}

impl SymbolSet<u8> for ByteAtom {
    fn toggles(&self, symbols: &[u8], mut toggle: impl FnMut(usize)) {
        let mut inside = false;
        for (place, &byte) in symbols.iter().enumerate() {
            if self.accepts(byte) != inside {
                inside = !inside;
                toggle(place);
            }
        }
    }
}

impl Part {
    fn new(atoms: &[ByteAtom]) -> Self {
        let bytes: Option<Box<[u8]>> = atoms.iter().map(ByteAtom::byte).collect();
        bytes.map_or_else(|| Self::Atoms(atoms.into()), Self::Bytes)
    }

    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Atoms(atoms) => atoms.len(),
        }
    }

    /// Whether these bytes, as many as the part has atoms, match it.
    fn accepts(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Bytes(piece) => **piece == *bytes,
            Self::Atoms(atoms) => atoms
                .iter()
                .zip(bytes)
                .all(|(atom, &byte)| atom.accepts(byte)),
        }
    }
}

impl Piece for Part {
    type Text = [u8];

    fn strip_start<'t>(&self, name: &'t [u8]) -> Option<&'t [u8]> {
        let (head, rest) = name.split_at_checked(self.len())?;
        self.accepts(head).then_some(rest)
    }

    fn strip_end<'t>(&self, name: &'t [u8]) -> Option<&'t [u8]> {
        let (rest, tail) = name.split_at_checked(name.len().checked_sub(self.len())?)?;
        self.accepts(tail).then_some(rest)
    }

    fn skip_past<'t>(&self, name: &'t [u8]) -> Option<&'t [u8]> {
        let atoms = match self {
            Self::Bytes(piece) => {
                return memchr::memmem::find(name, piece).map(|at| &name[at + piece.len()..]);
            }
            Self::Atoms(atoms) => atoms,
        };
        let tries = tries(atoms.len(), name.len());
        let mut windows = name.windows(atoms.len());
        let found = windows
            .by_ref()
            .take(tries)
            .position(|window| self.accepts(window));
        let end = match found {
            Some(at) => at + atoms.len(),
            None => tries + find_end(atoms, name.get(tries..)?)?,
        };
        Some(&name[end..])
    }

    fn is_empty(name: &[u8]) -> bool {
        name.is_empty()
    }
}

/// Walks over a pattern exactly as the C code does.
struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn next_atom(&mut self) -> Option<(usize, ByteAtom)> {
        let start = self.at;
        let byte = *self.bytes.get(start)?;
        self.at += 1;
        let atom = match byte {
            b'*' => ByteAtom::Run,
            b'?' => ByteAtom::Any,
            b'[' => self.class(),
            b'\\' => ByteAtom::Byte(self.next_byte().unwrap_or(b'\\')),
            _ => ByteAtom::Byte(byte),
        };
        Some((start, atom))
    }

    fn next_byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    /// The rest of a class after its `[`.
    fn class(&mut self) -> ByteAtom {
        let negated = self.bytes.get(self.at) == Some(&b'^');
        self.at += usize::from(negated);
        let mut set = ByteSet::default();
        loop {
            match self.bytes[self.at..] {
                [b'\\', escaped, ..] => {
                    set.insert(escaped);
                    self.at += 2;
                }
                [b']', ..] => {
                    self.at += 1;
                    break;
                }
                [] => break,
                [first, b'-', last, ..] => {
                    insert_signed_range(&mut set, first, last);
                    self.at += 3;
                }
                [byte, ..] => {
                    set.insert(byte);
                    self.at += 1;
                }
            }
        }
        let set = if negated { set.complement() } else { set };
        match set.only() {
            Some(byte) => ByteAtom::Byte(byte),
            None if set == ByteSet::default().complement() => ByteAtom::Any,
            None => ByteAtom::Class(Box::new(set)),
        }
    }
}

/// `char` is signed where Redis runs on x86-64, so bytes from 0x80 on come before all others; with
/// the top bit flipped they compare so.
fn insert_signed_range(set: &mut ByteSet, first: u8, last: u8) {
    let (first, last) = (first ^ 0x80, last ^ 0x80);
    for byte in first.min(last)..=first.max(last) {
        set.insert(byte ^ 0x80);
    }
}

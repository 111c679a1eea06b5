//! Comparison of the globs of `redis`, over names that are text.
use super::bits::Bits;
use super::search::{Alphabet, Move, OutOfSteps, Search, Steps};
use crate::byteset::ByteSet;
use crate::redis::{ByteAtom, RedisGlob};

/// Whether `one` matches every name that `other` does.
pub(super) fn includes(
    one: &RedisGlob,
    other: &RedisGlob,
    steps: &mut Steps,
) -> Result<bool, OutOfSteps> {
    if other.atoms().is_empty() {
        return Ok(one.atoms().is_empty());
    }
    if one.atoms() == [ByteAtom::Run] {
        return Ok(true);
    }
    let sets = Search::new(&Utf8, &[other.atoms()], &[one.atoms()]).minimal_sets(steps)?;
    Ok(!sets.iter().any(Bits::is_empty))
}

/// Whether both match some name.
pub(super) fn overlaps(
    one: &RedisGlob,
    other: &RedisGlob,
    steps: &mut Steps,
) -> Result<bool, OutOfSteps> {
    if one.atoms().is_empty() || other.atoms().is_empty() {
        return Ok(one.atoms() == other.atoms());
    }
    let sets = Search::new(&Utf8, &[one.atoms(), other.atoms()], &[]).minimal_sets(steps)?;
    Ok(!sets.is_empty())
}

/// The bytes of a name that is not empty. Its guard follows UTF-8: 0 before the first byte, 1
/// between characters, others inside one (the table of the Unicode standard, 3-7).
struct Utf8;

/// From inside a character, or from before one (1): bytes from, to, and the guard after them.
const GUARDS: [(u8, u8, u8, u8); 16] = [
    (1, 0x00, 0x7f, 1),
    (1, 0xc2, 0xdf, 2),
    (1, 0xe0, 0xe0, 4),
    (1, 0xe1, 0xec, 3),
    (1, 0xed, 0xed, 5),
    (1, 0xee, 0xef, 3),
    (1, 0xf0, 0xf0, 6),
    (1, 0xf1, 0xf3, 7),
    (1, 0xf4, 0xf4, 8),
    (2, 0x80, 0xbf, 1),
    (3, 0x80, 0xbf, 2),
    (4, 0xa0, 0xbf, 2),
    (5, 0x80, 0x9f, 2),
    (6, 0x90, 0xbf, 3),
    (7, 0x80, 0xbf, 3),
    (8, 0x80, 0x8f, 3),
];

impl Alphabet for Utf8 {
    type Atom = ByteAtom;

    fn any() -> &'static ByteAtom {
        &ByteAtom::Any
    }

    fn is_run(atom: &ByteAtom) -> bool {
        *atom == ByteAtom::Run
    }

    fn may_end(&self, guard: u8) -> bool {
        guard == 1
    }

    fn moves(
        &self,
        guard: u8,
        wanted: &[&ByteAtom],
        watched: &[&ByteAtom],
        steps: &mut Steps,
    ) -> Result<Vec<Move>, OutOfSteps> {
        let mut moves = Vec::new();
        for (_, low, high, next) in GUARDS.iter().filter(|(from, ..)| *from == guard.max(1)) {
            let mut bytes = ByteSet::range(*low, *high);
            for atom in wanted {
                bytes = bytes.intersection(atom.bytes());
            }
            for byte in representatives(bytes, watched, steps)? {
                let taken = Bits::of(watched.len(), |place| watched[place].accepts(byte));
                moves.push(Move {
                    taken,
                    guard: *next,
                });
            }
        }
        Ok(moves)
    }
}

/// One byte of each part of a set whose bytes the atoms do not tell apart.
fn representatives(
    bytes: ByteSet,
    atoms: &[&ByteAtom],
    steps: &mut Steps,
) -> Result<Vec<u8>, OutOfSteps> {
    let mut parts: Vec<ByteSet> = vec![bytes];
    parts.retain(|part| part.first().is_some());
    for atom in atoms {
        steps.take(1 + parts.len())?;
        let taken = atom.bytes();
        let split = |part: &ByteSet| {
            [
                part.intersection(taken),
                part.intersection(taken.complement()),
            ]
        };
        parts = parts
            .iter()
            .flat_map(split)
            .filter(|part| part.first().is_some())
            .collect();
    }
    Ok(parts.iter().filter_map(|part| part.first()).collect())
}

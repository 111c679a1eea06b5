//! Matching of globs that are cut at their runs into pieces of fixed length.
//!
//! The first piece stands at the start, the last at the end, and each piece between them is taken at
//! its leftmost place: with nothing but pieces of fixed length between runs the leftmost choice
//! leaves the most room for the rest, so nothing is ever tried twice (Krauss, 2008).
//!
//! A piece of text is found by the linear search of the library. One with wildcards is compared at
//! every place while that is cheap, else by Shift-And (Baeza-Yates and Gonnet, 1992): one bit for
//! each atom, so the work is the product of both lengths divided by 64.

/// A piece of fixed length.
pub(crate) trait Piece {
    /// What it is found in.
    type Text: ?Sized;

    /// What is left of the text after the piece at its start.
    fn strip_start<'t>(&self, text: &'t Self::Text) -> Option<&'t Self::Text>;

    /// What is left of the text before the piece at its end.
    fn strip_end<'t>(&self, text: &'t Self::Text) -> Option<&'t Self::Text>;

    /// What follows the leftmost place where the piece matches.
    fn skip_past<'t>(&self, text: &'t Self::Text) -> Option<&'t Self::Text>;

    /// Whether nothing is left.
    fn is_empty(text: &Self::Text) -> bool;
}

/// Whether the pieces, with anything between them, are the whole text.
pub(crate) fn fit<P: Piece>(pieces: &[P], text: &P::Text) -> bool {
    let Some((first, others)) = pieces.split_first() else {
        return false;
    };
    let Some(text) = first.strip_start(text) else {
        return false;
    };
    let Some((last, middle)) = others.split_last() else {
        return P::is_empty(text);
    };
    let mut rest = last.strip_end(text);
    for piece in middle {
        rest = rest.and_then(|text| piece.skip_past(text));
    }
    rest.is_some()
}

/// At how many places of a text a piece with wildcards is compared before [`find_end`] takes over:
/// at all if it is short, else so that both cost about the same.
pub(crate) fn tries(piece: usize, text: usize) -> usize {
    const SHORT: usize = 16;
    if piece <= SHORT {
        text
    } else {
        text * SHORT / piece
    }
}

/// What one symbol of a text is compared with.
pub(crate) trait SymbolSet<S> {
    /// Calls `toggle` with every place in these sorted symbols at which being in the set begins or
    /// ends; one call undoes another at the same place.
    fn toggles(&self, symbols: &[S], toggle: impl FnMut(usize));
}

/// How many symbols of the text the leftmost match of all these sets in a row ends after.
pub(crate) fn find_end<S: Copy + Ord>(sets: &[impl SymbolSet<S>], text: &[S]) -> Option<usize> {
    let mut symbols = text.to_vec();
    symbols.sort_unstable();
    symbols.dedup();
    let words = sets.len().div_ceil(64);
    let masks = masks(sets, &symbols, words);
    let last = sets.len() - 1;
    let mut reached = vec![0u64; words];
    text.iter()
        .position(|symbol| {
            let row = symbols.partition_point(|known| known < symbol) * words;
            let mut carry = 1;
            for (word, mask) in reached.iter_mut().zip(&masks[row..row + words]) {
                let shifted = *word << 1 | carry;
                carry = *word >> 63;
                *word = shifted & mask;
            }
            reached[last / 64] >> (last % 64) & 1 == 1
        })
        .map(|at| at + 1)
}

/// For each symbol a row of words with one bit for each set that holds it.
fn masks<S>(sets: &[impl SymbolSet<S>], symbols: &[S], words: usize) -> Vec<u64> {
    // Where a set begins or ends its bit is toggled; running over the rows, toggles become members.
    let mut masks = vec![0u64; (symbols.len() + 1) * words];
    for (number, set) in sets.iter().enumerate() {
        set.toggles(symbols, |row| {
            masks[row * words + number / 64] ^= 1 << (number % 64);
        });
    }
    for at in words..masks.len() {
        masks[at] ^= masks[at - words];
    }
    masks
}

//! A topic cut into segments, each hashed once, in one pass over its bytes.
use crate::grammar::Grammar;

use super::hash::{End, Seeds};
use super::marks::{Found, Marks, WIDTH};

/// For each length up to eight, the bits of a word that so many bytes fill.
const FILLED: [u64; 9] = {
    let mut filled = [!0; 9];
    let mut len = 0;
    while len < 8 {
        filled[len] = (1 << (8 * len)) - 1;
        len += 1;
    }
    filled
};

/// How many sums there always are: as many as a byte can count.
pub(super) const FIRST: usize = 256;

/// Where the segments of a text are, and what their hashes add up to.
#[derive(Debug)]
pub(super) struct Cut {
    /// What segments are separated by, and what a topic needs a closer look for; without separator, every text is one
    /// segment.
    marks: Option<Marks>,
    /// Whether the empty text has no segments, rather than one that is empty.
    empty_is_none: bool,
    /// The number of segments; the lists are longer, so as not to be measured anew for each text.
    len: usize,
    /// The byte behind each segment.
    ends: Vec<usize>,
    hashes: Vec<u64>,
    /// The sums of 0, 1, 2, … terms from the back, as many as were asked for; then of 0, 1, 2, … terms from the front.
    sums: Vec<u64>,
    /// Where the sums from the front begin.
    front: usize,
    /// Whether some byte was notable, or some segment empty.
    is_suspect: bool,
}

impl Cut {
    /// A cut of nothing, to be used for texts of this grammar.
    pub(super) fn new(grammar: &Grammar) -> Self {
        let rules = grammar.rules();
        Self {
            marks: rules
                .and_then(|rules| u8::try_from(rules.separator).ok())
                .map(|separator| Marks::new(separator, &notable_bytes(grammar))),
            empty_is_none: rules.is_some_and(|rules| rules.empty_topic),
            len: 0,
            ends: vec![0; 8],
            hashes: vec![0; 8],
            sums: vec![0; FIRST],
            front: 1,
            is_suspect: false,
        }
    }

    /// Cuts a text, and sums up to so many terms from the back.
    pub(super) fn cut(&mut self, text: &[u8], backs: usize, seeds: &Seeds) {
        self.front = backs + 1;
        self.len = match self.marks {
            _ if text.is_empty() && self.empty_is_none => 0,
            Some(_) => self.find_ends(text),
            None => self.take_whole(text),
        };
        let most = self.front + self.ends.len() + 1;
        if self.sums.len() < most {
            self.sums.resize(most, 0);
        }
        self.hashes.resize(self.ends.len(), 0);
        self.sums[self.front] = 0;
        let sums = &mut self.sums[self.front + 1..];
        hash_all(text, &self.ends[..self.len], &mut self.hashes, sums, seeds);
        if backs > 0 {
            self.sum_backs(seeds);
        }
    }

    fn take_whole(&mut self, text: &[u8]) -> usize {
        self.ends[0] = text.len();
        self.is_suspect = false;
        1
    }

    fn find_ends(&mut self, text: &[u8]) -> usize {
        loop {
            let found = self
                .marks
                .as_ref()
                .and_then(|marks| find_ends(text, marks, &mut self.ends));
            if let Some((count, is_suspect)) = found {
                self.is_suspect = is_suspect;
                return count;
            }
            self.ends.resize(2 * self.ends.len(), 0);
        }
    }

    #[inline]
    fn sum_backs(&mut self, seeds: &Seeds) {
        let most = self.len.min(self.front - 1);
        let hashes = &self.hashes[self.len - most..self.len];
        let sums = &mut self.sums[1..=most];
        let mut sum = 0_u64;
        for position in 0..most {
            let term = hashes[most - 1 - position].wrapping_mul(seeds.factor(End::Back, position));
            sum = sum.wrapping_add(term);
            sums[position] = sum;
        }
    }

    /// Whether some byte or some empty segment calls for a closer look before the text is taken for a topic.
    #[inline]
    pub(super) fn is_suspect(&self) -> bool {
        self.is_suspect
    }

    /// The number of segments.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The hash of a segment.
    #[inline]
    pub(super) fn hash(&self, segment: usize) -> u64 {
        self.hashes[segment]
    }

    /// The sum of all terms, counted from the front.
    #[inline]
    pub(super) fn sum(&self) -> u64 {
        self.sums[self.front + self.len]
    }

    /// The sums of 0, 1, 2, … terms from the back, of up to as many as were asked for; then of 0, 1, 2, … from the front.
    #[inline]
    pub(super) fn sums(&self) -> &[u64] {
        &self.sums
    }

    /// The first of them.
    #[inline]
    pub(super) fn first_sums(&self) -> &[u64; FIRST] {
        self.sums.first_chunk().expect("there always are so many")
    }

    /// Where the run of segments from `first` to `last` is in the text.
    #[inline]
    pub(super) fn range(&self, first: usize, last: usize) -> std::ops::Range<usize> {
        let start = if first == 0 {
            0
        } else {
            self.ends[first - 1] + 1
        };
        start..self.ends[last]
    }
}

/// Finds the byte behind each segment; answers with how many there are and whether some byte is notable or some segment
/// empty, or with nothing if there is no room for all.
#[inline]
fn find_ends(text: &[u8], marks: &Marks, ends: &mut [usize]) -> Option<(usize, bool)> {
    let (mut count, mut at, mut is_notable, mut empty, mut before) = (0, 0, false, 0, 1);
    for piece in text.chunks(PIECE) {
        let mut found = find_in_piece(text, piece, marks);
        is_notable |= found.is_notable;
        empty |= found.separators & (found.separators << 1 | before);
        before = found.separators >> (PIECE - 1);
        while found.separators != 0 {
            *ends.get_mut(count)? = at + found.separators.trailing_zeros() as usize;
            count += 1;
            found.separators &= found.separators - 1;
        }
        at += PIECE;
    }
    *ends.get_mut(count)? = text.len();
    let ends_empty = text.last().is_none_or(|&last| marks.is_separator(last));
    Some((count + 1, is_notable || empty != 0 || ends_empty))
}

/// How many bytes have their marks in one word, so that most texts need one loop over their separators, which the processor
/// learns to foresee.
const PIECE: usize = 64;

#[inline]
fn find_in_piece(text: &[u8], piece: &[u8], marks: &Marks) -> Found {
    let (blocks, rest) = piece.as_chunks::<WIDTH>();
    let mut all = Found::default();
    for (number, block) in blocks.iter().enumerate() {
        all.add(marks.find(block), number);
    }
    if !rest.is_empty() {
        all.add(find_in_rest(text, rest, marks), blocks.len());
    }
    all
}

/// What is in the last bytes of a text, fewer than sixteen: seen in its last sixteen where it has so many.
#[inline]
fn find_in_rest(text: &[u8], rest: &[u8], marks: &Marks) -> Found {
    if let Some(block) = text.last_chunk::<WIDTH>() {
        let mut found = marks.find(block);
        found.separators >>= WIDTH - rest.len();
        return found;
    }
    // What no text has stands behind it.
    let mut block = [0xff; WIDTH];
    block[..rest.len()].copy_from_slice(rest);
    marks.find(&block)
}

/// Hashes each segment and sums up their terms.
#[inline]
fn hash_all(text: &[u8], ends: &[usize], hashes: &mut [u64], sums: &mut [u64], seeds: &Seeds) {
    let (mut start, mut sum) = (0, 0_u64);
    for (position, ((&end, hash), sum_to)) in ends.iter().zip(hashes).zip(sums).enumerate() {
        let len = end - start;
        *hash = match (FILLED.get(len), text.get(start..start + 8)) {
            (Some(filled), Some(word)) => seeds.short(whole_word(word) & filled, len),
            (Some(_), None) => seeds.short(last_bytes(text, start, len), len),
            (None, _) => seeds.segment(&text[start..end]),
        };
        sum = sum.wrapping_add(hash.wrapping_mul(seeds.factor(End::Front, position)));
        *sum_to = sum;
        start = end + 1;
    }
}

#[inline]
fn whole_word(bytes: &[u8]) -> u64 {
    bytes
        .first_chunk()
        .map_or(0, |word| u64::from_le_bytes(*word))
}

/// Up to eight bytes of a text, behind which there are none or few, as one number: cut out of its last whole word, if it
/// has one.
#[inline]
fn last_bytes(text: &[u8], start: usize, len: usize) -> u64 {
    match text.last_chunk() {
        _ if len == 0 => 0,
        Some(word) => u64::from_le_bytes(*word) >> (8 * (start + 8 - text.len())) & FILLED[len],
        None => text[start..start + len]
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

/// For each byte that begins a character, whether a segment of it needs a closer look.
fn notable_bytes(grammar: &Grammar) -> Box<[bool; 256]> {
    let two = (0x02..0x20_u32).map(|first| first << 6);
    let three = (0x0..0x10_u32).map(|first| (first << 12).max(0x800));
    let four = (0x0..0x5_u32).map(|first| (first << 18).max(0x1_0000));
    let mut notable = Box::new([false; 256]);
    let mut buffer = [0; 4];
    for c in (0..0x80)
        .chain(two)
        .chain(three)
        .chain(four)
        .filter_map(char::from_u32)
    {
        let text = c.encode_utf8(&mut buffer);
        notable[usize::from(text.as_bytes()[0])] = !grammar.bytes().is_plain(text);
    }
    notable
}

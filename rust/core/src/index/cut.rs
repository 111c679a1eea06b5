//! A topic cut into segments, each hashed once, in one pass over its bytes.
use crate::grammar::Grammar;

use super::hash::{End, Seeds};
use super::marks::{Marks, PIECE};

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
    /// Which bytes of the text are separators, one bit each.
    separators: Vec<u64>,
    /// Whether the empty text has no segments, rather than one that is empty.
    empty_is_none: bool,
    /// The number of segments; the lists are longer, so as not to be measured anew for each text.
    len: usize,
    segments: Vec<Segment>,
    /// The sums of 0, 1, 2, … terms from the back, as many as were asked for; then of 0, 1, 2, … terms from the front.
    sums: Vec<u64>,
    /// Where the sums from the front begin.
    front: usize,
    /// Whether some byte was notable, or some segment empty.
    is_suspect: bool,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    /// What the hash is multiplied with, counted from the front: here, so that it need not be looked up.
    factor: u64,
    hash: u64,
    /// The byte behind it.
    end: usize,
}

impl Cut {
    /// A cut of nothing, to be used for texts of this grammar, with one set of seeds.
    pub(super) fn new(grammar: &Grammar) -> Self {
        let rules = grammar.rules();
        Self {
            marks: rules
                .and_then(|rules| u8::try_from(rules.separator).ok())
                .map(|separator| Marks::new(separator, &notable_bytes(grammar))),
            separators: Vec::new(),
            empty_is_none: rules.is_some_and(|rules| rules.empty_topic),
            len: 0,
            segments: Vec::new(),
            sums: vec![0; FIRST],
            front: 1,
            is_suspect: false,
        }
    }

    /// Cuts a text, and sums up to so many terms from the back.
    pub(super) fn cut(&mut self, text: &[u8], backs: usize, seeds: &Seeds) {
        self.front = backs + 1;
        let lacks_separators = self.separators.len() <= text.len() / PIECE;
        if lacks_separators || self.sums.len() <= self.front + self.segments.len() {
            self.make_room(text, self.segments.len(), seeds);
        }
        if self.take(text, seeds).is_none() {
            self.take_more(text, seeds);
        }
        if backs > 0 {
            self.sum_backs(seeds);
        }
    }

    /// Takes a text that has more segments than there is room for.
    #[cold]
    fn take_more(&mut self, text: &[u8], seeds: &Seeds) {
        while self.take(text, seeds).is_none() {
            self.make_room(text, 2 * self.segments.len().max(4), seeds);
        }
    }

    /// Makes room for the separators of a text, for so many segments, and for the sums from either end.
    #[cold]
    fn make_room(&mut self, text: &[u8], segments: usize, seeds: &Seeds) {
        let words = text.len() / PIECE + 1;
        self.separators.resize(words.max(self.separators.len()), 0);
        let more = (self.segments.len()..segments).map(|position| Segment {
            factor: seeds.factor(End::Front, position),
            hash: 0,
            end: 0,
        });
        self.segments.extend(more);
        let sums = self.front + segments + 1;
        self.sums.resize(sums.max(self.sums.len()), 0);
    }

    /// Finds each segment, hashes it and sums up the terms; answers with nothing if there is no room for all.
    #[inline]
    fn take(&mut self, text: &[u8], seeds: &Seeds) -> Option<()> {
        let segments = self.segments.as_mut_slice();
        let room = segments.len();
        let sums = self.sums.get_mut(self.front..)?.get_mut(..room + 1)?;
        let separators = self.separators.get_mut(..=text.len() / PIECE)?;
        sums[0] = 0;
        (self.len, self.is_suspect) = (0, false);
        if text.is_empty() && self.empty_is_none {
            return Some(());
        }
        let mut suspect = 0;
        if let Some(marks) = &self.marks {
            suspect = u64::from(marks.find(text, separators));
        } else {
            separators.fill(0);
        }
        // The end is like one more separator.
        if let Some(last) = separators.last_mut() {
            *last |= 1 << (text.len() % PIECE);
        }
        let (mut count, mut start, mut sum) = (0, 0, 0_u64);
        let (mut at, mut before) = (0, 1);
        for &word in &*separators {
            suspect |= word & (word << 1 | before);
            before = word >> (PIECE - 1);
            let mut left = word;
            while left != 0 {
                if count >= room {
                    return None;
                }
                let end = at + left.trailing_zeros() as usize;
                let hash = hash_of(text, start, end, seeds);
                let segment = &mut segments[count];
                (segment.hash, segment.end) = (hash, end);
                sums[count] = sum;
                sum = sum.wrapping_add(hash.wrapping_mul(segment.factor));
                count += 1;
                start = end + 1;
                left &= left - 1;
            }
            at += PIECE;
        }
        sums[count] = sum;
        (self.len, self.is_suspect) = (count, suspect != 0);
        Some(())
    }

    #[inline]
    fn sum_backs(&mut self, seeds: &Seeds) {
        let most = self.len.min(self.front - 1);
        let segments = &self.segments[self.len - most..self.len];
        let sums = &mut self.sums[1..=most];
        let mut sum = 0_u64;
        for position in 0..most {
            let hash = segments[most - 1 - position].hash;
            sum = sum.wrapping_add(hash.wrapping_mul(seeds.factor(End::Back, position)));
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
        self.segments[segment].hash
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
            self.segments[first - 1].end + 1
        };
        start..self.segments[last].end
    }
}

/// The hash of the segment that is here.
#[inline]
fn hash_of(text: &[u8], start: usize, end: usize, seeds: &Seeds) -> u64 {
    let len = end - start;
    let word = text.get(start..).and_then(<[u8]>::first_chunk);
    match (FILLED.get(len), word) {
        (Some(filled), Some(word)) => seeds.short(u64::from_le_bytes(*word) & filled, len),
        (Some(_), None) => seeds.short(last_bytes(text, start, len), len),
        (None, _) => seeds.segment(&text[start..end]),
    }
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

#[cfg(test)]
mod tests {
    use super::{Cut, Seeds};
    use crate::grammar::Grammar;

    #[test]
    fn longer_texts_take_room_for_what_they_have() {
        let (grammar, seeds) = (Grammar::mailbox(), Seeds::new());
        let mut cut = Cut::new(&grammar);
        for len in 0..4_096 {
            cut.cut(&vec![b'a'; len], len % 7, &seeds);
            assert_eq!(cut.len(), 1);
        }
        assert_eq!((cut.segments.len(), cut.separators.len()), (8, 64));
        cut.cut("a.".repeat(100).as_bytes(), 3, &seeds);
        assert_eq!((cut.len(), cut.segments.len()), (101, 128));
    }
}

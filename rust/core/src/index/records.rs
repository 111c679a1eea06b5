//! The records: one for each pattern, in one block of bytes.
//!
//! ```text
//!              place (in units of 4 bytes)
//!              │
//!    -8        ▼ 0               8      9        12
//!   [value: u64] | holder: u64     | home | len u24 | text: len bytes | up to 3 bytes of padding |
//!                | next free: u64  | FREE | units   | rubbish                                    |
//! ```
//!
//! An index that keeps values has that of a pattern's only subscription in front of the record, where the processor has it
//! when it has the record. A place stays the same while its record lives. Freed blocks are used again for records of the
//! same size, or cut for smaller ones; an index whose blocks are mostly free writes its records anew.
use std::collections::BTreeMap;

use super::Structure;

const UNIT: usize = 4;
const HEADER: usize = HEADER_UNITS as usize * UNIT;
/// The longest text of a record.
pub(super) const MAX_TEXT: usize = (1 << 24) - 1;
const NOWHERE: u64 = u64::MAX;

/// Where a record begins, in units of 4 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place(pub(super) u32);

impl Place {
    fn byte(self) -> usize {
        self.0 as usize * UNIT
    }
}

/// Which structure finds a record: the number of a shape, or one of the constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home(pub(super) u8);

impl Home {
    /// The structure's name.
    pub(super) fn structure(self) -> Structure {
        match self {
            Self::EXACT => Structure::Exact,
            Self::TRIE => Structure::Trie,
            Self::PREFIX => Structure::Prefix,
            _ => Structure::Shape,
        }
    }

    /// The pattern in the text of a record.
    pub(super) fn pattern(self, text: &[u8]) -> &[u8] {
        self.split(text).1
    }

    /// The number that a structure keeps in the text of a record, and the pattern behind it.
    pub(super) fn split(self, text: &[u8]) -> (u32, &[u8]) {
        match (self, text.split_first_chunk()) {
            (Self::TRIE | Self::PREFIX, Some((number, pattern))) => {
                (u32::from_le_bytes(*number), pattern)
            }
            _ => (0, text),
        }
    }

    /// A pattern without wildcards.
    pub(super) const EXACT: Self = Self(0xf0);
    /// A pattern in the trie.
    pub(super) const TRIE: Self = Self(0xf1);
    /// A pattern of `redis`, by its prefix.
    pub(super) const PREFIX: Self = Self(0xf2);
    const FREE: Self = Self(0xff);
}

#[derive(Debug, Default)]
pub(super) struct Records {
    bytes: Vec<u8>,
    /// Units in front of each place, for a value.
    front: u32,
    /// For each size in units, the first free block; the blocks are chained through their first eight bytes.
    free: BTreeMap<u32, Place>,
    free_units: usize,
    len: usize,
}

const HEADER_UNITS: u32 = 3;
const VALUE_UNITS: u32 = 2;

impl Records {
    /// No record yet; each may have a value, if it `keeps_values`.
    pub(super) fn new(keeps_values: bool) -> Self {
        Self {
            front: if keeps_values { VALUE_UNITS } else { 0 },
            ..Self::default()
        }
    }

    /// The length of the block of a record with so many bytes of text.
    fn units_of(&self, text: usize) -> u32 {
        let units = u32::try_from((HEADER + text).div_ceil(UNIT));
        units.map_or(u32::MAX, |units| units + self.front)
    }

    /// Whether records have values.
    pub(super) fn has_values(&self) -> bool {
        self.front > 0
    }

    /// The value in front of a record; 0 where there are none.
    #[inline]
    pub(super) fn value_of(&self, place: Place) -> u64 {
        if self.has_values() {
            self.word(place.byte() - 8)
        } else {
            0
        }
    }

    /// Sets the value in front of a record, where there are some.
    pub(super) fn set_value(&mut self, place: Place, value: u64) {
        if self.has_values() {
            let at = place.byte();
            self.bytes[at - 8..at].copy_from_slice(&value.to_le_bytes());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn owned_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether more than half of a block that is not small lies free.
    pub(super) fn is_sparse(&self) -> bool {
        let bytes = self.free_units * UNIT;
        bytes > 1 << 16 && 2 * bytes > self.bytes.len()
    }

    fn word(&self, at: usize) -> u64 {
        let word = self.bytes.get(at..).and_then(|rest| rest.first_chunk());
        u64::from_le_bytes(*word.expect("a place is where a record begins"))
    }

    fn header(&self, place: Place) -> (Home, usize) {
        let word = self
            .bytes
            .get(place.byte() + 8..)
            .and_then(|rest| rest.first_chunk());
        let [home, a, b, c] = *word.expect("a place is where a record begins");
        (Home(home), u32::from_le_bytes([a, b, c, 0]) as usize)
    }

    fn write_header(&mut self, place: Place, first: u64, home: Home, len: u32) {
        let at = place.byte();
        self.bytes[at..at + 8].copy_from_slice(&first.to_le_bytes());
        let [a, b, c, _] = len.to_le_bytes();
        self.bytes[at + 8..at + HEADER].copy_from_slice(&[home.0, a, b, c]);
    }

    /// Which structure finds the record, and its text: the pattern, behind a number of its structure in some.
    #[inline]
    pub(super) fn get(&self, place: Place) -> (Home, &[u8]) {
        let (home, len) = self.header(place);
        let at = place.byte() + HEADER;
        (home, &self.bytes[at..at + len])
    }

    /// The text of the record, if it is of this home.
    #[inline]
    pub(super) fn text(&self, place: Place, home: Home) -> Option<&[u8]> {
        let (found, text) = self.get(place);
        (found == home).then_some(text)
    }

    /// Whether the record has this home and this text.
    ///
    /// How much is compared is known before the record is read, so that the processor need not wait for it to go on.
    #[inline]
    pub(super) fn is(&self, place: Place, home: Home, text: &[u8]) -> bool {
        let at = place.byte() + 8;
        let record = self.bytes.get(at..at + 4 + text.len());
        record
            .and_then(<[u8]>::split_first_chunk)
            .is_some_and(|(header, other)| {
                u32::from_le_bytes(*header) as usize == usize::from(home.0) | text.len() << 8
                    && other == text
            })
    }

    /// Who holds the record: what [`Records::set_holder`] was given.
    #[inline]
    pub(super) fn holder(&self, place: Place) -> u64 {
        self.word(place.byte())
    }

    pub(super) fn set_holder(&mut self, place: Place, holder: u64) {
        let at = place.byte();
        self.bytes[at..at + 8].copy_from_slice(&holder.to_le_bytes());
    }

    /// Whether there is certainly room for so many bytes of text in so many records.
    pub(super) fn has_room(&self, records: usize, bytes: usize) -> bool {
        let each = HEADER + UNIT * (1 + self.front as usize);
        let more = records.saturating_mul(each).saturating_add(bytes);
        bytes <= records.saturating_mul(MAX_TEXT)
            && self.bytes.len().saturating_add(more) / UNIT < u32::MAX as usize
    }

    /// Writes a record, for which there is room.
    pub(super) fn insert(&mut self, home: Home, holder: u64, text: &[u8]) -> Place {
        let units = self.units_of(text.len());
        let place = self.reuse(units).unwrap_or_else(|| self.extend(units));
        let len = u32::try_from(text.len()).expect("texts are short");
        self.set_value(place, 0);
        self.write_header(place, holder, home, len);
        let at = place.byte() + HEADER;
        self.bytes[at..at + text.len()].copy_from_slice(text);
        self.len += 1;
        place
    }

    fn extend(&mut self, units: u32) -> Place {
        let place = u32::try_from(self.bytes.len() / UNIT).expect("there is room") + self.front;
        let end = self.bytes.len() + units as usize * UNIT;
        if end > self.bytes.capacity() {
            self.bytes
                .reserve_exact((end / 8).max(256) + units as usize * UNIT);
        }
        self.bytes.resize(end, 0);
        Place(place)
    }

    /// A free block of this size: one that has it, or the start of a larger one.
    fn reuse(&mut self, units: u32) -> Option<Place> {
        let least = HEADER_UNITS + self.front;
        let fits = |&(&size, _): &(&u32, &Place)| size == units || size >= units + least;
        let (&size, &place) = self.free.range(units..).find(fits)?;
        match self.word(place.byte()) {
            NOWHERE => self.free.remove(&size),
            next => self
                .free
                .insert(size, Place(u32::try_from(next).expect("a place"))),
        };
        self.free_units -= size as usize;
        if size > units {
            self.release(Place(place.0 + units), size - units);
        }
        Some(place)
    }

    fn release(&mut self, place: Place, units: u32) {
        let next = self
            .free
            .insert(units, place)
            .map_or(NOWHERE, |next| u64::from(next.0));
        self.write_header(place, next, Home::FREE, units);
        self.free_units += units as usize;
    }

    /// Frees the block of a record.
    pub(super) fn remove(&mut self, place: Place) {
        let (home, len) = self.header(place);
        debug_assert_ne!(home, Home::FREE);
        self.release(place, self.units_of(len));
        self.len -= 1;
    }

    /// The places of all records, from the first to the last.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let mut next = 0;
        std::iter::from_fn(move || {
            while next * UNIT < self.bytes.len() {
                let place = Place(u32::try_from(next).ok()? + self.front);
                let (home, len) = self.header(place);
                if home == Home::FREE {
                    next += len;
                } else {
                    next += self.units_of(len) as usize;
                    return Some(place);
                }
            }
            None
        })
    }

    /// Writes the records anew without the free blocks between them; `moved` learns where each is now.
    pub(super) fn compact(&mut self, mut moved: impl FnMut(Home, &[u8], Place)) {
        let mut fresh = Self::new(self.has_values());
        fresh
            .bytes
            .reserve_exact(self.bytes.len() - self.free_units * UNIT);
        for place in self.places() {
            let (home, text) = self.get(place);
            let to = fresh.insert(home, self.holder(place), text);
            fresh.set_value(to, self.value_of(place));
            moved(home, text, to);
        }
        *self = fresh;
    }
}

//! A hash table of places: one word of one-byte tags for seven places, and the places apart.
//!
//! ```text
//!   groups   | 7 tags, 0 = free | 4 counters of 2 bits |  one word each, next to each other
//!   places   | 7 × u32                                 |  read for a tag that fits, and only then
//! ```
//!
//! The table knows neither keys nor texts. A caller brings a hash, gets candidates (a wrong one in about one search of
//! 40) and verifies each by what stands at its place. Most searches of a match find nothing, and the tags of a million
//! entries are 1.6 MB: a search that finds nothing costs one word that is mostly in a cache.
//!
//! A place whose group is full goes on to a later one, and is counted where it did, by two bits of its tag: a search goes
//! on just where a place with a tag like the wanted one did, and removing leaves no tombstone (Facebook's F14 counts so,
//! with one counter). A counter that reaches 3 stays there until the table is built anew, which is due after so many
//! removals. Places with the same tag are counted together, so it does not matter which of two equal ones is removed.
use super::hash::wide_product;

/// Places in a group.
const WIDTH: usize = 7;
/// The most places in a hundred that are used before the table must grow.
const FULL: usize = 75;

const LOW: u64 = 0x0101_0101_0101_0101;
const TAGS: u64 = 0x00ff_ffff_ffff_ffff;
/// The high bits of the tags.
const HIGH: u64 = 0x8080_8080_8080_8080 & TAGS;
/// What a counter cannot go beyond.
const MOST: u64 = 3;
/// The bits of each counter.
const COUNTERS: [u64; 4] = [MOST << 56, MOST << 58, MOST << 60, MOST << 62];

/// The tag of a hash, which comes from the middle; the group comes from the high bits.
#[inline]
fn tag_of(hash: u64) -> u8 {
    hash.to_le_bytes()[4].max(1)
}

/// Seven tags and four counters.
#[derive(Clone, Copy, Debug, Default)]
struct Group(u64);

impl Group {
    /// Where the counter for a tag begins.
    #[inline]
    fn counter(tag: u8) -> u32 {
        56 + 2 * u32::from(tag & 3)
    }

    /// The high bit of each tag that equals `tag`.
    #[inline]
    fn equal(self, tag: u8) -> u64 {
        let difference = self.0 ^ (LOW * u64::from(tag));
        !(((difference & !HIGH & TAGS) + (HIGH - (LOW & TAGS))) | difference) & HIGH
    }

    /// Whether some tag may equal `tag`, or some place with a tag like it went on.
    #[inline]
    fn is_promising(self, tag: u8) -> bool {
        let difference = self.0 ^ (LOW * u64::from(tag));
        let equal = difference.wrapping_sub(LOW) & !difference & HIGH;
        let went_on = self.0 & COUNTERS[usize::from(tag & 3)];
        equal | went_on != 0
    }

    #[inline]
    fn count(self, tag: u8) -> u64 {
        self.0 >> Self::counter(tag) & MOST
    }

    /// Counts one more or one less place that went on, unless the counter is stuck.
    fn count_change(&mut self, tag: u8, one_more: bool) {
        let one = 1 << Self::counter(tag);
        match (self.count(tag), one_more) {
            (MOST, _) => {}
            (_, true) => self.0 += one,
            (_, false) => self.0 -= one,
        }
    }

    fn set(&mut self, slot: usize, tag: u8) {
        self.0 = self.0 & !(0xff << (8 * slot)) | u64::from(tag) << (8 * slot);
    }
}

/// Takes the lowest of the marked slots.
#[inline]
fn next_slot(marked: &mut u64) -> Option<usize> {
    if *marked == 0 {
        return None;
    }
    let slot = marked.trailing_zeros() as usize / 8;
    *marked &= *marked - 1;
    Some(slot)
}

/// Places by hash; equal hashes may repeat.
#[derive(Debug, Default)]
pub(super) struct Table {
    groups: Vec<Group>,
    places: Vec<[u32; WIDTH]>,
    len: usize,
    /// Removals since the table was built.
    removed: usize,
}

/// The places whose tag fits a hash.
#[derive(Debug)]
pub(super) struct Candidates<'t> {
    table: &'t Table,
    group: usize,
    tag: u8,
    /// The slots of the group whose tag fits and that were not handed out yet.
    equal: u64,
    /// How many groups may still be looked at.
    left: usize,
}

impl Iterator for Candidates<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        loop {
            if let Some(slot) = next_slot(&mut self.equal) {
                return Some(self.table.places[self.group][slot]);
            }
            if self.left == 0 || self.table.groups[self.group].count(self.tag) == 0 {
                return None;
            }
            self.left -= 1;
            self.group = self.table.after(self.group);
            self.equal = self.table.groups[self.group].equal(self.tag);
        }
    }
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.groups.capacity() * (size_of::<Group>() + size_of::<[u32; WIDTH]>())
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        let [_, group] = wide_product(hash, self.groups.len() as u64);
        usize::try_from(group).unwrap_or_default()
    }

    fn after(&self, group: usize) -> usize {
        if group + 1 == self.groups.len() {
            0
        } else {
            group + 1
        }
    }

    /// Whether there may be a place put in with this hash, in a table that is not empty. Looks at one word.
    #[inline]
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        self.groups[self.home(hash)].is_promising(tag_of(hash))
    }

    /// The places put in with this hash, and a few others.
    #[inline]
    pub(super) fn candidates(&self, hash: u64) -> Candidates<'_> {
        let (group, tag) = (self.home(hash), tag_of(hash));
        match self.groups.get(group) {
            Some(here) => Candidates {
                table: self,
                group,
                tag,
                equal: here.equal(tag),
                left: self.groups.len() - 1,
            },
            None => Candidates {
                table: self,
                group,
                tag,
                equal: 0,
                left: 0,
            },
        }
    }

    /// Whether so many more places need a [`Table::reset`] first.
    #[inline]
    pub(super) fn lacks_room(&self, more: usize) -> bool {
        (self.len + more) * 100 > self.groups.len() * WIDTH * FULL
            || self.removed > 8 * self.len + 64
    }

    /// Whether the table is large and hardly used.
    pub(super) fn is_sparse(&self) -> bool {
        self.groups.len() > 64 && self.len * 4 < self.groups.len() * WIDTH
    }

    /// Empties the table and makes room for `len` places and a quarter more.
    pub(super) fn reset(&mut self, len: usize) {
        let groups = (len + len / 4) * 100 / (WIDTH * FULL) + 1;
        *self = Self::default();
        self.groups.resize(groups, Group::default());
        self.places.resize(groups, [0; WIDTH]);
    }

    /// Puts in a place; the table does not lack room.
    pub(super) fn insert(&mut self, hash: u64, place: u32) {
        let (mut group, tag) = (self.home(hash), tag_of(hash));
        loop {
            let here = &mut self.groups[group];
            if let Some(slot) = next_slot(&mut here.equal(0)) {
                here.set(slot, tag);
                self.places[group][slot] = place;
                self.len += 1;
                return;
            }
            here.count_change(tag, true);
            group = self.after(group);
        }
    }

    /// Takes out a place that was put in with this hash.
    pub(super) fn remove(&mut self, hash: u64, place: u32) {
        let (mut group, tag) = (self.home(hash), tag_of(hash));
        loop {
            let here = &mut self.groups[group];
            let mut equal = here.equal(tag);
            while let Some(slot) = next_slot(&mut equal) {
                if self.places[group][slot] == place {
                    here.set(slot, 0);
                    self.len -= 1;
                    self.removed += 1;
                    return;
                }
            }
            assert!(
                here.count(tag) > 0,
                "a place is in the table it was put into"
            );
            here.count_change(tag, false);
            group = self.after(group);
        }
    }
}

#[cfg(any(test, feature = "oracle"))]
impl Table {
    /// Panics unless the length is what the groups hold.
    pub(super) fn check(&self) {
        let used = |group: &Group| WIDTH - (group.equal(0).count_ones() as usize);
        assert_eq!(self.groups.iter().map(used).sum::<usize>(), self.len);
    }
}

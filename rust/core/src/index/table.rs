//! A hash table of places: groups of half a cache line, each with a word of tags for six places.
//!
//! ```text
//!   group   | 6 tags of 9 bits, 0 = free | 4 counters of 2 bits | 6 places of 32 bits |
//! ```
//!
//! The table knows neither keys nor texts. A caller brings a hash, gets candidates (a wrong one in about one search of
//! 150) and verifies each by what stands at its place. A search that finds nothing, as most of a match do, looks at one word;
//! one that finds something has the place where it looked already, and need not wait for another miss of the cache before
//! that of the record.
//!
//! A place whose group is full goes on to a later one, and is counted where it did, by two bits of its tag: a search goes
//! on just where a place with a tag like the wanted one did, and removing leaves no tombstone (Facebook's F14 counts so,
//! with one counter). A counter that reaches 3 stays there until the table is built anew, which is due after so many
//! removals. Places with the same tag are counted together, so it does not matter which of two equal ones is removed.
use super::hash::wide_product;

/// Places in a group.
const WIDTH: usize = 6;
/// Bits of a tag.
const TAG: usize = 9;

/// The bits of all tags, and the lowest and the highest of each.
const TAGS: u64 = (1 << (TAG * WIDTH)) - 1;
const LOW: u64 = TAGS / MOST_TAG;
const HIGH: u64 = LOW << (TAG - 1);
const MOST_TAG: u64 = (1 << TAG) - 1;
/// What a counter cannot go beyond.
const MOST: u64 = 3;
/// The bits of each counter.
const COUNTERS: [u64; 4] = [MOST << 54, MOST << 56, MOST << 58, MOST << 60];

/// A table in which most searches find nothing: it is kept emptier, for where a group is full they go on.
pub(super) type Sparse = Table<65>;
/// A table in which each search finds what it is for.
pub(super) type Dense = Table<85>;

/// The tag of a hash, which comes from the middle; the group comes from the high bits.
#[inline]
fn tag_of(hash: u64) -> u64 {
    (hash >> 32 & MOST_TAG).max(1)
}

/// Six tags and four counters.
#[derive(Clone, Copy, Debug, Default)]
struct Tags(u64);

impl Tags {
    /// The bits of the counter for a tag.
    #[inline]
    fn counter(tag: u64) -> u64 {
        let [low, ..] = tag.to_le_bytes();
        COUNTERS[usize::from(low % 4)]
    }

    /// The high bit of each tag that equals `tag`.
    #[inline]
    fn equal(self, tag: u64) -> u64 {
        let difference = self.0 ^ (LOW * tag);
        !(((difference & !HIGH & TAGS) + (HIGH - LOW)) | difference) & HIGH
    }

    /// Whether some place with a tag like this one went on.
    #[inline]
    fn went_on(self, tag: u64) -> bool {
        self.0 & Self::counter(tag) != 0
    }

    /// Whether some tag may equal `tag`, or some place with a tag like it went on.
    #[inline]
    fn is_promising(self, tag: u64) -> bool {
        let difference = self.0 ^ (LOW * tag);
        let equal = difference.wrapping_sub(LOW) & !difference & HIGH;
        equal | self.0 & Self::counter(tag) != 0
    }

    /// Counts one more or one less place that went on, unless the counter is stuck.
    fn count_change(&mut self, tag: u64, one_more: bool) {
        let counter = Self::counter(tag);
        let one = counter / MOST;
        match one_more {
            _ if self.0 & counter == counter => {}
            true => self.0 += one,
            false => self.0 -= one,
        }
    }

    fn set(&mut self, slot: usize, tag: u64) {
        let at = TAG * slot;
        self.0 = self.0 & !(MOST_TAG << at) | tag << at;
    }
}

/// Takes the lowest of the marked slots.
#[inline]
fn next_slot(marked: &mut u64) -> Option<usize> {
    if *marked == 0 {
        return None;
    }
    let slot = marked.trailing_zeros() as usize / TAG;
    *marked &= *marked - 1;
    Some(slot)
}

/// Tags and their places, in half a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
struct Group {
    tags: Tags,
    places: [u32; WIDTH],
}

/// Places by hash; equal hashes may repeat. When more than `FULL` in a hundred are used, it must grow.
#[derive(Debug, Default)]
pub(super) struct Table<const FULL: usize> {
    groups: Vec<Group>,
    len: usize,
    /// Removals since the table was built.
    removed: usize,
}

/// The places whose tag fits a hash.
#[derive(Debug)]
pub(super) struct Candidates<'t, const FULL: usize> {
    table: &'t Table<FULL>,
    group: usize,
    tag: u64,
    /// The slots of the group whose tag fits and that were not handed out yet.
    equal: u64,
    /// How many groups may still be looked at.
    left: usize,
}

impl<const FULL: usize> Iterator for Candidates<'_, FULL> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        loop {
            if let Some(slot) = next_slot(&mut self.equal) {
                return Some(self.table.groups[self.group].places[slot]);
            }
            if self.left == 0 || !self.table.groups[self.group].tags.went_on(self.tag) {
                return None;
            }
            self.left -= 1;
            self.group = self.table.after(self.group);
            self.equal = self.table.groups[self.group].tags.equal(self.tag);
        }
    }
}

impl<const FULL: usize> Table<FULL> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.groups.capacity() * size_of::<Group>()
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
        self.groups[self.home(hash)].tags.is_promising(tag_of(hash))
    }

    /// The places put in with this hash, and a few others.
    #[inline]
    pub(super) fn candidates(&self, hash: u64) -> Candidates<'_, FULL> {
        let (group, tag) = (self.home(hash), tag_of(hash));
        match self.groups.get(group) {
            Some(here) => Candidates {
                table: self,
                group,
                tag,
                equal: here.tags.equal(tag),
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
    }

    /// Puts in a place; the table does not lack room.
    pub(super) fn insert(&mut self, hash: u64, place: u32) {
        let (mut group, tag) = (self.home(hash), tag_of(hash));
        loop {
            let here = &mut self.groups[group];
            if let Some(slot) = next_slot(&mut here.tags.equal(0)) {
                here.tags.set(slot, tag);
                here.places[slot] = place;
                self.len += 1;
                return;
            }
            here.tags.count_change(tag, true);
            group = self.after(group);
        }
    }

    /// Takes out a place that was put in with this hash.
    pub(super) fn remove(&mut self, hash: u64, place: u32) {
        let (mut group, tag) = (self.home(hash), tag_of(hash));
        loop {
            let here = &mut self.groups[group];
            let mut equal = here.tags.equal(tag);
            while let Some(slot) = next_slot(&mut equal) {
                if here.places[slot] == place {
                    here.tags.set(slot, 0);
                    self.len -= 1;
                    self.removed += 1;
                    return;
                }
            }
            assert!(
                here.tags.went_on(tag),
                "a place is in the table it was put into"
            );
            here.tags.count_change(tag, false);
            group = self.after(group);
        }
    }
}

#[cfg(any(test, feature = "oracle"))]
impl<const FULL: usize> Table<FULL> {
    /// Panics unless the length is what the groups hold.
    pub(super) fn check(&self) {
        let used = |group: &Group| WIDTH - (group.tags.equal(0).count_ones() as usize);
        assert_eq!(self.groups.iter().map(used).sum::<usize>(), self.len);
    }
}

//! A hash table of places: a bucket is one cache line, with one-byte tags beside the places.
//!
//! ```text
//!   one bucket, 64 bytes:  | 12 tags, 0 = free | spilled: u32 | 12 places: u32 each |
//! ```
//!
//! The table knows neither keys nor texts. A caller brings a hash, gets candidates (a bucket holds a wrong one in about
//! one search of 25) and verifies each by what stands at its place. `spilled` counts the places that found this bucket
//! full and went on to a later one, so a search ends at the first bucket that turned nothing away, and removing leaves
//! no tombstone (the idea of Facebook's F14).

use super::hash::wide_product;

/// Places in a bucket.
const WIDTH: usize = 12;
/// The most places in a hundred that are used before the table must grow.
const FULL: usize = 85;

const TAGS: u128 = (1 << (8 * WIDTH)) - 1;
const LOW: u128 = u128::from_le_bytes([1; 16]) & TAGS;
const HIGH: u128 = u128::from_le_bytes([0x80; 16]) & TAGS;
const ONE_SPILLED: u128 = 1 << (8 * WIDTH);

#[derive(Clone, Debug, Default)]
#[repr(align(64))]
struct Bucket {
    /// The tags from the lowest byte up, then the count of spilled places.
    head: u128,
    places: [u32; WIDTH],
}

impl Bucket {
    /// The high bit of each tag that equals `tag`.
    #[inline]
    fn equal(&self, tag: u8) -> u128 {
        let difference = self.head ^ (LOW * u128::from(tag));
        let low_bits = (difference & !HIGH & TAGS) + (HIGH - LOW);
        !(low_bits | difference) & HIGH
    }

    fn tag(&self, slot: usize) -> u8 {
        self.head.to_le_bytes()[slot]
    }

    fn set(&mut self, slot: usize, tag: u8, place: u32) {
        let shift = 8 * slot;
        self.head = self.head & !(0xff << shift) | u128::from(tag) << shift;
        self.places[slot] = place;
    }

    fn free_slot(&self) -> Option<usize> {
        (0..WIDTH).find(|&slot| self.tag(slot) == 0)
    }
}

fn tag_of(hash: u64) -> u8 {
    (hash.to_le_bytes()[0]).max(1)
}

/// Places by hash; equal hashes may repeat.
#[derive(Debug, Default)]
pub(super) struct Table {
    buckets: Vec<Bucket>,
    len: usize,
}

/// A search for a hash that looked at its first bucket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probe {
    bucket: usize,
    tag: u8,
    /// What [`Bucket::equal`] said of the bucket and was not handed out yet.
    equal: u128,
    /// How many buckets to look at after this one: none unless it turned a place away.
    more: usize,
}

impl Probe {
    /// The next place whose tag fits.
    #[inline]
    pub(super) fn next(&mut self, table: &Table) -> Option<u32> {
        while self.equal == 0 {
            let rest = self.more.checked_sub(1)?;
            *self = table.probe_bucket(table.after(self.bucket), self.tag, rest);
        }
        let slot = self.equal.trailing_zeros() as usize / 8;
        self.equal &= self.equal - 1;
        Some(table.buckets[self.bucket].places[slot])
    }
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        let [_, bucket] = wide_product(hash, self.buckets.len() as u64);
        usize::try_from(bucket).unwrap_or_default()
    }

    fn after(&self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets.len() {
            0
        } else {
            bucket + 1
        }
    }

    /// Looks at the first bucket of a hash; the table is not empty.
    #[inline]
    pub(super) fn probe(&self, hash: u64) -> Probe {
        self.probe_bucket(self.home(hash), tag_of(hash), self.buckets.len() - 1)
    }

    /// Looks at a bucket, with so many more behind it at most.
    #[inline]
    fn probe_bucket(&self, bucket: usize, tag: u8, rest: usize) -> Probe {
        let here = &self.buckets[bucket];
        let more = if here.head < ONE_SPILLED { 0 } else { rest };
        Probe {
            bucket,
            tag,
            equal: here.equal(tag),
            more,
        }
    }

    /// The places put in with this hash, and a few others.
    pub(super) fn candidates(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let mut probe = if self.len == 0 {
            Probe::default()
        } else {
            self.probe(hash)
        };
        std::iter::from_fn(move || probe.next(self))
    }

    /// Whether so many more places need a [`Table::reset`] first.
    #[inline]
    pub(super) fn lacks_room(&self, more: usize) -> bool {
        (self.len + more) * 100 > self.buckets.len() * WIDTH * FULL
    }

    /// Empties the table and makes room for `len` places and, where they are many, a third more.
    pub(super) fn reset(&mut self, len: usize) {
        let buckets = (len + len / 3) * 100 / (WIDTH * FULL) + 1;
        self.buckets = vec![Bucket::default(); buckets];
        self.len = 0;
    }

    /// Puts in a place; the table is not full.
    pub(super) fn insert(&mut self, hash: u64, place: u32) {
        let mut bucket = self.home(hash);
        loop {
            if let Some(slot) = self.buckets[bucket].free_slot() {
                self.buckets[bucket].set(slot, tag_of(hash), place);
                self.len += 1;
                return;
            }
            self.buckets[bucket].head += ONE_SPILLED;
            bucket = self.after(bucket);
        }
    }

    /// Takes out a place that was put in with this hash.
    pub(super) fn remove(&mut self, hash: u64, place: u32) {
        let (mut bucket, tag) = (self.home(hash), tag_of(hash));
        loop {
            let here = &mut self.buckets[bucket];
            let slot = (0..WIDTH).find(|&slot| here.tag(slot) == tag && here.places[slot] == place);
            if let Some(slot) = slot {
                here.set(slot, 0, 0);
                self.len -= 1;
                return;
            }
            assert!(
                here.head >= ONE_SPILLED,
                "a place is in the table it was put into"
            );
            here.head -= ONE_SPILLED;
            bucket = self.after(bucket);
        }
    }
}

#[cfg(any(test, feature = "oracle"))]
impl Table {
    /// Panics unless the counts are those of the buckets.
    pub(super) fn check(&self) {
        let used = |bucket: &Bucket| (0..WIDTH).filter(|&slot| bucket.tag(slot) != 0).count();
        assert_eq!(self.buckets.iter().map(used).sum::<usize>(), self.len);
        assert!(self.len > 0 || self.buckets.iter().all(|bucket| bucket.head < ONE_SPILLED));
    }
}

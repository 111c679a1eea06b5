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
    /// The high bit of each tag that equals `tag`; rarely also of one above such a tag.
    #[inline]
    fn equal(&self, tag: u8) -> u128 {
        let difference = self.head ^ (LOW * u128::from(tag));
        difference.wrapping_sub(LOW) & !difference & HIGH
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

/// The places whose tag fits a hash.
pub(super) struct Candidates<'t> {
    table: &'t Table,
    bucket: usize,
    tag: u8,
    /// What [`Bucket::equal`] said of the bucket and was not handed out yet.
    equal: u128,
}

impl Iterator for Candidates<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        let mut bucket = self.table.buckets.get(self.bucket)?;
        while self.equal == 0 {
            if bucket.head < ONE_SPILLED {
                return None;
            }
            self.bucket = self.table.after(self.bucket);
            bucket = &self.table.buckets[self.bucket];
            self.equal = bucket.equal(self.tag);
        }
        let slot = self.equal.trailing_zeros() as usize / 8;
        self.equal &= self.equal - 1;
        Some(bucket.places[slot])
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
        ((u128::from(hash) * self.buckets.len() as u128) >> 64) as usize
    }

    fn after(&self, bucket: usize) -> usize {
        if bucket + 1 == self.buckets.len() { 0 } else { bucket + 1 }
    }

    /// The places put in with this hash, and a few others.
    #[inline]
    pub(super) fn candidates(&self, hash: u64) -> Candidates<'_> {
        let (bucket, tag) = (self.home(hash), tag_of(hash));
        let equal = self.buckets.get(bucket).map_or(0, |bucket| bucket.equal(tag));
        Candidates { table: self, bucket, tag, equal }
    }

    /// Whether one more place needs a [`Table::rebuild`] first.
    pub(super) fn is_full(&self) -> bool {
        (self.len + 1) * 100 > self.buckets.len() * WIDTH * FULL
    }

    /// Empties the table and makes room for `len` places and half as many again.
    pub(super) fn reset(&mut self, len: usize) {
        let buckets = (len + len / 2) * 100 / (WIDTH * FULL) + 1;
        self.buckets.clear();
        self.buckets.shrink_to(buckets);
        self.buckets.reserve_exact(buckets);
        self.buckets.resize(buckets, Bucket::default());
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
        let mut bucket = self.home(hash);
        loop {
            let here = &mut self.buckets[bucket];
            let slot = (0..WIDTH).find(|&slot| here.tag(slot) != 0 && here.places[slot] == place);
            if let Some(slot) = slot {
                here.set(slot, 0, 0);
                self.len -= 1;
                return;
            }
            assert!(here.head >= ONE_SPILLED, "a place is in the table it was put into");
            here.head -= ONE_SPILLED;
            bucket = self.after(bucket);
        }
    }
}

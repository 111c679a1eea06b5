//! Patterns over the bytes of a whole name, grouped by the literal bytes that they begin with.
//!
//! A name can match only patterns whose prefix is a prefix of the name, so the index asks, for each length that some
//! group has, for the group of so many bytes. The hash of every prefix of a name comes from one pass over its bytes (a
//! polynomial modulo 2^61 - 1 at a random point, as Rabin and Karp).
use std::collections::BTreeMap;

use crate::redis::RedisGlob;

use super::hash::{Seeds, fold, wide_product};
use super::records::Place;
use super::table::Sparse;

const MODULUS: u64 = (1 << 61) - 1;

/// The number of a pattern here, kept in its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemberId(pub(super) u32);

#[derive(Debug)]
struct Member {
    glob: RedisGlob,
    place: Place,
    group: u32,
    /// Where its group names it.
    at: usize,
}

#[derive(Debug, Default)]
struct Group {
    prefix: Box<[u8]>,
    /// Empty if the group is free.
    members: Vec<MemberId>,
}

/// All patterns of a `redis` index that have a wildcard.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    members: Vec<Option<Member>>,
    free_members: Vec<MemberId>,
    groups: Vec<Group>,
    free_groups: Vec<u32>,
    by_hash: Sparse,
    /// How many groups have a prefix of this many bytes; never 0.
    lengths: BTreeMap<usize, usize>,
}

/// The hashes of the prefixes of a text, one byte at a time.
struct Rolling<'s> {
    seeds: &'s Seeds,
    /// Below 2^61 + 2^9.
    hash: u64,
}

impl<'s> Rolling<'s> {
    fn new(seeds: &'s Seeds) -> Self {
        Self { seeds, hash: 1 }
    }

    fn take(&mut self, bytes: &[u8]) -> u64 {
        for &byte in bytes {
            let [low, high] = wide_product(self.hash, self.seeds.start & MODULUS);
            let product = (low & MODULUS) + (low >> 61 | high << 3);
            self.hash = (product & MODULUS) + (product >> 61) + u64::from(byte) + 1;
        }
        fold(self.hash, self.seeds.word)
    }
}

impl Prefixes {
    /// Adds a pattern whose record is at `place`, once that is known.
    pub(super) fn insert(&mut self, glob: RedisGlob, seeds: &Seeds) -> MemberId {
        let prefix = glob.prefix();
        let group = self
            .group(&prefix, seeds)
            .unwrap_or_else(|| self.open_group(&prefix, seeds));
        let id = self.free_members.pop().unwrap_or_else(|| {
            self.members.push(None);
            MemberId(u32::try_from(self.members.len() - 1).expect("no more members than records"))
        });
        let members = &mut self.groups[group as usize].members;
        self.members[id.0 as usize] = Some(Member {
            glob,
            place: Place(0),
            group,
            at: members.len(),
        });
        members.push(id);
        id
    }

    /// Says where the record of a pattern is.
    pub(super) fn set_place(&mut self, id: MemberId, place: Place) {
        if let Some(member) = &mut self.members[id.0 as usize] {
            member.place = place;
        }
    }

    fn group(&self, prefix: &[u8], seeds: &Seeds) -> Option<u32> {
        self.group_of_hash(prefix, Rolling::new(seeds).take(prefix))
    }

    fn group_of_hash(&self, prefix: &[u8], hash: u64) -> Option<u32> {
        self.by_hash
            .candidates(hash)
            .find(|&group| *self.groups[group as usize].prefix == *prefix)
    }

    fn open_group(&mut self, prefix: &[u8], seeds: &Seeds) -> u32 {
        let fresh = Group {
            prefix: prefix.into(),
            members: Vec::new(),
        };
        let group = if let Some(group) = self.free_groups.pop() {
            self.groups[group as usize] = fresh;
            group
        } else {
            self.groups.push(fresh);
            u32::try_from(self.groups.len() - 1).expect("no more groups than records")
        };
        *self.lengths.entry(prefix.len()).or_default() += 1;
        self.index(group, seeds);
        group
    }

    fn index(&mut self, group: u32, seeds: &Seeds) {
        let hash = |group: &Group| Rolling::new(seeds).take(&group.prefix);
        if !self.by_hash.lacks_room(1) {
            return self
                .by_hash
                .insert(hash(&self.groups[group as usize]), group);
        }
        self.by_hash.reset(self.by_hash.len() + 1);
        let open = (0..)
            .zip(&self.groups)
            .filter(|&(at, other)| at == group || !other.members.is_empty());
        open.for_each(|(at, group)| self.by_hash.insert(hash(group), at));
    }

    /// Takes a pattern out. O(1), but for the hash of its prefix.
    pub(super) fn remove(&mut self, id: MemberId, seeds: &Seeds) {
        let member = self.members[id.0 as usize]
            .take()
            .expect("a member is removed once");
        self.free_members.push(id);
        let group = &mut self.groups[member.group as usize];
        group.members.swap_remove(member.at);
        if let Some(&moved) = group.members.get(member.at)
            && let Some(moved) = &mut self.members[moved.0 as usize]
        {
            moved.at = member.at;
        }
        if group.members.is_empty() {
            self.close_group(member.group, seeds);
        }
        if self.lengths.is_empty() {
            *self = Self::default();
        }
    }

    fn close_group(&mut self, group: u32, seeds: &Seeds) {
        let Group { prefix, .. } = std::mem::take(&mut self.groups[group as usize]);
        self.by_hash
            .remove(Rolling::new(seeds).take(&prefix), group);
        self.free_groups.push(group);
        let of_length = self
            .lengths
            .get_mut(&prefix.len())
            .expect("a group's length is counted");
        *of_length -= 1;
        if *of_length == 0 {
            self.lengths.remove(&prefix.len());
        }
    }

    /// Hands to `found` every entry whose pattern matches a name and begins with at least `spelt` literal bytes.
    #[inline(never)]
    pub(super) fn find(
        &self,
        name: &[u8],
        spelt: usize,
        seeds: &Seeds,
        mut found: impl FnMut(Place),
    ) {
        let mut rolling = Rolling::new(seeds);
        let mut taken = 0;
        for &len in self.lengths.keys().take_while(|&&len| len <= name.len()) {
            let hash = rolling.take(&name[taken..len]);
            taken = len;
            let group = if len < spelt {
                None
            } else {
                self.group_of_hash(&name[..len], hash)
            };
            let members = group
                .into_iter()
                .flat_map(|group| &self.groups[group as usize].members);
            let members = members.filter_map(|id| self.members[id.0 as usize].as_ref());
            members
                .filter(|member| member.glob.matches(name))
                .for_each(|member| found(member.place));
        }
    }

    /// The number of different prefixes.
    pub(super) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Bytes owned on the heap, about.
    pub(super) fn bytes(&self) -> usize {
        let members: usize = self
            .members
            .iter()
            .flatten()
            .map(|member| size_of_val(member.glob.atoms()))
            .sum();
        let groups: usize = self
            .groups
            .iter()
            .map(|group| group.prefix.len() + 4 * group.members.capacity())
            .sum();
        let arrays = self.members.capacity() * size_of::<Option<Member>>()
            + self.groups.capacity() * size_of::<Group>();
        members + groups + arrays + self.by_hash.bytes()
    }
}

#[cfg(any(test, feature = "oracle"))]
impl Prefixes {
    /// Panics unless members, groups and lengths agree, and there are so many members.
    pub(super) fn check(&self, members: usize) {
        assert_eq!(self.members.iter().flatten().count(), members);
        let open = self.groups.iter().filter(|group| !group.members.is_empty());
        assert_eq!(open.clone().count(), self.by_hash.len());
        assert_eq!(
            open.clone().map(|group| group.members.len()).sum::<usize>(),
            members
        );
        assert_eq!(self.lengths.values().sum::<usize>(), self.by_hash.len());
        for group in open {
            assert!(self.lengths.contains_key(&group.prefix.len()));
        }
    }
}

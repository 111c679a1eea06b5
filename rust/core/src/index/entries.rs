//! Entries: each pattern once, with everyone who subscribed to it.
use super::SubscriptionId;
use super::hash::{Seeds, fold};
use super::lists::{ListId, Lists};
use super::records::{Home, Place, Records};
use super::table::Dense;

/// Marks a holder that is the number of a list.
const MANY: u64 = 1 << 63;

enum Holder {
    One(SubscriptionId),
    Many(ListId),
}

impl From<u64> for Holder {
    fn from(word: u64) -> Self {
        if word & MANY == 0 {
            Self::One(SubscriptionId(word))
        } else {
            let list = u32::try_from(word & !MANY).expect("the number of a list");
            Self::Many(ListId(list))
        }
    }
}

/// What [`Entries::unsubscribe`] left of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Left {
    /// Others subscribe to the pattern still.
    Others,
    /// Nobody does: the owner takes the entry out of its structure and closes it.
    Nobody,
}

/// Records, their subscriptions, and the way from a subscription to its record.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) records: Records,
    lists: Lists,
    /// Where the record of a subscription is, by the hash of its id.
    by_id: Dense,
}

/// The hash of an id, folded twice: ids follow one another, and what they give when they are folded once does so too, which
/// for some seeds crowds them into few groups.
fn hash_of(id: SubscriptionId, seeds: &Seeds) -> u64 {
    fold(
        fold(id.0 ^ seeds.start, seeds.word) ^ seeds.word,
        seeds.start,
    )
}

impl Entries {
    /// No entry yet; each subscription may have a value, if it `keeps_values`.
    pub(super) fn new(keeps_values: bool) -> Self {
        Self {
            records: Records::new(keeps_values),
            ..Self::default()
        }
    }

    /// The number of subscriptions.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.records.owned_bytes() + self.lists.bytes() + self.by_id.bytes()
    }

    /// A new entry with its first subscription.
    pub(super) fn open(
        &mut self,
        home: Home,
        text: &[u8],
        id: SubscriptionId,
        seeds: &Seeds,
    ) -> Place {
        self.make_room(1, seeds);
        let place = self.records.insert(home, id.0, text);
        self.by_id.insert(hash_of(id, seeds), place.0);
        place
    }

    /// One more subscription to an entry, greater than all before.
    pub(super) fn subscribe(&mut self, place: Place, id: SubscriptionId, seeds: &Seeds) {
        self.make_room(1, seeds);
        let value = |value| self.records.has_values().then_some(value);
        match self.holder(place) {
            Holder::One(first) => {
                let list = self.lists.open(first, value(self.records.value_of(place)));
                self.lists.push(list, id, value(0));
                self.records.set_holder(place, MANY | u64::from(list.0));
            }
            Holder::Many(list) => self.lists.push(list, id, value(0)),
        }
        self.by_id.insert(hash_of(id, seeds), place.0);
    }

    fn holder(&self, place: Place) -> Holder {
        self.records.holder(place).into()
    }

    /// Makes room for so many more subscriptions.
    pub(super) fn make_room(&mut self, more: usize, seeds: &Seeds) {
        if self.by_id.lacks_room(more) {
            self.index_all(more, seeds);
        }
    }

    fn index_all(&mut self, more: usize, seeds: &Seeds) {
        let Self {
            records,
            lists,
            by_id,
        } = self;
        by_id.reset(by_id.len() + more);
        for place in records.places() {
            match records.holder(place).into() {
                Holder::One(id) => by_id.insert(hash_of(id, seeds), place.0),
                Holder::Many(list) => lists
                    .ids(list)
                    .for_each(|id| by_id.insert(hash_of(id, seeds), place.0)),
            }
        }
    }

    /// The entry that this subscription belongs to.
    pub(super) fn find(&self, id: SubscriptionId, seeds: &Seeds) -> Option<Place> {
        self.by_id
            .candidates(hash_of(id, seeds))
            .map(Place)
            .find(|&place| match self.holder(place) {
                Holder::One(other) => other == id,
                Holder::Many(list) => self.lists.holds(list, id),
            })
    }

    /// Takes a subscription out of the entry that it belongs to.
    pub(super) fn unsubscribe(&mut self, place: Place, id: SubscriptionId, seeds: &Seeds) -> Left {
        self.by_id.remove(hash_of(id, seeds), place.0);
        match self.holder(place) {
            Holder::One(_) => Left::Nobody,
            Holder::Many(list) => {
                if let Some((last, value)) = self.lists.remove(list, id) {
                    self.records.set_holder(place, last.0);
                    self.records.set_value(place, value);
                }
                if self.by_id.is_sparse() {
                    self.index_all(0, seeds);
                }
                Left::Others
            }
        }
    }

    /// The subscriptions of an entry, ascending.
    #[inline]
    pub(super) fn push_ids(&self, place: Place, found: &mut Vec<SubscriptionId>) {
        match self.holder(place) {
            Holder::One(id) => found.push(id),
            Holder::Many(list) => found.extend(self.lists.ids(list)),
        }
    }

    /// The subscriptions of an entry, ascending, each with its value; 0 where none are kept.
    #[inline]
    pub(super) fn push_pairs(&self, place: Place, found: &mut Vec<(SubscriptionId, u64)>) {
        match self.holder(place) {
            Holder::One(id) => found.push((id, self.records.value_of(place))),
            Holder::Many(list) => found.extend(self.lists.pairs(list)),
        }
    }

    /// The values of all subscriptions, where values are kept.
    pub(super) fn values(&self) -> impl Iterator<Item = u64> + '_ {
        let records = self.records.has_values().then_some(&self.records);
        let places = records.into_iter().flat_map(Records::places);
        places.flat_map(|place| {
            let (value, list) = match self.holder(place) {
                Holder::One(_) => (Some(self.records.value_of(place)), None),
                Holder::Many(list) => (None, Some(list)),
            };
            let pairs = list.into_iter().flat_map(|list| self.lists.pairs(list));
            value.into_iter().chain(pairs.map(|(_, value)| value))
        })
    }

    /// Sets the value of a subscription, and returns the one that it had; nothing where none are kept.
    pub(super) fn set_value(
        &mut self,
        place: Place,
        id: SubscriptionId,
        value: u64,
    ) -> Option<u64> {
        match self.holder(place) {
            Holder::One(_) => {
                let before = self.records.value_of(place);
                self.records.set_value(place, value);
                self.records.has_values().then_some(before)
            }
            Holder::Many(list) => {
                let here = self.lists.value_mut(list, id)?;
                Some(std::mem::replace(here, value))
            }
        }
    }

    /// Writes the records anew without the free blocks between them; `moved` learns where each is now.
    pub(super) fn compact(&mut self, seeds: &Seeds, moved: impl FnMut(Home, &[u8], Place)) {
        self.records.compact(moved);
        self.index_all(0, seeds);
    }
}

#[cfg(any(test, feature = "oracle"))]
impl Entries {
    /// Panics unless records, lists and ids agree.
    pub(super) fn check(&self, seeds: &Seeds) {
        let mut all = Vec::new();
        for place in self.records.places() {
            let before = all.len();
            self.push_ids(place, &mut all);
            let ids = &all[before..];
            assert!(!ids.is_empty() && ids.is_sorted());
            assert!(ids.iter().all(|&id| self.find(id, seeds) == Some(place)));
        }
        assert_eq!(self.records.places().count(), self.records.len());
        assert_eq!(all.len(), self.len());
        self.by_id.check();
    }
}

#[cfg(test)]
mod tests {
    use super::{Seeds, SubscriptionId, hash_of};

    #[test]
    fn ids_that_follow_one_another_do_not_crowd() {
        for _ in 0..1_000 {
            let seeds = Seeds::new();
            let mut crowds = [0; 1024];
            for id in 0..4096 {
                crowds[(hash_of(SubscriptionId(id), &seeds) >> 54) as usize] += 1;
            }
            assert!(crowds.iter().all(|&crowd| crowd < 32), "{seeds:?}");
        }
    }
}

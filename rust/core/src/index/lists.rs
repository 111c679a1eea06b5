//! Who subscribed to a pattern, where it is more than one.
use super::SubscriptionId;

/// Marks an id that was removed and still stands in its list.
const GONE: u64 = 1 << 63;

/// The number of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListId(pub(super) u32);

#[derive(Debug, Default)]
struct List {
    /// Ascending but for the mark. At most half of them are gone.
    ids: Vec<u64>,
    gone: usize,
}

impl List {
    fn position(&self, id: SubscriptionId) -> Option<usize> {
        let at = self.ids.binary_search_by_key(&id.0, |id| id & !GONE).ok()?;
        (self.ids[at] & GONE == 0).then_some(at)
    }

    fn live(&self) -> impl Iterator<Item = SubscriptionId> + '_ {
        self.ids
            .iter()
            .filter(|&id| id & GONE == 0)
            .map(|&id| SubscriptionId(id))
    }
}

/// All lists of one index.
#[derive(Debug, Default)]
pub(super) struct Lists {
    lists: Vec<List>,
    free: Vec<ListId>,
}

impl Lists {
    /// A list of these two, the smaller first.
    pub(super) fn open(&mut self, first: SubscriptionId, second: SubscriptionId) -> ListId {
        let list = List {
            ids: vec![first.0, second.0],
            gone: 0,
        };
        if let Some(id) = self.free.pop() {
            self.lists[id.0 as usize] = list;
            return id;
        }
        self.lists.push(list);
        ListId(u32::try_from(self.lists.len() - 1).expect("no more lists than records"))
    }

    /// Adds an id greater than all in the list.
    pub(super) fn push(&mut self, list: ListId, id: SubscriptionId) {
        self.lists[list.0 as usize].ids.push(id.0);
    }

    pub(super) fn holds(&self, list: ListId, id: SubscriptionId) -> bool {
        self.lists[list.0 as usize].position(id).is_some()
    }

    /// The ids of a list, ascending.
    pub(super) fn ids(&self, list: ListId) -> impl Iterator<Item = SubscriptionId> + '_ {
        self.lists[list.0 as usize].live()
    }

    /// Takes an id out. When one other is left, the list is closed and that one returned.
    ///
    /// O(log n), and O(1) amortised for sweeping out what is gone whenever it is half.
    pub(super) fn remove(&mut self, list: ListId, id: SubscriptionId) -> Option<SubscriptionId> {
        let here = &mut self.lists[list.0 as usize];
        let at = here.position(id)?;
        here.ids[at] |= GONE;
        here.gone += 1;
        if here.ids.len() - here.gone == 1 {
            let other = here.live().next();
            *here = List::default();
            self.free.push(list);
            return other;
        }
        if 2 * here.gone >= here.ids.len() {
            here.ids.retain(|id| id & GONE == 0);
            here.ids.shrink_to(2 * here.ids.len());
            here.gone = 0;
        }
        None
    }

    /// Bytes owned on the heap.
    pub(super) fn bytes(&self) -> usize {
        let ids: usize = self
            .lists
            .iter()
            .map(|list| list.ids.capacity() * size_of::<u64>())
            .sum();
        ids + self.lists.capacity() * size_of::<List>() + self.free.capacity() * size_of::<ListId>()
    }
}

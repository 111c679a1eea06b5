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
    /// The values of these, where the index keeps some.
    values: Vec<u64>,
    gone: usize,
}

impl List {
    fn position(&self, id: SubscriptionId) -> Option<usize> {
        let at = self.ids.binary_search_by_key(&id.0, |id| id & !GONE).ok()?;
        (self.ids[at] & GONE == 0).then_some(at)
    }

    fn push(&mut self, id: SubscriptionId, value: Option<u64>) {
        self.ids.push(id.0);
        self.values.extend(value);
    }

    /// Takes out the places of those that are gone.
    fn sweep(&mut self) {
        let mut kept = self.ids.iter().map(|id| id & GONE == 0);
        self.values.retain(|_| kept.next().unwrap_or_default());
        self.ids.retain(|id| id & GONE == 0);
        for list in [&mut self.ids, &mut self.values] {
            list.shrink_to(2 * list.len());
        }
        self.gone = 0;
    }
}

/// All lists of one index.
#[derive(Debug, Default)]
pub(super) struct Lists {
    lists: Vec<List>,
    free: Vec<ListId>,
}

impl Lists {
    /// A list of one, with its value where values are kept, and room for another.
    pub(super) fn open(&mut self, id: SubscriptionId, value: Option<u64>) -> ListId {
        let mut list = List {
            ids: Vec::with_capacity(2),
            values: Vec::with_capacity(2 * usize::from(value.is_some())),
            gone: 0,
        };
        list.push(id, value);
        if let Some(id) = self.free.pop() {
            self.lists[id.0 as usize] = list;
            return id;
        }
        self.lists.push(list);
        ListId(u32::try_from(self.lists.len() - 1).expect("no more lists than records"))
    }

    /// Adds an id greater than all in the list.
    pub(super) fn push(&mut self, list: ListId, id: SubscriptionId, value: Option<u64>) {
        self.lists[list.0 as usize].push(id, value);
    }

    /// The value of an id of the list, where values are kept.
    pub(super) fn value_mut(&mut self, list: ListId, id: SubscriptionId) -> Option<&mut u64> {
        let here = &mut self.lists[list.0 as usize];
        let at = here.position(id)?;
        here.values.get_mut(at)
    }

    /// The ids of a list, ascending, each with its value; 0 where none are kept.
    pub(super) fn pairs(&self, list: ListId) -> impl Iterator<Item = (SubscriptionId, u64)> + '_ {
        let List { ids, values, .. } = &self.lists[list.0 as usize];
        let value = |at| values.get(at).copied().unwrap_or_default();
        ids.iter()
            .enumerate()
            .filter(|&(_, id)| id & GONE == 0)
            .map(move |(at, &id)| (SubscriptionId(id), value(at)))
    }

    pub(super) fn holds(&self, list: ListId, id: SubscriptionId) -> bool {
        self.lists[list.0 as usize].position(id).is_some()
    }

    /// The ids of a list, ascending.
    pub(super) fn ids(&self, list: ListId) -> impl Iterator<Item = SubscriptionId> + '_ {
        self.pairs(list).map(|(id, _)| id)
    }

    /// Takes an id out. When one other is left, the list is closed and that one returned, with its value.
    ///
    /// O(log n), and O(1) amortised for sweeping out what is gone whenever it is half.
    pub(super) fn remove(
        &mut self,
        list: ListId,
        id: SubscriptionId,
    ) -> Option<(SubscriptionId, u64)> {
        let here = &mut self.lists[list.0 as usize];
        let at = here.position(id)?;
        here.ids[at] |= GONE;
        here.gone += 1;
        if here.ids.len() - here.gone == 1 {
            here.sweep();
            let List { ids, values, .. } = std::mem::take(here);
            self.free.push(list);
            let value = values.first().copied().unwrap_or_default();
            return ids.first().map(|&id| (SubscriptionId(id), value));
        }
        if 2 * here.gone >= here.ids.len() {
            here.sweep();
        }
        None
    }

    /// Bytes owned on the heap.
    pub(super) fn bytes(&self) -> usize {
        let ids: usize = self
            .lists
            .iter()
            .map(|list| (list.ids.capacity() + list.values.capacity()) * size_of::<u64>())
            .sum();
        ids + self.lists.capacity() * size_of::<List>() + self.free.capacity() * size_of::<ListId>()
    }
}

//! Segment texts of the trie, each kept once and counted.
use super::hash::Seeds;
use super::table::Sparse;

/// The number that stands for one segment text while anything in the trie uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Symbol(u32);

#[derive(Debug, Default)]
struct Slot {
    text: Box<str>,
    /// How many trie edges use the text; the slot is free when it is 0.
    uses: u32,
}

/// Texts by number and numbers by text.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    slots: Vec<Slot>,
    free: Vec<Symbol>,
    by_hash: Sparse,
}

impl Symbols {
    /// The symbol of a text with this hash, if some edge uses it.
    pub(super) fn get(&self, text: &[u8], hash: u64) -> Option<Symbol> {
        let mut candidates = self.by_hash.candidates(hash);
        candidates
            .find(|&at| self.slots[at as usize].text.as_bytes() == text)
            .map(Symbol)
    }

    /// The symbol of a text, with one more use.
    pub(super) fn acquire(&mut self, text: &str, seeds: &Seeds) -> Symbol {
        let hash = seeds.segment(text.as_bytes());
        if let Some(symbol) = self.get(text.as_bytes(), hash) {
            self.slots[symbol.0 as usize].uses += 1;
            return symbol;
        }
        let slot = Slot {
            text: text.into(),
            uses: 1,
        };
        let symbol = if let Some(symbol) = self.free.pop() {
            self.slots[symbol.0 as usize] = slot;
            symbol
        } else {
            self.slots.push(slot);
            Symbol(u32::try_from(self.slots.len() - 1).expect("no more symbols than records"))
        };
        self.index(symbol, hash, seeds);
        symbol
    }

    fn index(&mut self, symbol: Symbol, hash: u64, seeds: &Seeds) {
        if !self.by_hash.lacks_room(1) {
            return self.by_hash.insert(hash, symbol.0);
        }
        self.by_hash.reset(self.by_hash.len() + 1);
        for (at, slot) in (0..).zip(&self.slots).filter(|(_, slot)| slot.uses > 0) {
            self.by_hash.insert(seeds.segment(slot.text.as_bytes()), at);
        }
    }

    /// Gives back one use; the last one forgets the text.
    pub(super) fn release(&mut self, symbol: Symbol, seeds: &Seeds) {
        let slot = &mut self.slots[symbol.0 as usize];
        slot.uses -= 1;
        if slot.uses == 0 {
            let hash = seeds.segment(slot.text.as_bytes());
            *slot = Slot::default();
            self.by_hash.remove(hash, symbol.0);
            self.free.push(symbol);
        }
    }

    /// The number of texts.
    pub(super) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Bytes owned on the heap.
    pub(super) fn bytes(&self) -> usize {
        let texts: usize = self.slots.iter().map(|slot| slot.text.len()).sum();
        let slots =
            self.slots.capacity() * size_of::<Slot>() + self.free.capacity() * size_of::<Symbol>();
        texts + slots + self.by_hash.bytes()
    }
}

#[cfg(any(test, feature = "oracle"))]
impl Symbols {
    /// How many edges use a text.
    pub(super) fn uses(&self) -> usize {
        self.slots.iter().map(|slot| slot.uses as usize).sum()
    }
}

//! Segment texts of the trie, each kept once and counted.
use std::collections::HashMap;
use std::sync::Arc;

/// The number that stands for one segment text while anything in the trie uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Symbol(u32);

#[derive(Debug)]
struct Slot {
    text: Arc<str>,
    /// How many trie edges use the text; the slot is free when it is 0.
    uses: u32,
}

/// Texts by number and numbers by text.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    by_text: HashMap<Arc<str>, Symbol>,
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Symbols {
    /// The symbol of `text`, if some edge uses it.
    pub(super) fn get(&self, text: &str) -> Option<Symbol> {
        self.by_text.get(text).copied()
    }

    /// The symbol of `text`, with one more use.
    pub(super) fn acquire(&mut self, text: &str) -> Symbol {
        if let Some(&symbol) = self.by_text.get(text) {
            self.slots[symbol.0 as usize].uses += 1;
            return symbol;
        }
        let text: Arc<str> = text.into();
        let slot = Slot { text: Arc::clone(&text), uses: 1 };
        let symbol = if let Some(number) = self.free.pop() {
            self.slots[number as usize] = slot;
            Symbol(number)
        } else {
            self.slots.push(slot);
            Symbol(u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 symbols"))
        };
        self.by_text.insert(text, symbol);
        symbol
    }

    /// Gives back one use; the last one forgets the text.
    pub(super) fn release(&mut self, symbol: Symbol) {
        let slot = &mut self.slots[symbol.0 as usize];
        slot.uses -= 1;
        if slot.uses > 0 {
            return;
        }
        let text = std::mem::replace(&mut slot.text, Arc::from(""));
        self.by_text.remove(&text);
        if self.by_text.is_empty() {
            *self = Self::default();
        } else {
            self.free.push(symbol.0);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_text.len()
    }

    /// Bytes owned on the heap, about.
    pub(super) fn bytes(&self) -> usize {
        let texts: usize = self.by_text.keys().map(|text| text.len() + 2 * size_of::<usize>()).sum();
        texts
            + self.slots.capacity() * size_of::<Slot>()
            + self.free.capacity() * size_of::<u32>()
            + self.by_text.capacity() * (size_of::<(Arc<str>, Symbol)>() + 1)
    }
}

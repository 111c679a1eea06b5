//! The walk of a topic through the trie: level by level, never recursive.
use crate::glob::Glob;

use super::cut::Cut;
use super::records::Place;
use super::trie::{NodeId, ROOT, Trie};

/// What the first segment of a topic may be matched by.
#[derive(Clone, Copy, Debug)]
pub(super) enum First<'p> {
    /// Anything.
    Open,
    /// What spells this prefix of it.
    Hidden(&'p str),
    /// What spells it whole.
    Literal,
}

impl First<'_> {
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Open)
    }

    fn admits(self, glob: &Glob) -> bool {
        match self {
            Self::Open => true,
            Self::Hidden(prefix) => glob.prefix().starts_with(prefix),
            Self::Literal => false,
        }
    }
}

/// The buffers of a walk, kept from one to the next.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The number of this walk: what a multi wildcard's node is stamped with when the walk comes to it.
    epoch: u32,
    /// Nodes that the segments so far lead to, those of multi wildcards apart.
    here: Vec<NodeId>,
    there: Vec<NodeId>,
    /// Nodes of multi wildcards: once reached, every further segment leaves them reached.
    sticky: Vec<NodeId>,
}

impl Walk {
    /// Hands to `found` every entry of a trie that is not empty whose pattern matches a topic, each once.
    ///
    /// Work is at most segments × nodes reached: a node that is not of a multi wildcard has one parent, so a step can
    /// reach it once, and the others are stamped.
    #[inline(never)]
    pub(super) fn run(
        &mut self,
        trie: &mut Trie,
        topic: &str,
        cut: &Cut,
        first: First<'_>,
        mut found: impl FnMut(Place),
    ) {
        self.begin(trie);
        self.here.push(ROOT);
        if first.is_open() {
            self.open_multi(trie, ROOT);
        }
        for at in 0..cut.len() {
            let admitted = if at == 0 { first } else { First::Open };
            self.step(trie, &topic[cut.range(at, at)], cut.hash(at), admitted);
            if self.here.is_empty() && self.sticky.is_empty() {
                return;
            }
        }
        self.here
            .iter()
            .chain(&self.sticky)
            .filter_map(|&node| trie.node(node).entry)
            .for_each(&mut found);
    }

    fn begin(&mut self, trie: &mut Trie) {
        self.here.clear();
        self.sticky.clear();
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            trie.clear_stamps();
            self.epoch = 1;
        }
    }

    fn step(&mut self, trie: &mut Trie, segment: &str, hash: u64, first: First<'_>) {
        let symbol = trie.symbols().get(segment.as_bytes(), hash);
        self.there.clear();
        for &id in self.here.iter().chain(&self.sticky) {
            self.there
                .extend(symbol.and_then(|symbol| trie.literal(id, symbol)));
            let node = trie.node(id);
            self.there.extend(node.single.filter(|_| first.is_open()));
            let matching = node
                .globs
                .iter()
                .filter(|(glob, _)| first.admits(glob) && glob.matches(segment));
            self.there.extend(matching.map(|&(_, child)| child));
        }
        std::mem::swap(&mut self.here, &mut self.there);
        for at in 0..self.here.len() {
            self.open_multi(trie, self.here[at]);
        }
    }

    /// Reaches the multi wildcard below `node`, which needs no segment.
    fn open_multi(&mut self, trie: &mut Trie, node: NodeId) {
        let mut node = node;
        while let Some(multi) = trie.node(node).multi {
            let stamp = &mut trie.node_mut(multi).stamp;
            if *stamp == self.epoch {
                return;
            }
            *stamp = self.epoch;
            self.sticky.push(multi);
            node = multi;
        }
    }
}

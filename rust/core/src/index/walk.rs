//! The walk of a topic through the trie: level by level, never recursive.
use crate::glob::Glob;

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
    fn admits(self, glob: &Glob) -> bool {
        match self {
            Self::Open => true,
            Self::Hidden(prefix) => glob.prefix().starts_with(prefix),
            Self::Literal => false,
        }
    }

    fn is_open(self) -> bool {
        matches!(self, Self::Open)
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
    /// Hands to `found` every entry whose pattern matches `segments`, each once.
    ///
    /// Work is at most segments × nodes reached: a node
    /// that is not of a multi wildcard has one parent, so a step can reach it once, and the others are stamped.
    pub(super) fn run<'t, E: Copy>(
        &mut self,
        trie: &mut Trie<E>,
        segments: impl Iterator<Item = &'t str>,
        first: First<'_>,
        mut found: impl FnMut(E),
    ) {
        if trie.is_empty() {
            return;
        }
        self.begin(trie);
        self.here.push(ROOT);
        if first.is_open() {
            self.open_multi(trie, ROOT);
        }
        let mut first = first;
        for segment in segments {
            self.step(trie, segment, first);
            first = First::Open;
            if self.here.is_empty() && self.sticky.is_empty() {
                return;
            }
        }
        for &node in self.here.iter().chain(&self.sticky) {
            if let Some(entry) = trie.node(node).entry {
                found(entry);
            }
        }
    }

    fn begin<E: Copy>(&mut self, trie: &mut Trie<E>) {
        self.here.clear();
        self.sticky.clear();
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            for node in trie.nodes_mut() {
                node.stamp = 0;
            }
            self.epoch = 1;
        }
    }

    fn step<E: Copy>(&mut self, trie: &mut Trie<E>, segment: &str, first: First<'_>) {
        let symbol = trie.symbols().get(segment);
        self.there.clear();
        for &node in self.here.iter().chain(&self.sticky) {
            if let Some(child) = symbol.and_then(|symbol| trie.literal(node, symbol)) {
                self.there.push(child);
            }
            let node = trie.node(node);
            self.there.extend(node.single.filter(|_| first.is_open()));
            if let Some(globs) = &node.globs {
                let matching = globs.iter().filter(|(glob, _)| first.admits(glob) && glob.matches(segment));
                self.there.extend(matching.map(|&(_, child)| child));
            }
        }
        std::mem::swap(&mut self.here, &mut self.there);
        for index in 0..self.here.len() {
            self.open_multi(trie, self.here[index]);
        }
    }

    /// Reaches the multi wildcard below `node`, which needs no segment.
    fn open_multi<E: Copy>(&mut self, trie: &mut Trie<E>, node: NodeId) {
        let mut node = node;
        while let Some(multi) = trie.node(node).multi {
            let reached = &mut trie.node_mut(multi).stamp;
            if *reached == self.epoch {
                return;
            }
            *reached = self.epoch;
            self.sticky.push(multi);
            node = multi;
        }
    }
}

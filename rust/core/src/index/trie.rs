//! The wildcard trie: an arena of nodes, one per pattern prefix.
use std::collections::HashMap;

use super::hash::Seeds;
use super::records::Place;
use super::symbols::{Symbol, Symbols};
use crate::glob::Glob;
use crate::pattern::Element;

/// A literal child list longer than this moves to the table shared by all wide nodes.
const WIDE: usize = 8;

/// A node's place in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NodeId(pub(super) u32);

pub(super) const ROOT: NodeId = NodeId(0);

/// What a node asks of a segment for a walk to come to it from its parent.
#[derive(Clone, Debug)]
enum Edge {
    Root,
    Literal(Symbol),
    Single,
    Multi,
    /// The glob's text, and its place in the parent's list.
    Glob(Symbol, usize),
    /// The node is in the free list.
    Free,
}

/// The literal children of one node.
#[derive(Debug, Default)]
enum Literals {
    #[default]
    None,
    /// At most [`WIDE`], in no order.
    Few(Vec<(Symbol, NodeId)>),
    /// This many, in [`Trie::wide`]; never 0.
    Wide(u32),
}

#[derive(Debug)]
pub(super) struct Node {
    parent: NodeId,
    edge: Edge,
    literals: Literals,
    pub(super) single: Option<NodeId>,
    pub(super) multi: Option<NodeId>,
    pub(super) globs: Vec<(Glob, NodeId)>,
    /// The entry whose pattern ends here. A node without one has a child.
    pub(super) entry: Option<Place>,
    /// The last walk that came to this node, if it is the node of a multi wildcard.
    pub(super) stamp: u32,
}

impl Node {
    fn new(parent: NodeId, edge: Edge) -> Self {
        Self {
            parent,
            edge,
            literals: Literals::None,
            single: None,
            multi: None,
            globs: Vec::new(),
            entry: None,
            stamp: 0,
        }
    }

    fn is_idle(&self) -> bool {
        self.entry.is_none()
            && matches!(self.literals, Literals::None)
            && self.single.is_none()
            && self.multi.is_none()
            && self.globs.is_empty()
    }
}

/// Patterns with wildcards, as paths from the root.
#[derive(Debug, Default)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    free: Vec<NodeId>,
    /// Literal children of wide nodes.
    wide: HashMap<(NodeId, Symbol), NodeId>,
    /// Children under a glob, by its text.
    by_glob: HashMap<(NodeId, Symbol), NodeId>,
    symbols: Symbols,
}

impl Trie {
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    /// Makes every node one that no walk came to.
    pub(super) fn clear_stamps(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.stamp = 0);
    }

    pub(super) fn node_count(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    pub(super) fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// Bytes owned on the heap, about.
    pub(super) fn bytes(&self) -> usize {
        let lists: usize = self.nodes.iter().map(Self::list_bytes).sum();
        lists
            + self.nodes.capacity() * size_of::<Node>()
            + self.free.capacity() * size_of::<NodeId>()
            + self.wide.capacity() * (size_of::<((NodeId, Symbol), NodeId)>() + 1)
            + self.symbols.bytes()
    }

    fn list_bytes(node: &Node) -> usize {
        let globs = node.globs.capacity() * size_of::<(Glob, NodeId)>();
        match &node.literals {
            Literals::Few(list) => globs + list.capacity() * size_of::<(Symbol, NodeId)>(),
            Literals::None | Literals::Wide(_) => globs,
        }
    }

    /// The child of `node` for the literal `symbol`.
    pub(super) fn literal(&self, node: NodeId, symbol: Symbol) -> Option<NodeId> {
        match &self.node(node).literals {
            Literals::None => None,
            Literals::Few(list) => list
                .iter()
                .find(|&&(other, _)| other == symbol)
                .map(|&(_, child)| child),
            Literals::Wide(_) => self.wide.get(&(node, symbol)).copied(),
        }
    }

    /// The entry of the pattern with these elements, if it is there.
    pub(super) fn find(&self, elements: &[Element], seeds: &Seeds) -> Option<Place> {
        if self.is_empty() {
            return None;
        }
        let mut path = elements.iter();
        let node = path.try_fold(ROOT, |node, element| self.child(node, element, seeds))?;
        self.node(node).entry
    }

    fn child(&self, node: NodeId, element: &Element, seeds: &Seeds) -> Option<NodeId> {
        match element {
            Element::Literal(text) => self.literal(node, self.symbol(text, seeds)?),
            Element::Single => self.node(node).single,
            Element::Multi => self.node(node).multi,
            Element::Glob(glob) => {
                let symbol = self.symbol(&text_of(glob), seeds)?;
                self.by_glob.get(&(node, symbol)).copied()
            }
        }
    }

    fn symbol(&self, text: &str, seeds: &Seeds) -> Option<Symbol> {
        let text = text.as_bytes();
        self.symbols.get(text, seeds.segment(text))
    }

    /// The node where the path of `elements` ends, made where it is not there.
    pub(super) fn grow(&mut self, elements: &[Element], seeds: &Seeds) -> NodeId {
        if self.is_empty() {
            self.nodes.push(Node::new(ROOT, Edge::Root));
        }
        elements.iter().fold(ROOT, |node, element| {
            match self.child(node, element, seeds) {
                Some(child) => child,
                None => self.grow_child(node, element, seeds),
            }
        })
    }

    fn grow_child(&mut self, parent: NodeId, element: &Element, seeds: &Seeds) -> NodeId {
        match element {
            Element::Literal(text) => {
                let symbol = self.symbols.acquire(text, seeds);
                let child = self.allocate(Node::new(parent, Edge::Literal(symbol)));
                self.add_literal(parent, symbol, child);
                child
            }
            Element::Single => {
                let child = self.allocate(Node::new(parent, Edge::Single));
                self.node_mut(parent).single = Some(child);
                child
            }
            Element::Multi => {
                let child = self.allocate(Node::new(parent, Edge::Multi));
                self.node_mut(parent).multi = Some(child);
                child
            }
            Element::Glob(glob) => {
                let symbol = self.symbols.acquire(&text_of(glob), seeds);
                let at = self.node(parent).globs.len();
                let child = self.allocate(Node::new(parent, Edge::Glob(symbol, at)));
                self.node_mut(parent).globs.push((glob.clone(), child));
                self.by_glob.insert((parent, symbol), child);
                child
            }
        }
    }

    fn allocate(&mut self, node: Node) -> NodeId {
        if let Some(id) = self.free.pop() {
            *self.node_mut(id) = node;
            return id;
        }
        self.nodes.push(node);
        NodeId(u32::try_from(self.nodes.len() - 1).expect("fewer than 2^32 nodes"))
    }

    fn add_literal(&mut self, parent: NodeId, symbol: Symbol, child: NodeId) {
        let node = &mut self.nodes[parent.0 as usize];
        match &mut node.literals {
            Literals::None => node.literals = Literals::Few(vec![(symbol, child)]),
            Literals::Few(list) if list.len() < WIDE => list.push((symbol, child)),
            Literals::Few(list) => {
                self.wide.extend(
                    list.drain(..)
                        .map(|(symbol, child)| ((parent, symbol), child)),
                );
                self.wide.insert((parent, symbol), child);
                node.literals = Literals::Wide(u32::try_from(WIDE).expect("small") + 1);
            }
            Literals::Wide(count) => {
                *count += 1;
                self.wide.insert((parent, symbol), child);
            }
        }
    }

    /// Takes the entry away from `node` and every node that only led to it.
    ///
    /// Each node is taken away once for the once it was made: O(1) amortised.
    pub(super) fn remove(&mut self, node: NodeId, seeds: &Seeds) {
        self.node_mut(node).entry = None;
        let mut node = node;
        while self.node(node).is_idle() {
            if node == ROOT {
                *self = Self::default();
                return;
            }
            node = self.detach(node, seeds);
        }
    }

    /// Takes `child` out of its parent, which is returned.
    fn detach(&mut self, child: NodeId, seeds: &Seeds) -> NodeId {
        let parent = self.node(child).parent;
        let edge = std::mem::replace(&mut self.node_mut(child).edge, Edge::Free);
        self.free.push(child);
        match edge {
            Edge::Literal(symbol) => self.drop_literal(parent, symbol, seeds),
            Edge::Single => self.node_mut(parent).single = None,
            Edge::Multi => self.node_mut(parent).multi = None,
            Edge::Glob(symbol, at) => self.drop_glob(parent, symbol, at, seeds),
            Edge::Root | Edge::Free => unreachable!("only a child is detached"),
        }
        parent
    }

    fn drop_literal(&mut self, parent: NodeId, symbol: Symbol, seeds: &Seeds) {
        let node = &mut self.nodes[parent.0 as usize];
        match &mut node.literals {
            Literals::None => unreachable!("a literal child is in its parent's list"),
            Literals::Few(list) => {
                list.retain(|&(other, _)| other != symbol);
                if list.is_empty() {
                    node.literals = Literals::None;
                }
            }
            Literals::Wide(count) => {
                *count -= 1;
                if *count == 0 {
                    node.literals = Literals::None;
                }
                self.wide.remove(&(parent, symbol));
            }
        }
        self.symbols.release(symbol, seeds);
    }

    fn drop_glob(&mut self, parent: NodeId, symbol: Symbol, at: usize, seeds: &Seeds) {
        let node = &mut self.nodes[parent.0 as usize];
        node.globs.swap_remove(at);
        let moved = node.globs.get(at).map(|&(_, moved)| moved);
        if let Some(moved) = moved
            && let Edge::Glob(_, place) = &mut self.node_mut(moved).edge
        {
            *place = at;
        }
        self.by_glob.remove(&(parent, symbol));
        self.symbols.release(symbol, seeds);
    }
}

fn text_of(glob: &Glob) -> String {
    let mut text = String::new();
    glob.write(&mut text);
    text
}

#[cfg(any(test, feature = "oracle"))]
impl Trie {
    /// Panics unless every node but the root is found from its parent, and leads to an entry.
    pub(super) fn check(&self) {
        let mut uses = 0;
        for (at, node) in (0..).map(NodeId).zip(&self.nodes).skip(1) {
            if !matches!(node.edge, Edge::Free) {
                assert!(!node.is_idle());
            }
            let parent = self.node(node.parent);
            let there = match &node.edge {
                Edge::Literal(symbol) => self.literal(node.parent, *symbol),
                Edge::Single => parent.single,
                Edge::Multi => parent.multi,
                Edge::Glob(symbol, place) => {
                    let child = parent.globs.get(*place).map(|&(_, child)| child);
                    assert_eq!(self.by_glob.get(&(node.parent, *symbol)).copied(), child);
                    child
                }
                Edge::Root | Edge::Free => continue,
            };
            assert_eq!(there, Some(at));
            uses += usize::from(matches!(node.edge, Edge::Literal(_) | Edge::Glob(..)));
        }
        assert_eq!(uses, self.symbols.uses());
        let free = self
            .nodes
            .iter()
            .filter(|node| matches!(node.edge, Edge::Free));
        assert_eq!(free.count(), self.free.len());
    }
}

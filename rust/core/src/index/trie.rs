//! The wildcard trie: an arena of nodes, one per pattern prefix.
use std::collections::HashMap;

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
    Glob,
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
pub(super) struct Node<E> {
    parent: NodeId,
    edge: Edge,
    literals: Literals,
    pub(super) single: Option<NodeId>,
    pub(super) multi: Option<NodeId>,
    /// Never an empty box.
    pub(super) globs: Option<Box<Vec<(Glob, NodeId)>>>,
    /// The entry whose pattern ends here. A node without one has a child.
    pub(super) entry: Option<E>,
    /// The last walk that came to this node, if it is the node of a multi wildcard.
    pub(super) stamp: u32,
}

impl<E> Node<E> {
    fn new(parent: NodeId, edge: Edge) -> Self {
        Self { parent, edge, literals: Literals::None, single: None, multi: None, globs: None, entry: None, stamp: 0 }
    }

    fn is_idle(&self) -> bool {
        self.entry.is_none()
            && matches!(self.literals, Literals::None)
            && self.single.is_none()
            && self.multi.is_none()
            && self.globs.is_none()
    }
}

/// Patterns with wildcards, as paths from the root.
#[derive(Debug)]
pub(super) struct Trie<E> {
    nodes: Vec<Node<E>>,
    free: Vec<NodeId>,
    wide: HashMap<(NodeId, Symbol), NodeId>,
    symbols: Symbols,
}

impl<E> Default for Trie<E> {
    fn default() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), wide: HashMap::new(), symbols: Symbols::default() }
    }
}

impl<E: Copy> Trie<E> {
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn node(&self, id: NodeId) -> &Node<E> {
        &self.nodes[id.0 as usize]
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node<E> {
        &mut self.nodes[id.0 as usize]
    }

    pub(super) fn nodes_mut(&mut self) -> &mut [Node<E>] {
        &mut self.nodes
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
            + self.nodes.capacity() * size_of::<Node<E>>()
            + self.free.capacity() * size_of::<NodeId>()
            + self.wide.capacity() * (size_of::<((NodeId, Symbol), NodeId)>() + 1)
            + self.symbols.bytes()
    }

    fn list_bytes(node: &Node<E>) -> usize {
        let globs = node.globs.as_ref().map_or(0, |globs| globs.capacity() * size_of::<(Glob, NodeId)>());
        match &node.literals {
            Literals::Few(list) => globs + list.capacity() * size_of::<(Symbol, NodeId)>(),
            Literals::None | Literals::Wide(_) => globs,
        }
    }

    /// The child of `node` for the literal `symbol`.
    pub(super) fn literal(&self, node: NodeId, symbol: Symbol) -> Option<NodeId> {
        match &self.node(node).literals {
            Literals::None => None,
            Literals::Few(list) => list.iter().find(|&&(other, _)| other == symbol).map(|&(_, child)| child),
            Literals::Wide(_) => self.wide.get(&(node, symbol)).copied(),
        }
    }

    /// The node where the path of `elements` ends, if it is there.
    pub(super) fn find(&self, elements: &[Element]) -> Option<NodeId> {
        if self.is_empty() {
            return None;
        }
        elements.iter().try_fold(ROOT, |node, element| self.child(node, element))
    }

    fn child(&self, node: NodeId, element: &Element) -> Option<NodeId> {
        match element {
            Element::Literal(text) => self.literal(node, self.symbols.get(text)?),
            Element::Single => self.node(node).single,
            Element::Multi => self.node(node).multi,
            Element::Glob(glob) => {
                self.node(node).globs.as_ref()?.iter().find(|(other, _)| other == glob).map(|&(_, child)| child)
            }
        }
    }

    /// Puts `entry` at the end of the path of `elements`, which holds none yet.
    pub(super) fn insert(&mut self, elements: &[Element], entry: E) -> NodeId {
        if self.is_empty() {
            self.nodes.push(Node::new(ROOT, Edge::Root));
        }
        let mut node = ROOT;
        for element in elements {
            node = match self.child(node, element) {
                Some(child) => child,
                None => self.grow(node, element),
            };
        }
        debug_assert!(self.node(node).entry.is_none());
        self.node_mut(node).entry = Some(entry);
        node
    }

    fn grow(&mut self, parent: NodeId, element: &Element) -> NodeId {
        match element {
            Element::Literal(text) => {
                let symbol = self.symbols.acquire(text);
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
                let child = self.allocate(Node::new(parent, Edge::Glob));
                self.node_mut(parent).globs.get_or_insert_default().push((glob.clone(), child));
                child
            }
        }
    }

    fn allocate(&mut self, node: Node<E>) -> NodeId {
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
                self.wide.extend(list.drain(..).map(|(symbol, child)| ((parent, symbol), child)));
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
    pub(super) fn remove(&mut self, node: NodeId) {
        self.node_mut(node).entry = None;
        let mut node = node;
        while self.node(node).is_idle() {
            if node == ROOT {
                *self = Self::default();
                return;
            }
            node = self.detach(node);
        }
    }

    /// Takes `child` out of its parent, which is returned.
    fn detach(&mut self, child: NodeId) -> NodeId {
        let parent = self.node(child).parent;
        let edge = std::mem::replace(&mut self.node_mut(child).edge, Edge::Free);
        self.free.push(child);
        let node = &mut self.nodes[parent.0 as usize];
        match edge {
            Edge::Literal(symbol) => self.drop_literal(parent, symbol),
            Edge::Single => node.single = None,
            Edge::Multi => node.multi = None,
            Edge::Glob => {
                if let Some(globs) = &mut node.globs {
                    globs.retain(|&(_, other)| other != child);
                    if globs.is_empty() {
                        node.globs = None;
                    }
                }
            }
            Edge::Root | Edge::Free => unreachable!("only a child is detached"),
        }
        parent
    }

    fn drop_literal(&mut self, parent: NodeId, symbol: Symbol) {
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
        self.symbols.release(symbol);
    }
}

//! The tree of learned segments. One hash table finds any node's child by its text, so that a step costs one probe
//! however many children there are.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::segment::{Look, Text};
use super::templates::Route;

/// Index of a node; may be reused once the node is gone.
pub(super) type NodeId = u32;

pub(super) const ROOT: NodeId = 0;

/// Which unknown children of a node are `{param}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    #[default]
    None,
    Mixed,
    All,
}

impl Scope {
    pub(super) fn covers(self, look: Look) -> bool {
        match look {
            Look::Typed => false,
            Look::Mixed => self >= Self::Mixed,
            Look::Word => self == Self::All,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) parent: NodeId,
    pub(super) text: Box<[u8]>,
    pub(super) look: Look,
    /// A successful exchange went through this node.
    pub(super) confirmed: bool,
    /// Survived the collapse of its siblings, because it is busy.
    pub(super) kept: bool,
    /// Of the children.
    pub(super) scope: Scope,
    /// In the order of their first use.
    pub(super) children: Vec<NodeId>,
    /// Confirmed children of [`Look::Mixed`].
    pub(super) mixed: u32,
    /// Confirmed children of [`Look::Word`], not kept.
    pub(super) words: u32,
    /// Children not confirmed.
    pub(super) tentative: u32,
    /// Successful exchanges that went through here.
    pub(super) hits: u64,
    /// The template that ends here.
    pub(super) template: Option<Route>,
    /// The template of unknown paths that leave the tree here.
    pub(super) other: Option<Route>,
}

impl Node {
    fn new(parent: NodeId, text: Text<'_>, confirmed: bool) -> Self {
        Self {
            parent,
            text: text.bytes.into(),
            look: text.look,
            confirmed,
            kept: false,
            scope: Scope::None,
            children: Vec::new(),
            mixed: 0,
            words: 0,
            tentative: 0,
            hits: 0,
            template: None,
            other: None,
        }
    }

    /// The counter of the parent that this child belongs to, with how much it counts.
    fn place<'p>(&self, parent: &'p mut Self) -> Option<&'p mut u32> {
        match self.look {
            _ if !self.confirmed => Some(&mut parent.tentative),
            Look::Mixed => Some(&mut parent.mixed),
            Look::Word if !self.kept => Some(&mut parent.words),
            Look::Word | Look::Typed => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    free: Vec<NodeId>,
    index: HashTable<NodeId>,
    state: RandomState,
    max_nodes: usize,
    /// Nodes not confirmed.
    tentative: usize,
    /// Nodes with a template.
    named: usize,
}

impl Trie {
    pub(super) fn new(max_nodes: usize) -> Self {
        let text = Text { bytes: b"", look: Look::Word };
        Self {
            nodes: vec![Node::new(ROOT, text, true)],
            free: Vec::new(),
            index: HashTable::new(),
            state: RandomState::default(),
            max_nodes,
            tentative: 0,
            named: 0,
        }
    }

    #[inline]
    pub(super) fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(usize::try_from(id).ok()?)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(usize::try_from(id).ok()?)
    }

    /// Nodes in use but for the root.
    pub(super) fn len(&self) -> usize {
        self.nodes.len().saturating_sub(self.free.len()).saturating_sub(1)
    }

    pub(super) const fn tentative(&self) -> usize {
        self.tentative
    }

    pub(super) const fn named(&self) -> usize {
        self.named
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= self.max_nodes
    }

    /// The child of a text. Braces are always those of a parameter, since others are escaped.
    #[inline]
    pub(super) fn find(&self, parent: NodeId, text: &[u8]) -> Option<NodeId> {
        let same =
            |id: &NodeId| self.get(*id).is_some_and(|node| node.parent == parent && *node.text == *text);
        self.index.find(hash(&self.state, parent, text), same).copied()
    }

    /// Adds a child that does not exist. `None` if the tree is full.
    pub(super) fn add(&mut self, parent: NodeId, text: Text<'_>, confirmed: bool) -> Option<NodeId> {
        if self.is_full() {
            return None;
        }
        let node = Node::new(parent, text, confirmed);
        let id = match self.free.pop() {
            Some(id) => {
                *self.get_mut(id)? = node;
                id
            }
            None => {
                let id = NodeId::try_from(self.nodes.len()).ok()?;
                self.nodes.push(node);
                id
            }
        };
        self.tentative = self.tentative.saturating_add((!confirmed).into());
        self.attach(id, parent);
        Some(id)
    }

    /// Gives a node a template.
    pub(super) fn name(&mut self, id: NodeId, route: Route) {
        if let Some(node) = self.get_mut(id)
            && node.template.replace(route).is_none()
        {
            self.named = self.named.saturating_add(1);
        }
    }

    /// Marks a node as confirmed.
    pub(super) fn confirm(&mut self, id: NodeId) {
        let Some(parent) = self.get(id).filter(|node| !node.confirmed).map(|node| node.parent) else {
            return;
        };
        self.uncount(id, parent);
        if let Some(node) = self.get_mut(id) {
            node.confirmed = true;
        }
        self.tentative = self.tentative.saturating_sub(1);
        self.count(id, parent);
    }

    /// Exempts a word from the collapse of its place.
    pub(super) fn keep(&mut self, id: NodeId) {
        let Some(parent) = self.get(id).map(|node| node.parent) else { return };
        self.uncount(id, parent);
        if let Some(node) = self.get_mut(id) {
            node.kept = true;
        }
        self.count(id, parent);
    }

    /// Gives a node another text, which no sibling has.
    pub(super) fn rename(&mut self, id: NodeId, text: Text<'_>) {
        let Some(parent) = self.get(id).map(|node| node.parent) else { return };
        self.detach(id);
        if let Some(node) = self.get_mut(id) {
            node.text = text.bytes.into();
            node.look = text.look;
            node.kept = false;
        }
        self.attach(id, parent);
        self.forget_templates(id);
    }

    /// Moves a node with all below it to a parent that has no child of its text.
    pub(super) fn reparent(&mut self, id: NodeId, parent: NodeId) {
        self.detach(id);
        self.attach(id, parent);
        self.forget_templates(id);
    }

    /// Removes a node that has no children.
    pub(super) fn remove(&mut self, id: NodeId) {
        self.detach(id);
        let empty = Node::new(ROOT, Text { bytes: b"", look: Look::Typed }, true);
        let Some(node) = self.get_mut(id) else { return };
        let gone = std::mem::replace(node, empty);
        self.tentative = self.tentative.saturating_sub((!gone.confirmed).into());
        self.named = self.named.saturating_sub(gone.template.is_some().into());
        self.free.push(id);
    }

    /// Removes a node with all below it.
    pub(super) fn remove_tree(&mut self, id: NodeId) {
        let mut pending = vec![id];
        let mut found = Vec::new();
        while let Some(id) = pending.pop() {
            pending.extend(self.get(id).into_iter().flat_map(|node| &node.children));
            found.push(id);
        }
        while let Some(id) = found.pop() {
            self.remove(id);
        }
    }

    fn attach(&mut self, id: NodeId, parent: NodeId) {
        let Some(node) = self.get_mut(id) else { return };
        node.parent = parent;
        let hashed = hash(&self.state, parent, self.get(id).map_or(&[], |node| &node.text));
        let (nodes, state) = (&self.nodes, &self.state);
        self.index.insert_unique(hashed, id, |id| {
            let node = usize::try_from(*id).ok().and_then(|id| nodes.get(id));
            node.map_or(0, |node| hash(state, node.parent, &node.text))
        });
        self.list(id, parent);
        self.count(id, parent);
    }

    /// Puts a node at the end of its parent's list.
    pub(super) fn list(&mut self, id: NodeId, parent: NodeId) {
        if let Some(parent) = self.get_mut(parent) {
            parent.children.push(id);
        }
    }

    fn detach(&mut self, id: NodeId) {
        let Some(node) = self.get(id) else { return };
        let parent = node.parent;
        let hashed = hash(&self.state, parent, &node.text);
        if let Ok(entry) = self.index.find_entry(hashed, |other| *other == id) {
            entry.remove();
        }
        self.uncount(id, parent);
        if let Some(parent) = self.get_mut(parent) {
            parent.children.retain(|child| *child != id);
        }
    }

    fn count(&mut self, id: NodeId, parent: NodeId) {
        self.with_place(id, parent, |counter| counter.saturating_add(1));
    }

    fn uncount(&mut self, id: NodeId, parent: NodeId) {
        self.with_place(id, parent, |counter| counter.saturating_sub(1));
    }

    fn with_place(&mut self, id: NodeId, parent: NodeId, change: impl Fn(u32) -> u32) {
        let indexes = [id, parent].map(|id| usize::try_from(id).unwrap_or(usize::MAX));
        // A node is not its own child.
        if let Ok([node, parent]) = self.nodes.get_disjoint_mut(indexes)
            && let Some(counter) = node.place(parent)
        {
            *counter = change(*counter);
        }
    }

    /// The text of templates from here down has changed.
    fn forget_templates(&mut self, id: NodeId) {
        let mut pending = vec![id];
        while let Some(id) = pending.pop() {
            let Some(node) = self.get_mut(id) else { continue };
            node.other = None;
            pending.extend_from_slice(&node.children);
            let was_named = node.template.take().is_some();
            self.named = self.named.saturating_sub(was_named.into());
        }
    }

    /// The text of the template that ends at a node.
    pub(super) fn template(&self, id: NodeId) -> String {
        let mut parts = Vec::new();
        let mut id = id;
        while let Some(node) = self.get(id).filter(|_| id != ROOT) {
            parts.push(String::from_utf8_lossy(&node.text));
            id = node.parent;
        }
        parts.push("".into());
        parts.reverse();
        if parts.len() == 1 { "/".to_owned() } else { parts.join("/") }
    }
}

/// The hash of a child's place.
#[inline]
pub(super) fn hash(state: &RandomState, parent: NodeId, text: &[u8]) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write_u32(parent);
    hasher.write(text);
    hasher.finish()
}

//! Which segments enter the tree, and when they are merged.

use super::classify::Parameter;
use super::config::{Config, Counters};
use super::names::{Below, are_names};
use super::segment::{Cut, Look, Raw, Scratch, Text};
use super::trie::{Node, NodeId, ROOT, Scope, Trie};

/// What the response reveals about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Evidence {
    /// Nothing: there is no such resource, or nothing looked for it.
    Nothing,
    /// Something answered that may not have checked the path: an authentication filter, a redirector, a handler that
    /// failed. A scanner gets such answers for missing paths, too.
    Suggests,
    /// The resource exists.
    Confirms,
}

impl Evidence {
    pub(super) const fn of(status: Option<u16>) -> Self {
        match status {
            Some(101 | 200..=299 | 304) => Self::Confirms,
            // Sent before any routing, or because routing failed, or by a gateway whose server is down.
            Some(400 | 404 | 410 | 414 | 421 | 431 | 501..=599) | None => Self::Nothing,
            Some(300..=599) => Self::Suggests,
            Some(_) => Self::Nothing,
        }
    }
}

/// Where a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the node of the whole path.
    Known(NodeId),
    /// Below this node there is no such segment.
    Left(NodeId),
}

/// A word with at least this share of its siblings' exchanges survives their collapse, unless it has common texts below
/// it: one in 32.
const KEPT_SHARE: u64 = 32;

/// Unconfirmed nodes are at most this share of all, so that a scanner cannot take the others' room: one in 4.
const TENTATIVE_SHARE: usize = 4;

/// The tree and what it needs to grow.
#[derive(Clone, Debug)]
pub(super) struct Learner {
    pub(super) trie: Trie,
    max_mixed: usize,
    max_words: usize,
    max_tentative: usize,
    max_tentative_all: usize,
    max_segment: usize,
}

impl Learner {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            trie: Trie::new(config.max_nodes),
            max_mixed: config.max_mixed,
            max_words: config.max_words,
            max_tentative: config.max_tentative,
            max_tentative_all: config.max_nodes.checked_div(TENTATIVE_SHARE).unwrap_or(0),
            max_segment: config.max_segment,
        }
    }

    #[inline]
    pub(super) fn walk(
        &mut self,
        segments: &Cut<'_>,
        evidence: Evidence,
        scratch: &mut Scratch,
        counters: &mut Counters,
    ) -> Place {
        let mut id = ROOT;
        for raw in segments.iter() {
            match self.step(id, raw, evidence, scratch, counters) {
                Some(child) => id = child,
                None => return Place::Left(id),
            }
        }
        if segments.deeper {
            return match self.enter(id, Parameter::Rest.text(), evidence, counters) {
                Some(child) => Place::Known(child),
                None => Place::Left(id),
            };
        }
        Place::Known(id)
    }

    #[inline]
    fn step(
        &mut self,
        parent: NodeId,
        raw: Raw<'_>,
        evidence: Evidence,
        scratch: &mut Scratch,
        counters: &mut Counters,
    ) -> Option<NodeId> {
        // Most segments are already known.
        if raw.may_be_known()
            && let Some(known) = self.trie.find(parent, raw.bytes)
        {
            return Some(self.visit(parent, known, evidence, counters));
        }
        let text = scratch.canonical(raw, self.max_segment);
        self.enter(parent, text, evidence, counters)
    }

    /// The child of a text, the place's `{param}`, or a new child.
    fn enter(
        &mut self,
        parent: NodeId,
        text: Text<'_>,
        evidence: Evidence,
        counters: &mut Counters,
    ) -> Option<NodeId> {
        let covered = self.trie.get(parent)?.scope.covers(text.look);
        let known = self.trie.find(parent, text.bytes);
        let known =
            known.or_else(|| covered.then(|| self.trie.find(parent, Parameter::Param.text().bytes))?);
        if let Some(known) = known {
            return Some(self.visit(parent, known, evidence, counters));
        }
        if !self.may_add(parent, text.look, evidence, counters) {
            return None;
        }
        let added = self.trie.add(parent, text, evidence == Evidence::Confirms)?;
        if evidence == Evidence::Confirms {
            self.hit(added);
        }
        Some(self.settle(parent, added, text.look, counters))
    }

    #[inline]
    fn visit(
        &mut self,
        parent: NodeId,
        child: NodeId,
        evidence: Evidence,
        counters: &mut Counters,
    ) -> NodeId {
        if evidence != Evidence::Confirms {
            return child;
        }
        let Some(node) = self.trie.get_mut(child) else { return child };
        node.hits = node.hits.saturating_add(1);
        if node.confirmed {
            return child;
        }
        let look = node.look;
        self.trie.confirm(child);
        self.settle(parent, child, look, counters)
    }

    fn hit(&mut self, id: NodeId) {
        if let Some(node) = self.trie.get_mut(id) {
            node.hits = node.hits.saturating_add(1);
        }
    }

    fn may_add(&self, parent: NodeId, look: Look, evidence: Evidence, counters: &mut Counters) -> bool {
        let Some(node) = self.trie.get(parent) else { return false };
        let wanted = match evidence {
            Evidence::Confirms | Evidence::Suggests => true,
            // There are few kinds, so those under a known parent may be distinguished before one is confirmed:
            // `/users/{id}` for guessed identifiers.
            Evidence::Nothing => look == Look::Typed && node.confirmed,
        };
        if !wanted {
            return false;
        }
        if self.trie.is_full() {
            counters.nodes_full = counters.nodes_full.saturating_add(1);
            return false;
        }
        let tentative = usize::try_from(node.tentative).unwrap_or(usize::MAX);
        if evidence != Evidence::Confirms
            && (tentative >= self.max_tentative || self.trie.tentative() >= self.max_tentative_all)
        {
            counters.tentative_full = counters.tentative_full.saturating_add(1);
            return false;
        }
        true
    }

    /// Collapses a node's children once they exceed their bound; returns where the child is now.
    fn settle(&mut self, parent: NodeId, child: NodeId, look: Look, counters: &mut Counters) -> NodeId {
        if self.overflow(parent).is_none() {
            return child;
        }
        self.collapse(parent, counters);
        let is_kept = |node: &Node| node.kept && node.parent == parent;
        let covered = self.trie.get(parent).is_some_and(|node| node.scope.covers(look));
        if !covered || self.trie.get(child).is_some_and(is_kept) {
            return child;
        }
        self.trie.find(parent, Parameter::Param.text().bytes).unwrap_or(child)
    }

    /// The scope to which a node's children must collapse, if any. After merging, there may be children that the scope
    /// already covers.
    fn overflow(&self, id: NodeId) -> Option<Scope> {
        let node = self.trie.get(id)?;
        let over = |count: u32, max: usize| usize::try_from(count).is_ok_and(|count| count > max);
        if over(node.words, if node.scope == Scope::All { 0 } else { self.max_words })
            || (node.scope != Scope::All && are_names(&self.trie, id))
        {
            return Some(Scope::All);
        }
        let mixed = over(node.mixed, if node.scope == Scope::None { self.max_mixed } else { 0 });
        mixed.then_some(node.scope.max(Scope::Mixed))
    }

    pub(super) fn collapse(&mut self, place: NodeId, counters: &mut Counters) {
        let mut pending = vec![place];
        while let Some(place) = pending.pop() {
            // Another collapse may have merged the parent away.
            let Some(scope) = self.overflow(place) else { continue };
            counters.collapsed = counters.collapsed.saturating_add(1);
            pending.append(&mut self.collapse_place(place, scope, counters));
        }
    }

    /// Merges the children that the scope covers into `{param}`. Returns the nodes that gained children.
    fn collapse_place(&mut self, place: NodeId, scope: Scope, counters: &mut Counters) -> Vec<NodeId> {
        let below = Below::of(&self.trie, place);
        let Some(node) = self.trie.get_mut(place) else { return Vec::new() };
        node.scope = node.scope.max(scope);
        // Taken, not walked: a node that leaves its place is then not searched for among all others.
        let children = std::mem::take(&mut node.children);
        let hits = |trie: &Trie, id| trie.get(id).map_or(0, |node| node.hits);
        let total: u64 = children.iter().map(|id| hits(&self.trie, *id)).fold(0, u64::saturating_add);
        let mut param = self.trie.find(place, Parameter::Param.text().bytes);
        let mut grown = Vec::new();
        for child in children {
            let Some(node) = self.trie.get(child) else { continue };
            if !scope.covers(node.look) || node.kept {
                self.trie.list(child, place);
                continue;
            }
            let is_busy = hits(&self.trie, child).saturating_mul(KEPT_SHARE) >= total;
            // Not the name of something requested often.
            let is_constant = node.look == Look::Word && node.confirmed && !below.is_alike(&self.trie, child);
            if is_constant && is_busy {
                self.trie.keep(child);
                self.trie.list(child, place);
                continue;
            }
            match param {
                None => {
                    self.trie.rename(child, Parameter::Param.text());
                    param = Some(child);
                }
                Some(param) => self.merge(child, param, &mut grown, counters),
            }
        }
        grown
    }

    /// Merges one node and all below it into another one.
    fn merge(&mut self, from: NodeId, into: NodeId, grown: &mut Vec<NodeId>, counters: &mut Counters) {
        let mut pending = vec![(from, into)];
        let mut emptied = Vec::new();
        while let Some((from, into)) = pending.pop() {
            let Some(source) = self.trie.get_mut(from) else { continue };
            let (hits, confirmed, scope) = (source.hits, source.confirmed, source.scope);
            let children = std::mem::take(&mut source.children);
            if confirmed {
                self.trie.confirm(into);
            }
            if let Some(target) = self.trie.get_mut(into) {
                target.hits = target.hits.saturating_add(hits);
                target.scope = target.scope.max(scope);
            }
            for child in children {
                let same = self.trie.get(child).and_then(|node| self.trie.find(into, &node.text));
                match same {
                    Some(same) => pending.push((child, same)),
                    None if self.has_room(into, child) => self.trie.reparent(child, into),
                    None => {
                        counters.tentative_full = counters.tentative_full.saturating_add(1);
                        self.trie.remove_tree(child);
                    }
                }
            }
            grown.push(into);
            emptied.push(from);
        }
        // Deepest first: a node is removed when its children are gone.
        while let Some(id) = emptied.pop() {
            self.trie.remove(id);
        }
    }

    /// The probation of several merged parents must not add up to more than one may have.
    fn has_room(&self, place: NodeId, child: NodeId) -> bool {
        let tentative = self.trie.get(place).map_or(0, |node| node.tentative);
        self.trie.get(child).is_some_and(|node| node.confirmed)
            || usize::try_from(tentative).is_ok_and(|tentative| tentative < self.max_tentative)
    }
}

//! Recognises path levels that hold names of people or things, by how they are requested.
//!
//! An API has some dozens of words at one level, and each is requested again and again. Names are many: most are
//! requested once or twice (`/OWNER/REPOSITORY`), or most have the same words below them (`/OWNER/followers`,
//! `/OWNER/REPOSITORY/issues`). Resources of an API share such words, too (`/orders/new`), but also have identifiers,
//! which are recognised by their form.

use std::collections::{BTreeMap, BTreeSet};

use super::segment::Look;
use super::trie::{Node, NodeId, Trie};

/// Minimum words at a level that may be names because they have the same words below them.
const ALIKE: u32 = 64;

/// Minimum words at a level that may be names because most are seldom requested.
const SELDOM: u32 = 96;

/// The words are checked whenever there are this many more.
const EVERY: u32 = 16;

/// Up to this many exchanges, a text counts as seldom requested, whatever is below it; from this many on, it is a word,
/// even if others have the same below them.
const FEW: u64 = 2;
const MANY: u64 = 16;

/// A text is common if it is below one in this many words.
const COMMON: usize = 8;

/// The texts below the words of a level.
#[derive(Debug, Default)]
pub(super) struct Below {
    common: BTreeSet<Box<[u8]>>,
}

impl Below {
    /// For the words of a level, up to two segments down.
    pub(super) fn of(trie: &Trie, place: NodeId) -> Self {
        let words = words(trie, place);
        let mut counts: BTreeMap<&[u8], usize> = BTreeMap::new();
        for word in &words {
            for text in texts(trie, *word) {
                let count = counts.entry(text).or_default();
                *count = count.saturating_add(1);
            }
        }
        let is_common = |count: &usize| count.saturating_mul(COMMON) >= words.len();
        let common = counts.into_iter().filter(|(_, count)| is_common(count));
        Self { common: common.map(|(text, _)| text.into()).collect() }
    }

    /// Whether a word has a common text below it.
    pub(super) fn is_alike(&self, trie: &Trie, word: NodeId) -> bool {
        texts(trie, word).iter().any(|text| self.common.contains(*text))
    }
}

/// Whether the words of a level are names.
pub(super) fn are_names(trie: &Trie, place: NodeId) -> bool {
    let Some(node) = trie.get(place) else { return false };
    if node.words < ALIKE || !node.words.is_multiple_of(EVERY) {
        return false;
    }
    let words = words(trie, place);
    let half = |count: usize| count.saturating_mul(2) >= words.len();
    let with_hits = |most: u64| {
        let is_seldom = |id: &&NodeId| trie.get(**id).is_some_and(|node| node.hits <= most);
        words.iter().filter(is_seldom).count()
    };
    if node.words >= SELDOM && half(with_hits(FEW)) {
        return true;
    }
    if !half(with_hits(MANY)) {
        return false;
    }
    // Collections have members.
    let has_members = |id: &&NodeId| below(trie, **id).any(|node| node.look == Look::Typed);
    let members = words.iter().filter(has_members).count();
    let below = Below::of(trie, place);
    let alike = words.iter().filter(|word| below.is_alike(trie, **word)).count();
    half(alike) && members.saturating_mul(4) < words.len()
}

/// The confirmed words of a level that no collapse has kept.
fn words(trie: &Trie, place: NodeId) -> Vec<NodeId> {
    let children = trie.get(place).map(|node| node.children.as_slice()).unwrap_or_default();
    let is_word = |node: &Node| node.look == Look::Word && node.confirmed && !node.kept;
    children.iter().copied().filter(|id| trie.get(*id).is_some_and(is_word)).collect()
}

fn below(trie: &Trie, id: NodeId) -> impl Iterator<Item = &Node> {
    let children = trie.get(id).map(|node| node.children.as_slice()).unwrap_or_default();
    children.iter().filter_map(|child| trie.get(*child))
}

/// The texts of the one or two segments below a word, except parameters.
fn texts(trie: &Trie, word: NodeId) -> BTreeSet<&[u8]> {
    let children = trie.get(word).map(|node| node.children.as_slice()).unwrap_or_default();
    let further = children.iter().flat_map(|child| below(trie, *child));
    let nodes = below(trie, word).chain(further);
    nodes.filter(|node| node.look != Look::Typed).map(|node| &*node.text).collect()
}

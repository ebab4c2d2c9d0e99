//! What was learned, in a form that can be stored.

use serde::{Deserialize, Serialize};

use super::classify::Parameter;
use super::config::{Config, Counters};
use super::learn::Learner;
use super::secret::secret;
use super::segment::{Look, Raw, Scratch, Text};
use super::trie::{Node, NodeId, ROOT, Scope};

/// The version that is written, and the only one that is read.
pub const LEARNED_VERSION: u32 = 1;

/// Everything learned. Written and read back, it gives the same templates for the same traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// [`LEARNED_VERSION`].
    pub version: u32,
    /// Segments, each after its parent in the path; the first is the root.
    pub segments: Vec<LearnedSegment>,
}

/// A segment of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearnedSegment {
    /// Index of its parent.
    pub parent: u32,
    /// Its text in templates.
    pub text: String,
    /// Successful exchanges that went through it.
    pub hits: u64,
    /// Whether there was one.
    pub confirmed: bool,
    /// Whether it survived the collapse of its parent's children.
    #[serde(default, skip_serializing_if = "is_false")]
    pub kept: bool,
    /// Children that are not listed are `{param}`: 0 none, 1 those that do not look constant, 2 all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub collapsed: u8,
}

/// Why stored data is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Another version.
    #[error("learned routes: version {0} is not {LEARNED_VERSION}")]
    Version(u32),
    /// A segment that is invalid in its place.
    #[error("learned routes: segments[{index}]: {problem}")]
    Segment {
        /// Its index.
        index: usize,
        /// What is wrong.
        problem: &'static str,
    },
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_zero(number: &u8) -> bool {
    *number == 0
}

impl Learner {
    pub(super) fn export(&self) -> Learned {
        let mut segments = Vec::new();
        let mut pending = vec![(ROOT, 0)];
        while let Some((id, parent)) = pending.pop() {
            let Some(node) = self.trie.get(id) else { continue };
            let index = u32::try_from(segments.len()).unwrap_or(u32::MAX);
            segments.push(learned(node, parent));
            pending.extend(node.children.iter().rev().map(|child| (*child, index)));
        }
        Learned { version: LEARNED_VERSION, segments }
    }

    /// # Errors
    /// For the first invalid segment. What exceeds the bounds is left out and counted.
    pub(super) fn import(
        config: &Config,
        learned: &Learned,
        counters: &mut Counters,
    ) -> Result<Self, ImportError> {
        if learned.version != LEARNED_VERSION {
            return Err(ImportError::Version(learned.version));
        }
        let mut learner = Self::new(config);
        let mut ids: Vec<Option<NodeId>> = Vec::with_capacity(learned.segments.len());
        for (index, segment) in learned.segments.iter().enumerate() {
            let id = learner.import_segment(config, segment, &ids, counters);
            ids.push(id.map_err(|problem| ImportError::Segment { index, problem })?);
        }
        // The bounds may be tighter than before.
        for id in ids.into_iter().flatten() {
            learner.collapse(id, counters);
        }
        Ok(learner)
    }

    fn import_segment(
        &mut self,
        config: &Config,
        segment: &LearnedSegment,
        ids: &[Option<NodeId>],
        counters: &mut Counters,
    ) -> Result<Option<NodeId>, &'static str> {
        let scope = match segment.collapsed {
            0 => Scope::None,
            1 => Scope::Mixed,
            2 => Scope::All,
            _ => return Err("`collapsed` is not 0, 1 or 2"),
        };
        let id = if ids.is_empty() {
            ROOT
        } else {
            let parent = usize::try_from(segment.parent).ok().and_then(|parent| ids.get(parent));
            let Some(parent) = *parent.ok_or("its parent does not come before it")? else { return Ok(None) };
            // An earlier version may have taken it for a word.
            if secret(segment.text.as_bytes()).is_some() {
                return Ok(None);
            }
            let look = look(&segment.text, config).ok_or("its text is no segment")?;
            let text = Text { bytes: segment.text.as_bytes(), look };
            if self.trie.find(parent, text.bytes).is_some() {
                return Err("its text is there already");
            }
            let Some(id) = self.trie.add(parent, text, segment.confirmed) else {
                counters.nodes_full = counters.nodes_full.saturating_add(1);
                return Ok(None);
            };
            if segment.kept {
                self.trie.keep(id);
            }
            id
        };
        if let Some(node) = self.trie.get_mut(id) {
            (node.hits, node.scope) = (segment.hits, scope);
        }
        Ok(Some(id))
    }
}

fn learned(node: &Node, parent: u32) -> LearnedSegment {
    LearnedSegment {
        parent,
        text: String::from_utf8_lossy(&node.text).into_owned(),
        hits: node.hits,
        confirmed: node.confirmed,
        kept: node.kept,
        collapsed: match node.scope {
            Scope::None => 0,
            Scope::Mixed => 1,
            Scope::All => 2,
        },
    }
}

/// The form of a text that this room could have written.
fn look(text: &str, config: &Config) -> Option<Look> {
    if Parameter::ALL.iter().any(|kind| kind.label() == text) {
        return Some(Look::Typed);
    }
    let is_plain = !text.is_empty() && !text.contains(['/', ';', '?', '#']);
    let is_plain = is_plain && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain {
        return None;
    }
    if text.contains(['{', '}']) {
        return Some(Look::Mixed);
    }
    let mut scratch = Scratch::default();
    let canonical = scratch.canonical(Raw::new(text.as_bytes()), config.max_segment.saturating_mul(3));
    (canonical.bytes == text.as_bytes() && canonical.look != Look::Typed).then_some(canonical.look)
}

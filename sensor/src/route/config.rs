//! What the operator can say about routes.

use documented::DocumentedFields;

/// Most segments of a path that are told apart; the deepest [`Config::max_depth`].
pub const MAX_DEPTH: usize = 16;

/// How templates are learned.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Patterns that override learned templates, such as `/users/{name}`. If several match, the most specific applies, or
    /// the first of equally specific ones. Segments are literal, `{name}` or `*` (one segment), `prefix{name}suffix`, or
    /// at the end `**` (any rest, including none).
    pub patterns: Vec<String>,
    /// Most patterns. Default 8192.
    pub max_patterns: usize,
    /// Segments of learned templates, each some 130 bytes with its text. Default 16,384.
    pub max_nodes: usize,
    /// Maximum learned templates. Three times as many that were replaced by more general ones may be kept, because they
    /// may still be in use.
    pub max_templates: usize,
    /// Segments of a path told apart; the rest is `{...}`. Default and most [`MAX_DEPTH`].
    pub max_depth: usize,
    /// Bytes of a segment as sent; a longer one is `{long}`. Default 128.
    pub max_segment: usize,
    /// Different segments at one place that do not look constant (digits, capitals, escapes, many hyphens)
    /// until they become `{param}`. Default 64.
    pub max_mixed: usize,
    /// Different words at one place until all but those of one thirty-second of the place's exchanges become
    /// `{param}`. Default 256. Fewer do where they are names: 96 of which half were asked for twice at most, or 64 of
    /// which half were asked for 16 times at most and have words below them that many have.
    pub max_words: usize,
    /// Different segments at one place that no successful exchange has confirmed; those that follow are
    /// `{other}`. Default 32.
    pub max_tentative: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            patterns: Vec::new(),
            max_patterns: 8192,
            max_nodes: 16_384,
            max_templates: 4096,
            max_depth: MAX_DEPTH,
            max_segment: 128,
            max_mixed: 64,
            max_words: 256,
            max_tentative: 32,
        }
    }
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Paths that a configured pattern matched.
    pub configured: u64,
    /// Paths that have no learned template: `{other}`.
    pub unmatched: u64,
    /// Segments not learned because [`Config::max_nodes`] are there.
    pub nodes_full: u64,
    /// Segments not learned because too many unconfirmed ones are there, at this place or in all.
    pub tentative_full: u64,
    /// Templates that became `{other}` because too many are there.
    pub templates_full: u64,
    /// Places whose segments became `{param}`.
    pub collapsed: u64,
}

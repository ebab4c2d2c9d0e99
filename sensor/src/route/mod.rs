//! Route templates: `/users/17/orders/4` is `/users/{id}/orders/{id}`.
//!
//! A segment becomes a parameter in one of three ways. Configured patterns and those of an OpenAPI document come first.
//! A segment that looks like an identifier is one anywhere ([`Parameter`]). The rest is learned: siblings become
//! `{param}` once there are too many of them.
//!
//! Only the path counts. Methods share a resource's path, and clients can invent hosts.
//!
//! # Scanners
//!
//! A path enters the tree when the server has answered it with success. Other responses that may come from a handler
//! admit it on probation, within tight bounds; a `404` never does. Only confirmed segments count when siblings
//! collapse. So a scanner neither fills the tree nor merges distinct routes; the paths that it tries are `{other}`
//! after the part that exists.
//!
//! # Determinism
//!
//! The same paths and responses in the same order give the same templates with the same indexes. Hash tables use new
//! seeds in each process, but nothing depends on their order. After a restart with exported data the texts are the
//! same; the indexes are assigned anew.

mod class;
mod classify;
mod config;
mod export;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod learn;
mod names;
mod openapi;
mod pattern;
mod secret;
mod segment;
mod templates;
mod trie;

#[cfg(test)]
mod tests;

pub use classify::Parameter;
pub use config::{Config, Counters, MAX_DEPTH};
pub use export::{ImportError, LEARNED_VERSION, Learned, LearnedSegment};
pub use openapi::{
    MAX_OPENAPI, OpenApi, OpenApiError, Operation, anonymous, openapi, read_openapi, server_path,
};
pub use pattern::PatternError;
pub(crate) use secret::forms as key_forms;
pub use secret::{Secret, has_luhn_digit, secret, secret_behind};
pub use segment::identifies;
pub use templates::Route;

use learn::{Evidence, Learner, Place};
use pattern::Patterns;
use segment::{Scratch, Segments};
use templates::Templates;
use trie::NodeId;

/// All templates of a host.
#[derive(Clone, Debug)]
pub struct Routes {
    config: Config,
    patterns: Patterns,
    learner: Learner,
    templates: Templates,
    /// Templates that end in `{other}`.
    others: usize,
    segments: Segments,
    scratch: Scratch,
    counters: Counters,
}

/// Extra texts kept per template in use.
const REPLACED: usize = 3;

/// At most one in this many templates ends in `{other}`.
const OTHERS_SHARE: usize = 4;

impl Routes {
    /// Routes with only the configured patterns.
    ///
    /// # Errors
    /// For the first pattern that is none.
    pub fn new(config: &Config) -> Result<Self, PatternError> {
        let learned = config.max_templates.saturating_mul(REPLACED.saturating_add(1));
        let mut templates = Templates::new(config.patterns.len().saturating_add(learned));
        let patterns = Patterns::new(config, &mut templates)?;
        Ok(Self {
            patterns,
            learner: Learner::new(config),
            templates,
            others: 0,
            segments: Segments::default(),
            scratch: Scratch::default(),
            counters: Counters::default(),
            config: config.clone(),
        })
    }

    /// The template of a request target's path, without learning.
    pub fn template(&mut self, path: &[u8]) -> Route {
        self.walk(path, Evidence::Nothing)
    }

    /// Learns from an exchange: its path and, if there was a response, its status.
    pub fn learn(&mut self, path: &[u8], status: Option<u16>) {
        self.observe(path, status);
    }

    /// Learns from an exchange, and returns the template of its path.
    pub fn observe(&mut self, path: &[u8], status: Option<u16>) -> Route {
        self.walk(path, Evidence::of(status))
    }

    /// The text of a template.
    #[must_use]
    pub fn text(&self, route: Route) -> &str {
        self.templates.text(route)
    }

    /// Templates with a text, those included that were replaced.
    #[must_use]
    pub fn len(&self) -> usize {
        self.templates.len()
    }

    /// Whether there is no template but `/{other}`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() <= 1
    }

    /// Segments learned.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.learner.trie.len()
    }

    /// Totals since the start.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Everything learned.
    #[must_use]
    pub fn export(&self) -> Learned {
        self.learner.export()
    }

    /// Replaces what was learned. Routes returned before keep their text.
    ///
    /// # Errors
    /// If it was not exported by this version; then nothing is replaced.
    pub fn import(&mut self, learned: &Learned) -> Result<(), ImportError> {
        self.learner = Learner::import(&self.config, learned, &mut self.counters)?;
        Ok(())
    }

    #[inline]
    fn walk(&mut self, path: &[u8], evidence: Evidence) -> Route {
        // `OPTIONS *`, authorities and anything else that is not a path (RFC 9112, section 3.2).
        let Some(segments) = self.segments.cut(path, self.config.max_depth) else { return self.unmatched() };
        if !self.patterns.is_empty()
            && let Some(route) = self.patterns.find(&segments, &mut self.scratch)
        {
            self.counters.configured = self.counters.configured.saturating_add(1);
            return route;
        }
        match self.learner.walk(&segments, evidence, &mut self.scratch, &mut self.counters) {
            Place::Known(id) => {
                let known = self.learner.trie.get(id).and_then(|node| node.template);
                known.unwrap_or_else(|| self.name(id))
            }
            Place::Left(id) => {
                let route = self.unmatched();
                let known = self.learner.trie.get(id).and_then(|node| node.other);
                known.unwrap_or_else(|| self.name_other(id).unwrap_or(route))
            }
        }
    }

    const fn unmatched(&mut self) -> Route {
        self.counters.unmatched = self.counters.unmatched.saturating_add(1);
        Route::OTHER
    }

    /// Gives a node its template.
    fn name(&mut self, id: NodeId) -> Route {
        let is_full = self.learner.trie.named() >= self.config.max_templates || self.templates.is_full();
        let text = || self.learner.trie.template(id);
        let Some(route) = (!is_full).then(text).and_then(|text| self.templates.intern(&text)) else {
            self.counters.templates_full = self.counters.templates_full.saturating_add(1);
            return Route::OTHER;
        };
        self.learner.trie.name(id, route);
        route
    }

    /// Gives a node the template of what is not below it.
    fn name_other(&mut self, id: NodeId) -> Option<Route> {
        let max = self.config.max_templates.checked_div(OTHERS_SHARE)?;
        if self.others >= max || self.templates.is_full() {
            return None;
        }
        let text = self.learner.trie.template(id);
        let before = self.templates.len();
        let route = self.templates.intern(&format!("{}/{{other}}", text.trim_end_matches('/')))?;
        self.others = self.others.saturating_add(self.templates.len().saturating_sub(before));
        self.learner.trie.get_mut(id)?.other = Some(route);
        Some(route)
    }
}

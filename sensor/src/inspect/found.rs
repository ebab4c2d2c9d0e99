//! The findings of one exchange.

use super::finding::{Finding, Kind};
use super::injection::Effects;

/// Maximum findings kept per exchange; further ones are counted.
pub const MAX_FINDINGS: usize = 16;

/// Collects the findings of one exchange; its memory serves the next one.
#[derive(Debug, Default)]
pub struct Found {
    findings: Vec<Finding>,
    more: u32,
    /// What the response shows of an attack.
    pub effects: Effects,
}

impl Found {
    /// Forgets the last exchange.
    pub fn clear(&mut self) {
        self.findings.clear();
        self.more = 0;
        self.effects = Effects::default();
    }

    /// Adds a finding, once per rule and field.
    pub fn push(&mut self, finding: Finding) {
        let is_known = |known: &Finding| {
            (known.rule, known.field, known.side) == (finding.rule, finding.field, finding.side)
        };
        if self.findings.iter().any(is_known) {
            return;
        }
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Whether some were dropped.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.more > 0
    }

    /// The findings kept.
    #[must_use]
    pub fn all(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether there is one of a kind.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.findings.iter().any(|finding| finding.kind == kind)
    }
}

//! The findings of one exchange.

use super::finding::{Finding, Kind};
use super::injection::Effects;
use super::power::{self, PowerField};

/// Maximum findings kept per exchange; further ones are counted.
pub const MAX_FINDINGS: usize = 16;

/// Collects the findings of one exchange; its memory serves the next one.
#[derive(Debug, Default)]
pub struct Found {
    findings: Vec<Finding>,
    powers: Vec<PowerField>,
    more: u32,
    /// What the response shows of an attack.
    pub effects: Effects,
}

impl Found {
    /// Forgets the last exchange.
    pub fn clear(&mut self) {
        self.findings.clear();
        self.powers.clear();
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

    /// Takes a field of power, each once.
    pub(super) fn push_power(&mut self, field: PowerField) {
        if self.powers.len() < power::MAX && !self.powers.iter().any(|known| known.hash == field.hash) {
            self.powers.push(field);
        }
    }

    /// The fields of power.
    #[must_use]
    pub fn powers(&self) -> &[PowerField] {
        &self.powers
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

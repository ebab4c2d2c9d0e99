//! Parts of reports in words, for every way out that shows them.

use super::StatusReport;

impl StatusReport {
    /// The rules in force, as in `1 block, 0 allow rules, 1 limit scope`.
    #[must_use]
    pub fn policy(&self) -> String {
        let rules = [
            counted(self.blocks_active, "block"),
            counted(self.allows_active, "allow rule"),
            counted(self.scopes, "limit scope"),
        ];
        rules.join(", ")
    }
}

/// A count with its noun.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

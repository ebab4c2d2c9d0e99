//! Parts of reports in words, for every way out that shows them.

use super::StatusReport;

impl StatusReport {
    /// The rules in force, as in `1 block, 0 allow rules, 1 limit scope, asn:64500 of 12 networks`.
    #[must_use]
    pub fn policy(&self) -> String {
        let mut rules = vec![
            counted(self.blocks_active, "block"),
            counted(self.allows_active, "allow rule"),
            counted(self.scopes, "limit scope"),
        ];
        let groups = self.groups.iter();
        rules.extend(groups.map(|(group, networks)| format!("{group} of {}", counted(*networks, "network"))));
        rules.join(", ")
    }
}

impl StatusReport {
    /// Incidents in progress, as in `4 open, worst critical`; none if there are none.
    #[must_use]
    pub fn incidents(&self) -> Option<String> {
        let worst = self.incidents_worst.map(|worst| format!(", worst {}", worst.label()));
        (self.incidents_open > 0)
            .then(|| format!("{} open{}", self.incidents_open, worst.unwrap_or_default()))
    }
}

/// A count with its noun.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

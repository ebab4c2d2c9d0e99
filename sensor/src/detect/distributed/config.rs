//! Thresholds of the distributed form.

use documented::DocumentedFields;

use crate::config::Section;
use crate::detect::config::Preset;

/// Thresholds.
///
/// A cumulative sum that alarms at h has at least e^h trials between false alarms if these are independent (Lorden,
/// 1971): with 100,000 trials a week, 12 would do for one a week. People's failures are not independent, so the
/// default is about twice that. The number of accounts is our own choice.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Required evidence, in nats: the natural logarithm of how many times more likely the observations are under an
    /// attack. If strangers' failures were independent, a false alarm would come once in e^25 attempts at the default.
    pub evidence: u32,
    /// Accounts with failures by strangers within ten minutes, for an attack whose attempts have nothing in common.
    pub accounts: u32,
}

impl Config {
    /// Defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self { evidence: preset.scaled(25), accounts: preset.scaled(20) }
    }

    /// Reads `[detect.credential-stuffing.distributed]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("evidence", 5..=1_000, &mut config.evidence);
        section.integer("accounts", 5..=1_000, &mut config.accounts);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::default())
    }
}

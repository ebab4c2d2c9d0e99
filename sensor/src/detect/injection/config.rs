//! Its thresholds.

use std::time::Duration;

use documented::DocumentedFields;

use crate::config::Section;
use crate::detect::Preset;

/// Thresholds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Parameters that a client attacks within `window`, or rules that it trips in as many requests, from which severity
    /// is high. No preset changes it.
    pub parameters: u32,
    /// The counting window.
    pub window: Duration,
    /// How long a field must have received such values, from at least three clients and without an error, before they
    /// count as ordinary there. `0s` never mutes a field.
    pub ordinary_after: Duration,
    /// Maximum clients remembered, and maximum fields.
    pub entries: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub const fn of(_preset: Preset) -> Self {
        Self {
            parameters: 3,
            window: Duration::from_secs(600),
            ordinary_after: Duration::from_secs(6 * 3_600),
            entries: 16_384,
        }
    }

    /// Reads `[detect.injection]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("parameters", 1..=16, &mut config.parameters);
        section.duration("window", Duration::from_secs(1), &mut config.window);
        section.duration("ordinary_after", Duration::ZERO, &mut config.ordinary_after);
        section.integer("entries", 16..=16_777_216, &mut config.entries);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Balanced)
    }
}

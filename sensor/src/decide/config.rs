//! What signals lead to.

use std::time::Duration;

use crate::config::Section;
use crate::detect::Severity;

/// How signals become decisions.
#[derive(Clone, Debug, PartialEq)]
pub struct DecideConfig {
    /// Least severity that blocks.
    pub block_from: Severity,
    /// Least confidence that blocks, from 0 to 1.
    pub block_confidence: f64,
    /// Least severity that limits.
    pub limit_from: Severity,
    /// Least confidence that limits, from 0 to 1.
    pub limit_confidence: f64,
    /// How long the first block of a client lasts; each further one twice as long as the one before, as
    /// fail2ban's `bantime.increment` does.
    pub block_for: Duration,
    /// How long a block lasts at most.
    pub block_for_max: Duration,
    /// After so long without a decision, a client's next block is a first one again.
    pub forget_after: Duration,
    /// After so long without a signal, an incident is over: the next signal is a new alert.
    pub incident_quiet: Duration,
    /// Kill switch: most blocks a minute.
    pub max_blocks_per_minute: u32,
    /// Kill switch: largest share of the clients tracked that detectors may have blocked, from 0 to 1.
    pub max_blocked_share: f64,
    /// Up to so many blocks that share does not matter: of three clients, one is many.
    pub min_blocked: u32,
}

impl Default for DecideConfig {
    fn default() -> Self {
        Self {
            block_from: Severity::High,
            block_confidence: 0.8,
            limit_from: Severity::Medium,
            limit_confidence: 0.5,
            block_for: Duration::from_secs(600),
            block_for_max: Duration::from_secs(86_400),
            forget_after: Duration::from_secs(7 * 86_400),
            incident_quiet: Duration::from_secs(600),
            max_blocks_per_minute: 1_000,
            max_blocked_share: 0.5,
            min_blocked: 100,
        }
    }
}

impl DecideConfig {
    /// Reads `[decide]`, whose table `limits` is not this room's.
    #[must_use]
    pub fn read(decide: &Section<'_>) -> Self {
        let mut config = Self::default();
        set(&mut config.block_from, decide.parsed("block_from", severity));
        set(&mut config.block_confidence, decide.parsed("block_confidence", share));
        set(&mut config.limit_from, decide.parsed("limit_from", severity));
        set(&mut config.limit_confidence, decide.parsed("limit_confidence", share));
        for (place, key) in [
            (&mut config.block_for, "block_for"),
            (&mut config.block_for_max, "block_for_max"),
            (&mut config.forget_after, "forget_after"),
            (&mut config.incident_quiet, "incident_quiet"),
        ] {
            let time = decide.duration(key);
            if time.is_some_and(|time| time < Duration::from_secs(1)) {
                decide.reject(key, "expected at least 1s");
            }
            set(place, time);
        }
        if config.block_for_max < config.block_for {
            decide.reject("block_for_max", "shorter than block_for");
        }
        set(&mut config.max_blocks_per_minute, decide.integer("max_blocks_per_minute", 1..=1_000_000));
        set(&mut config.max_blocked_share, decide.parsed("max_blocked_share", share));
        set(&mut config.min_blocked, decide.integer("min_blocked", 0..=1_000_000));
        config
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn severity(text: &str) -> Result<Severity, String> {
    let known = Severity::ALL.into_iter().find(|severity| severity.label() == text);
    known.ok_or_else(|| format!("expected one of {}", Severity::ALL.map(Severity::label).join(", ")))
}

fn share(text: &str) -> Result<f64, &'static str> {
    let share = text.parse().ok().filter(|share: &f64| (0.0..=1.0).contains(share));
    share.ok_or("expected a number from 0 to 1 in quotes, such as \"0.8\"")
}

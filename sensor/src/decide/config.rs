//! What signals lead to.

use std::collections::BTreeSet;
use std::time::Duration;

use documented::DocumentedFields;

use crate::config::{Form, Section};
use crate::detect::{Severity, Threat};

/// How signals become decisions.
#[derive(Clone, Debug, PartialEq, DocumentedFields)]
pub struct DecideConfig {
    /// Minimum severity that blocks the client.
    pub block_from: Severity,
    /// Minimum detector confidence that blocks, from 0 to 1.
    pub block_confidence: f64,
    /// Minimum severity that applies `decide.limits` to the client, if it does not block.
    pub limit_from: Severity,
    /// Minimum detector confidence that limits, from 0 to 1.
    pub limit_confidence: f64,
    /// Duration of a client's first block; each further block lasts twice as long as the one before, like fail2ban's
    /// `bantime.increment`.
    pub block_for: Duration,
    /// Maximum duration of a block.
    pub block_for_max: Duration,
    /// Time without a decision after which a client's next block counts as its first again.
    pub forget_after: Duration,
    /// Time without a signal after which an incident is over: the next signal is a new alert.
    pub incident_quiet: Duration,
    /// Kill switch: maximum blocks by detectors per minute; beyond it they become the limits of `decide.limits`.
    pub max_blocks_per_minute: u32,
    /// Kill switch: maximum share of tracked clients that detectors may have blocked, from 0 to 1; beyond it blocks
    /// become limits.
    pub max_blocked_share: f64,
    /// Detectors whose blocks of a client also end its open TCP connections on this host, in `enforce` mode; otherwise
    /// the server keeps them until its own time-out. Takes Linux 6.5, and sockets in the daemon's network namespace.
    pub close_connections: BTreeSet<Threat>,
    /// Number of blocks up to which `max_blocked_share` does not apply: one of three clients is already a large share.
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
            close_connections: BTreeSet::from([Threat::SlowAttack, Threat::CredentialStuffing]),
            min_blocked: 100,
        }
    }
}

impl DecideConfig {
    /// Reads `[decide]`, whose table `limits` is not this room's.
    #[must_use]
    pub fn read(decide: &Section<'_>) -> Self {
        let mut config = Self::default();
        let severities = Severity::ALL.map(|severity| (severity.label(), severity));
        let second = Duration::from_secs(1);
        decide.explain::<Self>();
        decide.choice("block_from", &severities, &mut config.block_from);
        decide.text("block_confidence", &SHARE, &mut config.block_confidence);
        decide.choice("limit_from", &severities, &mut config.limit_from);
        decide.text("limit_confidence", &SHARE, &mut config.limit_confidence);
        decide.duration("block_for", second, &mut config.block_for);
        decide.duration("block_for_max", second, &mut config.block_for_max);
        decide.duration("forget_after", second, &mut config.forget_after);
        decide.duration("incident_quiet", second, &mut config.incident_quiet);
        if config.block_for_max < config.block_for {
            decide.reject("block_for_max", "shorter than block_for");
        }
        decide.integer("max_blocks_per_minute", 1..=1_000_000, &mut config.max_blocks_per_minute);
        decide.text("max_blocked_share", &SHARE, &mut config.max_blocked_share);
        decide.set("close_connections", &DETECTOR, &mut config.close_connections);
        decide.integer("min_blocked", 0..=1_000_000, &mut config.min_blocked);
        config
    }
}

const DETECTOR: Form<Threat> = Form {
    kind: "the name of a detector",
    example: "scanner",
    read: |text| {
        let known = Threat::ALL.into_iter().find(|threat| threat.slug() == text);
        known
            .ok_or_else(|| format!("no detector `{text}`; their names are those of the tables `detect.NAME`"))
    },
    show: |threat| threat.slug().to_owned(),
};

const SHARE: Form<f64> = Form {
    kind: "a number from 0 to 1 in quotes",
    example: "0.9",
    read: |text| {
        let share = text.parse().ok().filter(|share: &f64| (0.0..=1.0).contains(share));
        share.ok_or_else(|| "expected a number from 0 to 1 in quotes, such as \"0.8\"".to_owned())
    },
    show: f64::to_string,
};

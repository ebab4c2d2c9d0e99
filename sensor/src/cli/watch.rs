//! Detectors and decisions over captures: all of the daemon's findings, none of its actions.

use ipnet::IpNet;

use crate::clock::Timestamp;
use crate::daemon::Config;
use crate::decide::{Alert, Decider, Ids, Surroundings};
use crate::detect::{self, Detectors, Signal};
use crate::event::Event;
use crate::prefix;

/// The detectors of a configuration, and the decider for their signals.
pub(super) struct Watch {
    detectors: Detectors,
    config: detect::Config,
    decider: Decider,
    around: Captured,
    alerts: u64,
}

/// Surroundings of a host other than this one.
struct Captured {
    protected: Vec<IpNet>,
}

impl Surroundings for Captured {
    fn enforces(&self) -> bool {
        false
    }

    fn why_not(&self) -> &'static str {
        "a replay changes nothing"
    }

    fn protection(&self, prefix: &IpNet) -> Option<String> {
        let found = self.protected.iter().find(|protected| prefix::overlap(protected, prefix));
        found.map(|protected| format!("{protected} is a never_block prefix"))
    }

    fn clients(&self) -> u64 {
        u64::MAX
    }
}

impl Watch {
    pub(super) fn new(config: &Config) -> Self {
        let proxies = &config.sense.pipeline.identity.trusted_proxies;
        let allowed: Vec<IpNet> = config.policy.allow.iter().filter_map(|whom| whom.prefix()).collect();
        let protected = config.never_block.iter().chain(proxies).chain(&allowed).copied().collect();
        // If a table is full, evictions must not depend on the process.
        let detect = detect::Config { seed: Some(0), ..config.detect.clone() };
        Self {
            detectors: Detectors::new(&detect),
            config: detect,
            // The same capture gives the same identifiers.
            decider: Decider::new(config.decide.clone(), Ids::default()),
            around: Captured { protected },
            alerts: 0,
        }
    }

    pub(super) fn observe(&mut self, event: &Event<'_>) -> Vec<Alert> {
        let signals: Vec<Signal> = self.detectors.observe(event).collect();
        self.decide(&signals)
    }

    pub(super) fn advance(&mut self, now: Timestamp) -> Vec<Alert> {
        let signals: Vec<Signal> = self.detectors.advance(now).collect();
        self.decide(&signals)
    }

    fn decide(&mut self, signals: &[Signal]) -> Vec<Alert> {
        let Self { config, decider, around, .. } = self;
        let decided =
            signals.iter().map(|signal| decider.decide(signal, config.response(signal.threat), around));
        let alerts: Vec<Alert> = decided.filter_map(|outcome| outcome.alert).collect();
        self.alerts = self.alerts.saturating_add(u64::try_from(alerts.len()).unwrap_or(u64::MAX));
        alerts
    }

    pub(super) const fn alerts(&self) -> u64 {
        self.alerts
    }
}

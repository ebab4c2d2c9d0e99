//! What this host and the others of its fleet count together: login attempts, and requests of principals against limits.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::Commands;
use crate::clock;
use crate::control::wire::{FleetEvidence, FleetLimits};
use crate::detect;
use crate::detect::shared::{Thresholds, Together};
use crate::fleet::evidence::{self, EvidenceCounts, EvidenceState, Peers};
use crate::fleet::limits::{self, LimitCounts, LimitState};
use crate::fleet::{FleetConfig, Member, PublicKey, SigningKey};
use crate::identity::FleetKeys;

/// What detectors and the identification of clients need for it.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct Joint {
    pub(in crate::daemon) keys: FleetKeys,
    pub(in crate::daemon) together: Together,
    evidence: Option<Sums>,
    limits: Option<Arc<LimitState>>,
}

/// The exchange of evidence.
#[derive(Clone, Debug)]
struct Sums {
    state: Arc<EvidenceState>,
    /// When it began, by the monotonic clock, if this host makes sums.
    began: Option<Duration>,
}

/// What is shared.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Sharing {
    pub(in crate::daemon) joint: Option<Joint>,
    /// Why nothing is.
    trouble: Option<String>,
    /// Whether any principal has a limit that could hold for the fleet.
    has_limits: bool,
    /// Whether the configuration keeps them to each host.
    is_opted_out: bool,
}

/// Starts to share, if the configuration has a key for it.
pub(super) fn start(
    commands: &Arc<Commands>,
    config: &FleetConfig,
    detect: &detect::Config,
    own_key: &Path,
) -> Sharing {
    let takes_part = config.limits && config.publish && config.apply;
    let limits_principals = detect.request_rate.limits_principals();
    let has_limits = takes_part && limits_principals;
    let is_opted_out = limits_principals && !takes_part;
    let without = |trouble| Sharing { joint: None, trouble, has_limits, is_opted_out };
    if !config.evidence && !has_limits {
        return without(None);
    }
    let Some(file) = &config.evidence_key_file else {
        return without(Some("`[fleet] evidence_key_file` is not set".to_owned()));
    };
    let read = evidence::read_keys(file).map_err(|error| error.to_string());
    let both = read.and_then(|keys| {
        let signer = SigningKey::read(own_key).map_err(|error| error.to_string())?;
        Ok((keys, signer))
    });
    let (keys, signer) = match both {
        Ok(both) => both,
        Err(error) => {
            warn!(%error, "detectors count on this host alone");
            return without(Some(error));
        }
    };
    let mut joint = Joint { keys: keys.clone(), together: Together::default(), evidence: None, limits: None };
    if has_limits {
        let (desk, charges) = limits::desk();
        joint.limits = Some(Arc::clone(charges.state()));
        joint.together.limits = Some(Arc::new(desk));
        tokio::spawn(limits::run(config.clone(), keys.clone(), charges, Door(Arc::clone(commands))));
    }
    if config.evidence {
        let thresholds = Thresholds {
            evidence: f64::from(detect.distributed.evidence),
            accounts: detect.distributed.accounts,
        };
        let (desk, counter) = evidence::desk();
        let (state, began) = (Arc::clone(counter.state()), config.apply.then(clock::monotonic));
        joint.evidence = Some(Sums { state, began });
        joint.together.evidence = Some(Arc::new(desk));
        let ring = (keys, signer);
        tokio::spawn(evidence::run(config.clone(), ring, thresholds, counter, Door(Arc::clone(commands))));
    }
    Sharing { joint: Some(joint), trouble: None, has_limits, is_opted_out }
}

/// The daemon as the exchange sees it.
struct Door(Arc<Commands>);

impl Peers for Door {
    fn trusted(&self) -> Vec<PublicKey> {
        let engine = self.0.engine();
        let trusted = |member: &Member| {
            let roster = member.roster();
            roster.hosts().map(|(key, _)| key).filter(|key| roster.trusts(*key).is_ok()).collect()
        };
        engine.fleet.member.as_ref().map(trusted).unwrap_or_default()
    }
}

impl Sharing {
    fn sums(&self) -> Option<&Sums> {
        self.joint.as_ref()?.evidence.as_ref()
    }

    /// For metrics.
    pub(in crate::daemon) fn evidence_stats(&self) -> Option<(EvidenceCounts, Option<Duration>)> {
        let Sums { state, began } = self.sums()?;
        let now = clock::monotonic();
        let age = began.map(|began| state.age(now).unwrap_or(now.saturating_sub(began)));
        Some((state.counts(), age))
    }

    /// For metrics.
    pub(in crate::daemon) fn limit_stats(&self) -> Option<LimitCounts> {
        Some(self.joint.as_ref()?.limits.as_ref()?.counts())
    }

    /// For reports.
    pub(in crate::daemon) fn evidence(&self) -> FleetEvidence {
        let Some(Sums { state, .. }) = self.sums() else {
            return FleetEvidence { trouble: self.trouble.clone(), ..FleetEvidence::default() };
        };
        let counts = state.counts();
        let age = state.age(clock::monotonic());
        FleetEvidence {
            shared: true,
            trouble: state.trouble(),
            hosts: counts.hosts,
            age_ms: age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            attacked: counts.attacked,
            sent: counts.sent,
            taken: counts.taken,
            refused: counts.refused,
            lost: counts.lost,
            unsaid: counts.unsaid,
        }
    }

    /// For reports.
    pub(in crate::daemon) fn limits(&self) -> FleetLimits {
        let Some(state) = self.joint.as_ref().and_then(|joint| joint.limits.as_ref()) else {
            let opted_out = "`[fleet] limits`, `publish` or `apply` is off".to_owned();
            let trouble = if self.is_opted_out {
                Some(opted_out)
            } else {
                self.trouble.clone().filter(|_| self.has_limits)
            };
            return FleetLimits { trouble, ..FleetLimits::default() };
        };
        let LimitCounts { charged, calls, over, lost } = state.counts();
        FleetLimits { shared: true, trouble: state.trouble(), charged, calls, over, lost }
    }
}

//! What this host and the others of its fleet count together.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::Commands;
use crate::clock;
use crate::control::wire::FleetEvidence;
use crate::detect;
use crate::detect::shared::{Shared, Thresholds};
use crate::fleet::evidence::{self, EvidenceCounts, EvidenceState, Peers};
use crate::fleet::{FleetConfig, Member, PublicKey, SigningKey};
use crate::identity::FleetKeys;

/// What detectors and the identification of logins need for it.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct Joint {
    pub(in crate::daemon) keys: FleetKeys,
    pub(in crate::daemon) shared: Arc<dyn Shared>,
    state: Arc<EvidenceState>,
    /// When it began, by the monotonic clock, if this host makes sums.
    began: Option<Duration>,
}

/// Whether evidence is shared.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Evidence {
    pub(in crate::daemon) joint: Option<Joint>,
    /// Why not.
    trouble: Option<String>,
}

/// Starts to exchange evidence, if the configuration has a key for it.
pub(super) fn start(
    commands: &Arc<Commands>,
    config: &FleetConfig,
    detect: &detect::Config,
    own_key: &Path,
) -> Evidence {
    if !config.evidence {
        return Evidence::default();
    }
    let Some(file) = &config.evidence_key_file else {
        return Evidence { joint: None, trouble: Some("`[fleet] evidence_key_file` is not set".to_owned()) };
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
            return Evidence { joint: None, trouble: Some(error) };
        }
    };
    let thresholds = Thresholds {
        evidence: f64::from(detect.distributed.evidence),
        accounts: detect.distributed.accounts,
    };
    let (desk, counter) = evidence::desk();
    let state = Arc::clone(counter.state());
    let began = config.apply.then(clock::monotonic);
    let ring = (keys.clone(), signer);
    tokio::spawn(evidence::run(config.clone(), ring, thresholds, counter, Door(Arc::clone(commands))));
    Evidence { joint: Some(Joint { keys, shared: Arc::new(desk), state, began }), trouble: None }
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

impl Evidence {
    /// For metrics.
    pub(in crate::daemon) fn stats(&self) -> Option<(EvidenceCounts, Option<Duration>)> {
        let Joint { state, began, .. } = self.joint.as_ref()?;
        let now = clock::monotonic();
        let age = began.map(|began| state.age(now).unwrap_or(now.saturating_sub(began)));
        Some((state.counts(), age))
    }

    /// For reports.
    pub(in crate::daemon) fn report(&self) -> FleetEvidence {
        let Some(joint) = &self.joint else {
            return FleetEvidence { trouble: self.trouble.clone(), ..FleetEvidence::default() };
        };
        let counts = joint.state.counts();
        let age = joint.state.age(clock::monotonic());
        FleetEvidence {
            shared: true,
            trouble: joint.state.trouble(),
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
}

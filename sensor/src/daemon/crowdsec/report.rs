//! Reports on CrowdSec.

use crate::clock;
use crate::control::wire::{CrowdsecPushes, CrowdsecReport};
use crate::crowdsec::PushCounts;
use crate::daemon::engine::Engine;
use crate::metrics::CrowdsecStats;

impl Engine {
    /// For `sensor status`.
    pub(in crate::daemon) fn crowdsec_report(&self) -> Option<CrowdsecReport> {
        let server = self.crowdsec.server.clone()?;
        let (state, stats) = (&self.crowdsec.state, self.crowdsec_stats()?);
        let age = state.age(clock::monotonic());
        Some(CrowdsecReport {
            server,
            connected: state.is_connected(),
            trouble: state.trouble(),
            age_ms: age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            decisions: stats.decisions,
            blocks: stats.blocks,
            failures: stats.pulls.failures,
            pulls: self.crowdsec.pulls,
            usage_metrics: state.takes_usage(),
            pushes: self.crowdsec.push.as_ref().map(|_| self.pushes()),
            left: stats.pulls.left.iter().map(|(why, count)| (why.label().to_owned(), *count)).collect(),
        })
    }

    /// For metrics.
    pub(in crate::daemon) fn crowdsec_stats(&self) -> Option<CrowdsecStats> {
        let crowdsec = &self.crowdsec;
        crowdsec.server.as_ref()?;
        let state = &crowdsec.state;
        Some(CrowdsecStats {
            pushes: crowdsec.push.as_ref().map(|_| crowdsec.push_state.counts()),
            connected: state.is_connected(),
            age: state.age(clock::monotonic()).unwrap_or_default(),
            pulls: state.counts(),
            decisions: count(crowdsec.standing.len()),
            blocks: count(self.policy.crowdsec_blocks().len()),
        })
    }

    /// Why decisions of CrowdSec do not come.
    pub(in crate::daemon) fn crowdsec_trouble(&self) -> Option<String> {
        let server = self.crowdsec.server.as_ref()?;
        let stand = self.crowdsec.standing.len();
        let pulling = self.crowdsec.state.trouble();
        let pulling = pulling.map(|why| format!("{why}; decisions hold until they end ({stand} known)"));
        let pushing = self.crowdsec.push_state.trouble();
        let pushing = pushing.map(|why| format!("alerts are not pushed: {why}"));
        let all: Vec<String> = pulling.into_iter().chain(pushing).collect();
        (!all.is_empty()).then(|| format!("{server}: {}", all.join("; ")))
    }

    fn pushes(&self) -> CrowdsecPushes {
        let state = &self.crowdsec.push_state;
        let PushCounts { sent, allowed, lost, failures } = state.counts();
        CrowdsecPushes {
            sent,
            allowed,
            lost,
            failures,
            allow_lists: state.has_lists(),
            trouble: state.trouble(),
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

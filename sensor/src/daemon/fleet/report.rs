//! Reports on the fleet.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::clock;
use crate::control::wire::{FleetHost, FleetReport, FleetSays};
use crate::daemon::engine::Engine;
use crate::fleet::{Effect, Member};
use crate::metrics::FleetStats;

impl Engine {
    pub(in crate::daemon) fn fleet_report(&self) -> Result<FleetReport, String> {
        let member = self.ensure_fleet()?;
        let (state, config, stats) = (member.state(), member.config(), self.stats_of(member));
        let lag = state.lag(clock::monotonic());
        let not_trusted = member.roster().trusts(member.key()).err();
        let refused = stats.refused.iter();
        Ok(FleetReport {
            name: config.name.clone(),
            server: format!("{}:{}", config.server(), config.port()),
            authority: config.authority,
            host: config.host.clone(),
            key: member.key(),
            not_trusted: not_trusted.map(|why| why.to_string()),
            connected: stats.connected,
            trouble: state.trouble(),
            lag_ms: lag.map(|lag| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)),
            reconnects: stats.reconnects,
            sent: stats.sent,
            taken: stats.taken,
            lost: stats.lost,
            refused: refused.map(|(why, count)| (why.label().to_owned(), *count)).collect(),
            records: stats.records,
            blocks: stats.blocks,
            evidence: self.fleet.sharing.evidence(),
            limits: self.fleet.sharing.limits(),
            hosts: hosts(member),
        })
    }

    /// What hosts of the fleet say about a client.
    pub(in crate::daemon) fn fleet_says(&self, prefix: &IpNet) -> Vec<FleetSays> {
        let Some(member) = &self.fleet.member else { return Vec::new() };
        let standing = member.standing();
        let about = standing.subjects().filter(|(of, _)| of.contains(prefix));
        let said = about.flat_map(|subject| {
            let measure = subject.1;
            standing.said(&subject).map(move |effect| (measure, effect))
        });
        said.map(|(measure, Effect { by, until, since, reason })| FleetSays {
            host: member.name_of(by),
            measure,
            since,
            until,
            reason,
        })
        .collect()
    }

    /// Why this host is on its own.
    pub(in crate::daemon) fn fleet_trouble(&self) -> Option<String> {
        let alone = "this host works on alone";
        let Some(member) = &self.fleet.member else {
            return self.fleet.trouble.as_ref().map(|why| format!("{why}; {alone}"));
        };
        if !member.state().is_connected() {
            let why = member.state().trouble()?;
            return Some(format!("no connection to {}: {why}; {alone}", member.config().server()));
        }
        let why = member.roster().trusts(member.key()).err()?;
        Some(format!("other hosts do not take what this one decides: {why}; see `sensor fleet join`"))
    }

    /// For metrics.
    pub(in crate::daemon) fn fleet_stats(&self) -> Option<FleetStats> {
        self.fleet.member.as_ref().map(|member| self.stats_of(member))
    }

    fn stats_of(&self, member: &Member) -> FleetStats {
        let (state, counts) = (member.state(), member.state().counts());
        FleetStats {
            connected: state.is_connected(),
            lag: state.lag(clock::monotonic()).unwrap_or_default(),
            reconnects: counts.reconnects,
            sent: counts.sent,
            taken: member.taken(),
            lost: counts.lost,
            refused: member.refused().clone(),
            records: count(member.standing().len()),
            blocks: count(self.policy.fleet_blocks().len()),
            hosts: count(member.roster().hosts().filter(|(_, host)| host.expelled.is_none()).count()),
            evidence: self.fleet.sharing.evidence_stats(),
            limits: self.fleet.sharing.limit_stats(),
        }
    }
}

pub(super) fn hosts(member: &Member) -> Vec<FleetHost> {
    let records: BTreeMap<_, _> = member.standing().counts().collect();
    let rows = member.roster().hosts().map(|(key, host)| FleetHost {
        host: member.name_of(key),
        key,
        since: host.since,
        expelled: host.expelled,
        undone: host.undone,
        records: count(records.get(&key).copied().unwrap_or(0)),
        own: key == member.key(),
    });
    rows.collect()
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

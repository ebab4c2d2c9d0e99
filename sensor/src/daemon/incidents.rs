//! Answers about incidents, and blocks for all clients of one.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::commands::{Commands, SAMPLE, cause_of};
use super::engine::Engine;
use super::key::read_key;
use super::records;
use super::responder::Details;
use super::routes::standing;
use crate::clock;
use crate::control::Peer;
use crate::control::wire::{
    AccountReport, BlockAdded, ClientRow, ClientSort, IncidentBlocks, LeftAlone, Mark, Preview, Standing,
    Target, Typed,
};
use crate::decide::{Action, Change, Incident, RecordId};
use crate::enforce::Mode;
use crate::groups::{Group, Networks};
use crate::identity::{Hasher, Kind};
use crate::prefix;
use crate::store::Which;

/// Maximum clients named in a preview.
const NAMED: usize = 20;
/// Maximum incidents returned for an account.
const MOST: usize = 100;

impl Commands {
    /// The hash of an account's name, and incidents about it. The name is neither stored nor logged.
    pub(super) async fn account(&self, name: Typed) -> Result<AccountReport, String> {
        let (reader, state_dir) = {
            let engine = self.engine();
            (engine.responder.reader()?, engine.config.paths.state_dir.clone())
        };
        let read = tokio::task::spawn_blocking(move || {
            let hasher = Hasher::new(&read_key(&state_dir).map_err(|error| error.to_string())?);
            let user = hasher.user(name.0.as_bytes()).to_string();
            let basic = hasher.folded(Kind::Basic, name.0.as_bytes()).to_string();
            let mut incidents = Vec::new();
            for subject in [&user, &basic] {
                let about = Which::About(subject.clone());
                incidents.extend(reader.incidents(&about, MOST).map_err(|error| error.to_string())?);
            }
            Ok(AccountReport { user, basic, incidents })
        });
        read.await.map_err(|error| error.to_string())?
    }

    /// An incident with all participants.
    async fn incident(&self, id: RecordId) -> Result<Incident, String> {
        let reader = self.engine().responder.reader()?;
        let read = tokio::task::spawn_blocking(move || records::incident(&reader, id));
        read.await.map_err(|error| error.to_string())?
    }

    /// Blocks everybody that an incident accuses, as a command does with one prefix.
    pub(super) async fn block_incident(
        &self,
        id: RecordId,
        (for_ms, reason, fleet): (Option<u64>, Option<String>, bool),
        peer: &Peer,
    ) -> Result<IncidentBlocks, String> {
        let incident = self.incident(id).await?;
        let (prefixes, mut left_alone) = accused(&incident);
        if prefixes.is_empty() {
            return Err(format!("incident {id} has no offender that can be blocked"));
        }
        let reason = reason.unwrap_or_else(|| format!("incident {id}, {}", incident.detector.slug()));
        let mut blocked: Vec<BlockAdded> = Vec::new();
        for prefix in prefixes {
            // One at a time: others who wait for the engine get their turn in between.
            let mut engine = self.engine();
            let now = clock::now();
            match engine.add_block(prefix.into(), (for_ms, Some(reason.clone()), fleet), now) {
                Ok(()) => {
                    let added = engine.block_added(prefix.into());
                    let until = added.as_ref().and_then(|added| added.row.until);
                    let details = Details { alert_id: Some(id), until, detail: Some(reason.clone()) };
                    engine.responder.audit(now, Change::BlockAdded, &prefix, cause_of(peer), details);
                    blocked.extend(added);
                }
                Err(why) => left_alone.push(LeftAlone { prefix, why }),
            }
        }
        Ok(IncidentBlocks { incident: id, blocked, left_alone })
    }

    /// Whom a block would hit, from two samples a second apart.
    pub(super) async fn preview(&self, target: Target) -> Result<Preview, String> {
        let (whom, left_alone) = match target {
            Target::Prefix(prefix) => (Hit::Prefixes(vec![prefix]), Vec::new()),
            Target::Group(group) => {
                let (mut members, mut troubles) = self.read_groups([group].into()).await?;
                let networks = members.remove(&group);
                let missing = || troubles.remove(&group).unwrap_or_default();
                (Hit::Group(group, networks.ok_or_else(missing)?), Vec::new())
            }
            Target::Incident(id) => {
                let (prefixes, left_alone) = accused(&self.incident(id).await?);
                (Hit::Prefixes(prefixes), left_alone)
            }
        };
        let before = self.engine().sample_clients().map_err(|error| error.to_string())?;
        tokio::time::sleep(SAMPLE).await;
        let engine = self.engine();
        let rows = engine.busiest_clients(&before, usize::MAX, ClientSort::Packets);
        Ok(engine.whom_it_hits(whom, left_alone, &rows.map_err(|error| error.to_string())?))
    }
}

/// Whom a block is for.
enum Hit {
    Prefixes(Vec<IpNet>),
    Group(Group, Arc<Networks>),
}

impl Hit {
    /// Whether a client has an address in it.
    fn has(&self, client: &IpNet) -> bool {
        match self {
            Self::Prefixes(prefixes) => prefixes.iter().any(|prefix| prefix::overlap(prefix, client)),
            Self::Group(_, networks) => networks.overlap(client),
        }
    }
}

/// Prefixes that an incident accuses and that can be blocked, and the others.
fn accused(incident: &Incident) -> (Vec<IpNet>, Vec<LeftAlone>) {
    let (mut prefixes, mut left_alone) = (Vec::new(), Vec::new());
    for one in incident.offenders.iter().filter(|one| one.accused) {
        let prefix = one.client.prefix();
        if one.proxied && one.action == Action::None {
            let why = "behind a trusted proxy, so its packets have the proxy's address".to_owned();
            left_alone.push(LeftAlone { prefix, why });
        } else {
            prefixes.push(prefix);
        }
    }
    (prefixes, left_alone)
}

impl Engine {
    fn whom_it_hits(&self, whom: Hit, mut left_alone: Vec<LeftAlone>, rows: &[ClientRow]) -> Preview {
        let (whom, spared) = self.without_refused(whom);
        left_alone.extend(spared);
        // A group may contain what is never blocked, and a prefix may not.
        let is_spared =
            |client: &IpNet| matches!(whom, Hit::Group(..)) && self.never_block.conflict(client).is_some();
        let hit = |row: &&ClientRow| whom.has(&row.client) && !is_spared(&row.client);
        let sum = |rows: &mut dyn Iterator<Item = &ClientRow>| {
            rows.fold(0_u64, |sum, row| sum.saturating_add(row.rates.packets))
        };
        let of = |wanted: &dyn Fn(&ClientRow) -> bool| {
            let count = rows.iter().filter(hit).filter(|row| wanted(row)).count();
            u64::try_from(count).unwrap_or(u64::MAX)
        };
        let mut preview = Preview {
            left_alone,
            enforced: self.policy.mode() == Mode::Enforce,
            hit: of(&|_| true),
            allowed: of(&|row| matches!(row.standing, Standing::Allowed { .. })),
            innocent: of(&|row| row.incident.is_none()),
            tracked: u64::try_from(rows.len()).unwrap_or(u64::MAX),
            packets: sum(&mut rows.iter().filter(hit)),
            packets_of_all: sum(&mut rows.iter()),
            clients: rows.iter().filter(hit).take(NAMED).cloned().collect(),
            prefixes: Vec::new(),
            group: None,
        };
        match whom {
            Hit::Prefixes(prefixes) => preview.prefixes = prefixes,
            Hit::Group(group, networks) => {
                preview.group = Some((group, u64::try_from(networks.len()).unwrap_or(u64::MAX)));
            }
        }
        preview
    }

    /// What `block add` would block of it, and what not.
    fn without_refused(&self, whom: Hit) -> (Hit, Vec<LeftAlone>) {
        let mut left_alone = Vec::new();
        let prefixes = match whom {
            Hit::Prefixes(prefixes) => prefixes,
            Hit::Group(_, ref networks) => {
                // They get an allow each, and the rest is blocked.
                let within = self.never_block.rules().filter(|(prefix, _)| networks.overlap(prefix));
                let spared = within.filter_map(|(prefix, _)| self.never_block.conflict(prefix));
                left_alone.extend(spared.map(|rule| LeftAlone { prefix: rule.prefix, why: rule.reason() }));
                return (whom, left_alone);
            }
        };
        let refused = |prefix: &IpNet| {
            let protected = self.never_block.conflict(prefix).map(|rule| rule.reason());
            let allow = self.policy.allows_covering(*prefix).next();
            protected.or_else(|| {
                allow.map(|(allowed, _)| format!("{allowed} is allowed, and an allow overrides a block"))
            })
        };
        let is_blocked = |prefix: &IpNet| {
            let why = refused(prefix);
            left_alone.extend(why.iter().map(|why| LeftAlone { prefix: *prefix, why: why.clone() }));
            why.is_none()
        };
        let prefixes = prefixes.into_iter().filter(is_blocked).collect();
        (Hit::Prefixes(prefixes), left_alone)
    }

    /// Adds the clients' state in the policy, and in open incidents.
    pub(super) fn mark(&self, rows: &mut [ClientRow]) {
        let marks = self.responder.decider.marks();
        for row in rows {
            row.standing = standing(&self.policy, &row.client);
            row.incident = mark_of(&marks, &row.client);
        }
    }
}

/// The mark of a client, or of its site.
fn mark_of(marks: &BTreeMap<IpNet, (crate::detect::Severity, RecordId)>, client: &IpNet) -> Option<Mark> {
    let site = match client {
        IpNet::V6(client) => ipnet::Ipv6Net::new(client.network(), prefix::SITE_BITS).ok(),
        IpNet::V4(_) => None,
    };
    let site = site.map(|site| IpNet::V6(site.trunc()));
    let found = [Some(*client), site].into_iter().flatten().filter_map(|prefix| marks.get(&prefix));
    found.max().map(|(severity, id)| Mark { id: *id, severity: *severity })
}

/// Recently active incidents come from memory: the store may be waiting for the disk.
pub(super) fn open_about(engine: &Engine, prefix: &IpNet) -> Vec<Incident> {
    engine.responder.decider.incidents_of(prefix)
}

//! Executes a plan in the kernel's maps.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use sensor_common::abi::{ScopeLimits, prefixes};
use sensor_common::table::MARKS;

use super::blocks::Until;
use super::indexes::Indexes;
use super::limits::Scope;
use super::mode::Mode;
use super::plan::{self, Actual, Change, Measures, Shared};
use super::policy::Policy;
use super::room::{EnforceError, Room};
use crate::clock::Timestamp;
use crate::kernel::{Capacities, Dataplane, KernelError, TrieKind};
use crate::prefix::ClientNet;

/// Changes of one kind in a row that are made with few system calls instead of one each.
const WORTH_A_BATCH: usize = 16;
/// Changes between two looks at what the kernel said.
const BATCH: usize = 65_536;

/// The writer of the policy maps.
#[derive(Debug)]
pub struct Enforcer {
    actual: Actual,
    indexes: Indexes,
    default_index: u32,
    room: Room,
    /// Allows and blocks within the network of one client.
    finer: BTreeSet<IpNet>,
    /// Clients that the kernel looks up for each packet.
    marked: BTreeSet<IpAddr>,
    /// Prefixes protected by the policy applied last, if it was applied as a whole.
    protected: Option<Vec<IpNet>>,
}

impl Enforcer {
    /// Reads the maps: nothing in new ones, an earlier daemon's policy in adopted ones.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn new(
        dataplane: &Dataplane,
        capacities: Capacities,
        client_bits: (u8, u8),
        now: Timestamp,
    ) -> Result<Self, EnforceError> {
        let clock = dataplane.clock()?;
        let default_index = dataplane.settings().default_scope;
        let mut actual = Actual { default_limits: dataplane.scopes.get(default_index)?, ..Actual::default() };
        let mut indexes = Indexes::default();
        let mut limits: BTreeMap<u32, Shared> = BTreeMap::new();
        for (prefix, index) in dataplane.tries.scopes()? {
            let shared = match limits.get(&index) {
                Some(shared) => Arc::clone(shared),
                None => Arc::new(dataplane.scopes.get(index)?),
            };
            if limits.insert(index, Arc::clone(&shared)).is_none() {
                indexes.wrote(index, *shared);
            }
            actual.scopes.insert(prefix, shared);
            indexes.refer(prefix, index);
        }
        actual.allows = dataplane.tries.allows()?.into_iter().collect();
        for (prefix, until) in dataplane.tries.blocks()? {
            let until = (until != 0).then(|| now.plus(Duration::from_nanos(until.saturating_sub(clock))));
            actual.blocks.insert(prefix, until);
        }
        let marked = dataplane.tries.marked()?.into_iter().collect();
        let room = Room { capacities, client_bits };
        let finer = actual.allows.iter().chain(actual.blocks.keys()).filter(|prefix| room.is_finer(prefix));
        let finer = finer.copied().collect();
        Ok(Self { actual, indexes, default_index, room, finer, marked, protected: None })
    }

    /// Applies a whole policy. `protected` prefixes are allowed in addition.
    ///
    /// # Errors
    /// If the policy does not fit, in which case nothing is changed, or the kernel refuses.
    pub fn apply(
        &mut self,
        dataplane: &mut Dataplane,
        policy: &Policy,
        protected: &[IpNet],
        now: Timestamp,
    ) -> Result<(), EnforceError> {
        self.protected = None;
        self.room.check(policy, protected)?;
        let changes = plan::whole(policy, protected, &self.actual, self.measures(dataplane));
        self.perform(dataplane, changes, now)?;
        self.note_singles(policy);
        dataplane.set_enforce(policy.mode() == Mode::Enforce);
        self.protected = Some(protected.to_owned());
        Ok(())
    }

    /// Whether the policy was applied as a whole with these protected prefixes, and nothing was refused since.
    #[must_use]
    pub fn protects(&self, protected: &[IpNet]) -> bool {
        self.protected.as_deref() == Some(protected)
    }

    /// Applies a change to the block of one prefix.
    ///
    /// # Errors
    /// As [`Enforcer::apply`].
    pub fn apply_block(
        &mut self,
        dataplane: &mut Dataplane,
        policy: &Policy,
        prefix: &IpNet,
        now: Timestamp,
    ) -> Result<(), EnforceError> {
        self.apply_blocks(dataplane, policy, std::slice::from_ref(prefix), now)
    }

    /// Applies changes to the blocks of many prefixes at once.
    ///
    /// # Errors
    /// As [`Enforcer::apply`].
    pub fn apply_blocks(
        &mut self,
        dataplane: &mut Dataplane,
        policy: &Policy,
        prefixes: &[IpNet],
        now: Timestamp,
    ) -> Result<(), EnforceError> {
        let adds =
            |prefix: &&IpNet| policy.block(prefix).is_some() && !self.actual.blocks.contains_key(*prefix);
        let (v4, v6): (Vec<&IpNet>, Vec<&IpNet>) =
            prefixes.iter().filter(adds).partition(|prefix| prefix.addr().is_ipv4());
        for first in [v4, v6].iter().filter_map(|family| family.first()) {
            self.room.check_block(first, policy.blocks_of_family(first))?;
        }
        let changes = plan::some_blocks(policy, &self.actual, prefixes);
        self.perform(dataplane, changes, now)
    }

    /// Applies the limits of `default` and of prefixes, without checking groups, blocks and allows.
    ///
    /// # Errors
    /// As [`Enforcer::apply`].
    pub fn apply_limits(
        &mut self,
        dataplane: &mut Dataplane,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<(), EnforceError> {
        self.room.check_scopes(policy)?;
        let changes = plan::some_limits(policy, &self.actual, self.measures(dataplane));
        self.perform(dataplane, changes, now)?;
        self.note_singles(policy);
        Ok(())
    }

    fn measures(&self, dataplane: &Dataplane) -> Measures {
        Measures { tick_ns: dataplane.settings().tick_ns, client_bits: self.room.client_bits }
    }

    fn note_singles(&mut self, policy: &Policy) {
        let singles = policy.scopes().into_keys();
        self.actual.single_scopes = singles
            .filter_map(|scope| if let Scope::Prefix(prefix) = scope { Some(prefix) } else { None })
            .collect();
    }

    /// Blocks in the kernel now, with their expiry.
    #[must_use]
    pub const fn blocks(&self) -> &BTreeMap<IpNet, Option<Timestamp>> {
        &self.actual.blocks
    }

    /// Their number.
    #[must_use]
    pub fn block_count(&self) -> usize {
        self.actual.blocks.len()
    }

    /// Executes changes and publishes them at once. After an error, the changes so far are published too: [`Actual`]
    /// reflects the kernel, and the next plan continues from there.
    fn perform(
        &mut self,
        dataplane: &mut Dataplane,
        changes: Vec<Change>,
        now: Timestamp,
    ) -> Result<(), EnforceError> {
        if changes.is_empty() {
            return Ok(());
        }
        let clock = dataplane.clock()?;
        let mut result = Ok(());
        for run in changes.chunk_by(Change::is_like) {
            result = if run.len() < WORTH_A_BATCH {
                run.iter().try_for_each(|change| self.perform_one(dataplane, change, now, clock))
            } else {
                run.chunks(BATCH).try_for_each(|run| self.perform_many(dataplane, run, now, clock))
            };
            if result.is_err() {
                self.protected = None;
                break;
            }
        }
        self.publish(dataplane);
        result
    }

    /// Marks clients, then has every client looked up again, then removes marks that are no longer needed.
    fn publish(&mut self, dataplane: &mut Dataplane) {
        let (v4, v6) = self.room.client_bits;
        let client = |prefix: &IpNet| ClientNet::new(prefix.network(), v4, v6).address();
        let mut wanted: BTreeSet<IpAddr> = self.finer.iter().map(client).collect();
        let has_room = wanted.len() <= MARKS as usize;
        let is_done =
            has_room && wanted.difference(&self.marked).all(|new| dataplane.tries.mark(*new).is_ok());
        let mut flags = self.prefix_flags();
        if !is_done {
            // Every client of the family then pays for them.
            let (v4, v6) = families(self.finer.iter());
            flags |= if v4 { prefixes::FINER_THAN_CLIENT } else { 0 };
            flags |= if v6 { prefixes::FINER_THAN_CLIENT << 1 } else { 0 };
            wanted.retain(|client| self.marked.contains(client));
        } else if !wanted.is_empty() {
            flags |= prefixes::MARKED;
        }
        dataplane.publish_policy(flags, self.default_index);
        for old in self.marked.difference(&wanted) {
            // A client that stays marked is looked up more often than needed, nothing else.
            let _removed = dataplane.tries.unmark(*old);
        }
        self.marked = wanted;
    }

    fn perform_one(
        &mut self,
        dataplane: &mut Dataplane,
        change: &Change,
        now: Timestamp,
        clock: u64,
    ) -> Result<(), EnforceError> {
        let tries = &mut dataplane.tries;
        match change {
            Change::SetDefault(limits) => {
                self.default_index = self.write_limits(dataplane, limits)?;
            }
            Change::SetScope(prefix, limits) => {
                let index = self.write_limits(dataplane, limits)?;
                dataplane.tries.set_scope(*prefix, index)?;
                self.indexes.refer(*prefix, index);
            }
            Change::RemoveScope(prefix) => tries.remove(TrieKind::Scopes, *prefix)?,
            Change::Allow(prefix) => tries.set_allow(*prefix)?,
            Change::RemoveAllow(prefix) => tries.remove(TrieKind::Allows, *prefix)?,
            Change::Block(prefix, until) => tries.set_block(*prefix, kernel_time(*until, now, clock))?,
            Change::RemoveBlock(prefix) => tries.remove(TrieKind::Blocks, *prefix)?,
        }
        self.note(change);
        Ok(())
    }

    /// Changes of one kind with few system calls. If the kernel refuses, some of them may have been made: those that
    /// set something are noted, so that the next plan removes them, and those that remove are tried again.
    fn perform_many(
        &mut self,
        dataplane: &mut Dataplane,
        run: &[Change],
        now: Timestamp,
        clock: u64,
    ) -> Result<(), EnforceError> {
        let prefixes: Vec<IpNet> = run.iter().filter_map(Change::prefix).collect();
        let done = match run.first() {
            Some(Change::SetScope(_, limits)) => {
                let index = self.write_limits(dataplane, limits)?;
                let entries: Vec<(IpNet, u32)> = prefixes.iter().map(|prefix| (*prefix, index)).collect();
                prefixes.iter().for_each(|prefix| self.indexes.refer(*prefix, index));
                dataplane.tries.set_scopes(&entries)
            }
            Some(Change::Allow(_)) => dataplane.tries.set_allows(&prefixes),
            Some(Change::Block(..)) => {
                let entry = |change: &Change| {
                    let Change::Block(prefix, until) = change else { return None };
                    Some((*prefix, kernel_time(*until, now, clock)))
                };
                dataplane.tries.set_blocks(&run.iter().filter_map(entry).collect::<Vec<_>>())
            }
            Some(Change::RemoveScope(_)) => dataplane.tries.remove_all(TrieKind::Scopes, &prefixes),
            Some(Change::RemoveAllow(_)) => dataplane.tries.remove_all(TrieKind::Allows, &prefixes),
            Some(Change::RemoveBlock(_)) => dataplane.tries.remove_all(TrieKind::Blocks, &prefixes),
            Some(Change::SetDefault(_)) | None => Ok(()),
        };
        if done.is_ok() || run.first().is_some_and(Change::sets) {
            run.iter().for_each(|change| self.note(change));
        }
        done.map_err(EnforceError::from)
    }

    /// Notes what the kernel holds after a change.
    fn note(&mut self, change: &Change) {
        let actual = &mut self.actual;
        actual.note(change);
        if let Change::RemoveScope(prefix) = change {
            self.indexes.release(prefix);
        }
        if let Some(prefix) = change.prefix().filter(|prefix| self.room.is_finer(prefix)) {
            if actual.allows.contains(&prefix) || actual.blocks.contains_key(&prefix) {
                self.finer.insert(prefix);
            } else {
                self.finer.remove(&prefix);
            }
        }
    }

    /// An index with these limits: one in use with the same, or one that nothing refers to, so that no packet sees a
    /// partial change.
    fn write_limits(&mut self, dataplane: &mut Dataplane, limits: &ScopeLimits) -> Result<u32, EnforceError> {
        if let Some(index) = self.indexes.with(limits) {
            return Ok(index);
        }
        let free = (0..dataplane.scopes.len())
            .find(|index| *index != self.default_index && !self.indexes.is_used(*index));
        let index = free.ok_or(KernelError::Full {
            what: "the scope array",
            capacity: self.room.capacities.scopes,
            key: "clients.max_scopes",
        })?;
        dataplane.scopes.set(index, *limits)?;
        self.indexes.wrote(index, *limits);
        Ok(index)
    }

    fn prefix_flags(&self) -> u32 {
        let mut flags = 0;
        for (bit, prefixes) in [
            (prefixes::SCOPES, families(self.actual.scopes.keys())),
            (prefixes::ALLOWS, families(self.actual.allows.iter())),
            (prefixes::BLOCKS, families(self.actual.blocks.keys())),
        ] {
            flags |= if prefixes.0 { bit } else { 0 } | if prefixes.1 { bit << 1 } else { 0 };
        }
        flags
    }
}

/// Whether there is an IPv4 prefix, and whether there is an IPv6 one. `IpNet` sorts IPv4 first.
fn families<'a>(mut prefixes: impl DoubleEndedIterator<Item = &'a IpNet>) -> (bool, bool) {
    let last = prefixes.next_back();
    let first = prefixes.next().or(last);
    (first.is_some_and(|prefix| prefix.addr().is_ipv4()), last.is_some_and(|prefix| prefix.addr().is_ipv6()))
}

/// An expiry on the data plane's clock; 0 means never, so the past is the moment after the clock's origin.
fn kernel_time(until: Until, now: Timestamp, clock: u64) -> u64 {
    until.map_or(0, |until| {
        let left = u64::try_from(until.since(now).as_nanos()).unwrap_or(u64::MAX);
        clock.saturating_add(left).max(1)
    })
}

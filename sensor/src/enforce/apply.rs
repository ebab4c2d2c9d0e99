//! Executes a plan in the kernel's maps.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use sensor_common::abi::{ScopeLimits, prefixes};
use sensor_common::table::MARKS;

use super::blocks::Until;
use super::plan::{self, Actual, Change};
use super::policy::{Mode, Policy};
use crate::clock::Timestamp;
use crate::kernel::{Capacities, Dataplane, KernelError, TrieKind};
use crate::prefix::ClientNet;

/// Why a policy could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum EnforceError {
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A table has no room for the policy. Nothing was changed.
    #[error(
        "{what} has room for {capacity} {family} prefixes and would need {needed}; raise `{key}` and restart"
    )]
    Full {
        /// The table.
        what: &'static str,
        /// IPv4 or IPv6.
        family: &'static str,
        /// Its bound.
        capacity: u32,
        /// Entries needed.
        needed: usize,
        /// The configuration key of the bound.
        key: &'static str,
    },
    /// A scope within one client. Nothing was changed.
    #[error(
        "scope {scope} is narrower than a client: clients of /{client_bits} are limited as a whole; use a /{client_bits} or \
         shorter"
    )]
    SplitsClient {
        /// The scope.
        scope: IpNet,
        /// Bits of a client's prefix.
        client_bits: u8,
    },
}

/// The writer of the policy maps.
#[derive(Debug)]
pub struct Enforcer {
    actual: Actual,
    indexes: BTreeMap<IpNet, u32>,
    default_index: u32,
    capacities: Capacities,
    client_bits: (u8, u8),
    /// Clients that the kernel looks up for each packet.
    marked: BTreeSet<IpAddr>,
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
        let mut indexes = BTreeMap::new();
        for (prefix, index) in dataplane.tries.scopes()? {
            actual.scopes.insert(prefix, dataplane.scopes.get(index)?);
            indexes.insert(prefix, index);
        }
        actual.allows = dataplane.tries.allows()?.into_iter().map(|prefix| (prefix, ())).collect();
        for (prefix, until) in dataplane.tries.blocks()? {
            let until = (until != 0).then(|| now.plus(Duration::from_nanos(until.saturating_sub(clock))));
            actual.blocks.insert(prefix, until);
        }
        let marked = dataplane.tries.marked()?.into_iter().collect();
        Ok(Self { actual, indexes, default_index, capacities, client_bits, marked })
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
        self.check(policy, protected)?;
        let changes = plan::whole(policy, protected, &self.actual, dataplane.settings().tick_ns);
        self.perform(dataplane, changes, now)?;
        dataplane.set_enforce(policy.mode() == Mode::Enforce);
        Ok(())
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
        let adds = policy.block(prefix).is_some() && !self.actual.blocks.contains_key(prefix);
        if adds {
            let same_family = |other: &&IpNet| other.addr().is_ipv4() == prefix.addr().is_ipv4();
            let needed = self.actual.blocks.keys().filter(same_family).count().saturating_add(1);
            self.check_room("the block table", "clients.max_blocks", self.capacities.blocks, prefix, needed)?;
        }
        let changes = plan::one_block(policy, &self.actual, prefix);
        self.perform(dataplane, changes, now)
    }

    /// Applies the limits of all scopes, without checking blocks and allows.
    ///
    /// # Errors
    /// As [`Enforcer::apply`].
    pub fn apply_limits(
        &mut self,
        dataplane: &mut Dataplane,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<(), EnforceError> {
        self.check_scopes(policy)?;
        let changes = plan::limits(policy, &self.actual, dataplane.settings().tick_ns);
        self.perform(dataplane, changes, now)
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

    fn check_scopes(&self, policy: &Policy) -> Result<(), EnforceError> {
        let scopes: Vec<IpNet> = policy.scopes().into_keys().filter_map(scope_prefix).collect();
        for scope in &scopes {
            let client_bits = if scope.addr().is_ipv4() { self.client_bits.0 } else { self.client_bits.1 };
            if scope.prefix_len() > client_bits {
                return Err(EnforceError::SplitsClient { scope: *scope, client_bits });
            }
        }
        self.check_rooms("the scope table", "clients.max_scopes", self.capacities.scopes, scopes.iter())
    }

    fn check(&self, policy: &Policy, protected: &[IpNet]) -> Result<(), EnforceError> {
        self.check_scopes(policy)?;
        let allows: BTreeSet<IpNet> = policy.allows().into_keys().chain(protected.iter().copied()).collect();
        let Capacities { allows: max_allows, blocks: max_blocks, .. } = self.capacities;
        self.check_rooms("the allow table", "clients.max_allows", max_allows, allows.iter())?;
        let blocks = policy.blocks();
        self.check_rooms("the block table", "clients.max_blocks", max_blocks, blocks.keys())
    }

    fn check_rooms<'a>(
        &self,
        what: &'static str,
        key: &'static str,
        capacity: u32,
        prefixes: impl Iterator<Item = &'a IpNet>,
    ) -> Result<(), EnforceError> {
        let (v4, v6): (Vec<&IpNet>, Vec<&IpNet>) = prefixes.partition(|prefix| prefix.addr().is_ipv4());
        for family in [v4, v6] {
            if let Some(first) = family.first() {
                self.check_room(what, key, capacity, first, family.len())?;
            }
        }
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "reads as the other checks do")]
    fn check_room(
        &self,
        what: &'static str,
        key: &'static str,
        capacity: u32,
        prefix: &IpNet,
        needed: usize,
    ) -> Result<(), EnforceError> {
        if needed <= capacity as usize {
            return Ok(());
        }
        let family = if prefix.addr().is_ipv4() { "IPv4" } else { "IPv6" };
        Err(EnforceError::Full { what, family, capacity, needed, key })
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
        for change in changes {
            result = self.perform_one(dataplane, change, now, clock);
            if result.is_err() {
                break;
            }
        }
        self.publish(dataplane);
        result
    }

    /// Marks clients, then has every client looked up again, then removes marks that are no longer needed.
    fn publish(&mut self, dataplane: &mut Dataplane) {
        let finer: BTreeSet<IpNet> = self.finer_prefixes().collect();
        let client = |prefix: &IpNet| {
            ClientNet::new(prefix.network(), self.client_bits.0, self.client_bits.1).address()
        };
        let mut wanted: BTreeSet<IpAddr> = finer.iter().map(client).collect();
        let has_room = wanted.len() <= MARKS as usize;
        let is_done =
            has_room && wanted.difference(&self.marked).all(|new| dataplane.tries.mark(*new).is_ok());
        let mut flags = self.prefix_flags();
        if !is_done {
            // Every client of the family then pays for them.
            let (v4, v6) = families(finer.iter());
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

    /// Allows and blocks within the network of one client.
    fn finer_prefixes(&self) -> impl Iterator<Item = IpNet> + '_ {
        let is_fine = |prefix: &&IpNet| match prefix {
            IpNet::V4(prefix) => prefix.prefix_len() > self.client_bits.0,
            IpNet::V6(prefix) => prefix.prefix_len() > self.client_bits.1,
        };
        self.actual.allows.keys().chain(self.actual.blocks.keys()).filter(is_fine).copied()
    }

    fn perform_one(
        &mut self,
        dataplane: &mut Dataplane,
        change: Change,
        now: Timestamp,
        clock: u64,
    ) -> Result<(), EnforceError> {
        match change {
            Change::SetDefault(limits) => {
                self.default_index = self.write_limits(dataplane, limits)?;
                self.actual.default_limits = limits;
            }
            Change::SetScope(prefix, limits) => {
                let index = self.write_limits(dataplane, limits)?;
                dataplane.tries.set_scope(prefix, index)?;
                self.indexes.insert(prefix, index);
                self.actual.scopes.insert(prefix, limits);
            }
            Change::RemoveScope(prefix) => {
                dataplane.tries.remove(TrieKind::Scopes, prefix)?;
                self.indexes.remove(&prefix);
                self.actual.scopes.remove(&prefix);
            }
            Change::Allow(prefix) => {
                dataplane.tries.set_allow(prefix)?;
                self.actual.allows.insert(prefix, ());
            }
            Change::RemoveAllow(prefix) => {
                dataplane.tries.remove(TrieKind::Allows, prefix)?;
                self.actual.allows.remove(&prefix);
            }
            Change::Block(prefix, until) => {
                dataplane.tries.set_block(prefix, kernel_time(until, now, clock))?;
                self.actual.blocks.insert(prefix, until);
            }
            Change::RemoveBlock(prefix) => {
                dataplane.tries.remove(TrieKind::Blocks, prefix)?;
                self.actual.blocks.remove(&prefix);
            }
        }
        Ok(())
    }

    /// Writes limits to an index that nothing refers to, so that no packet sees a partial change.
    fn write_limits(&self, dataplane: &mut Dataplane, limits: ScopeLimits) -> Result<u32, EnforceError> {
        let used: BTreeSet<u32> = self.indexes.values().copied().chain([self.default_index]).collect();
        let free = (0..dataplane.scopes.len()).find(|index| !used.contains(index));
        let index = free.ok_or(KernelError::Full {
            what: "the scope array",
            capacity: self.capacities.scopes,
            key: "clients.max_scopes",
        })?;
        dataplane.scopes.set(index, limits)?;
        Ok(index)
    }

    fn prefix_flags(&self) -> u32 {
        let mut flags = 0;
        for (bit, prefixes) in [
            (prefixes::SCOPES, families(self.actual.scopes.keys())),
            (prefixes::ALLOWS, families(self.actual.allows.keys())),
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

fn scope_prefix(scope: super::Scope) -> Option<IpNet> {
    if let super::Scope::Prefix(prefix) = scope { Some(prefix) } else { None }
}

/// An expiry on the data plane's clock; 0 means never, so the past is the moment after the clock's origin.
fn kernel_time(until: Until, now: Timestamp, clock: u64) -> u64 {
    until.map_or(0, |until| {
        let left = u64::try_from(until.since(now).as_nanos()).unwrap_or(u64::MAX);
        clock.saturating_add(left).max(1)
    })
}

//! Whether a policy has room in the kernel's tables.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::groups::Kind;
use super::limits::Scope;
use super::policy::Policy;
use crate::groups::MAX_NETWORKS;
use crate::kernel::{Capacities, KernelError};

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
    /// Groups have too many networks. Nothing was changed.
    #[error(
        "{what} groups have {networks} networks together, and the kernel's table has room for {MAX_NETWORKS}; remove a group"
    )]
    TooManyNetworks {
        /// What the groups are.
        what: &'static str,
        /// Their networks.
        networks: usize,
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

/// What there is room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) capacities: Capacities,
    /// Bits of a client's prefix, of IPv4 and of IPv6.
    pub(super) client_bits: (u8, u8),
}

impl Room {
    /// Whether a prefix is within the network of one client.
    pub(super) const fn is_finer(&self, prefix: &IpNet) -> bool {
        match prefix {
            IpNet::V4(prefix) => prefix.prefix_len() > self.client_bits.0,
            IpNet::V6(prefix) => prefix.prefix_len() > self.client_bits.1,
        }
    }

    /// Whether the limits of all scopes have room.
    pub(super) fn check_scopes(&self, policy: &Policy) -> Result<(), EnforceError> {
        let scopes: Vec<IpNet> = policy.scopes().into_keys().filter_map(scope_prefix).collect();
        for scope in &scopes {
            let client_bits = if scope.addr().is_ipv4() { self.client_bits.0 } else { self.client_bits.1 };
            if scope.prefix_len() > client_bits {
                return Err(EnforceError::SplitsClient { scope: *scope, client_bits });
            }
        }
        check_rooms("the scope table", "clients.max_scopes", self.capacities.scopes, scopes.iter())?;
        // Each group has an entry of the array of limits, as each prefix does.
        let groups = policy.groups_with(Kind::Limits).len();
        let (needed, capacity) =
            (scopes.len().saturating_add(groups), self.capacities.scopes.saturating_mul(2));
        if groups > 0 && needed > capacity as usize {
            let (what, key, family) = ("the array of limits", "clients.max_scopes", "limited");
            return Err(EnforceError::Full { what, family, capacity, needed, key });
        }
        Ok(())
    }

    /// Whether a whole policy has room.
    pub(super) fn check(&self, policy: &Policy, protected: &[IpNet]) -> Result<(), EnforceError> {
        self.check_scopes(policy)?;
        let allows: BTreeSet<IpNet> = policy.allows().into_keys().chain(protected.iter().copied()).collect();
        let Capacities { allows: max_allows, blocks: max_blocks, .. } = self.capacities;
        check_rooms("the allow table", "clients.max_allows", max_allows, allows.iter())?;
        let blocks = policy.blocks();
        check_rooms("the block table", "clients.max_blocks", max_blocks, blocks.keys())?;
        for (what, kind) in [("limited", Kind::Limits), ("allowed", Kind::Allows), ("blocked", Kind::Blocks)]
        {
            let networks = policy
                .members_with(kind)
                .fold(0_usize, |sum, (_, networks)| sum.saturating_add(networks.len()));
            if networks > MAX_NETWORKS as usize {
                return Err(EnforceError::TooManyNetworks { what, networks });
            }
        }
        Ok(())
    }

    /// Whether one more block has room among those of its family.
    pub(super) fn check_block(&self, prefix: &IpNet, needed: usize) -> Result<(), EnforceError> {
        check_room("the block table", "clients.max_blocks", self.capacities.blocks, prefix, needed)
    }
}

fn check_rooms<'a>(
    what: &'static str,
    key: &'static str,
    capacity: u32,
    prefixes: impl Iterator<Item = &'a IpNet>,
) -> Result<(), EnforceError> {
    let (v4, v6): (Vec<&IpNet>, Vec<&IpNet>) = prefixes.partition(|prefix| prefix.addr().is_ipv4());
    for family in [v4, v6] {
        if let Some(first) = family.first() {
            check_room(what, key, capacity, first, family.len())?;
        }
    }
    Ok(())
}

fn check_room(
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

const fn scope_prefix(scope: Scope) -> Option<IpNet> {
    if let Scope::Prefix(prefix) = scope { Some(prefix) } else { None }
}

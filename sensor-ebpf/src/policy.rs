//! Looks up an address in the tries.
//!
//! A known client's result is cached in its slot until user space changes a prefix, so the number of prefixes costs
//! known clients nothing.

use sensor_common::abi::{BlockEntry, ClientKey, Policy, Settings, prefixes};

use crate::admit::Client;
use crate::maps;

/// The policy of a client in the table.
#[inline(always)]
pub(crate) fn of_client(client: Client, source: ClientKey, settings: &Settings) -> Policy {
    // The generation is read before the tries: if they change in between, the cached generation is old, and the next
    // packet looks up again.
    let generation = settings.generation;
    let lasting = settings.prefixes & prefixes::FINER_THAN_CLIENT == 0;
    // SAFETY: a slot of the table.
    let kept = unsafe { &*client.slot };
    if lasting && kept.generation == generation {
        let blocked_until = if kept.flags & Policy::BLOCKED == 0 { 0 } else { blocked_until(client) };
        return Policy { blocked_until, scope: kept.scope, flags: kept.flags };
    }
    let policy = look_up(source, settings);
    if lasting {
        keep(client, policy, generation);
    }
    policy
}

#[inline(always)]
fn blocked_until(client: Client) -> u64 {
    // SAFETY: a field of a map value.
    client.details().map_or(0, |details| unsafe { (*details).blocked_until })
}

#[inline(always)]
fn keep(client: Client, policy: Policy, generation: u32) {
    // Several CPUs may write here at once; they found the same result, or one of them has an older generation, which is
    // looked up again.
    if let Some(details) = client.details() {
        // SAFETY: a field of a map value.
        unsafe { (*details).blocked_until = policy.blocked_until };
    }
    // SAFETY: a slot of the table.
    let slot = unsafe { &mut *client.slot };
    slot.scope = policy.scope;
    slot.flags = policy.flags;
    slot.generation = generation;
}

/// Looks up the tries that have entries.
#[inline(always)]
pub(crate) fn look_up(source: ClientKey, settings: &Settings) -> Policy {
    let mut policy = Policy { blocked_until: 0, scope: index(settings.default_scope), flags: 0 };
    if settings.prefixes != 0 {
        search(source.hi, source.lo, &mut policy);
    }
    policy
}

/// User space assigns fewer than 2^16 indexes.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "indexes are below 2^16")]
const fn index(scope: u32) -> u16 {
    scope as u16
}

/// Not inlined: the tries' keys and calls would burden the path of known clients.
#[inline(never)]
fn search(hi: u64, lo: u64, policy: &mut Policy) {
    let Some(settings) = maps::settings() else { return };
    let source = ClientKey { hi, lo };
    match source.to_v4() {
        Some(address) => search_v4(address, settings, policy),
        None => search_v6(source, settings, policy),
    }
}

macro_rules! search_family {
    ($policy:ident, $settings:ident, $family:literal, $key:ident, $scopes:ident, $allows:ident, $blocks:ident) => {
        if $settings.prefixes & (prefixes::SCOPES << $family) != 0
            && let Some(entry) = maps::$scopes.get(&$key)
        {
            $policy.scope = index(entry.index);
        }
        if $settings.prefixes & (prefixes::ALLOWS << $family) != 0 && maps::$allows.get(&$key).is_some() {
            $policy.flags |= Policy::ALLOWED;
        }
        if $settings.prefixes & (prefixes::BLOCKS << $family) != 0
            && let Some(entry) = maps::$blocks.get(&$key)
        {
            add_block($policy, entry, $settings.client_bits[$family]);
        }
    };
}

#[inline(always)]
fn search_v4(address: u32, settings: &Settings, policy: &mut Policy) {
    let key = maps::v4_key(address);
    search_family!(policy, settings, 0, key, SCOPE_V4, ALLOW_V4, BLOCK_V4);
}

#[inline(always)]
fn search_v6(source: ClientKey, settings: &Settings, policy: &mut Policy) {
    let key = maps::v6_key(source.hi, source.lo);
    search_family!(policy, settings, 1, key, SCOPE_V6, ALLOW_V6, BLOCK_V6);
}

#[inline(always)]
fn add_block(policy: &mut Policy, entry: &BlockEntry, client_bits: u32) {
    policy.flags |= Policy::BLOCKED;
    if entry.prefix_len < client_bits {
        policy.flags |= Policy::BLOCKED_WIDE;
    }
    policy.blocked_until = entry.until;
}

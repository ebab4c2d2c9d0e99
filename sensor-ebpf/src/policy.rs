//! Looks up an address in the tries.
//!
//! A known client's result is cached in its slot until user space changes a prefix, so the number of prefixes costs
//! known clients nothing.

use sensor_common::abi::{BlockEntry, ClientKey, Policy, Settings, Slot, prefixes};

use crate::admit::Client;
use crate::{atomic, maps};

/// The policy of a client in the table.
#[inline(always)]
pub(crate) fn of_client(client: Client, key: ClientKey, source: ClientKey, settings: &Settings) -> Policy {
    // The generation is read before the tries and the flags that say which of them have entries: user space writes it
    // last, so if they change in between, the kept generation is old, and the next packet looks up again.
    // SAFETY: a field of a map value.
    let generation = unsafe { (&raw const settings.generation).read_volatile() };
    // SAFETY: a field of a slot of the table.
    let word = unsafe { word_of(client.slot).read_volatile() };
    let (kept, scope, flags, noticed) = Slot::of_policy_word(word);
    if kept == generation {
        let blocked_until = if flags & Policy::BLOCKED == 0 { 0 } else { blocked_until(client) };
        return Policy { blocked_until, scope, flags };
    }
    let policy = look_up(source, settings);
    if lasts(key.hi, key.lo) != 0 {
        keep(client, key, policy, (generation, noticed));
    }
    policy
}

/// Whether the same applies to all of a client: nothing is kept for a client with longer prefixes in its network.
///
/// Exported: the verifier checks it once and on its own.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lasts(hi: u64, lo: u64) -> u32 {
    let Some(settings) = maps::settings() else { return 0 };
    // SAFETY: a field of a map value.
    let prefixes = unsafe { (&raw const settings.prefixes).read_volatile() };
    let key = ClientKey { hi, lo };
    let family = if key.is_v4() { 0 } else { 1 };
    let lasts = prefixes & (prefixes::FINER_THAN_CLIENT << family) == 0
        && (prefixes & prefixes::MARKED == 0 || maps::MARKS.get_ptr(key).is_none());
    u32::from(lasts)
}

/// Generation, scope, flags and notice of a slot, in one aligned word.
#[inline(always)]
fn word_of(slot: *mut Slot) -> *mut u64 {
    // SAFETY: the address of a field of a slot.
    unsafe { (&raw mut (*slot).generation).cast() }
}

#[inline(always)]
fn blocked_until(client: Client) -> u64 {
    // SAFETY: a field of a map value.
    client.details().map_or(0, |details| unsafe { (&raw const (*details).blocked_until).read_volatile() })
}

/// Keeps what was looked up. Several CPUs may do so at once: they found the same, or one of them has an older generation,
/// which is looked up again. A notice that another CPU sends meanwhile may be forgotten, and is then sent twice.
///
/// Another client may have taken the slot over since it was found. What was written then is not for it, and is revoked.
#[inline(always)]
fn keep(client: Client, key: ClientKey, policy: Policy, (generation, noticed): (u32, u8)) {
    if let Some(details) = client.details() {
        // SAFETY: a field of a map value.
        unsafe { (&raw mut (*details).blocked_until).write_volatile(policy.blocked_until) };
    }
    let word = word_of(client.slot);
    // SAFETY: an aligned field of a slot. After the end of the block, and before the key is read again.
    unsafe { atomic::publish(word, Slot::policy_word(generation, policy.scope, policy.flags, noticed)) };
    // SAFETY: a field of a slot.
    if unsafe { (&raw const (*client.slot).key).read_volatile() } != key {
        // SAFETY: as above.
        unsafe { atomic::publish(word, 0) };
    }
}

/// Looks up the tries that have entries.
#[inline(always)]
pub(crate) fn look_up(source: ClientKey, settings: &Settings) -> Policy {
    if settings.prefixes == 0 {
        return Policy { blocked_until: 0, scope: index(settings.default_scope), flags: 0 };
    }
    let [flags, _, s0, s1, ..] = search(source.hi, source.lo).to_le_bytes();
    let scope = u16::from_le_bytes([s0, s1]);
    let blocked_until = match maps::found_until() {
        // SAFETY: this CPU's own.
        Some(until) if flags & Policy::BLOCKED != 0 => unsafe { *until },
        _ => 0,
    };
    Policy { blocked_until, scope, flags }
}

/// User space assigns fewer than 2^16 indexes.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "indexes are below 2^16")]
const fn index(scope: u32) -> u16 {
    scope as u16
}

/// Flags and scope of what the tries say, in one number; the end of a block is in [`maps::found_until`].
///
/// Not inlined: the tries' keys and calls would burden the path of known clients. Exported: the verifier checks it once
/// and on its own.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn search(hi: u64, lo: u64) -> u64 {
    let (Some(settings), Some(until)) = (maps::settings(), maps::found_until()) else { return 0 };
    let mut policy = Policy { blocked_until: 0, scope: index(settings.default_scope), flags: 0 };
    let source = ClientKey { hi, lo };
    match source.to_v4() {
        Some(address) => search_v4(address, settings, &mut policy),
        None => search_v6(source, settings, &mut policy),
    }
    // SAFETY: this CPU's own.
    unsafe { *until = policy.blocked_until };
    (policy.scope as u64) << 16 | policy.flags as u64
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

//! Every map, with its bound. Sizes marked "set at load" are chosen by user space from its configuration.

use aya_ebpf::bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC};
use aya_ebpf::macros::map;
use aya_ebpf::maps::lpm_trie::{Key, LpmTrie};
use aya_ebpf::maps::{Array, LruHashMap, PerCpuArray, RingBuf};
use sensor_common::abi::{
    Block, BlockEntry, COUNTERS as COUNTER_ENTRIES, Counter, EVENTS as EVENT_ENTRIES, FlowInstruction,
    FlowKey, MirrorSettings, RingPositions, ScopeEntry, ScopeLimits, Settings, Shared, Slot, SlotDetails,
    TagWord,
};

use crate::answer::{LookUps, REMEMBERED};

/// One entry, written by user space through shared memory.
#[map]
pub(crate) static SETTINGS: Array<Settings> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// One entry, written by all CPUs.
#[map]
pub(crate) static SHARED: Array<Shared> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Tag words of the client table, one a bucket; set at load.
#[map]
pub(crate) static TAGS: Array<TagWord> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Slots of the client table; set at load.
#[map]
pub(crate) static SLOTS: Array<Slot> = Array::with_max_entries(7, BPF_F_MMAPABLE);

/// The rest of each slot; set at load.
#[map]
pub(crate) static DETAILS: Array<SlotDetails> = Array::with_max_entries(7, BPF_F_MMAPABLE);

/// Words of four 16-bit fingerprints; set at load, a power of two.
#[map]
pub(crate) static DOORKEEPER: Array<u64> = Array::with_max_entries(1, 0);

/// Limits by scope index; set at load.
#[map]
pub(crate) static SCOPES: Array<ScopeLimits> = Array::with_max_entries(1, 0);

/// Scope of an IPv4 prefix; set at load.
#[map]
pub(crate) static SCOPE_V4: LpmTrie<[u8; 4], ScopeEntry> = LpmTrie::with_max_entries(1, BPF_F_NO_PREALLOC);
/// Scope of an IPv6 prefix; set at load.
#[map]
pub(crate) static SCOPE_V6: LpmTrie<[u8; 16], ScopeEntry> = LpmTrie::with_max_entries(1, BPF_F_NO_PREALLOC);
/// Allowed IPv4 prefixes; set at load.
#[map]
pub(crate) static ALLOW_V4: LpmTrie<[u8; 4], u64> = LpmTrie::with_max_entries(1, BPF_F_NO_PREALLOC);
/// Allowed IPv6 prefixes; set at load.
#[map]
pub(crate) static ALLOW_V6: LpmTrie<[u8; 16], u64> = LpmTrie::with_max_entries(1, BPF_F_NO_PREALLOC);
/// Blocked IPv4 prefixes; set at load.
#[map]
pub(crate) static BLOCK_V4: LpmTrie<[u8; 4], BlockEntry> = LpmTrie::with_max_entries(1, BPF_F_NO_PREALLOC);
/// Blocked IPv6 prefixes; set at load.
#[map]
pub(crate) static BLOCK_V6: LpmTrie<[u8; 16], BlockEntry> = LpmTrie::with_max_entries(1, BPF_F_NO_PREALLOC);

/// Packets and bytes by interface, family, verdict and reason.
#[map]
pub(crate) static COUNTERS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(COUNTER_ENTRIES, 0);

/// Everything else that is counted.
#[map]
pub(crate) static EVENTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(EVENT_ENTRIES, 0);

/// Over-limit notices: 40 bytes and an 8-byte header each, so five thousand and more.
#[map]
pub(crate) static NOTICES: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

/// One entry, written by user space through shared memory.
#[map]
pub(crate) static MIRROR: Array<MirrorSettings> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// What user space said about connections; the one used least makes room for another. An instruction that is
/// lost costs copies, nothing else.
#[map]
pub(crate) static FLOWS: LruHashMap<FlowKey, FlowInstruction> = LruHashMap::with_max_entries(16_384, 0);

/// How far the rings of mirrored segments are written and read, one a CPU; set at load.
#[map]
pub(crate) static RINGS: Array<RingPositions> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The rings themselves, in blocks; set at load.
#[map]
pub(crate) static SEGMENTS: Array<Block> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// When this CPU may copy the next datagram that only user space can read: a theoretical arrival time.
#[map]
pub(crate) static DATAGRAMS: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// How often this CPU has asked for sockets in vain.
#[map]
pub(crate) static LOOK_UPS: PerCpuArray<LookUps> = PerCpuArray::with_max_entries(1, 0);

/// Tags of connections of this host that were answered on this CPU.
#[map]
pub(crate) static ANSWERED: PerCpuArray<u32> = PerCpuArray::with_max_entries(REMEMBERED, 0);

/// What wakes the reader of the rings. A page, of which none is larger on a supported architecture.
#[map]
pub(crate) static WAKEUPS: RingBuf = RingBuf::with_byte_size(64 * 1024, 0);

/// The settings. The map has one entry that always exists; the program passes packets where it does not.
#[inline(always)]
pub(crate) fn settings() -> Option<&'static Settings> {
    // SAFETY: array entries live as long as the program. User space changes single aligned fields meanwhile;
    // each is read at most once for a packet, and every combination of old and new fields is valid.
    SETTINGS.get_ptr(0).map(|settings| unsafe { &*settings })
}

/// What the mirror is told. As above.
#[inline(always)]
pub(crate) fn mirror_settings() -> Option<&'static MirrorSettings> {
    // SAFETY: as above.
    MIRROR.get_ptr(0).map(|settings| unsafe { &*settings })
}

/// The state that CPUs share, to be touched with atomic operations only.
#[inline(always)]
pub(crate) fn shared() -> Option<*mut Shared> {
    SHARED.get_ptr_mut(0)
}

/// This CPU's own.
#[inline(always)]
pub(crate) fn look_ups() -> Option<*mut LookUps> {
    LOOK_UPS.get_ptr_mut(0)
}

/// A place for a tag, this CPU's own.
#[inline(always)]
pub(crate) fn remembered(place: u32) -> Option<*mut u32> {
    ANSWERED.get_ptr_mut(place)
}

/// An IPv4 address, whole, as a trie key.
#[inline(always)]
pub(crate) fn v4_key(address: u32) -> Key<[u8; 4]> {
    Key::new(32, address.to_be_bytes())
}

/// An IPv6 address, whole, as a trie key.
#[inline(always)]
pub(crate) fn v6_key(hi: u64, lo: u64) -> Key<[u8; 16]> {
    let halves = [hi.to_be(), lo.to_be()];
    // SAFETY: both are 16 bytes without padding.
    Key::new(128, unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>(halves) })
}

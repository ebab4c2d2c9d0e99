//! Every map, with its bound. User space sets sizes marked "set at load" from its configuration.

use aya_ebpf::bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC};
use aya_ebpf::macros::map;
use aya_ebpf::maps::lpm_trie::{Key, LpmTrie};
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf};
use sensor_common::abi::{
    self, Block, BlockEntry, COUNTERS as COUNTER_ENTRIES, ClientKey, Counter, EVENTS as EVENT_ENTRIES,
    FlowInstruction, FlowKey, MirrorSettings, NetworkBudget, PORTS_SEEN, PortKey, PortSeen, QUIC_CLIENTS,
    RingPositions, ScopeEntry, ScopeLimits, Settings, Shared, SiteBudget, Slot, SlotDetails, TagWord,
};
use sensor_common::table::{MARKS as MARK_ENTRIES, NETWORKS as NETWORK_ENTRIES, SITES as SITE_ENTRIES};

use crate::answer::{LookUps, REMEMBERED};
use crate::cookie::Headers;
use crate::too_many::{Answered, Tuple, Work};

/// One entry, written by user space through shared memory.
#[map]
pub(crate) static SETTINGS: Array<Settings> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// One entry, written by all CPUs.
#[map]
pub(crate) static SHARED: Array<Shared> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Tag words of the client table, one per bucket; set at load.
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

/// What the sources without a place in the table have used, by network.
#[map]
pub(crate) static NETWORKS: Array<NetworkBudget> = Array::with_max_entries(NETWORK_ENTRIES, 0);

/// What all clients of a site have used. An array and not an LRU map: it takes no lock and no memory while packets
/// arrive, look-ups are inlined, and no site can push out one that owes something.
#[map]
pub(crate) static SITES: Array<SiteBudget> = Array::with_max_entries(SITE_ENTRIES, 0);

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

/// Clients that are looked up for each packet.
#[map]
pub(crate) static MARKS: HashMap<ClientKey, u64> = HashMap::with_max_entries(MARK_ENTRIES, BPF_F_NO_PREALLOC);

/// Packets and bytes by interface, family, verdict and reason.
#[map]
pub(crate) static COUNTERS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(COUNTER_ENTRIES, 0);

/// All other counters.
#[map]
pub(crate) static EVENTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(EVENT_ENTRIES, 0);

/// Over-limit notices: 40 bytes and an 8-byte header each, so more than five thousand fit.
#[map]
pub(crate) static NOTICES: RingBuf = RingBuf::with_byte_size(256 * 1024, 0);

/// One entry, written by user space through shared memory.
#[map]
pub(crate) static MIRROR: Array<MirrorSettings> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// User space's instructions for connections; the least recently used is evicted. A lost instruction costs extra
/// copies, nothing else.
#[map]
pub(crate) static FLOWS: LruHashMap<FlowKey, FlowInstruction> = LruHashMap::with_max_entries(16_384, 0);

/// Ports of this host that answered, and connections of QUIC to watched ones.
#[map]
pub(crate) static PORTS: LruHashMap<PortKey, PortSeen> = LruHashMap::with_max_entries(PORTS_SEEN, 0);

/// Fingerprints of connections on which this host sends a long response.
#[map]
pub(crate) static BURSTS: Array<u32> = Array::with_max_entries(abi::BURSTS, 0);

/// Fingerprints of clients whose connection of QUIC was counted.
#[map]
pub(crate) static QUIC_SEEN: Array<u32> = Array::with_max_entries(QUIC_CLIENTS, 0);

/// Write and read positions of the rings of mirrored segments, one per CPU; set at load.
#[map]
pub(crate) static RINGS: Array<RingPositions> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The rings themselves, in blocks; set at load.
#[map]
pub(crate) static SEGMENTS: Array<Block> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// When this CPU may copy the next datagram that only user space can parse: a theoretical arrival time.
#[map]
pub(crate) static DATAGRAMS: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// When the block ends that this CPU looked up last.
#[map]
pub(crate) static FOUND_UNTIL: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Where this CPU puts headers together.
#[map]
pub(crate) static HEADERS: PerCpuArray<Headers> = PerCpuArray::with_max_entries(1, 0);

/// Where this CPU puts together the answers to requests over the limit, and the resets.
#[map]
pub(crate) static WORK: PerCpuArray<Work> = PerCpuArray::with_max_entries(1, 0);

/// Connections that were answered so; the least recently used is evicted.
#[map]
pub(crate) static REFUSED: LruHashMap<Tuple, Answered> = LruHashMap::with_max_entries(16_384, 0);

/// When the last of them was, by the kernel's monotonic clock.
#[map]
pub(crate) static ANSWERED_LAST: Array<u64> = Array::with_max_entries(1, 0);

/// When this CPU may copy the next long segment whole: a theoretical arrival time.
#[map]
pub(crate) static WHOLE: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// How many socket look-ups of this CPU have failed.
#[map]
pub(crate) static LOOK_UPS: PerCpuArray<LookUps> = PerCpuArray::with_max_entries(1, 0);

/// Tags of this host's connections that were answered on this CPU.
#[map]
pub(crate) static ANSWERED: PerCpuArray<u32> = PerCpuArray::with_max_entries(REMEMBERED, 0);

/// Wakes the reader of the rings. One page, as large as any supported architecture's.
#[map]
pub(crate) static WAKEUPS: RingBuf = RingBuf::with_byte_size(64 * 1024, 0);

/// The settings. The map has one entry that always exists; if it did not, the program would pass packets.
#[inline(always)]
pub(crate) fn settings() -> Option<&'static Settings> {
    // SAFETY: array entries live as long as the program. User space changes single aligned fields concurrently; each is
    // read at most once per packet, and every combination of old and new fields is valid.
    SETTINGS.get_ptr(0).map(|settings| unsafe { &*settings })
}

/// The mirror's settings. As above.
#[inline(always)]
pub(crate) fn mirror_settings() -> Option<&'static MirrorSettings> {
    // SAFETY: as above.
    MIRROR.get_ptr(0).map(|settings| unsafe { &*settings })
}

/// State shared by the CPUs, accessed only with atomic operations.
#[inline(always)]
pub(crate) fn shared() -> Option<*mut Shared> {
    SHARED.get_ptr_mut(0)
}

/// This CPU's own.
#[inline(always)]
pub(crate) fn look_ups() -> Option<*mut LookUps> {
    LOOK_UPS.get_ptr_mut(0)
}

/// This CPU's own.
#[inline(always)]
pub(crate) fn found_until() -> Option<*mut u64> {
    FOUND_UNTIL.get_ptr_mut(0)
}

/// This CPU's own.
#[inline(always)]
pub(crate) fn headers() -> Option<*mut Headers> {
    HEADERS.get_ptr_mut(0)
}

/// An entry for a tag, this CPU's own.
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

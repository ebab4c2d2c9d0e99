//! Instructions for connections: what of their segments is copied.

use aya_ebpf::programs::TcContext;
use sensor_common::abi::{FlowInstruction, FlowKey, MirrorDirection, MirrorSettings, copying};
use sensor_common::packet::SegmentHeader;

use crate::maps::{self, FLOWS};
use crate::mirror::{FIN, RST, SYN, payload_len};

/// How much of a segment is copied, and how far the other side has sent.
pub(crate) struct Wanted {
    pub(crate) snap: u32,
    pub(crate) peer_sent: Option<u32>,
}

/// Marks that not even the header is copied.
const NOTHING: u32 = u32::MAX;
/// Marks that the snap length does not apply.
pub(crate) const WHOLE: u32 = u32::MAX - 1;

impl Wanted {
    #[inline(always)]
    const fn upto(snap: u32) -> Self {
        Self { snap, peer_sent: None }
    }

    #[inline(always)]
    pub(crate) const fn checked(self) -> Option<Self> {
        if self.snap == NOTHING { None } else { Some(self) }
    }
}

/// The part of a segment that is to be copied by the instruction for its connection, if there is one.
#[inline(always)]
pub(crate) fn wanted(
    context: &TcContext,
    settings: &MirrorSettings,
    segment: &SegmentHeader,
    direction: MirrorDirection,
    length: u32,
) -> Wanted {
    let snap = settings.snap;
    let may_begin = matches!(direction, MirrorDirection::Ingress) && length >= SHORTEST_START;
    // The look-up is saved while there is no instruction at all.
    if settings.instructions == 0 && !(may_begin && begins_multiplexed(context, segment)) {
        return Wanted::upto(snap);
    }
    let key = flow_key(segment, direction);
    let Some(entry) = FLOWS.get_ptr_mut(key) else {
        if may_begin && begins_multiplexed(context, segment) {
            begin_whole(&key);
            return Wanted::upto(WHOLE);
        }
        return Wanted::upto(snap);
    };
    // SAFETY: an entry may be replaced concurrently; every combination of its fields is valid.
    let FlowInstruction { skip_until, sent, skips, copying, has_sent } = unsafe { *entry };
    if segment.flags & SYN != 0 {
        // The ports are in use again: instructions for the old connection are void.
        FLOWS.remove(key).unwrap_or_default();
        return Wanted::upto(snap);
    }
    if copying == copying::NOTHING {
        return Wanted::upto(NOTHING);
    }
    let snap = if copying == copying::WHOLE { WHOLE } else { snap };
    let (until, skips, peer_sent) = match direction {
        MirrorDirection::Ingress => (skip_until[0], skips[0], (has_sent & 2 != 0, sent[1])),
        MirrorDirection::Egress => (skip_until[1], skips[1], (false, 0)),
    };
    let last = segment.sequence.wrapping_add(length);
    // Before `until` in sequence space (RFC 9293, section 3.4).
    let is_before = until.wrapping_sub(last) <= i32::MAX as u32;
    if skips != 0 && is_before && segment.flags & (FIN | RST) == 0 {
        if matches!(direction, MirrorDirection::Egress) {
            // SAFETY: the entry stays valid memory until the program ends; user space may replace it concurrently,
            // which discards this write.
            unsafe { note_sent(entry, last, has_sent & 2 != 0) };
        }
        return Wanted::upto(NOTHING);
    }
    if matches!(direction, MirrorDirection::Egress) && has_sent != 0 {
        // This one tells user space how far this host has sent.
        // SAFETY: the address of a field of a map value.
        let has_sent = unsafe { &raw mut (*entry).has_sent };
        // SAFETY: as above; user space may replace the value concurrently.
        unsafe { has_sent.write_volatile(0) };
    }
    Wanted { snap, peer_sent: if peer_sent.0 { Some(peer_sent.1) } else { None } }
}

/// Records how far this host has sent. CPUs may write concurrently: each value was true.
///
/// # Safety
/// `entry` is a value of [`FLOWS`].
#[inline(always)]
unsafe fn note_sent(entry: *mut FlowInstruction, last: u32, is_known: bool) {
    // SAFETY: by the caller.
    let sent = unsafe { &raw mut (*entry).sent[1] };
    // SAFETY: as above.
    let is_further = !is_known || last.wrapping_sub(unsafe { sent.read_volatile() }) <= i32::MAX as u32;
    if is_further {
        // SAFETY: as above.
        unsafe { sent.write_volatile(last) };
        // SAFETY: as above.
        let has_sent = unsafe { &raw mut (*entry).has_sent };
        // SAFETY: as above.
        unsafe { has_sent.write_volatile(2) };
    }
}

/// The key of a connection's instruction.
#[inline(always)]
pub(crate) fn flow_key(segment: &SegmentHeader, direction: MirrorDirection) -> FlowKey {
    let SegmentHeader { source, destination, source_port, destination_port, .. } = *segment;
    match direction {
        MirrorDirection::Ingress => FlowKey {
            client: source,
            server: destination,
            client_port: source_port,
            server_port: destination_port,
            reserved: 0,
        },
        MirrorDirection::Egress => FlowKey {
            client: destination,
            server: source,
            client_port: destination_port,
            server_port: source_port,
            reserved: 0,
        },
    }
}

/// Whether a client's bytes are the first of a connection whose messages can only be found by reading all of it:
/// HTTP/2's preface (RFC 9113, section 3.4), or a `ClientHello` (RFC 8446, sections 4 and 5.1), since what is spoken
/// inside is not known yet.
#[inline(always)]
fn begins_multiplexed(context: &TcContext, segment: &SegmentHeader) -> bool {
    // One word: the compiler would compare bytes by misaligned loads from the stack, which the verifier refuses.
    const START: u64 = u64::from_be_bytes(*b"PRI * HT");
    context.load::<u64>(segment.payload).is_ok_and(|word| {
        let first = u64::from_be(word);
        first == START || (first >> 48 == 0x1603 && first >> 16 & 0xff == 1)
    })
}

/// If a server's bytes start with a response of HTTP/1.1 after which another protocol is spoken, such as WebSocket (RFC
/// 9110, section 15.2.2), the connection is copied whole: the client may send the first long frame before user space has
/// seen the response. Not inline: the chain of calls that copies responses has no room for it in its 512 bytes of stack. Nor
/// have the programs of inner interfaces, where user space asks for whole as soon as it sees the handshake.
#[inline(never)]
pub(crate) fn note_switch(context: &TcContext, segment: &SegmentHeader) {
    // One word, as above, behind `HTTP`.
    const STATUS: u64 = u64::from_be_bytes(*b"/1.1 101");
    if payload_len(segment, context.len() as usize) < SHORTEST_SWITCH
        || !context.load::<u64>(segment.payload + 4).is_ok_and(|word| u64::from_be(word) == STATUS)
    {
        return;
    }
    let key = flow_key(segment, MirrorDirection::Egress);
    if FLOWS.get_ptr_mut(key).is_none() {
        begin_whole(&key);
    }
}

/// Fewer bytes than this are no status line (RFC 9112, section 4) and the empty line behind it.
const SHORTEST_SWITCH: u32 = 16;

/// Fewer bytes than this are no preface and no `ClientHello`: the preface's length.
const SHORTEST_START: u32 = 24;

/// From here on, everything of the connection is copied, until user space says otherwise.
#[inline(always)]
fn begin_whole(key: &FlowKey) {
    let instruction = FlowInstruction { copying: copying::WHOLE, ..FlowInstruction::default() };
    if FLOWS.insert(key, instruction, 0).is_ok()
        && let Some(settings) = maps::MIRROR.get_ptr_mut(0)
    {
        // SAFETY: the address of a field of a map value.
        let instructions = unsafe { &raw mut (*settings).instructions };
        // SAFETY: as above; whoever writes it concurrently writes the same.
        unsafe { instructions.write_volatile(1) };
    }
}

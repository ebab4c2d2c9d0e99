//! Whether a segment belongs to a TCP connection that this host opened: a download, a backup, a call to another API.
//!
//! The kernel's socket table has the answer, even for connections older than this program, and without user space. It
//! is consulted only about packets that a limit is about to drop.
//!
//! A peer cannot obtain this exemption by itself: there must be a socket with exactly its addresses and ports, and no
//! listener on this host's port. Accepted connections have their listener's port.
//!
//! A look-up costs more than everything else that a dropped frame does, so a flood must not trigger one per segment.
//! Failed look-ups have a budget per CPU and tick. Once it is used up, only connections with a recent answer are looked
//! up; a new connection over a limit waits until one of its segments is among the first of a tick.

use aya_ebpf::bindings::{bpf_sock, bpf_sock_tuple, xdp_md};
use aya_ebpf::helpers::generated::{bpf_sk_lookup_tcp, bpf_sk_release};
use aya_ebpf::programs::XdpContext;
use sensor_common::abi::ClientKey;
use sensor_common::packet::{self, SegmentHeader};

use crate::access::Linear;
use crate::mirror::is_watched;
use crate::{clock, maps};

/// `BPF_F_CURRENT_NETNS`: the namespace of the interface.
const CURRENT_NETNS: u64 = u64::MAX;
/// `BPF_TCP_LISTEN` of `linux/bpf.h`. For a connection still being accepted, the look-up returns the listener.
const LISTEN: u32 = 10;

/// Failed look-ups per CPU and tick (4 ms at 250 Hz): 16,000 a second take 0.2 % of a CPU.
const VAIN: u64 = 64;
/// Connections with answers that a CPU remembers; on a collision, the latest. A power of two.
pub(crate) const REMEMBERED: u32 = 256;

/// The look-ups of a CPU.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct LookUps {
    tick: u64,
    /// Failed in this tick.
    vain: u64,
}

/// `struct bpf_sock_tuple` as words in network order: addresses, then both ports in one.
type Tuple = [u32; 9];
/// Bytes of the tuple's IPv4 form.
const V4: u32 = 12;
/// Bytes of its IPv6 form.
const V6: u32 = 36;

macro_rules! is_answer {
    ($name:ident, $layer3:literal) => {
        /// 1 if the segment belongs to a connection that this host opened, else 0.
        ///
        /// Exported: the verifier checks it once and on its own.
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub(crate) extern "C" fn $name(context: *mut xdp_md) -> u32 {
            u32::from(belongs_to_ours::<$layer3>(context))
        }
    };
}

is_answer!(xdp_is_answer, false);
is_answer!(xdp_is_answer_layer3, true);

#[inline(always)]
fn belongs_to_ours<const LAYER3: bool>(context: *mut xdp_md) -> bool {
    let of_frame = XdpContext::new(context);
    let Ok(segment) = packet::segment(&Linear::<_, LAYER3>::new(&of_frame)) else { return false };
    // There is a listener, so this host opened no connection from that port. A flood of such segments costs no look-up.
    let watched =
        maps::mirror_settings().is_some_and(|settings| is_watched(settings, segment.destination_port));
    if watched {
        return false;
    }
    let (Some(budget), Some(remembered), Some(settings)) =
        (maps::look_ups(), maps::remembered(place_of(&segment)), maps::settings())
    else {
        return false;
    };
    let tag = tag_of(&segment);
    // SAFETY: both are this CPU's own.
    if unsafe { *remembered } != tag && !unsafe { is_left(budget, clock::now(settings).tick) } {
        return false;
    }
    let is_ours = is_ours(context, &segment);
    if is_ours {
        // SAFETY: as above.
        unsafe { *remembered = tag };
    } else {
        // SAFETY: as above.
        let budget = unsafe { &mut *budget };
        budget.vain = budget.vain.wrapping_add(1);
    }
    is_ours
}

/// Whether another failed look-up is within the budget.
///
/// # Safety
/// The budget is this CPU's own.
#[inline(always)]
unsafe fn is_left(budget: *mut LookUps, tick: u64) -> bool {
    // SAFETY: the caller's promise.
    let budget = unsafe { &mut *budget };
    if budget.tick != tick {
        *budget = LookUps { tick, vain: 0 };
    }
    budget.vain < VAIN
}

/// Hash that identifies a connection. A sender that hits another connection's hash gains one look-up for its own
/// segments.
#[inline(always)]
const fn hash(segment: &SegmentHeader) -> u64 {
    let ports = ((segment.source_port as u64) << 16) | segment.destination_port as u64;
    let source = segment.source.hi ^ segment.source.lo.rotate_left(32);
    // The fractional part of the golden ratio, as in multiplicative hashing (Knuth, TAOCP 3, 6.4).
    let mixed = (source ^ ports.rotate_left(17)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

#[inline(always)]
const fn tag_of(segment: &SegmentHeader) -> u32 {
    // Never the value of an empty entry.
    (hash(segment) >> 32) as u32 | 1
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a few bits are meant")]
const fn place_of(segment: &SegmentHeader) -> u32 {
    hash(segment) as u32 & (REMEMBERED - 1)
}

/// The socket that listens for a segment, or that of its connection; to be released, unless it is null.
#[inline(always)]
pub(crate) fn listener(context: *mut xdp_md, segment: &SegmentHeader) -> *mut bpf_sock {
    let ports =
        u32::from_ne_bytes(concat(segment.source_port.to_be_bytes(), segment.destination_port.to_be_bytes()));
    if let (Some(source), Some(destination)) = (segment.source.to_v4(), segment.destination.to_v4()) {
        return look_up(context, &mut [source.to_be(), destination.to_be(), ports, 0, 0, 0, 0, 0, 0], V4);
    }
    let [s0, s1, s2, s3] = words(segment.source);
    let [d0, d1, d2, d3] = words(segment.destination);
    look_up(context, &mut [s0, s1, s2, s3, d0, d1, d2, d3, ports], V6)
}

#[inline(always)]
fn is_ours(context: *mut xdp_md, segment: &SegmentHeader) -> bool {
    let ports = |remote: u16| {
        u32::from_ne_bytes(concat(remote.to_be_bytes(), segment.destination_port.to_be_bytes()))
    };
    // No connection has port 0: with it, the look-up can only find a listener.
    let (both, ours) = (ports(segment.source_port), ports(0));
    if let (Some(source), Some(destination)) = (segment.source.to_v4(), segment.destination.to_v4()) {
        let tuple = |ports| [source.to_be(), destination.to_be(), ports, 0, 0, 0, 0, 0, 0];
        return is_open(context, &mut tuple(both), V4) && !is_there(context, &mut tuple(ours), V4);
    }
    let [s0, s1, s2, s3] = words(segment.source);
    let [d0, d1, d2, d3] = words(segment.destination);
    let tuple = |ports| [s0, s1, s2, s3, d0, d1, d2, d3, ports];
    is_open(context, &mut tuple(both), V6) && !is_there(context, &mut tuple(ours), V6)
}

#[inline(always)]
const fn concat(first: [u8; 2], second: [u8; 2]) -> [u8; 4] {
    [first[0], first[1], second[0], second[1]]
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
fn words(key: ClientKey) -> [u32; 4] {
    let word = |half: u64, shift: u32| ((half >> shift) as u32).to_be();
    [word(key.hi, 32), word(key.hi, 0), word(key.lo, 32), word(key.lo, 0)]
}

/// Whether there is a connection with these addresses and ports.
#[inline(always)]
fn is_open(context: *mut xdp_md, tuple: &mut Tuple, size: u32) -> bool {
    let socket = look_up(context, tuple, size);
    if socket.is_null() {
        return false;
    }
    // SAFETY: a socket that the kernel handed out, until it is released.
    let state = unsafe { (*socket).state };
    // SAFETY: as above; it is not used afterwards.
    unsafe { bpf_sk_release(socket.cast()) };
    state != LISTEN
}

/// Whether there is any socket.
#[inline(always)]
fn is_there(context: *mut xdp_md, tuple: &mut Tuple, size: u32) -> bool {
    let socket = look_up(context, tuple, size);
    if socket.is_null() {
        return false;
    }
    // SAFETY: as above.
    unsafe { bpf_sk_release(socket.cast()) };
    true
}

#[inline(always)]
fn look_up(context: *mut xdp_md, tuple: &mut Tuple, size: u32) -> *mut bpf_sock {
    let tuple: *mut bpf_sock_tuple = tuple.as_mut_ptr().cast();
    // SAFETY: the tuple has at least `size` bytes.
    unsafe { bpf_sk_lookup_tcp(context.cast(), tuple, size, CURRENT_NETNS, 0) }
}

//! What happens at tc ingress to a request over the limit, and to what its client sends afterwards.
//!
//! Only a whole head without content in one segment is answered, of an established connection of this host whose server
//! has sent all that the client has acknowledged and has read up to this segment. Nothing else is known of the
//! connection, so that nothing else may be said on it. The server's socket ends with a reset, and what the client still
//! sends for this connection is answered or swallowed here, or else the kernel would reset the client's side before the
//! client has read the answer.

use aya_ebpf::bindings::{__sk_buff, bpf_sock, bpf_sock_tuple};
use aya_ebpf::helpers::generated::{bpf_ktime_get_ns, bpf_sk_lookup_tcp, bpf_sk_release, bpf_tcp_sock};
use aya_ebpf::programs::TcContext;
use sensor_common::abi::Event;

use super::write::{self, ACK, FIN, HEADER, RST, SYN, TEXT_BYTES, TIMESTAMPS, URG, V4, V6, Work, load};
use super::{ETHERNET, SPOILED};
use crate::{count, maps, offload};

/// `TCX_NEXT` and `TC_ACT_UNSPEC`; `TCX_DROP` and `TC_ACT_SHOT`.
const NEXT: i32 = -1;
const DROP: i32 = 2;

/// How long what follows on an answered connection is swallowed.
const LINGER: u64 = 10_000_000_000;

/// `BPF_TCP_ESTABLISHED` of `linux/bpf.h`.
const ESTABLISHED: u32 = 1;
/// `BPF_F_CURRENT_NETNS`.
const CURRENT_NETNS: u64 = u64::MAX;
/// `CHECKSUM_PARTIAL`: see `offload.rs`.
const PARTIAL: u8 = 3;
/// `PACKET_HOST`.
const PACKET_HOST: u32 = 0;

/// Addresses and both ports, in network order: `struct bpf_sock_tuple` of the family, and zeros.
pub(crate) type Tuple = [u32; 9];

/// A connection that was answered.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Answered {
    /// When.
    at: u64,
    /// Sequence number of the request.
    start: u32,
    /// That of what follows the request.
    pub(super) end: u32,
    /// What this side has sent up to, its FIN included.
    pub(super) next: u32,
    pub(super) lifetime: u32,
}

/// What came, beyond its headers.
pub(super) struct Came {
    pub(super) is_v4: bool,
    pub(super) is_partial: bool,
    pub(super) has_timestamps: bool,
    /// Several segments in one, which cannot be turned round.
    is_many: bool,
    pub(super) flags: u8,
    pub(super) lifetime: u8,
    /// Offset of the payload, and its bytes.
    pub(super) payload: u32,
    pub(super) length: u32,
    pub(super) sequence: u32,
    pub(super) acknowledgement: u32,
}

/// What happens to a packet.
#[inline(always)]
pub(crate) fn answer(context: &TcContext) -> i32 {
    let skb = context.skb.skb;
    // SAFETY: a field of the context.
    let is_v4 = match unsafe { (*skb).protocol } {
        protocol if protocol == u16::from_ne_bytes([0x08, 0x00]) as u32 => true,
        protocol if protocol == u16::from_ne_bytes([0x86, 0xdd]) as u32 => false,
        _ => return NEXT,
    };
    let Some(work) = maps::WORK.get_ptr_mut(0) else { return NEXT };
    // SAFETY: this CPU's own.
    let work = unsafe { &mut *work };
    if load(skb, ETHERNET, work.ip.as_mut_ptr(), 4).is_none() {
        return NEXT;
    }
    let [first, ..] = work.ip;
    let is_refused = first.to_ne_bytes()[0] & 0xf0 == SPOILED;
    if !is_refused && !is_lingering() {
        return NEXT;
    }
    let action = read(context, work, is_v4)
        .map(|came| if is_refused { refuse(skb, work, &came) } else { follow(skb, work, &came) });
    match action {
        Some(action) => action,
        None if is_refused => {
            count::event(Event::TooManyShape);
            DROP
        }
        None => NEXT,
    }
}

/// Whether a connection was answered just now, on any CPU.
#[inline(always)]
fn is_lingering() -> bool {
    // SAFETY: array entries live as long as the program.
    let last = maps::ANSWERED_LAST.get_ptr(0).map_or(0, |last| unsafe { last.read_volatile() });
    last != 0 && now().wrapping_sub(last) <= LINGER
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper has no arguments.
    unsafe { bpf_ktime_get_ns() }
}

/// Reads the headers; `None` for what is no segment, or one that is not understood here.
#[inline(always)]
fn read(context: &TcContext, work: &mut Work, is_v4: bool) -> Option<Came> {
    let skb = context.skb.skb;
    let ip_len = if is_v4 { V4 } else { V6 };
    if is_v4 {
        load(skb, ETHERNET, work.ip.as_mut_ptr(), V4)?;
    } else {
        load(skb, ETHERNET, work.ip.as_mut_ptr(), V6)?;
    }
    let [w0, w1, w2, ..] = work.ip;
    let ([first, _, t0, t1], [p0, p1, next, hops]) = (w0.to_ne_bytes(), w1.to_ne_bytes());
    let [ttl, protocol, ..] = w2.to_ne_bytes();
    let (lifetime, total) = if is_v4 {
        let fragment = u16::from_be_bytes([next, hops]) & 0x3fff;
        if first & 0x0f != 5 || fragment != 0 || protocol != 6 {
            return None;
        }
        (ttl, u16::from_be_bytes([t0, t1]) as u32)
    } else if next == 6 {
        (hops, (u16::from_be_bytes([p0, p1]) as u32).wrapping_add(V6))
    } else {
        return None;
    };
    let tcp_at = ETHERNET.wrapping_add(ip_len);
    load(skb, tcp_at, work.tcp.as_mut_ptr(), V4)?;
    let [_, sequence, acknowledgement, w3, ..] = work.tcp;
    let [offset, flags, ..] = w3.to_ne_bytes();
    let header = ((offset >> 4) as u32) << 2;
    let headers = ip_len.wrapping_add(header);
    // SAFETY: fields of the context.
    let (length, gso, kind) = unsafe { ((*skb).len, (*skb).gso_size, (*skb).pkt_type) };
    if header < 20 || headers > total || ETHERNET.wrapping_add(total) > length || kind != PACKET_HOST {
        return None;
    }
    let mut has_timestamps = false;
    if header >= HEADER {
        load(skb, tcp_at, work.tcp.as_mut_ptr(), HEADER)?;
        let [.., option, _, _] = work.tcp;
        has_timestamps = option.to_ne_bytes() == TIMESTAMPS;
    }
    let settings = maps::mirror_settings()?;
    let summed = offload::ip_summed(context, settings.ip_summed)?;
    Some(Came {
        is_v4,
        is_partial: summed == PARTIAL,
        has_timestamps,
        is_many: gso != 0,
        flags,
        lifetime,
        payload: ETHERNET.wrapping_add(headers),
        length: total.wrapping_sub(headers),
        sequence: u32::from_be(sequence),
        acknowledgement: u32::from_be(acknowledgement),
    })
}

/// A request over the limit.
#[inline(always)]
fn refuse(skb: *mut __sk_buff, work: &mut Work, came: &Came) -> i32 {
    if came.is_many || came.flags & (ACK | SYN | RST | FIN | URG) != ACK || !is_whole(skb, came) {
        count::event(Event::TooManyShape);
        return DROP;
    }
    let tuple = tuple(work, came.is_v4);
    if let Some(known) = known(&tuple) {
        return again(skb, work, came, &known);
    }
    if !in_step(skb, tuple, came) {
        count::event(Event::TooManySocket);
        return DROP;
    }
    let (start, now) = (came.sequence, now());
    let end = start.wrapping_add(came.length);
    let next = came.acknowledgement.wrapping_add(TEXT_BYTES as u32).wrapping_add(1);
    let answered = Answered { at: now, start, end, next, lifetime: came.lifetime as u32 };
    if maps::REFUSED.insert(&tuple, &answered, 0).is_err()
        || load(skb, 0, work.link.as_mut_ptr(), 12).is_none()
    {
        count::event(Event::TooManyFailed);
        return DROP;
    }
    if let Some(last) = maps::ANSWERED_LAST.get_ptr_mut(0) {
        // SAFETY: array entries live as long as the program; any CPU's time will do.
        unsafe { last.write_volatile(now) };
    }
    if write::text(skb, work, came, &answered).is_none() {
        count::event(Event::TooManyFailed);
        let _gone = maps::REFUSED.remove(&tuple);
        return DROP;
    }
    count::event(Event::TooManyAnswered);
    match write::reset(skb, work, came) {
        Some(()) => NEXT,
        None => DROP,
    }
}

/// What a client sends on a connection that was answered.
#[inline(always)]
fn follow(skb: *mut __sk_buff, work: &mut Work, came: &Came) -> i32 {
    let tuple = tuple(work, came.is_v4);
    let Some(known) = known(&tuple) else { return NEXT };
    if came.flags & SYN != 0 {
        // A connection of the same ports, which begins.
        let _gone = maps::REFUSED.remove(&tuple);
        return NEXT;
    }
    if came.flags & RST != 0 {
        let _gone = maps::REFUSED.remove(&tuple);
        return DROP;
    }
    again(skb, work, came, &known)
}

/// The answer once more if the request comes once more, an acknowledgement if the client closes, and else nothing.
#[inline(always)]
fn again(skb: *mut __sk_buff, work: &mut Work, came: &Came, known: &Answered) -> i32 {
    if came.is_many || load(skb, 0, work.link.as_mut_ptr(), 12).is_none() {
        return DROP;
    }
    if came.length != 0 && came.sequence == known.start {
        let _sent = write::text(skb, work, came, known);
    } else if came.flags & FIN != 0 {
        let _sent = write::acknowledgement(skb, work, came, known);
    }
    DROP
}

/// The connection, if it was answered a short time ago.
#[inline(always)]
fn known(tuple: &Tuple) -> Option<Answered> {
    // SAFETY: another CPU may write at the same time; each field of either is of the same connection.
    let found = *unsafe { maps::REFUSED.get(tuple) }?;
    if now().wrapping_sub(found.at) <= LINGER { Some(found) } else { None }
}

#[inline(always)]
fn tuple(work: &Work, is_v4: bool) -> Tuple {
    let [_, _, w2, w3, w4, w5, w6, w7, w8, w9] = work.ip;
    let [ports, ..] = work.tcp;
    if is_v4 { [w3, w4, ports, 0, 0, 0, 0, 0, 0] } else { [w2, w3, w4, w5, w6, w7, w8, w9, ports] }
}

/// Whether the payload ends with an empty line: one head, without content.
#[inline(always)]
fn is_whole(skb: *mut __sk_buff, came: &Came) -> bool {
    if came.length < 16 {
        return false;
    }
    let mut last = 0_u32;
    let at = came.payload.wrapping_add(came.length).wrapping_sub(4);
    load(skb, at, &raw mut last, 4).is_some() && last.to_ne_bytes() == *b"\r\n\r\n"
}

/// Whether there is a connection of this host that has sent and read exactly what the segment says.
#[inline(always)]
fn in_step(skb: *mut __sk_buff, tuple: Tuple, came: &Came) -> bool {
    let mut tuple = tuple;
    let at: *mut bpf_sock_tuple = tuple.as_mut_ptr().cast();
    // SAFETY: the tuple has as many bytes.
    let socket =
        unsafe { bpf_sk_lookup_tcp(skb.cast(), at, if came.is_v4 { 12 } else { 36 }, CURRENT_NETNS, 0) };
    if socket.is_null() {
        return false;
    }
    let agrees = agrees(socket, came);
    // SAFETY: a socket that the kernel handed out; it is not used afterwards.
    unsafe { bpf_sk_release(socket.cast()) };
    agrees
}

#[inline(always)]
fn agrees(socket: *mut bpf_sock, came: &Came) -> bool {
    // SAFETY: a socket that the kernel handed out.
    if unsafe { (*socket).state } != ESTABLISHED {
        return false;
    }
    // SAFETY: as above.
    let tcp = unsafe { bpf_tcp_sock(socket) };
    if tcp.is_null() {
        return false;
    }
    // SAFETY: as above.
    let (sent, read) = unsafe { ((*tcp).snd_nxt, (*tcp).rcv_nxt) };
    sent == came.acknowledgement && read == came.sequence
}

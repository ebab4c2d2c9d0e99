//! The answer to a request over the limit, at tc ingress: `429`, to the client; a reset, to the server's socket.
//!
//! Only a whole head without content in one segment is answered, of an established connection of this host whose server
//! has sent all that the client has acknowledged and has read up to this segment. Nothing else is known of the
//! connection, so that nothing else may be said on it. The server's socket ends with a reset, and what the client still
//! sends for this connection is answered or swallowed here, or else the kernel would reset the client's side before the
//! client has read the answer.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::{__sk_buff, bpf_sock, bpf_sock_tuple};
use aya_ebpf::helpers::generated::{
    bpf_clone_redirect, bpf_ktime_get_ns, bpf_sk_lookup_tcp, bpf_sk_release, bpf_skb_change_tail,
    bpf_skb_load_bytes, bpf_skb_store_bytes, bpf_tcp_sock,
};
use aya_ebpf::programs::TcContext;
use sensor_common::abi::Event;

use crate::cookie::{folded, put, sum_of};
use crate::too_many::{ETHERNET, MINUTES, SPOILED};
use crate::{count, maps, offload};

/// `TCX_NEXT` and `TC_ACT_UNSPEC`; `TCX_DROP` and `TC_ACT_SHOT`.
const NEXT: i32 = -1;
const DROP: i32 = 2;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;

const V4: u32 = 20;
const V6: u32 = 40;
/// The TCP header of what is sent: with timestamps, or as much padding.
const HEADER: u32 = 32;
/// The option as every stack places it in a segment with data: two paddings, its kind and its length (RFC 7323, appendix A).
const TIMESTAMPS: [u8; 4] = [1, 1, 8, 10];
const PADDING: [u8; 4] = [1; 4];

const TEXT: &[u8; TEXT_BYTES] =
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After:     1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const TEXT_BYTES: usize = 92;
const TEXT_WORDS: usize = TEXT_BYTES / 4;
/// Words of [`TEXT`] with the digits of `Retry-After`.
const THOUSANDS: usize = 11;
const ONES: usize = 12;
const HEADER_WORDS: usize = 8;

/// How long what follows on an answered connection is swallowed.
const LINGER: u64 = 10_000_000_000;

/// `BPF_TCP_ESTABLISHED` of `linux/bpf.h`.
const ESTABLISHED: u32 = 1;
/// `BPF_F_CURRENT_NETNS`.
const CURRENT_NETNS: u64 = u64::MAX;
/// `BPF_F_RECOMPUTE_CSUM`: a checksum of the card over the whole packet stays right.
const RECOMPUTE: u64 = 1;
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
    end: u32,
    /// What this side has sent up to, its FIN included.
    next: u32,
    lifetime: u32,
}

/// Where this CPU puts packets together.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Work {
    /// Both Ethernet addresses.
    link: [u32; 4],
    /// What came.
    ip: [u32; 10],
    tcp: [u32; HEADER_WORDS],
    /// What is sent.
    out_ip: [u32; 10],
    out: [u32; HEADER_WORDS + TEXT_WORDS],
}

/// What came, beyond its headers.
struct Came {
    is_v4: bool,
    is_partial: bool,
    has_timestamps: bool,
    flags: u8,
    lifetime: u8,
    /// Offset of the payload, and its bytes.
    payload: u32,
    length: u32,
    sequence: u32,
    acknowledgement: u32,
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
    if header < 20
        || headers > total
        || ETHERNET.wrapping_add(total) > length
        || gso != 0
        || kind != PACKET_HOST
    {
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
    if came.flags & (ACK | SYN | RST | FIN | URG) != ACK || !is_whole(skb, came) {
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
    if send_text(skb, work, came, &answered).is_none() {
        count::event(Event::TooManyFailed);
        let _gone = maps::REFUSED.remove(&tuple);
        return DROP;
    }
    count::event(Event::TooManyAnswered);
    match reset(skb, work, came) {
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
    if load(skb, 0, work.link.as_mut_ptr(), 12).is_none() {
        return DROP;
    }
    if came.length != 0 && came.sequence == known.start {
        let _sent = send_text(skb, work, came, known);
    } else if came.flags & FIN != 0 {
        let _sent = send_acknowledgement(skb, work, came, known);
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

#[inline(always)]
fn send_text(skb: *mut __sk_buff, work: &mut Work, came: &Came, known: &Answered) -> Option<()> {
    for (word, bytes) in TEXT.as_chunks::<4>().0.iter().enumerate() {
        put(&mut work.out, HEADER_WORDS.wrapping_add(word), *bytes);
    }
    let lifetime = (known.lifetime & 0xff) as u8;
    let minutes = lifetime & !MINUTES;
    let seconds = if lifetime & MINUTES != 0 { (minutes as u32).wrapping_mul(60) } else { lifetime as u32 };
    let digit = |unit: u32| {
        if seconds >= unit || unit == 1 { b'0'.wrapping_add((seconds / unit % 10) as u8) } else { b' ' }
    };
    put(&mut work.out, HEADER_WORDS + THOUSANDS, [b' ', b' ', digit(1_000), digit(100)]);
    put(&mut work.out, HEADER_WORDS + ONES, [digit(10), digit(1), b'\r', b'\n']);
    let sequence = known.next.wrapping_sub(TEXT_BYTES as u32).wrapping_sub(1);
    write::<true>(work, came, true, (sequence, known.end), ACK | PSH | FIN);
    send::<true>(skb, work, came)
}

#[inline(always)]
fn send_acknowledgement(skb: *mut __sk_buff, work: &mut Work, came: &Came, known: &Answered) -> Option<()> {
    let end = came.sequence.wrapping_add(came.length).wrapping_add(1);
    write::<false>(work, came, true, (known.next, end), ACK);
    send::<false>(skb, work, came)
}

/// Sends what was written back to where the packet came from.
#[inline(always)]
fn send<const WITH_TEXT: bool>(skb: *mut __sk_buff, work: &mut Work, came: &Came) -> Option<()> {
    let link = work.link;
    let [a, b, c, _] = link;
    let ([a0, a1, a2, a3], [a4, a5, b0, b1], [b2, b3, b4, b5]) =
        (a.to_ne_bytes(), b.to_ne_bytes(), c.to_ne_bytes());
    put(&mut work.link, 0, [b0, b1, b2, b3]);
    put(&mut work.link, 1, [b4, b5, a0, a1]);
    put(&mut work.link, 2, [a2, a3, a4, a5]);
    let done = replace::<WITH_TEXT>(skb, work, came.is_v4);
    for (at, word) in link.iter().enumerate() {
        put(&mut work.link, at, word.to_ne_bytes());
    }
    done?;
    // SAFETY: a field of the context.
    let ifindex = unsafe { (*skb).ifindex };
    // SAFETY: the helper checks its arguments.
    let sent = unsafe { bpf_clone_redirect(skb, ifindex, 0) };
    (sent == 0).then_some(())
}

/// Makes the packet a reset from the client for the server's socket.
#[inline(always)]
fn reset(skb: *mut __sk_buff, work: &mut Work, came: &Came) -> Option<()> {
    write::<false>(work, came, false, (came.sequence, came.acknowledgement), RST | ACK);
    replace::<false>(skb, work, came.is_v4)
}

/// Writes the headers; `back`: to where the packet came from.
#[inline(always)]
fn write<const WITH_TEXT: bool>(
    work: &mut Work,
    came: &Came,
    back: bool,
    (sequence, acknowledgement): (u32, u32),
    flags: u8,
) {
    let tcp_len = if WITH_TEXT { HEADER as u16 + TEXT_BYTES as u16 } else { HEADER as u16 };
    let [_, _, s0, s1, s2, s3, d0, d1, d2, d3] = work.ip;
    let addresses = if came.is_v4 {
        let [l0, l1] = (tcp_len + V4 as u16).to_be_bytes();
        let (source, destination) = if back { (s2, s1) } else { (s1, s2) };
        put(&mut work.out_ip, 0, [0x45, 0, l0, l1]);
        put(&mut work.out_ip, 1, [0, 0, 0x40, 0]);
        put(&mut work.out_ip, 2, [64, 6, 0, 0]);
        put(&mut work.out_ip, 3, source.to_ne_bytes());
        put(&mut work.out_ip, 4, destination.to_ne_bytes());
        let [w0, w1, w2, ..] = work.out_ip;
        let [c0, c1] = folded(sum_of(&[w0, w1, w2, source, destination]));
        put(&mut work.out_ip, 2, [64, 6, c0, c1]);
        sum_of(&[s1, s2])
    } else {
        let [l0, l1] = tcp_len.to_be_bytes();
        put(&mut work.out_ip, 0, [0x60, 0, 0, 0]);
        put(&mut work.out_ip, 1, [l0, l1, 6, 64]);
        let words = if back { [d0, d1, d2, d3, s0, s1, s2, s3] } else { [s0, s1, s2, s3, d0, d1, d2, d3] };
        let [w0, w1, w2, w3, w4, w5, w6, w7] = words;
        for (at, word) in [(2, w0), (3, w1), (4, w2), (5, w3), (6, w4), (7, w5), (8, w6), (9, w7)] {
            put(&mut work.out_ip, at, word.to_ne_bytes());
        }
        sum_of(&words)
    };
    write_tcp(work, came, back, (sequence, acknowledgement), flags);
    let [l0, l1] = tcp_len.to_be_bytes();
    let pseudo = (u32::from_ne_bytes([0, 6, l0, l1]) as u64).wrapping_add(addresses);
    let [c0, c1] = if came.is_partial {
        // Whoever sends it adds the rest.
        let [c0, c1] = folded(pseudo);
        [!c0, !c1]
    } else {
        let [h0, h1, h2, h3, h4, h5, h6, h7, text @ ..] = &work.out;
        let header = sum_of(&[*h0, *h1, *h2, *h3, *h4, *h5, *h6, *h7]);
        let text = if WITH_TEXT { sum_of(text) } else { 0 };
        folded(pseudo.wrapping_add(header).wrapping_add(text))
    };
    put(&mut work.out, 4, [c0, c1, 0, 0]);
}

#[inline(always)]
fn write_tcp(work: &mut Work, came: &Came, back: bool, (sequence, acknowledgement): (u32, u32), flags: u8) {
    let [ports, _, _, _, _, _, value, echo] = work.tcp;
    let [s0, s1, d0, d1] = ports.to_ne_bytes();
    put(&mut work.out, 0, if back { [d0, d1, s0, s1] } else { [s0, s1, d0, d1] });
    put(&mut work.out, 1, sequence.to_be_bytes());
    put(&mut work.out, 2, acknowledgement.to_be_bytes());
    put(&mut work.out, 3, [0x80, flags, 0xff, 0xff]);
    put(&mut work.out, 4, [0; 4]);
    let (option, first, second) = if !came.has_timestamps {
        (PADDING, PADDING, PADDING)
    } else if back {
        // The latest time of the server that the client knows: not older than that, so not taken for a duplicate.
        (TIMESTAMPS, echo.to_ne_bytes(), value.to_ne_bytes())
    } else {
        (TIMESTAMPS, value.to_ne_bytes(), echo.to_ne_bytes())
    };
    put(&mut work.out, 5, option);
    put(&mut work.out, 6, first);
    put(&mut work.out, 7, second);
}

/// Replaces the packet's content by what was written.
#[inline(always)]
fn replace<const WITH_TEXT: bool>(skb: *mut __sk_buff, work: &mut Work, is_v4: bool) -> Option<()> {
    const ALL: u32 = HEADER + TEXT_BYTES as u32;
    let (ip_len, tcp_len) = (if is_v4 { V4 } else { V6 }, if WITH_TEXT { ALL } else { HEADER });
    let tcp_at = ETHERNET.wrapping_add(ip_len);
    // SAFETY: the helper checks the bounds.
    let changed = unsafe { bpf_skb_change_tail(skb, tcp_at.wrapping_add(tcp_len), 0) };
    if changed != 0 {
        return None;
    }
    store(skb, 0, work.link.as_mut_ptr(), 12)?;
    if is_v4 {
        store(skb, ETHERNET, work.out_ip.as_mut_ptr(), V4)?;
    } else {
        store(skb, ETHERNET, work.out_ip.as_mut_ptr(), V6)?;
    }
    if WITH_TEXT {
        store(skb, tcp_at, work.out.as_mut_ptr(), ALL)
    } else {
        store(skb, tcp_at, work.out.as_mut_ptr(), HEADER)
    }
}

#[inline(always)]
fn load(skb: *mut __sk_buff, at: u32, to: *mut u32, length: u32) -> Option<()> {
    // SAFETY: the buffer has as many bytes.
    let loaded = unsafe { bpf_skb_load_bytes(skb.cast(), at, to.cast(), length) };
    (loaded == 0).then_some(())
}

#[inline(always)]
fn store(skb: *mut __sk_buff, at: u32, from: *mut u32, length: u32) -> Option<()> {
    let flags = if at < ETHERNET { 0 } else { RECOMPUTE };
    // SAFETY: the buffer has as many bytes.
    let stored = unsafe { bpf_skb_store_bytes(skb, at, from.cast(), length, flags) };
    (stored == 0).then_some(())
}

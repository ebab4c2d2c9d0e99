//! SYN cookies: new connections while forged sources use up what newcomers share.
//!
//! A SYN over that limit is answered from here (RFC 4987, section 3.6), so that it costs the host no memory and its
//! kernel no time, and an acknowledgement with a valid cookie proves its sender's address. The kernel makes and checks
//! the cookies, and takes the connection over with that acknowledgement: the helpers use its own keys, and
//! `bpf_tcp_gen_syncookie` refuses where the kernel would not accept the cookie, since the port has no listener, its
//! queue of accepted connections is full, or `net.ipv4.tcp_syncookies` forbids (0), or waits for a full queue of
//! half-open connections (1).

use core::mem;

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::{
    bpf_fib_lookup, bpf_sk_release, bpf_tcp_gen_syncookie, bpf_xdp_adjust_tail, bpf_xdp_load_bytes,
    bpf_xdp_store_bytes,
};
use aya_ebpf::programs::XdpContext;
use sensor_common::packet::{self, SegmentHeader};

use crate::access::{self, Linear};
use crate::{answer, atomic, maps};

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

const ETHERNET: u32 = 14;
const V4: u32 = 20;
const V6: u32 = 40;
/// A TCP header without options.
const TCP: u32 = 20;
/// One whose only option is the maximum segment size (RFC 9293, section 3.7.1).
const ANSWER: u32 = 24;
/// The longest TCP header, rounded up to a power of two.
const LONGEST: usize = 64;

/// No header of a SYN is further behind: so many VLAN tags are not followed.
const FURTHEST: u32 = 1 << 10;

/// `AF_INET` and `AF_INET6`.
const FAMILIES: (u32, u32) = (2, 10);
/// `BPF_FIB_LKUP_RET_NOT_FWDED` and `BPF_FIB_LKUP_RET_FWD_DISABLED`: the packet is for this host, or nothing is
/// forwarded.
const NOT_FORWARDED: [i64; 2] = [4, 5];

/// `bpf_tcp_raw_check_syncookie_ipv4` and `_ipv6` of `linux/bpf.h`, for which the bindings have no function.
const CHECK_V4: usize = 206;
const CHECK_V6: usize = 207;
type Check = unsafe extern "C" fn(ip: *mut u8, tcp: *mut u8) -> i64;

/// The headers of a segment, as they are on the wire. In a map: the stack has no room for them.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Headers {
    ip: [u32; 10],
    tcp: [u32; LONGEST / 4],
    /// Both Ethernet addresses.
    link: [u32; 4],
}

/// The frame answers a SYN, with a SYN cookie, and is to be sent back.
pub(crate) const ANSWERED: u32 = 1;
/// The segment acknowledges a valid SYN cookie, so its source has received a segment of this host.
pub(crate) const ACKNOWLEDGED: u32 = 2;

/// What a segment of a newcomer over a limit is to a handshake: [`ANSWERED`], [`ACKNOWLEDGED`] or 0.
///
/// Exported: the verifier checks it once and on its own.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn handshake(context: *mut xdp_md) -> u32 {
    take_part(context).unwrap_or(0)
}

#[inline(always)]
fn take_part(context: *mut xdp_md) -> Option<u32> {
    let of_frame = XdpContext::new(context);
    let segment = packet::segment(&Linear::<_, false>::new(&of_frame)).ok()?;
    let is_v4 = segment.source.is_v4();
    // SAFETY: this CPU's own.
    let headers = unsafe { &mut *maps::headers()? };
    let ip_at = load_ip(context, &segment, is_v4, headers)?;
    let length = ((segment.data_offset >> 4) as u32) << 2;
    load(context, tcp_at(&segment), headers.tcp.as_mut_ptr().cast(), length)?;
    match segment.flags & (SYN | ACK | RST | FIN) {
        SYN => answer(context, &segment, headers, ip_at, is_v4, length).map(|()| ANSWERED),
        flags if flags & (SYN | ACK | RST) == ACK => is_acknowledged(headers, is_v4).then_some(ACKNOWLEDGED),
        _ => None,
    }
}

#[inline(always)]
fn is_acknowledged(headers: &mut Headers, is_v4: bool) -> bool {
    let (ip, tcp) = (headers.ip.as_mut_ptr().cast(), headers.tcp.as_mut_ptr().cast());
    let checked = if is_v4 { call(CHECK_V4, ip, tcp) } else { call(CHECK_V6, ip, tcp) };
    checked == 0
}

#[inline(always)]
fn call(helper: usize, ip: *mut u8, tcp: *mut u8) -> i64 {
    // SAFETY: a helper's number stands for its address.
    let check = unsafe { mem::transmute::<usize, Check>(helper) };
    // SAFETY: the buffers are longer than what the helpers read.
    unsafe { check(ip, tcp) }
}

#[inline(always)]
fn answer(
    context: *mut xdp_md,
    segment: &SegmentHeader,
    headers: &mut Headers,
    ip_at: u32,
    is_v4: bool,
    length: u32,
) -> Option<()> {
    if !is_for_this_host(context, headers, is_v4) {
        return None;
    }
    let (cookie, mss) = cookie(context, segment, headers, is_v4, length)?;
    if is_v4 {
        turn_v4(&mut headers.ip);
    } else {
        turn_v6(&mut headers.ip);
    }
    write_answer(headers, segment, cookie, mss, is_v4);
    send(context, segment, headers, ip_at, is_v4)
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "an offset in a frame")]
const fn tcp_at(segment: &SegmentHeader) -> u32 {
    (segment.options as u32).wrapping_sub(TCP)
}

/// Loads the IP header, and returns where it starts: right before TCP, or `packet::segment` had found none.
#[inline(always)]
fn load_ip(context: *mut xdp_md, segment: &SegmentHeader, is_v4: bool, headers: &mut Headers) -> Option<u32> {
    let size = if is_v4 { V4 } else { V6 };
    let at = tcp_at(segment).wrapping_sub(size);
    // Frames that start with the IP header cannot be sent back by turning their Ethernet addresses.
    if !(ETHERNET..=FURTHEST).contains(&at) {
        return None;
    }
    if is_v4 {
        load(context, at, headers.ip.as_mut_ptr().cast(), V4)?;
    } else {
        load(context, at, headers.ip.as_mut_ptr().cast(), V6)?;
    }
    Some(at)
}

/// Loads at most [`LONGEST`] bytes of the frame.
#[inline(always)]
fn load(context: *mut xdp_md, at: u32, to: *mut u8, length: u32) -> Option<()> {
    // SAFETY: the buffer has as many bytes.
    let loaded = unsafe { bpf_xdp_load_bytes(context, at, to.cast(), bounded(length)) };
    (loaded == 0).then_some(())
}

/// A length from 1 to [`LONGEST`], in the form that the verifier of Linux 6.1 follows.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a few bits are meant")]
fn bounded(length: u32) -> u32 {
    const MASK: u64 = LONGEST as u64 - 1;
    (atomic::opaque(length.wrapping_sub(1) as u64) & MASK).wrapping_add(1) as u32
}

/// Whether the packet is addressed to this host, as far as the kernel's routes say. Otherwise a router with a listener
/// on all addresses would answer for the servers behind it.
#[inline(always)]
fn is_for_this_host(context: *mut xdp_md, headers: &Headers, is_v4: bool) -> bool {
    // `struct bpf_fib_lookup`: family, interface, and both addresses as they are on the wire.
    // SAFETY: a field of the context.
    let by = unsafe { (*context).ingress_ifindex };
    let [_, _, w2, w3, w4, w5, w6, w7, w8, w9] = headers.ip;
    let mut asked: [u32; 16] = if is_v4 {
        [FAMILIES.0, 0, by, 0, w3, 0, 0, 0, w4, 0, 0, 0, 0, 0, 0, 0]
    } else {
        [FAMILIES.1, 0, by, 0, w2, w3, w4, w5, w6, w7, w8, w9, 0, 0, 0, 0]
    };
    // SAFETY: the structure has this length.
    let found = unsafe { bpf_fib_lookup(context.cast(), asked.as_mut_ptr().cast(), 64, 0) };
    NOT_FORWARDED.contains(&found)
}

/// A cookie for the segment, and the maximum segment size that it stands for.
#[inline(always)]
fn cookie(
    context: *mut xdp_md,
    segment: &SegmentHeader,
    headers: &mut Headers,
    is_v4: bool,
    length: u32,
) -> Option<(u32, u16)> {
    let socket = answer::listener(context, segment);
    if socket.is_null() {
        return None;
    }
    let (ip, tcp) = (headers.ip.as_mut_ptr().cast(), headers.tcp.as_mut_ptr().cast());
    let size = if is_v4 { V4 } else { V6 };
    // SAFETY: the buffers are that long, and the socket is held.
    let made = unsafe { bpf_tcp_gen_syncookie(socket.cast(), ip, size, tcp, bounded(length)) };
    // SAFETY: a socket that the kernel handed out; it is not used afterwards.
    unsafe { bpf_sk_release(socket.cast()) };
    parts_of(made)
}

/// The cookie is in the lower half of the helper's answer, the size in the upper one; a negative answer is an error.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the parts are meant")]
const fn parts_of(made: i64) -> Option<(u32, u16)> {
    if made <= 0 { None } else { Some((made as u32, (made >> 32) as u16)) }
}

/// Hops that the answer may take: the default of Linux.
const LIFETIME: u8 = 64;

/// Writes four bytes of a header. Volatile: the compiler would combine neighbours to accesses that the verifier takes
/// for misaligned.
#[inline(always)]
pub(crate) fn put(header: &mut [u32], at: usize, bytes: [u8; 4]) {
    if let Some(word) = header.get_mut(at) {
        // SAFETY: a reference is valid and aligned.
        unsafe { (&raw mut *word).write_volatile(u32::from_ne_bytes(bytes)) };
    }
}

/// No options, no fragments, a lifetime of its own.
#[inline(always)]
fn turn_v4(ip: &mut [u32; 10]) {
    const LENGTH: u8 = (V4 + ANSWER) as u8;
    let [.., source, destination, _, _, _, _, _] = *ip;
    put(ip, 0, [0x45, 0, 0, LENGTH]);
    put(ip, 1, [0, 0, 0x40, 0]);
    put(ip, 2, [LIFETIME, 6, 0, 0]);
    put(ip, 3, destination.to_ne_bytes());
    put(ip, 4, source.to_ne_bytes());
    let [w0, w1, w2, ..] = *ip;
    let [c0, c1] = folded(sum_of(&[w0, w1, w2, destination, source]));
    put(ip, 2, [LIFETIME, 6, c0, c1]);
}

#[inline(always)]
fn turn_v6(ip: &mut [u32; 10]) {
    let [_, _, s0, s1, s2, s3, d0, d1, d2, d3] = *ip;
    put(ip, 0, [0x60, 0, 0, 0]);
    put(ip, 1, [0, ANSWER as u8, 6, LIFETIME]);
    for (at, word) in [(2, d0), (3, d1), (4, d2), (5, d3), (6, s0), (7, s1), (8, s2), (9, s3)] {
        put(ip, at, word.to_ne_bytes());
    }
}

/// Writes the TCP header of the SYN-ACK. Its only option is the maximum segment size: others would have to be
/// remembered until the acknowledgement.
#[inline(always)]
fn write_answer(headers: &mut Headers, segment: &SegmentHeader, cookie: u32, mss: u16, is_v4: bool) {
    let ([s0, s1], [d0, d1]) = (segment.destination_port.to_be_bytes(), segment.source_port.to_be_bytes());
    let [m0, m1] = mss.to_be_bytes();
    let tcp = &mut headers.tcp;
    put(tcp, 0, [s0, s1, d0, d1]);
    put(tcp, 1, cookie.to_be_bytes());
    put(tcp, 2, segment.sequence.wrapping_add(1).to_be_bytes());
    put(tcp, 3, [0x60, SYN | ACK, 0xff, 0xff]);
    put(tcp, 4, [0, 0, 0, 0]);
    put(tcp, 5, [2, 4, m0, m1]);
    let [c0, c1] = checksum(headers, is_v4);
    put(&mut headers.tcp, 4, [c0, c1, 0, 0]);
}

#[inline(always)]
pub(crate) fn sum_of(words: &[u32]) -> u64 {
    words.iter().fold(0_u64, |sum, word| sum.wrapping_add(*word as u64))
}

/// The TCP checksum, whose own field is still zero (RFC 9293, section 3.1).
#[inline(always)]
fn checksum(headers: &Headers, is_v4: bool) -> [u8; 2] {
    // Protocol and length of the pseudo-header, and both addresses.
    let pseudo = u32::from_ne_bytes([0, 6, 0, ANSWER as u8]) as u64;
    let [_, _, w2, w3, w4, w5, w6, w7, w8, w9] = headers.ip;
    let v4 = sum_of(&[w3, w4]);
    let addresses = if is_v4 { v4 } else { v4.wrapping_add(sum_of(&[w2, w5, w6, w7, w8, w9])) };
    let [t0, t1, t2, t3, t4, t5, ..] = headers.tcp;
    folded(pseudo.wrapping_add(addresses).wrapping_add(sum_of(&[t0, t1, t2, t3, t4, t5])))
}

/// The complement of a sum of 32-bit words, folded to 16 bits, in the order of its bytes on the wire (RFC 1071).
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the sum is folded to 16 bits")]
pub(crate) const fn folded(sum: u64) -> [u8; 2] {
    let sum = (sum & 0xffff_ffff).wrapping_add(sum >> 32);
    let sum = (sum & 0xffff).wrapping_add(sum >> 16);
    let sum = (sum & 0xffff).wrapping_add(sum >> 16);
    let sum = (sum & 0xffff).wrapping_add(sum >> 16);
    (!(sum as u16)).to_ne_bytes()
}

/// Writes the headers back, exchanges the Ethernet addresses, and cuts what followed.
#[inline(always)]
fn send(
    context: *mut xdp_md,
    segment: &SegmentHeader,
    headers: &mut Headers,
    ip_at: u32,
    is_v4: bool,
) -> Option<()> {
    let addresses = &mut headers.link;
    load(context, 0, addresses.as_mut_ptr().cast(), 12)?;
    // A group's address is nobody's to answer from.
    let [first, ..] = *addresses;
    if first.to_ne_bytes()[0] & 1 != 0 {
        return None;
    }
    turn(addresses);
    shorten(context, tcp_at(segment).wrapping_add(ANSWER))?;
    store(context, 0, addresses.as_mut_ptr().cast(), 12)?;
    if is_v4 {
        store(context, ip_at, headers.ip.as_mut_ptr().cast(), V4)?;
    } else {
        store(context, ip_at, headers.ip.as_mut_ptr().cast(), V6)?;
    }
    store(context, tcp_at(segment), headers.tcp.as_mut_ptr().cast(), ANSWER)
}

/// Makes the frame end after so many bytes.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a frame has fewer than 2^31 bytes")]
fn shorten(context: *mut xdp_md, wanted: u32) -> Option<()> {
    let length = access::frame_len(&XdpContext::new(context)) as u32;
    let change = wanted.wrapping_sub(length).cast_signed();
    // SAFETY: the helper checks the bounds; pointers into the packet are invalid afterwards.
    let changed = unsafe { bpf_xdp_adjust_tail(context, change) };
    (changed == 0).then_some(())
}

/// Exchanges two addresses of six bytes.
#[inline(always)]
fn turn(addresses: &mut [u32; 4]) {
    let [a, b, c, _] = *addresses;
    let ([a0, a1, a2, a3], [a4, a5, b0, b1], [b2, b3, b4, b5]) =
        (a.to_ne_bytes(), b.to_ne_bytes(), c.to_ne_bytes());
    put(addresses, 0, [b0, b1, b2, b3]);
    put(addresses, 1, [b4, b5, a0, a1]);
    put(addresses, 2, [a2, a3, a4, a5]);
}

#[inline(always)]
fn store(context: *mut xdp_md, at: u32, from: *mut u8, length: u32) -> Option<()> {
    // SAFETY: the buffer has as many bytes.
    let stored = unsafe { bpf_xdp_store_bytes(context, at, from.cast(), length) };
    (stored == 0).then_some(())
}

//! Writes what is sent instead of a request over the limit: the answer and acknowledgements to the client, the reset to the
//! server's socket.

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{
    bpf_clone_redirect, bpf_skb_change_tail, bpf_skb_load_bytes, bpf_skb_store_bytes,
};

use super::answer::{Answered, Came};
use super::{ETHERNET, MINUTES};
use crate::cookie::{folded, put, sum_of};

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;
pub(super) const URG: u8 = 0x20;

pub(super) const V4: u32 = 20;
pub(super) const V6: u32 = 40;
/// The TCP header of what is sent: with timestamps, or as much padding.
pub(super) const HEADER: u32 = 32;
/// The option as every stack places it in a segment with data: two paddings, its kind and its length (RFC 7323, appendix A).
pub(super) const TIMESTAMPS: [u8; 4] = [1, 1, 8, 10];
const PADDING: [u8; 4] = [1; 4];

const TEXT: &[u8; TEXT_BYTES] =
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After:     1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
pub(super) const TEXT_BYTES: usize = 92;
const TEXT_WORDS: usize = TEXT_BYTES / 4;
/// Words of [`TEXT`] with the digits of `Retry-After`.
const THOUSANDS: usize = 11;
const ONES: usize = 12;
const HEADER_WORDS: usize = 8;

/// `BPF_F_RECOMPUTE_CSUM`: a checksum of the card over the whole packet stays right.
const RECOMPUTE: u64 = 1;
/// Where this CPU puts packets together.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Work {
    /// Both Ethernet addresses.
    pub(super) link: [u32; 4],
    /// What came.
    pub(super) ip: [u32; 10],
    pub(super) tcp: [u32; HEADER_WORDS],
    /// What is sent.
    pub(super) out_ip: [u32; 10],
    pub(super) out: [u32; HEADER_WORDS + TEXT_WORDS],
}

#[inline(always)]
pub(super) fn text(skb: *mut __sk_buff, work: &mut Work, came: &Came, known: &Answered) -> Option<()> {
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
pub(super) fn acknowledgement(
    skb: *mut __sk_buff,
    work: &mut Work,
    came: &Came,
    known: &Answered,
) -> Option<()> {
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
pub(super) fn reset(skb: *mut __sk_buff, work: &mut Work, came: &Came) -> Option<()> {
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
pub(super) fn load(skb: *mut __sk_buff, at: u32, to: *mut u32, length: u32) -> Option<()> {
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

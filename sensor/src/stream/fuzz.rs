//! Fuzz entry: segments of a few connections from bytes, with postconditions.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{Advice, CloseCause, Config, Missing, Opening, OverlapPolicy, Protocol, Side, Streams};
use crate::capture::{Direction, Endpoint, Flags, Segment};
use crate::clock::Timestamp;

/// What the auditor knows of a connection.
#[derive(Debug, Default)]
pub struct Audited {
    ended: [bool; 2],
}

/// A protocol that checks what it is told, and gives every kind of advice now and then.
#[derive(Debug, Default)]
struct Auditor {
    open: u64,
    opened: u64,
    closed: u64,
    lost: u64,
    delivered: u64,
    calls: u64,
    /// Order and content of all calls.
    digest: u64,
}

impl Auditor {
    fn note(&mut self, value: u64) {
        self.digest = (self.digest.rotate_left(7) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn advise(&mut self) -> Advice {
        self.calls = self.calls.wrapping_add(1);
        match self.calls.wrapping_mul(0x9e37_79b9) >> 3 & 0x1f {
            0 => Advice::Stop,
            1 => Advice::Skip(u64::MAX),
            2..5 => Advice::Skip(self.calls & 0x3ff),
            5 => Advice::Whole,
            6 => Advice::Beginnings,
            _ => Advice::Continue,
        }
    }
}

impl Protocol for Auditor {
    type State = Audited;

    fn open(&mut self, opening: &Opening) -> Audited {
        assert_ne!(opening.client, opening.server, "a connection has two ends");
        self.open = self.open.wrapping_add(1);
        self.opened = self.opened.wrapping_add(1);
        self.note(opening.time.unix_nanos());
        Audited::default()
    }

    fn data(&mut self, state: &mut Audited, side: Side, bytes: &[u8], time: Timestamp) -> Advice {
        assert!(!bytes.is_empty(), "bytes are never empty");
        assert_eq!(state.ended.get(side as usize), Some(&false), "no bytes after the end");
        self.delivered = self.delivered.wrapping_add(bytes.len() as u64);
        self.note(bytes.iter().fold(time.unix_nanos(), |sum, byte| sum.rotate_left(9) ^ u64::from(*byte)));
        self.advise()
    }

    fn missing(
        &mut self,
        state: &mut Audited,
        side: Side,
        length: u64,
        why: Missing,
        _time: Timestamp,
    ) -> Advice {
        assert_ne!(length, 0, "a hole is never empty");
        assert_eq!(state.ended.get(side as usize), Some(&false), "no hole after the end");
        self.lost = self.lost.wrapping_add(if why == Missing::Lost { length } else { 0 });
        self.note(length);
        self.advise()
    }

    fn end(&mut self, state: &mut Audited, side: Side, _time: Timestamp) {
        let before = state.ended.get_mut(side as usize).map(|ended| std::mem::replace(ended, true));
        assert_eq!(before, Some(false), "a side ends once");
        self.note(side as u64);
    }

    fn close(&mut self, state: Audited, cause: CloseCause, _time: Timestamp) {
        assert!(cause != CloseCause::Fin || state.ended == [true; 2], "FIN is of both sides");
        assert_ne!(self.open, 0, "closed after opened");
        self.open = self.open.wrapping_sub(1);
        self.closed = self.closed.wrapping_add(1);
        self.note(cause as u64);
    }
}

/// Reads segments from bytes and takes them in, twice with different seeds of the table.
///
/// # Panics
/// If bytes are delivered twice or after the end, a bound is exceeded, something is not counted or closed, or
/// the seed shows.
pub fn streams(input: &[u8]) {
    assert_eq!(run(input, 1), run(input, 2), "the seed must not show");
}

fn run(input: &[u8], seed: u64) -> (u64, u64) {
    let (&policy, input) = input.split_first().unwrap_or((&0, &[]));
    let overlap = OverlapPolicy::ALL.get(usize::from(policy) % 14).copied().unwrap_or_default();
    let config = Config {
        max_connections: 6,
        max_half_open: 4,
        max_buffered_per_half: 700,
        max_buffered: 1500,
        max_pieces: 6,
        window: 1 << 12,
        min_skip: 64,
        overlap,
        acknowledged_wait: Duration::from_millis(u64::from(policy >> 6)),
        urgent_inline: policy & 0x10 != 0,
        seed: Some(seed),
        ..Config::default()
    };
    let mut streams = Streams::new(config, Auditor::default());
    let mut now = 1_000_000;
    let mut sent = 0_u64;
    for record in input.chunks_exact(8) {
        let &[who, _, _, fine, _, length, _, wait] = record else { continue };
        now = u64::saturating_add(now, 10_u64.saturating_pow(u32::from(wait % 7)));
        let data: Vec<u8> = (0..length).map(|n| n.wrapping_mul(fine) ^ who).collect();
        let segment = segment(record, &data, Timestamp::from_unix_micros(now));
        sent = u64::saturating_add(sent, u64::from(length));
        let _instruction = streams.segment(&segment);
        check(&streams);
        if wait > 250 {
            streams.advance(Timestamp::from_unix_micros(now));
        }
    }
    streams.finish(Timestamp::from_unix_micros(now));
    let counters = streams.counters();
    assert_eq!((counters.active, counters.buffered_bytes, counters.tracked), (0, 0, 0), "all is closed");
    assert_eq!(counters.bytes, sent);
    let closed: u64 = CloseCause::ALL.into_iter().map(|cause| counters.closed(cause)).sum();
    let auditor = streams.protocol();
    assert_eq!((auditor.open, auditor.opened, auditor.closed), (0, counters.opened, closed));
    assert_eq!(auditor.lost, counters.lost_bytes, "every loss is counted");
    assert!(auditor.delivered <= sent, "no byte is delivered twice");
    (auditor.digest, auditor.calls)
}

/// The segment that a record of eight bytes stands for.
fn segment<'a>(record: &[u8], data: &'a [u8], time: Timestamp) -> Segment<'a> {
    let &[who, flags, sequence, fine, acknowledgement, length, short, _] = record else {
        unreachable!("records have eight bytes")
    };
    let (source, destination) = ends(who);
    let base = if who & 1 == 0 { u32::MAX - 200 } else { 70_000 };
    let peer = if who & 1 == 0 { 70_000 } else { u32::MAX - 200 };
    let far = if fine == 255 { u32::from(short) << 24 } else { 0 };
    let offset = (u32::from(sequence) << 2).wrapping_add(u32::from(fine) & 3).wrapping_add(far);
    Segment {
        time,
        source,
        destination,
        interface: 1,
        direction: (who & 0x40 != 0).then_some(Direction::Ingress),
        sequence: u32::wrapping_add(base, offset),
        acknowledgement: u32::wrapping_add(peer, u32::from(acknowledgement) << 2),
        flags: Flags(if flags & 0xc0 == 0 { flags & 0x3f } else { Flags::ACK.0 | (flags & 0x21) }),
        urgent: u16::from(short),
        length: u32::from(length),
        payload: if short > 0xf0 { data.get(..data.len() / 2).unwrap_or_default() } else { data },
        ..Segment::default()
    }
}

fn check(streams: &Streams<Auditor>) {
    let counters = streams.counters();
    assert!(counters.tracked <= 6, "the table has a bound");
    assert!(counters.buffered_bytes <= 1500 + 4 * 700, "what waits has a bound");
    assert_eq!(counters.active, streams.protocol().open);
}

fn ends(who: u8) -> (Endpoint, Endpoint) {
    let client = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, who >> 1 & 7)), 40_000);
    let server = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 1, 1)), 80);
    if who & 1 == 0 { (client, server) } else { (server, client) }
}

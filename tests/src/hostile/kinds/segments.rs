//! Segments: tiny, out of order, overlapping, acknowledged before they were seen.

use super::{Kind, Wire, response};
use crate::hostile::{Peer, Side};
use crate::packet::flags::{ACK, FIN, PSH, RST, SYN, URG};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "one_byte",
        what: "a request of 2 KB, one byte in a segment",
        fill: |wire, number| {
            let request = format!("GET /abc HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(2_000));
            let mut peer = wire.open(number);
            wire.send(&mut peer, Side::Client, request.as_bytes(), 1);
            wire.down(&mut peer, response(200, b"ok"));
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "backwards",
        what: "a request one byte in a segment, the last first",
        fill: |wire, number| {
            let request = format!("GET /abc HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(200));
            let mut peer = wire.open(number);
            for (at, byte) in request.bytes().enumerate().rev() {
                wire.ahead(&peer, at as i32, &[byte]);
            }
            peer.sent = peer.sent.wrapping_add(request.len() as u32);
            wire.down(&mut peer, response(200, b"ok"));
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "every_other_byte",
        what: "every other byte, and then those between, the last first",
        fill: every_other,
    },
    Kind {
        name: "holes",
        what: "nothing but holes: each byte two further, the bound on pieces again and again",
        fill: |wire, number| {
            let peer = wire.open(number);
            for at in 0..5_000 {
                wire.ahead(&peer, 1 + at * 2, b"y");
            }
        },
    },
    Kind {
        name: "overlap_front",
        what: "a large piece that waits, and segments that win over its first byte",
        fill: |wire, number| {
            let peer = waiting(wire, number, 200_000);
            for back in 1..4_000 {
                wire.ahead(&peer, 200_000 - back, b"zzz");
            }
        },
    },
    Kind {
        name: "overlap_growing",
        what: "the same, each over all that came before",
        fill: |wire, number| {
            let peer = waiting(wire, number, 200_000);
            for back in 1..1_400_i32 {
                wire.ahead(&peer, 200_000 - back, &vec![b'z'; back.unsigned_abs() as usize + 1]);
            }
        },
    },
    Kind {
        name: "overlap_middle",
        what: "a large piece that waits, cut in its middle",
        fill: |wire, number| {
            let peer = waiting(wire, number, 200_000);
            for step in 0..4_000 {
                wire.ahead(&peer, 300_000 - step * 20, b"zz");
            }
        },
    },
    Kind {
        name: "overlap_same",
        what: "the same bytes again and again behind a hole",
        fill: |wire, number| {
            let peer = wire.open(number);
            for _ in 0..100 {
                wire.ahead(&peer, 100, &[b'y'; 1_448]);
            }
        },
    },
    Kind {
        name: "waits_for_answers",
        what: "segments that acknowledge what the server has not sent yet",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            wire.up(&mut peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            wire.down(&mut peer, response(200, b"ok"));
            for at in 0..400 {
                let mut later = peer;
                later.sent = peer.sent.wrapping_add(at);
                later.received = peer.received.wrapping_add(1_000 + at % 7);
                wire.put(&later, Side::Client, PSH | ACK, b"G");
            }
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "keep_alives",
        what: "bytes that were received before",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            wire.up(&mut peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            for _ in 0..500 {
                wire.ahead(&peer, -1, b"\n");
                wire.ahead(&peer, -2, b"\r\n");
            }
        },
    },
    Kind {
        name: "acknowledgements",
        what: "nothing but acknowledgements",
        fill: |wire, number| {
            let peer = wire.open(number);
            for _ in 0..1_000 {
                wire.put(&peer, Side::Client, ACK, b"");
            }
        },
    },
    Kind {
        name: "urgent",
        what: "urgent bytes",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            for _ in 0..500 {
                wire.put(&peer, Side::Client, PSH | ACK | URG, b"GG");
                peer.sent = peer.sent.wrapping_add(2);
            }
        },
    },
    Kind {
        name: "odd_flags",
        what: "SYN, FIN and RST at places where they mean nothing",
        fill: |wire, number| {
            let peer = wire.open(number);
            for step in 0..1_000 {
                let flags = [SYN, SYN | ACK, FIN | ACK, RST, SYN | FIN, RST | ACK][step % 6];
                let mut far = peer;
                far.sent = peer.sent.wrapping_add(1_000_000 + step as u32 * 977);
                wire.put(&far, Side::Client, flags, b"");
            }
        },
    },
];

fn every_other(wire: &mut Wire, number: u32) {
    let mut peer = wire.open(number);
    let count = 250_i32;
    for _ in 0..8 {
        for at in (1..2 * count).step_by(2).chain((2..=2 * count).rev().step_by(2)) {
            wire.ahead(&peer, at, b"y");
        }
        wire.ahead(&peer, 0, b"G");
        peer.sent = peer.sent.wrapping_add(2 * count.unsigned_abs() + 1);
    }
    wire.close(&mut peer);
}

/// A connection with so many bytes that wait behind a hole of 200 KB.
fn waiting(wire: &mut Wire, number: u32, length: usize) -> Peer {
    let peer = wire.open(number);
    for at in (0..length).step_by(1_448) {
        wire.ahead(&peer, 200_000 + at as i32, &vec![b'y'; 1_448.min(length - at)]);
    }
    peer
}

//! Messages that do not end.

use std::net::Ipv4Addr;

use super::*;
use crate::capture::{Endpoint, Flags};
use crate::event::HeldBy;

#[derive(Default)]
struct Journal {
    held: Vec<Held>,
    exchanges: usize,
}

impl Observer for Journal {
    fn exchange(&mut self, _exchange: &Exchange<'_>) {
        self.exchanges += 1;
    }

    fn held(&mut self, held: &Held) {
        self.held.push(*held);
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_nanos((1_700_000_000 + seconds) * 1_000_000_000)
}

/// One connection, as its segments come.
struct Wire {
    pipeline: Pipeline<Journal>,
    /// Next sequence numbers of the client and of the server.
    next: [u32; 2],
}

const CLIENT: u32 = 0x0a00_0005;

impl Wire {
    fn new(trusted: &str) -> Self {
        let mut config = Config::default();
        config.identity.trusted_proxies.extend(trusted.parse::<ipnet::IpNet>().ok());
        let pipeline = Pipeline::new(&config, &Key::from_bytes([1; 32]), Journal::default()).unwrap();
        let mut wire = Self { pipeline, next: [1_000, 5_000] };
        wire.segment(0, 0, Flags::SYN, b"");
        wire.segment(0, 1, Flags(Flags::SYN.0 | Flags::ACK.0), b"");
        wire.segment(0, 0, Flags::ACK, b"");
        wire
    }

    fn segment(&mut self, second: u64, side: usize, flags: Flags, payload: &[u8]) {
        let ends = [
            Endpoint::new(Ipv4Addr::from(CLIENT).into(), 40_000),
            Endpoint::new(Ipv4Addr::from(0x0a00_0001).into(), 80),
        ];
        let length = u32::try_from(payload.len()).unwrap();
        let _instruction = self.pipeline.segment(&Segment {
            time: at(second),
            source: ends[side],
            destination: ends[1 - side],
            interface: 0,
            direction: None,
            sequence: self.next[side],
            acknowledgement: self.next[1 - side],
            flags,
            urgent: 0,
            length,
            payload,
            ..Segment::default()
        });
        let syn = u32::from(flags.has(Flags::SYN));
        self.next[side] = self.next[side].wrapping_add(length + syn);
    }

    fn client(&mut self, second: u64, bytes: &str) {
        self.segment(second, 0, Flags::ACK, bytes.as_bytes());
    }

    fn server(&mut self, second: u64, bytes: &str) {
        self.segment(second, 1, Flags::ACK, bytes.as_bytes());
    }

    /// What is told while time passes until a second.
    fn until(&mut self, from: u64, second: u64) -> Vec<Held> {
        (from..=second).for_each(|second| self.pipeline.advance(at(second)));
        std::mem::take(&mut self.pipeline.observer_mut().held)
    }
}

#[test]
fn heads_that_do_not_end_are_told_of_again_and_again() {
    let mut wire = Wire::new("");
    assert!(wire.until(1, 100).is_empty(), "a connection opened in advance");
    wire.client(100, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    assert!(wire.until(101, 109).is_empty());
    let held = wire.until(110, 130);
    assert!((3..=5).contains(&held.len()), "{held:?}");
    let first = held[0];
    assert_eq!((first.by, first.since, first.bytes), (HeldBy::SlowHeaders, at(100), 28));
    assert_eq!((first.client, first.client_port), (Ipv4Addr::from(CLIENT).into(), 40_000));
    assert!(!first.proxied);
    wire.client(131, "y\r\n\r\n");
    wire.server(131, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let _while_it_ended = wire.until(131, 131);
    assert!(wire.until(132, 200).is_empty(), "idle");
    assert_eq!(wire.pipeline.observer().exchanges, 1);
}

#[test]
fn bodies_that_do_not_end_are_told_of() {
    let mut wire = Wire::new("10.0.0.0/8");
    wire.client(0, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    for second in 1..30 {
        wire.client(second, "x");
    }
    let held = wire.until(30, 40);
    assert!(!held.is_empty());
    let last = held[held.len() - 1];
    assert_eq!((last.by, last.since, last.bytes), (HeldBy::SlowBody, at(0), 50 + 29));
    assert!(last.proxied, "a trusted proxy's");
}

#[test]
fn responses_that_nobody_reads_are_told_of() {
    let mut wire = Wire::new("");
    wire.client(0, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(wire.until(1, 60).is_empty(), "the server takes its time");
    wire.server(60, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc");
    let held = wire.until(61, 80);
    assert!(!held.is_empty());
    assert_eq!((held[0].by, held[0].since), (HeldBy::SlowRead, at(60)));
}

#[test]
fn what_is_left_out_or_streamed_is_not_taken_for_slow() {
    let mut wire = Wire::new("");
    wire.client(0, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    // From here on the source leaves the body out, and nobody knows how far it is.
    wire.client(1, &"x".repeat(40_000));
    assert!(wire.until(2, 60).is_empty());
    let mut wire = Wire::new("");
    wire.client(0, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    wire.server(0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    assert!(wire.until(1, 60).is_empty());
}

#[test]
fn captures_tell_by_the_time_of_their_segments_and_clocks_may_be_set_back() {
    let mut wire = Wire::new("");
    wire.client(0, "GET / HTTP/1.1\r\n");
    for second in (1..30).step_by(3) {
        wire.client(second, "X: y\r\n");
    }
    let held = std::mem::take(&mut wire.pipeline.observer_mut().held);
    assert!((2..=5).contains(&held.len()), "{held:?}");
    wire.pipeline.advance(Timestamp::default());
    assert!(!wire.until(31, 60).is_empty());
}

/// Looking costs little where there are many connections.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "it measures")]
fn measure_a_look_at_a_hundred_thousand_idle_connections() {
    let mut pipeline =
        Pipeline::new(&Config::default(), &Key::from_bytes([1; 32]), Journal::default()).unwrap();
    for number in 0..100_000_u32 {
        let source = Endpoint::new(
            Ipv4Addr::from(CLIENT + number / 1_000).into(),
            u16::try_from(number % 1_000).unwrap(),
        );
        let server = Endpoint::new(Ipv4Addr::from(0x0a00_0001).into(), 80);
        let mut segment = Segment {
            time: at(0),
            source,
            destination: server,
            interface: 0,
            direction: None,
            sequence: 1,
            acknowledgement: 0,
            flags: Flags::SYN,
            urgent: 0,
            length: 0,
            payload: &[],
            ..Segment::default()
        };
        let _none = pipeline.segment(&segment);
        segment.flags = Flags(Flags::SYN.0 | Flags::ACK.0);
        (segment.source, segment.destination) = (server, source);
        (segment.sequence, segment.acknowledgement) = (1, 2);
        let _none = pipeline.segment(&segment);
        segment.flags = Flags::ACK;
        (segment.source, segment.destination) = (source, server);
        (segment.sequence, segment.acknowledgement) = (2, 2);
        segment.payload = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        segment.length = u32::try_from(segment.payload.len()).unwrap();
        let _none = pipeline.segment(&segment);
    }
    let started = crate::clock::now();
    (1..=20).for_each(|second| pipeline.advance(at(second)));
    println!(
        "{} connections: {:?} a second",
        pipeline.streams().active,
        crate::clock::now().since(started) / 20
    );
}

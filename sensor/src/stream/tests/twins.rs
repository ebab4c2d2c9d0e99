//! Captures that have connections twice, before and after a port mapping.

use super::*;

/// Where the mapping sends a connection.
fn inside() -> Endpoint {
    Endpoint::new(IpAddr::V4(Ipv4Addr::new(172, 17, 0, 2)), 8_080)
}

/// The same segment on the other side of the mapping.
fn mapped<'a>(segment: &Segment<'a>, outside: Endpoint) -> Segment<'a> {
    let map = |endpoint: Endpoint| if endpoint == outside { inside() } else { endpoint };
    Segment { source: map(segment.source), destination: map(segment.destination), ..*segment }
}

/// A segment on both interfaces, in the order in which it comes by them, some microseconds apart.
fn both(wire: &mut Wire, side: Side, sequence: u32, acknowledgement: u32, flags: Flags, data: &[u8]) {
    let segment = wire.make(side, sequence, acknowledgement, flags, data);
    let inner = mapped(&segment, wire.ends().1);
    let (first, mut second) = if side == Side::Client { (segment, inner) } else { (inner, segment) };
    second.time = Timestamp::from_unix_micros(wire.now + 10);
    for segment in [first, second] {
        let _instruction = wire.streams.segment(&segment);
    }
    wire.wait(100);
}

fn conversation(wire: &mut Wire) {
    let [client, server] = wire.isn;
    both(wire, Side::Client, client, 0, SYN, b"");
    both(wire, Side::Server, server, client + 1, SYN_ACK, b"");
    both(wire, Side::Client, client + 1, server + 1, ACK, b"");
    both(wire, Side::Client, client + 1, server + 1, ACK, b"ab");
    both(wire, Side::Server, server + 1, client + 3, ACK, b"xy");
    both(wire, Side::Client, client + 3, server + 3, FIN_ACK, b"");
    both(wire, Side::Server, server + 3, client + 4, FIN_ACK, b"");
}

#[test]
fn a_connection_before_and_after_a_port_mapping_is_one() {
    let mut wire = Wire::new(Config::default());
    for port in 0..20 {
        wire.port = 40_000 + port;
        wire.isn = [CLIENT_ISN + u32::from(port) * 7_919, SERVER_ISN];
        conversation(&mut wire);
        let told = wire.take();
        let opened = told.iter().filter(|told| matches!(told, Told::Open { .. })).count();
        let data: Vec<_> = told.iter().filter(|told| matches!(told, Told::Data(..))).cloned().collect();
        assert_eq!((opened, data), (1, vec![client(b"ab"), server(b"xy")]), "port {port}");
    }
    assert_eq!((wire.counters().twins, wire.counters().opened), (20, 20));
    assert_eq!(wire.counters().handshakes_incomplete, 0);
    wire.finish();
}

/// The client cannot choose the number that the server begins with, so it hides nothing by choosing its own.
#[test]
fn connections_that_only_begin_alike_are_two() {
    let mut wire = Wire::new(Config::default());
    for isn in [SERVER_ISN, SERVER_ISN + 1] {
        wire.isn = [CLIENT_ISN, isn];
        for inner in [false, true] {
            let [client, server] = if inner { [CLIENT_ISN, isn + 77] } else { wire.isn };
            let outside = wire.ends().1;
            for (side, sequence, acknowledgement, flags) in [
                (Side::Client, client, 0, SYN),
                (Side::Server, server, client + 1, SYN_ACK),
                (Side::Client, client + 1, server + 1, ACK),
            ] {
                let segment = wire.make(side, sequence, acknowledgement, flags, b"");
                let segment = if inner { mapped(&segment, outside) } else { segment };
                let _instruction = wire.streams.segment(&segment);
            }
        }
        wire.port += 1;
    }
    assert_eq!((wire.counters().twins, wire.counters().opened), (0, 4));
}

/// Another connection with the same numbers, much later, is another one.
#[test]
fn numbers_may_come_again() {
    let mut wire = Wire::new(Config::default());
    wire.handshake();
    wire.wait(60_000_000);
    let outside = wire.ends().1;
    let [client, server] = wire.isn;
    for (side, sequence, acknowledgement, flags) in [
        (Side::Client, client, 0, SYN),
        (Side::Server, server, client + 1, SYN_ACK),
        (Side::Client, client + 1, server + 1, ACK),
    ] {
        let segment = mapped(&wire.make(side, sequence, acknowledgement, flags, b""), outside);
        let _instruction = wire.streams.segment(&segment);
    }
    assert_eq!((wire.counters().twins, wire.counters().opened), (0, 2));
}

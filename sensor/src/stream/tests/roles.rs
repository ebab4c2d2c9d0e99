//! Connections whose handshake was missed.

use super::*;

fn who(segment: impl Fn(&mut Wire), config: Config) -> Vec<Told> {
    let mut wire = Wire::new(config);
    segment(&mut wire);
    wire.take()
}

fn open(client_port: u16) -> Told {
    Told::Open { client_port, midstream: true }
}

#[test]
fn segments_without_data_open_nothing() {
    let mut wire = Wire::new(Config::default());
    for flags in [ACK, FIN_ACK, RST_ACK] {
        wire.send(Side::Client, 0, flags, b"");
    }
    assert_eq!((wire.take(), wire.counters().tracked, wire.counters().stray), (vec![], 0, 3));
}

#[test]
fn configured_ports_tell_first() {
    let config = Config { server_ports: vec![40_000, 22], ..Config::default() };
    let told = who(|wire| wire.client(0, b"GET / "), config);
    assert_eq!(told, [open(80), server(b"GET / ")]);
}

#[test]
fn the_direction_tells_next() {
    for (direction, port) in [(Direction::Ingress, 80), (Direction::Egress, 40_000)] {
        let told = who(
            |wire| {
                wire.direction = Some(direction);
                wire.server(0, b"HTTP/1.1 ");
            },
            Config::default(),
        );
        assert_eq!(told.first(), Some(&open(port)));
    }
}

#[test]
fn the_payload_tells_next() {
    let mut wire = Wire::new(Config::default());
    wire.port = 79;
    wire.server(0, b"HTTP/1.1 200");
    assert_eq!(wire.take(), [open(79), server(b"HTTP/1.1 200")]);
    wire.port = 78;
    wire.client(0, b"PATCH /");
    assert_eq!(wire.take(), [open(78), client(b"PATCH /")]);
}

#[test]
fn the_lower_port_tells_last() {
    assert_eq!(who(|wire| wire.server(0, b"\0\x01"), Config::default()), [open(40_000), server(b"\0\x01")]);
    assert_eq!(who(|wire| wire.client(0, b"\0\x01"), Config::default()), [open(40_000), client(b"\0\x01")]);
}

#[test]
fn both_sides_go_on_from_where_they_are() {
    let mut wire = Wire::new(Config::default());
    wire.acknowledged[1] = 500;
    wire.client(70, b"GET");
    wire.acknowledged[0] = 73;
    wire.server(500, b"HTTP");
    wire.server(504, b"/1.1");
    assert_eq!(wire.take(), [open(40_000), client(b"GET"), server(b"HTTP/1.1")]);
}

#[test]
fn a_false_first_acknowledgement_does_not_misplace_the_server() {
    let mut wire = Wire::new(Config::default());
    wire.acknowledged[1] = 1 << 30;
    wire.client(0, b"GET");
    wire.acknowledged[0] = 3;
    wire.server(9, b"HTTP");
    assert_eq!(wire.take(), [open(40_000), client(b"GET"), server(b"HTTP")]);
}

#[test]
fn one_direction_alone_is_enough() {
    let mut wire = Wire::new(Config::default());
    for (offset, data) in [(0, b"abc"), (3, b"def")] {
        wire.client(offset, data);
        wire.acknowledged[1] += 1000;
    }
    assert_eq!(wire.take(), [open(40_000), client(b"abcdef")]);
    assert_eq!((wire.counters().held, wire.counters().gaps), (0, 0));
}

#[test]
fn servers_alone_show_what_clients_sent() {
    let mut wire = Wire::new(Config::default());
    wire.acknowledged[0] = 100;
    wire.server(0, b"HTTP/1.1 1");
    wire.acknowledged[0] = 250;
    wire.server(10, b"HTTP/1.1 2");
    let told = [open(40_000), server(b"HTTP/1.1 1"), lost(Side::Client, 150), server(b"HTTP/1.1 2")];
    assert_eq!(wire.take(), told, "without delay");
}

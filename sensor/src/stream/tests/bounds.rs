//! Every bound, and what it costs to hit it.

use std::time::Duration;

use super::*;

fn begin(wire: &mut Wire, port: u16) {
    wire.port = port;
    wire.handshake();
}

#[test]
fn a_connection_takes_at_most_280_bytes() {
    let bytes = size_of::<connection::Connection<()>>();
    // A link of eight bytes, and five of the hash table, at most 8/7 times 16/8 over.
    assert_eq!(bytes, 248);
    assert!(bytes + 8 + 10 <= 280, "{bytes}");
}

#[test]
fn waiting_bytes_of_a_half_have_a_bound() {
    let mut wire = Wire::established(Config { max_buffered_per_half: 1000, ..Config::default() });
    wire.client(10, &[b'x'; 800]);
    assert_eq!(wire.take(), []);
    wire.client(900, &[b'y'; 10]);
    let [one, two] = [lost(Side::Client, 10), lost(Side::Client, 90)];
    assert_eq!(wire.take(), [one, client(&[b'x'; 800]), two, client(&[b'y'; 10])]);
    assert_eq!(wire.counters().refused(Refused::PerHalf), 1);
    assert_eq!(wire.counters().buffered_bytes, 0);
}

#[test]
fn small_pieces_cost_what_they_take() {
    let mut wire = Wire::established(Config::default());
    for n in 1..=256 {
        wire.client(n * 2, b"x");
    }
    assert_eq!(wire.take(), []);
    assert_eq!(wire.counters().buffered_bytes, 256 * 97);
    wire.client(1000, b"x");
    assert_eq!(wire.take().len(), 2 * 257);
    assert_eq!(wire.counters().refused(Refused::Pieces), 1);
}

#[test]
fn filling_the_hole_is_never_refused() {
    let mut wire = Wire::established(Config { max_buffered_per_half: 1000, ..Config::default() });
    wire.client(100, &[b'x'; 850]);
    wire.client(0, &[b'a'; 100]);
    wire.client(950, b"z");
    let all = [&[b'a'; 100][..], &[b'x'; 850], b"z"].concat();
    assert_eq!((wire.take(), wire.counters().gaps), (vec![client(&all)], 0));
}

#[test]
fn all_waiting_bytes_have_a_bound_and_the_oldest_give_way() {
    let mut wire = Wire::new(Config { max_buffered: 2000, ..Config::default() });
    for port in [1000, 1001, 1002] {
        begin(&mut wire, port);
        wire.take();
        wire.client(5, &[b'x'; 700]);
    }
    assert_eq!(wire.take(), [lost(Side::Client, 5), client(&[b'x'; 700])]);
    assert_eq!(wire.counters().refused(Refused::Total), 1);
    assert_eq!(wire.counters().buffered_bytes, 2 * 796);
    wire.port = 1000;
    wire.client(705, b"go on");
    assert_eq!(wire.take(), [client(b"go on")]);
}

#[test]
fn data_of_syns_take_a_quarter_at_most() {
    let mut wire = Wire::new(Config { max_buffered: 2000, ..Config::default() });
    for port in 1..4 {
        wire.port = port;
        wire.raw(Side::Client, CLIENT_ISN, 0, SYN, &[b'x'; 300]);
    }
    assert_eq!((wire.counters().buffered_bytes, wire.counters().refused(Refused::Syn)), (396, 2));
}

#[test]
fn the_connection_idle_for_longest_makes_room() {
    let mut wire = Wire::new(Config { max_connections: 3, ..Config::default() });
    for port in [1, 2, 3] {
        begin(&mut wire, port);
        wire.wait(1);
    }
    wire.port = 1;
    wire.client(0, b"I am here");
    wire.take();
    begin(&mut wire, 4);
    let evicted = Told::Close(CloseCause::Evicted);
    assert_eq!(wire.take(), [evicted, Told::Open { client_port: 4, midstream: false }]);
    assert_eq!((wire.counters().closed(CloseCause::Evicted), wire.counters().tracked), (1, 3));
    wire.port = 1;
    wire.client(9, b"still");
    assert_eq!(wire.take(), [client(b"still")]);
    wire.port = 2;
    wire.client(0, b"GET ");
    assert!(matches!(
        wire.take()[..],
        [Told::Close(CloseCause::Evicted), Told::Open { midstream: true, .. }, _]
    ));
}

#[test]
fn closed_connections_make_room_first() {
    let mut wire = Wire::new(Config { max_connections: 2, ..Config::default() });
    begin(&mut wire, 1);
    wire.wait(1);
    begin(&mut wire, 2);
    wire.send(Side::Client, 0, RST_ACK, b"");
    wire.take();
    begin(&mut wire, 3);
    assert_eq!(wire.take(), [Told::Open { client_port: 3, midstream: false }]);
}

#[test]
fn a_flood_of_syn_leaves_connections_alone() {
    let config = Config { max_connections: 100, max_half_open: 10, ..Config::default() };
    let mut wire = Wire::new(config);
    for port in 1..=50 {
        begin(&mut wire, port);
    }
    for port in 1000..2000 {
        wire.port = port;
        wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"");
    }
    // Data of no connection, too: nobody answers them.
    for port in 2000..3000 {
        wire.port = port;
        wire.client(0, b"GET ");
    }
    let counters = wire.counters();
    assert_eq!((counters.tracked, counters.half_open_evicted), (60, 1990));
    assert_eq!((counters.handshakes_incomplete, counters.closed(CloseCause::Evicted)), (1000, 990));
    assert_eq!(counters.active, 60);
    wire.take();
    for port in 1..=50 {
        wire.port = port;
        wire.client(0, b"x");
    }
    assert_eq!(wire.take().len(), 1, "all fifty go on");
}

#[test]
fn half_open_connections_are_forgotten_soon() {
    let mut wire = Wire::new(Config::default());
    wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"");
    wire.advance(9_999_999);
    assert_eq!(wire.counters().tracked, 1);
    wire.advance(1);
    assert_eq!((wire.counters().tracked, wire.counters().handshakes_incomplete), (0, 1));
    assert_eq!(wire.take(), []);
}

/// What a flood has left behind is not cleared away in one go.
#[test]
fn so_many_are_forgotten_at_a_time() {
    let mut wire = Wire::new(Config::default());
    for port in 1..=20_000 {
        wire.port = port;
        wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"");
    }
    wire.advance(10_000_000);
    assert_eq!(wire.counters().tracked, 20_000 - 16_384);
    wire.advance(0);
    assert_eq!(wire.counters().tracked, 0);
}

#[test]
fn idle_connections_are_closed() {
    let mut wire = Wire::new(Config::default());
    begin(&mut wire, 1);
    wire.advance(200_000_000);
    begin(&mut wire, 2);
    wire.take();
    wire.advance(100_000_000);
    assert_eq!(wire.take(), [Told::Close(CloseCause::Idle)]);
    wire.advance(200_000_000);
    assert_eq!(wire.take(), [Told::Close(CloseCause::Idle)]);
    assert_eq!(wire.counters().tracked, 0);
}

#[test]
fn segments_of_others_let_time_pass() {
    let mut wire = Wire::new(Config::default());
    begin(&mut wire, 1);
    wire.wait(301_000_000);
    begin(&mut wire, 2);
    assert_eq!(wire.counters().closed(CloseCause::Idle), 1);
}

#[test]
fn the_end_closes_the_oldest_first() {
    let mut wire = Wire::new(Config::default());
    for port in [3, 1, 2] {
        begin(&mut wire, port);
        wire.wait(1);
        wire.client(1, &[u8::try_from(port).unwrap()]);
    }
    wire.take();
    let order: Vec<Told> = wire.finish().into_iter().filter(|told| matches!(told, Told::Data(..))).collect();
    assert_eq!(order, [client(&[3]), client(&[1]), client(&[2])]);
}

#[test]
fn deadlines_of_connections_that_are_gone_do_not_pile_up() {
    let config = Config { hole_wait: Duration::from_secs(3600), max_connections: 10, ..Config::default() };
    let mut wire = Wire::new(config);
    for n in 0..20_000_u16 {
        wire.port = n;
        wire.client(0, b"GET ");
        wire.client(10, b"x");
    }
    assert!(wire.streams.deadlines.holes.len() <= 1024 + 10 * 8 + 1);
    wire.finish();
}

#[test]
fn a_segment_longer_than_any_window_is_ignored() {
    let mut wire = Wire::established(Config::default());
    let huge = Segment { length: u32::MAX, ..wire.segment(Side::Client, 0, ACK, b"abc") };
    wire.put(&huge);
    wire.client(0, b"abc");
    assert_eq!(wire.take(), [client(b"abc")]);
    assert_eq!(wire.counters().invalid(Invalid::Sequence), 1);
}

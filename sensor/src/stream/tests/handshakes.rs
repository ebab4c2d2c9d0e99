//! Beginnings and ends.

use super::*;

fn open(midstream: bool) -> Told {
    Told::Open { client_port: 40_000, midstream }
}

#[test]
fn the_sender_of_the_syn_is_the_client() {
    let mut wire = Wire::new(Config::default());
    wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"");
    wire.raw(Side::Server, SERVER_ISN, CLIENT_ISN + 1, SYN_ACK, b"");
    assert_eq!(wire.take(), [], "the protocol is not told of half a handshake");
    wire.client(0, b"");
    assert_eq!(wire.take(), [open(false)]);
}

#[test]
fn the_receiver_of_the_answer_is_the_client() {
    let mut wire = Wire::new(Config::default());
    wire.raw(Side::Server, SERVER_ISN, CLIENT_ISN + 1, SYN_ACK, b"");
    wire.client(2, b"cd");
    wire.client(0, b"ab");
    assert_eq!(wire.take(), [open(false), client(b"abcd")]);
}

#[test]
fn data_after_a_syn_open_without_the_answer() {
    let mut wire = Wire::new(Config::default());
    wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"");
    wire.client(0, b"");
    assert_eq!(wire.take(), []);
    wire.client(0, b"ab");
    wire.server(0, b"xy");
    assert_eq!(wire.take(), [open(false), client(b"ab"), server(b"xy")]);
}

#[test]
fn repeated_syns_and_answers_change_nothing() {
    let mut wire = Wire::new(Config::default());
    wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"");
    wire.handshake();
    wire.client(0, b"ab");
    wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"");
    wire.raw(Side::Server, SERVER_ISN, CLIENT_ISN + 1, SYN_ACK, b"");
    wire.client(2, b"cd");
    assert_eq!(wire.take(), [open(false), client(b"abcd")]);
    assert_eq!(wire.counters().repeated_syns, 3);
}

#[test]
fn data_of_a_syn_count_where_the_server_took_them() {
    // TCP Fast Open (RFC 7413).
    let mut wire = Wire::new(Config::default());
    wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"GET ");
    wire.raw(Side::Server, SERVER_ISN, CLIENT_ISN + 5, SYN_ACK, b"");
    wire.client(4, b"/");
    assert_eq!(wire.take(), [open(false), client(b"GET /")]);
}

#[test]
fn data_of_a_syn_do_not_count_where_the_server_refused_them() {
    let mut wire = Wire::new(Config::default());
    wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"EVIL");
    wire.raw(Side::Server, SERVER_ISN, CLIENT_ISN + 1, SYN_ACK, b"");
    wire.client(0, b"GET /");
    assert_eq!(wire.take(), [open(false), client(b"GET /")]);
    assert_eq!(wire.counters().buffered_bytes, 0);
}

#[test]
fn without_an_answer_the_next_segment_tells_whether_data_of_the_syn_count() {
    for (offset, expected) in [(4, &b"ABCDgo"[..]), (0, b"go")] {
        let mut wire = Wire::new(Config::default());
        wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"ABCD");
        wire.client(offset, b"go");
        assert_eq!(wire.take(), [open(false), client(expected)]);
    }
}

#[test]
fn data_with_the_answer_are_the_servers_first() {
    let mut wire = Wire::new(Config::default());
    wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"");
    wire.raw(Side::Server, SERVER_ISN, CLIENT_ISN + 1, SYN_ACK, b"220 ");
    wire.server(4, b"hi");
    assert_eq!(wire.take(), [open(false), server(b"220 hi")]);
}

#[test]
fn an_answer_to_another_syn_is_refused() {
    let mut wire = Wire::new(Config::default());
    wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"");
    wire.raw(Side::Server, SERVER_ISN, CLIENT_ISN + 2, SYN_ACK, b"");
    assert_eq!(wire.counters().invalid(Invalid::Handshake), 1);
}

#[test]
fn a_client_cannot_swap_the_roles_with_an_answer_of_its_own() {
    let mut wire = Wire::new(Config::default());
    wire.raw(Side::Client, 77, 88, SYN_ACK, b"");
    wire.handshake();
    wire.client(0, b"GET");
    assert_eq!(wire.take(), [open(false), client(b"GET")]);
}

#[test]
fn a_refused_connection_is_forgotten() {
    let mut wire = Wire::new(Config::default());
    wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"");
    wire.raw(Side::Server, 0, CLIENT_ISN + 7, RST_ACK, b"");
    assert_eq!((wire.counters().tracked, wire.counters().invalid(Invalid::Reset)), (1, 1));
    wire.raw(Side::Server, 0, CLIENT_ISN + 1, RST_ACK, b"");
    assert_eq!((wire.counters().tracked, wire.counters().handshakes_incomplete), (0, 1));
    assert_eq!(wire.take(), []);
}

#[test]
fn a_reset_in_place_closes() {
    for side in [Side::Client, Side::Server] {
        let mut wire = Wire::established(Config::default());
        wire.client(0, b"ab");
        wire.acknowledged[0] = 2;
        wire.server(0, b"");
        wire.send(side, if side == Side::Client { 2 } else { 0 }, RST_ACK, b"");
        assert_eq!(wire.take(), [client(b"ab"), Told::Close(CloseCause::Rst)]);
    }
}

#[test]
fn a_reset_elsewhere_in_the_window_is_ignored() {
    // RFC 5961, section 3.2.
    let mut wire = Wire::established(Config::default());
    wire.send(Side::Client, 100, RST_ACK, b"");
    wire.send(Side::Server, 100, RST_ACK, b"");
    wire.send(Side::Client, u32::MAX, RST_ACK, b"");
    wire.client(0, b"ab");
    assert_eq!(wire.take(), [client(b"ab")]);
    assert_eq!(wire.counters().invalid(Invalid::Reset), 3);
}

#[test]
fn a_reset_after_bytes_that_only_the_server_has_seen_closes() {
    let mut wire = Wire::established(Config::default());
    wire.acknowledged[0] = 50;
    wire.server(0, b"");
    wire.send(Side::Client, 50, RST_ACK, b"");
    assert_eq!(wire.take(), [lost(Side::Client, 50), Told::Close(CloseCause::Rst)]);
}

#[test]
fn late_segments_open_nothing() {
    let mut wire = Wire::established(Config::default());
    wire.send(Side::Client, 0, RST_ACK, b"");
    wire.take();
    wire.server(0, b"late");
    wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"");
    assert_eq!(wire.take(), []);
    assert_eq!(wire.counters().late, 1);
    wire.wait(6_000_000);
    wire.server(0, b"HTTP/1.1 ");
    assert_eq!(wire.take(), [open(true), server(b"HTTP/1.1 ")], "a live connection is found again");
}

#[test]
fn a_syn_opens_at_once_what_had_been_closed() {
    let mut wire = Wire::established(Config::default());
    wire.send(Side::Client, 0, RST_ACK, b"");
    wire.isn = [9000, 9500];
    wire.handshake();
    wire.client(0, b"new");
    assert_eq!(wire.take(), [Told::Close(CloseCause::Rst), open(false), client(b"new")]);
}

#[test]
fn a_reused_port_closes_the_old_connection() {
    let mut wire = Wire::established(Config::default());
    wire.client(0, b"old");
    wire.isn = [900_000, 950_000];
    wire.handshake();
    wire.client(0, b"new");
    let reused = Told::Close(CloseCause::Reused);
    assert_eq!(wire.take(), [client(b"old"), reused, open(false), client(b"new")]);
    assert_eq!(wire.counters().lost_bytes, 0);
}

#[test]
fn a_reused_port_is_told_without_the_servers_answer() {
    let mut wire = Wire::established(Config::default());
    wire.client(0, b"old");
    wire.isn = [900_000_000, 950_000_000];
    wire.raw(Side::Client, 900_000_000, 0, SYN, b"");
    wire.client(0, b"new");
    let reused = Told::Close(CloseCause::Reused);
    assert_eq!(wire.take(), [client(b"old"), reused, open(false), client(b"new")]);
}

#[test]
fn a_second_syn_counts_where_its_sender_goes_on_from_it() {
    let mut wire = Wire::new(Config::default());
    wire.raw(Side::Client, CLIENT_ISN, 0, SYN, b"");
    wire.raw(Side::Server, SERVER_ISN, CLIENT_ISN + 1, SYN_ACK, b"");
    wire.isn = [900_000_000, 950_000_000];
    wire.raw(Side::Client, 900_000_000, 0, SYN, b"");
    wire.client(3, b"def");
    wire.client(0, b"abc");
    wire.client(3, b"def");
    assert_eq!(wire.take(), [open(false), client(b"abcdef")]);
}

#[test]
fn a_syn_that_nobody_answers_does_not_hide_what_follows() {
    // RFC 5961, section 4.2: a live receiver ignores it, so one in the midst must not blind the sensor.
    let mut wire = Wire::established(Config::default());
    wire.client(0, b"ab");
    wire.raw(Side::Client, 777_777, 0, SYN, b"");
    wire.client(2, b"cd");
    assert_eq!(wire.take(), [client(b"abcd")]);
}

#[test]
fn a_stopped_connection_stays_so_until_a_syn() {
    let mut wire = Wire::established(Config::default());
    wire.advise(Advice::Stop);
    wire.client(0, b"ab");
    let (ends, stopped) = (wire.ends(), Told::Close(CloseCause::Stopped));
    let stop = Some(Instruction::Stop { client: ends.0, server: ends.1 });
    assert_eq!(wire.instruction, stop);
    assert_eq!(wire.take(), [client(b"ab"), stopped]);
    wire.acknowledged[0] = 2;
    wire.server(0, b"");
    assert_eq!(wire.instruction, None);
    wire.server(0, b"xy");
    assert_eq!(wire.instruction, stop, "the source seems to have forgotten");
    wire.advance(299_000_000);
    wire.client(2, b"cd");
    wire.advance(299_000_000);
    wire.client(2, b"cd");
    assert_eq!(wire.take(), []);
    wire.isn = [9000, 9500];
    wire.handshake();
    assert_eq!(wire.take(), [open(false)]);
    assert_eq!(wire.instruction, None);
}

#[test]
fn a_protocol_may_stop_in_the_midst_of_what_waited() {
    let mut wire = Wire::established(Config::default());
    wire.client(2, b"cd");
    wire.client(6, b"gh");
    wire.advise(Advice::Stop);
    wire.client(0, b"ab");
    assert_eq!(wire.take(), [client(b"ab"), Told::Close(CloseCause::Stopped)]);
    assert!(matches!(wire.instruction, Some(Instruction::Stop { .. })));
    assert_eq!((wire.counters().buffered_bytes, wire.counters().active), (0, 0));
}

#[test]
fn syn_with_fin_is_no_beginning() {
    let mut wire = Wire::new(Config::default());
    wire.raw(Side::Client, CLIENT_ISN, 0, Flags(SYN.0 | Flags::FIN.0), b"x");
    assert_eq!((wire.counters().tracked, wire.counters().invalid(Invalid::Flags)), (0, 1));
}

/// Directions as the mirror of an inner interface tells them, whose server is behind it: both of a connection crossed, or
/// neither did.
#[test]
fn both_sides_of_a_connection_are_on_their_own_side_of_the_interface() {
    for (crossed, others) in [(false, true), (true, false)] {
        let mut wire = Wire::new(Config::default());
        let send = |wire: &mut Wire, side, sequence, acknowledgement, flags, crossed| {
            wire.direction = Some(if side == Side::Client { Direction::Ingress } else { Direction::Egress });
            wire.crossed = crossed;
            wire.raw(side, sequence, acknowledgement, flags, b"");
        };
        send(&mut wire, Side::Client, CLIENT_ISN, 0, SYN, crossed);
        // Who forges the client, on the client's side, cannot answer for the server.
        send(&mut wire, Side::Server, SERVER_ISN, CLIENT_ISN + 1, SYN_ACK, others);
        send(&mut wire, Side::Client, CLIENT_ISN + 1, SERVER_ISN + 1, ACK, crossed);
        assert_eq!((wire.take(), wire.counters().proven), (vec![], 0), "{crossed}");
        send(&mut wire, Side::Server, SERVER_ISN + 9, CLIENT_ISN + 1, SYN_ACK, crossed);
        send(&mut wire, Side::Client, CLIENT_ISN + 1, SERVER_ISN + 10, ACK, crossed);
        assert_eq!((wire.take(), wire.counters().proven), (vec![open(false)], 1), "{crossed}");
    }
}

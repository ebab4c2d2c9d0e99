//! Bytes in order, whatever the order of segments.

use super::*;

#[test]
fn bytes_in_order_go_straight_on() {
    let mut wire = Wire::established(Config::default());
    wire.client(0, b"GET ");
    wire.client(4, b"/");
    wire.acknowledged[0] = 5;
    wire.server(0, b"HTTP");
    assert_eq!(wire.take(), [client(b"GET /"), server(b"HTTP")]);
    assert_eq!((wire.counters().out_of_order, wire.counters().held), (0, 0));
}

#[test]
fn segments_out_of_order_wait() {
    let mut wire = Wire::established(Config::default());
    wire.client(6, b"gh");
    wire.client(3, b"def");
    assert_eq!(wire.take(), []);
    assert!(wire.counters().buffered_bytes > 0);
    wire.wait(5);
    wire.client(0, b"abc");
    assert_eq!(wire.take(), [client(b"abcdefgh")]);
    assert_eq!(wire.streams.protocol().times.last(), Some(&wire.now), "made available now");
    assert_eq!((wire.counters().buffered_bytes, wire.counters().out_of_order), (0, 2));
}

#[test]
fn retransmissions_are_told_once() {
    let mut wire = Wire::established(Config::default());
    wire.client(0, b"abc");
    wire.client(0, b"abc");
    wire.client(1, b"bcde");
    assert_eq!(wire.take(), [client(b"abcde")]);
    assert_eq!(wire.counters().retransmitted_bytes, 5);
}

#[test]
fn numbers_wrap_around() {
    let mut wire = Wire::new(Config::default());
    wire.isn = [u32::MAX - 3, u32::MAX];
    wire.handshake();
    wire.take();
    wire.client(4, b"efgh");
    wire.client(0, b"abcd");
    wire.acknowledged[0] = 8;
    wire.server(0, b"xyz");
    assert_eq!(wire.take(), [client(b"abcdefgh"), server(b"xyz")]);
}

#[test]
fn four_gigabytes_of_one_connection_stay_in_order() {
    let mut wire = Wire::established(Config::default());
    let block = vec![b'x'; 1 << 16];
    for n in 0..(1_u32 << 16) + 3 {
        wire.client(n.wrapping_mul(1 << 16), &block);
        wire.acknowledged[0] = n.wrapping_add(1).wrapping_mul(1 << 16);
        wire.server(0, b"");
        let told = &mut wire.streams.protocol_mut().told;
        assert_eq!(told.len(), 1, "at block {n}");
        told.clear();
        wire.streams.protocol_mut().times.clear();
    }
    assert_eq!(wire.counters().retransmitted_bytes, 0);
}

#[test]
fn keep_alive_probes_bring_nothing() {
    // RFC 9293, section 3.8.4: a byte of garbage before the next one, or none.
    let mut wire = Wire::established(Config::default());
    wire.client(0, b"abc");
    wire.client(2, b"\0");
    wire.client(2, b"");
    wire.client(3, b"d");
    assert_eq!(wire.take(), [client(b"abcd")]);
    assert_eq!((wire.counters().keep_alives, wire.counters().retransmitted_bytes), (1, 0));
}

#[test]
fn a_keep_alive_before_the_first_byte_brings_nothing() {
    let mut wire = Wire::established(Config::default());
    wire.raw(Side::Client, CLIENT_ISN, SERVER_ISN + 1, ACK, b"\0");
    wire.client(0, b"a");
    assert_eq!(wire.take(), [client(b"a")]);
}

#[test]
fn zero_window_probes_bring_their_byte_once() {
    // RFC 9293, section 3.8.6.1: the next byte, again and again, then with what follows it.
    let mut wire = Wire::established(Config::default());
    wire.client(0, b"a");
    wire.client(0, b"a");
    wire.client(0, b"abc");
    assert_eq!(wire.take(), [client(b"abc")]);
}

#[test]
fn fin_with_data_ends_after_the_data() {
    let mut wire = Wire::established(Config::default());
    wire.send(Side::Client, 0, FIN_ACK, b"bye");
    wire.acknowledged[0] = 4;
    wire.server(0, b"ok");
    wire.acknowledged[1] = 2;
    wire.client(4, b"");
    wire.send(Side::Server, 2, FIN_ACK, b"");
    let ends = [client(b"bye"), Told::End(Side::Client), server(b"ok"), Told::End(Side::Server)];
    assert_eq!(wire.take()[..4], ends);
    assert_eq!(wire.counters().closed(CloseCause::Fin), 1);
    assert_eq!(wire.counters().lost_bytes, 0);
}

#[test]
fn a_fin_out_of_order_waits() {
    let mut wire = Wire::established(Config::default());
    wire.send(Side::Client, 3, FIN_ACK, b"def");
    assert_eq!(wire.take(), []);
    wire.client(0, b"abc");
    assert_eq!(wire.take(), [client(b"abcdef"), Told::End(Side::Client)]);
}

#[test]
fn data_after_the_fin_is_ignored_and_counted() {
    let mut wire = Wire::established(Config::default());
    wire.send(Side::Client, 0, FIN_ACK, b"abc");
    wire.client(4, b"more");
    wire.client(1, b"bc");
    assert_eq!(wire.take(), [client(b"abc"), Told::End(Side::Client)]);
    assert_eq!((wire.counters().after_fin_bytes, wire.counters().retransmitted_bytes), (4, 2));
}

#[test]
fn a_false_fin_that_data_run_over_has_no_effect() {
    let mut wire = Wire::established(Config::default());
    wire.send(Side::Client, 5, FIN_ACK, b"");
    wire.client(0, b"abcdefgh");
    assert_eq!(wire.take(), [client(b"abcdefgh")]);
    wire.send(Side::Client, 8, FIN_ACK, b"");
    assert_eq!(wire.take(), [Told::End(Side::Client)]);
    assert_eq!(wire.counters().overrun_fins, 1);
}

fn urgent(wire: &mut Wire, offset: u32, pointer: u16, data: &[u8]) {
    let flags = Flags(Flags::ACK.0 | Flags::URG.0);
    let segment = Segment { urgent: pointer, ..wire.segment(Side::Client, offset, flags, data) };
    wire.put(&segment);
}

#[test]
fn the_urgent_byte_is_not_in_the_stream() {
    let mut wire = Wire::established(Config::default());
    urgent(&mut wire, 0, 3, b"abXcd");
    wire.client(5, b"ef");
    assert_eq!(wire.take(), [client(b"abcdef")]);
    assert_eq!(wire.counters().urgent_bytes, 1);
}

#[test]
fn an_urgent_byte_to_come_is_taken_out_of_its_segment() {
    let mut wire = Wire::established(Config::default());
    urgent(&mut wire, 0, 4, b"ab");
    urgent(&mut wire, 4, 0, b"e");
    wire.client(2, b"cX");
    wire.client(5, b"f");
    assert_eq!(wire.take(), [client(b"abcXf")], "only the last pointer counts");
}

#[test]
fn the_urgent_byte_is_in_the_stream_where_configured() {
    let mut wire = Wire::established(Config { urgent_inline: true, ..Config::default() });
    urgent(&mut wire, 0, 3, b"abXcd");
    assert_eq!(wire.take(), [client(b"abXcd")]);
}

#[test]
fn what_was_cut_off_is_reported_in_its_place() {
    let mut wire = Wire::established(Config::default());
    let snapped = Segment { length: 10, ..wire.segment(Side::Client, 0, ACK, b"abc") };
    wire.put(&snapped);
    wire.client(10, b"k");
    let expected = [client(b"abc"), not_captured(Side::Client, 7), client(b"k")];
    assert_eq!(wire.take(), expected);
    assert_eq!(wire.counters().not_captured_bytes, 7);
}

#[test]
fn what_was_cut_off_out_of_order_is_reported_in_its_place() {
    let mut wire = Wire::established(Config::default());
    let snapped = Segment { length: 6, ..wire.segment(Side::Client, 3, ACK, b"de") };
    wire.put(&snapped);
    wire.client(7, b"h");
    wire.client(0, b"abc");
    let missing = |length| not_captured(Side::Client, length);
    assert_eq!(wire.take(), [client(b"abcde"), missing(2), client(b"h"), missing(1)]);
}

#[test]
fn segments_without_an_acknowledgement_are_ignored() {
    let mut wire = Wire::established(Config::default());
    wire.send(Side::Client, 0, Flags(0), b"evil");
    wire.client(0, b"good");
    assert_eq!(wire.take(), [client(b"good")]);
    assert_eq!(wire.counters().invalid(Invalid::Flags), 1);
}

#[test]
fn segments_out_of_the_window_are_ignored() {
    let mut wire = Wire::established(Config { window: 1000, ..Config::default() });
    wire.client(1001, b"far");
    wire.client(u32::MAX - 2000, b"old");
    wire.client(0, b"good");
    assert_eq!(wire.take(), [client(b"good")]);
    assert_eq!(wire.counters().invalid(Invalid::Sequence), 2);
    assert_eq!(wire.finish(), [Told::Close(CloseCause::EndOfCapture)]);
}

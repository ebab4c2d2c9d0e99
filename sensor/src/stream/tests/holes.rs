//! What is missing, and what is left out.

use super::*;

const SKIP_SERVER: u64 = 100_000;

/// Every skip of these tests is worth an instruction.
fn eager() -> Config {
    Config { min_skip: 16 << 10, ..Config::default() }
}

#[test]
fn acknowledged_bytes_that_do_not_come_are_lost() {
    let mut wire = Wire::established(Config::default());
    wire.client(10, b"klm");
    wire.acknowledged[0] = 13;
    wire.server(0, b"");
    assert_eq!(wire.take(), [], "they may still come");
    wire.advance(9_999);
    assert_eq!(wire.take(), []);
    wire.advance(1);
    assert_eq!(wire.take(), [lost(Side::Client, 10), client(b"klm")]);
    assert_eq!((wire.counters().gaps, wire.counters().lost_bytes), (1, 10));
    wire.client(0, b"0123456789");
    assert_eq!(wire.take(), [], "too late");
}

#[test]
fn an_acknowledgement_may_come_before_what_it_acknowledges() {
    let mut wire = Wire::established(Config::default());
    wire.acknowledged[0] = 3;
    wire.server(0, b"");
    wire.wait(9_000);
    wire.client(0, b"abc");
    wire.advance(20_000);
    assert_eq!(wire.take(), [client(b"abc")]);
    assert_eq!(wire.counters().gaps, 0);
}

#[test]
fn a_response_waits_for_its_request() {
    let mut wire = Wire::established(Config::default());
    wire.acknowledged[0] = 3;
    wire.server(0, b"response");
    assert_eq!((wire.take(), wire.counters().held), (vec![], 1));
    wire.client(0, b"req");
    assert_eq!(wire.take(), [client(b"req"), server(b"response")]);
}

#[test]
fn a_lost_request_is_told_before_its_response_and_the_next_request_after() {
    let mut wire = Wire::established(Config::default());
    wire.acknowledged[0] = 10;
    wire.server(0, b"response 1");
    wire.acknowledged[1] = 10;
    wire.client(10, b"request 2");
    wire.acknowledged[0] = 19;
    wire.server(10, b"response 2");
    assert_eq!(wire.take(), []);
    wire.advance(10_000);
    let lost = lost(Side::Client, 10);
    let told = [lost, server(b"response 1"), client(b"request 2"), server(b"response 2")];
    assert_eq!(wire.take(), told);
}

#[test]
fn a_deadline_is_met_at_the_time_of_the_deadline() {
    let mut wire = Wire::established(Config::default());
    let start = wire.now;
    wire.acknowledged[0] = 3;
    wire.server(0, b"response");
    wire.wait(5_000_000);
    wire.client(3, b"next");
    assert_eq!(wire.take(), [lost(Side::Client, 3), server(b"response"), client(b"next")]);
    assert_eq!(wire.streams.protocol().times, [start + 10_000, wire.now]);
}

#[test]
fn without_patience_acknowledged_bytes_are_lost_at_once() {
    let config = Config { acknowledged_wait: std::time::Duration::ZERO, ..Config::default() };
    let mut wire = Wire::established(config);
    wire.acknowledged[0] = 3;
    wire.server(0, b"response");
    assert_eq!(wire.take(), [lost(Side::Client, 3), server(b"response")]);
}

#[test]
fn a_client_cannot_write_off_responses_by_acknowledging_them() {
    let mut wire = Wire::established(Config::default());
    wire.acknowledged[1] = 1_000_000;
    wire.client(0, b"req");
    wire.advance(1_000_000);
    wire.acknowledged[0] = 3;
    wire.server(0, b"response");
    assert_eq!(wire.take(), [client(b"req"), server(b"response")]);
    assert_eq!((wire.counters().gaps, wire.counters().unseen_acknowledged), (0, 1));
}

#[test]
fn a_lost_response_is_told_once_the_server_goes_on() {
    let mut wire = Wire::established(Config::default());
    wire.server(8, b"response 2");
    wire.acknowledged[1] = 18;
    wire.client(0, b"");
    wire.advance(10_000);
    assert_eq!(wire.take(), [lost(Side::Server, 8), server(b"response 2")]);
}

#[test]
fn a_hole_that_nobody_acknowledges_is_given_up_in_the_end() {
    let mut wire = Wire::established(Config::default());
    wire.client(1, b"b");
    wire.advance(59_000_000);
    assert_eq!(wire.take(), []);
    wire.advance(1_000_000);
    assert_eq!(wire.take(), [lost(Side::Client, 1), client(b"b")]);
}

#[test]
fn the_patience_with_a_hole_begins_with_the_hole() {
    let mut wire = Wire::established(Config::default());
    wire.client(1, b"b");
    wire.wait(40_000_000);
    wire.client(3, b"d");
    wire.client(0, b"a");
    wire.advance(20_000_000);
    assert_eq!(wire.take(), [client(b"ab")]);
    wire.advance(60_000_000);
    assert_eq!(wire.take(), [lost(Side::Client, 1), client(b"d")]);
}

#[test]
fn what_waits_is_delivered_at_the_end() {
    let mut wire = Wire::established(Config::default());
    wire.client(1, b"b");
    wire.client(3, b"d");
    wire.acknowledged[1] = 0;
    let end = Told::Close(CloseCause::EndOfCapture);
    let [one, two] = [lost(Side::Client, 1), lost(Side::Client, 1)];
    assert_eq!(wire.finish(), [one, client(b"b"), two, client(b"d"), end]);
}

#[test]
fn acknowledged_bytes_are_lost_at_the_end() {
    let mut wire = Wire::established(Config::default());
    wire.acknowledged[0] = 5;
    wire.server(0, b"");
    assert_eq!(wire.finish(), [lost(Side::Client, 5), Told::Close(CloseCause::EndOfCapture)]);
}

#[test]
fn a_fin_waits_for_what_it_acknowledges() {
    let mut wire = Wire::established(Config::default());
    wire.acknowledged[0] = 3;
    wire.send(Side::Server, 0, FIN_ACK, b"bye");
    wire.client(0, b"req");
    assert_eq!(wire.take(), [client(b"req"), server(b"bye"), Told::End(Side::Server)]);
}

#[test]
fn a_fin_alone_waits_too() {
    let mut wire = Wire::established(Config::default());
    wire.acknowledged[0] = 3;
    wire.send(Side::Server, 0, FIN_ACK, b"");
    assert_eq!(wire.take(), []);
    wire.client(0, b"req");
    assert_eq!(wire.take(), [client(b"req"), Told::End(Side::Server)]);
}

fn skipping() -> Wire {
    let mut wire = Wire::established(eager());
    wire.advise(Advice::Skip(SKIP_SERVER));
    wire.server(0, b"head");
    let (client, server) = wire.ends();
    let sequence = SERVER_ISN + 1 + 4 + 100_000;
    let skip = Instruction::SkipUntil { side: Side::Server, source: server, destination: client, sequence };
    assert_eq!(wire.instruction, Some(skip));
    wire.take();
    wire
}

#[test]
fn how_much_is_copied_is_told_once_and_again_while_segments_are_cut() {
    let mut wire = Wire::established(eager());
    let (client, server) = wire.ends();
    let copy = |whole| Some(Instruction::Copy { client, server, whole });
    wire.advise(Advice::Whole);
    wire.client(0, b"preface");
    assert_eq!(wire.instruction, copy(true));
    wire.client(7, b"more");
    assert_eq!(wire.instruction, None, "told before");
    let mut cut = |offset: u32, after: u64| {
        wire.now += after;
        let whole = wire.segment(Side::Server, offset, ACK, b"beginning");
        let cut = Segment { length: 1_000, ..whole };
        wire.put(&cut);
        wire.instruction
    };
    assert_eq!(cut(0, 500_000), None, "the instruction may be under way");
    assert_eq!(cut(1_000, 500_000), copy(true));
    assert_eq!(cut(2_000, 10), None);
    wire.advise(Advice::Beginnings);
    wire.client(11, b"something else");
    assert_eq!(wire.instruction, copy(false));
    wire.now += 5_000_000;
    let whole = wire.segment(Side::Server, 3_000, ACK, b"beginning");
    wire.put(&Segment { length: 1_000, ..whole });
    assert_eq!(wire.instruction, None, "cut as was asked for");
}

#[test]
fn skipped_bytes_are_not_captured_and_need_no_wait() {
    let mut wire = skipping();
    wire.server(100_004, b"next");
    assert_eq!(wire.take(), [not_captured(Side::Server, 100_000), server(b"next")]);
    assert_eq!(wire.counters().gaps, 0);
}

#[test]
fn a_segment_across_the_end_of_a_skip_counts_whole() {
    let mut wire = skipping();
    wire.server(100_000, b"tailnext");
    assert_eq!(wire.take(), [not_captured(Side::Server, 99_996), server(b"tailnext")]);
}

#[test]
fn a_hole_beyond_a_skip_is_a_hole() {
    let mut wire = skipping();
    wire.server(100_010, b"next");
    assert_eq!(wire.take(), [not_captured(Side::Server, 100_000)]);
    wire.server(100_004, b"012345");
    assert_eq!(wire.take(), [server(b"012345next")]);
}

#[test]
fn skipped_bytes_that_come_all_the_same_are_delivered() {
    let mut wire = skipping();
    wire.advise(Advice::Skip(SKIP_SERVER - 3));
    wire.server(4, b"abc");
    assert_eq!((wire.take(), wire.instruction), (vec![server(b"abc")], None), "told before");
}

#[test]
fn skipped_bytes_are_told_before_the_request_that_acknowledges_them() {
    let mut wire = skipping();
    wire.acknowledged[1] = 100_004;
    let request = wire.segment(Side::Client, 0, ACK, b"request 2");
    let sent = Some(request.acknowledgement);
    wire.put(&Segment { peer_sent: sent, ..request });
    assert_eq!(wire.take(), [not_captured(Side::Server, 100_000), client(b"request 2")]);
}

#[test]
fn a_fin_after_skipped_bytes_ends() {
    let mut wire = skipping();
    wire.send(Side::Server, 100_004, FIN_ACK, b"");
    wire.acknowledged[1] = 100_005;
    wire.client(0, b"");
    assert_eq!(wire.take(), [not_captured(Side::Server, 100_000), Told::End(Side::Server)]);
}

#[test]
fn whatever_comes_after_skipped_bytes_tells_of_them() {
    for flags in [ACK, FIN_ACK] {
        let mut wire = skipping();
        wire.send(Side::Server, 60_000, flags, b"");
        let told = wire.take();
        assert_eq!(told.first(), Some(&not_captured(Side::Server, 59_996)));
        assert_eq!(told.get(1), (flags == FIN_ACK).then_some(&Told::End(Side::Server)));
    }
}

#[test]
fn a_reset_among_skipped_bytes_is_believed_of_the_server_only() {
    let mut wire = skipping();
    wire.send(Side::Server, 60_000, RST_ACK, b"");
    assert_eq!(wire.take(), [Told::Close(CloseCause::Rst)]);
    let mut wire = Wire::established(eager());
    wire.advise(Advice::Skip(SKIP_SERVER));
    wire.client(0, b"head");
    wire.send(Side::Client, 60_000, RST_ACK, b"");
    assert_eq!(wire.take(), [client(b"head")]);
}

#[test]
fn short_skips_are_not_worth_an_instruction() {
    let mut wire = Wire::established(Config::default());
    wire.advise(Advice::Skip((256 << 10) - 1));
    wire.server(0, b"head");
    assert_eq!(wire.instruction, None);
}

#[test]
fn a_skip_asked_for_while_time_passes_is_told_with_the_next_segment() {
    let mut wire = Wire::established(eager());
    wire.acknowledged[0] = 3;
    wire.server(0, b"head");
    wire.advise(Advice::Continue);
    wire.advise(Advice::Skip(SKIP_SERVER));
    wire.advance(10_000);
    assert_eq!(wire.take(), [lost(Side::Client, 3), server(b"head")]);
    wire.client(3, b"next");
    assert!(matches!(wire.instruction, Some(Instruction::SkipUntil { side: Side::Server, .. })));
}

//! Missing bytes, and connections that are in their midst.

use super::*;

/// A GET whose path and host are inserted into the table.
fn inserting(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x82\x87\x44\x02/p\x41\x01h")
}

/// The same again, from the table.
fn indexed(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x82\x87\xbf\xbe")
}

#[test]
fn a_hole_within_a_body_leaves_everything_else_as_it_is() {
    let mut talk = begun();
    let _advice = talk.client([post(1, "/", &[]), frame(DATA, 0, 1, [b'x'; 100])[..20].to_vec()].concat());
    let _advice = talk.missing(Side::Client, 89, Missing::Lost);
    let _advice = talk.client([frame(DATA, END_STREAM, 1, "end"), inserting(3), indexed(5)].concat());
    let _advice = talk.server([answer(1, 200, ""), answer(3, 200, ""), answer(5, 200, "")].concat());
    assert_eq!(talk.finish(), ["POST / 103 -> 200 0 GAPS", "GET /p 0 -> 200 0", "GET /p 0 -> 200 0"]);
}

#[test]
fn a_hole_over_a_request_hides_it_and_what_refers_to_it() {
    let mut talk = begun();
    let missing = inserting(1);
    let _advice = talk.missing(Side::Client, missing.len() as u64, Missing::Lost);
    let _advice = talk.client([indexed(3), inserting(5), indexed(7)].concat());
    let server: Vec<u8> = (0..4).flat_map(|number| answer(number * 2 + 1, 200, "")).collect();
    let _advice = talk.server(server);
    assert_eq!(
        talk.lines(),
        [
            "- -> 200 0 GAPS",
            "GET  0 -> 200 0 hpack_hidden_fields GAPS",
            "GET /p 0 -> 200 0",
            "GET /p 0 -> 200 0",
        ]
    );
    assert_eq!(talk.http.counters().hidden_fields, 2);
}

#[test]
fn a_hole_over_responses_leaves_their_requests_unanswered_and_later_ones_paired() {
    let mut talk = begun();
    let _advice = talk.client([get(1, "/a"), get(3, "/b"), get(5, "/c")].concat());
    let missing = answer(1, 200, "lost");
    let _advice = talk.missing(Side::Server, missing.len() as u64, Missing::NotCaptured);
    let _advice = talk.server([frame(PING, 0, 0, [0; 8]), answer(5, 404, "")].concat());
    let _advice = talk.server(answer(3, 201, ""));
    assert_eq!(talk.finish(), ["GET /c 0 -> 404 0 GAPS", "GET /b 0 -> 201 0 GAPS", "GET /a 0 -> - GAPS",]);
}

#[test]
fn a_hole_within_a_header_block_hides_its_fields_only() {
    let mut talk = begun();
    let head = inserting(1);
    let _advice = talk.client(&head[..12]);
    let _advice = talk.missing(Side::Client, (head.len() - 12) as u64, Missing::Lost);
    let _advice = talk.client(indexed(3));
    let _advice = talk.server([answer(1, 200, ""), answer(3, 200, "")].concat());
    assert_eq!(
        talk.finish(),
        ["  0 -> 200 0 hpack_hidden_fields GAPS", "GET  0 -> 200 0 hpack_hidden_fields GAPS",]
    );
}

#[test]
fn a_connection_picked_up_in_its_midst_is_read_from_its_frames_on() {
    let mut talk = Talk::midstream();
    let _advice = talk.client(b"the rest of a frame of which nothing is known");
    let _advice = talk.client(indexed(7));
    let _advice = talk.server(answer(5, 200, ""));
    let _advice = talk.server(answer(7, 200, "abc"));
    let _advice = talk.client([inserting(9), indexed(11)].concat());
    let _advice = talk.server([answer(9, 200, ""), answer(11, 200, "")].concat());
    assert_eq!(
        talk.finish(),
        [
            "- -> 200 0 GAPS",
            "GET  0 -> 200 3 hpack_hidden_fields GAPS",
            "GET /p 0 -> 200 0",
            "GET /p 0 -> 200 0",
        ]
    );
}

#[test]
fn a_connection_that_ends_tells_what_is_under_way() {
    for (cause, expected) in
        [(CloseCause::Rst, "POST / 3~ -> - incomplete_body"), (CloseCause::Idle, "POST / 3~ -> - GAPS")]
    {
        let mut talk = begun();
        let _advice = talk.client([post(1, "/", &[]), frame(DATA, 0, 1, "abc")].concat());
        talk.close(cause);
        assert_eq!(talk.lines(), [expected]);
    }
}

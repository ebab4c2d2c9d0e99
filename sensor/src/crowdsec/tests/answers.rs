use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::{at, prefix};
use crate::crowdsec::Left;
use crate::crowdsec::wire::{Stream, Taking};

const NOW: u64 = 1_000_000;

fn taking(max: usize) -> Taking<'static> {
    Taking { now: at(NOW), max, own: Some("sensor@web1/") }
}

fn read(body: &str) -> Stream {
    Stream::read(body.as_bytes(), taking(100)).unwrap()
}

/// As 1.4.6 writes it.
fn raw(scope: &str, kind: &str, value: &str, duration: &str) -> String {
    format!(
        r#"{{"duration":"{duration}","id":7,"origin":"CAPI","scenario":"crowdsecurity/ssh-bf","scope":"{scope}","type":"{kind}","value":"{value}"}}"#
    )
}

/// The first answer of a fresh server has lists that are null.
#[test]
fn lists_may_be_empty_null_or_missing() {
    for body in [
        r#"{"deleted":null,"new":null}"#,
        r#"{"new":[],"deleted":[]}"#,
        "{}",
        r#" {"new":null,"links":{"next":[1,2,{}]}} "#,
    ] {
        assert_eq!(read(body), Stream::default(), "{body}");
    }
}

#[test]
fn each_decision_is_taken_or_left() {
    for (decision, expected) in [
        (raw("Ip", "ban", "192.0.2.7", "1h0m0.5s"), Ok("192.0.2.7/32")),
        (raw("ip", "BAN", " 192.0.2.7 ", "1h"), Ok("192.0.2.7/32")),
        (raw("Ip", "ban", "::ffff:192.0.2.7", "1h"), Ok("192.0.2.7/32")),
        (raw("Ip", "ban", "2001:db8::7", "1h"), Ok("2001:db8::7/128")),
        (raw("Range", "ban", "198.51.100.77/24", "1h"), Ok("198.51.100.0/24")),
        (raw("range", "ban", "2001:db8::1/32", "1h"), Ok("2001:db8::/32")),
        (raw("Country", "ban", "XX", "1h"), Err(Left::Scope)),
        (raw("AS", "ban", "64496", "1h"), Err(Left::Scope)),
        (raw("username", "ban", "alice", "1h"), Err(Left::Scope)),
        (raw("Ip", "captcha", "192.0.2.7", "1h"), Err(Left::Type)),
        (raw("Ip", "ban", "192.0.2", "1h"), Err(Left::Malformed)),
        (raw("Ip", "ban", "", "1h"), Err(Left::Malformed)),
        (raw("Range", "ban", "192.0.2.0/33", "1h"), Err(Left::Malformed)),
        (raw("Range", "ban", "::ffff:0:0/96", "1h"), Err(Left::Malformed)),
        (raw("Ip", "ban", "192.0.2.7", "soon"), Err(Left::Malformed)),
        (raw("Ip", "ban", "192.0.2.7", ""), Err(Left::Malformed)),
        (raw("Ip", "ban", "192.0.2.7", "1h").replace("crowdsecurity/", "sensor@web1/"), Err(Left::Own)),
        (raw("Ip", "ban", "192.0.2.7", "1h").replace("crowdsecurity/", "sensor@web10/"), Ok("192.0.2.7/32")),
        (raw("Ip", "ban", "192.0.2.7", "1h").replace(":7,", ":null,"), Err(Left::Malformed)),
        (raw("Ip", "ban", "192.0.2.7", "1h").replace(":7,", ":\"7\","), Err(Left::Malformed)),
        (raw("Ip", "ban", "192.0.2.7", "1h").replace(":7,", ":7,\"simulated\":true,"), Err(Left::Type)),
        (
            raw("Ip", "ban", "192.0.2.7", "1h").replace(":7,", ":7,\"uuid\":\"x\",\"until\":\"2026\","),
            Ok("192.0.2.7/32"),
        ),
        ("[]".to_owned(), Err(Left::Malformed)),
        ("null".to_owned(), Err(Left::Malformed)),
        ("{}".to_owned(), Err(Left::Malformed)),
        ("1e999".to_owned(), Err(Left::Malformed)),
    ] {
        let stream = read(&format!(r#"{{"new":[{decision}],"deleted":null}}"#));
        match expected {
            Ok(whom) => {
                assert_eq!(stream.new.len(), 1, "{decision}: {stream:?}");
                assert_eq!(stream.new[0].prefix, prefix(whom), "{decision}");
                assert!(stream.left.is_empty(), "{decision}");
            }
            Err(why) => {
                assert!(stream.new.is_empty(), "{decision}");
                assert_eq!(stream.left, BTreeMap::from([(why, 1)]), "{decision}");
            }
        }
    }
}

#[test]
fn a_decision_says_who_and_why_and_for_how_long() {
    let stream = read(&format!(r#"{{"new":[{}]}}"#, raw("Ip", "ban", "192.0.2.7", "3h59m58.5s")));
    let found = &stream.new[0];
    assert_eq!(found.id, 7);
    assert_eq!(found.until.since(at(NOW)).as_millis(), 14_398_500);
    assert_eq!(found.reason(), "CAPI: crowdsecurity/ssh-bf");
}

/// Decisions that have ended have negative durations, in whichever list they are.
#[test]
fn what_has_ended_is_not_taken() {
    let ended = raw("Ip", "ban", "192.0.2.7", "-18897h25m52.809576151s");
    let stream = read(&format!(r#"{{"new":[{ended}],"deleted":[{ended},{ended}]}}"#));
    assert!(stream.new.is_empty() && stream.left.is_empty());
    assert_eq!(stream.deleted, [prefix("192.0.2.7/32"); 2]);
}

/// What was left when it came is of no concern when it goes.
#[test]
fn only_bans_are_lifted() {
    let gone = [
        raw("Ip", "captcha", "192.0.2.7", "-1s"),
        raw("Country", "ban", "XX", "-1s"),
        "17".to_owned(),
        raw("Range", "ban", "192.0.2.0/24", "-1s"),
    ];
    let stream = read(&format!(r#"{{"deleted":[{}],"new":[]}}"#, gone.join(",")));
    assert_eq!(stream, Stream { deleted: vec![prefix("192.0.2.0/24")], ..Stream::default() });
}

#[test]
fn what_has_no_room_is_counted() {
    let mut list = String::new();
    for number in 0..30_000 {
        let separator = if number == 0 { "" } else { "," };
        let value = format!("10.{}.{}.1", number / 256, number % 256);
        write!(list, "{separator}{}", raw("Ip", "ban", &value, "1h")).unwrap();
    }
    let body = format!(r#"{{"new":[{list}],"deleted":null}}"#);
    let stream = Stream::read(body.as_bytes(), taking(20_000)).unwrap();
    assert_eq!(stream.new.len(), 20_000);
    assert_eq!(stream.left, BTreeMap::from([(Left::Full, 10_000)]));
    let whole = Stream::read(body.as_bytes(), taking(30_000)).unwrap();
    assert_eq!((whole.new.len(), whole.left.len()), (30_000, 0));
}

#[test]
fn texts_are_cut() {
    let long = raw("Ip", "ban", "192.0.2.7", "1h").replace("crowdsecurity/ssh-bf", &"\u{e9}".repeat(100_000));
    let stream = read(&format!(r#"{{"new":[{long}]}}"#));
    assert_eq!(stream.new[0].scenario, "\u{e9}".repeat(128));
}

#[test]
fn what_is_no_answer_is_an_error() {
    let whole = format!(r#"{{"new":[{}],"deleted":null}}"#, raw("Ip", "ban", "192.0.2.7", "1h"));
    for body in [
        "",
        "null",
        "[]",
        "17",
        "<html>",
        r#"{"new":{}}"#,
        r#"{"new":"x"}"#,
        r#"{"new":[}"#,
        r#"{"new":[]}{}"#,
        &"[".repeat(100_000),
        &format!("{{\"new\":[{}", "[".repeat(100_000)),
        &whole[..whole.len() - 1],
    ] {
        let read = Stream::read(body.as_bytes(), taking(10));
        read.expect_err(&body[..body.len().min(40)]);
    }
    Stream::read(b"{\"new\":[\"\xff\"]}", taking(10)).unwrap_err();
    for end in 0..whole.len() {
        Stream::read(&whole.as_bytes()[..end], taking(10)).unwrap_err();
    }
}

proptest! {
    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let _read = Stream::read(&body, taking(3));
    }

    /// Bytes changed in an answer cost at most the decisions that they are in.
    #[test]
    fn no_damage_panics(place in 0_usize..400, byte: u8) {
        let mut body = format!(
            r#"{{"new":[{},{}],"deleted":[{}]}}"#,
            raw("Ip", "ban", "192.0.2.7", "1h"),
            raw("Range", "ban", "192.0.2.0/24", "1h"),
            raw("Ip", "ban", "192.0.2.9", "-1h"),
        )
        .into_bytes();
        let length = body.len();
        body[place % length] = byte;
        if let Ok(stream) = Stream::read(&body, taking(3)) {
            prop_assert!(stream.new.len() <= 2 && stream.deleted.len() <= 1);
        }
    }
}

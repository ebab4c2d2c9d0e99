//! Answers that give too much, and answers that only look so.

use super::super::testing::{News, address, exchange, finding, millis};
use super::*;
use crate::inspect::{AnswerField, Exposed, FieldName, Finding, Side};

fn detector() -> DataExposure {
    DataExposure::new(&Config::default(), super::super::Config::default().sources(), 1)
}

fn holding(records: [u16; 5]) -> Exposed<'static> {
    Exposed { answer: Some(Answer { records, fields: &[] }), ..Exposed::default() }
}

/// A day of a route, an answer every ten seconds to one of fifty clients.
fn day(said: &mut Vec<Signal>, detector: &mut DataExposure, records: impl Fn(u64) -> [u16; 5]) {
    for number in 0..8_640 {
        let exposed = holding(records(number));
        let exchange =
            Exchange { client: address(number % 50 * 200), exposed, ..exchange(millis(number * 10_000)) };
        detector.observe(&Event::Exchange(&exchange), said);
        detector.advance(exchange.seen, said);
    }
}

#[test]
fn a_users_own_record_is_left_alone() {
    let (mut detector, mut said) = (detector(), Vec::new());
    day(&mut said, &mut detector, |_| [1, 1, 1, 0, 1]);
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn records_of_many_are_told_and_what_is_usual_for_a_route_is_not() {
    let (mut detector, mut said) = (detector(), Vec::new());
    day(&mut said, &mut detector, |number| [0, if number == 8_000 { 40 } else { 1 }, 0, 0, 0]);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!((said[0].severity, said[0].offenders.len()), (Severity::Medium, 0));
    // Staff's list: twenty each time. It is told while it is new, once, and to nobody's harm.
    let (mut detector, mut said) = (self::detector(), Vec::new());
    day(&mut said, &mut detector, |_| [0, 20, 0, 0, 30]);
    assert!(said.len() <= 2, "{said:?}");
    assert!(
        said.iter().all(|signal| signal.severity < Severity::High && signal.offenders.is_empty()),
        "{said:?}"
    );
}

#[test]
fn a_client_that_collects_records_is_told() {
    let (mut detector, mut said) = (detector(), Vec::new());
    day(&mut said, &mut detector, |_| [0, 1, 0, 0, 1]);
    for number in 0..300 {
        let exposed = holding([0, 8, 0, 0, 8]);
        let client = address(99_000);
        let exchange = Exchange { client, exposed, ..exchange(millis(90_000_000 + number * 1_000)) };
        detector.observe(&Event::Exchange(&exchange), &mut said);
    }
    let of_client = |signal: &&Signal| matches!(signal.subject, Subject::Client(_));
    let told: Vec<_> = News::of(&said).iter().filter(of_client).map(|signal| signal.severity).collect();
    assert!(told.first() == Some(&Severity::Medium), "{told:?}");
}

fn leaking(class: &'static str, status: u16, answers: u64) -> Vec<Signal> {
    let (mut detector, mut said) = (detector(), Vec::new());
    let findings: [Finding; 1] = [finding(Kind::DataExposure, Side::Response, class, "rule")];
    for number in 0..answers {
        let exposed = holding([0; 5]);
        let exchange = Exchange {
            status: Some(status),
            findings: &findings,
            exposed,
            ..exchange(millis(number * 10_000))
        };
        detector.observe(&Event::Exchange(&exchange), &mut said);
    }
    said
}

#[test]
fn leaks_are_told_once_for_their_route() {
    for (class, status, severity) in [
        ("file", 200, Severity::High),
        ("password-hash", 200, Severity::High),
        ("database-error", 500, Severity::Medium),
        ("diagnostics", 200, Severity::Medium),
        ("stack-trace", 500, Severity::Low),
        ("directory-listing", 200, Severity::Low),
    ] {
        let said = leaking(class, status, 100);
        let told: Vec<_> = said.iter().map(|signal| (signal.severity, signal.offenders.len())).collect();
        assert_eq!(told, [(severity, 0)], "{class}");
    }
}

#[test]
fn fields_that_were_never_given_are_told_after_a_while() {
    let (mut detector, mut said) = (detector(), Vec::new());
    let field = |hash: u32, name: &str, is_sensitive| AnswerField {
        hash,
        name: FieldName::of(name.as_bytes()),
        is_sensitive,
    };
    let ordinary = [field(1, "id", false), field(2, "name", false)];
    let deployed = [field(1, "id", false), field(2, "name", false), field(3, "colour", false)];
    let leaking = [field(1, "id", false), field(4, "password_hash", true)];
    for number in 0..2_000 {
        let fields: &[AnswerField] = match number {
            0..1_500 => &ordinary,
            1_999 => &leaking,
            _ => &deployed,
        };
        let exposed = Exposed { answer: Some(Answer { records: [0; 5], fields }), ..Exposed::default() };
        let exchange = Exchange { exposed, ..exchange(millis(number * 10_000)) };
        detector.observe(&Event::Exchange(&exchange), &mut said);
    }
    let told: Vec<_> =
        said.iter().map(|signal| (signal.severity, signal.evidence.numbers["class"].clone())).collect();
    assert_eq!(told, [(Severity::Info, "new-field".into()), (Severity::Medium, "sensitive-field".into())]);
}

#[test]
fn an_answer_many_times_larger_than_any_is_told() {
    let (mut detector, mut said) = (detector(), Vec::new());
    for number in 0..1_000 {
        let bytes = if number == 999 { 5_000_000 } else { 900 + number % 5_000 };
        let exchange = Exchange {
            exposed: holding([0; 5]),
            response_bytes: Some(bytes),
            ..exchange(millis(number * 10_000))
        };
        detector.observe(&Event::Exchange(&exchange), &mut said);
    }
    assert_eq!(
        said.iter().map(|signal| signal.evidence.numbers["class"].clone()).collect::<Vec<_>>(),
        ["size".into()]
    );
}

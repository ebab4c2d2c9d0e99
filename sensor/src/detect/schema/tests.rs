//! A program with a mistake, somebody who tries, and a server that breaks its own document.

use super::super::testing::{News, address, exchange, finding, millis};
use super::*;

fn detector() -> Schema {
    Schema::new(&Config::default(), super::super::Config::default().sources(), 1)
}

/// One exchange with a fault in a field of that number.
fn broken(detector: &mut Schema, at: u64, (side, rule): (Side, &'static str), field: u64) -> Vec<Signal> {
    let mut said = Vec::new();
    let findings = [Finding { field, ..finding(Kind::Schema, side, rule, rule) }];
    let status = if side == Side::Request && !rule.starts_with("undocumented") { 400 } else { 200 };
    let exchange =
        Exchange { client: address(200), status: Some(status), findings: &findings, ..exchange(millis(at)) };
    detector.observe(&Event::Exchange(&exchange), &mut said);
    said
}

fn severities(said: &[Signal]) -> Vec<Severity> {
    News::of(said).iter().map(|signal| signal.severity).collect()
}

#[test]
fn a_program_with_a_mistake_is_low_and_then_medium() {
    let mut detector = detector();
    let said: Vec<Signal> =
        (0..300).flat_map(|n| broken(&mut detector, n * 1_000, (Side::Request, "type"), 1)).collect();
    assert_eq!(severities(&said), [Severity::Low, Severity::Medium]);
    assert_eq!(said[0].evidence.numbers["faults"], 1_u64.into());
    assert_eq!(said[0].offenders.len(), 1);
}

#[test]
fn many_different_faults_are_somebody_who_tries() {
    let mut detector = detector();
    let rules = ["type", "enum", "range", "required"];
    let said: Vec<Signal> = (0..16)
        .flat_map(|n| {
            let rule = rules[usize::try_from(n % 4).unwrap()];
            broken(&mut detector, n * 1_000, (Side::Request, rule), n / 4)
        })
        .collect();
    assert_eq!(severities(&said), [Severity::Low, Severity::High]);
}

#[test]
fn what_answers_break_accuses_nobody_and_is_told_once_a_day() {
    let mut detector = detector();
    for (side, rule) in [(Side::Response, "required"), (Side::Request, "undocumented")] {
        let said: Vec<Signal> =
            (0..100).flat_map(|n| broken(&mut detector, n * 1_000, (side, rule), 1)).collect();
        assert_eq!(said.len(), 1, "{rule}");
        assert!(said[0].offenders.is_empty() && said[0].severity == Severity::Low, "{:?}", said[0]);
    }
}

/// The document is wrong, or the server checks nothing: either way it is not the clients.
#[test]
fn what_the_server_accepts_accuses_nobody() {
    let mut detector = detector();
    let mut said = Vec::new();
    for client in 0..500 {
        let findings = [Finding { field: 1, ..finding(Kind::Schema, Side::Request, "range", "range") }];
        let client_address = address(client * 200);
        let exchange =
            Exchange { client: client_address, findings: &findings, ..exchange(millis(client * 900)) };
        detector.observe(&Event::Exchange(&exchange), &mut said);
    }
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].offenders.is_empty() && said[0].summary.contains("accepts requests"), "{:?}", said[0]);
}

#[test]
fn no_findings_no_signal() {
    let mut detector = detector();
    let mut said = Vec::new();
    for number in 0..1_000 {
        detector.observe(&Event::Exchange(&exchange(millis(number * 100))), &mut said);
    }
    assert!(said.is_empty());
}

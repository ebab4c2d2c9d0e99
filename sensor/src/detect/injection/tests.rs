use std::time::Duration;

use super::*;
use crate::detect::testing::{address, exchange, millis};
use crate::inspect::{Confidence, FieldName, Side};
use crate::values::Place;

fn finding(field: u64, rule: &'static str) -> Finding {
    Finding {
        kind: Kind::Injection,
        class: "sqli",
        side: Side::Request,
        place: Place::Query,
        name: FieldName::of(b"q"),
        rule,
        confidence: Confidence::percent(90),
        field,
    }
}

fn seconds(seconds: u64) -> Timestamp {
    millis(seconds * 1_000)
}

fn detector() -> Injection {
    Injection::new(&Config::default(), crate::detect::Config::default().sources(), 1)
}

/// The severities that a detector tells of one client's requests, a second apart.
fn told(requests: &[(&[Finding], Option<Effect>, u16)]) -> Vec<(Severity, usize)> {
    let mut detector = detector();
    let mut signals = Vec::new();
    for (at, (findings, effect, status)) in requests.iter().enumerate() {
        let mut effects = Effects::default();
        effect.iter().for_each(|effect| effects.insert(*effect));
        let event = Exchange { findings, effects, status: Some(*status), ..exchange(seconds(at as u64)) };
        detector.observe(&Event::Exchange(&event), &mut signals);
    }
    signals.iter().map(|signal| (signal.severity, signal.offenders.len())).collect()
}

/// An office of hundreds: among its many requests, one in a thousand trips a rule.
#[test]
fn the_many_behind_one_address_are_not_blocked_for_a_hit_now_and_then() {
    for (others, expected) in [(200, Severity::Medium), (5, Severity::High)] {
        let mut detector = detector();
        let mut signals = Vec::new();
        for hit in 0..4 {
            let hits = [finding(hit, "sql-union")];
            let at = millis(hit * 60_000);
            let event = Exchange { findings: &hits, ..exchange(at) };
            detector.observe(&Event::Exchange(&event), &mut signals);
            for other in 0..others {
                let at = millis(hit * 60_000 + other + 1);
                detector.observe(&Event::Exchange(&exchange(at)), &mut signals);
            }
        }
        assert_eq!(signals.iter().map(|signal| signal.severity).max(), Some(expected), "{others} others");
    }
}

/// Whoever makes a page could have its visitors blocked.
#[test]
fn what_other_sites_make_browsers_send_is_told_once_and_accuses_nobody() {
    let findings: Vec<Finding> = (0..6).map(|field| finding(field, "sql-union")).collect();
    let mut detector = detector();
    let mut signals = Vec::new();
    for at in 0..20 {
        let event = Exchange { findings: &findings, cross_site: true, ..exchange(seconds(at)) };
        detector.observe(&Event::Exchange(&event), &mut signals);
    }
    let told: Vec<_> = signals.iter().map(|signal| (signal.severity, signal.offenders.len())).collect();
    assert_eq!(told, [(Severity::Low, 0)]);
    // Its own requests count from the start.
    let event = Exchange { findings: &findings, ..exchange(seconds(21)) };
    detector.observe(&Event::Exchange(&event), &mut signals);
    assert_eq!(
        signals.last().map(|signal| (signal.severity, signal.offenders.len())),
        Some((Severity::High, 1))
    );
}

#[test]
fn severity_is_of_what_was_tried_and_what_came_of_it() {
    let (score, hard) = (finding(1, SCORE_RULE), finding(1, "sql-union"));
    let evidence = finding(1, EVIDENCE_RULE);
    assert_eq!(told(&[(&[evidence], None, 200)]), [], "evidence alone");
    assert_eq!(told(&[(&[], Some(Effect::ServerError), 500)]), [], "an error without an attack");
    assert_eq!(told(&[(&[score], None, 200)]), [(Severity::Low, 0)]);
    assert_eq!(
        told(&[(&[score], Some(Effect::ServerError), 500)]),
        [(Severity::Low, 0)],
        "servers fail by themselves"
    );
    assert_eq!(told(&[(&[hard], None, 200)]), [(Severity::Medium, 0)]);
    assert_eq!(told(&[(&[hard], Some(Effect::ServerError), 500)]), [(Severity::High, 1)]);
    assert_eq!(told(&[(&[score], Some(Effect::DatabaseError), 200)]), [(Severity::High, 1)]);
    let three = [finding(1, "sql-union"), finding(2, "sql-union"), finding(3, "sql-union")];
    assert_eq!(told(&[(&three, None, 200)]), [(Severity::High, 1)], "three parameters");
    let rules = [finding(1, "sql-union"), finding(1, "sql-quote"), finding(1, "sql-function")];
    assert_eq!(told(&[(&rules, None, 200)]), [(Severity::Medium, 0)], "one payload trips several rules");
    let thrice = told(&[(&rules, None, 200), (&rules, None, 200), (&rules, None, 200)]);
    assert_eq!(thrice.last(), Some(&(Severity::High, 1)), "several rules in three requests");
}

/// The severities told of hits in one field, by client and second.
fn field_of(hits: impl Iterator<Item = (u64, u64)>, status: u16, class: &'static str) -> Vec<u64> {
    let mut detector = detector();
    let findings = [Finding { class, ..finding(1, "sql-statement") }];
    let mut at_last = Vec::new();
    for (client, second) in hits {
        let mut signals = Vec::new();
        let event = Exchange {
            findings: &findings,
            client: address(client * 300),
            status: Some(status),
            ..exchange(seconds(second))
        };
        detector.observe(&Event::Exchange(&event), &mut signals);
        at_last.extend(signals.iter().map(|_| second));
    }
    at_last
}

#[test]
fn what_is_ordinary_in_a_field_is_muted() {
    let hour = |hits: u64, clients: u64| (0..hits).map(move |at| (at % clients, at * 3_600));
    let silent_after = |told: &[u64]| told.iter().all(|second| *second <= 11 * 3_600);
    assert!(silent_after(&field_of(hour(40, 4), 200, "sqli")), "an editor of four people");
    for (hits, status, class, why) in [
        (hour(40, 2), 200, "sqli", "two clients"),
        (hour(40, 4), 500, "sqli", "errors"),
        (hour(40, 4), 200, "log4shell", "ordinary nowhere"),
    ] {
        assert!(!silent_after(&field_of(hits, status, class)), "{why}");
    }
    let burst = field_of((0..40).map(|at| (at, at * 10)), 200, "sqli");
    assert_eq!(burst.len(), 40, "a burst of many clients makes nothing ordinary");
    assert!(Config::default().ordinary_after > Duration::from_secs(3_600));
}

#[test]
fn profiles_survive_a_restart_and_nonsense_does_not() {
    let findings = [finding(1, "sql-statement")];
    let feed = |detector: &mut Injection, hours: std::ops::Range<u64>| {
        let mut signals = Vec::new();
        for hour in hours {
            let event = Exchange {
                findings: &findings,
                client: address(hour % 4 * 300),
                status: Some(200),
                ..exchange(seconds(hour * 3_600))
            };
            detector.observe(&Event::Exchange(&event), &mut signals);
        }
        signals.len()
    };
    let (mut first, mut second, mut third) = (detector(), detector(), detector());
    assert!(feed(&mut first, 0..40) > 0);
    let learned = first.learned().unwrap();
    second.restore(&learned).unwrap();
    assert_eq!(second.learned().unwrap(), learned);
    assert_eq!(feed(&mut second, 40..60), 0, "an editor is not reported anew");
    assert!(feed(&mut third, 40..60) > 0, "without what was learned it is");
    for nonsense in [
        serde_json::json!(null),
        serde_json::json!({ "sqli": 7 }),
        serde_json::json!({ "sqli": "AAAA" }),
        serde_json::json!({ "sqli": "!" }),
        serde_json::json!({ "nothing": "" }),
    ] {
        assert!(detector().restore(&nonsense).is_err(), "{nonsense}");
    }
}

/// A full table is kept within its bound, those that last had a hit.
#[test]
fn what_is_kept_of_profiles_is_bounded() {
    let mut detector = detector();
    let fields = u64::try_from(kept::MOST).unwrap() + 100;
    for field in 0..fields {
        let findings = [finding(field, "sql-statement")];
        let event = Exchange { findings: &findings, status: Some(200), ..exchange(seconds(field)) };
        detector.observe(&Event::Exchange(&event), &mut Vec::new());
    }
    let learned = detector.learned().unwrap();
    assert!(learned.to_string().len() < 1_000_000, "{}", learned.to_string().len());
    let kept = Kept::deserialize(&learned).unwrap();
    let (entries, unread) = kept.read();
    assert_eq!((entries.len(), unread), (kept::MOST, None));
    let first = entries.first().map(|(_, hit, _)| hit.since(seconds(100)));
    assert!(first.is_some_and(|late| late < Duration::from_secs(1)), "{first:?}");
}

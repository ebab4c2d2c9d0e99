//! Exchanges to alerts: what is told, of whom, and what a restart keeps.

mod cost;
mod evasion;
mod functions;
mod keeping;
mod month;

use super::*;
use crate::detect::learning::all;
use crate::detect::made_up::{api_key, exchange};
use crate::detect::testing::News;
use crate::event::QueryKeys;

const DAY: u64 = 86_400_000;
const ORDERS: &str = "/api/orders/{id}";

fn detector() -> Access {
    Access::new(&Config { seed: Some(1), ..Config::default() }, 1).unwrap()
}

/// A request of a principal, from an address of its own.
#[derive(Clone, Copy)]
struct Do<'a> {
    ms: u64,
    who: Option<u32>,
    method: &'static str,
    path: &'a str,
    route: &'a str,
    query: &'a str,
    status: u16,
}

const DO: Do<'static> = Do { ms: 0, who: None, method: "GET", path: "/", route: "/", query: "", status: 200 };

fn act(detector: &mut Access, act: Do<'_>) -> Vec<Signal> {
    let mut exchange = exchange(act.ms, 10 + act.who.unwrap_or(0), act.path, act.route, act.status);
    exchange.method = Some(act.method);
    exchange.principal = act.who.map(api_key);
    exchange.query_keys = QueryKeys::of(act.query.as_bytes());
    let mut signals = Vec::new();
    detector.observe(&Event::Exchange(&exchange), &mut signals);
    signals
}

fn order(detector: &mut Access, ms: u64, who: u32, order: u32) -> Vec<Signal> {
    let path = format!("/api/orders/{order}");
    act(detector, Do { ms, who: Some(who), path: &path, route: ORDERS, ..DO })
}

fn of(signals: &[Signal], threat: Threat) -> Vec<Signal> {
    let of = signals.iter().filter(|signal| signal.threat == threat).cloned();
    News::of(&of.collect::<Vec<_>>())
}

/// Eight days of a hundred users, each with ten orders.
fn shop(detector: &mut Access) {
    for day in 0..8 {
        for user in 0..100 {
            for number in 0..10 {
                let ms = day * DAY + u64::from(user) * 10_000 + number * 100;
                let number = user * 10 + u32::try_from(number).unwrap();
                assert_eq!(order(detector, ms, user, number).len(), 0);
            }
        }
    }
}

#[test]
fn a_thief_is_told_with_its_address_and_without_what_it_read() {
    let mut detector = detector();
    shop(&mut detector);
    let mut signals = Vec::new();
    for number in 0..90 {
        // Of each user one order, far apart, over two days.
        signals.extend(order(
            &mut detector,
            9 * DAY + u64::from(number) * 1_800_000,
            5,
            number * 7 % 97 * 10 + 3,
        ));
    }
    let told = of(&signals, Threat::Bola);
    assert!(!told.is_empty());
    let last = told.last().unwrap();
    assert_eq!(last.severity, Severity::High);
    assert_eq!(last.subject, Subject::Principal(api_key(5)));
    assert_eq!(last.offenders.len(), 1);
    let text = serde_json::to_string(&last.evidence).unwrap() + &last.summary;
    assert!(text.contains(ORDERS) && text.contains("other principals"), "{text}");
    assert!(!text.contains("/api/orders/3"), "{text}");
}

#[test]
fn what_was_learned_survives_a_restart() {
    let mut first = detector();
    shop(&mut first);
    let learned = all(&mut first).unwrap();
    // In a process that hashes otherwise.
    let mut second = Access::new(&Config { seed: Some(77), ..Config::default() }, 77).unwrap();
    second.restore(&serde_json::from_str(&learned.to_string()).unwrap()).unwrap();
    let mut signals = Vec::new();
    for number in 0..90 {
        signals.extend(order(
            &mut second,
            9 * DAY + u64::from(number) * 1_800_000,
            5,
            number * 7 % 97 * 10 + 3,
        ));
    }
    assert_eq!(of(&signals, Threat::Bola).last().map(|signal| signal.severity), Some(Severity::High));
    // Its own orders are its own.
    assert!((0..10).all(|number| order(&mut second, 10 * DAY, 6, 60 + number).is_empty()));
}

#[test]
fn a_file_that_is_none_teaches_nothing() {
    let good = all(&mut detector()).unwrap();
    for broken in [
        serde_json::json!({}),
        serde_json::json!({"seed": 1, "at": 1, "known": {"version": 9}}),
        serde_json::json!({"seed": 1, "at": 1, "known": null, "unauthenticated": [[1, 2]]}),
        serde_json::json!({"seed": "x"}),
    ] {
        assert!(detector().restore(&broken).is_err(), "{broken}");
    }
    let mut cut = good.clone();
    cut["known"]["people"] = "AAAA".into();
    assert!(detector().restore(&cut).is_err());
    assert_eq!(detector().restore(&good), Ok(()));
}

/// A user asks for what a query names.
fn by_parameter(detector: &mut Access, ms: u64, who: u32, query: &str) -> Vec<Signal> {
    act(detector, Do { ms, who: Some(who), path: "/api/order", route: "/api/order", query, ..DO })
}

/// For eight days, a hundred users have read three orders each, named by a parameter.
fn detector_of_parameters() -> Access {
    let mut detector = detector();
    for day in 0..8 {
        for user in 0..100 {
            for number in 0..3 {
                let ms = day * DAY + u64::from(user) * 1_000;
                let query = format!("order_id={}", user * 10 + number);
                assert!(by_parameter(&mut detector, ms, user, &query).is_empty());
            }
        }
    }
    detector
}

#[test]
fn objects_named_by_parameters_count_and_pollution_is_a_sign() {
    let mut detector = detector_of_parameters();
    let mut signals = Vec::new();
    for number in 0..40_u32 {
        let text = format!("order_id={}&x=1&order_id=50", (number * 7 + 11) % 97 * 10);
        signals.extend(by_parameter(&mut detector, 9 * DAY + u64::from(number) * 60_000, 5, &text));
    }
    let told = of(&signals, Threat::Bola);
    assert_eq!(told.iter().map(|signal| signal.severity).collect::<Vec<_>>(), [Severity::High]);
    assert!(told[0].summary.contains("parameters sent twice"), "{}", told[0].summary);
}

#[test]
fn a_session_is_the_account_that_logged_in() {
    use crate::detect::testing::Names;
    use crate::event::Login;
    let (names, mut detector) = (Names::new(), detector());
    // Fifty users, each with a new session every day.
    for day in 0..10_u64 {
        for user in 0..50_u32 {
            let session = api_key(user + 1_000 * u32::try_from(day + 1).unwrap());
            let mut login = exchange(day * DAY, 10 + user, "/login", "/login", 200);
            login.method = Some("POST");
            login.login = Some(Login {
                leaked: None,
                fleet: crate::identity::FleetHashes::default(),
                session: Some(session),
                unread: false,
                user: Some(names.user(u64::from(user))),
                password: None,
                outcome: LoginOutcome::Success,
                fingerprint: 1,
            });
            let mut signals = Vec::new();
            detector.observe(&Event::Exchange(&login), &mut signals);
            for number in 0..40 {
                let path = format!("/api/orders/{}", user * 100 + number);
                let mut ask = exchange(day * DAY + 1_000, 10 + user, &path, ORDERS, 200);
                ask.principal = Some(session);
                detector.observe(&Event::Exchange(&ask), &mut signals);
            }
            assert_eq!(of(&signals, Threat::Bola).len(), 0, "day {day}");
        }
    }
    // None of them was a stranger to itself, so that a thief stands out.
    let mut signals = Vec::new();
    for user in 0..50_u32 {
        let at = (10 + u64::from(user / 40)) * DAY + u64::from(user) * 1_000;
        signals.extend(order(&mut detector, at, 9_999, user * 100 + 7));
    }
    assert!(!of(&signals, Threat::Bola).is_empty());
}

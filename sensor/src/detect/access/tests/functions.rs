//! Functions: roles, credentials, fields and flows.

use super::*;

/// Users, an administration of five, and what it alone uses.
fn office(detector: &mut Access, days: std::ops::Range<u64>) -> Vec<Signal> {
    let mut signals = Vec::new();
    for day in days {
        for user in 0..200 {
            let ms = day * DAY + u64::from(user) * 1_000;
            let own = format!("/api/orders/{user}");
            signals.extend(act(detector, Do { ms, who: Some(user), path: &own, route: ORDERS, ..DO }));
            signals
                .extend(act(detector, Do { ms, who: Some(user), path: "/api/me", route: "/api/me", ..DO }));
            // Their pages ask whether they may do more.
            let may = "/api/admin/may";
            signals
                .extend(act(detector, Do { ms, who: Some(user), path: may, route: may, status: 403, ..DO }));
        }
        for admin in 500..505 {
            signals.extend(administer(detector, day * DAY + u64::from(admin) * 1_000, admin));
        }
        let mut told = Vec::new();
        detector.advance(crate::detect::made_up::at_ms((day + 1) * DAY), &mut told);
        signals.extend(told);
    }
    signals
}

fn administer(detector: &mut Access, ms: u64, who: u32) -> Vec<Signal> {
    let mut signals = Vec::new();
    for (method, path, route) in [
        ("GET", "/api/admin/users", "/api/admin/users"),
        ("GET", "/api/admin/log", "/api/admin/log"),
        ("DELETE", "/api/admin/users/17", "/api/admin/users/{id}"),
    ] {
        signals.extend(act(detector, Do { ms, who: Some(who), method, path, route, ..DO }));
    }
    signals
}

pub(super) fn later(detector: &mut Access, ms: u64) -> Vec<Signal> {
    let mut signals = Vec::new();
    detector.advance(crate::detect::made_up::at_ms(ms), &mut signals);
    signals
}

#[test]
fn a_user_that_is_served_what_administrators_use_is_told() {
    let mut detector = detector();
    assert_eq!(of(&office(&mut detector, 0..9), Threat::Bfla).len(), 0);
    let delete = Do {
        ms: 9 * DAY,
        who: Some(7),
        method: "DELETE",
        path: "/api/admin/users/3",
        route: "/api/admin/users/{id}",
        ..DO
    };
    assert_eq!(of(&act(&mut detector, delete), Threat::Bfla).len(), 0, "it may be a new administrator");
    let told = of(&later(&mut detector, 9 * DAY + 3_700_000), Threat::Bfla);
    assert_eq!(
        told.iter().map(|signal| (signal.severity, signal.subject.clone())).collect::<Vec<_>>(),
        [(Severity::Medium, Subject::Principal(api_key(7)))]
    );
    assert!(told[0].summary.contains("DELETE /api/admin/users/{id}"), "{}", told[0].summary);
}

#[test]
fn a_new_administrator_is_not() {
    let mut detector = detector();
    office(&mut detector, 0..9);
    // One who came with the office, and one who was a user before; the first thing that they do is to delete.
    for (number, who) in [(0, 600), (1, 8)] {
        let ms = 9 * DAY + number * 60_000;
        let path = "/api/admin/users/4";
        let delete = Do { ms, who: Some(who), method: "DELETE", path, route: "/api/admin/users/{id}", ..DO };
        let mut signals = act(&mut detector, delete);
        signals.extend(administer(&mut detector, ms + 30_000, who));
        assert_eq!(of(&signals, Threat::Bfla).len(), 0);
    }
    assert_eq!(of(&later(&mut detector, 9 * DAY + 7_200_000), Threat::Bfla).len(), 0);
    assert_eq!(of(&office(&mut detector, 10..14), Threat::Bfla).len(), 0);
}

#[test]
fn a_walk_along_roles_is_told_and_the_door_that_it_finds_open_at_once() {
    let mut detector = detector();
    office(&mut detector, 0..9);
    let mut signals = Vec::new();
    for number in 0..8 {
        let path = format!("/api/internal/part{number}");
        let ms = 9 * DAY + number * 3_600_000;
        let refused = Do { ms, who: Some(7), method: "POST", path: &path, route: &path, status: 403, ..DO };
        signals.extend(act(&mut detector, refused));
    }
    let told = of(&signals, Threat::Bfla);
    assert_eq!(
        told.iter().map(|signal| signal.severity).collect::<Vec<_>>(),
        [Severity::Medium, Severity::High]
    );
    let path = "/api/admin/users/3";
    let ms = 9 * DAY + 9 * 3_600_000;
    let open = Do { ms, who: Some(7), method: "DELETE", path, route: "/api/admin/users/{id}", ..DO };
    let told = of(&act(&mut detector, open), Threat::Bfla);
    assert_eq!(told.iter().map(|signal| signal.severity).collect::<Vec<_>>(), [Severity::High]);
}

/// New routes after a deployment: first used by some, refused to some.
#[test]
fn a_deployment_of_new_routes_is_not_told() {
    let mut detector = detector();
    office(&mut detector, 0..9);
    let mut signals = Vec::new();
    for user in 0..30 {
        for part in 0..6 {
            let path = format!("/api/v2/part{part}");
            let status = if part < 3 { 201 } else { 403 };
            let ms = 9 * DAY + u64::from(user) * 600_000;
            signals.extend(act(
                &mut detector,
                Do { ms, who: Some(user), method: "PUT", path: &path, route: &path, status, ..DO },
            ));
        }
    }
    signals.extend(later(&mut detector, 10 * DAY));
    assert_eq!(of(&signals, Threat::Bfla).len(), 0);
}

fn me(detector: &mut Access, ms: u64, who: Option<u32>, status: u16) -> Vec<Signal> {
    of(
        &act(detector, Do { ms, who, path: "/api/me", route: "/api/me", status, ..DO }),
        Threat::Unauthenticated,
    )
}

#[test]
fn a_route_that_needed_credentials_and_answers_without_is_told() {
    let mut detector = detector();
    for number in 0..30 {
        assert!(me(&mut detector, number * 1_000, Some(u32::try_from(number).unwrap() % 5), 200).is_empty());
    }
    assert!(me(&mut detector, 40_000, None, 401).is_empty());
    assert!(me(&mut detector, 41_000, None, 401).is_empty());
    let told = me(&mut detector, 50_000, None, 200);
    assert_eq!(told.iter().map(|signal| signal.severity).collect::<Vec<_>>(), [Severity::Medium]);
    let told = me(&mut detector, 51_000, None, 200);
    assert_eq!(
        told.iter().map(|signal| (signal.severity, signal.offenders.len())).collect::<Vec<_>>(),
        [(Severity::High, 0)]
    );
    assert!(me(&mut detector, 52_000, None, 200).is_empty(), "once");
}

#[test]
fn public_routes_are_not_told() {
    // One that serves anybody, one that nobody asked for without credentials, and one that refuses somebody at times.
    for first in [200, 404, 403] {
        let mut detector = detector();
        me(&mut detector, 0, None, first);
        for number in 0..300 {
            assert!(
                me(&mut detector, number * 1_000, Some(u32::try_from(number).unwrap() % 50), 200).is_empty()
            );
        }
        for number in 0..5 {
            assert!(me(&mut detector, 400_000 + number, None, 200).is_empty(), "{first}");
        }
        assert!(me(&mut detector, 500_000, None, 401).is_empty());
        assert!(me(&mut detector, 501_000, None, 200).is_empty(), "{first}");
    }
}

pub(super) fn field(name: &str) -> crate::inspect::PowerField {
    let hash = name.bytes().fold(7, |hash: u64, byte| hash.wrapping_mul(131) + u64::from(byte));
    crate::inspect::PowerField { class: "role", name: crate::inspect::FieldName::of(name.as_bytes()), hash }
}

/// A change of a profile, with fields of power.
pub(super) fn change(detector: &mut Access, ms: u64, who: u32, fields: &[&str], status: u16) -> Vec<Signal> {
    let powers: Vec<_> = fields.iter().map(|name| field(name)).collect();
    let mut exchange = exchange(ms, 10 + who, "/api/me", "/api/me", status);
    exchange.method = Some("PATCH");
    exchange.request_bytes = Some(40);
    exchange.principal = Some(api_key(who));
    exchange.exposed.powers = &powers;
    let mut signals = Vec::new();
    detector.observe(&Event::Exchange(&exchange), &mut signals);
    of(&signals, Threat::MassAssignment)
}

pub(super) fn profiles(detector: &mut Access) {
    for number in 0..300 {
        let fields: &[&str] = if number % 10 == 0 { &["customer_id"] } else { &[] };
        assert!(
            change(detector, number * 1_000, u32::try_from(number).unwrap() % 40, fields, 200).is_empty()
        );
    }
}

#[test]
fn a_field_that_nobody_sent_before_is_told() {
    let mut detector = detector();
    profiles(&mut detector);
    assert!(change(&mut detector, 400_000, 3, &["role"], 200).is_empty(), "it may be a new client's");
    let told = of(&later(&mut detector, 400_000 + 7 * 3_600_000), Threat::MassAssignment);
    assert_eq!(
        told.iter().map(|signal| (signal.severity, signal.offenders.len())).collect::<Vec<_>>(),
        [(Severity::Medium, 0)]
    );
    assert!(told[0].summary.contains("`role` to PATCH /api/me"), "{}", told[0].summary);
    // Refused once, and then accepted under another name.
    assert!(change(&mut detector, 30_000_000, 4, &["isAdmin"], 400).is_empty());
    let told = change(&mut detector, 30_001_000, 4, &["admin"], 200);
    assert_eq!(told.iter().map(|signal| signal.severity).collect::<Vec<_>>(), [Severity::High]);
}

#[test]
fn a_new_version_of_the_client_is_not_told_nor_is_what_is_refused() {
    let mut detector = detector();
    profiles(&mut detector);
    for who in 0..5 {
        assert!(
            change(&mut detector, 400_000 + u64::from(who) * 600_000, who, &["role", "customer_id"], 200)
                .is_empty()
        );
    }
    assert!(change(&mut detector, 500_000, 9, &["is_admin"], 422).is_empty());
    assert_eq!(of(&later(&mut detector, 400_000 + 7 * 3_600_000), Threat::MassAssignment).len(), 0);
    assert!(change(&mut detector, 50_000_000, 20, &["role"], 200).is_empty());
    assert_eq!(of(&later(&mut detector, 99_000_000), Threat::MassAssignment).len(), 0);
}

fn pay(detector: &mut Access, ms: u64, who: u32, status: u16) -> Vec<Signal> {
    let path = "/api/checkout";
    let act_ = Do { ms, who: Some(who), method: "POST", path, route: path, status, ..DO };
    of(&act(detector, act_), Threat::BusinessFlow)
}

#[test]
fn testing_of_cards_is_told_and_a_sale_and_an_outage_are_not() {
    let worst = |signals: Vec<Signal>| signals.into_iter().map(|signal| signal.severity).max();
    // A sale: two thousand people within an hour, of whom one in twenty is declined, some of them three times.
    let mut detector = detector();
    for number in 0..4_000 {
        let status = if number % 20 == 0 { 402 } else { 200 };
        assert!(
            pay(&mut detector, number * 500, 100 + u32::try_from(number % 1_999).unwrap(), status).is_empty()
        );
    }
    for number in 0..3 {
        assert!(pay(&mut detector, 2_100_000 + number * 9_000, 7, 402).is_empty());
    }
    let mut signals = Vec::new();
    for number in 0..40 {
        signals.extend(pay(
            &mut detector,
            2_200_000 + number * 9_000,
            50,
            if number % 9 == 0 { 200 } else { 402 },
        ));
    }
    assert_eq!(worst(signals), Some(Severity::High));
    // An outage: everybody is declined, and some try again and again.
    let mut detector = self::detector();
    for number in 0..2_000 {
        let again = number % 4 == 0;
        let who = if again { 9 } else { u32::try_from(number).unwrap() + 100 };
        assert!(pay(&mut detector, number * 500, who, 402).is_empty());
    }
}

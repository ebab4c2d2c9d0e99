//! What somebody does who has read how it works: other spellings, claims, and floods that make it forget.

use super::functions::{change, later, profiles};
use super::*;

/// The orders that a thief reads after the shop has opened, each of another user, far apart.
fn victims() -> impl Iterator<Item = (u64, u32)> {
    (0..90).map(|number| (9 * DAY + u64::from(number) * 1_800_000, number * 7 % 97 * 10 + 3))
}

fn worst(signals: &[Signal]) -> Option<Severity> {
    of(signals, Threat::Bola).iter().map(|signal| signal.severity).max()
}

#[test]
fn another_spelling_is_the_same_object() {
    let spellings: [fn(u32) -> String; 6] = [
        |order| {
            format!("/api/orders/%3{}{}", order.to_string().split_at(1).0, order.to_string().split_at(1).1)
        },
        |order| format!("//api//orders/{order}"),
        |order| format!("/api/./x/../orders/{order}/"),
        |order| format!("/api/orders/000{order}"),
        |order| format!("/api;v=1/orders/{order};a=b"),
        |order| format!("/api/orders/+{order}"),
    ];
    for (number, spelling) in spellings.into_iter().enumerate() {
        let mut detector = detector();
        shop(&mut detector);
        let mut signals = Vec::new();
        for (ms, order) in victims() {
            let path = spelling(order);
            signals.extend(act(&mut detector, Do { ms, who: Some(5), path: &path, route: ORDERS, ..DO }));
        }
        assert_eq!(worst(&signals), Some(Severity::High), "spelling {number}");
    }
}

#[test]
fn ones_own_object_first_hides_nothing() {
    let mut detector = detector_of_parameters();
    let mut signals = Vec::new();
    for (number, (ms, _)) in victims().enumerate().take(45) {
        // The second name, too, is written otherwise than by others.
        let order = (number * 7 + 11) % 97 * 10;
        let text = format!("order_id=50&order_id=%30{order}");
        signals.extend(by_parameter(&mut detector, ms, 5, &text));
    }
    assert_eq!(worst(&signals), Some(Severity::High));
}

/// A page of another site cannot have a browser send a key.
#[test]
fn whoever_sends_a_key_claims_another_site_in_vain() {
    let mut detector = detector();
    shop(&mut detector);
    let mut signals = Vec::new();
    for (ms, order) in victims() {
        let path = format!("/api/orders/{order}");
        let mut exchange = exchange(ms, 15, &path, ORDERS, 200);
        (exchange.principal, exchange.cross_site) = (Some(api_key(5)), true);
        detector.observe(&Event::Exchange(&exchange), &mut signals);
    }
    assert_eq!(worst(&signals), Some(Severity::High));
}

fn small() -> Access {
    let mut config = Config { seed: Some(1), ..Config::default() };
    (config.bola.objects, config.bola.principals, config.bola.pairs) = (8_192, 1_024, 1_024);
    Access::new(&config, 1).unwrap()
}

/// Credentials that are made up, each for one object that does not exist.
#[test]
fn refusals_do_not_make_it_forget_a_thief() {
    let mut detector = small();
    shop(&mut detector);
    let (mut signals, mut junk) = (Vec::new(), 1_000_000..);
    for (ms, order) in victims().take(60) {
        signals.extend(super::order(&mut detector, ms, 5, order));
        for who in junk.by_ref().take(1_500) {
            let path = format!("/api/orders/{who}");
            act(&mut detector, Do { ms, who: Some(who), path: &path, route: ORDERS, status: 404, ..DO });
        }
    }
    assert!(worst(&signals).is_some());
}

/// A route that gives something for any number, to anybody.
#[test]
fn a_flood_of_objects_does_not_make_it_forget_their_owners() {
    let mut detector = small();
    shop(&mut detector);
    for number in 0..40_000_u32 {
        let path = format!("/api/items/{number}");
        let ms = 8 * DAY + u64::from(number);
        act(&mut detector, Do { ms, path: &path, route: "/api/items/{id}", ..DO });
    }
    let mut signals = Vec::new();
    for (ms, order) in victims() {
        signals.extend(super::order(&mut detector, ms, 5, order));
    }
    assert_eq!(worst(&signals), Some(Severity::High));
}

#[test]
fn methods_that_do_not_exist_take_no_place() {
    let mut detector = detector();
    let me = |detector: &mut Access, ms, who, status| {
        act(detector, Do { ms, who, path: "/api/me", route: "/api/me", status, ..DO })
    };
    for number in 0..60 {
        me(&mut detector, number * 1_000, Some(u32::try_from(number % 10).unwrap()), 200);
    }
    (0..5).for_each(|number| drop(me(&mut detector, 70_000 + number, None, 401)));
    for number in 0..20_000_u64 {
        let route = format!("/r{}", number / 4);
        let status = if number % 2 == 0 { 405 } else { 401 };
        let method = ["PUT", "PATCH", "DELETE", "POST"][usize::try_from(number % 4).unwrap()];
        act(&mut detector, Do { ms: 80_000 + number, method, path: &route, route: &route, status, ..DO });
    }
    // It tells so by a page of another site, too: nobody is accused.
    let mut exchange = exchange(200_000, 77, "/api/me", "/api/me", 200);
    exchange.cross_site = true;
    let mut signals = Vec::new();
    detector.observe(&Event::Exchange(&exchange), &mut signals);
    assert_eq!(of(&signals, Threat::Unauthenticated).len(), 1);
}

/// Two more whom the server refuses make no new version of a client.
#[test]
fn refusals_do_not_launder_a_field() {
    let mut detector = detector();
    profiles(&mut detector);
    assert!(change(&mut detector, 400_000, 3, &["role"], 200).is_empty());
    for who in [900, 901, 902] {
        assert!(change(&mut detector, 500_000, who, &["role"], 401).is_empty());
    }
    let told = of(&later(&mut detector, 400_000 + 7 * 3_600_000), Threat::MassAssignment);
    assert_eq!(told.len(), 1);
}

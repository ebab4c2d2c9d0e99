use std::cell::RefCell;
use std::path::Path;

use proptest::prelude::*;

use super::incident::many;
use super::*;
use crate::config::{Document, Section};
use crate::detect::Severity;
use crate::detect::made_up::{api_key, at_ms, exchange, net, observe, sources};
use crate::detect::testing::News;

fn limits(per_client: &str, per_principal: &str) -> Limits {
    let rate = |text| (RATE.read)(text).unwrap();
    Limits { per_client: rate(per_client), per_site: None, per_principal: rate(per_principal) }
}

fn detector(per_client: &str, per_principal: &str) -> RequestRate {
    RequestRate::new(&Config { limits: limits(per_client, per_principal), ..Config::default() }, sources(), 1)
}

fn request(detector: &mut RequestRate, ms: u64, from: u32, key: Option<u32>) -> Vec<Signal> {
    let mut exchange = exchange(ms, from, "/", "/", 200);
    exchange.principal = key.map(api_key);
    observe(detector, &exchange)
}

#[test]
fn it_is_off_by_default() {
    assert!(!Config::default().limits_something());
    let mut detector = RequestRate::new(&Config::default(), sources(), 1);
    assert!((0..100_000).all(|ms| request(&mut detector, ms / 100, 5, Some(1)).is_empty()));
}

#[test]
fn a_client_within_its_limit_is_none_and_beyond_it_one() {
    let mut detector = detector("100/min:20", "off");
    for ms in 0..600 {
        assert!(request(&mut detector, ms * 600, 5, None).is_empty());
    }
    let mut signals = Vec::new();
    for ms in 0..1_000 {
        signals.extend(request(&mut detector, 400_000 + ms * 10, 6, None));
        if ms == 19 {
            assert!(signals.is_empty(), "the burst is allowed");
        }
    }
    let signals = News::of(&signals);
    let severities: Vec<_> = signals.iter().map(|signal| signal.severity).collect();
    assert_eq!(severities, [Severity::Medium, Severity::High]);
    assert_eq!(signals[0].subject, Subject::Client(net(6)));
    assert_eq!(signals[0].evidence.numbers["limit"], "100/min:20".into());
    assert_eq!(signals[0].evidence.numbers["over_limit"], 1_u64.into());
    assert_eq!(signals[0].offenders.len(), 1);
}

#[test]
fn a_key_over_its_limit_does_not_cost_its_office_the_address() {
    for (others, offenders) in [(false, 1), (true, 0)] {
        let mut detector = detector("off", "100/min:20");
        let mut signals = Vec::new();
        for ms in 0..60 {
            signals.extend(request(&mut detector, ms * 10, 5, Some(1)));
            if others {
                signals.extend(request(&mut detector, ms * 10, 5, Some(100 + u32::try_from(ms).unwrap())));
            }
        }
        assert_eq!(signals.len(), 1);
        assert_eq!(signals[0].subject, Subject::Principal(api_key(1)));
        assert_eq!(signals[0].offenders.len(), offenders);
    }
}

/// The issue's: an abuser with two keys, and somebody who uses one of them lightly. The key's budget is what the abuser
/// used up, and its light user pays nothing for that.
#[test]
fn who_uses_up_a_shared_key_is_charged_and_its_light_users_are_not() {
    for limit in ["100/min", "100/min:100"] {
        let mut detector = detector("off", limit);
        let mut signals = Vec::new();
        for tenth in 0..3_000_u64 {
            if tenth % 2 == 0 {
                signals.extend(request(&mut detector, tenth * 100, 5, Some(1)));
            }
            if tenth % 20 == 1 {
                signals.extend(request(&mut detector, tenth * 100, 5, Some(2)));
            }
            // Once a second, as unevenly as people are.
            if matches!(tenth % 20, 0 | 5) {
                signals.extend(request(&mut detector, tenth * 100 + 50, 6, Some(1)));
            }
            if tenth % 10 == 0 {
                detector.advance(at_ms(tenth * 100), &mut signals);
            }
        }
        let of_key: Vec<_> =
            signals.iter().filter(|signal| signal.subject == Subject::Principal(api_key(1))).collect();
        let accused: Vec<_> = signals.iter().flat_map(|signal| &signal.offenders).collect();
        assert!(!accused.is_empty(), "{limit}");
        assert!(accused.iter().all(|who| who.client == net(5)), "{limit}: {accused:?}");
        let last = of_key.iter().rev().find(|signal| !signal.offenders.is_empty()).unwrap();
        assert_eq!(last.severity, Severity::High, "{limit}");
        assert!(last.summary.contains("10.0.0.5") && last.summary.contains("10.0.0.6"), "{}", last.summary);
        let counted: u64 = of_key.iter().map(|signal| signal.growth.attempts).sum();
        assert!(counted > 500, "{limit}: {counted} over the limit");
    }
}

#[test]
fn a_key_is_limited_over_all_its_clients() {
    let mut detector = detector("off", "100/min:20");
    let mut signals = Vec::new();
    for ms in 0..400_u64 {
        signals.extend(request(&mut detector, ms * 10, 5 + u32::try_from(ms % 4).unwrap(), Some(1)));
    }
    let mut told: Vec<_> =
        signals.iter().flat_map(|signal| &signal.offenders).map(|who| who.client).collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!(told, [5, 6, 7, 8].map(net));
}

#[test]
fn an_incident_is_told_again_after_it_was_over() {
    let mut detector = detector("60/min:1", "off");
    let burst = |detector: &mut RequestRate, start: u64| {
        (0..10).flat_map(|ms| request(detector, start + ms, 5, None)).count()
    };
    assert_eq!(burst(&mut detector, 0), 1);
    assert_eq!(burst(&mut detector, 900), 0);
    assert_eq!(burst(&mut detector, 5_000), 1, "that it grew tenfold");
    assert_eq!(burst(&mut detector, 400_000), 1);
}

#[test]
fn routes_have_limits_of_their_own() {
    let text = "per_client = \"off\"\nper_principal = \"1000/min\"\n[routes.\"/login\"]\nper_client = \"10/min:5\"\n";
    let mut document = Document::default();
    document.add(Path::new("a"), text).unwrap();
    let problems = RefCell::default();
    let root = Section::root(&document, &problems);
    let config = Config::read(&root);
    root.finish();
    assert!(problems.borrow().is_empty(), "{problems:?}");
    assert_eq!(config.limits, limits("off", "1000/min"));
    assert_eq!(config.routes["/login"], limits("10/min:5", "1000/min"));
    let mut detector = RequestRate::new(&config, sources(), 1);
    for (route, count) in [("/", 0), ("/login", 1)] {
        let ask = |ms| observe(&mut detector, &exchange(ms, 5, route, route, 200));
        assert_eq!((0..50).flat_map(ask).count(), count, "{route}");
    }
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let text = "per_client = \"fast\"\nper_user = 1\n[routes.\"/a\"]\nper_client = \"1/day\"\n";
    let mut document = Document::default();
    document.add(Path::new("a"), text).unwrap();
    let problems = RefCell::default();
    let root = Section::root(&document, &problems);
    let config = Config::read(&root);
    assert_eq!(config.limits, Limits::default());
    root.finish();
    let lines: Vec<_> = problems.borrow().iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 4, 2]);
}

#[test]
fn a_million_clients_stay_within_the_bound() {
    let config = Config { limits: limits("1/s:1", "off"), entries: 1_000, ..Config::default() };
    let mut detector = RequestRate::new(&config, sources(), 1);
    let mut signals = 0;
    for number in 0..1_000_000 {
        signals += request(&mut detector, u64::from(number) / 1_000, number + 100, None).len();
        if number % 1_000 < 2 {
            signals += request(&mut detector, u64::from(number) / 1_000, 5, None).len();
        }
    }
    assert_eq!(detector.accounts.usage().entries, 1_000);
    assert!(detector.usage().evicted >= 998_000, "{:?}", detector.usage());
    assert!(signals >= 1);
}

proptest! {
    /// However requests come, no more than the burst and what time earned goes unnoticed.
    #[test]
    fn no_more_than_the_limit_goes_unnoticed(gaps in prop::collection::vec(0_u64..3_000, 1..300)) {
        let mut detector = detector("60/min:5", "off");
        let mut now = 0;
        for gap in &gaps {
            now += gap;
            request(&mut detector, now, 5, None);
        }
        let exceeded = detector.accounts.iter().next().and_then(|(_, account)| account.incident.as_ref());
        // An incident that was over has forgotten its count; gaps are too short for that here.
        let exceeded = exceeded.map_or(0, |incident| incident.exceeded);
        let passed = gaps.len() as u64 - exceeded;
        prop_assert!(passed <= 5 + now / 1_000, "{passed} in {now} ms");
        prop_assert!(exceeded == 0 || passed >= 5);
    }

    #[test]
    fn a_clock_that_jumps_back_forgives(seconds in 10_u64..1_000_000) {
        let mut detector = detector("60/min:5", "off");
        for _ in 0..5 {
            request(&mut detector, 2_000_000_000, 5, None);
        }
        let before = 2_000_000_000 - seconds * 1_000;
        prop_assert!((0..5).all(|_| request(&mut detector, before, 5, None).is_empty()));
        prop_assert_eq!(request(&mut detector, before, 5, None).len(), 1);
        prop_assert!(at_ms(before) < at_ms(2_000_000_000));
    }
}

#[test]
fn a_rate_without_a_burst_is_exceeded_by_many_as_soon_as_before() {
    for (rate, expected) in
        [("100/min", 100), ("6000/min", 1_000), ("100/s", 1_000), ("600/min:300", 3_000), ("10/min:5", 100)]
    {
        assert_eq!(many(rate.parse().unwrap()), expected, "{rate}");
    }
}

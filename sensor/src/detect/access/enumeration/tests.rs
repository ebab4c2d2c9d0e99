use proptest::prelude::*;

use super::*;
use crate::detect::Subject;
use crate::detect::made_up::{api_key, at_ms, exchange, net, observe, sources};
use crate::detect::testing::News;

const ROUTE: &str = "/users/{id}";

const HOUR: u64 = 3_600_000;

fn detector() -> Enumeration {
    Enumeration::new(&Config::default(), sources(), 1)
}

/// One request for an object.
#[derive(Clone, Copy)]
struct Ask {
    ms: u64,
    from: u32,
    key: Option<u32>,
    object: u64,
    status: u16,
    agent: &'static str,
}

const ASK: Ask = Ask { ms: 0, from: 5, key: None, object: 0, status: 200, agent: "app/1" };

fn ask(detector: &mut Enumeration, ask: Ask) -> Vec<Signal> {
    let path = format!("/users/{}", ask.object);
    let mut exchange = exchange(ask.ms, ask.from, &path, ROUTE, ask.status);
    exchange.principal = ask.key.map(api_key);
    exchange.user_agent = Some(ask.agent.into());
    observe(detector, &exchange)
}

/// Others that ask for a few objects each, so that it is known what is usual.
fn others(detector: &mut Enumeration, start: u64) {
    for number in 100..300 {
        for object in 0..8 {
            let object = u64::from(number) * 7_919 + object * 104_729;
            assert!(ask(detector, Ask { ms: start, from: number, object, ..ASK }).is_empty());
        }
    }
    let mut signals = Vec::new();
    for second in 0..2 {
        detector.advance(at_ms(start + 2 * HOUR + 60_000 + second), &mut signals);
    }
    assert!(signals.is_empty());
}

fn severities(signals: &[Signal]) -> Vec<Severity> {
    News::of(signals).iter().map(|signal| signal.severity).collect()
}

#[test]
fn guessing_identifiers_is_high() {
    for status in [403, 404, 410] {
        let mut detector = detector();
        let mut signals = Vec::new();
        for step in 0..500 {
            let status = if step % 10 == 0 { 200 } else { status };
            let asked = Ask { ms: step * 200, object: step.wrapping_mul(7_919) % 100_003, status, ..ASK };
            signals.extend(ask(&mut detector, asked));
        }
        assert_eq!(severities(&signals), [Severity::Medium, Severity::High]);
        let signal = &News::of(&signals)[1];
        assert_eq!(signal.subject, Subject::Client(net(5)));
        assert_eq!(signal.offenders, [Offender { client: net(5), proxied: false }]);
        assert_eq!(signal.evidence.numbers["route"], ROUTE.into());
        assert!(signal.evidence.numbers.contains_key("refused_share_threshold"));
    }
}

#[test]
fn guessing_in_sequence_is_found_in_half_the_time() {
    let mut detector = detector();
    let mut signals = Vec::new();
    for step in 0..40 {
        signals.extend(ask(&mut detector, Ask { ms: step * 200, object: 1_000 + step, status: 404, ..ASK }));
        if step == 16 {
            assert_eq!(severities(&signals), [Severity::Medium]);
        }
    }
    assert_eq!(severities(&signals), [Severity::Medium, Severity::High]);
}

#[test]
fn walking_with_successes_is_medium_and_far_more_than_usual_high() {
    let mut detector = detector();
    others(&mut detector, 0);
    let walk = |detector: &mut Enumeration, from, key| {
        let steps = (0..6_000).map(|step| Ask { ms: 3 * HOUR + step * 100, from, key, object: step, ..ASK });
        steps.flat_map(|asked| ask(detector, asked)).collect::<Vec<_>>()
    };
    assert_eq!(severities(&walk(&mut detector, 5, None)), [Severity::Medium, Severity::High]);
    let signals = walk(&mut detector, 6, Some(1));
    assert_eq!(severities(&signals), [Severity::Medium]);
    assert_eq!(signals[0].subject, Subject::Principal(api_key(1)));
    assert_eq!(signals[0].offenders, [Offender { client: net(6), proxied: false }]);
    assert_eq!(signals[0].evidence.numbers["usual_objects"], 11_u64.into());
}

#[test]
fn a_key_that_walks_into_holes_is_high() {
    let mut detector = detector();
    let steps = (0..1_000).map(|step| Ask {
        ms: step * 500,
        key: Some(1),
        object: step,
        status: if step % 5 == 0 { 404 } else { 200 },
        ..ASK
    });
    let signals: Vec<_> = steps.flat_map(|asked| ask(&mut detector, asked)).collect();
    assert_eq!(severities(&signals), [Severity::Medium, Severity::High]);
}

/// Pages of 60 covers, one in ten missing: told, and no more. Without the pages, or where what is asked for is forbidden,
/// the same walk is a guesser's.
#[test]
fn who_scrolls_past_missing_covers_is_told_and_no_more() {
    for (status, has_pages, expected) in
        [(404, true, Severity::Low), (404, false, Severity::High), (403, true, Severity::High)]
    {
        let mut detector = detector();
        let mut found = Vec::new();
        for object in 0..900_u64 {
            if has_pages && object % 60 == 0 {
                let mut page = exchange(object * 50, 5, "/shelf", "/shelf", 200);
                page.principal = Some(api_key(1));
                found.extend(severities(&observe(&mut detector, &page)));
            }
            let status = if object % 10 == 3 { status } else { 200 };
            let asked = Ask { ms: object * 50, key: Some(1), object, status, ..ASK };
            found.extend(severities(&ask(&mut detector, asked)));
        }
        assert_eq!(found.iter().max(), Some(&expected), "{status}, pages: {has_pages}");
    }
}

#[test]
fn tokens_of_many_do_not_hide_one_client() {
    let mut detector = detector();
    let steps = (0..200).map(|step| Ask {
        ms: step,
        key: u32::try_from(step).ok(),
        object: step,
        status: 403,
        ..ASK
    });
    let signals: Vec<_> = steps.flat_map(|asked| ask(&mut detector, asked)).collect();
    assert_eq!(severities(&signals), [Severity::Medium, Severity::High]);
    assert_eq!(signals[0].subject, Subject::Client(net(5)));
}

#[test]
fn who_shares_an_address_with_others_is_named_and_not_blocked() {
    let mut detector = detector();
    ask(&mut detector, Ask { key: Some(2), object: 99, ..ASK });
    let steps = (0..400).map(|step| Ask { ms: step * 100, key: Some(1), object: step, ..ASK });
    let signals: Vec<_> = steps.flat_map(|asked| ask(&mut detector, asked)).collect();
    assert_eq!(severities(&signals), [Severity::Medium]);
    assert!(signals[0].offenders.is_empty());
}

#[test]
fn a_nightly_batch_is_never_high_and_from_the_second_night_on_nothing() {
    let mut detector = detector();
    for night in 0..5 {
        let steps = (0..5_000).map(|step| Ask {
            ms: night * 24 * HOUR + step * 200,
            key: Some(1),
            object: step,
            // Some are gone.
            status: if step % 50 == 0 { 404 } else { 200 },
            ..ASK
        });
        let signals: Vec<_> = steps.flat_map(|asked| ask(&mut detector, asked)).collect();
        let expected: &[Severity] = if night == 0 { &[Severity::Medium] } else { &[] };
        assert_eq!(severities(&signals), expected, "night {night}");
        for second in 0..100 {
            detector.advance(at_ms(night * 24 * HOUR + 4 * HOUR + second * 1_000), &mut Vec::new());
        }
    }
}

#[test]
fn a_crawler_is_of_low_severity_at_most() {
    let mut detector = detector();
    others(&mut detector, 0);
    for in_order in [false, true] {
        let steps = (0..2_000_u64).map(|step| Ask {
            ms: 3 * HOUR + step * 300,
            from: if in_order { 6 } else { 5 },
            object: if in_order { step } else { step.wrapping_mul(7_919) % 1_000_003 },
            status: if step % 4 == 0 { 404 } else { 200 },
            agent: "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
            ..ASK
        });
        let signals: Vec<_> = steps.flat_map(|asked| ask(&mut detector, asked)).collect();
        assert!(signals.iter().all(|signal| signal.severity <= Severity::Low), "{signals:?}");
    }
}

#[test]
fn usual_clients_are_none() {
    let mut detector = detector();
    let mut signals = Vec::new();
    for minute in 0..120_u64 {
        let ms = minute * 60_000;
        // A page that shows 40 objects; the same ones, since the list is the same.
        for object in 0..40 {
            signals.extend(ask(&mut detector, Ask { ms, from: 5, object: 1_000 + object, ..ASK }));
        }
        // An office: many people, each with objects of their own.
        for object in 0..30 {
            let object = (minute * 30 + object).wrapping_mul(7_919) % 100_003;
            signals.extend(ask(&mut detector, Ask { ms, from: 6, object, ..ASK }));
        }
        // A health check, and a key that has expired in a retry loop.
        signals.extend(ask(&mut detector, Ask { ms, from: 7, object: 1, ..ASK }));
        for object in 0..60 {
            signals.extend(ask(&mut detector, Ask { ms, from: 8, key: Some(8), object, status: 401, ..ASK }));
            signals
                .extend(ask(&mut detector, Ask { ms, from: 9, key: Some(9), object: 7, status: 403, ..ASK }));
        }
    }
    assert!(signals.is_empty(), "{signals:?}");
}

/// The issue's: 150 people behind one address look at products, each at his own. Together they ask for most of what there
/// is, and none of them walks: 8 of 1,473 steps are small.
#[test]
fn an_office_behind_one_address_is_no_sequence() {
    for with_sessions in [false, true] {
        let mut detector = detector();
        others(&mut detector, 0);
        let mut signals = Vec::new();
        for step in 0..1_500_u64 {
            let person = step.wrapping_mul(48_271) % 150;
            let path = format!("/users/{}", step.wrapping_mul(7_919).wrapping_add(step / 7) % 1_003);
            let mut exchange = exchange(3 * HOUR + step * 2_000, 5, &path, ROUTE, 200);
            let agent = format!("Mozilla/5.0 (person {person})");
            // A session has the same program, as in a company; without one programs differ a little.
            exchange.principal = with_sessions.then(|| api_key(u32::try_from(person).unwrap()));
            exchange.user_agent =
                Some(if with_sessions { "Mozilla/5.0".into() } else { agent.as_str().into() });
            signals.extend(observe(&mut detector, &exchange));
        }
        assert!(signals.is_empty(), "sessions: {with_sessions}: {signals:?}");
    }
}

/// The same objects by one program are somebody's list, in whatever order.
#[test]
fn one_program_that_asks_for_all_there_is_walks() {
    let mut detector = detector();
    others(&mut detector, 0);
    let steps = (0..1_500_u64).map(|step| Ask {
        ms: 3 * HOUR + step * 2_000,
        object: step.wrapping_mul(7_919).wrapping_add(step / 7) % 1_003,
        ..ASK
    });
    let signals: Vec<_> = steps.flat_map(|asked| ask(&mut detector, asked)).collect();
    assert_eq!(severities(&signals).last(), Some(&Severity::Medium));
}

#[test]
fn while_a_deployment_fails_nobody_guesses() {
    let mut detector = detector();
    let mut signals = Vec::new();
    for step in 0..60_u64 {
        for from in 10..30 {
            signals
                .extend(ask(&mut detector, Ask { ms: step * 1_000, from, object: step, status: 404, ..ASK }));
        }
    }
    // The first eight clients cannot be told from few; none of them had enough by then.
    assert!(signals.is_empty(), "{signals:?}");
}

#[test]
fn where_refusals_are_usual_they_say_nothing() {
    let mut detector = detector();
    let mut signals = Vec::new();
    for from in 10..60_u32 {
        // Avatars: most users have none.
        for object in 0..80_u64 {
            let ms = u64::from(from) * 70_000 + object;
            let object = object.wrapping_mul(7_919 + u64::from(from)) % 100_003;
            signals.extend(ask(&mut detector, Ask { ms, from, object, status: 404, ..ASK }));
        }
    }
    let loud: Vec<_> = signals.iter().filter(|signal| signal.window.0 > at_ms(20 * 70_000)).collect();
    assert!(loud.is_empty(), "{loud:?}");
}

#[test]
fn a_million_clients_stay_within_the_bound_and_the_walk_is_found() {
    let mut detector = Enumeration::new(&Config { entries: 2_000, ..Config::default() }, sources(), 1);
    let mut signals = Vec::new();
    for number in 0..1_000_000_u32 {
        let ms = u64::from(number) / 100;
        signals.extend(ask(&mut detector, Ask { ms, from: number + 1_000, object: number.into(), ..ASK }));
        if number % 1_000 == 0 {
            let object = u64::from(number / 1_000);
            signals.extend(ask(&mut detector, Ask { ms, from: 5, object, status: 404, ..ASK }));
        }
    }
    let usage = detector.usage();
    assert!(usage.entries <= usage.capacity && usage.entries >= 2_000, "{usage:?}");
    assert!(usage.evicted > 990_000, "{usage:?}");
    assert_eq!(severities(&signals)[..2], [Severity::Medium, Severity::High]);
    assert!(signals.iter().all(|signal| signal.subject == Subject::Client(net(5))));
}

proptest! {
    #[test]
    fn hostile_input_and_clocks_do_no_harm(
        steps in prop::collection::vec(("\\PC{0,200}", any::<u16>(), any::<u32>(), 0_u64..u64::MAX), 1..60),
    ) {
        let mut detector = detector();
        for (text, status, second, number) in steps {
            let path = format!("/users/{number}{text}").repeat(3);
            for route in [ROUTE, "/{param}/{id}/{...}", "/{", "{}{}", "/{other}", "//{id}//"] {
                let mut exchange = exchange(0, 5, &path, route, status);
                exchange.seen = Timestamp::from_unix_nanos(u64::from(second) * 1_000_000_000);
                observe(&mut detector, &exchange);
                detector.advance(exchange.seen, &mut Vec::new());
            }
        }
    }

    #[test]
    fn the_same_events_give_the_same_signals(
        steps in prop::collection::vec((0_u64..60, 0_u32..3, prop::sample::select(vec![200, 404, 403])), 1..400),
    ) {
        let run = || {
            let mut detector = detector();
            let steps = steps.iter().zip(0..);
            let signals = steps.flat_map(|((object, from, status), ms)| {
                ask(&mut detector, Ask { ms, from: *from, object: *object, status: *status, ..ASK })
            });
            signals.map(|signal| (signal.at, signal.severity, signal.subject)).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }
}

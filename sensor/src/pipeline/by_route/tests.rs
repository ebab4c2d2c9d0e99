use proptest::prelude::*;

use super::*;
use crate::route;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_micros(seconds * 1_000_000)
}

fn ms(time: u64) -> Option<Duration> {
    Some(Duration::from_millis(time))
}

/// Routes `/r0` to `/r{count-1}`.
fn routes(count: usize) -> (Routes, Vec<Route>) {
    let config = route::Config {
        patterns: (0..count).map(|n| format!("/r{n}")).collect(),
        ..route::Config::default()
    };
    let mut routes = Routes::new(&config).unwrap();
    let known = (0..count).map(|n| routes.observe(format!("/r{n}").as_bytes(), Some(200))).collect();
    (routes, known)
}

#[test]
fn methods_and_routes_are_told_apart() {
    let (routes, known) = routes(2);
    let mut table = ByRoute::default();
    for (route, method, status, took) in [
        (Some(known[0]), Method::Get, Some(200), ms(10)),
        (Some(known[0]), Method::Get, Some(404), ms(10)),
        (Some(known[0]), Method::Get, Some(503), ms(90)),
        (Some(known[0]), Method::Post, None, None),
        (Some(known[1]), Method::Get, Some(301), ms(1)),
        (None, Method::Other, Some(500), None),
    ] {
        table.note((route, None), method, status, (at(100), took));
    }
    let found = table.table(&routes, &Units::default(), at(100));
    let counts = |line: &RouteLine| (line.total.requests, line.total.client_errors, line.total.server_errors);
    let lines: Vec<_> =
        found.lines.iter().map(|line| (line.method, line.route.as_str(), counts(line))).collect();
    assert_eq!(lines, [("GET", "/r0", (3, 1, 1)), ("POST", "/r0", (1, 0, 0)), ("GET", "/r1", (1, 0, 0))]);
    assert_eq!(counts(&found.rest), (1, 0, 1));
    let (p50, p99) = (found.lines[0].p50_us.unwrap(), found.lines[0].p99_us.unwrap());
    assert!(p50.abs_diff(10_000) <= 625 && p99.abs_diff(90_000) <= 5_625, "{p50} {p99}");
    assert_eq!((found.lines[1].p50_us, found.lines[1].p99_us), (None, None));
}

#[test]
fn what_is_recent_ends() {
    let (routes, known) = routes(1);
    let mut table = ByRoute::default();
    let mut recent = |seconds: u64, note: bool| {
        if note {
            table.note((Some(known[0]), None), Method::Get, Some(500), (at(seconds), ms(1)));
        }
        let line = table.table(&routes, &Units::default(), at(seconds)).lines.remove(0);
        (line.total.requests, line.recent.requests, line.recent.server_errors, line.p50_us.is_some())
    };
    assert_eq!(recent(60, true), (1, 1, 1, true));
    assert_eq!(recent(89, true), (2, 2, 2, true));
    assert_eq!(recent(90, true), (3, 3, 3, true), "the window before counts");
    // Late by some milliseconds, and not a reason to forget.
    assert_eq!(recent(89, true), (4, 4, 4, true));
    assert_eq!(recent(120, false), (4, 2, 2, true), "what came in the window before counts");
    assert_eq!(recent(150, false), (4, 0, 0, false), "nothing is recent without traffic");
    assert_eq!(recent(30, true), (5, 1, 1, true), "a clock that is set back begins anew");
}

#[test]
fn beyond_the_bound_all_are_one() {
    let (routes, known) = routes(MAX_ROUTES + 3);
    let mut table = ByRoute::default();
    for route in &known {
        table.note((Some(*route), None), Method::Get, Some(200), (at(1_000), ms(1)));
    }
    let found = table.table(&routes, &Units::default(), at(1_000));
    assert_eq!((found.lines.len(), found.rest.total.requests), (MAX_ROUTES, 3));
    // Those that are heard of keep their places, however many others come.
    let late = 1_000 + 30 * IDLE_WINDOWS;
    table.note((Some(known[0]), None), Method::Get, Some(200), (at(late - 30), ms(1)));
    table.note((Some(known[MAX_ROUTES]), None), Method::Get, Some(404), (at(late), ms(1)));
    let found = table.table(&routes, &Units::default(), at(late));
    let names: Vec<&str> = found.lines.iter().map(|line| line.route.as_str()).collect();
    assert_eq!(names, ["/r0", "/r256"]);
    assert_eq!(found.rest.total.requests, 3 + 255, "what is forgotten is still counted");
    assert_eq!(found.lines[0].total.requests, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_exchange_is_counted_once(
        seen in prop::collection::vec((0_usize..300, 0_usize..10, prop::option::of(100_u16..600), 0_u64..100_000), 0..800),
    ) {
        let (routes, known) = routes(300);
        let mut table = ByRoute::default();
        for (route, method, status, seconds) in &seen {
            let method = Method::ALL[*method];
            table.note((Some(known[*route]), None), method, *status, (at(*seconds), ms(*seconds)));
        }
        let found = table.table(&routes, &Units::default(), at(50_000));
        let all = found.lines.iter().chain([&found.rest]);
        let sum = all.fold(RouteCounts::default(), |sum, line| sum.plus(line.total));
        let of = |class: u16| u64::try_from(seen.iter().filter(|row| row.2.is_some_and(|s| s / 100 == class)).count()).unwrap();
        prop_assert!(found.lines.len() <= MAX_ROUTES);
        prop_assert_eq!(sum.requests, u64::try_from(seen.len()).unwrap());
        prop_assert_eq!((sum.client_errors, sum.server_errors), (of(4), of(5)));
    }
}

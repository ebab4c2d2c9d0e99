//! Stories of clients, and what limits they lead to.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::IpNet;
use sensor_common::abi::Dimension;

use crate::clock::Timestamp;
use crate::enforce::{Limit, Limits, Scope};
use crate::suggest::track::{Track, all_rates};
use crate::suggest::*;

const START: u64 = 20_000 * 86_400;

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_micros((START + second) * 1_000_000)
}

fn client(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + number).into()
}

/// A made-up table of clients, each with what it sends in a second.
#[derive(Default)]
struct Table {
    clients: BTreeMap<u32, Seen>,
    admitted: u64,
}

impl Table {
    fn send(&mut self, number: u32, packets: u64, connections: u64, requests: u64) {
        let admitted = &mut self.admitted;
        let seen = self.clients.entry(number).or_insert_with(|| {
            *admitted += 1;
            Seen { client: client(number), totals: [0; 4], drops: 0, standing: Standing::Limited }
        });
        let sent = Seen::totals(packets, packets * 100, connections, requests);
        seen.totals.iter_mut().zip(sent).for_each(|(total, sent)| *total += sent);
    }

    fn sample(&self, observer: &mut Observer, second: u64) {
        observer.sample(at(second), 1, self.admitted, |see| self.clients.values().copied().for_each(see));
    }
}

fn report(observer: &Observer) -> Report {
    report_of(observer, Ask::default())
}

fn report_of(observer: &Observer, ask: Ask) -> Report {
    let all_off = Limits { packets: Some(Limit::Off), ..Limits::default() };
    let scopes = ["default", "10.0.1.0/24"].map(|scope| (scope.parse::<Scope>().unwrap(), all_off));
    observer.report(&ask, &BTreeMap::from(scopes))
}

fn dimension<'a>(report: &'a Report, scope: &str, name: &str) -> &'a DimensionReport {
    let scope = report.scopes.iter().find(|found| found.scope.to_string() == scope).unwrap();
    scope.dimensions.iter().find(|found| found.dimension == name).unwrap()
}

/// A hundred clients: 90 that ask once in ten seconds, nine once a second, one ten times a second.
fn an_hour_of_a_hundred(observer: &mut Observer, seconds: u64) {
    let mut table = Table::default();
    table.sample(observer, 0);
    for second in 1..=seconds {
        for number in 0..100 {
            let requests = match number {
                0..90 => u64::from(second % 10 == u64::from(number) % 10),
                90..99 => 1,
                _ => 10,
            };
            table.send(number, requests * 5 + 1, requests, requests);
        }
        table.sample(observer, second);
    }
}

#[test]
fn limits_are_what_clients_need() {
    let mut observer = Observer::default();
    an_hour_of_a_hundred(&mut observer, 1_200);
    let found = report(&observer);
    assert_eq!((found.observed_seconds, found.clients, found.lacking.len()), (1_200, 100, 0), "{found:#?}");
    let requests = dimension(&found, "default", "requests");
    let text = |candidate: &Candidate| candidate.limit.to_string();
    // 6, 60 and 600 requests a minute: the rates of the ladder above, and bursts of what one or two samples bring.
    assert_eq!(
        [&requests.p50, &requests.p90, &requests.p99, &requests.max].map(text),
        ["10/min:1", "10/min:1", "100/min:2", "1k/min:20"]
    );
    assert_eq!(
        [requests.p50, requests.p99, requests.max].map(|found| found.touched.unwrap()),
        [0.1, 0.01, 0.0]
    );
    // 12,000 of the 12,000 + 10,800 + 10,800 requests.
    let traffic = requests.p99.traffic.unwrap();
    assert!((traffic - 12_000.0 / 33_600.0).abs() < 0.001, "{traffic}");
    assert_eq!(text(&requests.suggested), "200/min:10");
    assert_eq!(found.scopes[0].suggested.requests, "200/min:10".parse().ok());
    let bits = dimension(&found, "default", "bits");
    assert_eq!(text(&bits.max).split_once('/').unwrap().0, "100k", "40,800 bits a second: {bits:?}");
    // Nobody sends more than 60 packets a second, and nothing tighter than for an attacker is suggested.
    assert_eq!(text(&bits.suggested), "1M/s:5M");
    assert_eq!(dimension(&found, "default", "packets").in_force.unwrap().limit, Limit::Off);
}

#[test]
fn what_was_asked_is_judged() {
    let mut observer = Observer::default();
    an_hour_of_a_hundred(&mut observer, 700);
    for (limit, touched) in [
        ("120/min:40", Some(0.01)),
        ("100/min:1", Some(0.1)),
        ("12/min:5", Some(0.1)),
        ("1k/min:30", Some(0.0)),
        ("1/h:1000", None),
        ("off", Some(0.0)),
    ] {
        let what_if = Limits { requests: limit.parse().ok(), ..Limits::default() };
        let found = report_of(&observer, Ask { what_if, ..Ask::default() });
        assert_eq!(dimension(&found, "default", "requests").asked.unwrap().touched, touched, "{limit}");
    }
}

#[test]
fn too_little_is_named() {
    let mut observer = Observer::default();
    assert_eq!(report(&observer).lacking.len(), 2);
    an_hour_of_a_hundred(&mut observer, 599);
    assert_eq!(report(&observer).lacking, ["599 s observed, at least 10 minutes needed"]);
    let mut observer = Observer::default();
    let mut table = Table::default();
    table.sample(&mut observer, 0);
    for second in 1..=600 {
        (0..19).for_each(|number| table.send(number, 1, 0, 0));
        table.sample(&mut observer, second);
    }
    assert_eq!(report(&observer).lacking, ["19 clients seen, at least 20 needed"]);
}

#[test]
fn who_says_nothing_about_what_is_usual_is_left_out() {
    let mut observer = Observer::default();
    let mut table = Table::default();
    table.sample(&mut observer, 0);
    for second in 1..=600 {
        (0..5).for_each(|number| table.send(number, 1, 1, if number == 0 { 1 } else { 1_000 }));
        table.clients.get_mut(&1).unwrap().standing = Standing::Allowed;
        // A block that has ended by the end of the hour counts all the same.
        table.clients.get_mut(&2).unwrap().standing =
            if second < 300 { Standing::Blocked } else { Standing::Limited };
        table.clients.get_mut(&3).unwrap().drops = second;
        table.sample(&mut observer, second);
    }
    observer.name(IpNet::from(client(4)), at(600));
    let found = report(&observer);
    let expected = Excluded { blocked: 1, named: 1, allowed: 1, ..Excluded::default() };
    assert_eq!((found.excluded, found.clients, found.scopes[0].limited), (expected, 1, 1));
    let requests = dimension(&found, "default", "requests");
    assert_eq!((requests.clients, requests.max.limit.to_string().as_str()), (1, "100/min:2"));
    let with = report_of(&observer, Ask { include_limited: true, ..Ask::default() });
    assert_eq!((with.clients, dimension(&with, "default", "requests").clients), (2, 2));
}

#[test]
fn scopes_are_told_apart() {
    let mut observer = Observer::default();
    observer.set_scopes([IpNet::from(client(0x100)).supernet().unwrap()].into_iter());
    observer.set_scopes(["10.0.1.0/24".parse().unwrap()].into_iter());
    let mut table = Table::default();
    table.sample(&mut observer, 0);
    for second in 1..=600 {
        table.send(1, 1, 0, 1);
        table.send(0x101, 1, 0, 5);
        table.sample(&mut observer, second);
    }
    let found = report(&observer);
    assert_eq!(dimension(&found, "default", "requests").max.limit.to_string(), "100/min:2");
    assert_eq!(dimension(&found, "10.0.1.0/24", "requests").max.limit.to_string(), "500/min:10");
}

#[test]
fn too_many_scopes_are_counted() {
    let mut observer = Observer::default();
    let scopes = (0..40).map(|number| IpNet::new(client(number << 8), 24).unwrap());
    observer.set_scopes(scopes);
    let mut table = Table::default();
    table.sample(&mut observer, 0);
    (0..40).for_each(|number| table.send((number << 8) + 1, 1, 0, 0));
    table.sample(&mut observer, 1);
    assert_eq!(report(&observer).excluded.scopes_full, 24);
}

/// What was sent before anybody looked was sent at an unknown time.
#[test]
fn the_past_is_no_burst() {
    let mut observer = Observer::default();
    let mut table = Table::default();
    (0..30).for_each(|number| table.send(number, 1_000_000, 1_000, 1_000_000));
    table.sample(&mut observer, 0);
    assert_eq!(report(&observer).clients, 0);
    (0..30).for_each(|number| table.send(number, 1, 0, 1));
    table.sample(&mut observer, 1);
    assert_eq!(dimension(&report(&observer), "default", "requests").max.limit.to_string(), "10/min:1");
    // Nor is what clients sent that are looked at since a stride became smaller, nor what came in a long gap.
    let mut observer = Observer::default();
    let few = |see: &mut dyn FnMut(Seen)| table.clients.values().take(3).copied().for_each(see);
    observer.sample(at(0), 8, 30, few);
    observer.sample(at(1), 1, 30, |see| table.clients.values().copied().for_each(see));
    assert_eq!((report(&observer).clients, observer.watched()), (0, (30, 1)));
    (0..30).for_each(|number| table.send(number, 1_000, 0, 1_000));
    table.sample(&mut observer, 500);
    assert_eq!(report(&observer).clients, 0, "a gap of eight minutes");
    table.sample(&mut observer, 400);
    assert_eq!(report(&observer).clients, 0, "a clock set back");
}

#[test]
fn a_client_that_was_let_in_again_begins_anew() {
    let rates = all_rates();
    let mut track = Track::default();
    track.update(Seen::totals(1_000, 0, (1 << 24) - 2, 500), 7, Some(1.0), &rates);
    track.update(Seen::totals(1_000, 0, 3, 500), 7, Some(1.0), &rates);
    let needs = |track: &Track, dimension: Dimension| {
        track.levels[dimension as usize].as_ref().and_then(|levels| levels.needs()).map(|needs| needs.1)
    };
    assert_eq!(needs(&track, Dimension::Connections), Some((1 << 24) - 2 + 5), "connections are modulo 2^24");
    track.update(Seen::totals(10, 0, 1, 10), 0, Some(1.0), &rates);
    assert_eq!(needs(&track, Dimension::Requests), Some(510));
    assert_eq!(needs(&track, Dimension::Packets), Some(1_010));
    assert!(track.limited);
}

#[test]
fn clients_that_left_stay_in_the_history_and_are_counted_once_an_hour() {
    let mut observer = Observer::default();
    let mut table = Table::default();
    table.sample(&mut observer, 0);
    for second in 1..=7_200 {
        table.send(1, 1, 0, 1);
        if second == 10 {
            table.send(2, 50, 0, 50);
        }
        if second == 20 {
            table.clients.remove(&2);
        }
        table.sample(&mut observer, second);
    }
    // Twice the one that stayed, once the one that left.
    let found = report(&observer);
    assert_eq!((found.clients, observer.watched().0), (3, 1), "{found:#?}");
    let kept = serde_json::to_string(&observer.kept(at(7_200))).unwrap();
    let again = Observer::new(serde_json::from_str(&kept).unwrap());
    assert_eq!(report(&again).scopes, found.scopes);
    assert_eq!(report(&again).observed_seconds, found.observed_seconds);
}

#[test]
fn a_week_is_kept_and_no_more() {
    let mut observer = Observer::default();
    let mut table = Table::default();
    for day in 0..20 {
        table.sample(&mut observer, day * 86_400);
        table.send(day as u32, 1, 0, 1);
        table.sample(&mut observer, day * 86_400 + 1);
        table.clients.clear();
        table.sample(&mut observer, day * 86_400 + 2);
    }
    assert_eq!(report(&observer).clients, 7);
    let since = Some(at(18 * 86_400));
    assert_eq!(report_of(&observer, Ask { since, ..Ask::default() }).clients, 2);
    let text = serde_json::to_string(&observer.kept(at(20 * 86_400))).unwrap();
    assert!(text.len() < 1 << 16, "{} bytes", text.len());
    // A clock that is set back by more than a day.
    table.sample(&mut observer, 86_400);
    assert_eq!(report(&observer).clients, 0);
}

#[test]
fn bounds_hold_under_many_clients() {
    let mut observer = Observer::default();
    let crowd = |see: &mut dyn FnMut(Seen), round: u64| {
        for number in 0..100_000 {
            let totals = Seen::totals(round * 10, round * 1_000, round, round);
            see(Seen { client: client(number), totals, drops: 0, standing: Standing::Limited });
        }
    };
    observer.sample(at(0), 1, 100_000, |see| crowd(see, 0));
    observer.sample(at(1), 1, 100_000, |see| crowd(see, 1));
    assert_eq!(observer.watched().0, 2 * MAX_TRACKED);
    assert_eq!(observer.next_stride(), 32);
    for (clients, stride, next) in
        [(0, 1, 1), (4_096, 1, 1), (1_024, 2, 1), (1_025, 2, 2), (4_097, 1, 2), (10, 256, 2)]
    {
        let mut observer = Observer::default();
        observer.sample(at(0), stride, 0, |see| {
            (0..clients).for_each(|number| {
                let standing = Standing::Limited;
                see(Seen { client: client(number), totals: [0; 4], drops: 0, standing });
            });
        });
        assert_eq!(observer.next_stride(), next, "{clients} at a stride of {stride}");
    }
    for (clients, stride) in [(0, 1), (4_096, 1), (4_097, 2), (1_000_000, 256), (u64::MAX, 1 << 31)] {
        assert_eq!(stride_for(clients), stride, "{clients}");
    }
    for number in 0..10_000 {
        observer.name(IpNet::from(client(number)), at(u64::from(number)));
    }
    assert_eq!(Duration::from_secs(600), LEAST_TIME);
}

#[test]
fn clients_that_nobody_saw_are_counted() {
    let mut observer = Observer::default();
    let mut table = Table::default();
    table.sample(&mut observer, 0);
    table.send(1, 1, 0, 0);
    table.admitted += 4;
    table.sample(&mut observer, 1);
    assert_eq!(report(&observer).excluded.missed, 4);
}

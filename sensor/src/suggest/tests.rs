//! Properties of sketches and levels, and stories of clients.

#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a wrong number fails the test")]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::IpNet;
use proptest::prelude::*;
use sensor_common::abi::Dimension;
use sensor_common::limit::{Quota, Rate, Step};

use super::ladder::{self, RUNGS, rung_below};
use super::report::readable;
use super::track::{Levels, Track, all_rates};
use super::*;
use crate::clock::Timestamp;
use crate::enforce::{Limit, Limits, Scope};

fn needs() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec(
        (0.0_f64..27.6).prop_map(|power| power.exp() as u64).prop_flat_map(|need| (Just(need), 1_u64..1_000)),
        1..300,
    )
}

fn sketch(needs: &[(u64, u64)]) -> Sketch {
    let mut sketch = Sketch::default();
    needs.iter().for_each(|(need, units)| sketch.insert(*need, *units));
    sketch
}

proptest! {
    #[test]
    fn a_quantile_is_the_exact_one_or_a_little_above(needs in needs(), quantile in 0.0_f64..=1.0) {
        let mut sorted: Vec<u64> = needs.iter().map(|(need, _)| *need).collect();
        sorted.sort_unstable();
        let rank = ((quantile * sorted.len() as f64).ceil() as usize).max(1);
        let (exact, told) = (sorted[rank - 1], sketch(&needs).quantile(quantile));
        prop_assert!(told >= exact && told as f64 <= exact as f64 * GROWTH, "{told} for {exact}");
    }

    #[test]
    fn a_share_is_the_exact_one_or_that_of_a_slightly_lower_burst(needs in needs(), at in any::<prop::sample::Index>(), factor in 0.9_f64..1.1) {
        let burst = (at.get(&needs).0 as f64 * factor) as u64;
        let exact = |burst: u64| {
            let over: Vec<_> = needs.iter().filter(|(need, _)| *need > burst).collect();
            let units = |all: &[&(u64, u64)]| all.iter().map(|(_, units)| *units).sum::<u64>() as f64;
            let all: Vec<_> = needs.iter().collect();
            (over.len() as f64 / needs.len() as f64, units(&over) / units(&all))
        };
        let (clients, traffic) = sketch(&needs).above(burst);
        let (least, most) = (exact(burst), exact((burst as f64 / GROWTH) as u64));
        prop_assert!(clients >= least.0 - 1e-9 && clients <= most.0 + 1e-9, "{clients}: {least:?} {most:?}");
        prop_assert!(traffic >= least.1 - 1e-9 && traffic <= most.1 + 1e-9, "{traffic}: {least:?} {most:?}");
    }

    #[test]
    fn merging_is_union_and_what_is_kept_comes_back(one in needs(), other in needs()) {
        let mut merged = sketch(&one);
        merged.merge(&sketch(&other));
        prop_assert_eq!(&merged, &sketch(&[one, other].concat()));
        let text = serde_json::to_string(&merged).unwrap();
        prop_assert_eq!(serde_json::from_str::<Sketch>(&text).unwrap(), merged);
    }

    /// A need is enough, by the very step that the kernel takes, and not much more than enough.
    #[test]
    fn a_limit_with_the_burst_needed_lets_everything_pass(
        gaps in prop::collection::vec(prop_oneof![0_u64..50, 0_u64..3_000, 0_u64..40_000], 1..400),
        rung in 0..RUNGS,
    ) {
        let dimension = Dimension::Requests;
        let mut now = 0;
        let arrivals: Vec<u64> = gaps.iter().map(|gap| { now += gap; now }).collect();
        let rates = ladder::per_second(dimension);
        let mut levels = Levels::default();
        for second in 0..=now / 1_000 {
            let units = arrivals.iter().filter(|at| **at / 1_000 == second).count() as u64;
            levels.step(units, 1.0, &rates);
        }
        let (peaks, units) = levels.needs().unwrap();
        prop_assert_eq!(units, arrivals.len() as u64);
        let (count, period) = ladder::count(dimension, rung);
        let passes = |burst: u64| {
            let quota = Quota::of_units(Rate::new(count, period, Some(burst)).unwrap(), 1);
            let mut tat = 0;
            arrivals.iter().all(|at| match quota.step(tat, (at + 1) * 1_000_000, quota.cost(1)) {
                Step::Conforms(next) => { tat = next; true }
                Step::Exceeds => false,
            })
        };
        let told = f64::from(peaks[rung]).ceil() as u64;
        prop_assert!(passes(told), "{told} at {count} a minute is not enough");
        let slack = (2.0 * rates[rung]).ceil() as u64 + 1;
        if told > slack + 1 {
            prop_assert!(!passes(told - slack - 1), "{told} at {count} a minute is more than {slack} too much");
        }
    }

    #[test]
    fn the_longest_prefix_is_found(
        prefixes in prop::collection::vec((any::<u32>(), 0_u8..=32), 0..30),
        address: u32,
    ) {
        let prefixes: Vec<IpNet> = prefixes
            .iter()
            .map(|(bits, length)| IpNet::new(Ipv4Addr::from_bits(bits ^ (address & 0xffff_ff00)).into(), *length).unwrap().trunc())
            .collect();
        let address = IpAddr::from(Ipv4Addr::from_bits(address));
        let map: PrefixMap<()> = prefixes.iter().map(|prefix| (*prefix, ())).collect();
        let longest = prefixes.iter().filter(|prefix| prefix.contains(&address)).max_by_key(|prefix| prefix.prefix_len());
        prop_assert_eq!(map.longest(address).map(|found| found.0), longest.copied());
    }

    #[test]
    fn readable_numbers_are_no_smaller_and_not_much_larger(number in 1.0_f64..1e12) {
        let read = readable(number) as f64;
        prop_assert!(read >= number * 0.999_999 && read <= number.max(1.0) * 2.0, "{read} for {number}");
    }
}

#[test]
fn the_ladder_has_readable_rungs() {
    for (dimension, lowest, highest) in [
        (Dimension::Packets, "10/s:1", "1M/s:1"),
        (Dimension::Bits, "100k/s:1", "10G/s:1"),
        (Dimension::Connections, "10/min:1", "1M/min:1"),
        (Dimension::Requests, "10/min:1", "1M/min:1"),
    ] {
        for (rung, expected) in [(0, lowest), (RUNGS - 1, highest)] {
            let (count, period) = ladder::count(dimension, rung);
            assert_eq!(Rate::new(count, period, Some(1)).unwrap().to_string(), expected);
        }
    }
    for (rate, rung) in [
        ("9/min", None),
        ("10/min", Some(0)),
        ("120/min", Some(3)),
        ("2/s", Some(3)),
        ("600/h", Some(0)),
        ("1000G", Some(15)),
    ] {
        assert_eq!(rung_below(Dimension::Requests, rate.parse().unwrap()), rung, "{rate}");
    }
    assert_eq!([12.0, 15.1, 45.0, 71.0, 900.0].map(readable), [15, 20, 50, 100, 1_000]);
}

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
    assert_eq!(text(&requests.suggested), "200/min:3");
    assert_eq!(found.scopes[0].suggested.requests, "200/min:3".parse().ok());
    let bits = dimension(&found, "default", "bits");
    assert_eq!(text(&bits.max).split_once('/').unwrap().0, "100k", "40,800 bits a second: {bits:?}");
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
    assert_eq!(report(&observer).lacking, ["time: 599 s were observed, and 10 minutes are the least"]);
    let mut observer = Observer::default();
    let mut table = Table::default();
    table.sample(&mut observer, 0);
    for second in 1..=600 {
        (0..19).for_each(|number| table.send(number, 1, 0, 0));
        table.sample(&mut observer, second);
    }
    assert_eq!(report(&observer).lacking, ["clients: 19 were seen, and 20 are the least"]);
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

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts that are made up are small"
)]

mod weeks;

use std::time::Duration;

use super::{MAX_ROUTES, MAX_TALLIES, Spikes};
use crate::clock::Timestamp;
use crate::detect::{Config, Detector as _, Severity, Signal, Subject, Threat, testing};
use crate::event::{Event, Exchange};

const DAY: u64 = 1_440;

/// A minute after Monday, 5 January 2026.
fn at(minute: u64) -> Timestamp {
    Timestamp::default().plus(Duration::from_secs(1_767_571_200 + minute * 60))
}

fn exchange(at: Timestamp, route: &str, status: u16, duration_us: u64) -> Exchange<'_> {
    Exchange {
        route: Some(route),
        status: Some(status),
        duration_us: Some(duration_us),
        seen: at,
        ..testing::exchange(at)
    }
}

/// What a site sees in a minute.
#[derive(Clone, Copy)]
struct Load {
    requests: u32,
    errors: u32,
    latency_us: u64,
}

/// Noise from 0 to 1, the same each time (splitmix64).
fn noise(index: u64) -> f64 {
    let mut bits = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    f64::from((bits >> 40) as u32) / f64::from(1_u32 << 24)
}

/// Sum of twelve uniform numbers: nearly normal, deviation 1.
fn normal(index: u64) -> f64 {
    (0..12).map(|part| noise(index * 12 + part)).sum::<f64>() - 6.0
}

/// Benign traffic: busy by day, quiet by night and at weekends, noise of a Poisson process, 1 % errors, latency that
/// rises with load.
fn benign(minute: u64) -> Load {
    let hour = (minute % DAY) as f64 / 60.0;
    let weekend = minute / DAY % 7 >= 5;
    let mut level = 120.0 - 90.0 * ((hour - 2.0) / 24.0 * std::f64::consts::TAU).cos();
    level *= if weekend { 0.6 } else { 1.0 };
    let requests = (level + level.sqrt() * normal(minute)).max(0.0);
    let errors = (requests * 0.01 + (requests * 0.01).sqrt() * normal(minute + 1_000_000)).max(0.0);
    let latency = (30_000.0 + 100.0 * level) * (0.2 * normal(minute + 2_000_000)).exp();
    Load { requests: requests as u32, errors: errors as u32, latency_us: latency as u64 }
}

fn play(spikes: &mut Spikes, minute: u64, route: &str, load: Load, signals: &mut Vec<Signal>) {
    for request in 0..load.requests {
        let status = if request < load.errors { 503 } else { 200 };
        let spread = 1.0 + f64::from(request) / f64::from(load.requests.max(1)) * 0.3;
        let latency = (load.latency_us as f64 * spread) as u64;
        spikes.observe(&Event::Exchange(&exchange(at(minute), route, status, latency)), signals);
    }
    spikes.advance(at(minute), signals);
}

/// What is said while minutes of a load pass, with something different in the last of them.
fn after(minutes: u64, last: impl Fn(Load) -> Load) -> Vec<(Threat, Subject, Severity)> {
    let mut spikes = Spikes::new(&Config::default());
    let mut signals = Vec::new();
    for minute in 0..minutes {
        play(&mut spikes, minute, "/orders", benign(minute), &mut signals);
    }
    signals.clear();
    play(&mut spikes, minutes, "/orders", last(benign(minutes)), &mut signals);
    spikes.advance(at(minutes + 1), &mut signals);
    signals.into_iter().map(|signal| (signal.threat, signal.subject, signal.severity)).collect()
}

#[test]
fn each_kind_of_spike_is_found_for_the_route_and_the_host() {
    for days in [1, 7] {
        for (threat, last) in [
            (
                Threat::RateSpike,
                (|load| Load { requests: load.requests * 6, errors: 0, ..load }) as fn(Load) -> Load,
            ),
            (Threat::ErrorSpike, |load| Load { errors: load.requests / 2, ..load }),
            (Threat::LatencySpike, |load| Load { latency_us: load.latency_us * 10, ..load }),
        ] {
            let found = after(days * DAY + 600, last);
            for subject in [Subject::Host, Subject::Route("/orders".to_owned())] {
                let hit = found.iter().any(|(kind, about, _)| *kind == threat && *about == subject);
                assert!(hit, "{threat:?} of {subject} after {days} days: {found:?}");
            }
            assert!(found.iter().all(|(kind, ..)| *kind == threat), "{threat:?}: {found:?}");
        }
    }
}

/// A campaign and a flood look the same for as long as the server takes it.
#[test]
fn a_rush_is_high_only_where_answers_suffer() {
    let rush = |load: Load| Load { requests: load.requests * 10, ..load };
    type Answers = fn(Load) -> Load;
    let rows: [(&str, Answers, Severity); 3] = [
        ("answered as usual", |load| Load { errors: 0, ..load }, Severity::Medium),
        ("a tenth fails", |load| Load { errors: load.requests / 10, ..load }, Severity::High),
        ("five times as slow", |load| Load { latency_us: load.latency_us * 5, ..load }, Severity::High),
    ];
    for (name, answers, severity) in rows {
        let found = after(DAY + 600, |load| answers(rush(load)));
        let rates: Vec<Severity> =
            found.iter().filter(|(kind, ..)| *kind == Threat::RateSpike).map(|found| found.2).collect();
        assert_eq!(rates, [severity; 2], "{name}: of the host and of the route");
    }
}

#[test]
fn a_restart_is_no_outage_and_what_lasts_is_one() {
    const WEEK: u64 = 7 * DAY;
    for (minutes, severities) in [
        (1, vec![Severity::Medium]),
        (2, vec![Severity::Medium]),
        (4, vec![Severity::Medium, Severity::High]),
    ] {
        let mut spikes = Spikes::new(&Config::default());
        let mut signals = Vec::new();
        for minute in 0..WEEK + minutes {
            let load = benign(minute);
            let errors = if minute < WEEK { load.errors } else { load.requests };
            play(&mut spikes, minute, "/orders", Load { errors, ..load }, &mut signals);
        }
        spikes.advance(at(WEEK + minutes), &mut signals);
        let of_host = signals.iter().filter(|signal| signal.subject == Subject::Host);
        let told: Vec<Severity> = of_host
            .filter(|signal| signal.threat == Threat::ErrorSpike)
            .map(|signal| signal.severity)
            .collect();
        assert_eq!(told, severities, "{minutes} minutes");
    }
}

/// A quiet route on which a quarter of the requests fail from some minute on, a few each minute.
#[test]
fn errors_that_are_few_in_a_minute_add_up() {
    let mut spikes = Spikes::new(&Config::default());
    let mut signals = Vec::new();
    let quiet = |errors| Load { requests: 28, errors, latency_us: 5_000 };
    for minute in 0..3_000 {
        play(&mut spikes, minute, "/search", quiet(u32::from(minute % 20 == 7)), &mut signals);
    }
    assert!(signals.is_empty(), "{signals:?}");
    for minute in 3_000..3_003 {
        play(&mut spikes, minute, "/search", quiet(9), &mut signals);
    }
    spikes.advance(at(3_003), &mut signals);
    let found: Vec<(Threat, u64)> = signals
        .iter()
        .filter(|signal| signal.subject == Subject::Route("/search".to_owned()))
        .map(|signal| (signal.threat, signal.at.since(at(3_000)).as_secs() / 60))
        .collect();
    assert_eq!(found, [(Threat::ErrorSpike, 2)]);
}

#[test]
fn less_than_usual_is_no_spike() {
    let nothing = |load: Load| Load { requests: 0, ..load };
    let fast = |load: Load| Load { latency_us: 10, errors: 0, ..load };
    assert_eq!(after(2 * DAY + 600, nothing), []);
    assert_eq!(after(2 * DAY + 600, fast), []);
}

#[test]
fn four_benign_weeks_raise_no_severe_alarm() {
    let mut spikes = Spikes::new(&Config::default());
    let mut signals = Vec::new();
    for minute in 0..28 * DAY {
        play(&mut spikes, minute, "/orders", benign(minute), &mut signals);
    }
    let told: Vec<_> = signals.iter().map(|signal| (signal.severity, &signal.summary)).collect();
    assert!(told.iter().all(|(severity, _)| *severity < Severity::High), "{told:?}");
    assert!(told.len() <= 8, "{told:?}");
}

#[test]
fn a_small_route_may_fail_and_be_slow() {
    let mut spikes = Spikes::new(&Config::default());
    let mut signals = Vec::new();
    for minute in 0..DAY {
        let bad = minute % 100 == 99;
        let load = Load {
            requests: 8,
            errors: if bad { 8 } else { 0 },
            latency_us: if bad { 900_000 } else { 9_000 },
        };
        play(&mut spikes, minute, "/rare", load, &mut signals);
    }
    let told: Vec<_> = signals.iter().map(|signal| &signal.summary).collect();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn evidence_has_the_number_its_expectation_and_the_threshold() {
    let mut spikes = Spikes::new(&Config::default());
    let mut signals = Vec::new();
    let steady = Load { requests: 100, errors: 0, latency_us: 10_000 };
    for minute in 0..120 {
        play(
            &mut spikes,
            minute,
            "/orders",
            Load { requests: 95 + (minute % 10) as u32, ..steady },
            &mut signals,
        );
    }
    play(&mut spikes, 120, "/orders", Load { requests: 1_000, ..steady }, &mut signals);
    spikes.advance(at(121), &mut signals);
    let signal = signals.iter().find(|signal| signal.subject == Subject::Host).unwrap();
    let numbers = serde_json::to_value(&signal.evidence).unwrap();
    assert_eq!(numbers["requests"], 1_000.0);
    assert!((90.0..110.0).contains(&numbers["requests_expected"].as_f64().unwrap()), "{numbers}");
    assert!(
        numbers["anomaly_score"].as_f64().unwrap() >= numbers["anomaly_score_threshold"].as_f64().unwrap()
    );
    assert_eq!(signal.window, (at(120), at(121)));
    assert!(signal.summary.starts_with("1000 requests in a minute on host"), "{}", signal.summary);
}

#[test]
fn jumps_of_the_clock_and_pauses_alarm_nobody() {
    let mut spikes = Spikes::new(&Config::default());
    let mut signals = Vec::new();
    let load = |minute: u64| Load { requests: 100 + (minute % 7) as u32, errors: 1, latency_us: 10_000 };
    for (begin, end) in [(10_000, 10_600), (9_000, 9_300), (90_000, 90_300), (90_310, 90_600)] {
        for minute in begin..end {
            play(&mut spikes, minute, "/orders", load(minute), &mut signals);
        }
    }
    spikes.advance(Timestamp::default(), &mut signals);
    spikes.advance(Timestamp::from_unix_nanos(u64::MAX), &mut signals);
    let told: Vec<_> = signals.iter().map(|signal| &signal.summary).collect();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn routes_are_bounded_and_the_busiest_stay() {
    let mut spikes = Spikes::new(&Config::default());
    let mut signals = Vec::new();
    let one = Load { requests: 1, errors: 0, latency_us: 1_000 };
    for minute in 0..30 {
        play(&mut spikes, minute, "/busy", Load { requests: 500, ..one }, &mut signals);
        for number in 0..2 * MAX_TALLIES as u64 {
            let route = format!("/rare/{}", minute * 10_000 + number);
            spikes.observe(&Event::Exchange(&exchange(at(minute), &route, 200, 1_000)), &mut signals);
        }
        assert!(spikes.tallies.len() <= MAX_TALLIES);
    }
    let usage = spikes.usage();
    assert_eq!((usage.entries, usage.capacity), (MAX_ROUTES, MAX_ROUTES));
    assert!(usage.evicted > 0);
    assert!(spikes.routes.contains_key("/busy"));
}

#[test]
fn after_none_the_first_errors_are_told_at_once() {
    let mut spikes = Spikes::new(&Config::default());
    let mut signals = Vec::new();
    let load = |errors| Load { requests: 25, errors, latency_us: 5_000 };
    for minute in 0..140 {
        play(&mut spikes, minute, "/orders", load(0), &mut signals);
    }
    play(&mut spikes, 140, "/orders", load(1), &mut signals);
    play(&mut spikes, 141, "/orders", load(0), &mut signals);
    assert!(signals.is_empty(), "{signals:?}");
    play(&mut spikes, 142, "/orders", load(25), &mut signals);
    spikes.advance(at(143), &mut signals);
    let found: Vec<Threat> = signals.iter().map(|signal| signal.threat).collect();
    assert_eq!(found, [Threat::ErrorSpike; 2], "of the host and of the route");
}

#[test]
fn after_a_constant_rate_thirty_times_as_much_is_told() {
    let mut spikes = Spikes::new(&Config::default());
    let mut signals = Vec::new();
    let load = |requests| Load { requests, errors: 0, latency_us: 5_000 };
    for minute in 0..140 {
        play(&mut spikes, minute, "/health", load(10), &mut signals);
    }
    play(&mut spikes, 140, "/health", load(12), &mut signals);
    assert!(signals.is_empty(), "{signals:?}");
    play(&mut spikes, 141, "/health", load(300), &mut signals);
    spikes.advance(at(142), &mut signals);
    let found: Vec<Threat> = signals.iter().map(|signal| signal.threat).collect();
    assert_eq!(found, [Threat::RateSpike; 2]);
}

/// What a restart at three in the morning would forget.
#[test]
fn what_is_usual_survives_a_restart() {
    let mut first = Spikes::new(&Config::default());
    let mut signals = Vec::new();
    let stop = 8 * DAY + 180;
    for minute in 0..stop {
        play(&mut first, minute, "/orders", benign(minute), &mut signals);
    }
    let learned = first.learned().unwrap();
    assert!(learned.to_string().len() < 2 * 3 * 4_000, "{}", learned.to_string().len());
    // A reload of a moment, and a night without the sensor.
    for pause in [1, 6 * 60] {
        let mut second = Spikes::new(&Config::default());
        second.restore(&learned).unwrap();
        assert_eq!(second.learned().unwrap(), learned);
        signals.clear();
        let begin = stop + pause;
        for minute in begin..begin + 10 {
            play(&mut second, minute, "/orders", benign(minute), &mut signals);
        }
        assert!(signals.is_empty(), "{signals:?} after {pause} minutes");
        let spike = Load { requests: benign(begin + 10).requests * 6, errors: 0, latency_us: 40_000 };
        play(&mut second, begin + 10, "/orders", spike, &mut signals);
        second.advance(at(begin + 11), &mut signals);
        assert!(signals.iter().any(|signal| signal.threat == Threat::RateSpike), "{signals:?}");
    }
}

#[test]
fn of_a_damaged_file_what_can_be_read_is_used_and_the_rest_told() {
    let mut first = Spikes::new(&Config::default());
    let mut signals = Vec::new();
    for minute in 0..60 {
        play(&mut first, minute, "/orders", benign(minute), &mut signals);
        play(&mut first, minute, "/search", benign(minute), &mut signals);
    }
    let learned = first.learned().unwrap();
    let mut second = Spikes::new(&Config::default());
    let mut damaged = learned.clone();
    damaged["routes"]["/orders"]["rate"] = "AAAA".into();
    assert_eq!(second.restore(&damaged).unwrap_err(), "spikes: 1 of 3 cannot be read");
    assert_eq!(second.routes.keys().collect::<Vec<_>>(), ["/search"]);
    damaged["version"] = 2.into();
    let mut third = Spikes::new(&Config::default());
    assert_eq!(third.restore(&damaged).unwrap_err(), "spikes: version 2 is not known");
    for nonsense in
        [serde_json::json!(null), serde_json::json!([1]), serde_json::json!({"version": 1, "host": 7})]
    {
        third.restore(&nonsense).unwrap_err();
    }
    assert!(third.routes.is_empty());
    let routes: serde_json::Map<String, serde_json::Value> = (0..MAX_ROUTES * 2)
        .map(|number| (format!("/{number}"), learned["routes"]["/search"].clone()))
        .collect();
    damaged = learned;
    damaged["routes"] = routes.into();
    third.restore(&damaged).unwrap_err();
    assert_eq!(third.routes.len(), MAX_ROUTES);
}

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::detect::testing::News;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_unix_micros(1_700_000_000_000_000 + millis * 1_000)
}

fn client(number: u32) -> ClientNet {
    ClientNet::of(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number)))
}

/// Runs so many seconds, in each of which so much is shed for a reason, and so much of each client.
fn run(seconds: u64, reason: usize, whole: u64, each: &[(u32, u64)]) -> Vec<Signal> {
    let mut flood = Flood::new(&Config::default());
    let mut signals = Vec::new();
    for second in 0..=seconds {
        let mut shed = Shed::default();
        shed[reason] = whole * second;
        let drops = |tell: &mut dyn FnMut(ClientNet, u64)| {
            each.iter().for_each(|(number, rate)| tell(client(*number), rate * second + 7));
        };
        assert!(flood.is_due(at(second * 1_000)));
        flood.observe(at(second * 1_000), shed, drops, &mut signals);
        assert!(!flood.is_due(at(second * 1_000 + 999)));
    }
    signals
}

/// The issue's: a flood of which 173,000 packets a second are dropped raises no alert at all.
#[test]
fn what_the_kernel_sheds_is_told_as_a_whole_and_grows() {
    for (reason, (_, name)) in REASONS.iter().enumerate() {
        let signals = run(60, reason, 173_000, &[]);
        let first = &signals[0];
        assert_eq!((&first.subject, first.severity), (&Subject::Host, Severity::High));
        assert_eq!(first.at, at(3_000), "{name}: after three seconds");
        assert_eq!(first.evidence.numbers[&format!("{name}_per_second")], 173_000_u64.into());
        assert!(signals.iter().all(|signal| signal.offenders.is_empty()), "nobody is accused");
        assert_eq!(News::of(&signals).len(), 1);
        assert!((5..=9).contains(&signals.len()), "{} signals in a minute", signals.len());
        let told: u64 = signals.iter().map(|signal| signal.growth.attempts).sum();
        assert!((173_000 * 50..=173_000 * 60).contains(&told), "{told}");
    }
}

#[test]
fn a_client_that_makes_up_the_flood_is_told_by_its_address() {
    let signals = run(30, 0, 20_000, &[(5, 19_900), (6, 100)]);
    assert!(signals.iter().all(|signal| signal.subject == Subject::Client(client(5))), "{signals:?}");
    assert_eq!(signals[0].severity, Severity::High);
    assert_eq!(signals[0].growth.by[0].0.client, client(5));
    assert!(signals.iter().all(|signal| signal.offenders.is_empty()));
    // With many more that are nobody's, both are told.
    let both = run(30, 4, 60_000, &[(5, 19_900)]);
    assert!(both.iter().any(|signal| signal.subject == Subject::Host));
    assert!(both.iter().any(|signal| signal.subject == Subject::Client(client(5))));
}

#[test]
fn little_or_short_is_no_flood() {
    assert!(run(60, 0, 400, &[(5, 400)]).is_empty());
    assert!(run(60, 0, 900, &[(5, 450), (6, 450)]).is_empty());
    assert!(run(2, 0, 173_000, &[]).is_empty());
    let mut flood = Flood::new(&Config::default());
    let mut signals = Vec::new();
    // A download that runs into a limit every ten seconds.
    let mut total = 0;
    for second in 0..120 {
        total += if second % 10 < 2 { 5_000 } else { 0 };
        let mut shed = Shed::default();
        shed[1] = total;
        flood.observe(at(second * 1_000), shed, |tell| tell(client(5), total), &mut signals);
    }
    assert!(signals.is_empty(), "{signals:?}");
}

#[test]
fn counters_that_begin_anew_and_clocks_that_jump_do_no_harm() {
    let mut flood = Flood::new(&Config::default());
    let mut signals = Vec::new();
    for (millis, total) in [(0, 1_000_000), (1_000, 5), (0, 7), (0, 9), (1_000, u64::MAX), (2_000, 0)] {
        flood.observe(at(millis), [total; REASONS.len()], |tell| tell(client(1), total), &mut signals);
    }
    assert!(signals.is_empty(), "{signals:?}");
}

#[test]
fn clients_are_bounded() {
    let mut flood = Flood::new(&Config::default());
    let mut signals = Vec::new();
    for second in 0..6_u64 {
        let mut shed = Shed::default();
        shed[0] = second * 10_000_000;
        let drops = |tell: &mut dyn FnMut(ClientNet, u64)| {
            (0..100_000).for_each(|number| tell(client(number), second * 1_000 + 1));
        };
        flood.observe(at(second * 1_000), shed, drops, &mut signals);
    }
    assert_eq!(flood.drops.len(), CLIENTS);
    assert!(News::of(&signals).len() <= NAMED + 1, "{}", signals.len());
    assert!(signals.iter().any(|signal| signal.subject == Subject::Host));
}

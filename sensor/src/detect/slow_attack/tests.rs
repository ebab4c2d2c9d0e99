use proptest::prelude::*;

use super::*;
use crate::detect::made_up::{at_ms, client, net, sources};
use crate::detect::testing::News;

fn detector() -> SlowAttack {
    SlowAttack::new(&Config::default(), sources(), 1)
}

/// A connection as it is told of at a second, with so many bytes a second since second 0.
fn held(second: u64, from: u32, port: u16, rate: u64) -> Held {
    Held {
        proven: true,
        ts: at_ms(second * 1_000),
        client: client(from),
        client_port: port,
        server_port: 80,
        proxied: false,
        by: HeldBy::SlowHeaders,
        since: at_ms(0),
        bytes: rate * second,
    }
}

fn observe(detector: &mut SlowAttack, held: &Held) -> Vec<Signal> {
    let mut signals = Vec::new();
    detector.observe(&Event::Held(held), &mut signals);
    signals
}

/// Tells of connections every 5 s for two minutes.
fn two_minutes(detector: &mut SlowAttack, clients: u32, each: u16, rate: u64) -> Vec<Signal> {
    let mut signals = Vec::new();
    for second in (10..120).step_by(5) {
        for from in 0..clients {
            for port in 0..each {
                signals.extend(observe(detector, &held(second, 100 + from, port, rate)));
            }
        }
        detector.advance(at_ms(second * 1_000 + 900), &mut signals);
    }
    signals
}

#[test]
fn many_slow_connections_of_one_client_are_found() {
    let signals = two_minutes(&mut detector(), 1, 40, 3);
    let signals = News::of(&signals);
    let severities: Vec<_> = signals.iter().map(|signal| signal.severity).collect();
    assert_eq!(severities, [Severity::Medium, Severity::High]);
    assert_eq!(signals[0].at, at_ms(20_000), "as soon as the messages are old enough");
    assert_eq!(signals[1].offenders, [Offender { client: net(100), proxied: false }]);
    assert_eq!(signals[1].evidence.numbers["bytes_per_second"], 3_u64.into());
    assert_eq!(signals[1].evidence.numbers["slow_headers"], 20_u64.into());
}

#[test]
fn slow_uploads_from_bad_networks_are_none() {
    for (clients, each, rate) in [(1, 1, 10), (100, 1, 100), (1, 6, 100), (20, 200, 5_000)] {
        let signals = two_minutes(&mut detector(), clients, each, rate);
        assert!(signals.is_empty(), "{clients} {each} {rate}: {signals:?}");
    }
}

#[test]
fn many_clients_with_few_connections_each_are_found_together() {
    let signals = News::of(&two_minutes(&mut detector(), 400, 3, 3));
    assert!(
        signals.iter().all(|signal| signal.subject == Subject::Host && signal.severity == Severity::High)
    );
    let mut told: Vec<_> =
        signals.iter().flat_map(|signal| &signal.offenders).map(|who| who.client).collect();
    assert_eq!(told.len(), 400);
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 400, "each once");
    let alone = News::of(&two_minutes(&mut detector(), 400, 1, 3));
    assert_eq!(alone.len(), 1);
    assert!(alone[0].offenders.is_empty());
}

#[test]
fn connections_that_end_are_forgotten() {
    let mut detector = detector();
    // Never more than nine at a time, each of them for 30 s.
    for second in 20..600_u64 {
        for place in 0..9 {
            let port = u16::try_from(second / 30 * 9 + place).unwrap();
            let since = at_ms((second / 30 * 30).saturating_sub(25) * 1_000);
            let held = Held { since, bytes: 0, ..held(second, 5, port, 0) };
            if second % 30 < 14 {
                assert!(observe(&mut detector, &held).is_empty(), "{second}");
            }
        }
    }
    let mut signals = Vec::new();
    detector.advance(at_ms(700_000), &mut signals);
    assert!(signals.is_empty());
    assert_eq!((detector.connections, detector.usage().entries), (0, 0));
}

#[test]
fn a_trusted_proxy_is_named_as_one() {
    let mut detector = detector();
    let signals: Vec<_> = (0..20)
        .flat_map(|port| observe(&mut detector, &Held { proxied: true, ..held(30, 5, port, 0) }))
        .collect();
    assert!(signals.iter().all(|signal| signal.offenders[0].proxied));
}

#[test]
fn a_million_clients_stay_within_the_bound() {
    let mut detector = SlowAttack::new(&Config { entries: 1_000, ..Config::default() }, sources(), 1);
    for number in 0..1_000_000_u32 {
        observe(&mut detector, &held(30, number, 1, 0));
    }
    for number in 0..100_u32 {
        for port in 0..1_000 {
            observe(&mut detector, &held(30, number, port, 0));
        }
    }
    assert_eq!(detector.usage().entries, 1_000);
    let held: usize = detector.holders.iter().map(|(_, holder)| holder.slow.len()).sum();
    assert!(held <= 8_000, "{held}");
    assert!(detector.usage().evicted >= 999_000 + 50_000, "{:?}", detector.usage());
}

proptest! {
    #[test]
    fn clocks_that_jump_do_no_harm(
        steps in prop::collection::vec((any::<u32>(), any::<u32>(), 0_u16..40, any::<u64>()), 1..200),
    ) {
        let mut detector = detector();
        let mut signals = Vec::new();
        for (now, since, port, bytes) in steps {
            let moment = |seconds: u32| Timestamp::from_unix_nanos(u64::from(seconds) * 1_000_000_000);
            let held = Held { ts: moment(now), since: moment(since), bytes, ..held(0, 5, port, 0) };
            signals.extend(observe(&mut detector, &held));
            detector.advance(moment(now), &mut signals);
        }
        for signal in signals {
            prop_assert!(signal.severity < Severity::High || detector.config.connections <= 20);
        }
    }
}

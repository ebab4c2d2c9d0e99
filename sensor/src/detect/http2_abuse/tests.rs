//! Each kind of abuse at its threshold, and the nearest clients that are none.

use super::*;
use crate::detect::testing::{address, millis};

/// Whether a client is named that does this `times` times, `every` so many milliseconds.
fn named(times: u64, every: u64, what: Abuse) -> Option<Signal> {
    let sources = crate::detect::Config::default().sources();
    let mut detector = Http2Abuses::new(&Config::default(), sources, 1);
    let mut said = Vec::new();
    for time in 0..times {
        let ts = millis(time * every);
        let event = Http2Abuse { ts, client: address(7), proxied: false, proven: true, abuse: what };
        detector.observe(&Event::Http2Abuse(&event), &mut said);
    }
    said.into_iter().next()
}

#[test]
fn each_kind_is_told_at_its_threshold_and_not_before() {
    let none = Abuse::default();
    let config = Config::default();
    let table = [
        (config.resets, Abuse { resets: 1, streams: 1, ..none }),
        (config.continuations, Abuse { continuations: 1, ..none }),
        (config.bombs, Abuse { bombs: 1, ..none }),
        (config.pings_and_settings, Abuse { settings: 1, ..none }),
        (config.pings_and_settings, Abuse { pings: 1, ..none }),
        (config.empty_frames, Abuse { empty_frames: 1, ..none }),
        (config.updates, Abuse { priorities: 1, ..none }),
        (config.updates, Abuse { window_updates: 1, ..none }),
        (config.smuggling, Abuse { smuggling: 1, ..none }),
        (config.violations, Abuse { violations: 1, ..none }),
    ];
    for (threshold, abuse) in table {
        assert!(named(u64::from(threshold) - 1, 1, abuse).is_none(), "{abuse:?}");
        let signal = named(threshold.into(), 1, abuse).expect("a signal");
        assert_eq!(signal.severity, Severity::High);
        assert_eq!(signal.offenders.len(), 1, "{abuse:?}");
        assert!(signal.summary.contains(&threshold.to_string()), "{}", signal.summary);
    }
}

#[test]
fn legitimate_clients_are_not_named() {
    let none = Abuse::default();
    // A browser that cancels five requests a second for a minute, each of them.
    assert!(named(300, 200, Abuse { resets: 1, streams: 1, ..none }).is_none());
    // A mesh whose calls end at their deadlines, one in three.
    assert!(named(20_000, 1, Abuse { resets: 1, streams: 3, ..none }).is_none());
    // A crawler that opens 100 streams at a time and resets none.
    assert!(named(10_000, 1, Abuse { streams: 100, ..none }).is_none());
    // A gRPC stream of hours that pings each ten seconds.
    assert!(named(10_000, 10_000, Abuse { pings: 1, ..none }).is_none());
}

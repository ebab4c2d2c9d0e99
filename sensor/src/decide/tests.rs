//! Signals and what is decided about them.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::*;
use crate::clock::Timestamp;
use crate::detect::{Offender, Response, Severity, Signal, Subject};

struct Around {
    enforces: bool,
    protected: Option<IpNet>,
    clients: u64,
}

const ENFORCE: Around = Around { enforces: true, protected: None, clients: 1_000 };
const MONITOR: Around = Around { enforces: false, ..ENFORCE };

impl Surroundings for Around {
    fn enforces(&self) -> bool {
        self.enforces
    }

    fn protection(&self, prefix: &IpNet) -> Option<String> {
        self.protected.filter(|protected| protected.contains(prefix)).map(|_| "the gateway".to_owned())
    }

    fn clients(&self) -> u64 {
        self.clients
    }
}

fn decider() -> Decider {
    Decider::new(DecideConfig::default(), Ids::default())
}

fn attack(client: &str, seconds: u64) -> Signal {
    let mut signal = signal(client, seconds);
    signal.offenders = vec![Offender { client: client.parse().unwrap(), proxied: false }];
    signal
}

fn minutes(decision: &Decision) -> u64 {
    decision.until.unwrap().since(decision.since).as_secs() / 60
}

#[test]
fn severity_and_confidence_decide() {
    for (severity, confidence, expected) in [
        (Severity::Critical, 1.0, Action::Block),
        (Severity::High, 0.8, Action::Block),
        (Severity::High, 0.79, Action::Limit),
        (Severity::Medium, 1.0, Action::Limit),
        (Severity::Medium, 0.49, Action::None),
        (Severity::Low, 1.0, Action::None),
    ] {
        let signal = Signal { severity, confidence, ..attack("192.0.2.7", 1_000) };
        let outcome = decider().decide(&signal, Response::Enforce, &ENFORCE);
        assert_eq!(outcome.alert.unwrap().action, expected, "{severity:?} {confidence}");
        assert_eq!(outcome.decisions.len(), usize::from(expected != Action::None));
    }
}

#[test]
fn what_is_not_carried_out_is_said_with_its_reason() {
    let would = |response, around: &Around| {
        let outcome = decider().decide(&attack("192.0.2.7", 1_000), response, around);
        assert_eq!(outcome.decisions, []);
        let alert = outcome.alert.unwrap();
        (alert.action, alert.reason_no_action.unwrap())
    };
    assert_eq!(would(Response::Enforce, &MONITOR), (Action::WouldBlock, "the mode is monitor".to_owned()));
    let (action, reason) = would(Response::Monitor, &ENFORCE);
    assert_eq!((action, reason.contains("only watches")), (Action::WouldBlock, true));
    let gateway = Around { protected: "192.0.2.0/24".parse().ok(), ..ENFORCE };
    let (action, reason) = would(Response::Enforce, &gateway);
    assert_eq!((action, reason.contains("the gateway")), (Action::None, true));
}

#[test]
fn a_client_behind_a_proxy_is_never_blocked_by_address() {
    let mut signal = attack("198.51.100.9", 1_000);
    signal.offenders[0].proxied = true;
    let outcome = decider().decide(&signal, Response::Enforce, &ENFORCE);
    assert_eq!(
        outcome.decisions.iter().map(|decision| decision.measure).collect::<Vec<_>>(),
        [Measure::Deny]
    );
    let alert = outcome.alert.unwrap();
    assert_eq!(alert.action, Action::None);
    assert!(alert.reason_no_action.unwrap().contains("trusted proxy"));
}

#[test]
fn people_are_told_once_and_later_offenders_are_blocked_all_the_same() {
    let mut decider = decider();
    let mut signal = Signal { subject: Subject::Route("/login".to_owned()), ..attack("192.0.2.1", 1_000) };
    let first = decider.decide(&signal, Response::Enforce, &ENFORCE);
    let id = first.alert.unwrap().id;
    signal.at = Timestamp::from_unix_micros(1_030_000_000);
    let known = decider.decide(&signal, Response::Enforce, &ENFORCE);
    assert_eq!(known, Outcome::default());
    signal.offenders[0].client = "192.0.2.2".parse().unwrap();
    let later = decider.decide(&signal, Response::Enforce, &ENFORCE);
    assert!(later.alert.is_none());
    assert_eq!(later.decisions[0].alert_id, id);
    signal.severity = Severity::Critical;
    assert!(decider.decide(&signal, Response::Enforce, &ENFORCE).alert.is_some());
    signal.at = signal.at.plus(Duration::from_secs(601));
    assert!(decider.decide(&signal, Response::Enforce, &ENFORCE).alert.is_some(), "a new incident");
}

#[test]
fn repeated_blocks_last_longer_until_they_are_forgotten_or_lifted() {
    let mut decider = decider();
    let mut at = 1_000;
    let mut block = |decider: &mut Decider, after: u64| {
        at += after;
        let outcome = decider.decide(&attack("2001:db8::/64", at), Response::Enforce, &ENFORCE);
        let [decision] = &outcome.decisions[..] else { panic!("{outcome:?}") };
        assert_eq!(decision.prefix, "2001:db8::/64".parse().unwrap());
        minutes(decision)
    };
    let lengths: Vec<u64> = (0..9).map(|_| block(&mut decider, 90_000)).collect();
    assert_eq!(lengths, [10, 20, 40, 80, 160, 320, 640, 1_280, 1_440]);
    assert_eq!(block(&mut decider, 9 * 86_400), 10);
    decider.lift(&"2001:db8::/64".parse().unwrap());
    assert_eq!(block(&mut decider, 1), 10);
}

#[test]
fn earlier_runs_are_remembered() {
    let mut first = decider();
    let decisions = first.decide(&attack("192.0.2.7", 1_000), Response::Enforce, &ENFORCE).decisions;
    let mut second = decider();
    second.restore(decisions);
    assert_eq!(second.decide(&attack("192.0.2.7", 1_100), Response::Enforce, &ENFORCE).decisions, []);
    let again = second.decide(&attack("192.0.2.7", 2_000), Response::Enforce, &ENFORCE).decisions;
    assert_eq!((again[0].repetition, minutes(&again[0])), (1, 20));
}

#[test]
fn kill_switches_turn_blocks_into_alerts() {
    let config = DecideConfig { max_blocks_per_minute: 5, ..DecideConfig::default() };
    let mut decider = Decider::new(config, Ids::default());
    let mut block = |number: u8, at| {
        let outcome = decider.decide(&attack(&format!("192.0.2.{number}"), at), Response::Enforce, &ENFORCE);
        (outcome.decisions.len(), decider.stats().tripped, outcome.alert.unwrap().reason_no_action)
    };
    for number in 1..=5 {
        assert_eq!(block(number, 1_000), (1, false, None));
    }
    let (decisions, tripped, reason) = block(6, 1_059);
    assert_eq!((decisions, tripped), (0, true));
    assert!(reason.unwrap().contains("max_blocks_per_minute"));
    assert_eq!(block(7, 1_061), (1, false, None));

    let config = DecideConfig { min_blocked: 2, max_blocked_share: 0.5, ..DecideConfig::default() };
    let mut decider = Decider::new(config, Ids::default());
    let few = Around { clients: 4, ..ENFORCE };
    let blocked = (1..=4).map(|number| {
        decider.decide(&attack(&format!("192.0.2.{number}"), 1_000), Response::Enforce, &few).decisions.len()
    });
    assert_eq!(blocked.collect::<Vec<_>>(), [1, 1, 0, 0]);
    assert_eq!(decider.stats().suppressed, [0, 2]);
}

#[test]
fn memory_is_bounded_and_what_goes_is_counted() {
    let mut decider = decider();
    for number in 0..9_000_u32 {
        let client = IpAddr::from(number.to_be_bytes()).to_string();
        let outcome = decider.decide(&attack(&client, 1_000), Response::Monitor, &ENFORCE);
        assert!(outcome.alert.is_some());
    }
    assert_eq!(decider.stats().evicted, 9_000 - 8_192);
}

/// A site is blocked as one prefix, within the same rules; a client behind a proxy is denied as its prefix.
#[test]
fn networks_are_decided_about_as_they_are_told() {
    let site = attack("2001:db8:7::/48", 1_000);
    let outcome = decider().decide(&site, Response::Enforce, &ENFORCE);
    assert_eq!(outcome.decisions[0].prefix, "2001:db8:7::/48".parse().unwrap());
    let inside = Around { protected: "2001:db8:7::/48".parse().ok(), ..ENFORCE };
    let outcome = decider().decide(&site, Response::Enforce, &inside);
    assert_eq!(outcome.decisions, []);
    let mut proxied = attack("2001:db8:7:1::/64", 1_000);
    proxied.offenders[0].proxied = true;
    let decision = decider().decide(&proxied, Response::Enforce, &ENFORCE).decisions.remove(0);
    assert_eq!((decision.measure, decision.prefix), (Measure::Deny, "2001:db8:7:1::/64".parse().unwrap()));
}

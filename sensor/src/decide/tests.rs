//! Signals and what is decided about them.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::*;
use crate::clock::Timestamp;
use crate::detect::{Growth, Offender, Response, Severity, Signal, Subject, Threat};

struct Around {
    enforces: bool,
    protected: Option<IpNet>,
    clients: u64,
    reached: Option<&'static str>,
}

const ENFORCE: Around = Around { enforces: true, protected: None, clients: 1_000, reached: None };
const MONITOR: Around = Around { enforces: false, ..ENFORCE };

impl Surroundings for Around {
    fn enforces(&self) -> bool {
        self.enforces
    }

    fn protection(&self, prefix: &IpNet) -> Option<String> {
        self.protected.filter(|protected| protected.contains(prefix)).map(|_| "the gateway".to_owned())
    }

    fn reaches(&self, client: crate::prefix::ClientNet) -> bool {
        self.reached.is_some_and(|reached| client == reached.parse().unwrap())
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
    assert_eq!(would(Response::Enforce, &MONITOR), (Action::WouldBlock, "mode is monitor".to_owned()));
    let (action, reason) = would(Response::Monitor, &ENFORCE);
    assert_eq!((action, reason.contains("response is monitor")), (Action::WouldBlock, true));
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

/// First nobody confirms what the proxy says, then the kernel does.
#[test]
fn a_client_of_a_proxy_on_this_host_is_blocked_once_it_is_in_reach() {
    let mut decider = decider();
    let mut measures = |seconds, reached| {
        let mut signal = attack("198.51.100.9", seconds);
        signal.offenders[0].proxied = true;
        let outcome = decider.decide(&signal, Response::Enforce, &Around { reached, ..ENFORCE });
        outcome.decisions.iter().map(|decision| decision.measure).collect::<Vec<_>>()
    };
    assert_eq!(measures(1_000, Some("198.51.100.8")), [Measure::Deny]);
    assert_eq!(measures(1_001, None), []);
    assert_eq!(measures(1_002, Some("198.51.100.9")), [Measure::Block]);
    assert_eq!(measures(1_003, Some("198.51.100.9")), [], "it is blocked");
}

#[test]
fn people_are_told_once_and_later_offenders_are_blocked_all_the_same() {
    let mut decider = decider();
    let mut signal = Signal { subject: Subject::Route("/login".to_owned()), ..attack("192.0.2.1", 1_000) };
    let first = decider.decide(&signal, Response::Enforce, &ENFORCE);
    let id = first.alert.unwrap().id;
    signal.at = Timestamp::from_unix_micros(1_030_000_000);
    let known = decider.decide(&signal, Response::Enforce, &ENFORCE);
    assert_eq!((known.alert, known.decisions), (None, vec![]));
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
    decider.lift(&"2001:db8::/64".parse().unwrap(), Timestamp::default());
    assert_eq!(block(&mut decider, 601), 10, "a new incident, and no repetition");
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

fn measures(outcome: &Outcome) -> Vec<Measure> {
    outcome.decisions.iter().map(|decision| decision.measure).collect()
}

#[test]
fn kill_switches_turn_blocks_into_limits() {
    let config = DecideConfig { max_blocks_per_minute: 5, ..DecideConfig::default() };
    let mut decider = Decider::new(config, Ids::default());
    let mut block = |number: u8, at| {
        let outcome = decider.decide(&attack(&format!("192.0.2.{number}"), at), Response::Enforce, &ENFORCE);
        let alert = outcome.alert.clone().unwrap();
        (measures(&outcome), decider.stats().tripped, alert.action, alert.reason_no_action)
    };
    for number in 1..=5 {
        assert_eq!(block(number, 1_000), (vec![Measure::Block], false, Action::Block, None));
    }
    let (decisions, tripped, action, reason) = block(6, 1_059);
    assert_eq!((decisions, tripped, action), (vec![Measure::Limit], true, Action::Limit));
    let reason = reason.unwrap();
    assert!(reason.contains("max_blocks_per_minute") && reason.contains("limited"), "{reason}");
    assert_eq!(block(7, 1_061), (vec![Measure::Block], false, Action::Block, None));

    let config = DecideConfig { min_blocked: 2, max_blocked_share: 0.5, ..DecideConfig::default() };
    let mut decider = Decider::new(config, Ids::default());
    let few = Around { clients: 4, ..ENFORCE };
    let decided = (1..=4).map(|number| {
        measures(&decider.decide(&attack(&format!("192.0.2.{number}"), 1_000), Response::Enforce, &few))
    });
    let (block, limit) = (vec![Measure::Block], vec![Measure::Limit]);
    assert_eq!(decided.collect::<Vec<_>>(), [block.clone(), block, limit.clone(), limit]);
    assert_eq!(decider.stats().suppressed, [0, 2]);
}

/// The scanner of the issue: it begins while the switch stands tripped, and goes on until after.
#[test]
fn who_was_limited_by_a_tripped_switch_is_blocked_once_the_cause_is_over() {
    let config = DecideConfig { max_blocks_per_minute: 3, ..DecideConfig::default() };
    let mut decider = Decider::new(config, Ids::default());
    for number in 1..=3 {
        decider.decide(&attack(&format!("192.0.2.{number}"), 1_000), Response::Enforce, &ENFORCE);
    }
    let scanner = |decider: &mut Decider, at| {
        let outcome = decider.decide(&attack("198.51.100.7", at), Response::Enforce, &ENFORCE);
        (measures(&outcome), decider.stats().tripped)
    };
    assert_eq!(scanner(&mut decider, 1_001), (vec![Measure::Limit], true));
    // Nothing new while the limit holds, and it does not fill the switch.
    for at in 1_002..1_050 {
        assert_eq!(scanner(&mut decider, at), (vec![], true));
    }
    assert_eq!(scanner(&mut decider, 1_061), (vec![Measure::Block], false));
}

#[test]
fn a_switch_recovers_by_itself() {
    let at = |seconds: u64| Timestamp::from_unix_micros(seconds * 1_000_000);
    let config = DecideConfig { max_blocks_per_minute: 1, ..DecideConfig::default() };
    let mut decider = Decider::new(config, Ids::default());
    for number in 1..=2 {
        decider.decide(&attack(&format!("192.0.2.{number}"), 1_000), Response::Enforce, &ENFORCE);
    }
    decider.advance(at(1_059), || 1_000);
    assert!(decider.stats().tripped);
    decider.advance(at(1_060), || 1_000);
    assert!(!decider.stats().tripped, "a minute later, whoever asks");

    let config = DecideConfig { min_blocked: 1, max_blocked_share: 0.5, ..DecideConfig::default() };
    let mut decider = Decider::new(config, Ids::default());
    let few = Around { clients: 2, ..ENFORCE };
    for number in 1..=2 {
        decider.decide(&attack(&format!("192.0.2.{number}"), 1_000), Response::Enforce, &few);
    }
    decider.advance(at(1_599), || 2);
    assert!(decider.stats().tripped, "as long as the blocks last");
    decider.advance(at(1_600), || 2);
    assert!(!decider.stats().tripped);
}

/// Signals that are not carried out, limits, and what is protected leave the switch alone.
#[test]
fn only_blocks_that_were_carried_out_fill_the_switch() {
    let config = DecideConfig {
        max_blocks_per_minute: 1,
        min_blocked: 0,
        max_blocked_share: 0.5,
        ..DecideConfig::default()
    };
    let mut decider = Decider::new(config, Ids::default());
    let gateway = Around { protected: "192.0.2.0/24".parse().ok(), ..ENFORCE };
    for number in 0..200_u8 {
        let client = format!("192.0.2.{number}");
        decider.decide(&attack(&client, 1_000), Response::Monitor, &ENFORCE);
        decider.decide(&attack(&client, 1_000), Response::Enforce, &MONITOR);
        decider.decide(&attack(&client, 1_000), Response::Enforce, &gateway);
        let medium = Signal { severity: Severity::Medium, ..attack(&client, 1_000) };
        decider.decide(&medium, Response::Enforce, &ENFORCE);
        let mut behind = attack(&client, 1_000);
        behind.offenders[0].proxied = true;
        decider.decide(&behind, Response::Enforce, &ENFORCE);
    }
    assert_eq!((decider.stats().tripped, decider.stats().suppressed), (false, [0, 0]));
    let outcome = decider.decide(&attack("198.51.100.7", 1_001), Response::Enforce, &ENFORCE);
    assert_eq!(measures(&outcome), [Measure::Block]);
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

/// The row of the issue: an attack that was found in monitor mode goes on, and the mode becomes enforce.
#[test]
fn a_change_of_mode_decides_about_open_incidents_anew() {
    let mut decider = decider();
    let at = |seconds: u64| Timestamp::from_unix_micros(seconds * 1_000_000);
    let signal = Signal { growth: Growth { attempts: 40, by: vec![] }, ..attack("192.0.2.7", 1_000) };
    let told = decider.decide(&signal, Response::Enforce, &MONITOR);
    assert_eq!(told.alert.unwrap().action, Action::WouldBlock);
    let enforce = |_: Threat| Response::Enforce;
    let [outcome] = &decider.reconsider(at(1_030), enforce, &ENFORCE)[..] else { panic!("one incident") };
    assert_eq!((measures(outcome), outcome.alert.is_some()), (vec![Measure::Block], false));
    let incident = &outcome.incident.as_ref().unwrap().incident;
    assert_eq!((incident.action, incident.blocked, incident.attempts), (Action::Block, 1, 40));
    assert_eq!(incident.offenders[0].action, Action::Block);
    assert_eq!(incident.until, Some(at(1_630)));
    // Once is enough, and nothing is made of an incident that is over.
    assert!(
        decider.reconsider(at(1_031), enforce, &ENFORCE).iter().all(|outcome| outcome.decisions.is_empty())
    );
    decider.advance(at(1_700), || 1_000);
    assert_eq!(decider.reconsider(at(1_701), enforce, &ENFORCE), []);
}

/// The same of the detector's response, and of an allow that is added and removed.
#[test]
fn a_change_of_response_or_of_an_allow_decides_anew() {
    let at = |seconds: u64| Timestamp::from_unix_micros(seconds * 1_000_000);
    let allowed = Around { protected: "192.0.2.0/24".parse().ok(), ..ENFORCE };
    let mut decider = decider();
    decider.decide(&attack("192.0.2.7", 1_000), Response::Monitor, &ENFORCE);
    let watches = decider.reconsider(at(1_010), |_| Response::Monitor, &ENFORCE);
    assert!(watches.iter().all(|outcome| outcome.decisions.is_empty()));
    let refused = decider.reconsider(at(1_020), |_| Response::Enforce, &allowed);
    let incident = &refused[0].incident.as_ref().unwrap().incident;
    assert_eq!((measures(&refused[0]), incident.action), (vec![], Action::None));
    assert!(incident.reason_no_action.as_ref().unwrap().contains("the gateway"));
    let outcomes = decider.reconsider(at(1_030), |_| Response::Enforce, &ENFORCE);
    assert_eq!(measures(&outcomes[0]), [Measure::Block]);
}

/// Repetition counts like with like: who was limited first is blocked for the first time, and for as long as that lasts.
#[test]
fn a_first_block_after_a_limit_is_a_first_block() {
    let mut decider = decider();
    let medium = Signal { severity: Severity::Medium, ..attack("192.0.2.7", 1_000) };
    let limited = decider.decide(&medium, Response::Enforce, &ENFORCE);
    assert_eq!(measures(&limited), [Measure::Limit]);
    let blocked = decider.decide(&attack("192.0.2.7", 1_002), Response::Enforce, &ENFORCE);
    assert_eq!((measures(&blocked), minutes(&blocked.decisions[0])), (vec![Measure::Block], 10));
    let again = decider.decide(&attack("192.0.2.7", 1_700), Response::Enforce, &ENFORCE);
    assert_eq!((measures(&again), minutes(&again.decisions[0])), (vec![Measure::Block], 20));
    let limits = Signal { severity: Severity::Medium, ..attack("192.0.2.7", 9_000) };
    let second = decider.decide(&limits, Response::Enforce, &ENFORCE);
    assert_eq!((measures(&second), second.decisions[0].repetition), (vec![Measure::Limit], 1));
}

/// What was only recorded is no repetition, and hides none.
#[test]
fn what_was_only_recorded_does_not_count() {
    let mut decider = decider();
    decider.decide(&attack("192.0.2.7", 1_000), Response::Enforce, &MONITOR);
    let first = decider.decide(&attack("192.0.2.7", 1_010), Response::Enforce, &ENFORCE);
    assert_eq!(minutes(&first.decisions[0]), 10);
    decider.decide(&attack("192.0.2.7", 1_700), Response::Enforce, &MONITOR);
    let second = decider.decide(&attack("192.0.2.7", 1_710), Response::Enforce, &ENFORCE);
    assert_eq!(minutes(&second.decisions[0]), 20);
}

/// Blocked for ten minutes, it goes on: blocked again with the next signal, for twice as long.
#[test]
fn who_goes_on_after_a_block_is_blocked_for_twice_as_long() {
    let mut decider = decider();
    let mut lengths = Vec::new();
    for at in (1_000..3_000).step_by(10) {
        let outcome = decider.decide(&attack("192.0.2.7", at), Response::Enforce, &ENFORCE);
        lengths.extend(outcome.decisions.iter().map(minutes));
    }
    assert_eq!(lengths, [10, 20, 40]);
}

/// What a person lifted stays lifted for as long as the incident goes on.
#[test]
fn what_a_person_lifted_is_not_decided_again_within_the_incident() {
    let mut decider = decider();
    decider.decide(&attack("192.0.2.7", 1_000), Response::Enforce, &ENFORCE);
    let at = |seconds: u64| Timestamp::from_unix_micros(seconds * 1_000_000);
    let updates = decider.lift(&"192.0.2.7/32".parse().unwrap(), at(1_005));
    assert!(updates[0].incident.offenders[0].pardoned);
    for second in 1_010..1_100 {
        let outcome = decider.decide(&attack("192.0.2.7", second), Response::Enforce, &ENFORCE);
        assert_eq!(outcome.decisions, [], "{second}");
    }
    assert!(decider.reconsider(at(1_101), |_| Response::Enforce, &ENFORCE)[0].decisions.is_empty());
    let later = decider.decide(&attack("192.0.2.7", 1_800), Response::Enforce, &ENFORCE);
    assert_eq!(measures(&later), [Measure::Block], "a new incident");
}

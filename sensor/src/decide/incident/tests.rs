//! Incidents from their beginning to their end.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::clock::Timestamp;
use crate::decide::alert::tests::signal;
use crate::decide::{Action, DecideConfig, Decider, Ids, Outcome, Surroundings};
use crate::detect::{Growth, Offender, Response, Severity, Signal, Subject, Threat};

struct Around(bool);

const MONITOR: Around = Around(false);
const ENFORCE: Around = Around(true);

impl Surroundings for Around {
    fn enforces(&self) -> bool {
        self.0
    }

    fn protection(&self, _prefix: &ipnet::IpNet) -> Option<String> {
        None
    }

    fn clients(&self) -> u64 {
        1_000
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_micros(seconds * 1_000_000)
}

fn who(number: u32) -> Offender {
    Offender {
        client: crate::prefix::ClientNet::of(Ipv4Addr::from(0x0a00_0000 + number).into()),
        proxied: false,
    }
}

/// A signal of an attack on a route, of so many attempts by each of these.
fn grown(seconds: u64, by: std::ops::Range<u32>, each: u64) -> Signal {
    let by: Vec<(Offender, u64)> = by.map(|number| (who(number), each)).collect();
    Signal {
        subject: Subject::Route("/login".to_owned()),
        offenders: by.iter().map(|(who, _)| *who).collect(),
        growth: Growth { attempts: by.iter().map(|(_, count)| count).sum(), by },
        ..signal("10.0.0.1", seconds)
    }
}

fn decide(decider: &mut Decider, signal: &Signal) -> Outcome {
    decider.decide(signal, Response::Enforce, &MONITOR)
}

fn decider() -> Decider {
    Decider::new(DecideConfig::default(), Ids::default())
}

/// The numbers: 1,676 failures over 17 minutes by 86 addresses.
#[test]
fn an_attack_of_17_minutes_is_one_alert_that_grows_and_ends() {
    let mut decider = decider();
    let (mut alerts, mut steps, mut kept) = (0, Vec::new(), std::collections::BTreeMap::new());
    let mut id = None;
    let mut look = |update: &Update| {
        assert_eq!(*id.get_or_insert(update.incident.id), update.incident.id);
        for one in &update.incident.offenders {
            kept.insert(one.client, one.clone());
        }
        if let Some(step) = update.step {
            steps.push((step, update.incident.attempts));
        }
        kept.len()
    };
    for minute in 0..17_u64 {
        for second in (0..60).step_by(10) {
            let number = u32::try_from(minute * 5).unwrap();
            let signal =
                grown(1_000 + minute * 60 + second, number..number + 6, if second == 0 { 3 } else { 2 });
            let outcome = decide(&mut decider, &signal);
            alerts += usize::from(outcome.alert.is_some());
            look(&outcome.incident.unwrap());
        }
    }
    let [over] = &decider.advance(at(1_000 + 17 * 60 + 600), || 1_000)[..] else { panic!("one is over") };
    let clients = look(over);
    assert_eq!(alerts, 1);
    assert_eq!((clients, over.incident.clients), (86, 86), "all of them");
    let attempts = 17 * (6 * 3 + 5 * 6 * 2);
    assert_eq!((over.incident.attempts, over.incident.state), (attempts, State::Over));
    assert_eq!(over.incident.over, Some(at(1_000 + 17 * 60 + 600)));
    assert_eq!(kept.values().map(|one| one.attempts).sum::<u64>(), attempts);
    // Tenfold at once, then every minute, then that it is over.
    let grew: Vec<u64> =
        steps.iter().filter(|(step, _)| *step == Step::Grew).map(|(_, count)| *count).collect();
    assert!(grew.len() >= 16 && grew.is_sorted(), "{steps:?}");
    assert_eq!(steps.last(), Some(&(Step::Over, attempts)));
    assert!(decider.advance(at(9_999), || 1_000).is_empty(), "once");
}

#[test]
fn tenfold_growth_is_told_before_the_minute_is_over() {
    let mut decider = decider();
    decide(&mut decider, &grown(1_000, 0..1, 10));
    assert_eq!(decide(&mut decider, &grown(1_001, 0..1, 80)).incident.unwrap().step, None);
    let tenfold = decide(&mut decider, &grown(1_002, 0..1, 10)).incident.unwrap();
    assert_eq!((tenfold.step, tenfold.incident.attempts), (Some(Step::Grew), 100));
    assert_eq!(decide(&mut decider, &grown(1_003, 0..1, 10)).incident.unwrap().step, None);
}

/// A scanner that gets worse twice within two seconds is one alert, which is told as worse.
#[test]
fn what_gets_worse_is_the_same_alert() {
    let mut decider = decider();
    let mut told = Vec::new();
    for (second, severity) in [(0, Severity::Low), (1, Severity::Medium), (2, Severity::High)] {
        let signal = Signal { severity, ..grown(1_000 + second, 0..1, 3) };
        let outcome = decide(&mut decider, &signal);
        let alert = outcome.alert.unwrap();
        told.push((alert.id, alert.ts, alert.severity, outcome.incident.unwrap().step));
    }
    let (id, ts) = (told[0].0, told[0].1);
    assert_eq!(
        told,
        [
            (id, ts, Severity::Low, None),
            (id, ts, Severity::Medium, Some(Step::Worse)),
            (id, ts, Severity::High, Some(Step::Worse))
        ]
    );
    assert_eq!(decider.open_incidents(), [((Threat::BruteForce, Severity::High), 1)].into());
}

#[test]
fn marks_name_everybody_who_takes_part_also_where_the_subject_is_no_address() {
    let mut decider = decider();
    let id = decide(&mut decider, &grown(1_000, 0..3, 1)).alert.unwrap().id;
    let marks = decider.marks();
    assert_eq!(marks.len(), 3);
    assert!(marks.values().all(|mark| *mark == (Severity::High, id)));
    let found = decider.incidents_of(&"10.0.0.2/32".parse().unwrap());
    assert_eq!(found.iter().map(|incident| incident.id).collect::<Vec<_>>(), [id]);
    assert_eq!(decider.incidents_of(&"10.0.9.9/32".parse().unwrap()), []);
    decider.advance(at(1_000).plus(Duration::from_secs(600)), || 1_000);
    assert!(decider.marks().is_empty(), "it is over");
}

#[test]
fn participants_are_bounded_and_what_is_beyond_is_counted() {
    let mut decider = decider();
    let mut last = None;
    for round in 0..20_u32 {
        let signal = grown(1_000 + u64::from(round), round * 1_000..(round + 1) * 1_000, 1);
        last = decide(&mut decider, &signal).incident;
    }
    let incident = last.unwrap().incident;
    assert_eq!(incident.clients, 16_384);
    assert_eq!(incident.attempts, 20_000);
    // Each of those beyond was told twice: as one who takes part, and as an offender.
    assert_eq!(incident.unlisted, 2 * (20_000 - 16_384));
}

#[test]
fn what_went_on_at_a_restart_goes_on() {
    let mut first = decider();
    let update = decide(&mut first, &grown(1_000, 0..3, 2)).incident.unwrap();
    let mut second = decider();
    let text = serde_json::to_string(&update.incident).unwrap();
    second.restore_incident(serde_json::from_str(&text).unwrap());
    assert_eq!(second.marks().len(), 3);
    let outcome = decide(&mut second, &grown(1_100, 2..5, 2));
    let incident = outcome.incident.unwrap().incident;
    assert_eq!((outcome.alert, incident.id), (None, update.incident.id));
    assert_eq!((incident.attempts, incident.clients), (12, 5));
    assert_eq!(second.advance(at(1_700), || 1_000).len(), 1);
}

/// Why nothing is done is said as it is: of one address that there is one, of a flood that it is dropped already.
#[test]
fn an_incident_that_accuses_nobody_says_why() {
    let client = || Subject::Client("192.0.2.7".parse().unwrap());
    let route = || Subject::Route("/login".to_owned());
    for (threat, subject, around, expected) in [
        (Threat::CredentialStuffing, client(), &ENFORCE, "no action: not enough evidence yet"),
        (Threat::CredentialStuffing, route(), &ENFORCE, "no single address to block"),
        (Threat::Flood, client(), &ENFORCE, "already dropped by limits or blocks"),
        (Threat::Flood, Subject::Host, &MONITOR, "limits or blocks would drop it; mode is monitor"),
    ] {
        let severity = Severity::Medium;
        let signal = Signal { threat, subject, severity, ..signal("192.0.2.7", 1_000) };
        let outcome = decider().decide(&signal, Response::Enforce, around);
        let incident = outcome.incident.unwrap().incident;
        assert_eq!(outcome.alert.unwrap().reason_no_action.as_deref(), Some(expected), "{threat:?}");
        assert_eq!(incident.reason_no_action.as_deref(), Some(expected), "{threat:?}");
    }
}

/// A further signal without new offenders does not take back what was done about those before.
#[test]
fn a_worse_signal_without_offenders_keeps_what_is_done() {
    let mut decider = decider();
    decider.decide(&grown(1_000, 0..1, 3), Response::Enforce, &ENFORCE);
    let worse = Signal { severity: Severity::Critical, offenders: Vec::new(), ..grown(1_001, 0..1, 1) };
    let outcome = decider.decide(&worse, Response::Enforce, &ENFORCE);
    let incident = outcome.incident.unwrap().incident;
    assert_eq!((incident.action, incident.blocked, incident.reason_no_action), (Action::Block, 1, None));
    assert_eq!(outcome.alert.unwrap().reason_no_action, None);
}

/// After `response = "monitor"` the block is lifted, and the record says what would be done; after `enforce` it is a first
/// block again.
#[test]
fn a_block_that_its_detector_may_no_longer_make_is_forgotten_without_a_pardon() {
    let mut decider = decider();
    let blocked = decider.decide(&grown(1_000, 0..1, 3), Response::Enforce, &ENFORCE);
    decider.forget(&blocked.decisions[0].prefix);
    let watched = decider.reconsider(at(1_010), |_| Response::Monitor, &ENFORCE).remove(0);
    let incident = watched.incident.unwrap().incident;
    assert_eq!((watched.decisions.len(), incident.action), (0, Action::WouldBlock));
    assert!(!incident.offenders[0].pardoned);
    let again = decider.reconsider(at(1_020), |_| Response::Enforce, &ENFORCE).remove(0);
    assert_eq!(again.decisions[0].repetition, 0);
    assert_eq!(again.incident.unwrap().incident.action, Action::Block);
}

/// Of one client, what led to the incident is its own: it took part from the first attempt on.
#[test]
fn an_incident_of_one_client_begins_when_that_client_did() {
    let signal = Signal { window: (at(990), at(1_000)), ..grown(1_000, 0..1, 10) };
    let incident = decide(&mut decider(), &signal).incident.unwrap().incident;
    assert_eq!((incident.first, incident.offenders[0].first), (at(990), at(990)));
}

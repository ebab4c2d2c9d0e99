use super::*;
use crate::control::wire::Envelope;
use crate::decide::{DecideConfig, Decider, Ids, Surroundings, signal};
use crate::detect::{Growth, Offender, Response};

struct Enforce;

impl Surroundings for Enforce {
    fn enforces(&self) -> bool {
        true
    }

    fn protection(&self, _prefix: &ipnet::IpNet) -> Option<String> {
        None
    }

    fn clients(&self) -> u64 {
        1_000
    }
}

fn incident() -> Incident {
    let mut signal = signal("192.0.2.7", 1_700_000_000);
    let who = Offender { client: "192.0.2.7".parse().unwrap(), proxied: false };
    signal.offenders = vec![who];
    signal.growth = Growth { attempts: 1_676, by: vec![(who, 1_676)] };
    signal.window.0 = signal.at.minus(Duration::from_secs(60));
    let mut decider = Decider::new(DecideConfig::default(), Ids::default());
    decider.decide(&signal, Response::Enforce, &Enforce).incident.unwrap().incident
}

#[test]
fn an_incident_on_one_line_and_in_full() {
    let incident = incident();
    assert_eq!(
        line(&incident),
        format!(
            "2023-11-14T22:13:20Z {} high     began brute-force 192.0.2.7: 1676 attempts by 1 client, \
             2023-11-14T22:12:20Z to 2023-11-14T22:13:20Z [1 blocked until 2023-11-14T22:23:20Z]",
            incident.id
        )
    );
    let whole = whole(&incident);
    let table: Vec<&str> = whole.lines().rev().take(2).collect();
    assert!(table[1].starts_with("client"), "{whole}");
    assert!(table[0].contains("192.0.2.7") && table[0].contains("blocked"), "{whole}");
}

/// A typed name is in no debugging text: administrators' requests are logged.
#[test]
fn names_of_accounts_are_not_printed() {
    let request = Request::Account { name: Typed("alice@example.org".to_owned()) };
    assert!(!format!("{request:?}").contains("alice"));
    assert!(!format!("{:?}", Envelope { request, ssh: None }).contains("alice"));
}

use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::ledger::{Answer, LONGEST, Ledger, Saying};
use super::*;
use crate::detect::shared::{Allowance, Charged};
use crate::identity::{FleetKeys, Hasher, Key, Kind};
use crate::prefix::ClientNet;

const EACH: Duration = Duration::from_millis(600);
const DEPTH: Duration = Duration::from_secs(60);
const OLD: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const NEW: &str = "0202020202020202020202020202020202020202020202020202020202020202";

fn keys(text: &str) -> FleetKeys {
    FleetKeys::parse(text.as_bytes()).unwrap()
}

fn charge(client: u8, hashes: [u64; 2]) -> Charge {
    let principal = Hasher::new(&Key::from_bytes([7; 32])).hash(Kind::ApiKey, b"key");
    let client = ClientNet::of(IpAddr::from([192, 0, 2, client]));
    Charge {
        whose: Charged { principal, client, place: 0 },
        hashes,
        route: None,
        cost: EACH,
        allowance: Allowance { each: EACH, depth: DEPTH },
    }
}

fn answer(over: bool, left: Duration) -> Answer {
    Answer { over, left, wait: if over { EACH } else { Duration::ZERO } }
}

/// Everything that is due, answered with what is left.
fn settle(ledger: &mut Ledger, now: Duration, hosts: u32, left: Duration) -> Vec<Saying> {
    let due = ledger.due(now, hosts, usize::MAX);
    for saying in &due {
        ledger.answered(saying, &[(answer(false, left), answer(false, left))], now);
    }
    due
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn what_is_not_known_is_said_at_once_and_what_is_far_from_the_limit_later() {
    let mut ledger = Ledger::new(keys(OLD));
    ledger.charge(&charge(1, [5, 0]), ms(0));
    assert_eq!(settle(&mut ledger, ms(0), 8, DEPTH).len(), 1);
    assert!(ledger.is_empty());
    // One of eight hosts keeps a thirty-second of a minute: three requests of 600 ms.
    for _ in 0..3 {
        ledger.charge(&charge(1, [5, 0]), ms(10));
        assert!(settle(&mut ledger, ms(10), 8, DEPTH).is_empty());
    }
    ledger.charge(&charge(1, [5, 0]), ms(20));
    let due = settle(&mut ledger, ms(20), 8, DEPTH);
    assert_eq!((due.len(), due[0].count, due[0].spent), (1, 4, EACH * 4));
    ledger.charge(&charge(1, [5, 0]), ms(30));
    assert!(settle(&mut ledger, ms(30) + LONGEST - ms(1), 8, DEPTH).is_empty());
    assert_eq!(settle(&mut ledger, ms(30) + LONGEST, 8, DEPTH).len(), 1);
}

#[test]
fn near_the_limit_everything_is_said_at_once() {
    let mut ledger = Ledger::new(keys(OLD));
    for at in 0..10 {
        ledger.charge(&charge(1, [5, 0]), ms(at));
        assert_eq!(settle(&mut ledger, ms(at), 8, EACH * 8).len(), 1);
    }
}

#[test]
fn a_principal_is_over_if_it_is_under_any_key_and_a_client_if_its_part_is() {
    let mut ledger = Ledger::new(keys(&format!("{OLD}\n{NEW}")));
    ledger.charge(&charge(1, [5, 6]), ms(0));
    let due = ledger.due(ms(0), 1, usize::MAX);
    assert!(due[0].names.part.iter().all(|part| *part != 0), "{:?}", due[0].names);
    let (under, over) = (answer(false, DEPTH), answer(true, Duration::ZERO));
    for (answers, is_over, alone) in [
        ([(under, under), (under, under)], false, false),
        ([(under, under), (over, under)], true, false),
        ([(over, over), (under, under)], true, true),
        // A part under a key whose principal is not over says nothing.
        ([(under, over), (over, under)], true, false),
    ] {
        let verdict = ledger.answered(&due[0], &answers, ms(0));
        assert_eq!((verdict.over.is_some(), verdict.alone), (is_over, alone));
        assert_eq!(verdict.near, is_over);
    }
}

#[test]
fn parts_of_one_client_are_the_same_on_hosts_with_a_key_in_common() {
    let names = |text: &str, client, hashes| {
        let mut ledger = Ledger::new(keys(text));
        ledger.charge(&charge(client, hashes), ms(0));
        ledger.due(ms(0), 1, usize::MAX)[0].names
    };
    let (old, both) = (names(OLD, 1, [5, 0]), names(&format!("{OLD}\n{NEW}"), 1, [5, 6]));
    let new = names(NEW, 1, [6, 0]);
    assert_eq!(old.part[0], both.part[0]);
    assert_eq!(both.part[1], new.part[0]);
    assert_eq!(old.part[1], 0);
    assert_ne!(names(OLD, 2, [5, 0]).part[0], old.part[0]);
}

#[test]
fn what_was_not_said_is_forgotten_and_counted() {
    let mut ledger = Ledger::new(keys(OLD));
    assert!((0..7).all(|client| ledger.charge(&charge(client, [5, 0]), ms(0))));
    ledger.charge(&charge(0, [5, 0]), ms(0));
    assert_eq!((ledger.forget(), ledger.is_empty(), ledger.forget()), (8, true, 0));
}

/// Made-up principals wait, too; beyond some there is no room, and nothing grows.
#[test]
fn a_flood_of_principals_waits_within_bounds() {
    let mut ledger = Ledger::new(keys(OLD));
    let hasher = Hasher::new(&Key::from_bytes([7; 32]));
    let flood = |number: u32| {
        let mut charge = charge(1, [5, 0]);
        charge.whose.principal = hasher.hash(Kind::ApiKey, &number.to_be_bytes());
        charge
    };
    let taken = (0..20_000).filter(|number| ledger.charge(&flood(*number), ms(0))).count();
    assert_eq!(taken, 16_384);
    assert!(ledger.charge(&flood(0), ms(0)), "one that waits already has room");
    assert_eq!(ledger.due(ms(0), 1, usize::MAX).len(), 16_384);
    assert!(ledger.charge(&flood(19_999), ms(0)));
}

proptest! {
    /// What all hosts keep for themselves is never more than a quarter of what was left when they last heard.
    #[test]
    fn hosts_keep_a_quarter_together(hosts in 1_u32..40, left in 0_u64..60_000, requests in 1_usize..400) {
        let mut ledger = Ledger::new(keys(OLD));
        ledger.charge(&charge(1, [5, 0]), ms(0));
        settle(&mut ledger, ms(0), hosts, ms(left));
        let mut kept = Duration::ZERO;
        for _ in 0..requests {
            ledger.charge(&charge(1, [5, 0]), ms(1));
            kept += EACH;
            if !settle(&mut ledger, ms(1), hosts, ms(left)).is_empty() {
                kept = Duration::ZERO;
            }
            prop_assert!(kept * hosts * 4 <= ms(left));
        }
    }
}

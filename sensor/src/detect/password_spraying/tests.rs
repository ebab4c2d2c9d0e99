use super::*;
use crate::detect::Config as All;
use crate::detect::testing::{Attempt as Try, Random, address, of, offenders, run, scattered};

fn spray(count: u64, every: u64, client: impl Fn(u64) -> std::net::IpAddr) -> Vec<Try> {
    let one = |number| Try {
        at: number * every,
        client: client(number),
        user: 70_000 + number,
        password: 1,
        succeeds: false,
        program: 9,
    };
    (0..count).map(one).collect()
}

fn people(seed: u64, count: u64, span: u64, failing: u64) -> Vec<Try> {
    let mut random = Random::new(seed);
    let one = |_| {
        let user = random.below(5_000);
        let succeeds = !random.chance(failing);
        // One in two hundred wrong passwords is the commonest one.
        let password = if succeeds {
            10 + user
        } else if random.chance(5) {
            1
        } else {
            random.next()
        };
        Try { at: random.below(span), client: address(user), user, password, succeeds, program: user % 9 }
    };
    (0..count).map(one).collect()
}

#[test]
fn one_password_from_one_client_is_found() {
    let said = run(&All::default(), &mut spray(100, 60_000, |_| address(1)));
    let (at, signal) = of(&said, Threat::PasswordSpraying)[0];
    assert!((18..=22).contains(&(at / 60_000)), "{at}");
    assert_eq!((signal.severity, signal.offenders.len()), (Severity::High, 1));
    assert_eq!(signal.evidence.numbers["accounts_threshold"], 20_u64.into());
}

#[test]
fn one_password_from_many_clients_is_found_among_people() {
    for seed in 0..3 {
        let mut attempts = people(seed, 3_000, 3_600_000, 100);
        attempts.extend(spray(150, 20_000, scattered));
        let said = run(&All::default(), &mut attempts);
        let (at, signal) = of(&said, Threat::PasswordSpraying)[0];
        assert!(*at < 25 * 20_000, "{at}");
        assert_eq!(signal.subject, Subject::Route("/login".to_owned()));
        let sprayers = spray(150, 1, scattered);
        let attackers =
            sprayers.iter().map(|attempt| attempt.client).collect::<std::collections::BTreeSet<_>>();
        let offenders = offenders(&said);
        assert!(offenders.is_subset(&attackers) && offenders.len() >= 140, "{}", offenders.len());
    }
}

#[test]
fn people_who_mistype_the_commonest_password_do_not_spray() {
    for seed in 0..3 {
        // 60,000 failures an hour, of which 300 are the same.
        let said = run(&All::default(), &mut people(seed, 100_000, 3_600_000, 600));
        assert!(of(&said, Threat::PasswordSpraying).is_empty());
    }
}

#[test]
fn a_shared_password_that_works_is_no_spraying() {
    let mut batch = spray(500, 1_000, |_| address(3));
    batch.iter_mut().enumerate().for_each(|(number, attempt)| attempt.succeeds = !number.is_multiple_of(5));
    assert!(of(&run(&All::default(), &mut batch), Threat::PasswordSpraying).is_empty());
}

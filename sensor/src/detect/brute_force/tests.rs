use super::*;
use crate::detect::Config as All;
use crate::detect::testing::{Attempt as Try, address, alarms, of, offenders, run, scattered};
use crate::prefix::ClientNet;

/// So many guesses at one account, one every so many milliseconds.
fn guesses(count: u64, every: u64, client: impl Fn(u64) -> u64) -> Vec<Try> {
    (0..count)
        .map(|number| Try {
            at: number * every,
            client: scattered(client(number)),
            user: 1,
            password: 100 + number,
            succeeds: false,
            program: 9,
        })
        .collect()
}

#[test]
fn guesses_from_one_client_are_found_at_the_threshold_and_told_once() {
    let said = run(&All::default(), &mut guesses(200, 1_000, |_| 5));
    let [(at, signal)] = &said[..] else { panic!("{said:?}") };
    assert!((18_000..=21_000).contains(at), "{at}");
    assert_eq!(
        (signal.threat, &signal.subject),
        (Threat::BruteForce, &Subject::Client(ClientNet::of(scattered(5))))
    );
    assert_eq!((signal.severity, signal.offenders.len()), (Severity::High, 1));
    assert!(signal.evidence.numbers.contains_key("failures"));
    assert_eq!(signal.evidence.numbers["failures_threshold"], 20_u64.into());
    assert_eq!(signal.evidence.exchanges.len(), 1, "they are all alike");
}

#[test]
fn guesses_at_one_account_from_many_clients_are_found_and_all_of_them_offend() {
    let said = run(&All::default(), &mut guesses(200, 2_000, |number| number));
    let found = of(&said, Threat::BruteForce);
    let (at, first) = found[0];
    assert!((27..=33).contains(&(at / 2_000)), "{at}");
    assert!(matches!(first.subject, Subject::Account(_)), "{first:?}");
    assert_eq!(offenders(&said).len(), 200);
    let told: usize = said.iter().map(|(_, signal)| signal.offenders.len()).sum();
    assert_eq!(told, 200, "each once");
}

#[test]
fn slow_guesses_are_found_within_the_day() {
    let said = run(&All::default(), &mut guesses(150, 500_000, |_| 5));
    let (at, signal) = of(&said, Threat::BruteForce)[0];
    assert!((80..130).contains(&(at / 500_000)), "{}", at / 500_000);
    assert!(matches!(signal.subject, Subject::Account(_)));
}

#[test]
fn the_owner_of_an_account_under_attack_is_no_offender() {
    let owner = Try { at: 0, client: address(1), user: 1, password: 1, succeeds: true, program: 9 };
    let mut attempts = vec![owner];
    attempts.extend(guesses(100, 1_000, |number| number));
    attempts.extend((0..6).map(|number| Try {
        at: 60_000 + number,
        succeeds: false,
        password: 2 + number,
        ..owner
    }));
    let said = run(&All::default(), &mut attempts);
    assert!(offenders(&said).len() >= 95);
    assert!(!offenders(&said).contains(&owner.client));
}

/// Nearest legitimate behaviours, each with what it does.
#[test]
fn people_and_broken_programs_do_not_guess() {
    let base = Try { at: 0, client: address(1), user: 1, password: 0, succeeds: false, program: 3 };
    let forgot =
        (0..13).map(|number| Try { at: number * 8_000, password: number, succeeds: number == 12, ..base });
    let old_password = (0..5_000).map(|number| Try { at: number * 1_000, ..base });
    let phones = (0..3_000).map(|number| Try {
        at: number * 1_000,
        user: number % 8,
        password: number % 8,
        client: address(number % 2),
        ..base
    });
    let office = (0..500).map(|number| Try {
        at: number * 1_200,
        user: number / 2,
        password: 10_000 + number,
        succeeds: !number.is_multiple_of(8),
        ..base
    });
    for (name, attempts) in [
        ("a user who forgot a password", forgot.collect::<Vec<_>>()),
        ("a program with an old password", old_password.collect()),
        ("a household's phones with old passwords", phones.collect()),
        ("an office", office.collect()),
    ] {
        let mut attempts = attempts;
        let said = run(&All::default(), &mut attempts);
        assert!(said.is_empty(), "{name}: {said:?}");
    }
}

#[test]
fn somebody_in_an_office_guesses_and_the_office_is_not_blocked() {
    let colleague = |number: u64| Try {
        at: number * 5_000,
        client: address(1),
        user: 100 + number % 100,
        password: number % 100,
        succeeds: !number.is_multiple_of(10),
        program: 3,
    };
    let mut attempts: Vec<Try> = (0..1_000).map(colleague).collect();
    let start = 3_000_000;
    attempts.extend((0..60).map(|number| Try {
        at: start + number * 5_000,
        client: address(1),
        user: 1,
        password: 5_000 + number,
        succeeds: false,
        program: 3,
    }));
    let said = run(&All::default(), &mut attempts);
    assert!(!of(&said, Threat::BruteForce).is_empty());
    assert!(offenders(&said).is_empty(), "{said:?}");
    assert!(said.iter().all(|(at, _)| *at >= start));
}

#[test]
fn presets_scale_and_off_is_off() {
    for (preset, count) in [(Preset::Strict, 10), (Preset::Relaxed, 40)] {
        let config = All { brute_force: Config::of(preset), ..All::default() };
        assert!(run(&config, &mut guesses(count * 9 / 10 - 1, 1_000, |_| 5)).is_empty());
        assert_eq!(run(&config, &mut guesses(count * 11 / 10 + 1, 1_000, |_| 5)).len(), 1);
    }
    let responses = [(Threat::BruteForce, crate::detect::Response::Off)].into();
    let off = All { responses, ..All::default() };
    assert!(alarms(&run(&off, &mut guesses(300, 1_000, |_| 5))).is_empty());
}

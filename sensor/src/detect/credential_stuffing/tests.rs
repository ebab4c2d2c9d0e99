use super::*;
use crate::detect::Config as All;
use crate::detect::testing::{Attempt as Try, Random, address, millis, of, offenders, run};
use crate::detect::{Severity, Subject};
use crate::prefix::ClientNet;

/// So many accounts, one every so many milliseconds, of which so many per mille succeed.
fn stuffing(seed: u64, count: u64, every: u64, success: u64) -> Vec<Try> {
    let mut random = Random::new(seed);
    (0..count)
        .map(|number| Try {
            at: number * every,
            client: address(666),
            user: 50_000 + number,
            password: 50_000 + number,
            succeeds: random.chance(success),
            program: 9,
        })
        .collect()
}

/// Users behind one address over some time, each with a success at some attempt, so many per mille of which fail.
fn shared_address(seed: u64, users: u64, attempts: u64, span: u64, failing: u64) -> Vec<Try> {
    let mut random = Random::new(seed);
    (0..attempts)
        .map(|_| {
            let user = random.below(users);
            let succeeds = !random.chance(failing);
            let password = if succeeds { user } else { random.next() };
            Try { at: random.below(span), client: address(1), user, password, succeeds, program: user % 7 }
        })
        .collect()
}

#[test]
fn many_accounts_from_one_client_are_found() {
    for seed in 0..5 {
        let said = run(&All::default(), &mut stuffing(seed, 300, 500, 10));
        // First an alert that accuses nobody, then a block: by then every program has repeated itself, and no class has so
        // many.
        for ((at, signal), (severity, most)) in of(&said, Threat::CredentialStuffing)
            .into_iter()
            .zip([(Severity::Medium, 12), (Severity::High, 44)])
        {
            assert!(*at <= most * 500, "{at}");
            let subject = Subject::Client(ClientNet::of(address(666)));
            assert_eq!((&signal.subject, signal.severity), (&subject, severity));
        }
        assert_eq!(offenders(&said).len(), 1);
    }
}

#[test]
fn one_account_every_five_minutes_is_found() {
    let said = run(&All::default(), &mut stuffing(1, 72, 300_000, 0));
    let (at, signal) = of(&said, Threat::CredentialStuffing)[0];
    assert!((18..=21).contains(&(at / 300_000)), "{at}");
    assert_eq!(signal.severity, Severity::High);
}

#[test]
fn offices_and_carriers_are_not_flagged() {
    const HOUR: u64 = 3_600_000;
    for seed in 0..8 {
        for (name, users, attempts, span, failing) in [
            ("an office on a morning", 500, 600, HOUR / 2, 150),
            ("an office all week", 500, 20_000, 5 * 24 * HOUR, 100),
            ("a carrier's gateway", 20_000, 8_000, 6 * HOUR, 150),
            ("a Monday after passwords expired", 500, 1_500, 2 * HOUR, 400),
        ] {
            let said = run(&All::default(), &mut shared_address(seed, users, attempts, span, failing));
            assert!(said.is_empty(), "{name}, seed {seed}: {:?}", said.first());
        }
    }
}

#[test]
fn an_attacker_behind_an_office_address_is_told_and_the_office_is_not_blocked() {
    let mut attempts = shared_address(3, 500, 5_000, 12 * 3_600_000, 100);
    attempts.extend(stuffing(3, 200, 2_000, 0).into_iter().map(|attempt| Try {
        at: attempt.at + 8 * 3_600_000,
        client: address(1),
        ..attempt
    }));
    let said = run(&All::default(), &mut attempts);
    assert!(!of(&said, Threat::CredentialStuffing).is_empty());
    assert!(said.iter().all(|(_, signal)| signal.severity == Severity::Medium));
    assert!(offenders(&said).is_empty());
}

#[test]
fn a_deployment_that_fails_everything_blocks_nobody() {
    for seed in 0..5 {
        let mut attempts = Vec::new();
        // Offices of 100 people, who log in five times an hour and try again at once when they fail.
        let mut random = Random::new(seed);
        let broken = 7_200_000..7_260_000;
        for _ in 0..6_000 {
            let (office, user) = (random.below(10), random.below(100));
            let at = random.below(10_800_000);
            let outage = broken.contains(&at);
            for again in 0..if outage { 4 } else { 1 } {
                let at = at + again * 4_000;
                let succeeds = !broken.contains(&at) && (outage || !random.chance(100));
                let user = office * 1_000 + user;
                let client = address(1 + office);
                attempts.push(Try { at, client, user, password: user, succeeds, program: user % 5 });
            }
        }
        let said = run(&All::default(), &mut attempts);
        assert!(said.is_empty(), "{:?}", said.first());
    }
}

/// The address that they share, at moments, and what they send: user, password, whether it succeeds.
fn shared(attempts: impl IntoIterator<Item = (u64, u64, u64, bool)>) -> Vec<Try> {
    let one =
        |(at, user, password, succeeds)| Try { at, client: address(1), user, password, succeeds, program: 2 };
    attempts.into_iter().map(one).collect()
}

#[test]
fn programs_that_repeat_one_old_password_each_are_not_blocked() {
    for (seed, programs, every, apart) in [
        (1, 15, 30_000, 3_000),
        (2, 14, 40_000, 3_000),
        (3, 30, 60_000, 200),
        (4, 35, 30_000, 0),
        (5, 18, 300_000, 2_000),
    ] {
        let mut random = Random::new(seed);
        let repeated = (0..programs).flat_map(|user| (0..60).map(move |round| (user, round)));
        let repeated = repeated.map(|(user, round)| {
            (user * apart + round * every + random.below(every / 5), user, 1_000 + user, false)
        });
        let said = run(&All::default(), &mut shared(repeated));
        assert!(offenders(&said).is_empty(), "{programs} every {every}: {:?}", said.last());
    }
}

/// The first day of school: each pupil fails some times, and gets in at last.
#[test]
fn a_class_that_gets_in_at_last_is_not_blocked_and_took_nothing_over() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut attempts = Vec::new();
        for pupil in 0..30 {
            let mut at = random.below(90_000);
            let wrong = 1 + random.below(4);
            for password in 0..=wrong {
                attempts.push((at, pupil, pupil * 100 + password, password == wrong));
                at += 5_000 + random.below(25_000);
            }
        }
        let said = run(&All::default(), &mut shared(attempts));
        assert!(offenders(&said).is_empty(), "seed {seed}: {:?}", said.last());
        assert!(of(&said, Threat::AccountTakeover).is_empty(), "seed {seed}");
    }
}

/// From a cold start, too, a block takes ten times the accounts that log in.
#[test]
fn those_who_log_in_amid_failures_count_as_neighbours() {
    for (neighbours, blocks) in [(0, true), (3, true), (15, false)] {
        let list = (0..100).map(|n| (n * 2_000, 1_000 + n, n, false));
        let log_in = (0..neighbours).map(|n| (1_000 + n * 2_000, n, n, true));
        let said = run(&All::default(), &mut shared(list.chain(log_in)));
        assert!(!of(&said, Threat::CredentialStuffing).is_empty());
        assert_eq!(!offenders(&said).is_empty(), blocks, "{neighbours}");
    }
}

/// To go through a list twice, or to add a password to each line, does not hide it.
#[test]
fn lists_in_disguise_are_blocked() {
    let twice = (0..2).flat_map(|again| (0..200).map(move |n| ((again * 200 + n) * 500, n, n, false)));
    let doubled =
        (0..200).flat_map(|n| (0..2).map(move |again| (n * 1_000 + again * 500, n, n * 2 + again, false)));
    for attempts in [twice.collect::<Vec<_>>(), doubled.collect()] {
        assert!(!offenders(&run(&All::default(), &mut shared(attempts))).is_empty());
    }
}

#[test]
fn a_program_with_an_expired_key_is_not_stuffing() {
    let attempt = Try { at: 0, client: address(4), user: 1, password: 1, succeeds: false, program: 2 };
    let mut one: Vec<Try> = (0..20_000).map(|number| Try { at: number * 200, ..attempt }).collect();
    assert!(run(&All::default(), &mut one).is_empty());
}

#[test]
fn colleagues_who_all_mistype_on_a_morning_are_not_flagged() {
    let one = Try { at: 0, client: address(1), user: 1, password: 1, succeeds: true, program: 2 };
    let mut attempts: Vec<Try> =
        (0..40).map(|user| Try { at: user * 1_000, user, password: user, ..one }).collect();
    let morning = 20 * 3_600_000;
    let mistype =
        |user| Try { at: morning + user * 5_000, user, password: 100 + user, succeeds: false, ..one };
    attempts.extend((0..40).map(mistype));
    assert!(run(&All::default(), &mut attempts).is_empty());
}

#[test]
fn new_users_behind_one_address_are_not_blamed_for_an_outage() {
    let one = Try { at: 0, client: address(1), user: 1, password: 1, succeeds: true, program: 2 };
    let regulars = |at: u64, succeeds| {
        (0..40).map(move |user| Try {
            at: at + user * 500,
            client: address(10 + user),
            user,
            succeeds,
            ..one
        })
    };
    let mut attempts: Vec<Try> = regulars(0, true).collect();
    let outage = 7_200_000;
    attempts.extend(regulars(outage, false));
    attempts.extend(regulars(outage + 70_000, false));
    attempts.extend((0..40).map(|user| Try {
        at: outage + 10_000 + user * 1_000,
        user: 1_000 + user,
        password: 1_000 + user,
        succeeds: false,
        ..one
    }));
    assert!(run(&All::default(), &mut attempts).is_empty());
}

/// It began with its first attempt, not where the window of the rule does; what others did before is not its.
#[test]
fn an_attack_begins_with_its_first_attempt() {
    let began = 3_600_000;
    let mut attempts = stuffing(1, 100, 500, 0);
    attempts.iter_mut().for_each(|attempt| attempt.at += began);
    let stranger = Try { at: began - 1_000, client: address(1), succeeds: false, ..attempts[0] };
    attempts.push(stranger);
    let said = run(&All::default(), &mut attempts);
    let told = of(&said, Threat::CredentialStuffing);
    assert_eq!(told.len(), 2);
    for (_, signal) in told {
        assert_eq!(signal.window.0, millis(began));
    }
}

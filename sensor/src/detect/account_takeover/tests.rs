use super::*;
use crate::detect::testing::{Attempt as Try, address, of, run};
use crate::detect::{Config, Subject};
use crate::prefix::ClientNet;

fn stuffing(hit: u64) -> Vec<Try> {
    let one = |number| Try {
        at: number * 1_000,
        client: address(666),
        user: 50_000 + number,
        password: 50_000 + number,
        succeeds: number == hit,
        program: 9,
    };
    (0..60).map(one).collect()
}

#[test]
fn a_success_within_an_attack_is_critical_whether_before_or_after_it_was_known() {
    for hit in [4, 30] {
        let said = run(&Config::default(), &mut stuffing(hit));
        let found = of(&said, Threat::AccountTakeover);
        let [(_, signal)] = &found[..] else { panic!("{found:?}") };
        assert_eq!(signal.severity, Severity::Critical);
        let names = crate::detect::testing::Names::new();
        assert_eq!(signal.subject, Subject::Account(names.user(50_000 + hit)));
        assert_eq!(signal.offenders[0].client, ClientNet::of(address(666)));
    }
}

#[test]
fn a_success_of_others_meanwhile_is_none() {
    let mut attempts = stuffing(1_000);
    let user = Try { at: 0, client: address(7), user: 3, password: 3, succeeds: true, program: 9 };
    attempts.extend((0..40).map(|number| Try {
        at: number * 999,
        user: number,
        client: address(number),
        ..user
    }));
    assert!(of(&run(&Config::default(), &mut attempts), Threat::AccountTakeover).is_empty());
}

#[test]
fn a_user_who_remembers_at_last_took_over_nothing() {
    let user = Try { at: 0, client: address(7), user: 3, password: 0, succeeds: false, program: 9 };
    let mut attempts: Vec<Try> = (0..13)
        .map(|number| Try { at: number * 5_000, password: number, succeeds: number == 12, ..user })
        .collect();
    assert!(run(&Config::default(), &mut attempts).is_empty());
}

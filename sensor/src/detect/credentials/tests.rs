use super::*;
use crate::detect::Severity;
use crate::detect::learning::all;
use crate::detect::testing::{Attempt as Try, Names, address, exchange, millis, run, scattered};
use crate::event::{Exchange, LoginOutcome};

fn engine() -> Credentials {
    Credentials::new(&Config::default()).unwrap()
}

fn feed(engine: &mut Credentials, names: &Names, attempts: impl IntoIterator<Item = Try>) -> Vec<Signal> {
    let mut signals = Vec::new();
    for attempt in attempts {
        engine.observe(&Event::Exchange(&attempt.exchange(names)), &mut signals);
    }
    signals
}

fn attempt(number: u64) -> Try {
    Try {
        at: number * 10,
        client: scattered(number),
        user: number,
        password: number,
        succeeds: false,
        program: number % 5,
    }
}

#[test]
fn a_million_clients_stay_within_bounds_and_what_is_forgotten_is_counted() {
    let (mut engine, names) = (engine(), Names::new());
    let users: Vec<_> = (0..50_000).map(|number| (names.user(number), names.password(number))).collect();
    let mut signals = Vec::new();
    for number in 0..1_000_000_u64 {
        let mut exchange = Try { succeeds: !number.is_multiple_of(10), ..attempt(0) }.exchange(&names);
        exchange.client = scattered(number);
        exchange.seen = millis(number);
        let login = exchange.login.as_mut().unwrap();
        let (user, password) = users[usize::try_from(number).unwrap() % users.len()];
        (login.user, login.password, login.fingerprint) = (Some(user), Some(password), number);
        engine.observe(&Event::Exchange(&exchange), &mut signals);
    }
    let usage = engine.usage();
    assert!(usage.entries <= usage.capacity, "{usage:?}");
    assert!(usage.evicted > 800_000, "{usage:?}");
}

#[test]
fn clients_known_before_a_flood_of_strangers_stay_known() {
    let (mut engine, names) = (engine(), Names::new());
    let user = Try { succeeds: true, client: address(3), ..attempt(1) };
    feed(&mut engine, &names, [user]);
    feed(&mut engine, &names, (10..100_000).map(attempt));
    let exchange = Try { at: 2_000_000, ..user }.exchange(&names);
    let login = exchange.login.unwrap();
    let attempt = engine.history.attempt(&exchange, &login, Moment::from_millis(2_000_000)).unwrap();
    assert!(attempt.known && attempt.familiar);
}

#[test]
fn the_clock_may_jump() {
    let guess =
        |number: u64, at: u64| Try { at, client: address(1), user: 1, password: number, ..attempt(0) };
    let (hour, year) = (3_600_000, 365 * 86_400_000);
    for jump in [hour, year] {
        let (mut engine, names) = (engine(), Names::new());
        // Ten guesses, the clock goes forward, ten more, it goes back, ten more: never twenty within ten minutes
        // but the last ones, which are.
        let before = (0..10).map(|number| guess(number, year + number));
        let ahead = (10..20).map(|number| guess(number, year + jump + number));
        let signals = feed(&mut engine, &names, before.chain(ahead));
        assert!(signals.is_empty(), "{signals:?}");
        let back = (20..45).map(|number| guess(number, year + 5_000 + number));
        let signals = feed(&mut engine, &names, back);
        assert_eq!(signals.len(), 1);
        let mut more = Vec::new();
        for time in [0, year * 3, 1, year] {
            engine.advance(millis(time), &mut more);
        }
        assert!(more.iter().all(|signal| signal.offenders.is_empty()), "{more:?}");
    }
}

#[test]
fn what_is_no_login_or_has_no_outcome_or_no_name_says_nothing() {
    let (mut engine, names) = (engine(), Names::new());
    let mut signals = Vec::new();
    for number in 0..5_000 {
        let plain = exchange(millis(number));
        engine.observe(&Event::Exchange(&plain), &mut signals);
        let mut unknown = attempt(number).exchange(&names);
        unknown.client = address(1);
        unknown.login.as_mut().unwrap().outcome = LoginOutcome::Unknown;
        engine.observe(&Event::Exchange(&unknown), &mut signals);
        let mut nameless = attempt(number).exchange(&names);
        nameless.client = address(1);
        let login = nameless.login.as_mut().unwrap();
        (login.user, login.password) = (None, None);
        engine.observe(&Event::Exchange(&nameless), &mut signals);
    }
    assert!(signals.is_empty(), "{signals:?}");
}

#[test]
fn baselines_survive_a_restart_and_nonsense_does_not() {
    let (mut first, names) = (engine(), Names::new());
    feed(
        &mut first,
        &names,
        (0..3_000_u64).map(|number| Try { succeeds: !number.is_multiple_of(20), ..attempt(number) }),
    );
    let learned = all(&mut first).unwrap();
    let mut second = engine();
    second.restore(&learned).unwrap();
    let again = all(&mut second).unwrap();
    assert_eq!(again["routes"], learned["routes"]);
    assert_eq!(again["familiar"]["accounts"], learned["familiar"]["accounts"]);
    assert!(learned["routes"].to_string().len() < 1_000);
    for nonsense in [
        serde_json::json!(null),
        serde_json::json!([1, 2]),
        serde_json::json!({"/login": {"control": {"hits": -5.0, "trials": 1e300}, "strangers": {"hits": 9.0, "trials": 0.0}}}),
    ] {
        let mut third = engine();
        // What is no list of routes is told; of routes, what cannot be is left out.
        assert_eq!(third.restore(&nonsense).is_ok(), nonsense.is_object());
        let signals =
            feed(&mut third, &names, (0..100).map(|number| Try { succeeds: true, ..attempt(number) }));
        assert!(signals.is_empty());
    }
}

#[test]
fn who_is_familiar_is_so_after_a_restart() {
    let (mut first, names) = (engine(), Names::new());
    let office = |number: u64, succeeds| Try { succeeds, client: address(3), ..attempt(number) };
    feed(&mut first, &names, (0..200).map(|number| office(number, true)));
    let learned = all(&mut first).unwrap();
    let failures = || (1_000..1_060_u64).map(|number| Try { user: number - 1_000, ..office(number, false) });
    let mut second = engine();
    second.restore(&learned).unwrap();
    assert!(feed(&mut second, &names, failures()).is_empty());
    assert!(!feed(&mut engine(), &names, failures()).is_empty(), "a cold start knows nobody");
}

#[test]
fn who_was_long_gone_is_forgotten_however_often_it_is_restarted() {
    let names = Names::new();
    let once = Try { succeeds: true, client: address(3), ..attempt(1) };
    let mut learned = None;
    for days in [0, 20, 20] {
        let mut engine = engine();
        if let Some(learned) = &learned {
            engine.restore(learned).unwrap();
        } else {
            feed(&mut engine, &names, [once]);
        }
        engine.advance(millis(0), &mut Vec::new());
        engine.advance(millis(days * 86_400_000), &mut Vec::new());
        learned = all(&mut engine);
    }
    let mut last = engine();
    last.restore(&learned.unwrap()).unwrap();
    let exchange = once.exchange(&names);
    let attempt = last.history.attempt(&exchange, &exchange.login.unwrap(), last.desk.now).unwrap();
    assert!(!attempt.familiar && !attempt.known);
}

proptest::proptest! {
    /// Whatever a file has: it is read or refused, within bounds.
    #[test]
    fn any_list_of_accounts_is_read_or_refused(accounts in ".{0,80}", clients in "[A-Za-z0-9+/]{0,120}") {
        let mut engine = engine();
        let kept = serde_json::json!({"routes": {}, "familiar": {"accounts": accounts, "clients": clients}});
        let _told = engine.restore(&kept).is_ok();
        let usage = engine.usage();
        proptest::prop_assert!(usage.entries <= usage.capacity);
    }
}

#[test]
fn the_same_events_give_the_same_signals() {
    let mut attempts: Vec<Try> =
        (0..3_000).map(|number| Try { user: number % 900, ..attempt(number) }).collect();
    attempts.extend((0..400).map(|number| Try { client: address(5), ..attempt(number) }));
    let told = |attempts: &mut Vec<Try>| format!("{:?}", run(&Config::default(), attempts));
    let first = told(&mut attempts);
    assert!(first.len() > 1_000);
    assert_eq!(first, told(&mut attempts));
}

#[test]
fn a_proxied_client_is_told_as_one() {
    let (mut engine, names) = (engine(), Names::new());
    let mut signals = Vec::new();
    for number in 0..20 {
        let exchange =
            Exchange { peer: Some(address(900)), client: address(1), ..attempt(number).exchange(&names) };
        engine.observe(&Event::Exchange(&exchange), &mut signals);
    }
    assert!(signals.iter().all(|signal| signal.offenders.iter().all(|offender| offender.proxied)));
    assert_eq!(signals.len(), 1);
}

/// The issue's: an address stuffs, three attempts a second, is blocked for ten minutes and goes on. Within two seconds
/// it is an offender again, whatever its windows have forgotten; and all that it did is counted.
#[test]
fn who_goes_on_after_a_block_is_an_offender_again_at_once() {
    let (mut engine, names) = (engine(), Names::new());
    let stuff = |number: u64, at: u64| Try { at, client: address(7), user: number, ..attempt(number) };
    let mut signals = feed(&mut engine, &names, (0..400).map(|number| stuff(number, number * 333)));
    engine.advance(millis(400 * 333 + 10_000), &mut signals);
    let offenders = |signals: &[Signal]| signals.iter().map(|signal| signal.offenders.len()).sum::<usize>();
    assert!(offenders(&signals) > 0);
    let stuffing = |signals: &[Signal]| {
        let of = signals.iter().filter(|signal| signal.threat == Threat::CredentialStuffing);
        of.map(|signal| signal.growth.attempts).sum::<u64>()
    };
    assert_eq!(stuffing(&signals), 400, "each attempt counts once");
    let resumed = 400 * 333 + 600_000;
    let mut again = Vec::new();
    let mut attempts = 0;
    while offenders(&again) == 0 && attempts < 350 {
        again.extend(feed(&mut engine, &names, [stuff(1_000 + attempts, resumed + attempts * 333)]));
        attempts += 1;
        engine.advance(millis(resumed + attempts * 333), &mut again);
    }
    assert!((3..=5).contains(&attempts), "{attempts} attempts passed");
    assert_eq!(again.last().map(|signal| signal.severity), Some(Severity::High));
    // The colleague who mistypes once afterwards, on an account that is not known there, is no relapse.
    let mut engine = self::engine();
    feed(&mut engine, &names, (0..400).map(|number| stuff(number, number * 333)));
    engine.advance(millis(400 * 333 + 10_000), &mut Vec::new());
    let mut slip = feed(&mut engine, &names, [stuff(5_000, resumed)]);
    engine.advance(millis(resumed + 20_000), &mut slip);
    assert_eq!(offenders(&slip), 0, "{slip:?}");
}

/// What an operator has to end is named: the session that the attacker's login began.
#[test]
fn a_takeover_names_the_session_to_end() {
    let (mut engine, names) = (engine(), Names::new());
    let stuff = |number: u64| Try { at: number * 333, client: address(7), user: number, ..attempt(number) };
    let mut signals = feed(&mut engine, &names, (0..100).map(stuff));
    let mut exchange = Try { succeeds: true, ..stuff(100) }.exchange(&names);
    let session = crate::detect::made_up::api_key(9);
    exchange.login.as_mut().unwrap().session = Some(session);
    signals.clear();
    engine.observe(&Event::Exchange(&exchange), &mut signals);
    let takeover = signals.iter().find(|signal| signal.threat == Threat::AccountTakeover).unwrap();
    assert_eq!(takeover.evidence.numbers["session"], session.to_string().as_str().into());
    assert!(takeover.summary.contains(&session.to_string()), "{}", takeover.summary);
}

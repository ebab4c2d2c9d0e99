use proptest::prelude::*;

use super::*;
use crate::detect::shared::Slot;
use crate::detect::shared::tally::Hashed;
use crate::detect::window::hash_of;

const ROUTE: u64 = 1;
const NOW: u64 = 1_790_000_000_000;
const THRESHOLDS: Thresholds = Thresholds { evidence: 25.0, accounts: 20 };
const USUAL: Usual = Usual { strangers: 0.1, control: 0.1, shift: 0.0 };

/// A stranger's trial: a slot ago, a host, a number, whether it failed.
type Trial = (u64, usize, u64, bool);

/// What hosts saw.
#[derive(Default)]
struct Scene(std::collections::BTreeMap<(u64, usize), Slot>);

impl Scene {
    fn of(trials: impl IntoIterator<Item = Trial>) -> Self {
        let mut scene = Self::default();
        trials.into_iter().for_each(|trial| scene.add(trial));
        scene
    }

    fn add(&mut self, (ago, host, number, failed): Trial) {
        let hash = |what: u64| hash_of((what, number));
        let (client, account, password) = (hash(1), hash(2), hash(3));
        let attempt = Hashed { client, account, password, failed, is_trial: true };
        self.0.entry((ago, host)).or_default().count(ROUTE, [7, 8], &attempt);
    }

    fn route(&mut self, ago: u64, host: usize) -> &mut OfRoute {
        self.0.entry((ago, host)).or_default().route(ROUTE).unwrap()
    }

    fn seen(&self, hosts: usize) -> Seen<'_> {
        let slots = self.0.iter().map(|((ago, host), slot)| (*ago, *host, slot.find(ROUTE).unwrap()));
        Seen { hosts, slots: slots.collect() }
    }

    fn found(&self, hosts: usize) -> Option<Sums> {
        Judge::of(&self.seen(hosts), USUAL, THRESHOLDS, NOW).whole(false)
    }
}

/// So many failures of different clients on each of some hosts.
fn attack(hosts: std::ops::Range<usize>, each: u64) -> impl Iterator<Item = Trial> {
    hosts.flat_map(move |host| (0..each).map(move |number| (0, host, host as u64 * 1_000 + number, true)))
}

/// So many of strangers that log in.
fn everyday(hosts: std::ops::Range<usize>, each: u64) -> impl Iterator<Item = Trial> {
    let trials = attack(hosts, each);
    // In each slot that a host has any in, one of ten fails.
    trials.map(|(_, host, number, _)| {
        let ago = 1 + (number / 10 + 3 * host as u64) % SLOTS;
        (ago, host, 1_000_000 + number, number % 10 == 0)
    })
}

proptest! {
    /// However trials are spread over hosts, and whichever meets several, the sums are those of one host that saw all.
    #[test]
    fn hosts_together_are_one_host_that_saw_all(
        trials in prop::collection::vec((0_u64..=SLOTS, 0_usize..8, 0_u64..400, any::<bool>()), 0..400),
    ) {
        let spread = Scene::of(trials.iter().copied());
        let together = Scene::of(trials.iter().map(|(ago, _, number, failed)| (*ago, 0, *number, *failed)));
        let (spread, together) = (spread.seen(8), together.seen(1));
        let sums = |seen: &Seen<'_>| {
            let judge = Judge::of(seen, USUAL, THRESHOLDS, NOW);
            judge.weigh(&|route: &OfRoute| Some(&route.whole), None).0
        };
        let (spread, together) = (sums(&spread), sums(&together));
        prop_assert!((spread.score - together.score).abs() < 1e-6, "{spread:?} {together:?}");
        prop_assert_eq!(
            (spread.accounts, spread.clients, spread.attempts, spread.failures, spread.slots),
            (together.accounts, together.clients, together.attempts, together.failures, together.slots)
        );
        prop_assert!(spread.least <= spread.score && spread.least_accounts <= spread.accounts);
    }
}

#[test]
fn what_no_host_would_find_is_found_by_all() {
    let scene = Scene::of(attack(0..8, 4).chain(everyday(0..8, 20)));
    let sums = scene.found(8).expect("found");
    assert_eq!((sums.hosts, sums.attempts), (8, 8 * 4 + 8 * 20));
    assert!((35..=60).contains(&sums.clients) && sums.least < sums.score, "{sums:?}");
    assert_eq!(sums.slots, 0);
    // None of them alone, and not if one host has none of it.
    for host in 0..8 {
        assert_eq!(Scene::of(attack(host..host + 1, 4)).found(8), None);
    }
    assert_eq!(Scene::of(everyday(0..8, 200)).found(8), None);
}

#[test]
fn a_client_that_meets_all_hosts_counts_once() {
    let all = (0..8).flat_map(|host| (0..6).map(move |number| (0, host, number, true)));
    assert_eq!(Scene::of(all).found(8), None);
}

#[test]
fn one_host_convinces_nobody_whatever_it_says() {
    let mut scene = Scene::of(everyday(0..8, 20).chain(attack(3..4, 900)));
    assert_eq!(scene.found(8), None);
    // With what the others saw it is believed, but not before they saw half.
    attack(0..3, 3).for_each(|trial| scene.add(trial));
    assert_eq!(scene.found(8), None);
    attack(4..8, 4).for_each(|trial| scene.add(trial));
    assert!(scene.found(8).is_some());
    // In a fleet of two, a host has seen half itself.
    assert_eq!(Scene::of(attack(0..1, 8).chain(attack(1..2, 900))).found(2), None);
    assert!(Scene::of(attack(0..1, 14).chain(attack(1..2, 900))).found(2).is_some());
}

#[test]
fn one_host_hides_nothing_whatever_it_says() {
    let lies = attack(3..4, 900).map(|(_, host, number, _)| (0, host, 5_000_000 + number, false));
    let mut scene = Scene::of(attack(0..8, 6).chain(everyday(0..8, 20)).chain(lies));
    assert!(scene.found(8).is_some());
    // Not by an outage that nobody else sees either.
    let route = scene.route(0, 3);
    (route.control, route.successes, route.last_success) = ((1_000_000, 1_000_000), u32::MAX, 1);
    for host in [0, 1, 2, 4, 5, 6, 7] {
        let route = scene.route(0, host);
        (route.control, route.successes, route.last_success) = ((3, 0), 30, NOW - 1_000);
    }
    assert!(scene.found(8).is_some());
    // Two hosts are another matter.
    let lies = attack(4..5, 900).map(|(_, host, number, _)| (0, host, 6_000_000 + number, false));
    lies.for_each(|trial| scene.add(trial));
    assert_eq!(scene.found(8), None);
}

#[test]
fn nothing_is_concluded_while_logins_fail_for_everybody() {
    let scene = || Scene::of(attack(0..8, 10));
    assert!(scene().found(8).is_some());
    let mut outage = scene();
    (0..8).for_each(|host| outage.route(0, host).control = (4, 4));
    assert_eq!(outage.found(8), None);
    for (silence, is_found) in [(2_000, true), (60_000, false)] {
        let mut drought = scene();
        for host in 0..8 {
            let route = drought.route(5, host);
            (route.successes, route.last_success) = (300, NOW - silence);
        }
        assert_eq!(drought.found(8).is_some(), is_found, "{silence}");
    }
    // On a day on which people fail at places where they are known, strangers may, too.
    let mut monday = Scene::of(
        (0..800)
            .map(|number| (number % SLOTS, usize::try_from(number % 8).unwrap(), number, number % 2 == 0)),
    );
    assert!(monday.found(8).is_some());
    (0..8).for_each(|host| monday.route(5, host).control = (40, 20));
    assert_eq!(monday.found(8), None);
}

#[test]
fn an_attack_that_was_found_is_over_at_half_of_the_evidence() {
    let scene = Scene::of(attack(0..8, 2));
    let seen = scene.seen(8);
    let judge = Judge::of(&seen, USUAL, THRESHOLDS, NOW);
    assert!(judge.whole(false).is_none() && judge.whole(true).is_some());
    assert!(judge.group(7, true, 10).is_some() && judge.group(9, true, 10).is_none());
}

#[test]
fn people_who_get_in_on_another_host_did_not_fail() {
    let fails = || attack(0..8, 6);
    assert!(Scene::of(fails()).found(8).is_some());
    let elsewhere = fails().map(|(ago, host, number, _)| (ago, (host + 1) % 8, number, false));
    assert_eq!(Scene::of(fails().chain(elsewhere)).found(8), None);
    // Where they get in, they may be known.
    let mut known = Scene::of(fails());
    for (_, host, number, _) in fails() {
        let slot = known.0.entry((0, (host + 1) % 8)).or_default();
        slot.count_known(ROUTE, hash_of((1_u64, number)), hash_of((2_u64, number)));
    }
    assert_eq!(known.found(8), None);
    // An attacker with an account of his own uses it from everywhere.
    let mut own = Scene::of(fails());
    for (_, host, number, _) in fails() {
        let slot = own.0.entry((0, (host + 1) % 8)).or_default();
        slot.count_known(ROUTE, hash_of((1_u64, number)), 5);
    }
    assert!(own.found(8).is_some());
}

#[test]
fn as_many_strangers_as_ever_have_a_minute_to_get_in() {
    let (usual, fails) =
        (|| everyday(0..8, 100), |ago| attack(0..8, 10).map(move |trial| (ago, trial.1, trial.2, true)));
    assert_eq!(Scene::of(usual().chain(fails(0))).found(8), None);
    assert!(Scene::of(usual().chain(fails(2))).found(8).is_some());
    // More than ever have not.
    assert!(Scene::of(usual().chain(attack(0..8, 30))).found(8).is_some());
}

#[test]
fn a_day_that_became_bad_just_now_is_known_by_its_control_group() {
    for (failed, is_found) in [(0, true), (2, false)] {
        let mut scene = Scene::of((0..8).flat_map(|host| {
            (0..20).map(move |number| (0, host, host as u64 * 1_000 + number, number % 5 < 3))
        }));
        for host in 0..8 {
            scene.route(5, host).control = (60, 6);
            scene.route(0, host).control = (4, failed);
        }
        assert_eq!(scene.found(8).is_some(), is_found, "{failed}");
    }
}

#[test]
fn what_a_host_finds_alone_is_explained_if_several_others_saw_the_same_people_get_in() {
    let own = || (0..50).map(|number| (0, 0, number, number < 30));
    let explained =
        |scene: &Scene, hosts| Judge::of(&scene.seen(hosts), USUAL, THRESHOLDS, NOW).is_explained();
    assert!(!explained(&Scene::of(own()), 3));
    let by = |hosts: u64| move |number: u64| (0, 1 + usize::try_from(number % hosts).unwrap(), number, false);
    assert!(explained(&Scene::of(own().chain((0..30).map(by(2)))), 3));
    // One that says so alone, or of others, explains nothing.
    assert!(!explained(&Scene::of(own().chain((0..30).map(by(1)))), 3));
    assert!(!explained(&Scene::of(own().chain((500..2_000).map(by(2)))), 3));
    assert!(!explained(&Scene::of(own().chain((0..30).map(by(1)))), 2));
}

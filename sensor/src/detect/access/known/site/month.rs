//! A month at the site, and how well thieves are told.

use std::collections::BTreeMap;

use super::group::Group;
use super::*;
use crate::detect::Severity;

/// Templates with objects.
const WITH_OBJECTS: [u64; 6] = [ORDERS, ORDERS_V2, DOCUMENTS, ARTICLES, PROFILES, AUDIT];

/// Objects a day.
const RATES: [u64; 7] = [1_000, 300, 100, 50, 20, 10, 5];

/// Honest people by what surprises about them, and how many strangers they met: the measurement says so, since a surprise
/// that nobody counts tests nothing.
const GROUPS: [(&str, std::ops::Range<u64>); 8] = [
    ("users", 0..100),
    ("heirs", 800..810),
    ("agents", 1_100..1_110),
    ("new agents", 1_110..1_114),
    ("administrators", 1_200..1_206),
    ("auditors", 1_300..1_305),
    ("programs", 1_400..1_402),
    ("import", 1_500..1_501),
];

/// Strangers of a group under a template.
#[derive(Clone, Debug, Default)]
struct Strange {
    /// In a week, at most.
    most: u32,
    /// Those who met as many as the limit, and what was true then: the template was learned, and private.
    over: BTreeMap<u64, (bool, bool)>,
    roams: BTreeSet<u64>,
}

type Strangers = BTreeMap<(&'static str, u64), Strange>;

/// The strangers of each group, at the end of a day.
fn survey(site: &mut Site, strangers: &mut Strangers) {
    let now = Timestamp::from_unix_micros(site.now * 1_000_000);
    for (name, users) in GROUPS {
        for (user, template) in users.flat_map(|user| WITH_OBJECTS.map(|template| (user, template))) {
            let who = site.who(user);
            let key = key(who, template);
            let hash = site.known.pairs.hash(&key);
            let Some(pair) = site.known.pairs.peek(hash, &key) else { continue };
            let sum = pair.strangers.sum();
            let met = strangers.entry((name, template >> 20)).or_default();
            met.most = met.most.max(sum);
            let hash = site.known.templates.hash(&template);
            if sum >= site.known.limits.strangers
                && let Some(template) = site.known.templates.peek(hash, &template)
            {
                let is_learned = template.is_learned(day_of(now), 2);
                let over = met.over.entry(user).or_default();
                *over = (over.0 || is_learned, over.1 || template.is_private());
            }
            if site.known.people.roams(who, now) > 0 {
                met.roams.insert(user);
            }
        }
    }
}

/// What was told.
struct Month {
    strangers: Strangers,
    told: Vec<(u64, u64, Case)>,
    /// Of each thief of a group, the days until it was told, at medium and at high.
    planted: Vec<(u64, Option<u64>, Option<u64>)>,
    /// Of each thief: the rate, and the days until it was told, at medium and at high.
    thieves: Vec<(u64, Option<u64>, Option<u64>)>,
    /// Of everybody else: who, when, how.
    false_alarms: Vec<(u64, u64, Case)>,
    asks: u64,
    /// Of trespassers: the severity, if told; and how many others were told.
    trespassers: Vec<Option<Severity>>,
    mistaken: Vec<(u64, Trespass)>,
}

impl Month {
    fn first(&self, thief: u64, least: Severity) -> Option<u64> {
        let mut told = self.told.iter().filter(|(_, user, case)| *user == thief && case.severity >= least);
        told.next().map(|(day, _, _)| day - BEGIN)
    }
}

/// When thieves begin.
pub(super) const BEGIN: u64 = 9;

/// What is planted in a month.
#[derive(Clone, Copy, Debug)]
struct Plan {
    style: Style,
    template: u64,
    has_thieves: bool,
    group: Option<Group>,
}

fn month(seed: u64, plan: Plan) -> Month {
    let Plan { style, template, has_thieves, group } = plan;
    let mut site = Site::new(seed);
    // Users who steal besides what they do: some of teams, some of their own.
    let thieves: Vec<u64> = (0..RATES.len() as u64).map(|number| 100 + number * 97).collect();
    let mut strangers = Strangers::new();
    let mut places: Vec<u64> = thieves.iter().map(|_| site.any_order()).collect();
    for day in 0..DAYS {
        surprise(&mut site, day);
        for minute in 0..MINUTES {
            site.now = START + (day * MINUTES + minute) * 60;
            let now = Timestamp::from_unix_micros(site.now * 1_000_000);
            site.known.advance(now);
            let ripe = site.known.ripe(now);
            site.trespasses.extend(ripe.into_iter().map(|case| (day, case)));
            if has_thieves {
                trespass(&mut site, day, minute);
            }
            let per_mille = |site: &mut Site, times: u64, hours: u64| {
                // So often a day, within working hours.
                let open = (8 * 60..(8 + hours) * 60).contains(&minute);
                open && site.random.below(hours * 60) < times
            };
            let weekend = day % 7 >= 5;
            for user in 0..USERS {
                if per_mille(&mut site, if weekend { 1 } else { 2 }, 12) {
                    site.visit(user, day);
                }
            }
            people(&mut site, day, minute, weekend);
            if let Some(group) = group {
                group.act(&mut site, template, (day, minute));
            }
            if has_thieves && day >= BEGIN {
                steal(&mut site, &thieves, &mut places, (style, template));
            }
        }
        survey(&mut site, &mut strangers);
    }
    let mut bad = if has_thieves { thieves } else { Vec::new() };
    let planted = group.map_or(&[][..], Group::thieves);
    bad.extend(planted);
    let mut month = judged(site, &bad, strangers);
    month.planted = planted
        .iter()
        .map(|thief| (*thief, month.first(*thief, Severity::Low), month.first(*thief, Severity::High)))
        .collect();
    month
}

/// What thieves take in a minute.
fn steal(site: &mut Site, thieves: &[u64], places: &mut [u64], (style, template): (Style, u64)) {
    for ((thief, rate), place) in thieves.iter().zip(RATES).zip(places) {
        let times = rate / MINUTES + u64::from(site.random.below(MINUTES) < rate % MINUTES);
        (0..times).for_each(|_| site.thief(*thief, style, place, template));
    }
}

/// What a month's end says of everybody.
fn judged(site: Site, thieves: &[u64], strangers: Strangers) -> Month {
    let first = |thief: u64, least: Severity| {
        let mut told = site.told.iter().filter(|(_, user, case)| *user == thief && case.severity >= least);
        told.next().map(|(day, _, _)| day - BEGIN)
    };
    let trespassers = TRESPASSERS.map(|user| site.who(user));
    let worst = |who: &Who| {
        let of_it = site.trespasses.iter().filter(|(_, case)| case.who == *who);
        of_it.map(|(_, case)| case.severity).max()
    };
    let told = trespassers.iter().map(worst).collect();
    let mistaken =
        site.trespasses.iter().filter(|(_, case)| !trespassers.contains(&case.who)).copied().collect();
    Month {
        strangers,
        told: site.told.clone(),
        planted: Vec::new(),
        thieves: thieves
            .iter()
            .zip(RATES)
            .map(|(thief, rate)| (rate, first(*thief, Severity::Low), first(*thief, Severity::High)))
            .collect(),
        false_alarms: site
            .told
            .into_iter()
            .filter(|(_, user, case)| case.is_new && !thieves.contains(user))
            .collect(),
        asks: site.asks,
        trespassers: told,
        mistaken,
    }
}

/// Users that try functions: one that is served one by chance, one that walks, and one that walks and finds one open.
const TRESPASSERS: [u64; 3] = [900, 901, 902];

fn trespass(site: &mut Site, day: u64, minute: u64) {
    let [served, walks, finds] = TRESPASSERS;
    match (day, minute) {
        (12, 600) => site.use_(served, 302),
        (13.., 600) if day < 23 => site.call(walks, 600 + u32::try_from(day).unwrap(), false),
        (20, 600..604) => site.call(finds, 610 + u32::try_from(minute - 600).unwrap(), false),
        (20, 604) => site.use_(finds, 302),
        _ => {}
    }
}

/// What everybody but users does.
fn people(site: &mut Site, day: u64, minute: u64, weekend: bool) {
    let office = (9 * 60..17 * 60).contains(&minute) && !weekend;
    if office {
        let mut agents: Vec<u64> = (1_100..1_110).collect();
        agents.extend(if day >= 12 { 1_110..1_113 } else { 0..0 });
        agents.extend(if day >= 20 { 1_113..1_114 } else { 0..0 });
        for agent in agents {
            if site.random.below(8 * 60) < 20 {
                site.support(agent);
            }
        }
        for admin in if day >= 16 { 1_200..1_206 } else { 1_200..1_204 } {
            if site.random.below(8 * 60) < 15 {
                site.use_(admin, 300);
                site.use_(admin, 301);
                site.use_(admin, 302);
                let user = site.random.below(USERS);
                site.ask(Some(admin), PROFILES, user, Outcome::Given);
            }
        }
        // A new role.
        for auditor in if day >= 15 { 1_300..1_305 } else { 0..0 } {
            if site.random.below(8 * 60) < 30 {
                let order = site.any_order();
                site.use_(auditor, 400);
                site.ask(Some(auditor), AUDIT, order, Outcome::Given);
                site.order(auditor, order);
            }
        }
    }
    // Programs that synchronise, by night.
    if minute < 100 {
        for program in 1_400..1_402 {
            site.use_(program, 500);
            for _ in 0..5 {
                let order = site.any_order();
                site.order(program, order);
            }
        }
    }
}

/// What happens to honest people.
fn surprise(site: &mut Site, day: u64) {
    site.now = START + day * 86_400;
    match day {
        // An import: a new key creates what users read later.
        10 => {
            for _ in 0..5_000 {
                let user = site.random.below(USERS);
                site.orders.push(user);
                let order = site.orders.len() as u64 - 1;
                site.of_user[at(user)].push(order);
                site.order(1_500, order);
            }
        }
        // New templates.
        18 => site.is_v2 = true,
        // Ten users take over what ten others had.
        22 => {
            for number in 0..10 {
                let (from, to) = (300 + number, 800 + number);
                let orders = std::mem::take(&mut site.of_user[at(from)]);
                for order in &orders {
                    site.orders[usize::try_from(*order).unwrap()] = to;
                    site.order(to, *order);
                }
                site.of_user[at(to)].extend(orders);
            }
        }
        // The names of one in twenty change.
        25 => site.renamed = (0..USERS).filter(|user| user % 20 == 3).collect(),
        _ => {}
    }
}

/// `SEEDS` months, from the seed `FROM` on: thresholds are to be checked with seeds that they were not chosen with.
fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let from: u64 = number("FROM").unwrap_or(0);
    from..from + number("SEEDS").unwrap_or(default)
}

/// `FROM=1000 SEEDS=10 cargo test -p sensor --release measure_thieves -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "it measures")]
fn measure_thieves() {
    for (style, template) in
        [(Style::Known, ORDERS), (Style::Sequence, ORDERS), (Style::Guess, ORDERS), (Style::Known, DOCUMENTS)]
    {
        let mut found: BTreeMap<u64, Vec<_>> = BTreeMap::new();
        let (mut medium, mut high, mut days, mut asks) = (0, 0, 0, 0);
        for seed in seeds(3) {
            let month = month(seed, Plan { style, template, has_thieves: true, group: None });
            for (rate, told, alarmed) in month.thieves {
                found.entry(rate).or_default().push((told, alarmed));
            }
            for (day, user, case) in &month.false_alarms {
                println!("  false alarm: day {day} user {user} {case:?}");
            }
            let alarms =
                |least| month.false_alarms.iter().filter(|(_, _, case)| case.severity >= least).count();
            high += alarms(Severity::High);
            medium += alarms(Severity::Medium) - alarms(Severity::High);
            for ((group, template), met) in &month.strangers {
                let (over, roams) = (met.over.len(), met.roams.len());
                println!(
                    "  {group} under {template}: at most {} strangers a week, {over} over, {roams} roam {:?}",
                    met.most,
                    met.over.values().next()
                );
            }
            println!("  trespassers: {:?}; others: {:?}", month.trespassers, month.mistaken);
            days += DAYS - 7;
            asks += month.asks;
        }
        println!(
            "{style:?} {}: false alarms in {days} days: {high} high, {medium} medium; {asks} requests",
            template >> 20
        );
        for (rate, days) in found.iter().rev() {
            println!("  {rate} a day: (days until told, until high) {days:?}");
        }
    }
}

/// `FROM=1000 SEEDS=10 cargo test -p sensor --release measure_groups -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "it measures")]
fn measure_groups() {
    for (group, template) in Group::ALL.into_iter().flat_map(|group| [(group, ORDERS), (group, DOCUMENTS)]) {
        for seed in seeds(2) {
            let plan = Plan { style: Style::Known, template, has_thieves: false, group: Some(group) };
            let month = month(seed, plan);
            let alarms =
                |least| month.false_alarms.iter().filter(|(_, _, case)| case.severity >= least).count();
            println!(
                "{group:?} under {}, seed {seed}: false alarms {} high, {} medium; (days until told, until high)",
                template >> 20,
                alarms(Severity::High),
                alarms(Severity::Medium) - alarms(Severity::High)
            );
            for (day, user, case) in
                month.false_alarms.iter().filter(|(_, _, case)| case.severity >= Severity::High)
            {
                println!("  false alarm: day {day} user {user} {case:?}");
            }
            println!(
                "  {:?}",
                month.planted.iter().map(|(_, told, high)| (*told, *high)).collect::<Vec<_>>()
            );
        }
    }
}

/// Accomplices do not hide each other, a new role hides no thief, and who reads only what another one read before meets
/// those that it belongs to.
#[test]
fn thieves_in_company_are_told() {
    for group in Group::ALL {
        let plan = Plan { style: Style::Known, template: ORDERS, has_thieves: false, group: Some(group) };
        let month = month(1, plan);
        for (thief, told, high) in &month.planted {
            let is_told = if group.is_high(*thief) { high } else { told };
            assert!(is_told.is_some_and(|days| days <= 14), "{group:?}: {thief} {told:?} {high:?}");
        }
        let high = month.false_alarms.iter().filter(|(_, _, case)| case.severity >= Severity::High);
        assert_eq!(high.count(), 0, "{group:?}: {:?}", month.false_alarms);
    }
}

/// The part of the measurement that takes no time: one month, with thieves and surprises.
#[test]
fn thieves_are_told_and_honest_people_are_not() {
    let month = month(1, Plan { style: Style::Known, template: ORDERS, has_thieves: true, group: None });
    for (rate, told, _) in &month.thieves {
        assert!(*rate < 20 || told.is_some_and(|days| days <= 14), "{rate} a day: {told:?}");
    }
    let high = month.false_alarms.iter().filter(|(_, _, case)| case.severity >= Severity::High);
    assert_eq!(high.count(), 0, "{:?}", month.false_alarms);
    assert!(month.trespassers.iter().all(Option::is_some), "{:?}", month.trespassers);
    assert!(month.mistaken.iter().all(|(_, case)| case.severity < Severity::High), "{:?}", month.mistaken);
}

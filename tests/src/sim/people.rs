//! Users: at home, with a mobile carrier, in the office; and visitors brought by an advertisement.
//!
//! The failure ratio of logins is not taken from one study: published figures differ from site to site, and 5 to 12%
//! is what they have in common. Users mistype about 5% of passwords here, and one in 500 has forgotten it; the ratio
//! that results is 8 to 9%, and a test holds it.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sensor::clock::Timestamp;
use sensor::identity::Kind;

use super::Actor;
use super::apps::App;
use super::plan::{HOUR, MINUTE, civil, level};
use super::random::mix;
use super::record::{Behaviour, Origin};
use super::routes::Route;
use super::stage::{ACCOUNTS, ITEMS, Stage, Visitor, address, address_v6, per_minute};

/// Visits for each one that logs in: the others are still logged in from last time.
const VISITS_PER_LOGIN: f64 = 1.5;
/// Share of visits that open the page of 60 requests.
const BURSTS: f64 = 0.05;
/// A carrier's addresses, in two /24.
const CARRIER_ADDRESSES: u64 = 40;
/// Carriers.
const CARRIERS: u64 = 3;

/// All users but those of the office.
pub(super) struct Population;

impl Actor for Population {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let plan = &stage.site.plan;
        let rate = plan.logins_per_minute * VISITS_PER_LOGIN * level(plan.seed, now);
        // Some users come far more often than others.
        let user = (stage.random.unit().powi(2) * ACCOUNTS as f64) as u64;
        let logs_in = stage.random.chance(1.0 / VISITS_PER_LOGIN);
        visit(stage, now, user, logs_in);
        Some(now.plus(stage.random.gap(per_minute(rate))))
    }
}

fn visit(stage: &mut Stage<'_>, now: Timestamp, user: u64, logs_in: bool) {
    let mut visitor = at_home_or_mobile(stage, now, user);
    let is_burst = stage.site.plan.has(Behaviour::PageBurst) && stage.random.chance(BURSTS);
    let at = open_page(stage, &mut visitor, now, user, is_burst);
    let at = if logs_in { log_in(stage, &mut visitor, at, user) } else { Some(at) };
    let Some(at) = at else { return };
    visitor.principal = Some(stage.site.principal(Kind::Session, mix(user ^ now.unix_nanos())));
    browse(stage, &visitor, at, Some(user));
}

fn at_home_or_mobile(stage: &Stage<'_>, now: Timestamp, user: u64) -> Visitor {
    let site = stage.site;
    let app = App::of_user(&site.shares, user);
    let of_user = mix(user ^ site.plan.seed);
    let (client, behaviour) = match of_user % 100 {
        share if share < 28 && site.plan.has(Behaviour::Carrier) => {
            // A phone gets another address of its carrier every few hours.
            let number = mix(user ^ (now.unix_nanos() / (6 * HOUR.as_nanos() as u64))) % CARRIER_ADDRESSES;
            (carrier(of_user % CARRIERS, number), Behaviour::Carrier)
        }
        share if share < 38 => (address_v6(of_user), Behaviour::Resident),
        // Two users in a household.
        _ => (address(mix((user / 2) ^ site.plan.seed)), Behaviour::Resident),
    };
    Visitor { client, app, principal: None, origin: Origin::Benign(behaviour) }
}

fn carrier(number: u64, address: u64) -> IpAddr {
    let (third, fourth) = (10 + address % 2, 20 + address / 2);
    IpAddr::V4(Ipv4Addr::new(100, 101 + number as u8, third as u8, fourth as u8))
}

fn open_page(
    stage: &mut Stage<'_>,
    visitor: &mut Visitor,
    now: Timestamp,
    user: u64,
    is_burst: bool,
) -> Timestamp {
    let at = stage.request(visitor, now, (Route::Home, 0), 200);
    if !is_burst {
        let late = |n: u64| at.plus(Duration::from_millis(40 * n));
        for n in 1..=3 {
            stage.request(visitor, late(n), (Route::Static, n), 200);
        }
        return at.plus(MINUTE / 20);
    }
    let was = visitor.origin;
    visitor.origin = Origin::Benign(Behaviour::PageBurst);
    for n in 0..60 {
        let (route, id) = if n < 30 { (Route::Static, n) } else { (Route::Item, item(mix(user ^ n))) };
        stage.request(visitor, at.plus(Duration::from_millis(33 * n)), (route, id), 200);
    }
    visitor.origin = was;
    at.plus(MINUTE / 20)
}

/// Attempts until one succeeds or the user gives up; when it succeeded.
fn log_in(stage: &mut Stage<'_>, visitor: &mut Visitor, mut at: Timestamp, user: u64) -> Option<Timestamp> {
    if stage.site.plan.has(Behaviour::ForgottenPassword) && stage.random.chance(0.002) {
        return forgotten(stage, visitor, at, user);
    }
    let mut failing = 0.05;
    for number in 1..=4 {
        let is_right = !stage.random.chance(failing);
        let password = stage.site.password(user, if is_right { 0 } else { number });
        let answered = stage.log_in(visitor, at, user, password, is_right);
        if is_right {
            return Some(answered);
        }
        failing = 0.35;
        at = answered.plus(Duration::from_secs(4) + stage.random.within(MINUTE / 4));
    }
    None
}

fn forgotten(
    stage: &mut Stage<'_>,
    visitor: &mut Visitor,
    mut at: Timestamp,
    user: u64,
) -> Option<Timestamp> {
    visitor.origin = Origin::Benign(Behaviour::ForgottenPassword);
    for number in 0..5 + stage.random.below(11) {
        // People try the few passwords that they have, again and again.
        let password = stage.site.password(user, 1 + number % 4);
        at = stage.log_in(visitor, at, user, password, false);
        at = at.plus(Duration::from_secs(5) + stage.random.within(MINUTE / 2));
    }
    let reset = stage.request(visitor, at, (Route::Reset, 0), 200);
    let at = reset.plus(MINUTE + stage.random.within(MINUTE * 3));
    let password = stage.site.password(user, 99);
    stage.random.chance(0.8).then(|| stage.log_in(visitor, at, user, password, true))
}

fn browse(stage: &mut Stage<'_>, visitor: &Visitor, mut at: Timestamp, user: Option<u64>) {
    for _ in 0..1 + stage.random.run(0.18, 30) {
        at = at.plus(stage.random.gap(MINUTE / 4));
        let choice = stage.random.below(100);
        let any = stage.random.bits();
        let (target, status) = match (choice, user) {
            (0..15, Some(user)) => ((Route::UserOrders, user), 200),
            (15..22, Some(_)) => ((Route::Orders, 0), 200),
            (22..50, _) => ((Route::Search, 0), 200),
            (99, _) => ((Route::Item, ITEMS + any % ITEMS), 404),
            _ => ((Route::Item, item(any)), 200),
        };
        at = stage.request(visitor, at, target, status);
    }
}

/// An item; some are far more popular than others.
fn item(any: u64) -> u64 {
    let part = any % 1_000_000;
    part * part / 1_000_000 * ITEMS / 1_000_000
}

/// 500 people behind one address.
pub(super) struct Office;

/// Its people.
const PEOPLE: f64 = 500.0;

impl Office {
    /// Its address.
    pub(super) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(62, 40, 17, 9));

    /// Logins a minute: most come around nine, on Monday all of them.
    fn rate(now: Timestamp) -> f64 {
        let (hour, day) = civil(now);
        let share = match day {
            0 => 1.0,
            1..5 => 0.6,
            _ => return 0.01,
        };
        let morning = (-((hour - 9.0) * 3.0).powi(2) / 2.0).exp() * share * 3.0 / (60.0 * 2.507);
        let rest = if (9.5..17.5).contains(&hour) { 0.3 / (60.0 * 8.0) } else { 0.0 };
        PEOPLE * (morning + rest)
    }
}

impl Actor for Office {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        /// More than [`Office::rate`] ever is; what comes too often is thinned out.
        const MOST: f64 = 12.0;
        if stage.random.chance(Self::rate(now) / MOST) {
            let user = ACCOUNTS - 1 - stage.random.below(PEOPLE as u64);
            // One in six brought another browser.
            let is_odd = mix(user).is_multiple_of(6);
            let app = if is_odd { App::of_user(&stage.site.shares, user) } else { App::OFFICE };
            let origin = Origin::Benign(Behaviour::Office);
            let mut visitor = Visitor { client: Self::ADDRESS, app, principal: None, origin };
            let at = open_page(stage, &mut visitor, now, user, false);
            if let Some(at) = log_in(stage, &mut visitor, at, user) {
                visitor.principal = Some(stage.site.principal(Kind::Session, mix(user ^ now.unix_nanos())));
                browse(stage, &visitor, at, Some(user));
            }
        }
        Some(now.plus(stage.random.gap(per_minute(MOST))))
    }
}

/// An hour of 5 to 10 times as many visitors, few of whom log in.
pub(super) struct Marketing;

impl Actor for Marketing {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let site = stage.site;
        let windows = site.plan.windows(Behaviour::Marketing);
        let (from, until) = *windows.iter().find(|(_, until)| now < *until)?;
        if now < from {
            return Some(from);
        }
        // It rises within minutes and fades over the hour.
        let part = now.since(from).as_secs_f64() / until.since(from).as_secs_f64();
        let factor = 9.0 * (part * 20.0).min(1.0) * (1.0 - part * 0.55);
        let rate = site.plan.logins_per_minute * VISITS_PER_LOGIN * factor.max(0.1);
        let client = address(stage.random.bits());
        let app = site.shares.pick(stage.random);
        let origin = Origin::Benign(Behaviour::Marketing);
        let mut visitor = Visitor { client, app, principal: None, origin };
        let user = stage.random.below(ACCOUNTS);
        let at = open_page(stage, &mut visitor, now, user, false);
        let logs_in = stage.random.chance(0.05);
        let at = if logs_in { log_in(stage, &mut visitor, at, user) } else { Some(at) };
        visitor.origin = origin;
        if let Some(at) = at {
            browse(stage, &visitor, at, logs_in.then_some(user));
        }
        Some(now.plus(stage.random.gap(per_minute(rate))))
    }
}

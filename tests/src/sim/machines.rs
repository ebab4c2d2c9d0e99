//! Legitimate programs: all that is regular, repeats itself or walks through things, and means no harm.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sensor::clock::Timestamp;
use sensor::identity::Kind;

use super::Actor;
use super::apps::App;
use super::plan::{DAY, HOUR, MINUTE, civil};
use super::random::mix;
use super::record::{Behaviour, Origin};
use super::routes::Route;
use super::stage::{ITEMS, Stage, Visitor, address};

const SECOND: Duration = Duration::from_secs(1);

const fn visitor(client: IpAddr, app: App, behaviour: Behaviour) -> Visitor {
    Visitor { client, app, principal: None, origin: Origin::Benign(behaviour) }
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

/// Asks for health every 5 seconds.
pub(super) struct HealthChecker;

impl Actor for HealthChecker {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let checker = visitor(v4(63, 0, 2, 5), App::PROBE, Behaviour::HealthChecker);
        stage.request(&checker, now, (Route::Health, 0), 200);
        Some(now.plus(SECOND * 5))
    }
}

/// A search engine: from four addresses, three quarters of an hour in every four hours, a page every two seconds; 3%
/// are gone.
pub(super) struct Crawler;

impl Actor for Crawler {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let (hour, _) = civil(now);
        if hour % 4.0 < 0.75 {
            let host = stage.random.below(4) as u8;
            let crawler = visitor(v4(66, 249, 66, 10 + host), App::CRAWLER, Behaviour::Crawler);
            let is_gone = stage.random.chance(0.03);
            // Links lead anywhere, never from one number to the next.
            let id = stage.random.below(ITEMS) + if is_gone { ITEMS } else { 0 };
            stage.request(&crawler, now, (Route::Item, id), if is_gone { 404 } else { 200 });
        }
        Some(now.plus(SECOND + stage.random.within(SECOND * 2)))
    }
}

/// A price comparison: one of twenty addresses, three hours each day, an item every 15 seconds.
pub(super) struct Bot(pub(super) u8);

impl Actor for Bot {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let (hour, _) = civil(now);
        let begins = f64::from(self.0 % 21);
        if (begins..begins + 3.0).contains(&hour) {
            let client = address(mix(stage.site.plan.seed) ^ u64::from(self.0));
            let bot = visitor(client, App(u16::from(self.0 % 3)), Behaviour::Bot);
            let id = stage.random.below(ITEMS);
            stage.request(&bot, now, (Route::Item, id), 200);
        }
        Some(now.plus(SECOND * 5 + stage.random.gap(SECOND * 10)))
    }
}

/// A partner's job: at two in the night, all items in order with its key, ten a second.
pub(super) struct BatchJob {
    next: u64,
}

impl BatchJob {
    pub(super) const fn new() -> Self {
        Self { next: 0 }
    }
}

impl Actor for BatchJob {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        const WALKED: u64 = 20_001;
        let (hour, _) = civil(now);
        let until_two = DAY.mul_f64((26.0 - hour) % 24.0 / 24.0);
        if self.next == 0 && until_two > SECOND {
            self.next = 1;
            return Some(now.plus(until_two));
        }
        let mut job = visitor(v4(87, 106, 3, 44), App::BATCH, Behaviour::BatchJob);
        job.principal = Some(stage.site.principal(Kind::ApiKey, 1));
        stage.request(&job, now, (Route::Item, self.next), 200);
        self.next = (self.next + 1) % WALKED;
        Some(now.plus(if self.next == 0 { HOUR } else { SECOND / 10 }))
    }
}

/// A client whose key has expired: 401 every second for three hours.
pub(super) struct ExpiredKey;

impl Actor for ExpiredKey {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let windows = stage.site.plan.windows(Behaviour::ExpiredKey);
        let (from, _) = *windows.iter().find(|(_, until)| now < *until)?;
        if now < from {
            return Some(from);
        }
        let mut client = visitor(v4(51, 15, 80, 7), App::SCRIPT, Behaviour::ExpiredKey);
        client.principal = Some(stage.site.principal(Kind::ApiKey, 2));
        stage.request(&client, now, (Route::Orders, 0), 401);
        Some(now.plus(SECOND))
    }
}

/// A phone's application that has the password from before: an attempt every quarter of an hour for two days, then the
/// user enters the new one, and all is well for three.
pub(super) struct OldPassword {
    user: u64,
    attempts: u32,
}

impl OldPassword {
    pub(super) const fn new(user: u64) -> Self {
        Self { user, attempts: 0 }
    }
}

impl Actor for OldPassword {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        const ATTEMPTS: u32 = 192;
        let home = address(mix((self.user / 2) ^ stage.site.plan.seed));
        let phone = visitor(home, App::STORED, Behaviour::OldPassword);
        let is_right = self.attempts == ATTEMPTS;
        let password = stage.site.password(self.user, u64::from(!is_right));
        stage.log_in(&phone, now, self.user, password, is_right);
        self.attempts = if is_right { 0 } else { self.attempts + 1 };
        Some(now.plus(if is_right { DAY * 3 } else { MINUTE * 15 + stage.random.within(SECOND * 20) }))
    }
}

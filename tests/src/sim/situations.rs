//! Honest programs and people whose traffic resembles an attack: misses by the dozen, passwords that are long out of
//! date, hundreds of people behind one address. Each is what an operator reported, or what such a program does.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sensor::clock::Timestamp;
use sensor::event::LoginOutcome;
use sensor::identity::Kind;

use super::Actor;
use super::apps::App;
use super::plan::{HOUR, MINUTE, civil};
use super::random::mix;
use super::record::{Behaviour, Origin};
use super::routes::Route;
use super::stage::{ITEMS, Stage, Visitor, address, per_minute};

const SECOND: Duration = Duration::from_secs(1);

const fn visitor(client: IpAddr, app: App, behaviour: Behaviour) -> Visitor {
    Visitor { client, app, principal: None, origin: Origin::Benign(behaviour) }
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

/// All of them, as far as a plan has them.
pub(super) fn of(has: impl Fn(Behaviour) -> bool) -> Vec<Box<dyn Actor>> {
    let all: [(Behaviour, Box<dyn Actor>); 10] = [
        (Behaviour::PackageCache, Box::new(PackageCache)),
        (Behaviour::BuildCache, Box::new(BuildCache)),
        (Behaviour::Avatars, Box::new(Avatars)),
        (Behaviour::Backup, Box::new(Backup)),
        (Behaviour::Icons, Box::new(Icons)),
        (Behaviour::Covers, Box::new(Covers)),
        (Behaviour::SyncPrograms, Box::new(SyncPrograms { turn: 0 })),
        (Behaviour::OldSecret, Box::new(OldSecret { turn: 0 })),
        (Behaviour::SchoolDay, Box::new(SchoolDay)),
        (Behaviour::Throttled, Box::new(Throttled { attempts: 0 })),
    ];
    all.into_iter().filter(|(behaviour, _)| has(*behaviour)).map(|(_, actor)| actor).collect()
}

/// Resolves the dependencies of a build every twenty minutes: 80 packages by their digests, ten a second. What is not
/// mirrored here it gets elsewhere.
struct PackageCache;

impl Actor for PackageCache {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let builder = visitor(v4(62, 40, 18, 4), App::PACKAGES, Behaviour::PackageCache);
        for n in 0..80 {
            let package = stage.random.below(30_000);
            let status = if mix(package).is_multiple_of(5) { 200 } else { 404 };
            stage.request(&builder, now.plus(SECOND * n / 10), (Route::Package, package), status);
        }
        Some(now.plus(MINUTE * 20))
    }
}

/// Asks for the result of each of 60 steps every five minutes; what is not there is built and put there.
struct BuildCache;

impl Actor for BuildCache {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let agent = visitor(v4(62, 40, 18, 5), App::BUILD, Behaviour::BuildCache);
        let mut at = now;
        for _ in 0..60 {
            let step = stage.random.bits() % 1_000_000_000;
            let is_there = stage.random.chance(0.3);
            let status = if is_there { 200 } else { 404 };
            at = stage.request(&agent, at, (Route::BuildResult, step), status).plus(SECOND / 10);
            if !is_there {
                at = stage.send(&agent, at.plus(SECOND), "PUT", (Route::BuildResult, step), 201);
            }
        }
        Some(now.plus(MINUTE * 5))
    }
}

/// Pages of members, each with 24 pictures, of which most were never uploaded.
struct Avatars;

impl Actor for Avatars {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let app = stage.site.shares.pick(stage.random);
        let mut reader = visitor(address(stage.random.bits()), app, Behaviour::Avatars);
        reader.principal = Some(stage.site.principal(Kind::Session, stage.random.bits()));
        for page in 0..1 + stage.random.below(4) as u32 {
            stage.request(&reader, now.plus(MINUTE / 2 * page), (Route::Orders, 0), 200);
            for n in 0..24 {
                let member = stage.random.below(40_000);
                let status = if mix(member).is_multiple_of(3) { 200 } else { 404 };
                let at = now.plus(MINUTE / 2 * page + SECOND * n / 30);
                stage.request(&reader, at, (Route::Avatar, member), status);
            }
        }
        Some(now.plus(stage.random.gap(per_minute(4.0))))
    }
}

/// Every hour, a backup deletes 300 snapshots that are due, five a second; most are gone already.
struct Backup;

impl Actor for Backup {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let mut job = visitor(v4(87, 106, 3, 45), App::BACKUP, Behaviour::Backup);
        job.principal = Some(stage.site.principal(Kind::ApiKey, 3));
        let first = now.unix_nanos() / HOUR.as_nanos() as u64 * 300;
        for n in 0..300 {
            let status = if stage.random.chance(0.7) { 404 } else { 204 };
            let snapshot = (Route::Snapshot, first % 1_000_000 + u64::from(n));
            stage.send(&job, now.plus(SECOND * n / 5), "DELETE", snapshot, status);
        }
        Some(now.plus(HOUR))
    }
}

/// The office's devices ask for icons of every size, and there are none.
struct Icons;

impl Actor for Icons {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let device = App(stage.random.below(8) as u16);
        let device = visitor(super::people::Office::ADDRESS, device, Behaviour::Icons);
        let (first, count) = (stage.random.below(24), 1 + stage.random.below(3));
        for n in 0..count {
            stage.request(&device, now, (Route::Icon, (first + n) % 24), 404);
        }
        Some(now.plus(stage.random.gap(per_minute(2.0))))
    }
}

/// Somebody scrolls through a shelf: up to eight pages of 60 covers in order, one in ten of which is missing.
struct Covers;

impl Actor for Covers {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let mut reader = visitor(address(stage.random.bits()), App::SHELF, Behaviour::Covers);
        reader.principal = Some(stage.site.principal(Kind::Session, stage.random.bits()));
        let first = stage.random.below(ITEMS);
        for page in 0..1 + stage.random.below(8) as u32 {
            let begin = now.plus(SECOND * 20 * page);
            stage.request(&reader, begin, (Route::Search, 0), 200);
            for n in 0..60 {
                let cover = first + u64::from(page * 60 + n);
                let status = if mix(cover).is_multiple_of(10) { 404 } else { 200 };
                stage.request(
                    &reader,
                    begin.plus(SECOND / 2 + SECOND * n / 20),
                    (Route::Cover, cover),
                    status,
                );
            }
        }
        Some(now.plus(stage.random.gap(per_minute(0.7))))
    }
}

/// An office whose passwords expired: twenty programs retry the one that they have, every 45 seconds for eight hours;
/// then they have the new one, and ask every five minutes for sixteen.
struct SyncPrograms {
    turn: u64,
}

impl Actor for SyncPrograms {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        const PEOPLE: u64 = 20;
        const FAILING: u64 = 640;
        const WELL: u64 = 192;
        let program = visitor(v4(62, 40, 19, 7), App::SYNC, Behaviour::SyncPrograms);
        let is_right = self.turn % (FAILING + WELL) >= FAILING;
        for person in 0..PEOPLE {
            let at = now.plus(SECOND * person as u32 * 2 + stage.random.within(SECOND * 3));
            let user = 5_000 + person;
            let password = stage.site.password(user, u64::from(!is_right));
            stage.log_in(&program, at, user, password, is_right);
        }
        self.turn += 1;
        Some(now.plus(if is_right { MINUTE * 5 } else { SECOND * 45 }))
    }
}

/// Twelve services with accounts of their own and one secret, which was changed: each tries once a minute, for three
/// hours of every eight.
struct OldSecret {
    turn: u64,
}

impl Actor for OldSecret {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let service = visitor(v4(51, 15, 81, 9), App::SCRIPT, Behaviour::OldSecret);
        let is_right = self.turn % 480 >= 180;
        for number in 0..12 {
            let at = now.plus(SECOND * number as u32 * 4);
            let secret = stage.site.common_password(7_000 + u64::from(is_right));
            stage.log_in(&service, at, 6_000 + number, secret, is_right);
        }
        self.turn += 1;
        Some(now.plus(MINUTE))
    }
}

/// The first day of school: 240 pupils behind one address log in within twenty minutes, with passwords that they were
/// given on paper. Nearly half mistype it at first, and one in seven gives up.
struct SchoolDay;

impl SchoolDay {
    const PUPILS: u64 = 240;
}

impl Actor for SchoolDay {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let windows = stage.site.plan.windows(Behaviour::SchoolDay);
        let (from, until) = *windows.iter().find(|(_, until)| now < *until)?;
        if now < from {
            return Some(from);
        }
        for pupil in 0..Self::PUPILS {
            let user = 7_000 + pupil;
            let app = App::of_user(&stage.site.shares, user);
            let seat = visitor(v4(62, 40, 20, 2), app, Behaviour::SchoolDay);
            let mut at = now.plus(stage.random.within(MINUTE * 18));
            let attempts = if stage.random.chance(0.14) { 3 } else { 5 };
            for number in 1..=attempts {
                let is_right = number == 5 || (attempts == 5 && stage.random.chance(0.55));
                let password = stage.site.password(user, if is_right { 0 } else { number });
                at = stage.log_in(&seat, at, user, password, is_right);
                if is_right {
                    break;
                }
                at = at.plus(SECOND * 8 + stage.random.within(MINUTE / 2));
            }
        }
        Some(until)
    }
}

/// A program with the right password that the server asks to wait: it asks again every two seconds for ten minutes, and
/// gets in. Three times a day.
struct Throttled {
    attempts: u64,
}

impl Actor for Throttled {
    fn act(&mut self, now: Timestamp, stage: &mut Stage<'_>) -> Option<Timestamp> {
        let (hour, _) = civil(now);
        if hour % 8.0 > 1.0 && self.attempts == 0 {
            return Some(now.plus(MINUTE * 10));
        }
        let client = visitor(v4(51, 15, 82, 10), App::SYNC, Behaviour::Throttled);
        // It serves fifty mailboxes in turn.
        let user = 8_000 + self.attempts % 50;
        let password = stage.site.password(user, 0);
        self.attempts = (self.attempts + 1) % 300;
        if self.attempts != 0 {
            stage.attempt(&client, now, (user, password), 429, LoginOutcome::Unknown);
            return Some(now.plus(SECOND * 2));
        }
        stage.log_in(&client, now, user, password, true);
        Some(now.plus(HOUR * 7))
    }
}

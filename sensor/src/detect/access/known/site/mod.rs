//! A site of a thousand users for thirty days: sharing, teams, a support desk, administrators, programs that synchronise,
//! public objects, honest surprises; and thieves.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;

mod group;
mod month;

use super::*;
use crate::random::Random;

const USERS: u64 = 1_000;
const TEAM: u64 = 8;
const DAYS: u64 = 30;
const MINUTES: u64 = 24 * 60;

/// Templates. Orders are private, and have numbers; documents are shared, and have random names.
const ORDERS: u64 = 1 << 20;
const ORDERS_V2: u64 = 2 << 20;
const DOCUMENTS: u64 = 3 << 20;
const ARTICLES: u64 = 4 << 20;
const PROFILES: u64 = 5 << 20;
const AUDIT: u64 = 6 << 20;

/// How thieves go about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// They know the numbers.
    Known,
    /// One number after the other, from a random one on.
    Sequence,
    /// Random numbers, two of three of which do not exist.
    Guess,
}

/// What comes from whom.
struct Site {
    known: Known,
    random: Random,
    now: u64,
    /// The owner of each order, by its number.
    orders: Vec<u64>,
    of_user: Vec<Vec<u64>>,
    documents: Vec<Vec<u64>>,
    /// Whom a principal shares with, so far.
    is_v2: bool,
    renamed: BTreeSet<u64>,
    told: Vec<(u64, u64, Case)>,
    trespasses: Vec<(u64, Trespass)>,
    asks: u64,
    /// Those who come from elsewhere than their home, or with another program.
    elsewhere: BTreeMap<u64, Origin>,
}

/// The networks of the office and of its programs, and the program of its staff.
const OFFICE: u32 = 9_000;
const STAFF: u32 = 900;

fn hash(parts: (u64, u64)) -> u64 {
    foldhash::quality::FixedState::with_seed(7).hash_one(parts)
}

fn at(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

const START: u64 = 1_790_000_000 / 86_400 * 86_400;

impl Site {
    fn new(seed: u64) -> Self {
        let bounds = Bounds { objects: 1 << 20, people: 1 << 17, pairs: 1 << 17 };
        let limits = crate::detect::access::bola::Config::default().limits(4);
        let mut random = Random::new(seed);
        let mut orders = Vec::new();
        let mut of_user = vec![Vec::new(); usize::try_from(USERS * 2).unwrap()];
        for _ in 0..USERS * 30 {
            let user = random.below(USERS);
            of_user[at(user)].push(orders.len() as u64);
            orders.push(user);
        }
        let documents =
            (0..USERS).map(|user| (0..20).map(|number| user * 100_000 + number).collect()).collect();
        Self {
            known: Known::new(bounds, limits, seed),
            random,
            now: START,
            orders,
            of_user,
            documents,
            is_v2: false,
            renamed: BTreeSet::new(),
            told: Vec::new(),
            trespasses: Vec::new(),
            asks: 0,
            elsewhere: BTreeMap::new(),
        }
    }

    fn who(&self, user: u64) -> Who {
        let name = if self.renamed.contains(&user) { user + 1_000_000 } else { user };
        u32::try_from(hash((1, name)) >> 32).unwrap()
    }

    /// Three users share a network, and all share a few programs; staff sits in the office.
    fn origin(&self, user: u64) -> Origin {
        if let Some(origin) = self.elsewhere.get(&user) {
            return *origin;
        }
        let number = u32::try_from(user).unwrap();
        match user {
            ..1_100 => Origin { network: number / 3, program: number % 5 },
            1_100..1_400 => Origin { network: OFFICE, program: STAFF },
            _ => Origin { network: number, program: number },
        }
    }

    fn ask(&mut self, user: Option<u64>, template: u64, object: u64, outcome: Outcome) {
        let has_number = template == ORDERS || template == ORDERS_V2;
        let ask = Ask {
            who: user.map(|user| self.who(user)),
            template,
            function: u32::try_from(template >> 20).unwrap(),
            object: Some(hash((template, object))),
            number: has_number.then_some(object + 100_000),
            is_guessable: has_number,
            is_polluted: false,
            outcome,
            now: Timestamp::from_unix_micros(self.now * 1_000_000),
        };
        self.asks += 1;
        let origin = user.map(|user| self.origin(user)).unwrap_or_default();
        if let Some(case) = self.known.note(&ask, || origin) {
            self.told.push(((self.now - START) / 86_400, user.unwrap_or(u64::MAX), case));
        }
    }

    /// A function without objects.
    fn use_(&mut self, user: u64, function: u32) {
        let ask = Ask {
            who: Some(self.who(user)),
            template: u64::from(function) << 40,
            function,
            object: None,
            number: None,
            is_guessable: false,
            is_polluted: false,
            outcome: Outcome::Given,
            now: Timestamp::from_unix_micros(self.now * 1_000_000),
        };
        self.asks += 1;
        self.call(user, function, true);
        let origin = self.origin(user);
        assert_eq!(self.known.note(&ask, || origin), None);
    }

    fn call(&mut self, user: u64, function: u32, is_served: bool) {
        let now = Timestamp::from_unix_micros(self.now * 1_000_000);
        let call = Call { who: self.who(user), function, is_served, is_powerful: function >= 300, now };
        let day = (self.now - START) / 86_400;
        self.trespasses.extend(self.known.call(&call).map(|case| (day, case)));
    }

    fn order(&mut self, user: u64, order: u64) {
        let template = if self.is_v2 { ORDERS_V2 } else { ORDERS };
        self.ask(Some(user), template, order, Outcome::Given);
    }

    fn any_order(&mut self) -> u64 {
        self.random.below(self.orders.len() as u64)
    }

    fn document_of(&mut self, user: u64) -> u64 {
        *self.random.of(&self.documents[at(user)])
    }

    /// One visit of an ordinary user.
    fn visit(&mut self, user: u64, day: u64) {
        self.use_(user, 100);
        self.use_(user, 101);
        // Pages ask whether they may do more; links lead where they should not; some things are done once a year.
        self.call(user, 320, false);
        if self.random.chance(5) {
            let function = 330 + u32::try_from(self.random.below(4)).unwrap();
            self.call(user, function, false);
        }
        if self.random.chance(5) {
            let function = 340 + u32::try_from(self.random.below(10)).unwrap();
            self.use_(user, function);
        }
        if day >= 18 {
            self.use_(user, 350 + u32::try_from(user % 5).unwrap());
        }
        if self.random.chance(150) {
            self.orders.push(user);
            let order = self.orders.len() as u64 - 1;
            self.of_user[at(user)].push(order);
        }
        for _ in 0..self.random.below(6) {
            if !self.of_user[at(user)].is_empty() {
                let order = *self.random.of(&self.of_user[at(user)]);
                self.order(user, order);
            }
        }
        for _ in 0..self.random.below(5) {
            let document = self.document_of(user);
            self.ask(Some(user), DOCUMENTS, document, Outcome::Given);
        }
        self.share(user);
        for _ in 0..self.random.below(4) {
            let article = self.random.below(60) * self.random.below(60);
            let who = self.random.chance(700).then_some(user);
            self.ask(who, ARTICLES, article, Outcome::Given);
        }
        if self.random.chance(100) {
            let gone = self.random.below(1_000_000) + 1_000_000;
            let template = if self.is_v2 { ORDERS_V2 } else { ORDERS };
            self.ask(Some(user), template, gone, Outcome::Missing);
        }
        if self.random.chance(60) {
            let other = self.random.below(USERS);
            let document = self.document_of(other);
            self.ask(Some(user), DOCUMENTS, document, Outcome::Forbidden);
        }
        // A list of what colleagues do, since a deployment.
        if day >= 18 {
            for _ in 0..4 {
                let other = self.random.below(USERS);
                let document = self.document_of(other);
                self.ask(Some(user), DOCUMENTS, document, Outcome::Given);
            }
        }
    }

    /// What others have that an ordinary user looks at.
    fn share(&mut self, user: u64) {
        // Two thirds work in teams.
        if user < USERS * 2 / 3 {
            for _ in 0..self.random.below(5) {
                let mate = user / TEAM * TEAM + self.random.below(TEAM);
                let document = self.document_of(mate.min(USERS - 1));
                self.ask(Some(user), DOCUMENTS, document, Outcome::Given);
                self.ask(Some(user), PROFILES, mate, Outcome::Given);
            }
        }
        // Some share with everybody, most with few.
        let shares = if user % 50 == 7 { 3_000 } else { 300 };
        for _ in 0..(shares / 1_000 + u64::from(self.random.chance(shares % 1_000))) {
            let other = self.random.below(USERS);
            let document = self.document_of(other);
            self.ask(Some(user), DOCUMENTS, document, Outcome::Given);
        }
    }

    /// One of the support desk: ten, and some that come later.
    fn support(&mut self, agent: u64) {
        self.use_(agent, 200);
        self.use_(agent, 201);
        let user = self.random.below(USERS);
        self.ask(Some(agent), PROFILES, user, Outcome::Given);
        for _ in 0..2 {
            if !self.of_user[at(user)].is_empty() {
                let order = *self.random.of(&self.of_user[at(user)]);
                self.order(agent, order);
            }
        }
        if self.random.chance(300) {
            let document = self.document_of(user);
            self.ask(Some(agent), DOCUMENTS, document, Outcome::Given);
        }
    }

    fn thief(&mut self, user: u64, style: Style, at: &mut u64, template: u64) {
        let template = if template == ORDERS && self.is_v2 { ORDERS_V2 } else { template };
        if template == DOCUMENTS {
            let other = self.random.below(USERS);
            let document = self.document_of(other);
            return self.ask(Some(user), DOCUMENTS, document, Outcome::Given);
        }
        let order = match style {
            Style::Known => self.any_order(),
            Style::Guess if self.random.chance(666) => {
                let number = 2_000_000 + self.random.below(1_000_000);
                return self.ask(Some(user), template, number, Outcome::Missing);
            }
            Style::Guess => self.any_order(),
            Style::Sequence => {
                *at += 1;
                *at % self.orders.len() as u64
            }
        };
        self.ask(Some(user), template, order, Outcome::Given);
    }
}

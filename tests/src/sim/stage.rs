//! The environment of actors: the site that answers, and the resulting events.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use sensor::clock::Timestamp;
use sensor::event::{Held, Login, LoginOutcome};
use sensor::identity::{FleetHashes, Hasher, Key, KeyedHash, Kind};

use super::apps::{App, Shares};
use super::plan::{Plan, Window};
use super::random::{Random, mix};
use super::record::{Behaviour, Origin, SimEvent, SimExchange};
use super::routes::Route;

/// Accounts of the site.
pub const ACCOUNTS: u64 = 300_000;
/// Items that it sells.
pub const ITEMS: u64 = 50_000;

/// The site: how it answers, and when it cannot.
pub struct Site {
    hasher: Hasher,
    /// Of browsers.
    pub shares: Shares,
    /// What is simulated.
    pub plan: Plan,
    deployments: Vec<Window>,
    /// What really goes wrong: the anomalies to be found.
    pub trouble: Option<Trouble>,
}

/// Something that goes wrong on one route.
#[derive(Clone, Copy, Debug)]
pub struct Trouble {
    /// Where.
    pub route: Route,
    /// When.
    pub window: Window,
    /// The share of requests that fail with status 500.
    pub failing: f64,
    /// How many times as long answers take.
    pub slower: u32,
}

/// Who sends requests.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// The address.
    pub client: IpAddr,
    /// The program.
    pub app: App,
    /// The credentials' principal.
    pub principal: Option<KeyedHash>,
    /// The truth.
    pub origin: Origin,
}

impl Site {
    /// The site of a plan.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let deployments = plan.windows(Behaviour::Deployment);
        let hasher = Hasher::new(&Key::from_bytes([23; 32]));
        Self { hasher, shares: Shares::zipf(), plan, deployments, trouble: None }
    }

    /// The account of a user; numbers from [`ACCOUNTS`] on have none, and are names out of a stolen list.
    #[must_use]
    pub fn account(&self, user: u64) -> KeyedHash {
        self.hash(Kind::User, 0, user)
    }

    /// One of the passwords of a user: the right one has number 0. One in 25 users has one of 100 passwords that are
    /// common, the most common more often.
    #[must_use]
    pub fn password(&self, user: u64, number: u64) -> KeyedHash {
        let trait_of_user = mix(user ^ 0x9a55);
        if number == 0 && trait_of_user.is_multiple_of(25) {
            let rank = Random::new(trait_of_user).unit();
            return self.common_password((rank * rank * 100.0) as u64);
        }
        self.hash(Kind::Password, number + 1, user)
    }

    /// A password that many people have.
    #[must_use]
    pub fn common_password(&self, rank: u64) -> KeyedHash {
        self.hash(Kind::Password, u64::MAX, rank)
    }

    /// The principal behind an API key or a session.
    #[must_use]
    pub fn principal(&self, kind: Kind, number: u64) -> KeyedHash {
        self.hash(kind, 0, number)
    }

    fn hash(&self, kind: Kind, series: u64, number: u64) -> KeyedHash {
        let mut value = [0; 16];
        value[..8].copy_from_slice(&series.to_be_bytes());
        value[8..].copy_from_slice(&number.to_be_bytes());
        self.hasher.hash(kind, &value)
    }

    /// The status that a deployment gives all requests, where one is going on: in turns that of a server that does not
    /// run, and that of one that has lost its keys.
    fn failing(&self, at: Timestamp) -> Option<u16> {
        let number = self.deployments.iter().position(|(from, until)| *from <= at && at < *until)?;
        Some(if (number as u64 + self.plan.seed).is_multiple_of(2) { 503 } else { 401 })
    }
}

/// What an actor acts on, with random numbers of its own.
pub struct Stage<'a> {
    /// The site.
    pub site: &'a Site,
    /// The actor's.
    pub random: &'a mut Random,
    pub(super) events: &'a mut Events,
}

impl Stage<'_> {
    /// A request, which the site answers with this status if it is well. Returns when the answer is there.
    pub fn request(
        &mut self,
        visitor: &Visitor,
        at: Timestamp,
        (route, id): (Route, u64),
        status: u16,
    ) -> Timestamp {
        self.send(visitor, at, if route == Route::Reset { "POST" } else { "GET" }, (route, id), status)
    }

    /// The same by another method.
    pub fn send(
        &mut self,
        visitor: &Visitor,
        at: Timestamp,
        method: &'static str,
        target: (Route, u64),
        status: u16,
    ) -> Timestamp {
        self.emit(visitor, at, (method, target), status, None)
    }

    /// An attempt to log in. Returns when the answer is there, and how it was meant.
    pub fn log_in(
        &mut self,
        visitor: &Visitor,
        at: Timestamp,
        user: u64,
        password: KeyedHash,
        is_right: bool,
    ) -> Timestamp {
        let (status, outcome) =
            if is_right { (200, LoginOutcome::Success) } else { (401, LoginOutcome::Failure) };
        self.attempt(visitor, at, (user, password), status, outcome)
    }

    /// An attempt that is answered otherwise.
    pub fn attempt(
        &mut self,
        visitor: &Visitor,
        at: Timestamp,
        (user, password): (u64, KeyedHash),
        status: u16,
        outcome: LoginOutcome,
    ) -> Timestamp {
        let fingerprint = visitor.app.fingerprint();
        let user = Some(self.site.account(user));
        let login = Login {
            user,
            password: Some(password),
            outcome,
            unread: false,
            fingerprint,
            session: None,
            leaked: None,
            fleet: FleetHashes::default(),
        };
        self.emit(visitor, at, ("POST", (Route::Login, 0)), status, Some(login))
    }

    /// A connection that is held open.
    pub fn hold(&mut self, held: Held) {
        self.events.push(SimEvent::Held(held));
    }

    fn emit(
        &mut self,
        visitor: &Visitor,
        at: Timestamp,
        (method, (route, id)): (&'static str, (Route, u64)),
        status: u16,
        mut login: Option<Login>,
    ) -> Timestamp {
        let mut took = route.median().mul_f64(self.random.log_normal(1.0, 0.4));
        let mut status = status;
        if let Some(failing) = self.site.failing(at).filter(|_| route != Route::Static) {
            status = failing;
            let outcome = if failing == 401 { LoginOutcome::Failure } else { LoginOutcome::Unknown };
            login = login.map(|login| Login { outcome, ..login });
        }
        if let Some(trouble) = self.site.trouble.filter(|trouble| trouble.is_at(route, at)) {
            took *= trouble.slower;
            status = if self.random.chance(trouble.failing) { 500 } else { status };
        }
        let &mut Visitor { client, app, principal, origin } = &mut visitor.clone();
        let port = 32_768 + (mix(at.unix_nanos()) % 28_000) as u16;
        let exchange =
            SimExchange { at, took, client, port, app, method, route, id, status, principal, login, origin };
        self.events.push(SimEvent::Exchange(exchange));
        exchange.seen()
    }
}

impl Trouble {
    fn is_at(&self, route: Route, at: Timestamp) -> bool {
        route == self.route && self.window.0 <= at && at < self.window.1
    }
}

/// Events to come, the next one first.
#[derive(Default)]
pub(super) struct Events {
    heap: BinaryHeap<Pending>,
    pushed: u64,
}

impl Events {
    fn push(&mut self, event: SimEvent) {
        self.pushed += 1;
        self.heap.push(Pending { key: (event.known(), self.pushed), event });
    }

    /// When the next one becomes known.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.heap.peek().map(|pending| pending.key.0)
    }

    pub(super) fn pop(&mut self) -> Option<SimEvent> {
        self.heap.pop().map(|pending| pending.event)
    }
}

struct Pending {
    key: (Timestamp, u64),
    event: SimEvent,
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Pending {}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pending {
    /// The earlier is the greater, since the heap gives its greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}

/// An address of a home or a hosted machine: anywhere in the unicast space of IPv4 that the public net uses. Nothing
/// is ever sent to one.
#[must_use]
pub fn address(number: u64) -> IpAddr {
    let bits = mix(number);
    let (first, rest) = (11 + bits % 89, bits >> 32);
    IpAddr::V4(Ipv4Addr::from_bits(((first as u32) << 24) | (rest as u32 & 0x00ff_ffff)))
}

/// A home's address in IPv6: a /64 of its own.
#[must_use]
pub fn address_v6(number: u64) -> IpAddr {
    let bits = mix(number ^ 0x6666);
    IpAddr::V6(Ipv6Addr::from_bits((0x2a02_u128 << 112) | (u128::from(bits >> 16) << 64) | 1))
}

/// The mean gap of so many events a minute.
#[must_use]
pub fn per_minute(rate: f64) -> Duration {
    Duration::from_secs_f64((60.0 / rate).min(86_400.0))
}

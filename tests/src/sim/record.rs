//! Output of a simulation: exchanges and held connections that own their data, and who is behind them.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use sensor::clock::Timestamp;
use sensor::event::{
    Effects, Event, Exchange, Finding, Findings, Further, Held, Login, Object, QueryKeys, Source,
};
use sensor::identity::{FLEET_KEYS, KeyedHash};

use super::apps::App;
use super::exposure;
use super::routes::Route;

/// Who is behind an event: the ground truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody to be stopped.
    Benign(Behaviour),
    /// The attack.
    Attack,
}

/// What legitimate clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Behaviour {
    /// A user at home.
    Resident,
    /// A user of a mobile carrier, whose address thousands share.
    Carrier,
    /// 500 people behind one address, at their desks by nine.
    Office,
    /// 5 to 15 wrong passwords of a user, then a reset.
    ForgottenPassword,
    /// An application that goes on logging in with the password from before it was changed.
    OldPassword,
    /// A page that asks for 60 things in 2 seconds.
    PageBurst,
    /// A load balancer that asks for health every 5 seconds.
    HealthChecker,
    /// A search engine, at the pages of many items.
    Crawler,
    /// A price comparison with a browser's User-Agent, never logged in.
    Bot,
    /// A partner that walks through all items every night, with its key.
    BatchJob,
    /// A client with an expired key, once a second for hours.
    ExpiredKey,
    /// 5 to 10 times the traffic for an hour, most of it new visitors.
    Marketing,
    /// A minute in which every request fails.
    Deployment,
    /// A builder that asks for packages, most of which are not mirrored.
    PackageCache,
    /// A builder that asks for results, and stores those that are missing.
    BuildCache,
    /// Pages of members, most of whom have no picture.
    Avatars,
    /// A backup that deletes snapshots, most of which are gone.
    Backup,
    /// An office's devices, which ask for icons that do not exist.
    Icons,
    /// A shelf that is scrolled through, most of whose covers are missing.
    Covers,
    /// Twenty programs behind one address, each with its old password.
    SyncPrograms,
    /// Twelve services with one secret, which was changed.
    OldSecret,
    /// 240 pupils behind one address, who log in for the first time.
    SchoolDay,
    /// A program that is asked to wait and does not.
    Throttled,
}

impl Behaviour {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::Resident,
        Self::Carrier,
        Self::Office,
        Self::ForgottenPassword,
        Self::OldPassword,
        Self::PageBurst,
        Self::HealthChecker,
        Self::Crawler,
        Self::Bot,
        Self::BatchJob,
        Self::ExpiredKey,
        Self::Marketing,
        Self::Deployment,
        Self::PackageCache,
        Self::BuildCache,
        Self::Avatars,
        Self::Backup,
        Self::Icons,
        Self::Covers,
        Self::SyncPrograms,
        Self::OldSecret,
        Self::SchoolDay,
        Self::Throttled,
    ];

    /// Its name in reports.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Resident => "user at home",
            Self::Carrier => "mobile carrier's NAT",
            Self::Office => "office of 500",
            Self::ForgottenPassword => "forgotten password",
            Self::OldPassword => "application with an old password",
            Self::PageBurst => "page with 60 requests",
            Self::HealthChecker => "health checker",
            Self::Crawler => "crawler",
            Self::Bot => "price comparison",
            Self::BatchJob => "nightly batch job",
            Self::ExpiredKey => "expired key in a loop",
            Self::Marketing => "marketing spike",
            Self::Deployment => "failing deployment",
            Self::PackageCache => "package cache",
            Self::BuildCache => "build cache",
            Self::Avatars => "missing avatars",
            Self::Backup => "backup's deletions",
            Self::Icons => "office's icons",
            Self::Covers => "scrolled covers",
            Self::SyncPrograms => "20 programs with old passwords",
            Self::OldSecret => "12 services with an old secret",
            Self::SchoolDay => "first day of school",
            Self::Throttled => "throttled program",
        }
    }
}

/// An exchange that owns what it says.
#[derive(Clone, Copy, Debug)]
pub struct SimExchange {
    /// When the request began.
    pub at: Timestamp,
    /// Until the response began.
    pub took: Duration,
    /// Whose request it is.
    pub client: IpAddr,
    /// Its port.
    pub port: u16,
    /// With what program.
    pub app: App,
    /// Which way.
    pub method: &'static str,
    /// For what.
    pub route: Route,
    /// The identifier in the path, where the route has one.
    pub id: u64,
    /// Of the response.
    pub status: u16,
    /// Behind the credentials.
    pub principal: Option<KeyedHash>,
    /// The attempt to log in that it is.
    pub login: Option<Login>,
    /// The truth.
    pub origin: Origin,
}

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub enum SimEvent {
    /// An exchange.
    Exchange(SimExchange),
    /// A connection that is held open, always the attack's.
    Held(Held),
}

impl SimEvent {
    /// When it becomes known.
    #[must_use]
    pub fn known(&self) -> Timestamp {
        match self {
            Self::Exchange(exchange) => exchange.seen(),
            Self::Held(held) => held.ts,
        }
    }

    /// When it began, and whose it is.
    #[must_use]
    pub const fn source(&self) -> (Timestamp, IpAddr, Origin) {
        match self {
            Self::Exchange(exchange) => (exchange.at, exchange.client, exchange.origin),
            Self::Held(held) => (held.since, held.client, Origin::Attack),
        }
    }
}

impl SimExchange {
    /// When its last byte is seen: the transfer takes a fourth of the time until the first one.
    #[must_use]
    pub fn seen(&self) -> Timestamp {
        self.at.plus(self.took + self.took / 4)
    }
}

/// Lends simulated events as those that the sensor knows, with no allocation for each.
#[derive(Debug)]
pub struct Lender {
    path: String,
    agents: Vec<String>,
    forged: [Finding; 1],
}

/// Where the simulated site is.
const SERVER: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)), 80);

impl Default for Lender {
    fn default() -> Self {
        Self {
            path: String::new(),
            agents: App::all().map(App::user_agent).collect(),
            forged: exposure::forged(),
        }
    }
}

impl Lender {
    /// Shows an event to somebody.
    pub fn lend<T>(&mut self, event: &SimEvent, show: impl FnOnce(&Event<'_>) -> T) -> T {
        let exchange = match event {
            SimEvent::Held(held) => return show(&Event::Held(held)),
            SimEvent::Exchange(exchange) => exchange,
        };
        self.path.clear();
        write!(self.path, "{}", exchange.route.path(exchange.id)).expect("a string takes everything");
        let is_post = exchange.method == "POST";
        let shown = exposure::of(exchange, &self.forged);
        show(&Event::Exchange(&Exchange {
            ts: exchange.at,
            client: exchange.client,
            client_port: exchange.port,
            server: SERVER.0,
            server_port: SERVER.1,
            unit: None,
            peer: None,
            named_by_peer: false,
            seen_twice: false,
            websocket: None,
            http_version: "1.1",
            method: Some(exchange.method),
            host: Some("shop.example".into()),
            path: Some(self.path.as_str().into()),
            object: Object::default(),
            route: Some(exchange.route.template()),
            query_keys: QueryKeys::default(),
            status: Some(exchange.status),
            grpc: None,
            request_bytes: is_post.then_some(96),
            response_bytes: Some(exchange.route.bytes(exchange.status)),
            duration_us: Some(u64::try_from(exchange.took.as_micros()).expect("a short time")),
            user_agent: Some(self.agents[usize::from(exchange.app.0)].as_str().into()),
            content_type: is_post.then(|| "application/json".into()),
            principal: exchange.principal,
            fleet_principal: [0; FLEET_KEYS],
            login: exchange.login,
            further: Further::default(),
            cross_site: false,
            source: Source::Wire,
            tls: None,
            gaps: false,
            proven: true,
            anomalies: Findings::default(),
            findings: shown.0,
            effects: Effects::default(),
            exposed: shown.1,
            seen: exchange.seen(),
        }))
    }
}

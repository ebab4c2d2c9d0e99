//! A client's, or a site's, suspicious requests, and their severity.

use super::known::{self, Agent};
use super::{Config, NAMED, WINDOW};
use crate::clock::Timestamp;
use crate::detect::recent::{Distinct, share};
use crate::detect::weather::Weather;
use crate::detect::{Sample, Severity};
use crate::event::Exchange;

/// A client with something suspicious.
pub(super) struct Probing {
    pub(super) began: Timestamp,
    pub(super) exchanges: u32,
    /// Those with something suspicious.
    pub(super) suspicious: u32,
    pub(super) missing: Distinct<8>,
    /// Directories of those, and whether one lies at the top.
    directories: Distinct<1>,
    is_at_top: bool,
    /// Requests with credentials.
    with_credentials: u32,
    pub(super) probed: Distinct<4>,
    /// Weight of known probes.
    pub(super) weight: u32,
    pub(super) names: Vec<&'static str>,
    pub(super) agent: Agent,
    pub(super) tool_requests: u32,
    pub(super) told: Option<Severity>,
    pub(super) samples: Vec<Sample>,
}

impl Probing {
    pub(super) const fn new(began: Timestamp) -> Self {
        Self {
            began,
            exchanges: 0,
            suspicious: 0,
            missing: Distinct::NONE,
            directories: Distinct::NONE,
            is_at_top: false,
            with_credentials: 0,
            probed: Distinct::NONE,
            weight: 0,
            names: Vec::new(),
            agent: Agent::Other,
            tool_requests: 0,
            told: None,
            samples: Vec::new(),
        }
    }
}

/// Where a path lies, as hashes.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) path: u64,
    /// None at the top.
    pub(super) directory: Option<u64>,
}

/// Misses in this few directories may be a page's or a cache's.
const CONFINED: u32 = 2;
/// They count a third, and this percentage must be missing.
const CONFINED_TIMES: u32 = 3;
const CONFINED_PERCENT: u32 = 85;

/// What is suspicious about one exchange.
#[derive(Clone, Copy)]
pub(super) struct Clue {
    pub(super) probe: Option<known::Probe>,
    pub(super) missing: bool,
    pub(super) agent: Agent,
}

impl Probing {
    /// A table entry, restarted if its hour is over.
    pub(super) fn of(entry: Option<&mut Self>, now: Timestamp) -> Option<&mut Self> {
        let probing = entry?;
        if now.since(probing.began) > WINDOW {
            *probing = Self::new(now);
        }
        Some(probing)
    }

    /// Records what is suspicious; returns whether it is news.
    pub(super) fn note(&mut self, clue: &Clue, place: Place, exchange: &Exchange<'_>) -> bool {
        let mut is_news = false;
        self.exchanges = self.exchanges.saturating_add(1);
        self.suspicious = self.suspicious.saturating_add(1);
        self.with_credentials = self.with_credentials.saturating_add(u32::from(exchange.principal.is_some()));
        if clue.agent != Agent::Other {
            self.agent = clue.agent;
        }
        if matches!(clue.agent, Agent::Survey(_) | Agent::Attack(_)) {
            self.tool_requests = self.tool_requests.saturating_add(1);
            is_news = true;
        }
        if let Some(probe) = clue.probe
            && self.probed.note(place.path)
        {
            self.weight = self.weight.saturating_add(probe.weight);
            if self.names.len() < NAMED && !self.names.contains(&probe.text) {
                self.names.push(probe.text);
            }
            is_news = true;
        }
        if clue.missing {
            is_news |= self.missing.note(place.path);
            match place.directory {
                Some(directory) => {
                    self.directories.note(directory);
                }
                None => self.is_at_top = true,
            }
        }
        if is_news {
            Sample::keep(&mut self.samples, exchange);
        }
        is_news
    }

    /// Whether the misses may be those of a page or a cache: they lie together, and the client has credentials, or
    /// success besides.
    fn is_confined(&self) -> bool {
        let together = !self.is_at_top && self.directories.at_least() <= CONFINED;
        let besides = self.exchanges.saturating_sub(self.suspicious) >= 2;
        together && (besides || self.with_credentials.saturating_mul(2) > self.suspicious)
    }

    /// Whether most of what the client asks for does not exist.
    pub(super) fn mostly_missing(&self, percent: u32) -> bool {
        let (missing, all) = (u64::from(self.missing.estimate()), u64::from(self.exchanges));
        missing.saturating_mul(100) >= all.saturating_mul(percent.into())
    }
}

/// The severity, and the confidence.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) severity: Severity,
    pub(super) confidence: f64,
    pub(super) is_foreign: bool,
}

impl Found {
    /// What somebody else causes a browser to do is reported, without consequences.
    pub(super) fn of_foreign(self) -> Self {
        Self { severity: Severity::Low, confidence: share(30, 100), is_foreign: true }
    }
}

pub(super) fn judge(config: &Config, probing: &Probing, weather: &Weather, is_site: bool) -> Option<Found> {
    let mut worst = None;
    let mut find = |severity, percent: u32| worst = worst.max(Some((severity, percent)));
    let many = probing.tool_requests >= config.tool_requests;
    match probing.agent {
        // One of many clients naming a tool says nothing about the others.
        Agent::Attack(_) | Agent::Survey(_) if is_site && !many => {}
        Agent::Attack(_) => find(if many { Severity::High } else { Severity::Medium }, 90),
        Agent::Survey(_) => find(if many { Severity::Medium } else { Severity::Low }, 90),
        Agent::Bot | Agent::Other => {}
    }
    let high = config.probes.saturating_mul(5) / 2;
    if probing.weight >= high {
        find(Severity::High, 95);
    } else if probing.weight >= config.probes {
        find(Severity::Medium, 80);
    }
    let enough = probing.missing.at_least() >= config.missing / 2;
    let missing = if enough { probing.missing.estimate() } else { 0 };
    let (times, percent) = if probing.is_confined() {
        (CONFINED_TIMES, config.missing_percent.max(CONFINED_PERCENT))
    } else {
        (1, config.missing_percent)
    };
    let least = config.missing.saturating_mul(times);
    if missing >= least && !weather.is_bad() {
        let mostly = probing.mostly_missing(percent);
        let many = missing >= least.saturating_mul(3);
        match (mostly, probing.agent) {
            // Stale links. A probing client that claims to be a crawler is found by its probes.
            (false, Agent::Bot) => find(Severity::Low, 30),
            (true, Agent::Bot) => find(Severity::Medium, 50),
            (true, Agent::Other | Agent::Survey(_) | Agent::Attack(_)) => {
                find(if many { Severity::High } else { Severity::Medium }, if many { 85 } else { 70 });
            }
            (false, Agent::Other | Agent::Survey(_) | Agent::Attack(_)) => {}
        }
    }
    worst.map(|(severity, percent)| Found { severity, confidence: share(percent, 100), is_foreign: false })
}

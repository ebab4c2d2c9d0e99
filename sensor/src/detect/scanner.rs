//! `scanner`: probing for what does not exist, for what is known to be vulnerable, and tools that say so.
//!
//! Three kinds of evidence, each by client within an hour:
//!
//! * Known probes (`known`), weighed, each path once.
//! * Paths that do not exist. Only those count whose template ends in `{other}`, which no client was ever given a
//!   success for: a deployment that fails, or a broken object, is no probe. They must make up half of what the
//!   client asks for, and not be half of all clients' trouble just now. Segments with digits in them count as
//!   one, so that a client with a wrong base path is not taken for a list of words.
//! * A tool's name in User-Agent. It is easily left out, but nobody else claims it.
//!
//! A client without any of these costs one look-up and is not remembered.

use std::net::IpAddr;
use std::time::Duration;

use documented::DocumentedFields;

use super::recent::{Distinct, Recent, share};
use super::weather::Weather;
use super::{Detector, Evidence, Offender, Preset, Sample, Severity, Signal, Subject, Threat, Usage};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::event::{Event, Exchange, Path};
use known::{Agent, Kind, Known};

mod known;
#[cfg(test)]
mod tests;

/// Thresholds. Those of severity high are in brackets; they scale likewise.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Weight of known probes of a client within an hour, each path once: a common console weighs 1, a file that
    /// holds secrets 3. The default is two such files, or six consoles; 2.5 times as much is of severity high. Fail2ban's and
    /// Apache's filters for bots ban at the first of such paths; one alone may be a curious visitor's.
    pub probes: u32,
    /// Different paths that do not exist, asked for by a client within an hour; three times as many are of severity
    /// high. A page whose assets were all renamed asks for fewer than the default. `CrowdSec`'s scenario for probing
    /// takes 10 in a bucket that leaks one in 10 s.
    pub missing: u32,
    /// The same in percent of the client's requests since the first of them. No preset changes it.
    pub missing_percent: u32,
    /// Requests within an hour that name a tool in User-Agent: of severity high for attack tools, medium for those
    /// that survey the Internet.
    pub tool_requests: u32,
    /// Suspicious clients remembered, at most 400 bytes each and five samples.
    pub entries: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self {
            probes: preset.scaled(6),
            missing: preset.scaled(20),
            missing_percent: 50,
            tool_requests: preset.scaled(20),
            entries: 32_768,
        }
    }

    /// Reads `[detect.scanner]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("probes", 1..=100_000, &mut config.probes);
        section.integer("missing", 1..=100_000, &mut config.missing);
        section.integer("missing_percent", 1..=100, &mut config.missing_percent);
        section.integer("tool_requests", 1..=100_000, &mut config.tool_requests);
        section.integer("entries", 16..=16_777_216, &mut config.entries);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Balanced)
    }
}

/// What is counted together.
const WINDOW: Duration = Duration::from_secs(3_600);

/// User-Agents remembered, by hash, with what they say.
const AGENTS: usize = 1_024;

/// Known probes named in evidence.
const NAMED: usize = 5;

/// A client with something suspicious.
struct Probing {
    began: Timestamp,
    exchanges: u32,
    missing: Distinct<8>,
    probed: Distinct<4>,
    /// Weight of known probes.
    weight: u32,
    names: Vec<&'static str>,
    agent: Agent,
    tool_requests: u32,
    told: Option<Severity>,
    samples: Vec<Sample>,
}

impl Probing {
    const fn new(began: Timestamp) -> Self {
        Self {
            began,
            exchanges: 0,
            missing: Distinct::NONE,
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

/// The detector.
pub struct Scanner {
    config: Config,
    known: Option<Known>,
    clients: Recent<IpAddr, Probing>,
    weather: Weather,
    /// User-Agents by the low bits of their hash.
    agents: Vec<(u64, Agent)>,
}

/// What is suspicious in one exchange.
struct Clue {
    probe: Option<known::Probe>,
    missing: bool,
    agent: Agent,
}

impl Scanner {
    /// A detector that has seen nothing. The same seed gives the same signals to the same events.
    #[must_use]
    pub fn new(config: &Config, seed: u64) -> Self {
        Self {
            config: config.clone(),
            known: Known::new(),
            clients: Recent::new(config.entries, WINDOW, seed),
            weather: Weather::new(),
            agents: vec![(0, Agent::Other); AGENTS],
        }
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, signals: &mut Vec<Signal>) {
        let now = exchange.seen;
        let hash = self.clients.hash(&exchange.client);
        self.weather.note(hash, exchange.status.is_some_and(|status| status >= 400), now);
        let clue = self.clue(exchange);
        let suspicious =
            clue.probe.is_some() || clue.missing || matches!(clue.agent, Agent::Survey(_) | Agent::Attack(_));
        if !suspicious {
            if let Some(probing) = self.clients.get(hash, &exchange.client, now) {
                probing.exchanges = probing.exchanges.saturating_add(1);
            }
            return;
        }
        let place = shape(&self.clients, exchange.path.as_ref().map(Path::whole).unwrap_or_default());
        let Some(probing) = self.clients.touch(exchange.client, now, || Probing::new(now)) else { return };
        if now.since(probing.began) > WINDOW {
            *probing = Probing::new(now);
        }
        if !probing.note(&clue, place, exchange) {
            return;
        }
        let Some((severity, confidence)) = judge(&self.config, probing, &self.weather) else { return };
        if probing.told.is_none_or(|told| told < severity) {
            probing.told = Some(severity);
            signals.push(signal(&self.config, probing, severity, confidence, exchange));
        }
    }

    fn clue(&mut self, exchange: &Exchange<'_>) -> Clue {
        let refused = exchange.status.is_some_and(|status| (400..500).contains(&status) && status != 429);
        let path = exchange.path.as_ref().map(Path::whole).unwrap_or_default();
        let failed = exchange.status.is_none_or(|status| status >= 400);
        // An answer for a path without dots and escapes is the application's own; most exchanges are such.
        let may_be = failed || memchr::memchr3(b'.', b'%', b'\\', path.as_bytes()).is_some();
        let probe = self.known.as_ref().filter(|_| may_be).and_then(|known| known.probe(path));
        let missing = match exchange.status {
            Some(400 | 403 | 404 | 405 | 410) => {
                exchange.route.is_some_and(|route| route.ends_with("{other}"))
            }
            _ => false,
        };
        let agent = exchange.user_agent.as_ref().map_or(Agent::Other, |text| self.agent(text.whole()));
        Clue { probe: probe.filter(|probe| probe.kind == Kind::Never || refused), missing, agent }
    }

    /// What a User-Agent says; most have been seen before.
    fn agent(&mut self, text: &str) -> Agent {
        let hash = self.clients.hash_of(text.as_bytes());
        let Some(known) = &self.known else { return Agent::Other };
        let place = usize::try_from(hash).unwrap_or_default() % AGENTS;
        let Some(slot) = self.agents.get_mut(place) else { return Agent::Other };
        if slot.0 != hash {
            *slot = (hash, known.agent(text));
        }
        slot.1
    }
}

/// Longest path that is told apart, in bytes.
const LONGEST: usize = 1_024;

/// The hash of a path in which segments with digits are all the same.
fn shape(table: &Recent<IpAddr, Probing>, path: &str) -> u64 {
    let path = path.as_bytes().get(..LONGEST).unwrap_or(path.as_bytes());
    path.split(|byte| *byte == b'/').take(32).fold(0, |sum: u64, segment| {
        let numbered = segment.iter().any(u8::is_ascii_digit);
        let segment = if numbered { table.hash_of(b"#") } else { table.hash_of(segment) };
        sum.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ segment
    })
}

impl Probing {
    /// Notes what is suspicious; whether it says something new.
    fn note(&mut self, clue: &Clue, place: u64, exchange: &Exchange<'_>) -> bool {
        let mut is_news = false;
        self.exchanges = self.exchanges.saturating_add(1);
        if clue.agent != Agent::Other {
            self.agent = clue.agent;
        }
        if matches!(clue.agent, Agent::Survey(_) | Agent::Attack(_)) {
            self.tool_requests = self.tool_requests.saturating_add(1);
            is_news = true;
        }
        if let Some(probe) = clue.probe
            && self.probed.note(place)
        {
            self.weight = self.weight.saturating_add(probe.weight);
            if self.names.len() < NAMED && !self.names.contains(&probe.text) {
                self.names.push(probe.text);
            }
            is_news = true;
        }
        if clue.missing {
            is_news |= self.missing.note(place);
        }
        if is_news && self.samples.len() < Evidence::MAX_SAMPLES {
            self.samples.push(Sample::of(exchange));
        }
        is_news
    }

    /// Whether most of what the client asks for does not exist.
    fn mostly_missing(&self, percent: u32) -> bool {
        let (missing, all) = (u64::from(self.missing.estimate()), u64::from(self.exchanges));
        missing.saturating_mul(100) >= all.saturating_mul(percent.into())
    }
}

/// How bad it is, and how sure that is.
fn judge(config: &Config, probing: &Probing, weather: &Weather) -> Option<(Severity, f64)> {
    let mut worst = None;
    let mut find = |severity, percent: u32| worst = worst.max(Some((severity, percent)));
    let many = probing.tool_requests >= config.tool_requests;
    match probing.agent {
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
    if missing >= config.missing && !weather.is_bad() {
        let mostly = probing.mostly_missing(config.missing_percent);
        let many = missing >= config.missing.saturating_mul(3);
        match (mostly, probing.agent) {
            // Links that have gone stale. Whoever calls himself a crawler and probes is found by his probes.
            (false, Agent::Bot) => find(Severity::Low, 30),
            (true, Agent::Bot) => find(Severity::Medium, 50),
            (true, Agent::Other | Agent::Survey(_) | Agent::Attack(_)) => {
                find(if many { Severity::High } else { Severity::Medium }, if many { 85 } else { 70 });
            }
            (false, Agent::Other | Agent::Survey(_) | Agent::Attack(_)) => {}
        }
    }
    worst.map(|(severity, percent)| (severity, share(percent, 100)))
}

fn signal(
    config: &Config,
    probing: &Probing,
    severity: Severity,
    confidence: f64,
    exchange: &Exchange<'_>,
) -> Signal {
    let client = exchange.client;
    let missing = probing.missing.estimate();
    let mut evidence = Evidence::default()
        .with("requests", u64::from(probing.exchanges))
        .with("missing_paths", u64::from(missing))
        .with("missing_paths_threshold", u64::from(config.missing))
        .with("missing_share", share(missing.min(probing.exchanges), probing.exchanges))
        .with("probe_weight", u64::from(probing.weight))
        .with("probe_weight_threshold", u64::from(config.probes))
        .showing(probing.samples.iter().cloned());
    let tool = match probing.agent {
        Agent::Attack(name) | Agent::Survey(name) => Some(name),
        Agent::Bot | Agent::Other => None,
    };
    if let Some(tool) = tool {
        evidence = evidence
            .with("tool", tool)
            .with("tool_requests", u64::from(probing.tool_requests))
            .with("tool_requests_threshold", u64::from(config.tool_requests));
    }
    if !probing.names.is_empty() {
        evidence = evidence.with("probes", probing.names.join(" ").as_str());
    }
    let what = match (tool, probing.names.first()) {
        (Some(tool), _) => format!("uses {tool}"),
        (None, Some(name)) if probing.weight >= config.probes => {
            format!("probes for known weaknesses, such as {name}")
        }
        (None, _) => format!("asked for {missing} paths that do not exist"),
    };
    Signal {
        at: exchange.seen,
        threat: Threat::Scanner,
        severity,
        confidence,
        subject: Subject::Client(client),
        offenders: vec![Offender::of(exchange)],
        summary: format!("{client} {what}"),
        evidence,
        window: (probing.began, exchange.seen),
        decided: None,
    }
}

impl Detector for Scanner {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Exchange(exchange) => self.exchange(exchange, signals),
            Event::Held(_) => {}
        }
    }

    fn advance(&mut self, now: Timestamp, _signals: &mut Vec<Signal>) {
        self.clients.sweep(now, 1_024, |_, _| {});
    }

    fn usage(&self) -> Usage {
        self.clients.usage()
    }
}

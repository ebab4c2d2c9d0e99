//! `scanner`: requests for what does not exist or is known to be vulnerable, and tools that name themselves.
//!
//! Three kinds of evidence, each per client within an hour:
//!
//! * Known probes (`known`), weighted, each path once.
//! * Missing paths. Only those count whose template ends in `{other}`, under which no client ever had a success: a
//!   failing deployment, or a broken object, is no probe. They must make up half of the client's requests, and must not
//!   currently be missing for half of all clients. Segments with digits count as one, so that a client with a wrong
//!   base path does not look like a word list; so do all images, fonts, styles and scripts of a directory, of which a
//!   page requests many and a word list none. If everything missing lies in one or two directories, and the client has
//!   credentials or success besides, it is more likely a page or a cache: the counts are three times larger, and 85 in
//!   100 must be missing. Deleting what is gone (DELETE with credentials) is no probe, either.
//! * A tool's name in User-Agent. It is easily left out, but nobody else claims it.
//!
//! A client without any of these costs one look-up and is not remembered.
//!
//! Two kinds of clients are counted apart. *Foreign* ones are browsers that another site's page caused to send
//! requests: these are reported, and accuse nobody. *Sites* are IPv6 /48 networks: a client's behaviour counts for its
//! site until it is reported itself, so that one noisy client makes no site suspicious.

use std::time::Duration;

use documented::DocumentedFields;

use super::config::Sources;
use super::ongoing::Ongoing;
use super::recent::{Recent, share};
use super::weather::Weather;
use super::{Detector, Evidence, Growth, Offender, Preset, Severity, Signal, Subject, Threat, Usage};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::event::{Event, Exchange, Path};
use crate::prefix::ClientNet;
use known::{Agent, Kind, Known};
use probing::{Clue, Found, Place, Probing, judge};

mod known;
mod probing;
#[cfg(test)]
mod tests;

/// Thresholds. Those of severity high are in brackets; they scale likewise.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Weight of a client's known probes within an hour, each path counted once: a common console weighs 1, a file with
    /// secrets 3. The default is two such files, or six consoles; 2.5 times as much is severity high. Fail2ban's and
    /// Apache's bot filters ban at the first such path; a single one may come from a curious visitor.
    pub probes: u32,
    /// Distinct missing paths requested by a client within an hour; three times as many are severity high. A page whose
    /// assets were all renamed requests fewer than the default. `CrowdSec`'s probing scenario uses 10 in a bucket that
    /// leaks one in 10 s.
    pub missing: u32,
    /// Minimum share of missing paths, in percent of the client's requests since the first of them. No preset changes
    /// it.
    pub missing_percent: u32,
    /// Requests within an hour that name a tool in User-Agent: severity high for attack tools, medium for Internet
    /// surveys.
    pub tool_requests: u32,
    /// Maximum suspicious clients remembered, each with at most 400 bytes and five samples.
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

/// The unit of counting.
const WINDOW: Duration = Duration::from_secs(3_600);

/// User-Agents remembered, by hash, with their classification.
const AGENTS: usize = 1_024;

/// Known probes named in evidence.
const NAMED: usize = 5;

/// The detector.
pub struct Scanner {
    config: Config,
    /// The same for sites.
    of_sites: Config,
    sources: Sources,
    known: Option<Known>,
    clients: Recent<Who, Probing>,
    sites: Recent<ClientNet, Probing>,
    weather: Weather,
    ongoing: Ongoing,
    /// User-Agents by the low bits of their hash.
    agents: Vec<(u64, Agent)>,
}

/// Whose probes are counted together.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Client(ClientNet),
    /// A browser, for pages of other sites.
    Foreign(ClientNet),
}

/// Sites remembered; a client is suspicious before its site is.
const SITES: u32 = 4_096;

impl Scanner {
    /// A detector that has seen nothing. The same seed gives the same signals to the same events.
    #[must_use]
    pub(super) fn new(config: &Config, sources: Sources, seed: u64) -> Self {
        Self {
            config: config.clone(),
            of_sites: Config {
                probes: sources.scaled(config.probes),
                missing: sources.scaled(config.missing),
                tool_requests: sources.scaled(config.tool_requests),
                ..config.clone()
            },
            sources,
            known: Known::new(),
            clients: Recent::new(config.entries, WINDOW, seed),
            sites: Recent::new(SITES, WINDOW, seed),
            weather: Weather::new(),
            ongoing: Ongoing::default(),
            agents: vec![(0, Agent::Other); AGENTS],
        }
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, signals: &mut Vec<Signal>) {
        let now = exchange.seen;
        let client = self.sources.client(exchange.client);
        let crowd = self.sites.hash(&client.owner());
        self.weather.note(crowd, exchange.outcome().is_some_and(|status| status >= 400), now);
        let clue = self.clue(exchange);
        // A browser names no tool, whoever causes its requests.
        let names_tool = matches!(clue.agent, Agent::Survey(_) | Agent::Attack(_));
        let is_foreign = exchange.cross_site && !names_tool;
        let who = if is_foreign { Who::Foreign(client) } else { Who::Client(client) };
        if !(clue.probe.is_some() || clue.missing || names_tool) {
            let hash = self.clients.hash(&who);
            if let Some(probing) = self.clients.get(hash, &who, now) {
                probing.exchanges = probing.exchanges.saturating_add(1);
            }
            self.pass_site(client, now);
            return;
        }
        let path = exchange.path.as_ref().map(Path::whole).unwrap_or_default();
        let place = Place { path: shape(&self.clients, path), directory: directory(&self.clients, path) };
        let Some(probing) = Probing::of(self.clients.touch(who, now, || Probing::new(now)), now) else {
            return;
        };
        let was_told = probing.told.is_some();
        let is_news = probing.note(&clue, place, exchange);
        let (subject, offender) = (Subject::Client(client), Offender::of(client, exchange));
        let goes_on = self.ongoing.goes_on((Threat::Scanner, subject.clone()), offender, now);
        if (is_news || goes_on)
            && let Some(found) = judge(&self.config, probing, &self.weather, false)
        {
            let found = if is_foreign { found.of_foreign() } else { found };
            if goes_on || probing.told.is_none_or(|told| told < found.severity) {
                probing.told = probing.told.max(Some(found.severity));
                let offenders = if is_foreign { Vec::new() } else { vec![offender] };
                let signal = signal(&self.config, probing, found, (subject, offenders), exchange);
                signals.push(self.ongoing.tell(signal, probing.suspicious.into()));
            }
        }
        if !is_foreign && !was_told {
            self.note_site(client, &clue, place, exchange, signals);
        }
    }

    /// An ordinary exchange of a client whose site may be suspicious.
    fn pass_site(&mut self, client: ClientNet, now: Timestamp) {
        if self.sites.is_empty() {
            return;
        }
        let Some(site) = self.sources.site(client) else { return };
        let hash = self.sites.hash(&site);
        if let Some(probing) = self.sites.get(hash, &site, now) {
            probing.exchanges = probing.exchanges.saturating_add(1);
        }
    }

    /// The behaviour of a client that was not reported itself counts for its site.
    fn note_site(
        &mut self,
        client: ClientNet,
        clue: &Clue,
        place: Place,
        exchange: &Exchange<'_>,
        signals: &mut Vec<Signal>,
    ) {
        let now = exchange.seen;
        let Some(site) = self.sources.site(client) else { return };
        let Some(probing) = Probing::of(self.sites.touch(site, now, || Probing::new(now)), now) else {
            return;
        };
        let is_news = probing.note(clue, place, exchange);
        let is_told = (Threat::Scanner, Subject::Network(site.prefix()));
        self.ongoing.goes_on(is_told, Offender::of(client, exchange), now);
        let found = if is_news { judge(&self.of_sites, probing, &self.weather, true) } else { None };
        let Some(found) = found.filter(|found| probing.told.is_none_or(|told| told < found.severity)) else {
            return;
        };
        probing.told = Some(found.severity);
        // A site of many is blocked only if it does little else.
        let mostly = probing.suspicious.saturating_mul(2) >= probing.exchanges;
        let is_clear = found.severity >= Severity::High && mostly;
        let offenders = if is_clear { vec![Offender::of(site, exchange)] } else { Vec::new() };
        let subject = Subject::Network(site.prefix());
        let signal = signal(&self.of_sites, probing, found, (subject, offenders), exchange);
        signals.push(self.ongoing.tell(signal, probing.suspicious.into()));
    }

    fn clue(&mut self, exchange: &Exchange<'_>) -> Clue {
        let refused = exchange.outcome().is_some_and(|status| (400..500).contains(&status) && status != 429);
        let path = exchange.path.as_ref().map(Path::whole).unwrap_or_default();
        let failed = exchange.outcome().is_none_or(|status| status >= 400);
        // An answer for a path without dots and escapes is the application's own; most exchanges are such.
        let may_be = failed || memchr::memchr3(b'.', b'%', b'\\', path.as_bytes()).is_some();
        let probe = self.known.as_ref().filter(|_| may_be).and_then(|known| known.probe(path));
        let missing = match exchange.outcome() {
            Some(404 | 410) if exchange.method == Some("DELETE") && exchange.principal.is_some() => false,
            Some(400 | 403 | 404 | 405 | 410) => {
                exchange.route.is_some_and(|route| route.ends_with("{other}"))
            }
            _ => false,
        };
        let agent = exchange.user_agent.as_ref().map_or(Agent::Other, |text| self.agent(text.whole()));
        Clue { probe: probe.filter(|probe| probe.kind == Kind::Never || refused), missing, agent }
    }

    /// The classification of a User-Agent; most have been seen before.
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

/// Longest path distinguished, in bytes.
const LONGEST: usize = 1_024;

/// What pages embed, and no word list contains.
const EMBEDDED: [&[u8]; 18] = [
    b"avif", b"css", b"eot", b"gif", b"ico", b"jpeg", b"jpg", b"js", b"map", b"mjs", b"mp4", b"otf", b"png",
    b"svg", b"ttf", b"webp", b"woff", b"woff2",
];

/// A path without the part that distinguishes embedded files of a directory.
fn embedded(path: &[u8]) -> Option<&[u8]> {
    let dot = memchr::memrchr(b'.', path)?;
    let extension = path.get(dot.saturating_add(1)..)?;
    let is_embedded = EMBEDDED.iter().any(|known| extension.eq_ignore_ascii_case(known));
    let slash = memchr::memrchr(b'/', path).filter(|slash| is_embedded && *slash < dot)?;
    path.get(..slash.saturating_add(1))
}

/// The hash of the directory of a path; nothing for those at the top.
fn directory(table: &Recent<Who, Probing>, path: &str) -> Option<u64> {
    let slash = memchr::memrchr(b'/', path.as_bytes()).filter(|slash| *slash > 0)?;
    Some(shape(table, path.get(..slash)?))
}

/// The hash of a path in which segments with digits are all the same, and embedded files of a directory are.
fn shape(table: &Recent<Who, Probing>, path: &str) -> u64 {
    let path = path.as_bytes().get(..LONGEST).unwrap_or(path.as_bytes());
    let path = embedded(path).unwrap_or(path);
    path.split(|byte| *byte == b'/').take(32).fold(0, |sum: u64, segment| {
        let numbered = segment.iter().any(u8::is_ascii_digit);
        let segment = if numbered { table.hash_of(b"#") } else { table.hash_of(segment) };
        sum.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ segment
    })
}

fn signal(
    config: &Config,
    probing: &Probing,
    found: Found,
    (subject, offenders): (Subject, Vec<Offender>),
    exchange: &Exchange<'_>,
) -> Signal {
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
        (None, _) => format!("requested {missing} missing paths"),
    };
    let how = if found.is_foreign { ", sent by another site's pages, according to its headers" } else { "" };
    evidence = evidence.with("suspicious_requests", u64::from(probing.suspicious));
    if found.is_foreign {
        evidence = evidence.with(
            "cross_site",
            "reported only: any site could make its visitors send this, to get them blocked",
        );
    }
    Signal {
        at: exchange.seen,
        threat: Threat::Scanner,
        severity: found.severity,
        confidence: found.confidence,
        summary: format!("{subject} {what}{how}"),
        subject,
        offenders,
        evidence,
        window: (probing.began, exchange.seen),
        decided: None,
        growth: Growth::default(),
    }
}

impl Detector for Scanner {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Exchange(exchange) => self.exchange(exchange, signals),
            Event::Held(_) | Event::Http2Abuse(_) | Event::LeakedPassword(_) => {}
        }
    }

    fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        self.clients.sweep(now, 1_024, |_, _| {});
        self.sites.sweep(now, 64, |_, _| {});
        self.ongoing.advance(now, signals);
    }

    fn usage(&self) -> Usage {
        self.clients.usage().and(self.sites.usage()).and(self.ongoing.usage())
    }
}

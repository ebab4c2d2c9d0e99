//! What all detectors share of their configuration.

use std::collections::BTreeMap;
use std::net::IpAddr;

use documented::DocumentedFields;

use super::access::{bfla, bola, business_flow, enumeration, mass_assignment, unauthenticated};
use super::threat::Threat;
use super::{
    brute_force, credential_stuffing, data_exposure, distributed, flood, graphql, http2_abuse, injection,
    key_exposure, password_spraying, request_rate, scanner, schema, slow_attack, stream_evasion,
    token_misuse,
};
use crate::config::{Form, Section};
use crate::kernel::ClientPrefixes;
use crate::prefix::ClientNet;

/// How strict the defaults are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Thresholds twice as high: for hosts whose users share addresses or whose clients misbehave.
    Relaxed,
    /// The documented defaults.
    #[default]
    Balanced,
    /// Thresholds half as high.
    Strict,
}

impl Preset {
    /// All of them by name.
    pub const ALL: [(&'static str, Self); 3] =
        [("relaxed", Self::Relaxed), ("balanced", Self::Balanced), ("strict", Self::Strict)];

    /// A count of the balanced preset as this one has it, at least 1.
    #[must_use]
    pub fn scaled(self, count: u32) -> u32 {
        match self {
            Self::Relaxed => count.saturating_mul(2),
            Self::Balanced => count,
            Self::Strict => count.div_ceil(2).max(1),
        }
    }
}

/// What a detector may lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Response {
    /// It does not run.
    Off,
    /// Alerts.
    Monitor,
    /// Alerts, and limits or blocks where the daemon's mode is to enforce.
    Enforce,
}

impl Response {
    /// What a threat may lead to without configuration. Who may see or do what is for the site to say, and these
    /// detectors were measured on simulated sites only: they alert until an operator has seen what they report.
    #[must_use]
    pub const fn of(threat: Threat) -> Self {
        let is_of_the_site = matches!(
            threat,
            Threat::Bola
                | Threat::Bfla
                | Threat::Unauthenticated
                | Threat::MassAssignment
                | Threat::BusinessFlow
        );
        if is_of_the_site { Self::Monitor } else { Self::Enforce }
    }

    /// All of them by name.
    pub const ALL: [(&'static str, Self); 3] =
        [("enforce", Self::Enforce), ("monitor", Self::Monitor), ("off", Self::Off)];
}

/// Of all detectors.
#[derive(Clone, Debug, PartialEq, DocumentedFields)]
pub struct Config {
    /// How strict detectors are by default: `relaxed` doubles counts, for hosts whose users share addresses or whose
    /// clients misbehave; `strict` halves them. A detector's own settings override the preset.
    pub preset: Preset,
    /// What this detector may do: `enforce` raises alerts and, in enforce mode, limits or blocks; `monitor` raises
    /// alerts only; `off` disables the detector.
    #[documented_fields(rename = "response")]
    pub responses: BTreeMap<Threat, Response>,
    /// Seed of the hashes that count different things. Default: another one in each process, so that nobody can
    /// choose values that count as one. With the same, the same events give the same signals.
    pub seed: Option<u64>,
    /// IPv6 sites (/48 networks) are counted besides the clients within them, because each holds 65,536 /64 clients.
    /// Accusing a site takes this many times a client's counts; blocking it also requires that most of its traffic is
    /// the attack. 0 disables site counts. No preset changes it.
    pub site_times: u32,
    /// Which part of an address is a client; that of the data plane.
    pub clients: ClientPrefixes,
    /// Limits for each client and principal.
    pub request_rate: request_rate::Config,
    /// Walking through identifiers.
    pub enumeration: enumeration::Config,
    /// Probing.
    pub scanner: scanner::Config,
    /// Connections held open.
    pub slow_attack: slow_attack::Config,
    /// Different copies of the same bytes.
    pub stream_evasion: stream_evasion::Config,
    /// Attacks on HTTP/2 itself.
    pub http2_abuse: http2_abuse::Config,
    /// Values that are meant to be run.
    pub injection: injection::Config,
    /// Tokens.
    pub token_misuse: token_misuse::Config,
    /// Keys where others can read them.
    pub key_exposure: key_exposure::Config,
    /// Answers that give too much.
    pub data_exposure: data_exposure::Config,
    /// GraphQL documents.
    pub graphql: graphql::Config,
    /// Requests that break the OpenAPI document.
    pub schema: schema::Config,
    /// Objects of others.
    pub bola: bola::Config,
    /// Functions of roles.
    pub bfla: bfla::Config,
    /// Routes that need credentials.
    pub unauthenticated: unauthenticated::Config,
    /// Fields that a server must not take from clients.
    pub mass_assignment: mass_assignment::Config,
    /// Flows of the business.
    pub business_flow: business_flow::Config,
    /// What the kernel sheds.
    pub flood: flood::Config,
    /// Guessing of passwords.
    pub brute_force: brute_force::Config,
    /// One password tried on many accounts.
    pub password_spraying: password_spraying::Config,
    /// Stolen credentials, from one client.
    pub credential_stuffing: credential_stuffing::Config,
    /// The same, from many.
    pub distributed: distributed::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            preset: Preset::default(),
            responses: BTreeMap::new(),
            seed: None,
            site_times: 5,
            clients: ClientPrefixes::default(),
            request_rate: request_rate::Config::default(),
            enumeration: enumeration::Config::default(),
            scanner: scanner::Config::default(),
            slow_attack: slow_attack::Config::default(),
            stream_evasion: stream_evasion::Config::default(),
            http2_abuse: http2_abuse::Config::default(),
            injection: injection::Config::default(),
            token_misuse: token_misuse::Config::default(),
            key_exposure: key_exposure::Config::default(),
            data_exposure: data_exposure::Config::default(),
            graphql: graphql::Config::default(),
            schema: schema::Config::default(),
            bola: bola::Config::default(),
            bfla: bfla::Config::default(),
            unauthenticated: unauthenticated::Config::default(),
            mass_assignment: mass_assignment::Config::default(),
            business_flow: business_flow::Config::default(),
            flood: flood::Config::default(),
            brute_force: brute_force::Config::default(),
            password_spraying: password_spraying::Config::default(),
            credential_stuffing: credential_stuffing::Config::default(),
            distributed: distributed::Config::default(),
        }
    }
}

impl Config {
    /// Reads `[detect]`: `preset`, and a table for each detector, which has `response` besides its own keys.
    #[must_use]
    pub fn read(detect: &Section<'_>) -> Self {
        detect.explain::<Self>();
        let (mut preset, mut site_times) = (Preset::default(), Self::default().site_times);
        detect.choice("preset", &Preset::ALL, &mut preset);
        detect.integer("site_times", 0..=1_000, &mut site_times);
        let table = |threat: Threat| detect.section(threat.slug()).about(threat.meaning());
        let logins = [Threat::BruteForce, Threat::PasswordSpraying, Threat::CredentialStuffing];
        let [guess, spray, stuff] = logins.map(table);
        let [rate, walk, probe, slow, evasion, frames, inject, shed] = [
            Threat::RequestRate,
            Threat::Enumeration,
            Threat::Scanner,
            Threat::SlowAttack,
            Threat::StreamEvasion,
            Threat::Http2Abuse,
            Threat::Injection,
            Threat::Flood,
        ]
        .map(table);
        // These have nothing of their own.
        let others = [Threat::AccountTakeover, Threat::RateSpike, Threat::ErrorSpike, Threat::LatencySpike]
            .map(|threat| (threat, table(threat)));
        let distributed = stuff.section("distributed").about(ABOUT_DISTRIBUTED);
        let mut config = Self {
            preset,
            site_times,
            request_rate: request_rate::Config::read(&rate),
            enumeration: enumeration::Config::read(&walk, preset),
            scanner: scanner::Config::read(&probe, preset),
            slow_attack: slow_attack::Config::read(&slow, preset),
            stream_evasion: stream_evasion::Config::read(&evasion, preset),
            http2_abuse: http2_abuse::Config::read(&frames, preset),
            injection: injection::Config::read(&inject, preset),
            flood: flood::Config::read(&shed, preset),
            brute_force: brute_force::Config::read(&guess, preset),
            password_spraying: password_spraying::Config::read(&spray, preset),
            credential_stuffing: credential_stuffing::Config::read(&stuff, preset),
            distributed: distributed::Config::read(&distributed, preset),
            ..Self::default()
        };
        distributed.finish();
        config.read_responses(others);
        config.read_responses([
            (Threat::BruteForce, guess),
            (Threat::PasswordSpraying, spray),
            (Threat::CredentialStuffing, stuff),
            (Threat::RequestRate, rate),
            (Threat::Enumeration, walk),
            (Threat::Scanner, probe),
            (Threat::SlowAttack, slow),
            (Threat::StreamEvasion, evasion),
            (Threat::Http2Abuse, frames),
            (Threat::Injection, inject),
            (Threat::Flood, shed),
        ]);
        config.read_exposure(detect);
        config.read_access(detect);
        config
    }

    /// Reads the tables of what requests and responses give away.
    fn read_exposure(&mut self, detect: &Section<'_>) {
        let table = |threat: Threat| detect.section(threat.slug()).about(threat.meaning());
        let threats =
            [Threat::TokenMisuse, Threat::KeyExposure, Threat::DataExposure, Threat::Graphql, Threat::Schema];
        let [token, key, data, document, schema] = threats.map(table);
        self.token_misuse = token_misuse::Config::read(&token, self.preset);
        self.key_exposure = key_exposure::Config::read(&key, self.preset);
        self.data_exposure = data_exposure::Config::read(&data, self.preset);
        self.graphql = graphql::Config::read(&document, self.preset);
        self.schema = schema::Config::read(&schema, self.preset);
        for (threat, section) in threats.into_iter().zip([token, key, data, document, schema]) {
            self.read_response(threat, &section);
            section.finish();
        }
    }

    /// Reads the tables of who may do what.
    fn read_access(&mut self, detect: &Section<'_>) {
        let table = |threat: Threat| detect.section(threat.slug()).about(threat.meaning());
        let threats = [
            Threat::Bola,
            Threat::Bfla,
            Threat::Unauthenticated,
            Threat::MassAssignment,
            Threat::BusinessFlow,
        ];
        let [objects, functions, open, fields, flows] = threats.map(table);
        self.bola = bola::Config::read(&objects, self.preset);
        self.bfla = bfla::Config::read(&functions, self.preset);
        self.unauthenticated = unauthenticated::Config::read(&open, self.preset);
        self.mass_assignment = mass_assignment::Config::read(&fields, self.preset);
        self.business_flow = business_flow::Config::read(&flows, self.preset);
        self.read_responses([
            (Threat::Bola, objects),
            (Threat::Bfla, functions),
            (Threat::Unauthenticated, open),
            (Threat::MassAssignment, fields),
            (Threat::BusinessFlow, flows),
        ]);
    }

    /// Reads what threats may lead to; nothing else is expected in their sections.
    fn read_responses<const N: usize>(&mut self, sections: [(Threat, Section<'_>); N]) {
        for (threat, section) in sections {
            self.read_response(threat, &section);
            section.finish();
        }
    }

    /// Reads what a threat may lead to.
    fn read_response(&mut self, threat: Threat, section: &Section<'_>) {
        section.explain::<Self>();
        let mut response = Response::of(threat);
        section.choice("response", &Response::ALL, &mut response);
        if response != Response::of(threat) {
            self.responses.insert(threat, response);
        }
    }

    /// How clients and sites are told.
    pub(super) const fn sources(&self) -> Sources {
        Sources { clients: self.clients, site_times: self.site_times }
    }

    /// What a threat may lead to.
    #[must_use]
    pub fn response(&self, threat: Threat) -> Response {
        self.responses.get(&threat).copied().unwrap_or_else(|| Response::of(threat))
    }
}

/// The client and the site behind an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sources {
    clients: ClientPrefixes,
    site_times: u32,
}

impl Sources {
    /// The client.
    #[inline]
    pub(super) const fn client(&self, address: IpAddr) -> ClientNet {
        self.clients.net_of(address)
    }

    /// The site of a client, where sites are counted.
    #[inline]
    pub(super) const fn site(&self, client: ClientNet) -> Option<ClientNet> {
        if self.site_times == 0 { None } else { client.site() }
    }

    /// A count of a client as it is for a site.
    pub(super) const fn scaled(&self, count: u32) -> u32 {
        count.saturating_mul(self.site_times)
    }
}

const ABOUT_DISTRIBUTED: &str =
    "Stolen credentials tried by many clients, each of which makes only an attempt or two.";

/// A share such as `80%` or `80`, in percent.
pub(super) const PERCENT: Form<u32> = Form {
    kind: "a share from `1%` to `100%`",
    example: "75%",
    read: |text| {
        let number = text.strip_suffix('%').unwrap_or(text).trim().parse();
        let number = number.ok().filter(|number| (1..=100).contains(number));
        number.ok_or_else(|| "expected a share from 1% to 100%".to_owned())
    },
    show: |share| format!("{share}%"),
};

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::Path;

    use super::*;
    use crate::config::Document;

    fn read(text: &str) -> (Config, Vec<String>) {
        let mut document = Document::default();
        document.add(Path::new("a"), text).unwrap();
        let problems = RefCell::default();
        let root = Section::root(&document, &problems);
        let config = Config::read(&root);
        root.finish();
        (config, problems.borrow().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_written_is_the_default() {
        assert_eq!(read(""), (Config::default(), Vec::new()));
    }

    #[test]
    fn presets_scale_what_is_not_written() {
        let text = "preset = \"strict\"\n[scanner]\nmissing = 7\nresponse = \"monitor\"\n[slow-attack]\nafter = \"5s\"\n";
        let (config, problems) = read(text);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!((config.scanner.missing, config.scanner.probes), (7, 3));
        assert_eq!((config.slow_attack.connections, config.slow_attack.after.as_secs()), (5, 5));
        assert_eq!(config.enumeration, enumeration::Config::of(Preset::Strict));
        assert_eq!(config.response(Threat::Scanner), Response::Monitor);
        assert_eq!(config.response(Threat::SlowAttack), Response::Enforce);
    }

    #[test]
    fn mistakes_are_named() {
        let (_, problems) = read(
            "preset = \"wild\"\n[scanner]\nresponse = \"on\"\nmising = 1\n[enumeration]\nsequence = 1\n",
        );
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems.iter().any(|problem| problem.contains("did you mean `missing`?")), "{problems:?}");
    }
}

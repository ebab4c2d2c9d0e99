//! What the configuration says about the fleet.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use documented::DocumentedFields;
use hyper::Uri;
use ipnet::IpNet;
use nix::sys::utsname::uname;

use super::key::PublicKey;
use super::roster::MAX_NAME;
use crate::clock::Timestamp;
use crate::config::{Form, Section, from_text};
use crate::notify;

/// What other hosts may decide for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Bounds {
    /// Maximum decisions per minute that one other host may make for this one. Those beyond it are applied later, in the
    /// pace of this bound.
    #[documented_fields(rename = "max_decisions_per_minute")]
    pub per_minute: u32,
    /// Maximum decisions of one host that are in force at a time.
    #[documented_fields(rename = "max_decisions")]
    pub max_records: usize,
    /// Shortest IPv4 prefix that another host may block for this one.
    #[documented_fields(rename = "shortest_ipv4_prefix")]
    pub shortest_v4: u8,
    /// Shortest IPv6 prefix that another host may block for this one.
    #[documented_fields(rename = "shortest_ipv6_prefix")]
    pub shortest_v6: u8,
}

impl Default for Bounds {
    fn default() -> Self {
        // As many as `decide.max_blocks_per_minute` lets a host's own detectors make.
        Self { per_minute: 1_000, max_records: 20_000, shortest_v4: 24, shortest_v6: 48 }
    }
}

impl Bounds {
    pub(super) const fn is_too_wide(&self, prefix: &IpNet) -> bool {
        match prefix {
            IpNet::V4(prefix) => prefix.prefix_len() < self.shortest_v4,
            IpNet::V6(prefix) => prefix.prefix_len() < self.shortest_v6,
        }
    }

    /// One step of the generic cell rate algorithm whose burst is a minute's count: the next theoretical arrival time,
    /// or none if the decision comes too early.
    pub(super) fn charge(&self, next: Timestamp, now: Timestamp) -> Option<Timestamp> {
        const MINUTE: Duration = Duration::from_secs(60);
        let each = MINUTE.checked_div(self.per_minute).unwrap_or(MINUTE);
        let charged = next.max(now).plus(each);
        (charged <= now.plus(MINUTE)).then_some(charged)
    }
}

/// A fleet of hosts that share decisions.
#[derive(Clone, PartialEq, DocumentedFields)]
pub struct FleetConfig {
    /// Redis or Valkey server, 7.0 or later: `rediss://[USER@]HOST[:PORT][/DATABASE]` with TLS, or `redis://` without.
    /// Under systemd, the unit's `IPAddressAllow=` must include its address.
    pub url: Uri,
    /// File with the password of the server, readable by the daemon only.
    pub password_file: Option<PathBuf>,
    /// File with additional certificate authorities, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Name of the fleet: hosts with the same name share decisions. It is part of the server's keys.
    pub name: String,
    /// Name of this host in lists. Default: the system's host name.
    pub host: String,
    /// Public key of the authority that enrols hosts, printed by `sensor fleet init`.
    pub authority: PublicKey,
    /// Whether decisions of this host go to the others.
    pub publish: bool,
    /// Whether decisions of the others apply here.
    pub apply: bool,
    /// Whether this host says what it counted of login attempts, and judges what all hosts counted together. Needs
    /// `evidence_key_file`.
    pub evidence: bool,
    /// File with the key that all hosts hash names, addresses and passwords with before they count them: 64 hexadecimal
    /// digits, readable by the daemon only. A second line has the next key while it is being changed.
    pub evidence_key_file: Option<PathBuf>,
    /// Whether `detect.request-rate`'s `per_principal` limits hold for all hosts together. Needs `evidence_key_file`,
    /// `publish` and `apply`, and a user of the server that may load and call scripts.
    pub limits: bool,
    /// Maximum records queued for the server. Those beyond it are sent after the next connection.
    pub queue: usize,
    /// Bounds of the others.
    pub bounds: Bounds,
}

impl fmt::Debug for FleetConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FleetConfig").field("server", &self.url.host()).finish_non_exhaustive()
    }
}

impl FleetConfig {
    /// Whether the server is spoken to over TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.url.scheme_str() == Some("rediss")
    }

    /// The server's TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url.port_u16().unwrap_or(6_379)
    }

    /// The server's name or address.
    #[must_use]
    pub fn server(&self) -> &str {
        notify::host_of(&self.url)
    }

    /// The user of the server, if the URL names one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        let (user, _) = self.url.authority()?.as_str().rsplit_once('@')?;
        (!user.is_empty()).then_some(user)
    }

    /// The number of the server's database.
    #[must_use]
    pub fn database(&self) -> i64 {
        database(&self.url).unwrap_or(0)
    }

    /// Reads `[fleet]`; none without a `url`.
    #[must_use]
    pub fn read(root: &Section<'_>) -> Option<Self> {
        let fleet = root.section("fleet").about(ABOUT);
        fleet.explain::<Self>();
        fleet.explain::<Bounds>();
        let (mut text, mut authority) = (None, None);
        fleet.optional("url", &URL, &mut text);
        // Without the text in the message: it may hold a password.
        let url = text.and_then(|text| parse_url(&text).inspect_err(|error| fleet.reject("url", error)).ok());
        fleet.optional("authority", &AUTHORITY, &mut authority);
        let mut config = Self::to(Uri::default(), PublicKey::NOBODY);
        fleet.text("name", &NAME, &mut config.name);
        let mut host = None;
        fleet.optional("host", &HOST, &mut host);
        config.host = host.unwrap_or_else(|| {
            let system = uname().ok().and_then(|names| names.nodename().to_str().map(str::to_owned));
            system.filter(|name| !name.is_empty()).unwrap_or_else(|| "unnamed".to_owned())
        });
        fleet.optional("password_file", &Form::path("/etc/sensor/fleet.password"), &mut config.password_file);
        fleet.optional("ca_file", &Form::path("/etc/sensor/fleet-ca.pem"), &mut config.ca_file);
        fleet.boolean("publish", &mut config.publish);
        fleet.boolean("apply", &mut config.apply);
        fleet.boolean("evidence", &mut config.evidence);
        let file = Form::path("/etc/sensor/fleet-evidence.key");
        fleet.optional("evidence_key_file", &file, &mut config.evidence_key_file);
        fleet.boolean("limits", &mut config.limits);
        fleet.integer("queue", 1..=1_000_000, &mut config.queue);
        let bounds = &mut config.bounds;
        fleet.integer("max_decisions_per_minute", 1..=1_000_000, &mut bounds.per_minute);
        fleet.integer("max_decisions", 1..=1_000_000, &mut bounds.max_records);
        fleet.integer("shortest_ipv4_prefix", 1..=32, &mut bounds.shortest_v4);
        fleet.integer("shortest_ipv6_prefix", 1..=128, &mut bounds.shortest_v6);
        if let Some(path) = &config.ca_file
            && let Err(error) = notify::read_authorities(path)
        {
            fleet.reject("ca_file", error);
        }
        if url.is_some() && authority.is_none() {
            fleet.reject(
                "url",
                "the fleet needs the `authority` that enrols its hosts; `sensor fleet init` makes one",
            );
        }
        fleet.finish();
        Some(Self { url: url?, authority: authority?, ..config })
    }

    /// A fleet with the defaults.
    #[must_use]
    pub fn to(url: Uri, authority: PublicKey) -> Self {
        Self {
            url,
            password_file: None,
            ca_file: None,
            name: "main".to_owned(),
            host: String::new(),
            authority,
            publish: true,
            apply: true,
            evidence: true,
            evidence_key_file: None,
            limits: true,
            queue: 4_096,
            bounds: Bounds::default(),
        }
    }
}

const ABOUT: &str = "Hosts that share decisions and evidence through a Redis or Valkey server; disabled without a `url`. \
     docs/fleet.md describes the set-up.";

const URL: Form<String> =
    Form::any("a URL with `rediss` or `redis`", "rediss://sensor@redis.example.org:6379/0");

const AUTHORITY: Form<PublicKey> = Form {
    kind: "a public key",
    example: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    read: from_text,
    show: PublicKey::to_string,
};

const NAME: Form<String> = Form {
    kind: "letters, digits, `-`, `_` and `.`, at most 64",
    example: "shop",
    read: |text| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let fits = (1..=64).contains(&text.len()) && text.chars().all(is_plain);
        if fits { Ok(text.to_owned()) } else { Err("expected letters, digits, `-`, `_` and `.`".to_owned()) }
    },
    show: String::clone,
};

const HOST: Form<String> = Form {
    kind: "a name of at most 255 characters",
    example: "web1",
    read: |text| {
        let fits = (1..=MAX_NAME).contains(&text.len());
        if fits { Ok(text.to_owned()) } else { Err("expected a name of at most 255 characters".to_owned()) }
    },
    show: String::clone,
};

fn database(url: &Uri) -> Option<i64> {
    let path = url.path().trim_start_matches('/');
    if path.is_empty() { Some(0) } else { path.parse().ok().filter(|number| (0..=65_535).contains(number)) }
}

fn parse_url(text: &str) -> Result<Uri, &'static str> {
    const EXPECTED: &str = "expected a URL such as rediss://sensor@redis.example.org:6379/0";
    let url: Uri = text.parse().or(Err(EXPECTED))?;
    if !matches!(url.scheme_str(), Some("rediss" | "redis")) {
        return Err("expected rediss:// (TLS) or redis://");
    }
    let authority = url.authority().ok_or(EXPECTED)?.as_str();
    if authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) {
        return Err("a password belongs in `password_file`, not in the URL");
    }
    if url.host().is_none_or(str::is_empty) || database(&url).is_none() || url.query().is_some() {
        return Err(EXPECTED);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::Path;

    use super::*;
    use crate::config::Document;

    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn read(text: &str) -> (Option<FleetConfig>, Vec<String>) {
        let mut document = Document::default();
        document.add(Path::new("a"), text).unwrap();
        let problems = RefCell::default();
        let root = Section::root(&document, &problems);
        let config = FleetConfig::read(&root);
        (config, problems.into_inner().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn urls() {
        for (url, server, port, user, database) in [
            ("rediss://redis.example.org", "redis.example.org", 6_379, None, 0),
            ("rediss://sensor@redis.example.org:7000/3", "redis.example.org", 7_000, Some("sensor"), 3),
            ("redis://[2001:db8::1]:6380/", "2001:db8::1", 6_380, None, 0),
        ] {
            let (config, problems) = read(&format!("[fleet]\nurl = \"{url}\"\nauthority = \"{KEY}\"\n"));
            assert!(problems.is_empty(), "{problems:?}");
            let config = config.unwrap();
            assert_eq!((config.server(), config.port()), (server, port));
            assert_eq!((config.user(), config.database()), (user, database));
            assert_eq!(config.is_tls(), url.starts_with("rediss"));
            assert!(!config.host.is_empty());
        }
        for url in [
            "http://x",
            "redis://",
            "redis://u:secret@x",
            "redis://x/y",
            "redis://x/99999999",
            "redis://x?a=b",
            "x",
        ] {
            let (config, problems) = read(&format!("[fleet]\nurl = \"{url}\"\nauthority = \"{KEY}\"\n"));
            assert!(config.is_none() && problems.len() == 1, "{url}: {problems:?}");
            assert!(!problems[0].contains("secret"), "{problems:?}");
        }
    }

    #[test]
    fn evidence_is_shared_if_there_is_a_key() {
        let (config, problems) = read(&format!("[fleet]\nurl = \"redis://x\"\nauthority = \"{KEY}\"\n"));
        let config = config.unwrap();
        assert!(problems.is_empty() && config.evidence && config.evidence_key_file.is_none());
        let (config, problems) = read(&format!(
            "[fleet]\nurl = \"redis://x\"\nauthority = \"{KEY}\"\nevidence = false\nevidence_key_file = \"/k\"\n"
        ));
        let config = config.unwrap();
        assert!(problems.is_empty() && !config.evidence);
        assert_eq!(config.evidence_key_file.as_deref(), Some(Path::new("/k")));
    }

    #[test]
    fn without_an_authority_anybody_could_enrol() {
        let (config, problems) = read("[fleet]\nurl = \"redis://x\"\n");
        assert!(config.is_none() && problems[0].contains("sensor fleet init"), "{problems:?}");
        assert_eq!(read(""), (None, Vec::new()));
    }

    #[test]
    fn a_minute_has_as_many_decisions_as_it_says() {
        let bounds = Bounds { per_minute: 60, ..Bounds::default() };
        let at = |ms: u64| Timestamp::from_unix_micros(1_000_000_000 + ms * 1_000);
        let (mut next, mut taken) = (Timestamp::default(), 0);
        // Ten a second, for three minutes: a minute's burst, then one a second.
        for step in 0..1_800 {
            if let Some(charged) = bounds.charge(next, at(step * 100)) {
                (next, taken) = (charged, taken + 1);
            }
        }
        assert!((60 + 179..=60 + 180).contains(&taken), "{taken}");
    }
}

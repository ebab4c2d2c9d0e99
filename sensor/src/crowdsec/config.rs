//! What the configuration says about CrowdSec.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use documented::DocumentedFields;
use hyper::Uri;
use ipnet::IpNet;

use crate::config::{Form, Section};
use crate::notify;

/// What CrowdSec may decide for this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DocumentedFields)]
pub struct CrowdsecBounds {
    /// Maximum decisions of CrowdSec that are in force at a time. Those beyond it are counted and left. They never take
    /// more than three quarters of `clients.max_blocks`, so that detectors and operators have room.
    pub max_decisions: usize,
    /// Shortest IPv4 prefix that CrowdSec may block here.
    #[documented_fields(rename = "shortest_ipv4_prefix")]
    pub shortest_v4: u8,
    /// Shortest IPv6 prefix that CrowdSec may block here.
    #[documented_fields(rename = "shortest_ipv6_prefix")]
    pub shortest_v6: u8,
}

impl Default for CrowdsecBounds {
    fn default() -> Self {
        // Half of the default of `clients.max_blocks`; the community blocklist has some 15,000 to 50,000 addresses. And the
        // largest networks that registries have given to one holder.
        Self { max_decisions: 65_536, shortest_v4: 8, shortest_v6: 19 }
    }
}

impl CrowdsecBounds {
    pub(super) const fn is_too_wide(&self, prefix: &IpNet) -> bool {
        match prefix {
            IpNet::V4(prefix) => prefix.prefix_len() < self.shortest_v4,
            IpNet::V6(prefix) => prefix.prefix_len() < self.shortest_v6,
        }
    }
}

/// A local API of CrowdSec.
#[derive(Clone, PartialEq, DocumentedFields)]
pub struct CrowdsecConfig {
    /// URL of CrowdSec's local API, by HTTP or HTTPS. Under systemd, the unit's `IPAddressAllow=` must include its
    /// address if that is not this host.
    pub url: Uri,
    /// File with the API key of a bouncer (`cscli bouncers add`), readable by the daemon only. With it, decisions are
    /// pulled and carried out here.
    pub key_file: Option<PathBuf>,
    /// File with the login of a machine (`cscli machines add NAME -a -f FILE`), readable by the daemon only. With it, alerts
    /// and blocks of this host's detectors are pushed to CrowdSec.
    pub login_file: Option<PathBuf>,
    /// Whether they are. Without, `login_file` only tells which decisions came from this host.
    pub push: bool,
    /// Maximum alerts queued for CrowdSec; those beyond it are counted and lost.
    pub queue: usize,
    /// How often CrowdSec is told how many of its decisions are in force, if it wants to know.
    pub metrics_interval: Duration,
    /// File with additional certificate authorities, in PEM.
    pub ca_file: Option<PathBuf>,
    /// How often decisions are pulled.
    pub interval: Duration,
    /// How often all decisions are pulled instead of changes. That also happens after each failure.
    pub full_interval: Duration,
    /// Timeout of a request, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// Bounds.
    pub bounds: CrowdsecBounds,
}

impl fmt::Debug for CrowdsecConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("CrowdsecConfig").field("server", &self.url.host()).finish_non_exhaustive()
    }
}

impl CrowdsecConfig {
    /// A local API with the defaults.
    #[must_use]
    pub fn to(url: Uri) -> Self {
        Self {
            url,
            key_file: None,
            login_file: None,
            push: true,
            queue: 1_024,
            // As CrowdSec's own components do by default.
            metrics_interval: Duration::from_secs(1_800),
            ca_file: None,
            // As CrowdSec's own bouncers do by default.
            interval: Duration::from_secs(10),
            full_interval: Duration::from_secs(3_600),
            timeout: Duration::from_secs(30),
            bounds: CrowdsecBounds::default(),
        }
    }

    /// The TCP port of the local API.
    #[must_use]
    pub fn port(&self) -> u16 {
        notify::port_of(&self.url)
    }

    /// The local API's host and port, for people.
    #[must_use]
    pub fn server(&self) -> String {
        format!("{}:{}", self.url.host().unwrap_or_default(), self.port())
    }

    /// Whether it is on this host for sure.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let host = notify::host_of(&self.url);
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
    }

    /// Files that are read again while the daemon runs.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.key_file, &self.login_file, &self.ca_file].into_iter().flatten()
    }

    /// Reads `[crowdsec]`; none without a `url`.
    #[must_use]
    pub fn read(root: &Section<'_>) -> Option<Self> {
        let section = root.section("crowdsec").about(ABOUT);
        section.explain::<Self>();
        section.explain::<CrowdsecBounds>();
        let mut text = None;
        section.optional("url", &URL, &mut text);
        // Without the text in the message: it may hold a password.
        let url =
            text.and_then(|text| parse_url(&text).inspect_err(|error| section.reject("url", error)).ok());
        let mut config = Self::to(Uri::default());
        section.optional("key_file", &Form::path("/etc/sensor/crowdsec.key"), &mut config.key_file);
        section.optional("login_file", &Form::path("/etc/sensor/crowdsec.login"), &mut config.login_file);
        section.boolean("push", &mut config.push);
        section.integer("queue", 1..=65_536, &mut config.queue);
        section.duration("metrics_interval", Duration::from_secs(60), &mut config.metrics_interval);
        section.optional("ca_file", &Form::path("/etc/sensor/crowdsec-ca.pem"), &mut config.ca_file);
        section.duration("interval", Duration::from_secs(1), &mut config.interval);
        section.duration("full_interval", Duration::from_secs(60), &mut config.full_interval);
        section.duration("timeout", Duration::from_millis(100), &mut config.timeout);
        let bounds = &mut config.bounds;
        section.integer("max_decisions", 1..=1_000_000, &mut bounds.max_decisions);
        section.integer("shortest_ipv4_prefix", 1..=32, &mut bounds.shortest_v4);
        section.integer("shortest_ipv6_prefix", 1..=128, &mut bounds.shortest_v6);
        if let Some(path) = &config.ca_file
            && let Err(error) = notify::read_authorities(path)
        {
            section.reject("ca_file", error);
        }
        if url.is_some() && config.key_file.is_none() && config.login_file.is_none() {
            section.reject(
                "url",
                "CrowdSec's API needs `key_file`, with the key of a bouncer, to pull decisions (`cscli bouncers add sensor -o \
                 raw`), or `login_file`, with the login of a machine, to push alerts (`cscli machines add`)",
            );
        }
        section.finish();
        Some(Self { url: url?, ..config })
    }
}

const ABOUT: &str = "Decisions of CrowdSec, pulled from its local API; disabled without a `url`. docs/crowdsec.md describes \
     the set-up.";

const URL: Form<String> = Form {
    // It may hold a password, if it is wrong.
    show: |_url| "...".to_owned(),
    ..Form::any("a URL with `http` or `https`", "http://127.0.0.1:8080/")
};

fn parse_url(text: &str) -> Result<Uri, &'static str> {
    const EXPECTED: &str = "expected the URL of a local API, such as http://127.0.0.1:8080/";
    let url: Uri = text.parse().or(Err(EXPECTED))?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err("expected http:// or https://");
    }
    let authority = url.authority().ok_or(EXPECTED)?;
    if authority.as_str().contains('@') {
        return Err("credentials belong in `key_file`, not in the URL");
    }
    notify::check_port(authority)?;
    if url.host().is_none_or(str::is_empty) || url.query().is_some() {
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

    fn read(text: &str) -> (Option<CrowdsecConfig>, Vec<String>) {
        let mut document = Document::default();
        document.add(Path::new("a"), text).unwrap();
        let problems = RefCell::default();
        let root = Section::root(&document, &problems);
        let config = CrowdsecConfig::read(&root);
        (config, problems.into_inner().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn urls() {
        for (url, server) in [
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("https://lapi.example.org", "lapi.example.org:443"),
            ("http://[2001:db8::1]/base/", "[2001:db8::1]:80"),
        ] {
            let (config, problems) = read(&format!("[crowdsec]\nurl = \"{url}\"\nkey_file = \"/k\"\n"));
            assert!(problems.is_empty(), "{problems:?}");
            let config = config.unwrap();
            assert_eq!(config.server(), server);
            assert_eq!((config.interval.as_secs(), config.bounds.max_decisions), (10, 65_536));
        }
        for url in [
            "127.0.0.1",
            "ftp://x/",
            "http://",
            "http://x:0/",
            "http://x:99999/",
            "http://a:secret@x/",
            "http://x/?a=b",
        ] {
            let (config, problems) = read(&format!("[crowdsec]\nurl = \"{url}\"\nkey_file = \"/k\"\n"));
            assert!(config.is_none() && problems.len() == 1, "{url}: {problems:?}");
            assert!(!problems[0].contains("secret"), "{problems:?}");
        }
    }

    #[test]
    fn errors_say_what_was_expected() {
        for (text, expected) in [
            ("url = \"http://x\"", "cscli bouncers add"),
            ("url = \"http://x\"\nkey_file = \"k\"", "absolute path"),
            ("url = \"http://x\"\nkey_file = \"/k\"\ninterval = \"10ms\"", "crowdsec.interval"),
            ("url = \"http://x\"\nkey_file = \"/k\"\nmax_decisions = 0", "from 1 to 1000000"),
            ("url = \"http://x\"\nkey_file = \"/k\"\nca_file = \"/no/such\"", "/no/such"),
            ("url = \"http://x\"\nkey_fiel = \"/k\"", "did you mean `key_file`"),
        ] {
            let (_, problems) = read(&format!("[crowdsec]\n{text}\n"));
            assert!(problems.iter().any(|problem| problem.contains(expected)), "{text}: {problems:?}");
        }
        assert_eq!(read(""), (None, Vec::new()));
    }
}

//! What the configuration says about seeing HTTP.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::secrets::TlsConfig;
use super::{inspecting, logins};
use anyhow::Context as _;
use documented::DocumentedFields;

use crate::config::{Form, Section};
use crate::event::Paths;
use crate::identity::ForwardedHeader;
use crate::inspect::Schemas;
use crate::kernel::{InnerInterfaces, interface_index};
use crate::pipeline;
use crate::prefix::PREFIX;
use crate::route::{OpenApi, Operation};
use crate::stream::{self, OverlapPolicy};
use crate::{http, identity, posture, route};
use sensor_common::abi::MAX_SNAP;

/// Which TCP ports of this host are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Those that somebody listens on, until their connections turn out to be no HTTP.
    Auto,
    /// These.
    Listed(BTreeSet<u16>),
}

/// How HTTP is seen.
#[derive(Clone, Debug, PartialEq, DocumentedFields)]
pub struct SenseConfig {
    /// Whether to read HTTP at all; if not, nothing is copied, and limits and blocks still apply.
    pub enabled: bool,
    /// TCP ports to watch on this host: `auto` for ports with a listener, until their connections prove not to be HTTP;
    /// or port numbers. Ports that this host only forwards must be listed.
    pub ports: Ports,
    /// Interfaces on which HTTP is only read: `lo` between a proxy and an application on this host, bridges and host-side
    /// veths of containers. Nothing is limited or blocked there. They must have Ethernet headers or be `lo`, and must not
    /// be in `interfaces`. At most 16, which exist at start; a name that ends with `*` stands for all that begin like it
    /// and are not in `interfaces`, as they come and go, at most 256. `auto` is `lo`, where only requests from trusted or proven proxies on this host
    /// count: listed in `trusted_proxies`, or the clients that they named were connected to this host in nearly all of
    /// many cases.
    pub inner_interfaces: Vec<String>,
    /// Maximum payload bytes of a segment copied from the kernel.
    #[documented_fields(rename = "snap_bytes")]
    pub snap: u32,
    /// Total size of the rings for copied segments. Each CPU's ring gets an equal share, rounded up to a power of two,
    /// and at least 2 MiB.
    #[documented_fields(rename = "ring_mib")]
    pub ring_bytes: u32,
    /// File to which the record of every exchange is appended, one JSON object per line. It grows without bound: use it
    /// when you must see everything. Its directory must exist.
    #[documented_fields(rename = "exchange_log")]
    pub log: Option<PathBuf>,
    /// Where patterns of routes are read from, besides the configuration.
    pub openapi: Option<PathBuf>,
    /// What that describes.
    pub operations: Vec<Operation>,
    /// TLS.
    pub tls: TlsConfig,
    /// Everything behind the rings.
    pub pipeline: pipeline::Config,
}

impl Default for SenseConfig {
    fn default() -> Self {
        let mut pipeline = pipeline::Config::default();
        // The usual ports, for connections whose handshake was missed.
        pipeline.streams.server_ports = vec![80, 443, 3000, 5000, 8000, 8008, 8080, 8081, 8443, 8888, 9090];
        Self {
            enabled: true,
            ports: Ports::Auto,
            inner_interfaces: vec![AUTO.to_owned()],
            snap: 4_096,
            ring_bytes: 16 << 20,
            log: None,
            openapi: None,
            operations: Vec::new(),
            tls: TlsConfig::default(),
            pipeline,
        }
    }
}

/// Stands for loopback among inner interfaces.
const AUTO: &str = "auto";
const LOOPBACK: &str = "lo";

/// Ends the names of inner interfaces that stand for all that begin alike.
const ANY: char = '*';

const INNER: Form<String> = Form {
    kind: "the name of an interface, or the beginning of names and `*`",
    example: "br-*",
    read: |text| match text.split_once(ANY) {
        Some(("", _)) => Err("expected the beginning of a name before `*`".to_owned()),
        Some((_, rest)) if !rest.is_empty() => Err("`*` can only be at the end".to_owned()),
        _ => Ok(text.to_owned()),
    },
    show: String::clone,
};

/// The keys of `[identity]` whose lists have rules.
const NAME_LISTS: [&str; 5] =
    ["forwarded_headers", "api_key_headers", "api_key_parameters", "token_parameters", "session_cookies"];

const ABOUT_HTTP: &str = "How HTTP is read: which ports, and how much is copied and remembered.";

const ABOUT_IDENTITY: &str = "Who a client is behind proxies, and which credentials distinguish principals. Only \
     keyed hashes of credentials are kept.";

const ABOUT_LOGIN: &str = "How login attempts are recognised.";

const ABOUT_POSTURE: &str = "What each route looks like from outside, for `sensor posture`.";

const ABOUT_ROUTES: &str = "Path templates, such as `/users/{id}`, that group exchanges.";

impl SenseConfig {
    /// Opens the log of exchanges; none where HTTP is not seen.
    ///
    /// # Errors
    /// If it cannot be opened; the error names the key and the file.
    pub(super) fn open_log(&self) -> anyhow::Result<Option<File>> {
        let Some(path) = self.log.as_deref().filter(|_| self.enabled) else { return Ok(None) };
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path);
        file.with_context(|| format!("http.exchange_log: {} cannot be written", path.display())).map(Some)
    }

    /// Reads `[tls]`, `[http]`, `[identity]`, `[login]`, `[routes]` and `[inspect]`.
    pub(super) fn read(root: &Section<'_>) -> Self {
        let mut config = Self { tls: TlsConfig::read(root), ..Self::default() };
        config.read_http(root.section("http").about(ABOUT_HTTP));
        config.read_identity(root.section("identity").about(ABOUT_IDENTITY));
        logins::read(root.section("login").about(ABOUT_LOGIN), &mut config.pipeline.identity.login);
        config.read_routes(root.section("routes").about(ABOUT_ROUTES));
        inspecting::read(root.section("inspect").about(inspecting::ABOUT), &mut config.pipeline.inspect);
        config.read_posture(root.section("posture").about(ABOUT_POSTURE));
        config
    }

    fn read_http(&mut self, http: Section<'_>) {
        http.explain::<Self>();
        http.explain::<stream::Config>();
        http.explain::<http::Config>();
        http.explain::<pipeline::Config>();
        http.boolean("enabled", &mut self.enabled);
        self.read_ports(&http);
        self.read_inner(&http);
        http.integer("snap_bytes", 256..=MAX_SNAP, &mut self.snap);
        http.mebibytes("ring_mib", 1..=1_024, &mut self.ring_bytes);
        http.optional("exchange_log", &Form::path("/var/log/sensor/exchanges.jsonl"), &mut self.log);
        let streams = &mut self.pipeline.streams;
        http.integer("max_connections", 64..=16_777_216, &mut streams.max_connections);
        http.integer("max_stream_buffer_bytes", 4_096..=1 << 30, &mut streams.max_buffered_per_half);
        http.mebibytes("max_buffer_mib", 1..=65_536, &mut streams.max_buffered);
        http.duration("idle", Duration::from_secs(1), &mut streams.idle_timeout);
        http.boolean("urgent_inline", &mut streams.urgent_inline);
        let policies = OverlapPolicy::ALL.map(|policy| (policy.label(), policy));
        http.choice("overlap", &policies, &mut streams.overlap);
        let paths = [("redacted", Paths::Redacted), ("raw", Paths::Raw)];
        http.choice("paths", &paths, &mut self.pipeline.paths);
        http.boolean("unit_metrics", &mut self.pipeline.unit_metrics);
        let messages = &mut self.pipeline.http;
        http.integer("max_head_bytes", 1_024..=16 << 20, &mut messages.head_bytes);
        http.integer("max_headers", 8..=1_000, &mut messages.headers);
        http.integer("max_body_bytes", 0..=64 << 20, &mut messages.body_bytes);
        http.integer("max_inflated_bytes", 0..=64 << 20, &mut messages.inflate_bytes);
        let per_second = &mut messages.inflate_bytes_per_second;
        http.integer("max_inflated_bytes_per_second", 0..=1 << 30, per_second);
        http.boolean("proxy_protocol", &mut messages.proxy_protocol);
        http.finish();
    }

    fn read_ports(&mut self, http: &Section<'_>) {
        let mut ports = vec![None];
        http.list("ports", &PORT, &mut ports);
        let listed: BTreeSet<u16> = ports.iter().copied().flatten().collect();
        if !listed.is_empty() {
            self.pipeline.streams.server_ports = listed.iter().copied().collect();
        }
        match (ports.contains(&None), listed.is_empty()) {
            (false, false) => self.ports = Ports::Listed(listed),
            (true, true) => self.ports = Ports::Auto,
            (true, false) => http.reject("ports", "either \"auto\" or ports, not both"),
            (false, true) => http.reject("ports", "no ports; to watch none, set `enabled = false`"),
        }
    }

    fn read_inner(&mut self, http: &Section<'_>) {
        http.list("inner_interfaces", &INNER, &mut self.inner_interfaces);
        let mut known = BTreeSet::new();
        if let Some(twice) = self.inner_interfaces.iter().find(|name| !known.insert(*name)) {
            http.reject("inner_interfaces", format!("`{twice}` is listed twice"));
        }
    }

    /// The inner interfaces: `auto` is loopback, unless it has a role already.
    pub(super) fn inner(&self, interfaces: &[String]) -> InnerInterfaces {
        let taken = |name: &str| interfaces.iter().chain(&self.inner_interfaces).any(|other| other == name);
        let mut inner = InnerInterfaces::default();
        for name in &self.inner_interfaces {
            match name.strip_suffix(ANY) {
                Some(prefix) => inner.prefixes.push(prefix.to_owned()),
                None if name == AUTO && taken(LOOPBACK) => {}
                None if name == AUTO => inner.named.push(LOOPBACK.to_owned()),
                None => inner.named.push(name.clone()),
            }
        }
        inner
    }

    /// The interface on which exchanges count only behind a trusted proxy.
    pub(super) fn proving(&self, interfaces: &[String]) -> Option<u32> {
        let is_named = |name| self.inner_interfaces.iter().any(|other| other == name);
        let is_auto =
            is_named(AUTO) && !is_named(LOOPBACK) && !interfaces.iter().any(|other| other == LOOPBACK);
        is_auto.then(|| interface_index(LOOPBACK).ok()).flatten()
    }

    /// The first inner interface that is to be limited and blocked, too.
    pub(super) fn inner_and(&self, interfaces: &[String]) -> Option<&String> {
        self.inner_interfaces.iter().find(|name| interfaces.contains(name))
    }

    fn read_identity(&mut self, identity: Section<'_>) {
        let config = &mut self.pipeline.identity;
        identity.explain::<identity::Config>();
        identity.list("trusted_proxies", &PREFIX, &mut config.trusted_proxies);
        identity.list("forwarded_headers", &FORWARDED, &mut config.forwarded_headers);
        identity.list("api_key_headers", &name("x-shop-key"), &mut config.api_key_headers);
        identity.list("api_key_parameters", &name("shop_key"), &mut config.api_key_parameters);
        identity.list("token_parameters", &name("token"), &mut config.token_parameters);
        identity.list("session_cookies", &name("shop_session"), &mut config.session_cookies);
        if let Err(error) = config.check() {
            for key in NAME_LISTS {
                if error.to_string().contains(key) {
                    identity.reject(key, &error);
                }
            }
        }
        identity.finish();
    }

    fn read_posture(&mut self, posture: Section<'_>) {
        let config = &mut self.pipeline.posture;
        posture.explain::<posture::Config>();
        posture.boolean("enabled", &mut config.enabled);
        posture.integer("max_routes", 16..=60_000, &mut config.rows);
        posture.finish();
    }

    fn read_routes(&mut self, routes: Section<'_>) {
        let config = &mut self.pipeline.routes;
        let mut openapi = None;
        routes.explain::<route::Config>();
        routes.explain_by(|key| (key == "openapi").then(|| OPENAPI.to_owned()));
        routes.integer("max_templates", 16..=1_000_000, &mut config.max_templates);
        let pattern = Form::any("a path or a pattern", "/users/{name}");
        routes.list("patterns", &pattern, &mut config.patterns);
        routes.optional("openapi", &Form::path("/etc/sensor/openapi.yaml"), &mut openapi);
        if let Some(path) = &openapi {
            match read_openapi(path) {
                Ok((OpenApi { patterns, operations }, schemas)) => {
                    config.patterns.extend(patterns);
                    self.operations = operations;
                    self.pipeline.inspect.schemas = schemas;
                }
                Err(error) => routes.reject("openapi", error),
            }
        }
        if let Err(error) = route::Routes::new(config) {
            routes.reject("patterns", error);
        }
        self.openapi = openapi;
        routes.finish();
    }
}

const OPENAPI: &str = "An OpenAPI document, in YAML or JSON. Its paths are used as patterns, after those of \
     `patterns`. It is read with the configuration.";

const FORWARDED: Form<ForwardedHeader> = Form {
    kind: "the name of a header",
    example: "CF-Connecting-IP",
    read: |text| Ok(ForwardedHeader::named(text)),
    show: ForwardedHeader::shown,
};

const fn name(example: &'static str) -> Form<String> {
    Form::any("a name", example)
}

const PORT: Form<Option<u16>> = Form {
    kind: "`auto` or a port from 1 to 65535",
    example: "8080",
    read: |text| match text {
        "auto" => Ok(None),
        _ => match text.parse() {
            Ok(port) if port != 0 => Ok(Some(port)),
            _ => Err("expected \"auto\" or a port from 1 to 65535, such as 8080".to_owned()),
        },
    },
    show: |port| port.map_or_else(|| "auto".to_owned(), |port| port.to_string()),
};

fn read_openapi(path: &Path) -> Result<(OpenApi, Schemas), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let read = route::openapi(&path.display().to_string(), &text).map_err(|error| error.to_string())?;
    Ok((read, Schemas::compile(&text)?))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::config::Document;

    fn read(text: &str) -> (SenseConfig, Vec<String>) {
        let mut document = Document::default();
        document.add(Path::new("s.toml"), text).unwrap();
        let problems = RefCell::default();
        let config = SenseConfig::read(&Section::root(&document, &problems));
        (config, problems.into_inner().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn ports_are_numbers_or_strings() {
        let listed = Ports::Listed(BTreeSet::from([80, 8080]));
        for (text, ports) in [
            ("", &Ports::Auto),
            ("[http]\nports = [\"auto\"]\n", &Ports::Auto),
            ("[http]\nports = [80, 8080]\n", &listed),
            ("[http]\nports = [\"80\", \"8080\"]\n", &listed),
            ("[http]\nports = [8080, \"80\", 80]\n", &listed),
        ] {
            let (config, problems) = read(text);
            assert_eq!((&config.ports, problems.len()), (ports, 0), "{text}: {problems:?}");
        }
        assert_eq!(read("[http]\nports = [80, 8080]\n").0.pipeline.streams.server_ports, [80, 8080]);
    }

    #[test]
    fn loopback_is_read_by_default_unless_it_has_a_role() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (text, interfaces, inner, proves) in [
            ("", &["eth0"][..], &["lo"][..], true),
            ("", &["eth0", "lo"], &[], false),
            ("[http]\ninner_interfaces = []\n", &["eth0"], &[], false),
            ("[http]\ninner_interfaces = [\"lo\"]\n", &["eth0"], &["lo"], false),
            ("[http]\ninner_interfaces = [\"auto\", \"docker0\"]\n", &["eth0"], &["lo", "docker0"], true),
            ("[http]\ninner_interfaces = [\"br-*\", \"lo\"]\n", &["eth0"], &["lo", "br-*"], false),
            ("[http]\ninner_interfaces = [\"auto\", \"lo\"]\n", &["eth0"], &["lo"], false),
        ] {
            let (config, _) = read(text);
            let found = config.inner(&names(interfaces));
            let prefixes = found.prefixes.iter().map(|prefix| format!("{prefix}*"));
            assert_eq!([found.named.clone(), prefixes.collect()].concat(), names(inner), "{text}");
            assert_eq!(config.proving(&names(interfaces)).is_some(), proves, "{text}");
        }
    }

    #[test]
    fn mistakes_in_ports_are_told() {
        for (ports, message) in [
            ("[\"auto\", 80]", "either \"auto\" or ports, not both"),
            ("[80, \"auto\"]", "either \"auto\" or ports, not both"),
            ("[]", "no ports; to watch none, set `enabled = false`"),
            ("[80, 0]", "expected \"auto\" or a port from 1 to 65535, such as 8080"),
            ("[80, 65536]", "expected \"auto\" or a port"),
            ("[80, -1]", "expected \"auto\" or a port"),
            ("[80, true]", "expected a string"),
            ("80", "expected a list"),
        ] {
            let (_, problems) = read(&format!("[http]\nports = {ports}\n"));
            assert_eq!(problems.len(), 1, "{ports}: {problems:?}");
            assert!(
                problems[0].starts_with(&format!("s.toml:2: http.ports: {message}")),
                "{ports}: {problems:?}"
            );
        }
    }
}

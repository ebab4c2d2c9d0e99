//! What the configuration says about seeing HTTP.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::config::Section;
use crate::identity::{
    Conditions, ForwardedHeader, Key, LoginConfig, LoginRoute, LoginRule, MAX_LOGIN_RULES, login_text,
};
use crate::pipeline;
use crate::route::openapi_patterns;
use crate::stream::OverlapPolicy;
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
#[derive(Clone, Debug, PartialEq)]
pub struct SenseConfig {
    /// Whether it is at all.
    pub enabled: bool,
    /// Where.
    pub ports: Ports,
    /// Most payload bytes of a segment that are copied.
    pub snap: u32,
    /// Bytes of the ring buffer that they are copied to; a power of two.
    pub ring_bytes: u32,
    /// Where the record of every exchange is appended to, one JSON object a line. Nothing here ends it: it is
    /// for times when all must be seen.
    pub log: Option<PathBuf>,
    /// Everything behind the ring.
    pub pipeline: pipeline::Config,
}

impl Default for SenseConfig {
    fn default() -> Self {
        let mut pipeline = pipeline::Config::default();
        // The usual ports, for connections whose handshake was missed.
        pipeline.streams.server_ports = vec![80, 443, 3000, 5000, 8000, 8008, 8080, 8081, 8443, 8888, 9090];
        Self { enabled: true, ports: Ports::Auto, snap: 4_096, ring_bytes: 16 << 20, log: None, pipeline }
    }
}

/// The keys of `[identity]` whose lists have rules.
const NAME_LISTS: [&str; 5] =
    ["forwarded_headers", "api_key_headers", "api_key_parameters", "token_parameters", "session_cookies"];

/// Megabytes to bytes.
const MIB_SHIFT: u32 = 20;

impl SenseConfig {
    /// Opens the log of exchanges; none where HTTP is not seen.
    ///
    /// # Errors
    /// Where it cannot be opened; the error names the key and the file.
    pub(super) fn open_log(&self) -> anyhow::Result<Option<File>> {
        let Some(path) = self.log.as_deref().filter(|_| self.enabled) else { return Ok(None) };
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path);
        file.with_context(|| format!("http.exchange_log: {} cannot be written", path.display())).map(Some)
    }

    /// Reads `[http]`, `[identity]`, `[login]` and `[routes]`.
    pub(super) fn read(root: &Section<'_>) -> Self {
        let mut config = Self::default();
        config.read_http(root.section("http"));
        config.read_identity(root.section("identity"));
        read_logins(root.section("login"), &mut config.pipeline.identity.login);
        config.read_routes(root.section("routes"));
        config
    }

    fn read_http(&mut self, http: Section<'_>) {
        set(&mut self.enabled, http.boolean("enabled"));
        if let Some(ports) = http.list("ports", parse_port) {
            let listed: BTreeSet<u16> = ports.iter().copied().flatten().collect();
            if !listed.is_empty() {
                self.pipeline.streams.server_ports = listed.iter().copied().collect();
            }
            match (ports.contains(&None), listed.is_empty()) {
                (false, false) => self.ports = Ports::Listed(listed),
                (true, true) => self.ports = Ports::Auto,
                (true, false) => http.reject("ports", "either \"auto\" or ports, not both"),
                (false, true) => http.reject("ports", "no port; `enabled = false` watches none"),
            }
        }
        set(&mut self.snap, http.integer("snap_bytes", 256..=MAX_SNAP));
        set(
            &mut self.ring_bytes,
            http.integer("ring_mib", 1..=1_024).map(|mib| (mib << MIB_SHIFT).next_power_of_two()),
        );
        self.log = http.path("exchange_log");
        let streams = &mut self.pipeline.streams;
        set(&mut streams.max_connections, http.integer("max_connections", 64..=16_777_216).map(wide));
        set(
            &mut streams.max_buffered_per_half,
            http.integer("max_stream_buffer_bytes", 4_096..=1 << 30).map(wide),
        );
        set(&mut streams.max_buffered, http.integer("max_buffer_mib", 1..=65_536).map(mebibytes));
        set(&mut streams.idle_timeout, http.duration("idle"));
        set(&mut streams.urgent_inline, http.boolean("urgent_inline"));
        let overlap = http.parsed("overlap", |name| {
            let labels = || OverlapPolicy::ALL.map(OverlapPolicy::label).join(", ");
            OverlapPolicy::from_label(name).ok_or_else(|| format!("expected one of {}", labels()))
        });
        set(&mut streams.overlap, overlap);
        let messages = &mut self.pipeline.http;
        set(&mut messages.head_bytes, http.integer("max_head_bytes", 1_024..=16 << 20).map(wide));
        set(&mut messages.headers, http.integer("max_headers", 8..=1_000).map(wide));
        set(&mut messages.body_bytes, http.integer("max_body_bytes", 0..=64 << 20).map(wide));
        set(&mut messages.inflate_bytes, http.integer("max_inflated_bytes", 0..=64 << 20).map(wide));
        set(&mut messages.proxy_protocol, http.boolean("proxy_protocol"));
        http.finish();
    }

    fn read_identity(&mut self, identity: Section<'_>) {
        let config = &mut self.pipeline.identity;
        let name = |text: &str| Ok::<_, String>(text.to_owned());
        set(&mut config.trusted_proxies, identity.list("trusted_proxies", crate::prefix::parse));
        let forwarded =
            identity.list("forwarded_headers", |text| Ok::<_, String>(ForwardedHeader::named(text)));
        set(&mut config.forwarded_headers, forwarded);
        set(&mut config.api_key_headers, identity.list("api_key_headers", name));
        set(&mut config.api_key_parameters, identity.list("api_key_parameters", name));
        set(&mut config.token_parameters, identity.list("token_parameters", name));
        set(&mut config.session_cookies, identity.list("session_cookies", name));
        if let Err(error) = config.check() {
            for key in NAME_LISTS {
                if error.to_string().contains(key) {
                    identity.reject(key, &error);
                }
            }
        }
        identity.finish();
    }

    fn read_routes(&mut self, routes: Section<'_>) {
        let config = &mut self.pipeline.routes;
        set(&mut config.max_templates, routes.integer("max_templates", 16..=1_000_000).map(wide));
        let patterns = routes.list("patterns", |text| Ok::<_, String>(text.to_owned()));
        set(&mut config.patterns, patterns);
        if let Some(path) = routes.path("openapi") {
            match read_openapi(&path) {
                Ok(patterns) => config.patterns.extend(patterns),
                Err(error) => routes.reject("openapi", error),
            }
        }
        if let Err(error) = crate::route::Routes::new(config) {
            routes.reject("patterns", error);
        }
        routes.finish();
    }
}

fn read_logins(login: Section<'_>, config: &mut LoginConfig) {
    set(&mut config.enabled, login.boolean("enabled"));
    for (name, section) in login.sections() {
        let route = section.parsed("route", str::parse::<LoginRoute>);
        let text = |key| section.parsed(key, login_text);
        let list = |key| section.list(key, login_text).unwrap_or_default();
        let (user_field, password_field) = (text("user_field"), text("password_field"));
        let success = Conditions {
            status: section.list("success_status", str::parse).unwrap_or_default(),
            text: list("success_text"),
            redirect: list("success_redirect"),
            header: section.list("success_header", str::parse).unwrap_or_default(),
        };
        let failure = Conditions {
            status: section.list("failure_status", str::parse).unwrap_or_default(),
            text: list("failure_text"),
            redirect: list("failure_redirect"),
            header: section.list("failure_header", str::parse).unwrap_or_default(),
        };
        match route {
            _ if config.rules.len() >= MAX_LOGIN_RULES => {
                login.reject(name, format!("at most {MAX_LOGIN_RULES} logins are possible"));
            }
            Some(route) => {
                config.rules.push(LoginRule { route, user_field, password_field, success, failure });
            }
            None if !section.has("route") => login.reject(name, "`route` is missing: which path is it for?"),
            None => {}
        }
        section.finish();
    }
    login.finish_values();
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn wide(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn mebibytes(number: u32) -> usize {
    wide(number) << MIB_SHIFT
}

fn parse_port(text: &str) -> Result<Option<u16>, &'static str> {
    match text {
        "auto" => Ok(None),
        _ => match text.parse() {
            Ok(port) if port != 0 => Ok(Some(port)),
            _ => Err("expected \"auto\" or a port from 1 to 65535, such as 8080"),
        },
    }
}

fn read_openapi(path: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    openapi_patterns(&path.display().to_string(), &text).map_err(|error| error.to_string())
}

/// The file with the installation's key for hashes.
const KEY_FILE: &str = "hash.key";

/// Reads the key of an installation.
///
/// # Errors
/// Where it cannot be read, or is not 32 bytes long.
pub fn read_key(state_dir: &Path) -> Result<Key, KeyError> {
    let path = state_dir.join(KEY_FILE);
    let bytes = fs::read(&path).map_err(|source| KeyError::Io { path: path.clone(), source })?;
    let bytes: [u8; 32] = bytes.try_into().map_err(|_wrong_length| KeyError::Length(path))?;
    Ok(Key::from_bytes(bytes))
}

/// Reads the key of an installation, which is made where there is none.
///
/// # Errors
/// As [`read_key`], or where it cannot be written.
pub(super) fn ensure_key(state_dir: &Path) -> Result<Key, KeyError> {
    let path = state_dir.join(KEY_FILE);
    if path.exists() {
        return read_key(state_dir);
    }
    let failed = |source| KeyError::Io { path: path.clone(), source };
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| failed(std::io::Error::from(error)))?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    file.write_all(&bytes).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(Key::from_bytes(bytes))
}

/// What can go wrong with the key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// It is no key.
    #[error("{0}: a key has 32 bytes; remove the file to have a new one made, hashes then change")]
    Length(PathBuf),
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
    fn mistakes_in_ports_are_told() {
        for (ports, message) in [
            ("[\"auto\", 80]", "either \"auto\" or ports, not both"),
            ("[80, \"auto\"]", "either \"auto\" or ports, not both"),
            ("[]", "no port; `enabled = false` watches none"),
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

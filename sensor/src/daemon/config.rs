//! The whole configuration: every room's part, and where to find the files.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use sensor_common::limit::Rate;

use super::sense::SenseConfig;
use super::web::WebConfig;
use crate::config::{Document, Problem, Section};
use crate::decide::{DecideConfig, NeverBlock};
use crate::detect;
use crate::enforce::{Limit, Limits, PolicyConfig, Scope, parse_bits};
use crate::kernel::{Capacities, ClientPrefixes, Tuning, XdpChoice};
use crate::notify::NotifyConfig;
use crate::store::StoreConfig;

/// Files and addresses of a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The control socket.
    pub socket: PathBuf,
    /// What survives a restart.
    pub state_dir: PathBuf,
    /// Pinned BPF objects.
    pub pin_dir: PathBuf,
    /// Metrics, health and readiness.
    pub web: SocketAddr,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            socket: "/run/sensor/control.sock".into(),
            state_dir: "/var/lib/sensor".into(),
            pin_dir: "/sys/fs/bpf/sensor".into(),
            web: SocketAddr::from(([127, 0, 0, 1], 9797)),
        }
    }
}

/// How the daemon logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Mode, limits, allows, blocks.
    pub policy: PolicyConfig,
    /// Interfaces to serve; empty for that of the default route.
    pub interfaces: Vec<String>,
    /// How to attach.
    pub xdp: XdpChoice,
    /// Bounds of the kernel's tables.
    pub capacities: Capacities,
    /// Settings that can change while the program runs.
    pub tuning: Tuning,
    /// Prefixes never to block.
    pub never_block: Vec<IpNet>,
    /// Files and addresses.
    pub paths: Paths,
    /// Who may read the metrics, and over what.
    pub web: WebConfig,
    /// How HTTP is seen.
    pub sense: SenseConfig,
    /// What is looked for.
    pub detect: detect::Config,
    /// What is done about it.
    pub decide: DecideConfig,
    /// What a limit of a detector is, where that is tighter than what holds for the client.
    pub decided_limits: Limits,
    /// What is kept of it.
    pub store: StoreConfig,
    /// Who is told.
    pub notify: NotifyConfig,
    /// Group that may use the control socket.
    pub group: String,
    /// Least level of log lines.
    pub log_level: String,
    /// Their form.
    pub log_format: LogFormat,
    /// Level of the eBPF program's own diagnostics, 0 for none.
    pub kernel_log_level: u8,
}

/// All sources that are not admitted to the table, together.
fn default_newcomers() -> Option<Rate> {
    "100k/s:100k".parse().ok()
}

/// A person at a keyboard hardly notices; a program that tries passwords does.
fn decided_limits() -> Limits {
    Limits {
        packets: "100/s:500".parse().ok(),
        bits: None,
        connections: "1/s:10".parse().ok(),
        requests: "1/s:10".parse().ok(),
    }
}

impl Default for Config {
    #[expect(clippy::expect_used, reason = "the text is a constant, and a test reads it")]
    fn default() -> Self {
        Self {
            policy: PolicyConfig::default(),
            interfaces: Vec::new(),
            xdp: XdpChoice::Auto,
            capacities: Capacities::default(),
            tuning: Tuning {
                newcomers: default_newcomers(),
                notices: "1k/s:1k".parse().expect("a rate"),
                prefixes: ClientPrefixes::default(),
            },
            never_block: Vec::new(),
            paths: Paths::default(),
            web: WebConfig::default(),
            sense: SenseConfig::default(),
            detect: detect::Config::default(),
            decide: DecideConfig::default(),
            decided_limits: decided_limits(),
            store: StoreConfig::default(),
            notify: NotifyConfig::default(),
            group: "sensor".to_owned(),
            log_level: "info".to_owned(),
            log_format: LogFormat::Text,
            kernel_log_level: 0,
        }
    }
}

impl Config {
    /// Checks a document.
    ///
    /// # Errors
    /// Every mistake, in the order of files and lines.
    pub fn check(document: &Document) -> Result<Self, Vec<Problem>> {
        let problems = RefCell::default();
        let root = Section::root(document, &problems);
        let config = Self::read(&root);
        root.finish();
        let mut problems = problems.into_inner();
        problems.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    fn read(root: &Section<'_>) -> Self {
        let mut config = Self::default();
        let limits = root.section("limits");
        config.policy = PolicyConfig::read(root, &limits);
        if let Some(newcomers) = limits.parsed("newcomers", str::parse::<Limit>) {
            config.tuning.newcomers = if let Limit::Rate(rate) = newcomers { Some(rate) } else { None };
        }
        limits.finish_values();
        if let Some(interfaces) = root.list("interfaces", |name| Ok::<_, String>(name.to_owned())) {
            config.interfaces = interfaces;
        }
        if let Some(xdp) = root.parsed("xdp", parse_xdp) {
            config.xdp = xdp;
        }
        config.read_clients(root.section("clients"));
        let never_block = root.section("never_block");
        config.never_block = NeverBlock::read(&never_block);
        never_block.finish();
        config.sense = SenseConfig::read(root);
        config.read_detection(root);
        config.read_places(root);
        config.read_log(root.section("log"));
        config.check_scopes(&root.section("limits"));
        config
    }

    fn read_clients(&mut self, clients: Section<'_>) {
        let Self { capacities, tuning, .. } = self;
        set(&mut tuning.prefixes.v4, clients.integer("ipv4_prefix", 8..=32).and_then(narrow));
        set(&mut tuning.prefixes.v6, clients.integer("ipv6_prefix", 16..=128).and_then(narrow));
        set(
            &mut tuning.prefixes.idle,
            clients.duration("idle").filter(|idle| *idle >= Duration::from_secs(1)),
        );
        set(&mut capacities.clients, clients.integer("max_tracked", 64..=67_108_864));
        set(&mut capacities.doorkeeper, clients.integer("doorkeeper", 1_024..=268_435_456));
        set(&mut capacities.scopes, clients.integer("max_scopes", 1..=32_000));
        set(&mut capacities.allows, clients.integer("max_allows", 1..=16_777_216));
        set(&mut capacities.blocks, clients.integer("max_blocks", 1..=16_777_216));
        set(&mut tuning.notices, clients.parsed("notices", str::parse));
        clients.finish();
    }

    fn read_detection(&mut self, root: &Section<'_>) {
        let detect = root.section("detect");
        self.detect = detect::Config::read(&detect);
        detect.finish();
        let decide = root.section("decide");
        self.decide = DecideConfig::read(&decide);
        let limits = decide.section("limits");
        for (place, limit) in [
            (&mut self.decided_limits.packets, limits.parsed("packets", str::parse::<Limit>)),
            (&mut self.decided_limits.connections, limits.parsed("connections", str::parse::<Limit>)),
            (&mut self.decided_limits.requests, limits.parsed("requests", str::parse::<Limit>)),
        ] {
            set(place, limit.map(Some));
        }
        if let Some(bits) = limits.parsed("bits", parse_bits) {
            self.decided_limits.bits = Some(bits);
        }
        limits.finish();
        decide.finish();
        self.store = StoreConfig::read(root);
        self.notify = NotifyConfig::read(root);
    }

    fn read_places(&mut self, root: &Section<'_>) {
        let (web, control, paths) = (root.section("web"), root.section("control"), root.section("paths"));
        let expected = "expected ADDRESS:PORT, such as 127.0.0.1:9797";
        set(&mut self.paths.web, web.parsed("listen_address", |text| text.parse().map_err(|_bad| expected)));
        self.web = WebConfig::read(&web);
        set(&mut self.paths.socket, control.path("socket"));
        set(&mut self.group, control.parsed("group", |text| Ok::<_, String>(text.to_owned())));
        set(&mut self.paths.state_dir, paths.path("state_dir"));
        set(&mut self.paths.pin_dir, paths.path("pin_dir"));
        for section in [web, control, paths] {
            section.finish();
        }
    }

    fn read_log(&mut self, log: Section<'_>) {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        let level = |text: &str| {
            let place = LEVELS.iter().position(|level| *level == text);
            place.ok_or_else(|| format!("expected one of {}", LEVELS.join(", ")))
        };
        let own = log.parsed("level", level).and_then(|place| LEVELS.get(place));
        set(&mut self.log_level, own.map(|level| (*level).to_owned()));
        set(
            &mut self.kernel_log_level,
            log.parsed("kernel", level).and_then(|place| u8::try_from(place).ok()),
        );
        let format = log.parsed("format", |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("expected `text` or `json`"),
        });
        set(&mut self.log_format, format);
        log.finish();
    }

    /// A scope longer than a client's prefix would split a client.
    fn check_scopes(&self, limits: &Section<'_>) {
        for (name, _) in limits.sections() {
            let Ok(Scope::Prefix(prefix)) = name.parse::<Scope>() else { continue };
            let ClientPrefixes { v4, v6, .. } = self.tuning.prefixes;
            let bits = if prefix.addr().is_ipv4() { v4 } else { v6 };
            if prefix.prefix_len() > bits {
                limits.reject(
                    name,
                    format!("overlapping scopes: it splits clients, which are /{bits} networks"),
                );
            }
        }
    }
}

pub(super) fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn narrow(number: u32) -> Option<u8> {
    u8::try_from(number).ok()
}

fn parse_xdp(text: &str) -> Result<XdpChoice, &'static str> {
    match text {
        "auto" => Ok(XdpChoice::Auto),
        "native" => Ok(XdpChoice::Native),
        "generic" => Ok(XdpChoice::Generic),
        _ => Err("expected `auto`, `native` or `generic`"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn check(text: &str) -> Result<Config, Vec<String>> {
        let mut document = Document::default();
        document.add(Path::new("s.toml"), text).unwrap();
        Config::check(&document).map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_is_the_default() {
        assert_eq!(check("").unwrap(), Config::default());
        assert!(Config::default().tuning.newcomers.is_some());
    }

    #[test]
    fn a_configuration_is_read() {
        let config = check(
            "mode = \"enforce\"\ninterfaces = [\"eth0\"]\nallow = [\"10.0.0.0/8\"]\n[limits]\nnewcomers = \"off\"\n\
             [limits.default]\npackets = \"5/s\"\n[limits.\"192.0.2.0/24\"]\nrequests = \"off\"\n\
             [clients]\nmax_tracked = 4096\n[web]\nlisten_address = \"127.0.0.1:1\"\n",
        )
        .unwrap();
        assert_eq!(config.tuning.newcomers, None);
        assert_eq!(config.policy.limits.len(), 2);
        assert_eq!(config.capacities.clients, 4_096);
        assert_eq!(config.policy.allow.len(), 1);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let found = check(
            "mode = \"panic\"\nblock = [\"10.1.2.3/8\", \"x\"]\n[limits.default]\npackets = \"fast\"\nbits = \"5\"\n\
             [limits.\"192.0.2.64/33\"]\n[limits.\"10.0.0.0/8\"]\npackts = 1\n[clients]\nipv4_prefix = 24\n\
             [limits.\"192.0.2.64/26\"]\n[limits]\nnewcomer = \"1/s\"\n[web]\nlisten_address = \"here\"\n",
        );
        // The table `[limits]` after its own sub-tables is not valid TOML 1.0 in every reader; both are told.
        let found = found.unwrap_err().join("\n");
        for expected in [
            "s.toml:1: mode: `panic`: expected `monitor` or `enforce`",
            "s.toml:2: block: `10.1.2.3/8` has bits set",
            "s.toml:2: block: `x` is no address prefix",
            "s.toml:4: limits.default.packets: `fast`: not a number",
            "s.toml:5: limits.default.bits: `5`: bits per second below 1k",
            "limits.\"192.0.2.64/33\": scope: expected `default`",
            "packts: unknown key; did you mean `packets`?",
            "limits.\"192.0.2.64/26\": overlapping scopes: it splits clients",
            "limits.newcomer: unknown key; did you mean `newcomers`?",
            "web.listen_address: `here`: expected ADDRESS:PORT",
        ] {
            assert!(found.contains(expected), "{expected}\nnot in\n{found}");
        }
    }
    #[test]
    fn logins_are_read() {
        let config = check(
            "[login]\nenabled = true\n[login.shop]\nroute = \"/shop/{lang}/enter\"\nuser_field = \"kunde\"\n\
             failure_status = [200, \"4xx\"]\nfailure_text = [\"Nope\"]\nsuccess_redirect = [\"/home\"]\n\
             success_header = [\"X-User\"]\n",
        );
        let login = config.unwrap().sense.pipeline.identity.login;
        let rule = &login.rules[0];
        assert!(rule.route.matches(b"/shop/de/enter") && rule.failure.status[1].contains(404));
        assert_eq!((rule.user_field.as_deref(), rule.failure.text[0].as_str()), (Some("kunde"), "Nope"));
        let found = check(
            "[login]\nenable = true\n[login.a]\nroute = \"login\"\nfailure_status = [700]\nuser_field = \"\"\n\
             [login.b]\nrout = \"/x\"\nsuccess_header = [\"a b\"]\nfailure_text = [\"\"]\n",
        );
        let found = found.unwrap_err().join("\n");
        for expected in [
            "s.toml:2: login.enable: unknown key; did you mean `enabled`?",
            "s.toml:4: login.a.route: `login`: expected a path such as `/login`",
            "s.toml:5: login.a.failure_status: expected a status such as 401",
            "s.toml:6: login.a.user_field: ``: expected a text that is not empty",
            "login.b: `route` is missing",
            "s.toml:8: login.b.rout: unknown key; did you mean `route`?",
            "s.toml:9: login.b.success_header: expected the name of a header",
            "s.toml:10: login.b.failure_text: expected a text that is not empty",
        ] {
            assert!(found.contains(expected), "{expected}\nnot in\n{found}");
        }
    }
}

//! The whole configuration: every room's part, and where to find the files.

mod checks;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use documented::DocumentedFields;
use ipnet::IpNet;
use sensor_common::limit::Rate;

use super::access_logs::{self, AccessLog};
use super::sense::SenseConfig;
use super::web::WebConfig;
use crate::config::{Description, Document, Form, Problem, Section, from_text};
use crate::crowdsec::CrowdsecConfig;
use crate::decide::{DecideConfig, NeverBlock};
use crate::detect;
use crate::enforce::{Limits, PolicyConfig};
use crate::fleet::FleetConfig;
use crate::groups::Databases;
use crate::kernel::{Capacities, ClientPrefixes, TooMany, Tuning, XdpChoice};
use crate::notify::NotifyConfig;
use crate::store::StoreConfig;

/// Files and addresses of a daemon.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Paths {
    /// Control socket for commands. If it is not the default, commands need `--socket`.
    pub socket: PathBuf,
    /// State directory, kept across restarts: changes by command, learned routes, alerts and decisions, the hash key.
    pub state_dir: PathBuf,
    /// Directory, on a BPF file system, where the kernel objects that outlive the daemon are pinned.
    pub pin_dir: PathBuf,
    /// Listen address of `/metrics`, `/healthz` and `/readyz`. Other hosts reach it only if the unit's
    /// `IPAddressAllow=` lists their addresses.
    #[documented_fields(rename = "listen_address")]
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
#[derive(Clone, Debug, PartialEq, DocumentedFields)]
pub struct Config {
    /// Mode, limits, allows, blocks.
    pub policy: PolicyConfig,
    /// Network interfaces to serve; if empty, the interface of the default route.
    pub interfaces: Vec<String>,
    /// How the XDP program is attached: `native` in the driver, `generic` after it, which is slower; `auto` uses native
    /// if possible, else generic.
    pub xdp: XdpChoice,
    /// What happens to a request over the limit `requests`. `429` answers it with `429 Too Many Requests` and
    /// `Retry-After`, closes the connection, and resets the server's side, which never sees the request. It takes `enforce`
    /// mode, native XDP, an interface with Ethernet headers and without VLAN tags in the frames, and HTTP/1 in clear whose
    /// head arrives whole, in one segment and without content; every other request over the limit is dropped, as with
    /// `drop`.
    pub too_many: TooMany,
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
    /// Which access logs are followed.
    pub access_logs: Vec<AccessLog>,
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
    /// Which hosts share decisions.
    pub fleet: Option<FleetConfig>,
    /// Whose decisions are pulled.
    pub crowdsec: Option<CrowdsecConfig>,
    /// What commands look addresses up in.
    pub databases: Databases,
    /// Group with read-only access to the control socket; root always has access.
    pub group: String,
    /// Group whose members may also change what is enforced. If no such group exists, only root may.
    pub admin_group: String,
    /// Minimum level of the daemon's log. The environment variable `SENSOR_LOG` overrides it.
    #[documented_fields(rename = "level")]
    pub log_level: String,
    /// Plain text, or one JSON object per line.
    #[documented_fields(rename = "format")]
    pub log_format: LogFormat,
    /// Minimum level of the eBPF program's diagnostics. They cost time per packet.
    #[documented_fields(rename = "kernel")]
    pub kernel_log_level: u8,
}

/// All sources that are not admitted to the table, together.
fn default_newcomers() -> Option<Rate> {
    "100k/s:100k".parse().ok()
}

/// A fifth of them. One network of a mobile carrier brings fewer new addresses a second.
fn default_newcomers_per_network() -> Option<Rate> {
    "20k/s:20k".parse().ok()
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
            too_many: TooMany::Drop,
            capacities: Capacities::default(),
            tuning: Tuning {
                newcomers: default_newcomers(),
                newcomers_per_network: default_newcomers_per_network(),
                ipv6_site_times: 256,
                ipv4_site_times: 0,
                syn_cookies: false,
                notices: "1k/s:1k".parse().expect("a rate"),
                prefixes: ClientPrefixes::default(),
            },
            never_block: Vec::new(),
            paths: Paths::default(),
            web: WebConfig::default(),
            sense: SenseConfig::default(),
            access_logs: Vec::new(),
            detect: detect::Config::default(),
            decide: DecideConfig::default(),
            decided_limits: decided_limits(),
            store: StoreConfig::default(),
            notify: NotifyConfig::default(),
            fleet: None,
            crowdsec: None,
            databases: Databases::default(),
            group: "sensor".to_owned(),
            admin_group: "sensor-admin".to_owned(),
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

    /// Reads a document, and writes down every key that readers ask for.
    #[must_use]
    pub fn described(document: &Document) -> (Self, Description) {
        let (problems, description) = (RefCell::default(), RefCell::default());
        let root = Section::recorded(document, &problems, &description).about(ABOUT_ROOT);
        let config = Self::read(&root);
        (config, description.into_inner())
    }

    fn read(root: &Section<'_>) -> Self {
        let mut config = Self::default();
        let limits = root.section("limits").about(ABOUT_LIMITS);
        limits.explain::<Tuning>();
        limits.text("newcomers", &NEWCOMERS, &mut config.tuning.newcomers);
        limits.text("newcomers_per_network", &NEWCOMERS, &mut config.tuning.newcomers_per_network);
        limits.integer("ipv6_site_times", 0..=65_536, &mut config.tuning.ipv6_site_times);
        limits.integer("ipv4_site_times", 0..=256, &mut config.tuning.ipv4_site_times);
        limits.choice("syn_cookies", &SYN_COOKIES, &mut config.tuning.syn_cookies);
        config.policy = PolicyConfig::read(root, &limits);
        limits.finish_values();
        root.explain::<Self>();
        let interface = Form::any("the name of an interface", "eth0");
        root.list("interfaces", &interface, &mut config.interfaces);
        root.choice("xdp", &XDP, &mut config.xdp);
        let respond = root.section("respond").about(ABOUT_RESPOND);
        respond.explain::<Self>();
        respond.choice("too_many", &TOO_MANY, &mut config.too_many);
        respond.finish();
        config.read_clients(root.section("clients").about(ABOUT_CLIENTS));
        let never_block = root.section("never_block").about(ABOUT_NEVER_BLOCK);
        config.never_block = NeverBlock::read(&never_block);
        never_block.finish();
        config.sense = SenseConfig::read(root);
        config.read_access_logs(root);
        config.read_detection(root);
        config.read_places(root);
        config.read_log(root.section("log").about(ABOUT_LOG));
        config.check_scopes(&root.section("limits"));
        config.check_sites(&root.section("limits"));
        config.check_groups(root);
        if let Some(both) = config.sense.inner_and(&config.interfaces) {
            root.section("http")
                .reject("inner_interfaces", format!("`{both}` is also in `interfaces`: {BOTH}"));
        }
        config
    }

    fn read_clients(&mut self, clients: Section<'_>) {
        let Self { capacities, tuning, .. } = self;
        clients.explain::<ClientPrefixes>();
        clients.explain::<Capacities>();
        clients.explain::<Tuning>();
        clients.integer("ipv4_prefix", 8..=32, &mut tuning.prefixes.v4);
        clients.integer("ipv6_prefix", 16..=128, &mut tuning.prefixes.v6);
        clients.duration("idle", Duration::from_secs(1), &mut tuning.prefixes.idle);
        clients.integer("max_tracked", 64..=67_108_864, &mut capacities.clients);
        clients.integer("doorkeeper", 1_024..=268_435_456, &mut capacities.doorkeeper);
        clients.integer("max_scopes", 1..=32_000, &mut capacities.scopes);
        clients.integer("max_allows", 1..=16_777_216, &mut capacities.allows);
        clients.integer("max_blocks", 1..=16_777_216, &mut capacities.blocks);
        clients.text("notices", &NOTICES, &mut tuning.notices);
        clients.finish();
    }

    fn read_access_logs(&mut self, root: &Section<'_>) {
        self.access_logs = access_logs::read(root);
        if !self.sense.enabled && !self.access_logs.is_empty() {
            root.reject(
                "access_logs",
                "logs are followed by what reads HTTP, which needs `http.enabled = true`",
            );
        }
    }

    fn read_detection(&mut self, root: &Section<'_>) {
        let detect = root.section("detect").about(ABOUT_DETECT);
        self.detect = detect::Config::read(&detect);
        self.detect.clients = self.tuning.prefixes;
        detect.finish();
        let decide = root.section("decide").about(ABOUT_DECIDE);
        self.decide = DecideConfig::read(&decide);
        let limits = decide.section("limits").about(ABOUT_DECIDED_LIMITS);
        self.decided_limits.read(&limits);
        limits.finish();
        decide.finish();
        self.store = StoreConfig::read(root);
        self.notify = NotifyConfig::read(root);
        self.fleet = FleetConfig::read(root);
        self.crowdsec = CrowdsecConfig::read(root);
    }

    fn read_places(&mut self, root: &Section<'_>) {
        let web = root.section("web").about("Metrics, health and readiness: listen address and access.");
        let control = root.section("control").about("The control socket, and who may use it.");
        let paths = root.section("paths").about("Directories for state and kernel objects.");
        web.explain::<Paths>();
        control.explain::<Paths>();
        control.explain::<Self>();
        paths.explain::<Paths>();
        web.text("listen_address", &LISTEN_ADDRESS, &mut self.paths.web);
        self.web = WebConfig::read(&web);
        control.text("socket", &Form::path("/run/sensor/second.sock"), &mut self.paths.socket);
        control.text("group", &Form::any("the name of a group", "adm"), &mut self.group);
        control.text("admin_group", &Form::any("the name of a group", "wheel"), &mut self.admin_group);
        paths.text("state_dir", &Form::path("/srv/sensor"), &mut self.paths.state_dir);
        paths.text("pin_dir", &Form::path("/sys/fs/bpf/second"), &mut self.paths.pin_dir);
        let names = root.section("names").about(ABOUT_NAMES);
        names.explain::<Databases>();
        names.optional("asn_database", &ASN_DATABASE, &mut self.databases.asn_database);
        names.optional("country_database", &COUNTRY_DATABASE, &mut self.databases.country_database);
        for section in [web, control, paths, names] {
            section.finish();
        }
    }

    fn read_log(&mut self, log: Section<'_>) {
        let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        let mut level =
            LEVELS.iter().find(|(name, _)| *name == self.log_level).map_or(0, |(_, level)| *level);
        log.explain::<Self>();
        log.choice("level", &LEVELS, &mut level);
        if let Some((name, _)) = LEVELS.iter().find(|(_, known)| *known == level) {
            (*name).clone_into(&mut self.log_level);
        }
        log.choice("kernel", &LEVELS, &mut self.kernel_log_level);
        log.choice("format", &formats, &mut self.log_format);
        log.finish();
    }
}

/// What is wrong with an interface of both roles.
pub(super) const BOTH: &str = "an interface either limits and blocks, or is only read";

const ABOUT_ROOT: &str = "What the daemon does, and where.";

const ABOUT_LIMITS: &str = "Limits on client traffic. A rate is COUNT/UNIT:BURST, such as `100/min:20`. Counts may \
     end in k, M or G. The unit is s (default), min or h. The burst may pass at once; it defaults to the count: \
     `100/min` means 100 in any minute, however they are spread. `sensor check` explains each rate.";

const ABOUT_RESPOND: &str = "Answers instead of silence. Off by default: apart from SYN cookies, this is the one place where packets \
     are made.";

const ABOUT_CLIENTS: &str = "What a client is, and the capacity of the kernel's tables.";

const ABOUT_NEVER_BLOCK: &str = "Prefixes that no detector or operator can block.";

const ABOUT_DETECT: &str =
    "Detectors. docs/detection.md explains how each one decides, and the sources of its thresholds.";

const ABOUT_DECIDE: &str = "Responses to signals, in enforce mode.";

const ABOUT_DECIDED_LIMITS: &str =
    "Limits for clients that a detector limits, if tighter than those already in force for them.";

const ABOUT_NAMES: &str = "Databases in MaxMind's format, which know the networks of autonomous systems and countries: for names in the output of \
     commands, groups of offenders in alerts, and rules that name a group. The daemon, and the user who runs such commands, \
     must be able to read them. They are read again when they change.";

const ASN_DATABASE: Form<PathBuf> = Form::path("/var/lib/GeoIP/GeoLite2-ASN.mmdb");

const COUNTRY_DATABASE: Form<PathBuf> = Form::path("/var/lib/GeoIP/GeoLite2-Country.mmdb");

const ABOUT_LOG: &str = "The daemon's own log, on standard error.";

const XDP: [(&str, XdpChoice); 3] =
    [("auto", XdpChoice::Auto), ("native", XdpChoice::Native), ("generic", XdpChoice::Generic)];

const TOO_MANY: [(&str, TooMany); 2] = [("drop", TooMany::Drop), ("429", TooMany::Answer)];

const SYN_COOKIES: [(&str, bool); 2] = [("auto", true), ("off", false)];

/// Levels of log lines, the quietest first.
const LEVELS: [(&str, u8); 6] =
    [("off", 0), ("error", 1), ("warn", 2), ("info", 3), ("debug", 4), ("trace", 5)];

const NEWCOMERS: Form<Option<Rate>> = Form::or_off("a rate such as `100k/s:100k`, or `off`", "50k/s:50k");

const NOTICES: Form<Rate> =
    Form { kind: "a rate such as `1k/s:1k`", example: "100/s", read: from_text, show: Rate::to_string };

const LISTEN_ADDRESS: Form<SocketAddr> = Form {
    kind: "`ADDRESS:PORT`",
    example: "127.0.0.1:9798",
    read: |text| text.parse().or(Err("expected ADDRESS:PORT, such as 127.0.0.1:9797".to_owned())),
    show: SocketAddr::to_string,
};

#[cfg(test)]
mod tests;

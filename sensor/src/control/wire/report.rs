//! What answers consist of.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::crowdsec::CrowdsecReport;
use super::logs::AccessLogReport;
use crate::clock::Timestamp;
use crate::confine::Confinement;
use crate::detect::Severity;
use crate::enforce::{Limits, Mode, Origin, Scope};
use crate::groups::{Databases, Group, Whom};
use crate::identity::Forwarder;
use crate::kernel::{Presence, XdpMode};
use crate::metrics::Degraded;
use crate::tls::PortCounts;

/// `sensor mode`
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ModeReport {
    /// The mode in force.
    pub mode: Mode,
}

/// `sensor confirm`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Confirmed {
    /// Scopes whose new limits stay.
    pub confirmed: Vec<Scope>,
    /// Where there was nothing to confirm: scopes whose limits were undone since the daemon started, each with the last
    /// time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undone: Vec<(Scope, Timestamp)>,
}

/// Answer to a removal.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Removed {
    /// What was removed.
    pub removed: Whom,
}

/// Answer to a reload: the keys in which the configuration differs from what was in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// What is in force from now on.
    #[serde(default)]
    pub changed: Vec<String>,
    /// What waits for a restart, since this reload or an earlier one.
    pub needs_restart: Vec<String>,
    /// What has no effect, since the command line of the daemon says otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overridden: Vec<String>,
}

/// One interface in [`StatusReport`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InterfaceReport {
    /// Its name.
    pub interface: String,
    /// How the program is attached.
    pub xdp_mode: XdpMode,
    /// Whether the link was taken over from an earlier daemon.
    pub adopted: bool,
    /// Whether it is there.
    #[serde(default)]
    pub state: Presence,
    /// Frames by what became of them.
    pub passed: u64,
    /// See above.
    pub dropped: u64,
    /// See above.
    pub would_drop: u64,
    /// SYNs answered with SYN cookies.
    #[serde(default)]
    pub answered: u64,
}

/// What is seen of HTTP.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HttpReport {
    /// TCP ports that are watched.
    pub ports: Vec<u16>,
    /// Of these, the ones that answered in HTTP.
    #[serde(default)]
    pub http_ports: Vec<u16>,
    /// Exchanges since the daemon started.
    pub exchanges: u64,
    /// Of these, answered with a status of 400 or more.
    pub failures: u64,
    /// Connections now.
    pub connections: u64,
    /// Route templates known.
    pub routes: u64,
    /// Segments that the kernel copied.
    pub segments: u64,
    /// Segments that should have been copied or put together and were not.
    pub segments_lost: u64,
    /// The same by cause, as `sensor_mirror_lost_total` has it; those that did not happen are left out.
    #[serde(default)]
    pub segments_lost_by: BTreeMap<String, u64>,
    /// Holes in streams that were never filled.
    pub stream_gaps: u64,
    /// Bytes in them.
    pub lost_bytes: u64,
    /// Connections on watched ports that are no HTTP.
    pub not_http: u64,
    /// Findings of the parser.
    pub anomalies: u64,
    /// Instructions to the mirror that the kernel refused.
    pub refused_instructions: u64,
    /// Failures of clients that were too many to count them by client.
    pub failures_uncounted: u64,
    /// Records that could not be written to the log of exchanges.
    #[serde(default)]
    pub log_errors: u64,
    /// Connections in TLS, by port: decrypted, dark, and why.
    #[serde(default)]
    pub tls: BTreeMap<u16, PortCounts>,
    /// Who serves a watched port: systemd units and containers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<u16, Vec<String>>,
    /// Where secrets of TLS sessions come from.
    #[serde(default)]
    pub tls_secrets: SecretsReport,
    /// Access logs that are followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access_logs: Vec<AccessLogReport>,
    /// Exchanges whose peer told another client's address and is no trusted proxy.
    #[serde(default)]
    pub forwarding_untrusted: u64,
    /// Those peers, the busiest first.
    #[serde(default)]
    pub forwarders: Vec<Forwarder>,
}

/// Sources of the secrets of TLS sessions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SecretsReport {
    /// Libraries that are probed.
    pub libraries: Vec<String>,
    /// Whether libraries that come later are found wherever they are; otherwise only in the directories of the system.
    #[serde(default)]
    pub finds_later: bool,
    /// Secrets that the probe handed on.
    pub probed: u64,
    /// Calls of processes that serve no watched port; nothing of them left the kernel.
    pub filtered: u64,
    /// Calls that the probe could not read.
    pub unread: u64,
    /// Secrets that were lost because too many waited.
    pub lost: u64,
    /// Lines of key logs that are none.
    pub malformed: u64,
}

/// Things that did not get their due, by cause.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Losses {
    /// Sources not admitted because the client table is full.
    pub table_full: u64,
    /// Sources not admitted at once because two CPUs met in a bucket.
    pub admission_contended: u64,
    /// Notices lost because the ring buffer was full.
    pub notices_lost: u64,
    /// Notices not sent because there were too many.
    pub notices_suppressed: u64,
    /// Frames that could not be read in full.
    pub unparsed: u64,
    /// Failed writes of the state file.
    pub state_write_errors: u64,
    /// Alerts that a way out did not take, or had no room for.
    #[serde(default)]
    pub alerts_undelivered: u64,
}

/// An inner interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InnerReport {
    /// Its name.
    pub interface: String,
    /// Whether it is there.
    pub state: Presence,
}

/// Requests over the limit that are handed on to be answered with `429`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TooManyReport {
    /// Why none is answered.
    pub trouble: Option<String>,
    /// Answered.
    pub answered: u64,
    /// Not fit to be answered, so dropped.
    pub dropped: u64,
}

/// `sensor status`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusReport {
    /// Version of the daemon.
    pub version: String,
    /// The mode in force.
    pub mode: Mode,
    /// Seconds since the daemon started.
    pub uptime_seconds: u64,
    /// Whether enforcement outlives the daemon.
    pub pinned: bool,
    /// The interfaces served.
    pub interfaces: Vec<InterfaceReport>,
    /// Interfaces on which HTTP is read and nothing is limited or blocked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inner_interfaces: Vec<InnerReport>,
    /// Clients in the table.
    pub clients_tracked: u64,
    /// Clients that it is made for.
    pub clients_max: u64,
    /// Idle clients that made room.
    pub clients_evicted: u64,
    /// Clients that proved their addresses by a TCP handshake.
    #[serde(default)]
    pub clients_proven: u64,
    /// Clients without proof that made room for proven ones.
    #[serde(default)]
    pub clients_displaced: u64,
    /// Open connections of blocked clients that were ended.
    #[serde(default)]
    pub connections_closed: u64,
    /// Whether SYNs over the newcomers' limits are answered with cookies.
    #[serde(default)]
    pub syn_cookies: bool,
    /// Newcomers over a limit that acknowledged such a cookie.
    #[serde(default)]
    pub syn_cookies_accepted: u64,
    /// Answers with `429`, if opted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub too_many: Option<TooManyReport>,
    /// Prefixes blocked.
    pub blocks_active: u64,
    /// Prefixes allowed.
    pub allows_active: u64,
    /// Scopes with limits of their own.
    pub scopes: u64,
    /// Groups that rules name, each with the number of its networks in the kernel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<(Group, u64)>,
    /// Kernel memory of all maps.
    pub kernel_memory_bytes: u64,
    /// What is seen of HTTP; absent where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpReport>,
    /// What was lost, and why.
    pub losses: Losses,
    /// Incidents in progress.
    #[serde(default)]
    pub incidents_open: u64,
    /// The worst severity among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incidents_worst: Option<Severity>,
    /// Changes that wait for `sensor confirm`.
    pub pending: Vec<PendingRow>,
    /// Whether a kill switch stands tripped: what detectors would block is limited.
    #[serde(default)]
    pub kill_switch_tripped: bool,
    /// What stands between the daemon and its host.
    #[serde(default)]
    pub confinement: Confinement,
    /// What does not work as it should, and what to do about it.
    #[serde(default)]
    pub degraded: Vec<Degraded>,
    /// Databases that commands look addresses up in.
    #[serde(default)]
    pub databases: Databases,
    /// CrowdSec; absent where none is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crowdsec: Option<CrowdsecReport>,
}

/// A change that waits for confirmation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingRow {
    /// Whose limits.
    pub scope: Scope,
    /// When it is undone.
    pub deadline: Timestamp,
}

/// One scope of `sensor limit list`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LimitRow {
    /// Whose limits.
    pub scope: Scope,
    /// Networks of the group, if the scope is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<u64>,
    /// Who set them.
    pub origin: Origin,
    /// The limits in force, with what the scope inherits.
    pub limits: Limits,
    /// Bursts that the kernel's clock makes larger than asked for, by dimension.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub raised_bursts: Vec<(String, u64)>,
    /// When the last change is undone, if it waits for confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed_until: Option<Timestamp>,
}

/// One block.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BlockRow {
    /// The prefix or group.
    pub prefix: Whom,
    /// Networks of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<u64>,
    /// When it ends.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
    /// Who.
    pub origin: Origin,
    /// Since when.
    pub since: Timestamp,
}

/// `sensor block add`: the block, and what it does now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BlockAdded {
    /// The block.
    #[serde(flatten)]
    pub row: BlockRow,
    /// Whether packets are dropped: only where this is `enforce`.
    pub mode: Mode,
    /// Prefixes within the block that are allowed, and so are not dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<IpNet>,
    /// Prefixes within a blocked group that are never blocked, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spared: Vec<String>,
}

/// One allowed prefix or group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AllowRow {
    /// The prefix or group.
    pub prefix: Whom,
    /// Networks of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<u64>,
    /// Why.
    pub reason: Option<String>,
    /// Who.
    pub origin: Origin,
    /// Since when.
    pub since: Timestamp,
}

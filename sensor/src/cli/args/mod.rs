//! Flags and subcommands.

mod fleet;
mod generate;
mod incident;
mod live;
mod policy;
mod posture;
mod when;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use crate::capture::log::Layout;
use crate::cli::colour::When as Colour;
use crate::cli::exchanges::ExchangesArgs;
use crate::control::wire::ClientSort;
use crate::daemon::LOOKOUT_SOCKET;
use crate::decide::RecordId;
use crate::duration;
use crate::enforce::Mode;
use crate::groups::{Group, GroupError};
use crate::kernel::XdpChoice;
use crate::prefix;

pub(in crate::cli) use fleet::{Authority, FleetCommand};
pub(in crate::cli) use generate::{GenerateArgs, Generated};
pub(in crate::cli) use incident::{AccountArgs, AlertsCommand, IncidentsArgs};
pub(in crate::cli) use live::{By, GroupRoutes, RoutesArgs, TopArgs};
pub(in crate::cli) use policy::{AllowCommand, BlockCommand, LimitCommand, SuggestArgs};
pub(in crate::cli) use posture::{PostureArgs, Written};
pub(in crate::cli) use when::When;

/// API security at the network card: finds attacks on HTTP APIs and blocks them in the kernel.
#[derive(Debug, Parser)]
#[command(name = "sensor", version, propagate_version = true, max_term_width = 100)]
pub(in crate::cli) struct Cli {
    /// Print JSON: one document, or one object per line when streaming
    #[arg(long, global = true)]
    pub(in crate::cli) json: bool,
    /// Print a list (alerts, incidents, audit, exchanges, clients, routes; blocks, allow rules, limits) as CSV
    #[arg(long, global = true, conflicts_with = "json")]
    pub(in crate::cli) csv: bool,
    /// Colour severities and states: auto (on a terminal), always or never
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Colour::Auto, hide_possible_values = true)]
    pub(in crate::cli) color: Colour,
    #[command(subcommand)]
    pub(in crate::cli) command: Command,
}

/// Which daemon to contact.
#[derive(Debug, Args)]
pub(in crate::cli) struct Remote {
    /// The daemon's control socket
    #[arg(long, value_name = "PATH", default_value = "/run/sensor/control.sock")]
    pub(in crate::cli) socket: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Run the daemon in the foreground
    Run(RunArgs),
    /// Find TLS libraries of servers and containers for a daemon; `sensor-lookout.service` runs it
    #[command(hide = true)]
    Lookout {
        /// Where daemons connect
        #[arg(long, value_name = "PATH", default_value = LOOKOUT_SOCKET)]
        socket: PathBuf,
    },
    /// Check the configuration and print every error; changes nothing
    Check(CheckArgs),
    /// Check what works on this host, with a remedy for each problem
    Doctor(DoctorArgs),
    /// Detach from every interface and remove everything the daemon left in the kernel
    Unload(UnloadArgs),
    /// Replay captures through the detectors, using capture timestamps; needs no privileges
    Replay(ReplayArgs),
    /// Score a series with the daemon's spike detector
    Score(ScoreArgs),
    /// Inspect requests from files for injection, as the daemon does
    Inspect(InspectArgs),
    /// Show mode, interfaces, totals and losses
    Status(Remote),
    /// Show or set the mode
    Mode {
        #[command(flatten)]
        remote: Remote,
        /// `monitor` counts what would be dropped, `enforce` drops it
        #[arg(value_name = "MODE", value_parser = str::parse::<Mode>)]
        set: Option<Mode>,
    },
    /// Show or change limits
    Limit {
        #[command(subcommand)]
        command: LimitCommand,
    },
    /// Keep the limits set with --confirm; fails if none are pending
    Confirm(Remote),
    /// Show or change blocked prefixes
    Block {
        #[command(subcommand)]
        command: BlockCommand,
    },
    /// Show or change allowed prefixes, exempt from blocks and limits
    Allow {
        #[command(subcommand)]
        command: AllowCommand,
    },
    /// Show the currently busiest clients
    Clients {
        #[command(flatten)]
        remote: Remote,
        /// Number of clients to show
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        top: u32,
        /// Sort key
        #[arg(long, value_enum, default_value_t = Sort::Packets)]
        sort: Sort,
        /// Put clients together by autonomous system, country, network (/24 of IPv4, /48 of IPv6), or the unit that answered them
        #[arg(long, value_enum, conflicts_with = "resolve")]
        by: Option<By>,
        /// Look up host names in DNS, and mark verified search engine crawlers
        #[arg(long)]
        resolve: bool,
    },
    /// Show the currently busiest routes, with errors and latency
    Routes(RoutesArgs),
    /// Show what the API looks like from outside: routes, who may use them, what is wrong, what changed
    Posture(PostureArgs),
    /// Watch traffic, clients, routes and alerts in the terminal, and act on them
    Top(TopArgs),
    /// Show recent HTTP exchanges: the last 256, or under load a sample. `[http] exchange_log` keeps all in a file
    Exchanges(Box<ExchangesArgs>),
    /// Explain why a client is limited, blocked or neither, or why an alert was raised, and how to change it
    Explain {
        #[command(flatten)]
        remote: Remote,
        /// Address, prefix, asn:NUMBER, country:CODE or alert identifier
        #[arg(value_name = "CIDR|ALERT_ID", value_parser = parse_explained)]
        what: Explained,
    },
    /// Show alerts, oldest first; with --follow also how they grow and end
    #[command(args_conflicts_with_subcommands = true)]
    Alerts {
        #[command(subcommand)]
        command: Option<AlertsCommand>,
        #[command(flatten)]
        remote: Remote,
        /// Start time: 1h (ago), today, yesterday, or a date such as 2026-11-28 or 2026-11-28T10:30, local or with Z
        #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
        since: Option<When>,
        /// End time, in the same form
        #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
        until: Option<When>,
        /// Print new alerts as they arrive
        #[arg(short = 'f', long, conflicts_with = "id")]
        follow: bool,
        /// Only this alert
        #[arg(long, value_name = "ID", value_parser = str::parse::<RecordId>)]
        id: Option<RecordId>,
        /// Show only the last N
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
        last: u32,
        /// Look up host names in DNS, and mark verified search engine crawlers
        #[arg(long)]
        resolve: bool,
    },
    /// Show attacks with their start, size, offenders, actions and end, oldest first
    Incidents(IncidentsArgs),
    /// Show an account name's keyed hash on this host, and its incidents; the name is not stored
    Account(AccountArgs),
    /// Show who or what changed the policy, oldest first
    Audit {
        #[command(flatten)]
        remote: Remote,
        /// Start time: 1h (ago), today, yesterday, or a date such as 2026-11-28 or 2026-11-28T10:30, local or with Z
        #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
        since: Option<When>,
        /// End time, in the same form
        #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
        until: Option<When>,
        /// Show only the last N
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
        last: u32,
    },
    /// Share decisions with other hosts: status, and who belongs to the fleet
    Fleet {
        #[command(subcommand)]
        command: FleetCommand,
    },
    /// Reload the configuration and report what changed; an invalid one is refused and the old one stays
    Reload(Remote),
    /// Verify that this host drops a burst and stops an attack on logins; touches no real client
    Selftest,
    /// Print the default configuration, man pages, completions or the reference
    #[command(hide = true)]
    Generate(GenerateArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// Interface to serve; repeatable. Default: the interface of the default route
    #[arg(short, long = "interface", value_name = "IFACE", action = ArgAction::Append)]
    pub(in crate::cli) interface: Vec<String>,
    /// Configuration file, instead of those in /etc/sensor
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// Run as this user after opening resources as root. Default: the owner of the state directory
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) user: Option<String>,
    /// Mode, overriding the configuration
    #[arg(long, value_parser = str::parse::<Mode>)]
    pub(in crate::cli) mode: Option<Mode>,
    /// How to attach the XDP program
    #[arg(long, value_enum)]
    pub(in crate::cli) xdp: Option<Xdp>,
    /// Control socket
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) socket: Option<PathBuf>,
    /// State directory, kept across restarts
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) state_dir: Option<PathBuf>,
    /// Where BPF objects are pinned
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) pin_dir: Option<PathBuf>,
    /// Listen address of /metrics, /healthz and /readyz
    #[arg(long = "web.listen-address", value_name = "ADDR:PORT")]
    pub(in crate::cli) web: Option<SocketAddr>,
    /// Remove everything an earlier daemon left in the kernel, and exit; like `sensor unload`
    #[arg(long)]
    pub(in crate::cli) unload: bool,
    /// Exit when the process with this number, which started this one, exits
    #[arg(long, hide = true, value_name = "PID")]
    pub(in crate::cli) end_with: Option<i32>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    /// Configuration file, instead of those in /etc/sensor
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// Configuration file, as with -c
    #[arg(value_name = "FILE", conflicts_with = "config")]
    pub(in crate::cli) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    /// Capture files (pcap or pcapng) or access logs (with --log), plain or gzip, in chronological order; `-` for
    /// standard input
    #[arg(value_name = "FILE", required = true)]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// The files are access logs in this format: `common`, `combined`, `nginx`, `haproxy`, `envoy`, `caddy`, `traefik`, a
    /// log format as nginx, Apache or Envoy write it, or `json FIELD=PATH...`
    #[arg(long, value_name = "FORMAT", value_parser = Layout::new, conflicts_with = "keylog")]
    pub(in crate::cli) log: Option<Layout>,
    /// Configuration file, instead of those in /etc/sensor
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// Key log in NSS format (SSLKEYLOGFILE) to decrypt TLS in the captures; repeatable
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    pub(in crate::cli) keylog: Vec<PathBuf>,
    /// Print every exchange; the summary then goes to standard error
    #[arg(long, conflicts_with = "posture")]
    pub(in crate::cli) exchanges: bool,
    /// Print what the API looks like from outside, as `sensor posture` does, instead of alerts
    #[arg(long)]
    pub(in crate::cli) posture: bool,
    #[command(flatten)]
    pub(in crate::cli) written: Written,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ScoreArgs {
    /// CSV file with the columns `timestamp` (RFC 3339, UTC if it has no zone, or seconds since 1970) and `value`;
    /// `-` for standard input. Values that are not numbers (empty, NaN, null, N/A) are skipped and counted
    #[arg(value_name = "SERIES.csv")]
    pub(in crate::cli) series: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct InspectArgs {
    /// Files with one request each, as on the wire; `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// Each line is a request in JSON: `target` (or `uri`, `url`, `path`), `headers` (object or pairs), `body`
    #[arg(long, conflicts_with = "values")]
    pub(in crate::cli) lines: bool,
    /// Each line is the value of one parameter
    #[arg(long)]
    pub(in crate::cli) values: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DoctorArgs {
    #[command(flatten)]
    pub(in crate::cli) remote: Remote,
    /// Interface to check; repeatable. Default: all that are up
    #[arg(short, long = "interface", value_name = "IFACE", action = ArgAction::Append)]
    pub(in crate::cli) interface: Vec<String>,
    /// Where BPF objects would be pinned
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/sensor")]
    pub(in crate::cli) pin_dir: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct UnloadArgs {
    /// Where BPF objects are pinned
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/sensor")]
    pub(in crate::cli) pin_dir: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum Xdp {
    Auto,
    Native,
    Generic,
}

impl From<Xdp> for XdpChoice {
    fn from(choice: Xdp) -> Self {
        match choice {
            Xdp::Auto => Self::Auto,
            Xdp::Native => Self::Native,
            Xdp::Generic => Self::Generic,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum Sort {
    Packets,
    Bits,
    Requests,
    Drops,
    Failures,
}

impl From<Sort> for ClientSort {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Packets => Self::Packets,
            Sort::Bits => Self::Bits,
            Sort::Requests => Self::Requests,
            Sort::Drops => Self::Drops,
            Sort::Failures => Self::Failures,
        }
    }
}

/// The argument of `explain`.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum Explained {
    Prefix(IpNet),
    Group(Group),
    Alert(RecordId),
}

fn parse_explained(text: &str) -> Result<Explained, String> {
    if let Ok(id) = text.parse() {
        return Ok(Explained::Alert(id));
    }
    if Group::is_meant(text) {
        return text.parse().map(Explained::Group).map_err(|error: GroupError| error.to_string());
    }
    let prefix = prefix::parse(text).map(Explained::Prefix);
    prefix.map_err(|error| format!("{error}; it is not an alert ID either"))
}

/// A duration greater than zero.
pub(in crate::cli) fn parse_time(text: &str) -> Result<Duration, String> {
    duration::parse(text, "expected a time such as 30s, 10m or 1h30m")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Cli::command().debug_assert();
    }
}

//! Flags and subcommands.

mod generate;
mod incident;
mod live;
mod policy;
mod when;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use crate::cli::exchanges::ExchangesArgs;
use crate::control::wire::ClientSort;
use crate::decide::RecordId;
use crate::duration;
use crate::enforce::Mode;
use crate::kernel::XdpChoice;
use crate::prefix;

pub(in crate::cli) use generate::{GenerateArgs, Generated};
pub(in crate::cli) use incident::{AccountArgs, AlertsCommand, IncidentsArgs};
pub(in crate::cli) use live::{RoutesArgs, TopArgs};
pub(in crate::cli) use policy::{AllowCommand, BlockCommand, LimitCommand, SuggestArgs};
pub(in crate::cli) use when::When;

/// API security at the network card: counts and drops per-client bursts in the kernel.
#[derive(Debug, Parser)]
#[command(name = "sensor", version, propagate_version = true, max_term_width = 100)]
pub(in crate::cli) struct Cli {
    /// Print JSON: one document, or one object a line where it streams
    #[arg(long, global = true)]
    pub(in crate::cli) json: bool,
    /// Print lists as comma-separated values: a header line, then a line for each record
    #[arg(long, global = true, conflicts_with = "json")]
    pub(in crate::cli) csv: bool,
    #[command(subcommand)]
    pub(in crate::cli) command: Command,
}

/// Which daemon to ask.
#[derive(Debug, Args)]
pub(in crate::cli) struct Remote {
    /// Control socket of the daemon
    #[arg(long, value_name = "PATH", default_value = "/run/sensor/control.sock")]
    pub(in crate::cli) socket: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Run the daemon in the foreground
    Run(RunArgs),
    /// Check the configuration and print every mistake; changes nothing
    Check(CheckArgs),
    /// Say what works on this host, and what to do about the rest
    Doctor(DoctorArgs),
    /// Detach from every interface and remove what a daemon left in the kernel
    Unload(UnloadArgs),
    /// Run captures through what the daemon runs, with their own time; needs no privileges
    Replay(ReplayArgs),
    /// Say how unusual each value of a series is, by what the daemon judges rates and latencies with
    Score(ScoreArgs),
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
    /// Keep the limits that were set with --confirm; fails where none wait any more
    Confirm(Remote),
    /// Show or change blocked prefixes
    Block {
        #[command(subcommand)]
        command: BlockCommand,
    },
    /// Show or change allowed prefixes, which no block or limit touches
    Allow {
        #[command(subcommand)]
        command: AllowCommand,
    },
    /// Show the busiest clients now
    Clients {
        #[command(flatten)]
        remote: Remote,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        top: u32,
        /// By what
        #[arg(long, value_enum, default_value_t = Sort::Packets)]
        sort: Sort,
        /// Look up host names in DNS, and mark verified search engine crawlers
        #[arg(long)]
        resolve: bool,
    },
    /// Show the busiest routes now, with errors and latency
    Routes(RoutesArgs),
    /// Watch and steer in the terminal: traffic, clients, routes, alerts
    Top(TopArgs),
    /// Show the last HTTP exchanges that were seen; under load a sample of them
    Exchanges(Box<ExchangesArgs>),
    /// Say why a client is limited, blocked or neither, and how to undo it
    Explain {
        #[command(flatten)]
        remote: Remote,
        /// An address or prefix, or the identifier of an alert
        #[arg(value_name = "CIDR|ALERT_ID", value_parser = parse_explained)]
        what: Explained,
    },
    /// Show what detectors found, oldest first; with --follow also how it grows and that it is over
    #[command(args_conflicts_with_subcommands = true)]
    Alerts {
        #[command(subcommand)]
        command: Option<AlertsCommand>,
        #[command(flatten)]
        remote: Remote,
        /// Not older than this: 1h, or a date such as 2026-11-28 or 2026-11-28T10:30 (local time; with Z, UTC)
        #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
        since: Option<When>,
        /// Not later than this
        #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
        until: Option<When>,
        /// Go on with those that come
        #[arg(long, conflicts_with = "id")]
        follow: bool,
        /// This one only
        #[arg(long, value_name = "ID", value_parser = str::parse::<RecordId>)]
        id: Option<RecordId>,
        /// How many at most: the last ones
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
        last: u32,
        /// Look up host names in DNS, and mark verified search engine crawlers
        #[arg(long)]
        resolve: bool,
    },
    /// Show attacks with their beginning, size, offenders, actions and end, oldest first
    Incidents(IncidentsArgs),
    /// Tell the keyed hash of an account's name on this host, and incidents about it; the name is not kept
    Account(AccountArgs),
    /// Show who or what changed the policy, oldest first
    Audit {
        #[command(flatten)]
        remote: Remote,
        /// Not older than this: 1h, or a date such as 2026-11-28 or 2026-11-28T10:30 (local time; with Z, UTC)
        #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
        since: Option<When>,
        /// Not later than this
        #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
        until: Option<When>,
        /// How many at most: the last ones
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
        last: u32,
    },
    /// Read the configuration again and say what changed; a broken one is refused and the old one stays
    Reload(Remote),
    /// Prove that this host drops a burst and stops an attack on logins; no real client is touched
    Selftest,
    /// Print the default configuration, man pages, completions or the reference
    #[command(hide = true)]
    Generate(GenerateArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// Interface to serve; may be given more than once. Default: that of the default route
    #[arg(short, long = "interface", value_name = "IFACE", action = ArgAction::Append)]
    pub(in crate::cli) interface: Vec<String>,
    /// Configuration file, in place of those in /etc/sensor
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// Run as this user once root has opened what it needs. Default: whom the state directory belongs to
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) user: Option<String>,
    /// Mode, over the configuration's
    #[arg(long, value_parser = str::parse::<Mode>)]
    pub(in crate::cli) mode: Option<Mode>,
    /// How to attach the XDP program
    #[arg(long, value_enum)]
    pub(in crate::cli) xdp: Option<Xdp>,
    /// Control socket
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) socket: Option<PathBuf>,
    /// Where state is kept over restarts
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) state_dir: Option<PathBuf>,
    /// Where BPF objects are pinned
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) pin_dir: Option<PathBuf>,
    /// Address of /metrics, /healthz and /readyz
    #[arg(long = "web.listen-address", value_name = "ADDR:PORT")]
    pub(in crate::cli) web: Option<SocketAddr>,
    /// Remove what an earlier daemon left in the kernel, and exit; as `sensor unload`
    #[arg(long)]
    pub(in crate::cli) unload: bool,
    /// End when the process that started this one does, whose number it is
    #[arg(long, hide = true, value_name = "PID")]
    pub(in crate::cli) end_with: Option<i32>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckArgs {
    /// Configuration file, in place of those in /etc/sensor
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    /// Capture files (pcap or pcapng, plain or gzip) in the order of their time; `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// Configuration file, in place of those in /etc/sensor
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
    /// Key log in NSS format, as SSLKEYLOGFILE gives, that decrypts TLS in the captures; may be given more than once
    #[arg(long, value_name = "FILE", action = ArgAction::Append)]
    pub(in crate::cli) keylog: Vec<PathBuf>,
    /// Print every exchange; the summary then goes to standard error
    #[arg(long)]
    pub(in crate::cli) exchanges: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ScoreArgs {
    /// Table in CSV with the columns `timestamp` (RFC 3339, with or without a zone; UTC where there is none; or
    /// seconds since 1970) and `value`; `-` for standard input
    #[arg(value_name = "SERIES.csv")]
    pub(in crate::cli) series: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DoctorArgs {
    #[command(flatten)]
    pub(in crate::cli) remote: Remote,
    /// Interface to look at; may be given more than once. Default: all that are up
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

/// What `explain` is asked about.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum Explained {
    Prefix(IpNet),
    Alert(RecordId),
}

fn parse_explained(text: &str) -> Result<Explained, String> {
    if let Ok(id) = text.parse() {
        return Ok(Explained::Alert(id));
    }
    let prefix = prefix::parse(text).map(Explained::Prefix);
    prefix.map_err(|error| format!("{error}, and no identifier of an alert"))
}

/// A time that something lasts: more than none.
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

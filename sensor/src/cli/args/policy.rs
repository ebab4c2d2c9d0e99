//! Subcommands that show or change the policy.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use ipnet::IpNet;

use super::{Remote, parse_time};
use crate::decide::RecordId;
use crate::enforce::{Limit, Limits, Scope, parse_bits};
use crate::prefix;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LimitCommand {
    /// Show limits by scope
    List(Remote),
    /// Suggest limits from what this host has seen, and say whom they would have touched
    Suggest(Box<SuggestArgs>),
    /// Set limits of a scope; those not named stay
    #[command(mut_group("LimitArgs", |group| group.required(true)))]
    Set {
        #[command(flatten)]
        remote: Remote,
        /// `default` or a CIDR; the longest that covers a client counts
        #[arg(value_parser = str::parse::<Scope>)]
        scope: Scope,
        #[command(flatten)]
        limits: LimitArgs,
        /// Undo the change after this time unless `sensor confirm` follows
        #[arg(long, value_name = "DURATION", value_parser = parse_time)]
        confirm: Option<Duration>,
    },
    /// Forget limits that a command set for a scope
    Unset {
        #[command(flatten)]
        remote: Remote,
        /// `default` or a CIDR
        #[arg(value_parser = str::parse::<Scope>)]
        scope: Scope,
    },
}

/// Rates are RATE[/UNIT][:BURST], such as 100/min:20, 50k/s, 200M, or `off`.
#[derive(Debug, Args)]
#[group(multiple = true)]
pub(in crate::cli) struct LimitArgs {
    /// Packets
    #[arg(long, value_name = "RATE", value_parser = str::parse::<Limit>)]
    packets: Option<Limit>,
    /// Bits
    #[arg(long, value_name = "RATE", value_parser = parse_bits)]
    bits: Option<Limit>,
    /// New TCP connections
    #[arg(long, value_name = "RATE", value_parser = str::parse::<Limit>)]
    connections: Option<Limit>,
    /// HTTP requests
    #[arg(long, value_name = "RATE", value_parser = str::parse::<Limit>)]
    requests: Option<Limit>,
}

impl From<LimitArgs> for Limits {
    fn from(args: LimitArgs) -> Self {
        let LimitArgs { packets, bits, connections, requests } = args;
        Self { packets, bits, connections, requests }
    }
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("how").args(["confirm", "yes"])))]
pub(in crate::cli) struct SuggestArgs {
    #[command(flatten)]
    pub(in crate::cli) remote: Remote,
    /// Not older than this, such as 24h; in whole days. Default: the seven days that are kept
    #[arg(long, value_name = "DURATION", value_parser = parse_time)]
    pub(in crate::cli) since: Option<Duration>,
    /// Count clients that went over a limit in force, too: for a limit that is too tight
    #[arg(long)]
    pub(in crate::cli) include_limited: bool,
    /// Suggest even from less than ten minutes or twenty clients
    #[arg(long)]
    pub(in crate::cli) force: bool,
    /// Set what is suggested; takes --confirm or --yes
    #[arg(long, requires = "how")]
    pub(in crate::cli) apply: bool,
    /// Undo what was set after this time unless `sensor confirm` follows
    #[arg(long, value_name = "DURATION", value_parser = parse_time, requires = "apply")]
    pub(in crate::cli) confirm: Option<Duration>,
    /// Set it for good
    #[arg(long, requires = "apply")]
    pub(in crate::cli) yes: bool,
    #[command(flatten, next_help_heading = "Limits to try on what was seen")]
    pub(in crate::cli) what_if: LimitArgs,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BlockCommand {
    /// Show blocked prefixes
    List(Remote),
    /// Block a prefix, or everybody whom an incident accuses
    Add {
        #[command(flatten)]
        remote: Remote,
        /// An address or prefix
        #[arg(value_name = "CIDR", value_parser = prefix::parse, required_unless_present = "incident")]
        prefix: Option<IpNet>,
        /// Everybody whom this incident accuses
        #[arg(long, value_name = "ID", value_parser = str::parse::<RecordId>, conflicts_with = "prefix")]
        incident: Option<RecordId>,
        /// Change nothing; say whom it would hit among the clients seen now
        #[arg(long)]
        dry_run: bool,
        /// For how long, such as 10m; for good where not given
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_time)]
        time: Option<Duration>,
        /// Why, for whoever asks later
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Lift a block
    Remove {
        #[command(flatten)]
        remote: Remote,
        /// As it was blocked
        #[arg(value_name = "CIDR", value_parser = prefix::parse)]
        prefix: IpNet,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AllowCommand {
    /// Show allowed prefixes
    List(Remote),
    /// Allow a prefix, whatever blocks and limits say
    Add {
        #[command(flatten)]
        remote: Remote,
        /// An address or prefix
        #[arg(value_name = "CIDR", value_parser = prefix::parse)]
        prefix: IpNet,
        /// Why, for whoever asks later
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Put a prefix under blocks and limits again
    Remove {
        #[command(flatten)]
        remote: Remote,
        /// As it was allowed
        #[arg(value_name = "CIDR", value_parser = prefix::parse)]
        prefix: IpNet,
    },
}

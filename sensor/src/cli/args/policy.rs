//! Subcommands that show or change the policy.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};

use super::{Remote, parse_time};
use crate::decide::RecordId;
use crate::enforce::{Limit, Limits, Scope, parse_bits};
use crate::groups::Whom;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LimitCommand {
    /// Show limits by scope
    List(Remote),
    /// Suggest limits from observed traffic, and show which clients they would have limited
    Suggest(Box<SuggestArgs>),
    /// Set a scope's limits; those not named stay unchanged
    #[command(mut_group("LimitArgs", |group| group.required(true)), after_help = RATES)]
    Set {
        #[command(flatten)]
        remote: Remote,
        /// `default`, a CIDR, asn:NUMBER or country:CODE; the longest prefix or network that covers a client applies
        #[arg(value_parser = str::parse::<Scope>)]
        scope: Scope,
        #[command(flatten)]
        limits: LimitArgs,
        /// Roll back after this time unless `sensor confirm` follows
        #[arg(long, value_name = "DURATION", value_parser = parse_time)]
        confirm: Option<Duration>,
    },
    /// Remove a scope's limits set by command
    Unset {
        #[command(flatten)]
        remote: Remote,
        /// `default`, a CIDR, asn:NUMBER or country:CODE
        #[arg(value_parser = str::parse::<Scope>)]
        scope: Scope,
    },
}

/// What a RATE is, below the flags that take one.
const RATES: &str = "\
RATE is COUNT[/UNIT][:BURST], such as 100/min:20, 50k/s or 200M, or `off`. UNIT is s, min or h, by default s; k, M and G \
multiply. BURST is how many may arrive at once; without it, 100/min is 100 in any minute.";

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
#[command(group(ArgGroup::new("how").args(["confirm", "yes"])), after_help = RATES)]
pub(in crate::cli) struct SuggestArgs {
    #[command(flatten)]
    pub(in crate::cli) remote: Remote,
    /// How far back to look, in whole days, such as 24h. Default: all seven days kept
    #[arg(long, value_name = "DURATION", value_parser = parse_time)]
    pub(in crate::cli) since: Option<Duration>,
    /// Also count clients that exceeded a limit in force, to find out whether it is too tight
    #[arg(long)]
    pub(in crate::cli) include_limited: bool,
    /// Suggest even from less than ten minutes of traffic or twenty clients
    #[arg(long)]
    pub(in crate::cli) force: bool,
    /// Apply the suggested limits; requires --confirm or --yes
    #[arg(long, requires = "how")]
    pub(in crate::cli) apply: bool,
    /// Roll back after this time unless `sensor confirm` follows
    #[arg(long, value_name = "DURATION", value_parser = parse_time, requires = "apply")]
    pub(in crate::cli) confirm: Option<Duration>,
    /// Apply permanently
    #[arg(long, requires = "apply")]
    pub(in crate::cli) yes: bool,
    #[command(flatten, next_help_heading = "Limits to try on observed traffic")]
    pub(in crate::cli) what_if: LimitArgs,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BlockCommand {
    /// Show blocked prefixes and groups
    List(Remote),
    /// Block a prefix, an autonomous system, a country, or all offenders of an incident
    Add {
        #[command(flatten)]
        remote: Remote,
        /// Address, prefix, asn:NUMBER or country:CODE
        #[arg(value_name = "CIDR", value_parser = str::parse::<Whom>, required_unless_present = "incident")]
        prefix: Option<Whom>,
        /// Block all offenders of this incident
        #[arg(long, value_name = "ID", value_parser = str::parse::<RecordId>, conflicts_with = "prefix")]
        incident: Option<RecordId>,
        /// Change nothing; show which current clients it would hit
        #[arg(long)]
        dry_run: bool,
        /// Duration, such as 10m. Default: permanent
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_time)]
        time: Option<Duration>,
        /// Reason, kept with the entry
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// On all hosts of the fleet
        #[arg(long, conflicts_with = "dry_run")]
        fleet: bool,
    },
    /// Lift a block
    #[command(aliases = ["rm", "del", "delete"])]
    Remove {
        #[command(flatten)]
        remote: Remote,
        /// The prefix or group as blocked
        #[arg(value_name = "CIDR", value_parser = str::parse::<Whom>)]
        prefix: Whom,
        /// On all hosts of the fleet, whoever decided it
        #[arg(long)]
        fleet: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AllowCommand {
    /// Show allowed prefixes and groups
    List(Remote),
    /// Exempt a prefix or group from blocks and limits
    Add {
        #[command(flatten)]
        remote: Remote,
        /// Address, prefix, asn:NUMBER or country:CODE
        #[arg(value_name = "CIDR", value_parser = str::parse::<Whom>)]
        prefix: Whom,
        /// Reason, kept with the entry
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Subject a prefix or group to blocks and limits again
    #[command(aliases = ["rm", "del", "delete"])]
    Remove {
        #[command(flatten)]
        remote: Remote,
        /// The prefix or group as allowed
        #[arg(value_name = "CIDR", value_parser = str::parse::<Whom>)]
        prefix: Whom,
    },
}

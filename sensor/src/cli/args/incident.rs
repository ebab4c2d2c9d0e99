//! Flags about incidents and accounts.

use clap::{Args, Subcommand};
use ipnet::IpNet;

use super::{Remote, When};
use crate::decide::RecordId;
use crate::prefix;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AlertsCommand {
    /// Send a test alert to every configured receiver, and report the results
    Test(Remote),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct IncidentsArgs {
    #[command(flatten)]
    pub(in crate::cli) remote: Remote,
    /// Only incidents still open
    #[arg(long)]
    pub(in crate::cli) open: bool,
    /// Only incidents active since this time: 1h, today, yesterday, or a date such as 2026-11-28 or 2026-11-28T10:30, local or with Z
    #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
    pub(in crate::cli) since: Option<When>,
    /// Only incidents that began before this time
    #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
    pub(in crate::cli) until: Option<When>,
    /// Only incidents that involve this client or network
    #[arg(long, value_name = "CIDR", value_parser = prefix::parse)]
    pub(in crate::cli) client: Option<IpNet>,
    /// Print changes as they happen: incidents that begin, grow, get worse or end
    #[arg(short = 'f', long, conflicts_with = "id")]
    pub(in crate::cli) follow: bool,
    /// Only this incident, with every client involved
    #[arg(long, value_name = "ID", value_parser = str::parse::<RecordId>)]
    pub(in crate::cli) id: Option<RecordId>,
    /// Show only the last N
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) last: u32,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AccountArgs {
    #[command(flatten)]
    pub(in crate::cli) remote: Remote,
    /// Account name as used to log in; `-` reads it from standard input, to keep it out of shell history
    #[arg(value_name = "NAME")]
    pub(in crate::cli) name: String,
}

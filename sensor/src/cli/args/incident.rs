//! Flags about incidents and accounts.

use clap::{Args, Subcommand};
use ipnet::IpNet;

use super::{Remote, When};
use crate::decide::RecordId;
use crate::prefix;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AlertsCommand {
    /// Send a test alert by every way out that is configured, and say what became of it
    Test(Remote),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct IncidentsArgs {
    #[command(flatten)]
    pub(in crate::cli) remote: Remote,
    /// Only those that go on
    #[arg(long)]
    pub(in crate::cli) open: bool,
    /// Only those that went on since then: 1h, or a date in UTC such as 2026-11-28 or 2026-11-28T10:30
    #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
    pub(in crate::cli) since: Option<When>,
    /// Only those that began before then
    #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
    pub(in crate::cli) until: Option<When>,
    /// Only those that this client or network takes part in
    #[arg(long, value_name = "CIDR", value_parser = prefix::parse)]
    pub(in crate::cli) client: Option<IpNet>,
    /// Print each step of those that go on: that one began, grew, got worse or is over
    #[arg(long, conflicts_with = "id")]
    pub(in crate::cli) follow: bool,
    /// This one, with everybody who takes part
    #[arg(long, value_name = "ID", value_parser = str::parse::<RecordId>)]
    pub(in crate::cli) id: Option<RecordId>,
    /// How many at most: the last ones
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) last: u32,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AccountArgs {
    #[command(flatten)]
    pub(in crate::cli) remote: Remote,
    /// The account's name as it logs in; `-` reads it from standard input, so that no shell keeps it
    #[arg(value_name = "NAME")]
    pub(in crate::cli) name: String,
}

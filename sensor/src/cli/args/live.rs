//! Flags of live views.

use clap::{Args, ValueEnum};

use super::Remote;
use crate::control::wire::{ClientsBy, RouteSort};

#[derive(Debug, Args)]
pub(in crate::cli) struct RoutesArgs {
    #[command(flatten)]
    pub(in crate::cli) remote: Remote,
    /// Number of routes to show
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) top: u32,
    /// Sort by requests or errors per second, or by 99th percentile latency
    #[arg(long, value_enum, default_value_t = SortRoutes::Requests)]
    pub(in crate::cli) sort: SortRoutes,
    /// Group routes by the systemd unit or container that serves them
    #[arg(long, value_enum, default_value_t = GroupRoutes::Route)]
    pub(in crate::cli) by: GroupRoutes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum GroupRoutes {
    Route,
    Unit,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TopArgs {
    #[command(flatten)]
    pub(in crate::cli) remote: Remote,
    /// Disable colours, as NO_COLOR does; no information depends on colour alone
    #[arg(long)]
    pub(in crate::cli) no_color: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum SortRoutes {
    Requests,
    Errors,
    Latency,
}

impl From<SortRoutes> for RouteSort {
    fn from(sort: SortRoutes) -> Self {
        match sort {
            SortRoutes::Requests => Self::Requests,
            SortRoutes::Errors => Self::Errors,
            SortRoutes::Latency => Self::Latency,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum By {
    Asn,
    Country,
    Prefix,
    Unit,
}

impl From<By> for ClientsBy {
    fn from(by: By) -> Self {
        match by {
            By::Asn => Self::Asn,
            By::Country => Self::Country,
            By::Prefix => Self::Prefix,
            By::Unit => Self::Unit,
        }
    }
}

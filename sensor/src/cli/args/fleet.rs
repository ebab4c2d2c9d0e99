//! Subcommands about the fleet.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Remote;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum FleetCommand {
    /// Show the connection to the fleet's server, and what is exchanged
    Status(Remote),
    /// Show the fleet's hosts
    Hosts(Remote),
    /// Make the key of the authority that enrols hosts; keep the file off the hosts
    Init {
        /// File for the private key; must not exist
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Enrol this host: from then on, the others take its decisions
    Join {
        #[command(flatten)]
        authority: Authority,
        /// Name of this host in lists. Default: `[fleet] host`
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Expel a host for good: nothing it signs is taken any more. What it decided before stays; see `undo`
    Expel {
        #[command(flatten)]
        authority: Authority,
        /// The host's name or public key
        #[arg(value_name = "HOST")]
        host: String,
    },
    /// Take back everything that a host has decided until now
    Undo {
        #[command(flatten)]
        authority: Authority,
        /// The host's name or public key
        #[arg(value_name = "HOST")]
        host: String,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Authority {
    #[command(flatten)]
    pub(in crate::cli) remote: Remote,
    /// File with the authority's private key; the daemon does not see it
    #[arg(long = "authority", value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
}

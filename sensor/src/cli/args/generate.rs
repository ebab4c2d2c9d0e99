//! Flags of `sensor generate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(in crate::cli) struct GenerateArgs {
    #[command(subcommand)]
    pub(in crate::cli) what: Generated,
    /// Directory to write the files to, created if missing. Default: print them
    #[arg(long, global = true, value_name = "DIR")]
    pub(in crate::cli) out: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum Generated {
    /// Default configuration with every key: sensor.toml
    Config,
    /// Man pages: sensor.1, one per command, and sensor.toml.5
    Man,
    /// Shell completions for commands and flags
    Completions {
        /// Shell. Default: bash, fish and zsh
        shell: Option<Shell>,
    },
    /// Rules and dashboards for Kubernetes: prometheus-rule.yaml and dashboards.yaml
    Kubernetes {
        /// URL of your copy of runbooks.md. Default: alerts have no link
        #[arg(long, value_name = "URL")]
        runbooks: Option<String>,
    },
    /// Markdown reference: alerts.md, cli.md, configuration.md and metrics.md
    Reference,
}

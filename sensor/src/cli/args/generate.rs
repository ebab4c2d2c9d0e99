//! Flags of `sensor generate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(in crate::cli) struct GenerateArgs {
    #[command(subcommand)]
    pub(in crate::cli) what: Generated,
    /// Directory to write the files to; it is made where there is none. Default: print them
    #[arg(long, global = true, value_name = "DIR")]
    pub(in crate::cli) out: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub(in crate::cli) enum Generated {
    /// The configuration with every key at its default: sensor.toml
    Config,
    /// Man pages: sensor.1, one for each command, and sensor.toml.5
    Man,
    /// Completions of commands and flags
    Completions {
        /// For which shell. Default: for bash, fish and zsh
        shell: Option<Shell>,
    },
    /// Rules and dashboards for Kubernetes: prometheus-rule.yaml and dashboards.yaml
    Kubernetes {
        /// Where your copy of runbooks.md is. Default: where the package has it
        #[arg(long, value_name = "URL")]
        runbooks: Option<String>,
    },
    /// The reference in Markdown: alerts.md, cli.md, configuration.md and metrics.md
    Reference,
}

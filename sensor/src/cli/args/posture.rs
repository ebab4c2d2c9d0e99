//! Flags of `sensor posture`, and those that `sensor replay` has, too.

use std::path::PathBuf;

use clap::Args;

use super::{Remote, When};

#[derive(Debug, Args)]
pub(in crate::cli) struct PostureArgs {
    #[command(flatten)]
    pub(in crate::cli) remote: Remote,
    /// Only routes that contain this text
    #[arg(long, value_name = "ROUTE")]
    pub(in crate::cli) route: Option<String>,
    /// Show what changed since: 7d (ago), today, yesterday, or a date such as 2026-11-28 or 2026-11-28T10:30, local or
    /// with Z
    #[arg(long, value_name = "TIME", value_parser = str::parse::<When>)]
    pub(in crate::cli) since: Option<When>,
    #[command(flatten)]
    pub(in crate::cli) written: Written,
}

/// Files to write. `-` is standard output.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct Written {
    /// Write the posture report as one HTML page to this file; `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) html: Option<PathBuf>,
    /// Write a draft OpenAPI 3.1 document of the routes seen to this file; `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) openapi: Option<PathBuf>,
}

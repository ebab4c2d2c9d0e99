//! `cargo xtask demo`

use anyhow::Result;

use crate::{build, setup};

/// Flags of `demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed to the demonstration.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Replaces this process with the demonstration.
pub(crate) fn command(args: &Args) -> Result<()> {
    setup::for_demo()?;
    build::and_become_soon("sensor-demo", &args.args)
}

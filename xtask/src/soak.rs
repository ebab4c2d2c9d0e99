//! `cargo xtask soak`

use anyhow::Result;

use crate::{build, setup};

/// Flags of `soak`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed on: `--minutes N`, `--rate N`, `--quick`; `--help` shows all.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Replaces this process with the soak. It needs root: the daemon really attaches, in separate namespaces.
pub(crate) fn command(args: &Args) -> Result<()> {
    setup::for_demo()?;
    build::and_become("sensor-soak", &args.args)
}

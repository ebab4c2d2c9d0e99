//! `cargo xtask picture`

use anyhow::Result;

use crate::{build, setup};

/// Flags of `picture`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed to what takes the picture.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Replaces this process with the program that takes the picture.
pub(crate) fn command(args: &Args) -> Result<()> {
    setup::everything()?;
    build::and_become("sensor-picture", &args.args)
}

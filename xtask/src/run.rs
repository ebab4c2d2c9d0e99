//! `cargo xtask run`

use anyhow::Result;

use crate::{build, process, setup, workspace};

/// Flags of `run`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed to `sensor run`, after `--mode monitor`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Replaces this process with the daemon. In monitor mode, because builds from source are tried out on machines that
/// matter.
pub(crate) fn command(args: &Args) -> Result<()> {
    setup::build_tools()?;
    build::release(&["sensor"])?;
    let mut sensor = process::as_root(workspace::release("sensor"), &[]);
    sensor.args(["run", "--mode", "monitor"]).args(&args.args);
    Err(process::exec(sensor))
}

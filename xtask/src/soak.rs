//! `cargo xtask soak`

use anyhow::Result;

use crate::{build, process, setup, workspace};

/// Flags of `soak`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed on: `--minutes N`, `--rate N`, `--quick`; `--help` shows all.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Becomes the soak. It needs root: the daemon attaches for real, in namespaces of its own.
pub(crate) fn command(args: &Args) -> Result<()> {
    setup::build_tools()?;
    build::release(&["sensor", "sensor-tests"])?;
    let sensor = workspace::sensor_bin();
    let mut soak = process::as_root(workspace::release("sensor-soak"), &[("SENSOR_BIN", &sensor)]);
    soak.args(&args.args);
    Err(process::exec(soak))
}

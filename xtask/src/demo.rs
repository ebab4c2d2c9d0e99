//! `cargo xtask demo`

use anyhow::Result;

use crate::{build, process, setup, workspace};

/// Flags of `demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed to the demonstration.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Becomes the demonstration.
pub(crate) fn command(args: &Args) -> Result<()> {
    setup::build_tools()?;
    build::release(&["sensor", "sensor-tests"])?;
    let sensor = workspace::sensor_bin();
    let mut demo = process::as_root(workspace::release("sensor-demo"), &[("SENSOR_BIN", &sensor)]);
    demo.args(&args.args);
    Err(process::exec(demo))
}

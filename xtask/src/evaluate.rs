//! `cargo xtask evaluate`

use std::process::Command;

use anyhow::Result;

use crate::{build, process, setup, workspace};

/// Flags of `evaluate`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed to the evaluation: `--quick`, `--seed N`, `--json FILE` and others; `--help` shows all.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Replaces this process with the evaluation. It needs no privileges: its traffic is simulated.
pub(crate) fn command(args: &Args) -> Result<()> {
    setup::build_tools()?;
    build::release(&["sensor", "sensor-tests", "sensor-training"])?;
    let mut evaluate = Command::new(workspace::release("sensor-evaluate"));
    evaluate.env("SENSOR_TRAINING", workspace::release("sensor-training"));
    evaluate.env("SENSOR_BIN", workspace::sensor_bin()).current_dir(workspace::root()).args(&args.args);
    Err(process::exec(evaluate))
}

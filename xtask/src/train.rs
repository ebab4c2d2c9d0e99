//! `cargo xtask train-injection`

use std::path::PathBuf;

use anyhow::{Result, ensure};

use crate::process;

/// Flags of `train-injection`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Directory with the corpora, unpacked: `HttpParamsDataset`, `PayloadsAllTheThings`, `gotestwaf` and the others
    directory: PathBuf,
    /// Only print the tables; leave the weights as they are
    #[arg(long)]
    dry_run: bool,
    /// Passed to the training: `--show N`, `--only SOURCE`, `--constructs`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Trains the recognition of injection: prints what is found in each source by what was trained on the others, and writes the
/// weights.
pub(crate) fn command(args: &Args) -> Result<()> {
    ensure!(args.directory.is_dir(), "{} is no directory", args.directory.display());
    let directory = args.directory.canonicalize()?;
    let mut train = process::cargo();
    train.args(["run", "--release", "--package", "sensor-training", "--"]);
    train.arg(directory).args(&args.args);
    if !args.dry_run {
        train.arg("--write");
    }
    Err(process::exec(train))
}

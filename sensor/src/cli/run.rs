//! `sensor run` and `sensor unload`

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::json;

use super::args::{RunArgs, UnloadArgs};
use super::ssh;
use crate::daemon::{self, Config, ConfigSource, RunOptions};
use crate::kernel::{self, KernelError};

/// Runs the daemon, or, with `--unload`, removes what one left behind.
pub(super) fn run(args: RunArgs) -> Result<ExitCode> {
    let source = ConfigSource { file: args.config.clone() };
    let mut config = match source.load() {
        Ok(config) => config,
        Err(problems) => {
            for problem in &problems {
                eprintln!("{problem}");
            }
            eprintln!("sensor: the configuration has mistakes; nothing was started");
            return Ok(ExitCode::FAILURE);
        }
    };
    apply(&args, &mut config);
    if args.unload {
        return remove(&config.paths.pin_dir, false);
    }
    let options = RunOptions { mode: args.mode, ssh_peer: ssh::peer() };
    daemon::run(config, source, &options)?;
    Ok(ExitCode::SUCCESS)
}

/// Flags go over the configuration.
fn apply(args: &RunArgs, config: &mut Config) {
    if !args.interface.is_empty() {
        config.interfaces.clone_from(&args.interface);
    }
    if let Some(xdp) = args.xdp {
        config.xdp = xdp.into();
    }
    let paths = &mut config.paths;
    for (place, flag) in [
        (&mut paths.socket, &args.socket),
        (&mut paths.state_dir, &args.state_dir),
        (&mut paths.pin_dir, &args.pin_dir),
    ] {
        if let Some(path) = flag {
            place.clone_from(path);
        }
    }
    paths.web = args.web.unwrap_or(paths.web);
}

/// Removes what a daemon left in the kernel.
pub(super) fn unload(args: &UnloadArgs, json: bool) -> Result<ExitCode> {
    remove(&args.pin_dir, json)
}

fn remove(pin_dir: &Path, json: bool) -> Result<ExitCode> {
    let freed = match kernel::unload(pin_dir) {
        Err(KernelError::PinsInUse(place)) => {
            bail!("a daemon is running with {}; stop it first, then unload", place.display())
        }
        freed => freed?,
    };
    if json {
        println!("{}", json!({"detached": freed}));
    } else if freed.is_empty() {
        println!("nothing was attached under {}", pin_dir.display());
    } else {
        println!("detached from {}; nothing is limited or blocked any more", freed.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

//! `sensor run` and `sensor unload`

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{getppid, getuid};
use serde_json::json;

use super::args::{RunArgs, UnloadArgs};
use super::say::{complain, say, say_json};
use super::ssh;
use crate::daemon::{self, ConfigSource, Overrides, RunOptions};
use crate::kernel::{self, KernelError};

/// Runs the helper that finds TLS libraries.
pub(super) fn look_out(socket: &Path) -> Result<ExitCode> {
    daemon::look_out(socket).map(|()| ExitCode::SUCCESS)
}

/// Runs the daemon, or, with `--unload`, removes what one left behind.
pub(super) fn run(args: RunArgs) -> Result<ExitCode> {
    if let Some(parent) = args.end_with {
        end_with(parent)?;
    }
    let overrides = Overrides {
        interfaces: args.interface,
        xdp: args.xdp.map(Into::into),
        socket: args.socket,
        state_dir: args.state_dir,
        pin_dir: args.pin_dir,
        web: args.web,
    };
    let source = ConfigSource { file: args.config, overrides, ..ConfigSource::default() };
    let config = match source.load_here() {
        Ok(config) => config,
        Err(problems) => {
            for problem in &problems {
                complain(problem.to_string());
            }
            complain("sensor: not started: the configuration has mistakes");
            return Ok(ExitCode::FAILURE);
        }
    };
    if args.unload {
        return remove(&config.paths.pin_dir, false);
    }
    let options = RunOptions {
        started_by: getuid().as_raw(),
        mode: args.mode,
        ssh: ssh::connection(),
        user: args.user,
    };
    daemon::run(config, source, &options)?;
    Ok(ExitCode::SUCCESS)
}

/// Has the kernel kill this process when its parent ends.
fn end_with(parent: i32) -> Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("asking to be killed with the parent")?;
    // It may have ended before that.
    ensure!(getppid().as_raw() == parent, "the process {parent}, which started this one, has ended");
    Ok(())
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
        say_json(&json!({"detached": freed}))?;
    } else if freed.is_empty() {
        say(format!("nothing was attached under {}", pin_dir.display()))?;
    } else {
        say(format!("detached from {}; nothing is limited or blocked now", freed.join(", ")))?;
    }
    Ok(ExitCode::SUCCESS)
}

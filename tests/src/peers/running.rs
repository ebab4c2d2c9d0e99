//! The process of a server that a test starts, kills and starts again.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command};

use anyhow::{Context as _, Result, ensure};

/// The process, while it runs; dropping it ends it.
#[derive(Debug, Default)]
pub(super) struct Running(Option<Child>);

impl Running {
    /// Starts it; what it prints is added to a file.
    pub(super) fn start(&mut self, command: &mut Command, log: &Path) -> Result<()> {
        ensure!(self.0.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(log)?;
        let spawned = command.stdout(log.try_clone()?).stderr(log).spawn();
        self.0 = Some(spawned.with_context(|| format!("cannot start {}", command.get_program().display()))?);
        Ok(())
    }

    /// Its number.
    pub(super) fn pid(&self) -> Result<u32> {
        Ok(self.0.as_ref().context("it does not run")?.id())
    }

    /// Kills it.
    pub(super) fn kill9(&mut self) -> Result<()> {
        let mut child = self.0.take().context("it does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing more can be done where this fails, and it may have ended before.
        let _ended = self.kill9();
    }
}

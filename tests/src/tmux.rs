//! A real terminal: tmux, which a test types into and reads the screen of.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::wait::wait_until;

/// A terminal with one program in it; dropping it ends both.
#[derive(Debug)]
pub struct Tmux {
    directory: TempDir,
}

impl Tmux {
    /// A terminal of so many columns and rows in which a shell runs a script. What is on its screen stays there
    /// after the script's end.
    ///
    /// # Errors
    /// If tmux does not start.
    pub fn start((columns, rows): (u16, u16), script: &str) -> Result<Self> {
        let tmux = Self { directory: tempfile::Builder::new().prefix("sensor-tmux-").tempdir()? };
        let size = ["-x", &columns.to_string(), "-y", &rows.to_string()].map(str::to_owned);
        let script = format!("{script}; exec sleep 1000");
        // No configuration of whoever runs the tests; UTF-8 whatever the locale.
        let mut command = tmux.command(&["-f", "/dev/null", "-u", "new-session", "-d"]);
        run(command.args(size).arg(script))?;
        Ok(tmux)
    }

    /// Presses keys, by tmux's names for them or as letters.
    ///
    /// # Errors
    /// If the terminal has gone.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        run(self.command(&["send-keys"]).args(keys))?;
        Ok(())
    }

    /// What is on the screen, a line each.
    ///
    /// # Errors
    /// If the terminal has gone.
    pub fn screen(&self) -> Result<String> {
        run(&mut self.command(&["capture-pane", "-p"]))
    }

    /// The same with what selects colours and other looks (ECMA-48, SGR).
    ///
    /// # Errors
    /// If the terminal has gone.
    pub fn screen_with_looks(&self) -> Result<String> {
        run(&mut self.command(&["capture-pane", "-p", "-e"]))
    }

    /// One of tmux's variables, such as `alternate_on`.
    ///
    /// # Errors
    /// If the terminal has gone.
    pub fn variable(&self, name: &str) -> Result<String> {
        let shown = run(&mut self.command(&["display-message", "-p", &format!("#{{{name}}}")]))?;
        Ok(shown.trim().to_owned())
    }

    /// Waits until what is on the screen fulfils a condition; returns the screen.
    ///
    /// # Errors
    /// If it does not in time; the error says what was wanted and what was seen.
    pub fn wait_for(&self, timeout: Duration, what: &str, holds: impl Fn(&str) -> bool) -> Result<String> {
        let mut screen = String::new();
        let seen = wait_until(timeout, || {
            screen = self.screen().unwrap_or_else(|error| format!("{error:#}"));
            holds(&screen)
        });
        ensure!(seen, "no {what} on the screen:\n{screen}");
        Ok(screen)
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("tmux.sock")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        // A test that runs inside tmux is not to meet the outer one.
        command.env_remove("TMUX").arg("-S").arg(self.socket()).args(args);
        command
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // Nothing more can be done where this fails.
        let _ended = run(&mut self.command(&["kill-server"]));
    }
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}: {}", output.status, said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

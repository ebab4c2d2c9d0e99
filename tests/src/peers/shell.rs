//! Clients in the world, as shell scripts.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::netns::{Net, SERVER_V4};

/// Runs a script of bash in a directory; `$1` is the server's address.
///
/// # Errors
/// If it does not end with 0; the error has what it said.
pub fn browse(net: &Net, directory: &Path, script: &str) -> Result<()> {
    let mut shell = net.world.command("bash");
    shell.current_dir(directory).args(["-c", script, "client", &SERVER_V4.to_string()]);
    let output = shell.output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the client ended with {}: {told}", output.status);
    Ok(())
}

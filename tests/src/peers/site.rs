//! Any server that a program with a few files is, such as a script, and the files that it serves.

use std::fs::{self, File, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::netns::Net;
use crate::wait::wait_until;

/// A server in a directory of its own; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    directory: TempDir,
}

impl Server {
    /// Starts a program with what is in the directory, and waits until it accepts connections.
    ///
    /// # Errors
    /// If it does not; the error has what it said.
    pub fn start(
        net: &Net,
        directory: TempDir,
        (program, arguments): (&str, &[&str]),
        port: u16,
    ) -> Result<Self> {
        let mut command = net.server.command(program);
        command.args(arguments).current_dir(directory.path());
        let log = File::create(directory.path().join("stderr.log"))?;
        let child = command.stdout(Stdio::null()).stderr(log).spawn().with_context(|| program.to_owned())?;
        let server = Self { child, directory };
        let here = SocketAddr::from(([127, 0, 0, 1], port));
        let is_up = || TcpStream::connect(here).is_ok();
        let is_up = net.server.enter(|| wait_until(Duration::from_secs(20), is_up));
        ensure!(is_up, "{program} does not answer: {}", server.read("stderr.log").unwrap_or_default());
        Ok(server)
    }

    /// Where a file in its directory is.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a file in its directory has.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(self.file(name))?)
    }

    /// The lines of a file in its directory.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn lines(&self, name: &str) -> Result<Vec<String>> {
        Ok(self.read(name)?.lines().map(str::to_owned).collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _signalled = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ended = self.child.wait();
    }
}

/// A directory with a certificate and files.
///
/// # Errors
/// If they cannot be made.
pub fn site() -> Result<TempDir> {
    let directory = tempfile::Builder::new().prefix("sensor-http2-").tempdir()?;
    // Apache does not serve files as root.
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
    for (name, bytes) in [("1k.txt", 1_024), ("10k.txt", 10_000), ("100k.txt", 100_000)] {
        fs::write(directory.path().join(name), vec![b'x'; bytes])?;
    }
    let mut openssl = Command::new("openssl");
    openssl.current_dir(directory.path()).args(["req", "-x509", "-nodes", "-days", "30"]);
    openssl.args(["-subj", "/CN=test.example", "-newkey", "rsa:2048", "-keyout", "key", "-out", "crt"]);
    let output = openssl.output()?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(directory)
}

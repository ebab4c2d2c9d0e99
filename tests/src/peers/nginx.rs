//! nginx as the server under protection.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::netns::Namespace;
use crate::wait::wait_until;

/// A running nginx, in a directory of its own; dropping it ends it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    prefix: TempDir,
}

impl Process {
    /// Starts it in a namespace, with what is in the directory, and waits until it accepts connections on a port.
    ///
    /// # Errors
    /// If it does not come up; the error has its log.
    pub(super) fn start(
        namespace: &Namespace,
        prefix: TempDir,
        configuration: &str,
        port: u16,
    ) -> Result<Self> {
        fs::write(prefix.path().join("nginx.conf"), configuration)?;
        let child = spawn(namespace, prefix.path())?;
        let mut process = Self { child, prefix };
        let here = SocketAddr::from(([127, 0, 0, 1], port));
        let is_up =
            namespace.enter(|| wait_until(Duration::from_secs(20), || TcpStream::connect(here).is_ok()));
        let log = fs::read_to_string(process.file("stderr.log")).unwrap_or_default();
        let ended = process.child.try_wait().unwrap_or_default();
        ensure!(is_up && ended.is_none(), "nginx does not answer on {here}: {log}");
        Ok(process)
    }

    /// Starts another one with the same directory, which therefore has to share its ports, and ends the first one once
    /// `is_time`. Returns when that one is gone.
    pub(super) fn replace(
        &mut self,
        namespace: &Namespace,
        is_time: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let second = spawn(namespace, self.prefix.path())?;
        let mut first = std::mem::replace(&mut self.child, second);
        let done = is_time();
        let asked = i32::try_from(first.id()).map(|pid| kill(Pid::from_raw(pid), Signal::SIGQUIT));
        first.wait()?;
        asked??;
        done
    }

    /// Its directory.
    pub(super) fn directory(&self) -> &Path {
        self.prefix.path()
    }

    /// A file in its directory.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.prefix.path().join(name)
    }

    /// Its number.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its access log so far, by lines.
    pub(super) fn access_log(&self) -> Result<Vec<String>> {
        Ok(fs::read_to_string(self.file("access.log"))?.lines().map(str::to_owned).collect())
    }
}

/// nginx with what is in a directory.
fn spawn(namespace: &Namespace, prefix: &Path) -> Result<Child> {
    let log = fs::File::options().create(true).append(true).open(prefix.join("stderr.log"))?;
    let mut command = namespace.command("nginx");
    // Libraries that were put there come before the system's.
    command.env("LD_LIBRARY_PATH", prefix);
    command.arg("-p").arg(prefix).arg("-c").arg(prefix.join("nginx.conf"));
    command.stdout(Stdio::null()).stderr(log).spawn().context("cannot start nginx")
}

impl Drop for Process {
    fn drop(&mut self) {
        // nginx's master ends its workers on SIGTERM, not when it is killed.
        let ended = i32::try_from(self.child.id())
            .map_err(io::Error::other)
            .and_then(|pid| Ok(kill(Pid::from_raw(pid), Signal::SIGTERM)?))
            .and_then(|()| self.child.wait());
        drop(ended);
    }
}

/// nginx with files; dropping it ends it.
#[derive(Debug)]
pub struct Nginx(Process);

/// What it serves below `/files/`, and how many bytes it has; gzip makes those below `zipped` chunked.
const FILES: [(&str, usize); 3] = [("1k.txt", 1_000), ("100k.txt", 100_000), ("zipped/100k.txt", 100_000)];

impl Nginx {
    /// Where it listens, on every address of both families.
    pub const PORT: u16 = 8_080;

    /// Starts it in a namespace and waits until it accepts connections.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        let prefix = tempfile::Builder::new().prefix("sensor-nginx-").tempdir()?;
        for (name, bytes) in FILES {
            let path = prefix.path().join("files").join(name);
            fs::create_dir_all(path.parent().unwrap_or(prefix.path()))?;
            let text: Vec<u8> = (0..bytes).map(|byte| b"sensor\n"[byte % 7]).collect();
            fs::write(path, text)?;
        }
        Ok(Self(Process::start(namespace, prefix, &configuration(), Self::PORT)?))
    }

    /// Its access log so far: address and port of the client, method, path, status, body bytes sent.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn access_log(&self) -> Result<Vec<String>> {
        self.0.access_log()
    }
}

impl Nginx {
    /// Gives its log in the format `combined` another name, does something while it still writes there, and has it open
    /// a new one.
    ///
    /// # Errors
    /// If the file cannot be renamed, or nginx does not make another.
    pub fn rotate(&self, name: &str, meanwhile: impl FnOnce() -> Result<()>) -> Result<()> {
        fs::rename(self.combined_log(), self.0.file(name))?;
        meanwhile()?;
        kill(Pid::from_raw(i32::try_from(self.0.pid())?), Signal::SIGUSR1)?;
        let is_there = wait_until(Duration::from_secs(20), || self.combined_log().exists());
        ensure!(is_there, "nginx opened no new log");
        Ok(())
    }

    /// The file of its log in the format `combined`.
    #[must_use]
    pub fn combined_log(&self) -> PathBuf {
        self.0.file("combined.log")
    }
}

fn configuration() -> String {
    format!(
        "daemon off;\nmaster_process on;\nworker_processes 1;\nuser root;\npid nginx.pid;\n\
         error_log stderr warn;\nevents {{ worker_connections 4096; }}\n\
         http {{\n  log_format plain '$remote_addr $remote_port $request_method $uri $status $body_bytes_sent';\n\
         \x20 access_log access.log plain;\n  access_log combined.log combined;\n  keepalive_requests 1000000;\n  client_body_temp_path body;\n  proxy_temp_path proxy;\n\
         \x20 fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n\
         \x20 server {{\n    listen {port} backlog=4096;\n    listen [::]:{port} backlog=4096;\n\
         \x20   location /login {{ return 401; }}\n    location / {{ return 200 \"ok\\n\"; }}\n\
         \x20   location /files/ {{ root .; }}\n\
         \x20   location /files/zipped/ {{ root .; gzip on; gzip_types *; gzip_min_length 1; }}\n  }}\n}}\n",
        port = Nginx::PORT
    )
}

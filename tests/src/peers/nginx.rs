//! nginx as the server under protection.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
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
pub struct Nginx {
    child: Child,
    _prefix: TempDir,
}

impl Nginx {
    /// Where it listens, on every address of both families.
    pub const PORT: u16 = 8_080;

    /// Starts it in a namespace and waits until it accepts connections.
    ///
    /// # Errors
    /// Where it does not come up.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        let prefix = tempfile::Builder::new().prefix("sensor-nginx-").tempdir()?;
        let config = prefix.path().join("nginx.conf");
        fs::write(&config, configuration())?;
        let log = fs::File::create(prefix.path().join("stderr.log"))?;
        let mut command = namespace.command("nginx");
        command.arg("-p").arg(prefix.path()).arg("-c").arg(&config);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().context("cannot start nginx")?;
        let mut nginx = Self { child, _prefix: prefix };
        let here = SocketAddr::from(([127, 0, 0, 1], Self::PORT));
        let is_up =
            namespace.enter(|| wait_until(Duration::from_secs(20), || TcpStream::connect(here).is_ok()));
        let log = fs::read_to_string(nginx._prefix.path().join("stderr.log")).unwrap_or_default();
        let ended = nginx.child.try_wait().unwrap_or_default();
        ensure!(is_up && ended.is_none(), "nginx does not answer on {here}: {log}");
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // nginx's master ends its workers on SIGTERM, not when it is killed.
        let ended = i32::try_from(self.child.id())
            .map_err(io::Error::other)
            .and_then(|pid| Ok(kill(Pid::from_raw(pid), Signal::SIGTERM)?))
            .and_then(|()| self.child.wait());
        drop(ended);
    }
}

fn configuration() -> String {
    format!(
        "daemon off;\nmaster_process on;\nworker_processes 1;\nuser root;\npid nginx.pid;\n\
         error_log stderr warn;\nevents {{ worker_connections 4096; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path body;\n  proxy_temp_path proxy;\n\
         \x20 fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n\
         \x20 server {{\n    listen {port} backlog=4096;\n    listen [::]:{port} backlog=4096;\n\
         \x20   location / {{ return 200 \"ok\\n\"; }}\n  }}\n}}\n",
        port = Nginx::PORT
    )
}

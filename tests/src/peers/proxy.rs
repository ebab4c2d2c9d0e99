//! Reverse proxies in front of the server under protection, which deny whom a file of the daemon's names.

use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::netns::Namespace;
use crate::wait::wait_until;

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
}

/// A running proxy; dropping it ends it.
#[derive(Debug)]
pub struct Proxy {
    kind: Kind,
    child: Child,
    directory: TempDir,
}

impl Kind {
    /// Its program, and the name of the format of deny files that it reads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }

    fn configuration(self, address: SocketAddr, server: SocketAddr, deny: &Path) -> String {
        // What the server sees as its peer.
        let own = if server.ip().is_loopback() { server.ip() } else { address.ip() };
        let deny = deny.display();
        match self {
            Self::Nginx => format!(
                "daemon off;\nmaster_process on;\nworker_processes 1;\nuser root;\npid nginx.pid;\nerror_log stderr warn;\n\
                 events {{ worker_connections 256; }}\nhttp {{\n  access_log access.log;\n  client_body_temp_path body;\n\
                 \x20 proxy_temp_path proxy;\n  fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n\
                 \x20 server {{\n    listen {address};\n    include {deny};\n    location / {{\n      proxy_pass http://{server};\n\
                 \x20     proxy_bind {own};\n      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n    }}\n  }}\n}}\n"
            ),
            Self::Haproxy => format!(
                "global\n  maxconn 256\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 10s\n\
                 \x20 timeout server 10s\nfrontend front\n  bind {address}\n  acl denied src -f {deny}\n\
                 \x20 http-request deny deny_status 403 if denied\n  option forwardfor\n  default_backend back\n\
                 backend back\n  server one {server} source {own}\n"
            ),
        }
    }
}

impl Proxy {
    /// Where it listens.
    pub const PORT: u16 = 8_000;

    /// Starts one at an address of a namespace, in front of a server, and waits until it accepts connections.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(
        kind: Kind,
        namespace: &Namespace,
        own: IpAddr,
        server: SocketAddr,
        deny: &Path,
    ) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("sensor-proxy-").tempdir()?;
        let address = SocketAddr::new(own, Self::PORT);
        let config = directory.path().join("proxy.conf");
        fs::write(&config, kind.configuration(address, server, deny))?;
        let log = File::create(directory.path().join("log"))?;
        let mut command = namespace.command(kind.name());
        match kind {
            Kind::Nginx => command.arg("-p").arg(directory.path()).arg("-c").arg(&config),
            Kind::Haproxy => command.arg("-W").arg("-f").arg(&config),
        };
        let child = command.stdout(log.try_clone()?).stderr(log).spawn();
        let child = child.with_context(|| format!("cannot start {}", kind.name()))?;
        let mut proxy = Self { kind, child, directory };
        let is_up =
            namespace.enter(|| wait_until(Duration::from_secs(20), || TcpStream::connect(address).is_ok()));
        let ended = proxy.child.try_wait().unwrap_or_default();
        ensure!(is_up && ended.is_none(), "{} does not answer on {address}: {}", kind.name(), proxy.log());
        Ok(proxy)
    }

    /// Has it read its configuration, and with it the deny file, again; it does so in its own time.
    ///
    /// # Errors
    /// If it is gone.
    pub fn reload(&self) -> Result<()> {
        // As their own units do.
        self.signal(match self.kind {
            Kind::Nginx => Signal::SIGHUP,
            Kind::Haproxy => Signal::SIGUSR2,
        })
    }

    /// What it said.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// How many requests it has answered and logged; nginx only.
    #[must_use]
    pub fn logged(&self) -> usize {
        fs::read_to_string(self.directory.path().join("access.log")).unwrap_or_default().lines().count()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its master ends its workers on SIGTERM, not when it is killed.
        let ended = self.signal(Signal::SIGTERM).and_then(|()| Ok(self.child.wait()?));
        drop(ended);
    }
}

//! A real Redis server in a namespace of its own, to which hosts have links of their own.
//!
//! ```text
//!   namespace `server` of host n             namespace `engine`
//!   fleet0 10.77.0.(10 + n)  <--veth-->  hn ─┐
//!                                            br0 10.77.0.1, redis-server
//! ```

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::running::Running;
use crate::daemon::PATIENCE;
use crate::netns::{Namespace, Net};
use crate::wait::wait_until;

/// A server that keeps nothing on disk; dropping it ends it.
#[derive(Debug)]
pub struct Redis {
    /// Ends before its directory and its namespace.
    running: Running,
    namespace: Namespace,
    directory: TempDir,
}

impl Redis {
    /// Its address.
    pub const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
    /// Where it speaks without TLS.
    pub const PORT: u16 = 6_379;
    /// Where it speaks TLS.
    pub const TLS_PORT: u16 = 6_380;
    /// The user that `docs/fleet.md` describes, and its password.
    pub const USER: &'static str = "sensor";
    /// See [`Self::USER`].
    pub const PASSWORD: &'static str = "only-for-this-test";

    /// Prepares a network and starts the server in it.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start() -> Result<Self> {
        let namespace = Namespace::new("engine")?;
        namespace.ip(&format!(
            "link add br0 type bridge\nlink set br0 up\naddr add {}/24 dev br0\n",
            Self::ADDRESS
        ))?;
        let directory = tempfile::Builder::new().prefix("sensor-redis-").tempdir()?;
        let made = rcgen::generate_simple_self_signed([Self::ADDRESS.to_string()])?;
        fs::write(directory.path().join("cert.pem"), made.cert.pem())?;
        fs::write(directory.path().join("key.pem"), made.signing_key.serialize_pem())?;
        fs::write(directory.path().join("password"), format!("{}\n", Self::PASSWORD))?;
        fs::set_permissions(
            directory.path().join("password"),
            std::os::unix::fs::PermissionsExt::from_mode(0o600),
        )?;
        let mut redis = Self { namespace, directory, running: Running::default() };
        redis.run()?;
        Ok(redis)
    }

    /// Starts it again, without anything that it knew.
    ///
    /// # Errors
    /// If it does not come up, or runs already.
    pub fn run(&mut self) -> Result<()> {
        let mut command = self.namespace.command("redis-server");
        command.current_dir(self.directory.path());
        command.args(["--bind", &Self::ADDRESS.to_string(), "--port", &Self::PORT.to_string()]);
        command.args(["--tls-port", &Self::TLS_PORT.to_string(), "--tls-cert-file", "cert.pem"]);
        command.args([
            "--tls-key-file",
            "key.pem",
            "--tls-ca-cert-file",
            "cert.pem",
            "--tls-auth-clients",
            "no",
        ]);
        command.args(["--save", "", "--appendonly", "no", "--protected-mode", "no"]);
        command.args([
            "--user",
            Self::USER,
            "on",
            &format!(">{}", Self::PASSWORD),
            "~sensor:*",
            "resetchannels",
        ]);
        command.args(ACL);
        let log = self.file("log");
        self.running.start(&mut command, &log)?;
        let address = SocketAddr::new(Self::ADDRESS, Self::PORT);
        let is_up =
            || self.namespace.enter(|| TcpStream::connect_timeout(&address, Duration::from_secs(1))).is_ok();
        ensure!(wait_until(PATIENCE, is_up), "redis-server does not come up: {}", self.log());
        Ok(())
    }

    /// Kills it, and everything that it knows.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill9(&mut self) -> Result<()> {
        self.running.kill9()
    }

    /// Sends it a signal, such as `SIGSTOP`.
    ///
    /// # Errors
    /// If it does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.running.pid()?)?), signal)?)
    }

    /// As [`Namespace::enter`], in the server's namespace.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.namespace.enter(work)
    }

    /// Links the server of a network, as host `number`.
    ///
    /// # Errors
    /// If `ip` fails.
    pub fn link(&self, net: &Net, number: u8) -> Result<()> {
        let address = Ipv4Addr::new(10, 77, 0, number.saturating_add(10));
        let engine = self.namespace.name();
        net.server.ip(&format!(
            "link add fleet0 type veth peer name h{number} netns {engine}\nlink set fleet0 up\n\
             addr add {address}/24 dev fleet0\n"
        ))?;
        self.namespace.ip(&format!("link set h{number} master br0\nlink set h{number} up\n"))
    }

    /// Cuts the link of a host, or mends it.
    ///
    /// # Errors
    /// If `ip` fails.
    pub fn set_link(&self, number: u8, is_up: bool) -> Result<()> {
        self.namespace.ip(&format!("link set h{number} {}\n", if is_up { "up" } else { "down" }))
    }

    /// A file in its directory: `cert.pem`, `password`.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }
}

/// What `docs/fleet.md` lets the user do.
const ACL: [&str; 16] = [
    "-@all",
    "+xadd",
    "+xread",
    "+xrevrange",
    "+zadd",
    "+zrem",
    "+zrange",
    "+zremrangebyscore",
    "+hset",
    "+hvals",
    "+set",
    "+get",
    "+mget",
    "+time",
    "+evalsha",
    "+script|load",
];

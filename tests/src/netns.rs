//! Network namespaces: a server, and the world around it, joined by one veth pair.
//!
//! ```text
//!   namespace `server`                      namespace `world`
//!   eth0 10.9.0.1/16, fd00::1/48  <--veth-->  eth0 10.9.0.2 .66 .254, fd00:0:0:2::1 …
//!   127.0.0.1, ::1
//! ```
//!
//! Traffic never leaves them: they are connected only by the pair. Each IPv6 host of the world has a /64, which is what
//! the daemon counts as one client by default.

use std::fs::File;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, bail, ensure};
use nix::sched::{CloneFlags, setns};

use crate::process::unique;

/// The interface at both ends.
pub const INTERFACE: &str = "eth0";
/// The server's addresses.
pub const SERVER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));
/// See [`SERVER_V4`].
pub const SERVER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1));
/// Host number of the legitimate client in [`v4`] and [`v6`].
pub const LEGITIMATE: u8 = 2;
/// Host number of the flooding client.
pub const FLOODER: u8 = 66;
/// Host number of the server's default gateway.
pub const GATEWAY: u8 = 254;

/// IPv4 address of a host of the world.
#[must_use]
pub const fn v4(host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 9, 0, host))
}

/// IPv6 address of a host of the world, in a /64 of its own.
#[must_use]
pub const fn v6(host: u8) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, host as u16, 0, 0, 0, 1))
}

/// Address of the `n`th of many clients, see [`Net::add_many`].
#[must_use]
pub const fn many(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 9, 1, n))
}

/// A network namespace; dropping it removes it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Creates one. Its name is this process's own, with a counter, so that tests beside each other do not collide, nor
    /// with what an earlier one that was killed has left.
    ///
    /// # Errors
    /// If `ip` fails, as it does for all but root.
    pub fn new(role: &str) -> Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("sensor-{}-{number}-{role}", unique());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Self { name };
        namespace.ip("link set lo up\n")?;
        Ok(namespace)
    }

    /// Its name for `ip netns`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// A command that runs in here. The process has the id of the child that is spawned, and sees the
    /// machine's file systems: unlike `ip netns exec`, which hides `/sys`.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        let mut net = std::ffi::OsString::from("--net=");
        net.push(self.path());
        command.arg(net).arg("--").arg(program);
        command.stdin(Stdio::null());
        command
    }

    /// Runs `work` in this namespace, on a new thread; the sockets that it opens belong to this namespace for good.
    ///
    /// # Panics
    /// If the namespace is gone, or `work` panics.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| scope.spawn(|| self.move_in_and(work)).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// As [`Self::enter`], without waiting for the end.
    pub fn spawn<T: Send + 'static>(
        self: &std::sync::Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let namespace = std::sync::Arc::clone(self);
        thread::spawn(move || namespace.move_in_and(work))
    }

    fn move_in_and<T>(&self, work: impl FnOnce() -> T) -> T {
        let file = File::open(self.path()).expect("the namespace exists as long as this");
        setns(file, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
        work()
    }

    /// Runs `ip` commands, one a line.
    ///
    /// # Errors
    /// If one fails.
    pub fn ip(&self, batch: &str) -> Result<()> {
        let mut ip = Command::new("ip");
        ip.args(["-n", &self.name, "-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = ip.spawn().context("cannot start `ip`")?;
        child.stdin.take().context("no pipe to `ip`")?.write_all(batch.as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success(),
            "`ip -n {}` failed: {}",
            self.name,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Nothing more can be done where this fails.
        let _removed = run(Command::new("ip").args(["netns", "del", &self.name]));
    }
}

/// The server and the world.
#[derive(Clone, Debug)]
pub struct Net {
    /// Where the daemon and the servers run.
    pub server: std::sync::Arc<Namespace>,
    /// Where clients run.
    pub world: std::sync::Arc<Namespace>,
}

impl Net {
    /// Makes both and joins them, with the addresses of [`LEGITIMATE`], [`FLOODER`] and [`GATEWAY`].
    ///
    /// # Errors
    /// If `ip` or `ethtool` fails.
    pub fn new() -> Result<Self> {
        let net = Self { server: Namespace::new("server")?.into(), world: Namespace::new("world")?.into() };
        net.connect()?;
        Ok(net)
    }

    /// Deletes the pair. [`Self::connect`] makes another of the same names and addresses.
    ///
    /// # Errors
    /// If `ip` fails.
    pub fn disconnect(&self) -> Result<()> {
        self.server.ip(&format!("link del {INTERFACE}\n"))
    }

    /// Joins both.
    ///
    /// # Errors
    /// If `ip` or `ethtool` fails.
    pub fn connect(&self) -> Result<()> {
        let world = self.world.name();
        self.server.ip(&format!("link add {INTERFACE} type veth peer name {INTERFACE} netns {world}\n"))?;
        self.server.ip(&format!(
            "link set {INTERFACE} up\naddr add {SERVER_V4}/16 dev {INTERFACE}\n\
             addr add {SERVER_V6}/48 dev {INTERFACE} nodad\n"
        ))?;
        self.world.ip(&format!("link set {INTERFACE} up\n"))?;
        for host in [LEGITIMATE, FLOODER, GATEWAY] {
            self.add_host(host)?;
        }
        self.server.ip(&format!("route add default via {}\n", v4(GATEWAY)))?;
        for namespace in [&self.server, &self.world] {
            // A veth end without XDP takes redirected frames only while it has GRO, which gives it NAPI.
            run(namespace.command("ethtool").args(["-K", INTERFACE, "gro", "on"]))?;
        }
        Ok(())
    }

    /// Gives the world another host, in both families.
    ///
    /// # Errors
    /// If `ip` fails.
    pub fn add_host(&self, host: u8) -> Result<()> {
        self.world.ip(&format!(
            "addr add {}/16 dev {INTERFACE}\naddr add {}/48 dev {INTERFACE} nodad\n",
            v4(host),
            v6(host)
        ))
    }

    /// Gives the world the clients [`many`]`(1)` to `(count)`.
    ///
    /// # Errors
    /// If `ip` fails.
    pub fn add_many(&self, count: u8) -> Result<()> {
        let batch: String =
            (1..=count).map(|n| format!("addr add {}/16 dev {INTERFACE}\n", many(n))).collect();
        self.world.ip(&batch)
    }

    /// A second pair, for daemons that need an interface of their own: `name` on the server's side, up and
    /// without addresses.
    ///
    /// # Errors
    /// If `ip` fails.
    pub fn add_interface(&self, name: &str) -> Result<()> {
        let world = self.world.name();
        self.server
            .ip(&format!("link add {name} type veth peer name {name} netns {world}\nlink set {name} up\n"))?;
        self.world.ip(&format!("link set {name} up\n"))
    }

    /// What is attached to the server's interface, as `ip` prints it; empty without XDP.
    ///
    /// # Errors
    /// If `ip` fails.
    pub fn xdp_on(&self, interface: &str) -> Result<String> {
        let shown = run(self.server.command("ip").args(["-details", "link", "show", "dev", interface]))?;
        let lines = shown.lines().filter(|line| line.contains("xdp"));
        Ok(lines.map(str::trim).collect::<Vec<_>>().join("\n"))
    }
}

/// Waits for a thread's end; a panic in it goes on in the caller.
pub fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs a command to its end and returns what it printed.
fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed ({}): {}", output.status, why.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

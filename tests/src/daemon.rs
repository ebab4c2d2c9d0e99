//! A handle on a running daemon: the real binary, in a test's namespace.

mod scrape;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::netns::{INTERFACE, Net};
use crate::wait::wait_until;

pub use scrape::{Sample, Scrape, page};

/// Where the daemon serves metrics, on its namespace's loopback.
pub const WEB: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9_797);

/// Timeout for what is slow on a loaded machine, and never happens if something is broken.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Tables of a size for tests: the default reserves some hundred megabytes for each daemon.
pub const SMALL_TABLES: &str = "[clients]\nmax_tracked = 65536\ndoorkeeper = 262144\n";

/// Limits switched off, so that only detectors act.
pub const NO_LIMITS: &str =
    "[limits.default]\npackets = \"off\"\nbits = \"off\"\nconnections = \"off\"\nrequests = \"off\"\n";

/// The daemon's binary: `SENSOR_BIN`, or the one built next to this program.
///
/// # Errors
/// If there is none.
pub fn binary() -> Result<PathBuf> {
    if let Some(named) = env::var_os("SENSOR_BIN") {
        let named = PathBuf::from(named);
        ensure!(named.is_file(), "SENSOR_BIN names {}, which is not there", named.display());
        return Ok(named);
    }
    let own = env::current_exe()?;
    // A test is in `target/PROFILE/deps`, a program in `target/PROFILE`.
    let target = own.ancestors().skip(1).find(|place| place.join(".cargo-lock").exists());
    let target = target.and_then(Path::parent).unwrap_or(Path::new("target"));
    let built = ["release", "debug"].map(|profile| target.join(profile).join("sensor"));
    let found = built.into_iter().find(|program| program.is_file());
    found.context("no daemon to test: run `cargo build --release --package sensor`, or set SENSOR_BIN")
}

/// A directory with everything that a daemon needs, and the daemon, if it is running.
///
/// Dropping it ends the daemon, detaches it from the interface and removes everything.
#[derive(Debug)]
pub struct Daemon {
    net: Net,
    directory: TempDir,
    binary: PathBuf,
    flags: Vec<String>,
    wrapper: Vec<String>,
    environment: Vec<(String, OsString)>,
    child: Option<Child>,
    shows_log: bool,
}

/// A client's packets since it entered the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Passed.
    pub passed: u64,
    /// Dropped, or in monitor mode would have been.
    pub dropped: u64,
    /// HTTP requests seen.
    pub requests: u64,
}

impl Daemon {
    /// Prepares a daemon with a configuration, without starting it.
    ///
    /// # Errors
    /// If there is no program, or nothing can be written.
    pub fn prepare(net: &Net, config: &str) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("sensor-test-").tempdir()?;
        let flags = vec!["-i".to_owned(), INTERFACE.to_owned()];
        let environment = Vec::new();
        let (net, binary) = (net.clone(), binary()?);
        let daemon = Self {
            net,
            directory,
            binary,
            flags,
            environment,
            wrapper: Vec::new(),
            child: None,
            shows_log: true,
        };
        daemon.write_config(config)?;
        Ok(daemon)
    }

    /// Prepares and starts a daemon, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready; the error has its log.
    pub fn start(net: &Net, config: &str) -> Result<Self> {
        let mut daemon = Self::prepare(net, config)?;
        daemon.run()?;
        Ok(daemon)
    }

    /// Replaces the flags besides those for paths and addresses (`-i eth0`).
    pub fn set_flags(&mut self, flags: &[&str]) {
        self.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    }

    /// Starts it through another program that finally becomes the daemon (`setpriv --no-new-privs`).
    pub fn set_wrapper(&mut self, words: &[String]) {
        self.wrapper = words.to_vec();
    }

    /// Sets variables of its environment, from the next start on.
    pub fn set_environment(&mut self, variables: &[(&str, &OsStr)]) {
        self.environment =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    }

    /// Suppresses the log. By default it goes to stdout at the end, where a test's harness shows it for failed tests.
    pub const fn hide_log(&mut self) {
        self.shows_log = false;
    }

    /// Starts it, the first time or again, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready; the error has its log.
    pub fn run(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log_path())?;
        let mut command = self.run_command();
        command.stdout(log.try_clone()?).stderr(log);
        // A Ctrl-C meant for the demonstration shall not end the daemon before the demonstration does.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        self.child = Some(command.spawn().context("cannot start the daemon")?);
        let mut ended = None;
        let is_ready = wait_until(PATIENCE, || {
            ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            ended.is_some() || self.is_ready()
        });
        ensure!(is_ready && ended.is_none(), "the daemon did not become ready ({ended:?}):\n{}", self.log());
        Ok(())
    }

    /// The command that starts it in the foreground.
    #[must_use]
    pub fn run_command(&self) -> Command {
        let mut words = self.wrapper.iter().map(Path::new).chain([self.binary.as_path()]);
        let mut command = self.net.server.command(words.next().unwrap_or(&self.binary));
        command.args(words);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.arg("run").args(&self.flags).arg("-c").arg(self.config_path());
        command.arg("--socket").arg(self.socket()).arg("--state-dir").arg(self.state_dir());
        command.arg("--pin-dir").arg(self.pin_dir()).arg("--web.listen-address").arg(WEB.to_string());
        command
    }

    /// Whether `/readyz` says so.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.net.server.enter(|| page(WEB, "/readyz")).is_ok()
    }

    /// A command with this daemon's program and nothing else.
    #[must_use]
    pub fn program(&self, args: &[&str]) -> Command {
        let mut command = self.net.server.command(&self.binary);
        command.args(args);
        command
    }

    /// Runs a client command against this daemon.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn cli(&self, args: &[&str]) -> Result<Output> {
        let mut command = self.program(args);
        command.arg("--socket").arg(self.socket());
        command.output().with_context(|| format!("cannot run {command:?}"))
    }

    /// Runs a client command that must succeed; returns what it printed.
    ///
    /// # Errors
    /// If it fails, with its words.
    pub fn ok(&self, args: &[&str]) -> Result<String> {
        let output = self.cli(args)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`sensor {}`: {}: {}", args.join(" "), output.status, said.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a command that prints one JSON object a line.
    ///
    /// # Errors
    /// If it fails, or prints something else.
    pub fn json_lines(&self, args: &[&str]) -> Result<Vec<Value>> {
        let printed = self.ok(&[args, &["--json"]].concat())?;
        printed.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// Runs a client command with `--json`; returns what it printed.
    ///
    /// # Errors
    /// If it fails, or prints something else.
    pub fn json(&self, args: &[&str]) -> Result<Value> {
        let printed = self.ok(&[args, &["--json"]].concat())?;
        serde_json::from_str(&printed).with_context(|| format!("not one JSON document: {printed}"))
    }

    /// What it knows about a client's packets.
    ///
    /// # Errors
    /// If the client is not in the table.
    pub fn totals(&self, client: IpAddr) -> Result<Totals> {
        let explained = self.json(&["explain", &client.to_string()])?;
        let row = &explained["client"];
        let number = |key: &str| row[key].as_u64().with_context(|| format!("no `{key}` in {explained}"));
        let (packets, dropped) = (number("packets")?, number("drops")?);
        Ok(Totals { passed: packets - dropped, dropped, requests: number("requests")? })
    }

    /// Reads the metrics.
    ///
    /// # Errors
    /// If they are not served or not readable.
    pub fn metrics(&self) -> Result<Scrape> {
        self.net.server.enter(|| page(WEB, "/metrics"))?.parse()
    }

    /// Kills it, so that it can neither finish nor clean up.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill9(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the daemon does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// If it does not run, or does not end.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        let mut child = self.child.take().context("the daemon does not run")?;
        let mut ended = None;
        if !wait_until(PATIENCE, || {
            ended = child.try_wait().ok().flatten();
            ended.is_some()
        }) {
            child.kill()?;
            child.wait()?;
        }
        ended.with_context(|| format!("the daemon did not end on SIGTERM:\n{}", self.log()))
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// If it does not run, or does not end.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let mut child = self.child.take().context("the daemon does not run")?;
        let mut ended = None;
        let has_ended = wait_until(PATIENCE, || {
            ended = child.try_wait().ok().flatten();
            ended.is_some()
        });
        if !has_ended {
            child.kill()?;
            child.wait()?;
        }
        ended.with_context(|| format!("the daemon does not end:\n{}", self.log()))
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it does not run.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref().context("the daemon does not run")?;
        Ok(kill(Pid::from_raw(i32::try_from(child.id())?), signal)?)
    }

    /// Its process's number while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Writes the configuration; the daemon reads it on the next start or reload.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_config(&self, config: &str) -> Result<()> {
        Ok(fs::write(self.config_path(), config)?)
    }

    /// Removes it from the kernel: pins, links, the mount.
    ///
    /// # Errors
    /// If `sensor unload` fails.
    pub fn unload(&self) -> Result<()> {
        let pins = self.pin_dir();
        let output = self.program(&["unload", "--pin-dir"]).arg(&pins).output()?;
        if !output.status.success() {
            bail!("`sensor unload` failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// Everything it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Its control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    /// Its pins.
    #[must_use]
    pub fn pin_dir(&self) -> PathBuf {
        self.directory.path().join("bpf")
    }

    /// Its persistent state.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Its configuration file.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.directory.path().join("sensor.toml")
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("sensor.log")
    }
}

impl Drop for Daemon {
    #[expect(clippy::print_stdout, reason = "the harness captures it, and shows it where a test failed")]
    fn drop(&mut self) {
        if self.child.is_some() {
            // An error here is one more symptom of what the test reports.
            let _ended = self.terminate();
        }
        let _unloaded = self.unload();
        // Where `unload` is what is broken.
        let _unmounted = umount2(&self.pin_dir(), MntFlags::MNT_DETACH);
        if self.shows_log {
            println!("---- the daemon's log\n{}----", self.log());
        }
    }
}

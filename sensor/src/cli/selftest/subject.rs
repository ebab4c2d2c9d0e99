//! The daemon under test: this program, started as by `sensor run`.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ipnet::IpNet;
use serde::de::DeserializeOwned;

use super::client::ask;
use super::network::INTERFACE;
use super::pace::wait_for;
use super::server::HTTP;
use crate::control::Client;
use crate::control::wire::{BlockRow, ClientRow, Envelope, Explanation, Question, Request, StatusReport};
use crate::decide::{About, Alert};
use crate::detect::Threat;
use crate::prefix::ClientNet;

/// Time limit until it is ready; a busy machine may be slow to load the program.
const START: Duration = Duration::from_secs(10);
/// Where it serves metrics: in its network namespace every port is free.
const WEB: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9797);
/// Lines of its log shown if something failed.
const LAST_LINES: usize = 20;

/// Packets of each client that pass at once, and then per second.
pub(super) const AT_ONCE: u64 = 400;
/// See [`AT_ONCE`].
pub(super) const A_SECOND: u64 = 200;

/// Small tables, a low limit, and otherwise the defaults.
fn config() -> String {
    format!(
        "[clients]\nmax_tracked = 65536\ndoorkeeper = 65536\n[http]\nports = [\"{}\"]\nring_mib = 4\n\
         [limits.default]\npackets = \"{A_SECOND}/s:{AT_ONCE}\"\n",
        HTTP.port()
    )
}

/// A running daemon; it is killed when this is dropped, and when the thread that started it ends.
pub(super) struct Daemon {
    child: Child,
    client: Client,
    log: PathBuf,
}

impl Daemon {
    /// Starts it in this network namespace; all its files are in `directory`.
    pub(super) fn start(directory: &Path) -> Result<Self> {
        let place = |name: &str| directory.join(name);
        fs::write(place("sensor.toml"), config())?;
        let log = File::create(place("sensor.log"))?;
        let child = Command::new("/proc/self/exe")
            .args(["run", "--mode", "enforce", "-i", INTERFACE, "--end-with"])
            .arg(std::process::id().to_string())
            .arg("-c")
            .arg(place("sensor.toml"))
            .arg("--socket")
            .arg(place("control.sock"))
            .arg("--state-dir")
            .arg(place("state"))
            .arg("--pin-dir")
            .arg(place("bpf"))
            .arg("--web.listen-address")
            .arg(WEB.to_string())
            .env_remove("SENSOR_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("starting `sensor run`")?;
        Ok(Self { child, client: Client::new(&place("control.sock")), log: place("sensor.log") })
    }

    /// Waits until it answers.
    pub(super) fn ready(&mut self) -> Result<StatusReport> {
        let answer = wait_for(START, || match self.child.try_wait() {
            Ok(None) => self.status().ok().map(Ok),
            Ok(Some(status)) => Some(Err(format!("`sensor run` ended with {status}"))),
            Err(error) => Some(Err(error.to_string())),
        });
        match answer {
            Some(Ok(status)) => Ok(status),
            Some(Err(why)) => bail!(why),
            None => bail!("`sensor run` does not answer"),
        }
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn ask<T: DeserializeOwned>(&self, request: Request) -> Result<T> {
        Ok(self.client.ask_for(&Envelope { request, ssh: None })?)
    }

    /// The result of `sensor status`.
    pub(super) fn status(&self) -> Result<StatusReport> {
        self.ask(Request::Status)
    }

    /// What it knows about a client's packets; none if the client is not in its table.
    pub(super) fn client(&self, address: Ipv4Addr) -> Result<Option<ClientRow>> {
        let prefix = IpNet::from(IpAddr::V4(address));
        Ok(self.ask::<Explanation>(Request::Records { question: Question::Explain { prefix } })?.client)
    }

    /// The alert about a client's logins; of several the gravest, since it is raised before the detector is certain.
    pub(super) fn login_alert(&self, address: Ipv4Addr) -> Result<Option<Alert>> {
        let question = Question::Alerts { since: None, after: None, id: None, limit: 100 };
        let request = Request::Records { question };
        let alerts: Vec<Alert> = self.ask(request)?;
        let about = About::Client(ClientNet::of(IpAddr::V4(address)));
        let of_logins = [Threat::CredentialStuffing, Threat::BruteForce, Threat::PasswordSpraying];
        let is_it = |alert: &Alert| alert.about == about && of_logins.contains(&alert.detector);
        Ok(alerts.into_iter().filter(is_it).max_by_key(|alert| alert.severity))
    }

    /// The block of a client.
    pub(super) fn block(&self, address: Ipv4Addr) -> Result<Option<BlockRow>> {
        let rows: Vec<BlockRow> = self.ask(Request::BlockList)?;
        Ok(rows
            .into_iter()
            .find(|row| row.prefix.prefix().is_some_and(|prefix| prefix.contains(&IpAddr::V4(address)))))
    }

    /// From the last byte of the deciding response to the block in the kernel, on average.
    pub(super) fn enforcement_latency(&self) -> Result<Duration> {
        let (_, text) = ask(Ipv4Addr::LOCALHOST, WEB, "GET /metrics", "")?;
        let value = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default()
        };
        let sum = value("sensor_enforcement_latency_seconds_sum ").parse();
        let count = value("sensor_enforcement_latency_seconds_count ").parse();
        let mean = sum.ok().and_then(|sum| Duration::try_from_secs_f64(sum).ok()).zip(count.ok());
        mean.and_then(|(sum, count)| sum.checked_div(count)).context("the metrics contain no block latency")
    }

    /// The end of its log.
    pub(super) fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(LAST_LINES);
        lines.iter().skip(from).map(|line| (*line).to_owned()).collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already; whatever it had pinned disappears with its mounts.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

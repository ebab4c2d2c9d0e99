//! A real CrowdSec: its local API, without an agent and without the central API, on its namespace's loopback.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use super::running::Running;
use crate::daemon::PATIENCE;
use crate::netns::Namespace;
use crate::tools;
use crate::wait::wait_until;

/// A server with a directory of its own; dropping it ends it.
#[derive(Debug)]
pub struct Crowdsec {
    /// Ends before its directory and its namespace.
    running: Running,
    namespace: Arc<Namespace>,
    directory: TempDir,
}

impl Crowdsec {
    /// Where its local API listens.
    pub const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8_080);

    /// Starts it, with nothing decided.
    ///
    /// # Errors
    /// If it does not come up; the error has its log.
    pub fn start(namespace: &Arc<Namespace>) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("sensor-crowdsec-").tempdir()?;
        let place = directory.path().display().to_string();
        for (name, text) in [
            ("config.yaml", configuration(&place)),
            ("profiles.yaml", PROFILES.to_owned()),
            ("simulation.yaml", "simulation: off\n".to_owned()),
            ("console.yaml", String::new()),
            ("acquis.yaml", String::new()),
            ("local.yaml", String::new()),
        ] {
            fs::write(directory.path().join(name), text)?;
        }
        for name in ["data", "hub", "plugins", "notifications", "patterns"] {
            fs::create_dir(directory.path().join(name))?;
        }
        fs::write(directory.path().join("hub/.index.json"), "{}")?;
        let mut server = Self { namespace: Arc::clone(namespace), directory, running: Running::default() };
        // Its own command adds decisions as a machine does, with these credentials.
        let local = server.file("local.yaml").display().to_string();
        server.cscli(&[
            "machines",
            "add",
            "cscli",
            "--password",
            "only-for-this-test",
            "--force",
            "-f",
            &local,
        ])?;
        server.run()?;
        Ok(server)
    }

    /// Starts it again, with what it knew.
    ///
    /// # Errors
    /// If it does not come up, or runs already.
    pub fn run(&mut self) -> Result<()> {
        let mut command = self.namespace.command(tools::find("crowdsec").context("no crowdsec")?);
        command.arg("-c").arg(self.file("config.yaml")).arg("-no-cs");
        command.current_dir(self.directory.path());
        let log = self.file("log");
        self.running.start(&mut command, &log)?;
        let is_up = || self.namespace.enter(|| TcpStream::connect(Self::ADDRESS)).is_ok();
        ensure!(wait_until(PATIENCE, is_up), "crowdsec does not come up: {}", self.log());
        Ok(())
    }

    /// Kills it.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill9(&mut self) -> Result<()> {
        self.running.kill9()
    }

    /// Runs its command; returns what it printed.
    ///
    /// # Errors
    /// If it fails.
    pub fn cscli(&self, args: &[&str]) -> Result<String> {
        let mut command = self.namespace.command(tools::find("cscli").context("no cscli")?);
        command.arg("-c").arg(self.file("config.yaml")).args(args).current_dir(self.directory.path());
        let output = command.output()?;
        let (out, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "cscli {args:?}: {out}{errors}");
        Ok(out.into_owned())
    }

    /// Makes the key of a bouncer.
    ///
    /// # Errors
    /// If it fails.
    pub fn key(&self, bouncer: &str) -> Result<String> {
        Ok(self.cscli(&["bouncers", "add", bouncer, "-o", "raw"])?.trim().to_owned())
    }

    /// A file in its directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }
}

/// Without `online_client`, it speaks with nobody outside.
fn configuration(place: &str) -> String {
    format!(
        "common:
  daemonize: false
  log_media: stdout
  log_level: info
  working_dir: {place}
config_paths:
  config_dir: {place}
  data_dir: {place}/data
  simulation_path: {place}/simulation.yaml
  hub_dir: {place}/hub
  index_path: {place}/hub/.index.json
  notification_dir: {place}/notifications
  plugin_dir: {place}/plugins
crowdsec_service:
  acquisition_path: {place}/acquis.yaml
  parser_routines: 1
cscli:
  output: human
  color: no
db_config:
  log_level: info
  type: sqlite
  db_path: {place}/data/crowdsec.db
  use_wal: true
  flush:
    max_items: 100000
    max_age: 7d
api:
  client:
    insecure_skip_verify: false
    credentials_path: {place}/local.yaml
  server:
    log_level: info
    listen_uri: {}
    profiles_path: {place}/profiles.yaml
    console_path: {place}/console.yaml
prometheus:
  enabled: false
",
        Crowdsec::ADDRESS
    )
}

/// A ban of four hours for every alert that asks for one, as CrowdSec's default is.
const PROFILES: &str = "name: default_ip_remediation
filters:
  - Alert.Remediation == true && Alert.GetScope() == \"Ip\"
decisions:
  - type: ban
    duration: 4h
on_success: break
";

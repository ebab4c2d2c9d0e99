//! The real Alertmanager, in a namespace, with a directory of its own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::daemon::{PATIENCE, page};
use crate::netns::Namespace;
use crate::tools;
use crate::wait::wait_until;

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Alertmanager {
    child: Child,
    namespace: Arc<Namespace>,
    directory: TempDir,
}

impl Alertmanager {
    /// Where it listens, on its namespace's loopback.
    pub const WEB: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9_093);

    /// Starts it without peers and with a receiver that does nothing, and waits until it is ready.
    ///
    /// # Errors
    /// Where it does not become ready; the error has its log.
    pub fn start(namespace: &Arc<Namespace>) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("sensor-alertmanager-").tempdir()?;
        let config = directory.path().join("alertmanager.yml");
        fs::write(&config, "route:\n  receiver: none\nreceivers:\n  - name: none\n")?;
        let log = File::create(directory.path().join("log"))?;
        let program = tools::find("prometheus-alertmanager").context("no Alertmanager")?;
        let mut command = namespace.command(program);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.path={}", directory.path().join("data").display()));
        command.arg(format!("--web.listen-address={}", Self::WEB)).arg("--cluster.listen-address=");
        let child = command.stdout(Stdio::null()).stderr(log).spawn().context("cannot start Alertmanager")?;
        let mut server = Self { child, namespace: Arc::clone(namespace), directory };
        let mut ended = None;
        let is_ready = wait_until(PATIENCE, || {
            ended = server.child.try_wait().ok().flatten();
            ended.is_some() || server.get("/-/ready").is_ok()
        });
        ensure!(is_ready && ended.is_none(), "Alertmanager is not ready ({ended:?}):\n{}", server.log());
        Ok(server)
    }

    /// The alerts that fire now.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn alerts(&self) -> Result<Vec<Value>> {
        Ok(serde_json::from_str(&self.get("/api/v2/alerts")?)?)
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn get(&self, path: &str) -> Result<String> {
        self.namespace.enter(|| page(Self::WEB, path))
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It has nothing to keep.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

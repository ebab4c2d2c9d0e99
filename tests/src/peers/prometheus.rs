//! The real Prometheus server, in a namespace, with a directory of its own.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::daemon::{PATIENCE, page};
use crate::netns::Namespace;
use crate::tools;
use crate::wait::wait_until;

/// Where it listens, on its namespace's loopback.
const WEB: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9_090);

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    namespace: Arc<Namespace>,
    directory: TempDir,
}

impl Prometheus {
    /// Starts it with rules and what to scrape (the item of `scrape_configs`, from its second key on), twice a second,
    /// and waits until it is ready.
    ///
    /// # Errors
    /// Where it does not become ready; the error has its log.
    pub fn start(namespace: &Arc<Namespace>, rules: &Path, scrape: &str) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("sensor-prometheus-").tempdir()?;
        let config = directory.path().join("prometheus.yml");
        fs::write(
            &config,
            format!(
                "global:\n  scrape_interval: 500ms\n  scrape_timeout: 500ms\n  evaluation_interval: 500ms\n\
                 rule_files: [{:?}]\nscrape_configs:\n  - job_name: sensor\n{scrape}",
                rules.display().to_string()
            ),
        )?;
        let log = File::create(directory.path().join("log"))?;
        let program = tools::find("prometheus").context("no prometheus")?;
        let mut command = namespace.command(program);
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()));
        command.arg(format!("--web.listen-address={WEB}"));
        let child = command.stdout(Stdio::null()).stderr(log).spawn().context("cannot start prometheus")?;
        let mut prometheus = Self { child, namespace: Arc::clone(namespace), directory };
        let mut ended = None;
        let is_ready = wait_until(PATIENCE, || {
            ended = prometheus.child.try_wait().ok().flatten();
            ended.is_some() || prometheus.get("/-/ready").is_ok()
        });
        ensure!(is_ready && ended.is_none(), "prometheus is not ready ({ended:?}):\n{}", prometheus.log());
        Ok(prometheus)
    }

    /// The samples that an expression gives now.
    ///
    /// # Errors
    /// Where it is refused.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let answer = self.api(&format!("query?query={}", encoded(expression)))?;
        let result = answer["result"].as_array().cloned();
        result.with_context(|| format!("no vector for {expression}: {answer}"))
    }

    /// The data of an answer of the API.
    ///
    /// # Errors
    /// Where it fails.
    pub fn api(&self, request: &str) -> Result<Value> {
        let mut answer: Value = serde_json::from_str(&self.get(&format!("/api/v1/{request}"))?)?;
        ensure!(answer["status"] == "success", "{request}: {answer}");
        Ok(answer["data"].take())
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn get(&self, path: &str) -> Result<String> {
        self.namespace.enter(|| page(WEB, path))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It has nothing to keep.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// With everything but letters and digits in the form `%20`.
fn encoded(text: &str) -> String {
    let bytes = text.bytes().map(|byte| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    });
    bytes.collect()
}

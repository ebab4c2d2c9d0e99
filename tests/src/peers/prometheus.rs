//! The real Prometheus server, in a namespace.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::web_server::WebServer;
use crate::netns::Namespace;

/// Where it listens, on its namespace's loopback.
const WEB: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9_090);

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Prometheus(WebServer);

impl Prometheus {
    /// Starts it with rules and what to scrape (the item of `scrape_configs`, from its second key on), twice a second,
    /// and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready; the error has its log.
    pub fn start(namespace: &Arc<Namespace>, rules: &Path, scrape: &str) -> Result<Self> {
        let server = WebServer::start(namespace, "prometheus", WEB, |directory| {
            let config = directory.join("prometheus.yml");
            fs::write(
                &config,
                format!(
                    "global:\n  scrape_interval: 500ms\n  scrape_timeout: 500ms\n  evaluation_interval: 500ms\n\
                     rule_files: [{:?}]\nscrape_configs:\n  - job_name: sensor\n{scrape}",
                    rules.display().to_string()
                ),
            )?;
            Ok(vec![
                format!("--config.file={}", config.display()),
                format!("--storage.tsdb.path={}", directory.join("data").display()),
                format!("--web.listen-address={WEB}"),
            ])
        })?;
        Ok(Self(server))
    }

    /// The samples that an expression gives now.
    ///
    /// # Errors
    /// If it is refused.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let answer = self.api(&format!("query?query={}", encoded(expression)))?;
        let result = answer["result"].as_array().cloned();
        result.with_context(|| format!("no vector for {expression}: {answer}"))
    }

    /// The data of an answer of the API.
    ///
    /// # Errors
    /// If it fails.
    pub fn api(&self, request: &str) -> Result<Value> {
        let mut answer: Value = serde_json::from_str(&self.0.get(&format!("/api/v1/{request}"))?)?;
        ensure!(answer["status"] == "success", "{request}: {answer}");
        Ok(answer["data"].take())
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.0.log()
    }
}

/// With everything but letters and digits in the form `%20`.
fn encoded(text: &str) -> String {
    let bytes = text.bytes().map(|byte| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    });
    bytes.collect()
}

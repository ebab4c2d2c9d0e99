//! The real Alertmanager, in a namespace.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use serde_json::Value;

use super::web_server::WebServer;
use crate::netns::Namespace;

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Alertmanager(WebServer);

impl Alertmanager {
    /// Where it listens, on its namespace's loopback.
    pub const WEB: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9_093);

    /// Starts it without peers and with a receiver that does nothing, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready; the error has its log.
    pub fn start(namespace: &Arc<Namespace>) -> Result<Self> {
        let server = WebServer::start(namespace, "prometheus-alertmanager", Self::WEB, |directory| {
            let config = directory.join("alertmanager.yml");
            fs::write(&config, "route:\n  receiver: none\nreceivers:\n  - name: none\n")?;
            Ok(vec![
                format!("--config.file={}", config.display()),
                format!("--storage.path={}", directory.join("data").display()),
                format!("--web.listen-address={}", Self::WEB),
                "--cluster.listen-address=".to_owned(),
            ])
        })?;
        Ok(Self(server))
    }

    /// The alerts that fire now.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn alerts(&self) -> Result<Vec<Value>> {
        Ok(serde_json::from_str(&self.0.get("/api/v2/alerts")?)?)
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.0.log()
    }
}

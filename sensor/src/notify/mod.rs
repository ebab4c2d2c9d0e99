//! The ways out: alerts as lines and to a webhook, denied clients to a file that a proxy reads.
//!
//! Architecture invariants: whoever raises an alert never waits for a way out, and no way out waits for another.
//! What did not get out is counted.

mod config;
mod deny_file;
mod lines;
#[cfg(test)]
mod tests;
mod webhook;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use config::{DenyConfig, DenyFormat, Include, NotifyConfig, Output, WebhookConfig};
pub use deny_file::{DenyFile, DenyStats};
pub use lines::LineStats;
use lines::Lines;
use tokio::runtime::Handle;
use webhook::Webhook;
pub use webhook::WebhookStats;

use crate::decide::{Alert, Incident};
use crate::printable::to_json;

/// Why a way out cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// No thread.
    #[error("the thread for alert lines: {0}")]
    Thread(#[from] io::Error),
    /// No certificate authority that a server's certificate could be checked against.
    #[error("alerts.webhook: {0}")]
    Tls(String),
}

/// Totals since the start, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyStats {
    /// Of alert lines.
    pub lines: LineStats,
    /// Of the webhook.
    pub webhook: WebhookStats,
}

/// Takes alerts to wherever the configuration says.
#[derive(Debug)]
pub struct Notifier {
    lines: Option<Lines>,
    webhook: Option<Webhook>,
}

impl Notifier {
    /// Opens the ways out. `jitter` gives random numbers, which keep many hosts from trying again in step; the
    /// webhook's task runs on `runtime`.
    ///
    /// # Errors
    /// Where no thread can be started, or no certificate can be checked. A file that cannot be opened is none: it is
    /// tried again with each alert.
    pub fn start(
        config: &NotifyConfig,
        runtime: &Handle,
        jitter: impl FnMut() -> u16 + Send + 'static,
    ) -> Result<Self, NotifyError> {
        let lines = match &config.output {
            Output::Off => None,
            Output::Stdout => Some(Lines::start(None)?),
            Output::File(path) => Some(Lines::start(Some(path.clone()))?),
        };
        let webhook = config.webhook.as_ref();
        let webhook = webhook.map(|config| Webhook::start(config, runtime, jitter)).transpose()?;
        Ok(Self { lines, webhook })
    }

    /// Hands an alert to each way out; waits for none.
    pub fn alert(&self, alert: &Alert) {
        let Ok(text) = to_json(alert) else {
            // Neither its maps have keys other than texts nor its numbers lack a form; if it were otherwise, it
            // must not be silent.
            return tracing::error!(id = %alert.id, "an alert has no JSON form");
        };
        let text: Arc<str> = text.into();
        if let Some(lines) = &self.lines {
            lines.push(text.clone());
        }
        if let Some(webhook) = &self.webhook {
            webhook.push(alert.severity, text);
        }
    }

    /// Tells the webhook that an incident is over; waits for nobody. Lines are about alerts only.
    pub fn resolved(&self, incident: &Incident) {
        let Some(webhook) = &self.webhook else { return };
        match to_json(incident) {
            Ok(text) => webhook.push(incident.severity, text.into()),
            Err(error) => tracing::error!(id = %incident.id, %error, "an incident has no JSON form"),
        }
    }

    /// What got out and what did not.
    #[must_use]
    pub fn stats(&self) -> NotifyStats {
        NotifyStats {
            lines: self.lines.as_ref().map(Lines::stats).unwrap_or_default(),
            webhook: self.webhook.as_ref().map(Webhook::stats).unwrap_or_default(),
        }
    }

    /// Writes the lines that wait, and gives the webhook some time for what waits there; the rest is counted as
    /// dropped.
    pub async fn close(self, grace: Duration) -> NotifyStats {
        let mut stats = self.stats();
        if let Some(lines) = self.lines {
            // It waits for the disk.
            let closed = tokio::task::spawn_blocking(|| lines.close()).await;
            stats.lines = closed.unwrap_or(stats.lines);
        }
        if let Some(webhook) = self.webhook {
            stats.webhook = webhook.close(grace).await;
        }
        stats
    }
}

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

pub use config::{DenyConfig, DenyFormat, Include, NotifyConfig, Output, WebhookConfig, WebhookFormat};
pub use deny_file::{DenyFile, DenyStats};
pub use lines::LineStats;
use lines::Lines;
use tokio::runtime::Handle;
pub use webhook::WebhookStats;
use webhook::{News, Webhook};

use crate::clock::Timestamp;
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

/// A way out, for whoever tests it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// `output` or `webhook`.
    pub name: &'static str,
    /// Whether nothing waits for it.
    pub is_idle: bool,
    /// What got out.
    pub sent: u64,
    /// What did not.
    pub lost: u64,
    /// Why the last one did not.
    pub trouble: Option<String>,
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
    /// If no thread can be started, or no certificate can be checked. A file that cannot be opened is none: it is
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
        if let Some(lines) = &self.lines {
            lines.push(Arc::from(text));
        }
        if let Some(webhook) = &self.webhook {
            webhook.push(News::Alert(alert));
        }
    }

    /// Sends an alert by every way out, however mild it is.
    pub fn test(&self, alert: &Alert) {
        if let (Some(lines), Ok(text)) = (&self.lines, to_json(alert)) {
            lines.push(Arc::from(text));
        }
        if let Some(webhook) = &self.webhook {
            webhook.push_always(News::Alert(alert));
        }
    }

    /// Ways out that there are, and whether each has nothing left to send: with why the last of it did not get there.
    #[must_use]
    pub fn ways(&self) -> Vec<Way> {
        let stats = self.stats();
        let lines = self.lines.as_ref().map(|_| Way {
            name: "output",
            is_idle: stats.lines.depth == 0,
            sent: stats.lines.written,
            lost: stats.lines.failed.saturating_add(stats.lines.dropped),
            trouble: None,
        });
        let webhook = self.webhook.as_ref().map(|webhook| Way {
            name: "webhook",
            is_idle: stats.webhook.depth == 0,
            sent: stats.webhook.sent,
            lost: stats.webhook.failed.saturating_add(stats.webhook.dropped),
            trouble: webhook.trouble(),
        });
        lines.into_iter().chain(webhook).collect()
    }

    /// An incident goes on, or is over, at a time: receivers that forget incidents are told now and then. Waits for nobody.
    pub fn goes_on(&self, incident: &Incident, now: Timestamp) {
        if let Some(webhook) = &self.webhook {
            webhook.refresh(incident, now);
        }
    }

    /// Tells the webhook that an incident is over; waits for nobody. Lines are about alerts only.
    pub fn resolved(&self, incident: &Incident) {
        if let Some(webhook) = &self.webhook {
            webhook.push(News::Over(incident));
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

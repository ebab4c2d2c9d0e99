//! Delivery: alerts as lines and to a webhook, denied clients to a file that a proxy reads.
//!
//! Architecture invariants: raising an alert never waits for delivery, and no receiver waits for another. Undelivered
//! alerts are counted.

mod config;
mod deny_file;
mod lines;
#[cfg(test)]
mod tests;
mod webhook;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use config::{DenyConfig, DenyFormat, Include, NotifyConfig, Output, WebhookConfig, WebhookFormat};
pub use deny_file::{DenyFile, DenyStats};
pub use lines::LineStats;
use lines::Lines;
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
pub use webhook::WebhookStats;
use webhook::{News, Webhook};

use crate::clock::Timestamp;
use crate::decide::{Alert, Incident};
use crate::printable::to_json;

/// Why a receiver cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// No thread.
    #[error("the thread for alert lines: {0}")]
    Thread(#[from] io::Error),
    /// No certificate authorities to check a server's certificate against.
    #[error("alerts.webhook: {0}")]
    Tls(String),
}

/// What connects over TLS to hosts whose certificates the system's authorities, or those in a file, have signed.
///
/// # Errors
/// If there are no authorities.
pub fn tls_connector(ca_file: Option<&Path>) -> Result<TlsConnector, String> {
    webhook::connector(ca_file)
}

/// The certificate authorities in a PEM file.
///
/// # Errors
/// If it cannot be read, or contains none.
pub fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    webhook::read_authorities(path)
}

/// Totals since the start, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyStats {
    /// Of alert lines.
    pub lines: LineStats,
    /// Of the webhook.
    pub webhook: WebhookStats,
}

/// State of a receiver, for a test of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// `output` or `webhook`.
    pub name: &'static str,
    /// Whether nothing is queued for it.
    pub is_idle: bool,
    /// Deliveries.
    pub sent: u64,
    /// Failed deliveries.
    pub lost: u64,
    /// Why the last delivery failed.
    pub trouble: Option<String>,
}

/// Delivers alerts to the configured receivers.
#[derive(Debug)]
pub struct Notifier {
    lines: Option<Lines>,
    webhook: Option<Webhook>,
}

impl Notifier {
    /// Sets up the receivers. `jitter` gives random numbers, which keep many hosts from retrying in step; the webhook's
    /// task runs on `runtime`.
    ///
    /// # Errors
    /// If no thread can be started, or no certificate can be checked. A file that cannot be opened is no error: each
    /// alert retries.
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

    /// Passes an alert to each receiver; does not wait.
    pub fn alert(&self, alert: &Alert) {
        let Ok(text) = to_json(alert) else {
            // Its maps have only text keys, and its numbers can all be represented; if that were not so, it must not be
            // silent.
            return tracing::error!(id = %alert.id, "an alert has no JSON form");
        };
        if let Some(lines) = &self.lines {
            lines.push(Arc::from(text));
        }
        if let Some(webhook) = &self.webhook {
            webhook.push(News::Alert(alert));
        }
    }

    /// Sends an alert to every receiver, whatever its severity.
    pub fn test(&self, alert: &Alert) {
        if let (Some(lines), Ok(text)) = (&self.lines, to_json(alert)) {
            lines.push(Arc::from(text));
        }
        if let Some(webhook) = &self.webhook {
            webhook.push_always(News::Alert(alert));
        }
    }

    /// The receivers, and whether each has nothing left to send; with the reason of the last failure.
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

    /// An incident is open, or over, at a time: receivers that forget incidents are reminded periodically. Does not
    /// wait.
    pub fn goes_on(&self, incident: &Incident, now: Timestamp) {
        if let Some(webhook) = &self.webhook {
            webhook.refresh(incident, now);
        }
    }

    /// Reports to the webhook that an incident is over; does not wait. Lines contain only alerts.
    pub fn resolved(&self, incident: &Incident) {
        if let Some(webhook) = &self.webhook {
            webhook.push(News::Over(incident));
        }
    }

    /// Totals of deliveries and failures.
    #[must_use]
    pub fn stats(&self) -> NotifyStats {
        NotifyStats {
            lines: self.lines.as_ref().map(Lines::stats).unwrap_or_default(),
            webhook: self.webhook.as_ref().map(Webhook::stats).unwrap_or_default(),
        }
    }

    /// Writes the queued lines, and gives the webhook some time for its queue; the rest counts as dropped.
    pub async fn close(self, grace: Duration) -> NotifyStats {
        let mut stats = self.stats();
        if let Some(lines) = self.lines {
            // This waits for the disk.
            let closed = tokio::task::spawn_blocking(|| lines.close()).await;
            stats.lines = closed.unwrap_or(stats.lines);
        }
        if let Some(webhook) = self.webhook {
            stats.webhook = webhook.close(grace).await;
        }
        stats
    }
}

//! Delivery: alerts as lines, to a webhook and to a syslog server; denied clients to a file that a proxy reads.
//!
//! Architecture invariants: raising an alert never waits for delivery, and no receiver waits for another. Undelivered
//! alerts are counted.

mod backoff;
mod config;
mod deny_file;
mod formats;
mod http;
mod lines;
mod news;
mod outbox;
mod syslog;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
mod webhook;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use config::{
    DenyConfig, DenyFormat, Facility, Include, NotifyConfig, Output, SyslogConfig, SyslogFormat, Transport,
    WebhookConfig, WebhookFormat, check_port,
};
pub use deny_file::{DenyFile, DenyStats};
pub use http::{Cut, HttpAnswer, HttpClient, HttpError, Words, host_of, port_of};
pub use lines::LineStats;
use lines::Lines;
use news::News;
pub use outbox::DeliveryStats;
use outbox::Outbox;
use syslog::Syslog;
pub use tls::{Identity, connector as tls_connector, read_authorities};
use tokio::runtime::Handle;
use webhook::Webhook;

use crate::clock::Timestamp;
use crate::decide::{Alert, Incident};
use crate::printable::to_json;

/// Why a receiver cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// No thread.
    #[error("the thread for alert lines: {0}")]
    Thread(#[from] io::Error),
    /// No certificate authorities to check a server's certificate against, or no certificate of our own.
    #[error("alerts.{way}: {why}")]
    Tls {
        /// `webhook` or `syslog`.
        way: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// The body of a webhook's request for an alert.
///
/// # Errors
/// If the record has no JSON form, which does not happen.
pub fn body_of_alert(format: &WebhookFormat, host: &str, alert: &Alert) -> serde_json::Result<String> {
    webhook::body(format, host, News::Alert(alert))
}

/// The body of a webhook's request for an incident that is over.
///
/// # Errors
/// If the record has no JSON form, which does not happen.
pub fn body_of_end(format: &WebhookFormat, host: &str, incident: &Incident) -> serde_json::Result<String> {
    webhook::body(format, host, News::Over(incident))
}

/// Totals since the start, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyStats {
    /// Of alert lines.
    pub lines: LineStats,
    /// Of the webhook.
    pub webhook: DeliveryStats,
    /// Of the syslog server; none without one.
    pub syslog: Option<DeliveryStats>,
}

/// State of a receiver, for a test of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// `output`, `webhook` or `syslog`.
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
    syslog: Option<Syslog>,
}

impl Notifier {
    /// Sets up the receivers. `jitter` gives random numbers, which keep many hosts from retrying in step; the tasks of the
    /// webhook and of the syslog server run on `runtime`.
    ///
    /// # Errors
    /// If no thread can be started, or no certificate can be checked. A file that cannot be opened is no error: each
    /// alert retries.
    pub fn start(
        config: &NotifyConfig,
        runtime: &Handle,
        jitter: impl FnMut() -> u16 + Clone + Send + 'static,
    ) -> Result<Self, NotifyError> {
        let lines = match &config.output {
            Output::Off => None,
            Output::Stdout => Some(Lines::start(None)?),
            Output::File(path) => Some(Lines::start(Some(path.clone()))?),
        };
        let webhook = config.webhook.as_ref();
        let webhook = webhook.map(|config| Webhook::start(config, runtime, jitter.clone())).transpose()?;
        let syslog = config.syslog.as_ref();
        let syslog = syslog.map(|config| Syslog::start(config, runtime, jitter)).transpose()?;
        Ok(Self { lines, webhook, syslog })
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
        if let Some(syslog) = &self.syslog {
            syslog.push(News::Alert(alert));
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
        if let Some(syslog) = &self.syslog {
            syslog.push_always(News::Alert(alert));
        }
    }

    /// The receivers, and whether each has nothing left to send; with the reason of the last failure.
    #[must_use]
    pub fn ways(&self) -> Vec<Way> {
        let lines = self.lines.as_ref().map(Lines::stats).map(|stats| Way {
            name: "output",
            is_idle: stats.depth == 0,
            sent: stats.written,
            lost: stats.failed.saturating_add(stats.dropped),
            trouble: None,
        });
        let way = |name, outbox: &Outbox| {
            let stats = outbox.stats();
            Way {
                name,
                is_idle: stats.depth == 0,
                sent: stats.sent,
                lost: stats.failed.saturating_add(stats.dropped),
                trouble: outbox.trouble(),
            }
        };
        let webhook = self.webhook.as_ref().map(|webhook| way("webhook", webhook.outbox()));
        let syslog = self.syslog.as_ref().map(|syslog| way("syslog", syslog.outbox()));
        lines.into_iter().chain(webhook).chain(syslog).collect()
    }

    /// An incident is open, or over, at a time: receivers that forget incidents are reminded periodically. Does not
    /// wait.
    pub fn goes_on(&self, incident: &Incident, now: Timestamp) {
        if let Some(webhook) = &self.webhook {
            webhook.refresh(incident, now);
        }
    }

    /// Reports that an incident is over to the webhook and the syslog server; does not wait. Lines contain only alerts.
    pub fn resolved(&self, incident: &Incident) {
        if let Some(webhook) = &self.webhook {
            webhook.push(News::Over(incident));
        }
        if let Some(syslog) = &self.syslog {
            syslog.push(News::Over(incident));
        }
    }

    /// Totals of deliveries and failures.
    #[must_use]
    pub fn stats(&self) -> NotifyStats {
        NotifyStats {
            lines: self.lines.as_ref().map(Lines::stats).unwrap_or_default(),
            webhook: self.webhook.as_ref().map(|webhook| webhook.outbox().stats()).unwrap_or_default(),
            syslog: self.syslog.as_ref().map(|syslog| syslog.outbox().stats()),
        }
    }

    /// Writes the queued lines, and gives the webhook and the syslog server some time for their queues, at once; the rest
    /// counts as dropped.
    pub async fn close(self, grace: Duration) -> NotifyStats {
        let mut stats = self.stats();
        if let Some(lines) = self.lines {
            // This waits for the disk.
            let closed = tokio::task::spawn_blocking(|| lines.close()).await;
            stats.lines = closed.unwrap_or(stats.lines);
        }
        let (webhook, syslog) =
            (self.webhook.map(Webhook::into_outbox), self.syslog.map(Syslog::into_outbox));
        let close = |outbox: Option<Outbox>| async move { Some(outbox?.close(grace).await) };
        let (webhook, syslog) = tokio::join!(close(webhook), close(syslog));
        stats.webhook = webhook.unwrap_or(stats.webhook);
        stats.syslog = syslog.or(stats.syslog);
        stats
    }
}

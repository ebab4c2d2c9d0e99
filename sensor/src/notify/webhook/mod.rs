//! Alerts by HTTP: one POST each.

mod client;
mod format;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use client::Client;
pub(super) use format::body;
use tokio::runtime::Handle;

use super::NotifyError;
use super::config::{WebhookConfig, WebhookFormat};
use super::news::{News, host_name};
use super::outbox::{Outbox, Patience};
use crate::clock::Timestamp;
use crate::decide::{self, Incident, RecordId};
use crate::detect::Severity;

pub(super) struct Webhook {
    outbox: Outbox,
    min_severity: Severity,
    format: WebhookFormat,
    host: String,
    /// When an open incident was last repeated to a receiver that forgets.
    refreshed: Mutex<BTreeMap<RecordId, Timestamp>>,
}

/// Interval after which an incident is repeated to a receiver that forgets.
const REFRESH: Duration = Duration::from_secs(3_600);
/// Incidents whose last repetition is remembered; beyond that, all are repeated.
const REFRESHED: usize = 8_192;

impl fmt::Debug for Webhook {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Webhook").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}

impl Webhook {
    pub(super) fn start(
        config: &WebhookConfig,
        runtime: &Handle,
        jitter: impl FnMut() -> u16 + Send + 'static,
    ) -> Result<Self, NotifyError> {
        let client = Client::new(config.clone()).map_err(|why| NotifyError::Tls { way: "webhook", why })?;
        let patience = Patience { queue: config.queue, attempts: config.attempts, retry: config.retry };
        let outbox = Outbox::start("webhook", patience, client, runtime, jitter);
        let (min_severity, format) = (config.min_severity, config.format.clone());
        Ok(Self { outbox, min_severity, format, host: host_name(), refreshed: Mutex::default() })
    }

    pub(super) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(super) fn into_outbox(self) -> Outbox {
        self.outbox
    }

    /// Queues a report, in the receiver's format.
    pub(super) fn push(&self, news: News<'_>) {
        if news.severity() >= self.min_severity {
            self.push_always(news);
        }
    }

    /// Repeats an open incident periodically, for a receiver that forgets.
    pub(super) fn refresh(&self, incident: &Incident, now: Timestamp) {
        if self.format == WebhookFormat::Alertmanager && self.is_due(incident, now) {
            self.push(News::Open(incident, now));
        }
    }

    /// Whether an incident is due for repetition, which is recorded.
    fn is_due(&self, incident: &Incident, now: Timestamp) -> bool {
        let mut refreshed = self.refreshed.lock().unwrap_or_else(PoisonError::into_inner);
        if incident.state == decide::State::Over {
            refreshed.remove(&incident.id);
            return false;
        }
        let last = refreshed.get(&incident.id).copied().unwrap_or(incident.known);
        let is_due = now.since(last) >= REFRESH;
        if is_due {
            if refreshed.len() >= REFRESHED {
                refreshed.clear();
            }
            refreshed.insert(incident.id, now);
        }
        is_due
    }

    /// The same, whatever its severity.
    pub(super) fn push_always(&self, news: News<'_>) {
        match body(&self.format, &self.host, news) {
            Ok(text) => self.outbox.push(text.into()),
            Err(error) => self.outbox.refuse(&error),
        }
    }
}

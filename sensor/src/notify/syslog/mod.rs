//! Alerts to a syslog server, as messages of RFC 5424.

mod link;
mod message;

use link::Link;
pub(super) use message::{Writer, is_sd_name};
use tokio::runtime::Handle;

use super::NotifyError;
use super::config::SyslogConfig;
use super::news::{News, host_name};
use super::outbox::{Outbox, Patience};
use crate::detect::Severity;

#[derive(Debug)]
pub(super) struct Syslog {
    outbox: Outbox,
    min_severity: Severity,
    writer: Writer,
}

impl Syslog {
    pub(super) fn start(
        config: &SyslogConfig,
        runtime: &Handle,
        jitter: impl FnMut() -> u16 + Send + 'static,
    ) -> Result<Self, NotifyError> {
        let link = Link::new(config.clone()).map_err(|why| NotifyError::Tls { way: "syslog", why })?;
        let patience = Patience { queue: config.queue, attempts: config.attempts, retry: config.retry };
        let outbox = Outbox::start("syslog", patience, link, runtime, jitter);
        Ok(Self { outbox, min_severity: config.min_severity, writer: Writer::new(config, &host_name()) })
    }

    pub(super) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(super) fn into_outbox(self) -> Outbox {
        self.outbox
    }

    /// Queues a message.
    pub(super) fn push(&self, news: News<'_>) {
        if news.severity() >= self.min_severity {
            self.push_always(news);
        }
    }

    /// The same, whatever its severity.
    pub(super) fn push_always(&self, news: News<'_>) {
        match self.writer.message(news) {
            Ok(message) => self.outbox.push(message.into()),
            Err(error) => self.outbox.refuse(&error),
        }
    }
}

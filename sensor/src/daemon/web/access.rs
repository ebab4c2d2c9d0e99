//! What a reload replaces: certificate, key and users; and the endpoint's counters.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::TlsAcceptor;

use super::config::WebConfig;
use super::door::Door;
use super::login::Logins;
use super::tls::{self, TlsError};
use crate::metrics::WebStats;

/// Why the endpoint cannot be served.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemon) enum AccessError {
    #[error("TLS of the metrics endpoint: {0}")]
    Tls(#[from] TlsError),
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

/// Certificate and key as read.
pub(in crate::daemon) struct Prepared {
    tls: Option<TlsAcceptor>,
}

/// Reads certificate and key, without using them yet.
pub(in crate::daemon) fn prepare(config: &WebConfig) -> Result<Prepared, AccessError> {
    Ok(Prepared { tls: config.tls.as_ref().map(tls::acceptor).transpose()? })
}

/// Who may connect, and how.
pub(in crate::daemon) struct Access {
    tls: Mutex<Option<TlsAcceptor>>,
    pub(super) logins: Arc<Logins>,
    pub(super) door: Arc<Door>,
    pub(super) handshakes_failed: AtomicU64,
    pub(super) unauthorized: AtomicU64,
    pub(super) busy: AtomicU64,
}

impl Access {
    /// As configured.
    pub(in crate::daemon) fn new(config: &WebConfig) -> Result<Self, AccessError> {
        Ok(Self {
            tls: Mutex::new(prepare(config)?.tls),
            logins: Arc::new(Logins::new(config.users.clone())?),
            door: Arc::default(),
            handshakes_failed: AtomicU64::new(0),
            unauthorized: AtomicU64::new(0),
            busy: AtomicU64::new(0),
        })
    }

    /// Uses what was prepared, for all connections from now on.
    pub(in crate::daemon) fn replace(&self, prepared: Prepared, config: &WebConfig) {
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = prepared.tls;
        self.logins.replace(config.users.clone());
    }

    pub(super) fn tls(&self) -> Option<TlsAcceptor> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn stats(&self) -> WebStats {
        let door = self.door.stats();
        WebStats {
            connections: door.inside,
            refused_total: door.refused_total,
            refused_each: door.refused_each,
            evicted: door.evicted,
            handshakes_failed: self.handshakes_failed.load(Relaxed),
            unauthorized: self.unauthorized.load(Relaxed),
            busy: self.busy.load(Relaxed),
        }
    }
}

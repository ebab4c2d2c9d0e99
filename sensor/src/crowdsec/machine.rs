//! The task that pushes alerts, as a machine of CrowdSec's does.
//!
//! A batch is tried until CrowdSec takes it; while it is away, the queue fills, and what has no room is counted. What
//! CrowdSec refuses is given up after some attempts: 1.4.6 answers alerts that it cannot read as it does when its database
//! fails.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderValue;
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;
use tracing::{info, warn};

use super::api::{Api, ApiError};
use super::config::CrowdsecConfig;
use super::push_state::PushState;
use super::report::Report;
use super::secret::Login;
use crate::clock;
use crate::duration::doubled;

/// Alerts of one request.
const BATCH: usize = 50;
/// How often a batch is tried that CrowdSec refuses.
const ATTEMPTS: u32 = 5;
/// Pauses after failures: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A token is renewed so long before it ends, and lives at most so long, whatever the server says.
const EARLY: Duration = Duration::from_secs(300);
const LONGEST: Duration = Duration::from_secs(3_600);

/// Pushes alerts until nobody can have more.
pub async fn push(config: CrowdsecConfig, mut queue: Receiver<Report>, state: Arc<PushState>) {
    let mut machine = Machine { config: &config, state: &state, session: None };
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        machine.deliver(&batch).await;
        batch.clear();
    }
}

/// A login that holds.
struct Session {
    api: Api,
    token: HeaderValue,
    /// When it is renewed, on the monotonic clock.
    renew: Duration,
    mark: String,
}

struct Machine<'a> {
    config: &'a CrowdsecConfig,
    state: &'a PushState,
    session: Option<Session>,
}

impl Machine<'_> {
    async fn deliver(&mut self, batch: &[Report]) {
        let (mut failed, mut refused) = (0_u32, 0_u32);
        loop {
            let Err(error) = self.attempt(batch).await else { return };
            // The login may be what is wrong.
            self.session = None;
            if error.is_refusal() {
                refused = refused.saturating_add(1);
            }
            if self.state.failed(error.to_string()) {
                warn!(server = self.config.server(), %error, "alerts are not pushed to CrowdSec");
            }
            if refused >= ATTEMPTS {
                return self.state.lose(batch.len());
            }
            let (first, last) = PAUSES;
            sleep(doubled(first, failed, last)).await;
            failed = failed.saturating_add(1);
        }
    }

    async fn attempt(&mut self, batch: &[Report]) -> Result<(), ApiError> {
        let now = clock::monotonic();
        let session = match self.session.take().filter(|session| now < session.renew) {
            Some(session) => session,
            None => self.log_in().await?,
        };
        let mut bodies = Vec::new();
        let mut allowed: usize = 0;
        for report in batch {
            if self.is_allowed(&session, report).await? {
                allowed = allowed.saturating_add(1);
            } else {
                bodies.push(report.body(&session.mark, clock::now()));
            }
        }
        let sent = bodies.len();
        if sent > 0 {
            session.api.push(&session.token, bodies).await?;
        }
        self.state.pushed(sent, allowed);
        self.session = Some(session);
        Ok(())
    }

    async fn log_in(&self) -> Result<Session, ApiError> {
        let login = Login::read(&self.config.login_file.clone().unwrap_or_default())?;
        let api = Api::new(self.config)?;
        let (token, ends) = api.log_in(&login).await?;
        let now = clock::now();
        let lasts = ends.map_or(LONGEST, |ends| ends.since(now)).min(LONGEST);
        let renew = clock::monotonic().saturating_add(lasts.saturating_sub(EARLY).max(PAUSES.0));
        info!(server = self.config.server(), machine = login.machine, "logged in at CrowdSec");
        // A server of a later version may have come.
        self.state.forget_lists();
        Ok(Session { api, token, renew, mark: login.mark() })
    }

    /// Whether CrowdSec allows a client. Versions before 1.6.6 have no such lists.
    async fn is_allowed(&self, session: &Session, report: &Report) -> Result<bool, ApiError> {
        if self.state.has_lists() == Some(false) {
            return Ok(false);
        }
        let (_, value) = report.value();
        let found = session.api.is_allowed(&session.token, &value).await?;
        // 1.6.6, 1.6.7 and some proxies do not know a target with an escaped slash: of a range that says nothing.
        if found.is_some() || !value.contains('/') {
            self.state.tell_lists(found.is_some());
        }
        Ok(found.unwrap_or(false))
    }
}

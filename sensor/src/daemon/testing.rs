//! A test alert, and its outcome.

use std::borrow::Cow;
use std::time::Duration;

use super::commands::Commands;
use crate::clock;
use crate::control::wire::WayReport;
use crate::decide::{About, Action, Alert, Window};
use crate::detect::{Evidence, Severity, Threat};
use crate::notify::{Notifier, Way};

/// Time limit of a receiver for a test alert; several attempts are made meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);
/// Polling interval.
const PAUSE: Duration = Duration::from_millis(50);

impl Commands {
    /// Sends a test alert to every receiver. It is neither stored nor counted as an alert.
    pub(super) async fn test_alerts(&self) -> Result<Vec<WayReport>, String> {
        let now = clock::now();
        let before = {
            let mut engine = self.engine();
            let id = engine.responder.decider.next_id(now);
            let notifier =
                engine.responder.notifier.as_ref().ok_or("no receiver is available; see the log")?;
            let before = notifier.ways();
            if before.is_empty() {
                return Err("no receiver is configured; see `[alerts]` in the configuration".to_owned());
            }
            notifier.test(&alert(id, now));
            before
        };
        let began = clock::monotonic();
        loop {
            let now = self.engine().responder.notifier.as_ref().map(Notifier::ways).unwrap_or_default();
            let is_idle = now.iter().all(|way| way.is_idle);
            if is_idle || clock::monotonic().saturating_sub(began) >= PATIENCE {
                return Ok(now.into_iter().map(|way| report(way, &before)).collect());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn report(way: Way, before: &[Way]) -> WayReport {
    let earlier = before.iter().find(|earlier| earlier.name == way.name);
    let (sent, lost) = earlier.map_or((0, 0), |earlier| (earlier.sent, earlier.lost));
    let is_sent = way.is_idle && way.sent > sent && way.lost == lost;
    let late = (!way.is_idle).then(|| format!("not accepted within {} s; still trying", PATIENCE.as_secs()));
    let trouble = way.trouble.or(late).or_else(|| (!is_sent).then(|| "see the daemon's log".to_owned()));
    WayReport { way: way.name.to_owned(), sent: is_sent, trouble: trouble.filter(|_| !is_sent) }
}

fn alert(id: crate::decide::RecordId, now: clock::Timestamp) -> Alert {
    Alert {
        id,
        ts: now,
        detector: Threat::Scanner,
        severity: Severity::Info,
        confidence: 0.0,
        owasp: Cow::Borrowed(Threat::Scanner.owasp()),
        about: About::Subject("host".to_owned()),
        summary: "test alert from `sensor alerts test`; nothing happened".to_owned(),
        evidence: Evidence::default(),
        groups: Vec::new(),
        units: Vec::new(),
        window: Window { start: now, end: now },
        action: Action::None,
        until: None,
        reason_no_action: Some("this is a test".to_owned()),
    }
}

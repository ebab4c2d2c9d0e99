//! Handles each request.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tracing::{info, warn};

use super::engine::Engine;
use super::groups::new_group;
use super::records;
use super::responder::Details;
use crate::clock::{self, Timestamp};
use crate::control::wire::{Answer, ClientSort, Confirmed, Envelope, ModeReport, Question, Request, Role};
use crate::control::{Handle, Peer};
use crate::decide::{Cause, Change, Measure};
use crate::enforce::{Limits, Mode, Scope};
use crate::printable::to_json;
use crate::store::Pending;
use crate::suggest::Ask;

/// The engine as seen by requests.
pub(super) struct Commands {
    engine: Mutex<Engine>,
}

/// Interval between the two samples of `sensor clients` and `sensor routes`.
pub(super) const SAMPLE: Duration = Duration::from_secs(1);

impl Commands {
    pub(super) const fn new(engine: Engine) -> Self {
        Self { engine: Mutex::new(engine) }
    }

    /// The engine. A panic in another task does not stop the daemon: every change is whole or undone.
    pub(super) fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whatever the engine answers by itself.
    async fn change_or_tell(
        self: &Arc<Self>,
        request: Request,
        peer: &Peer,
    ) -> Result<serde_json::Value, String> {
        let is_of_group = new_group(&request).is_some();
        let members = self.read_group(&request).await?;
        let done = {
            // In one go: another change would drop networks that no rule names yet.
            let mut engine = self.engine();
            engine.take_in(members);
            engine.perform(request, peer, clock::now())
        }?;
        self.keep_group(is_of_group).await;
        Ok(done)
    }

    async fn clients(&self, top: usize, sort: ClientSort) -> Result<serde_json::Value, String> {
        let before = self.engine().sample_clients().map_err(|error| error.to_string())?;
        tokio::time::sleep(SAMPLE).await;
        let rows = self.engine().busiest_clients(&before, top, sort);
        to_value(&rows.map_err(|error| error.to_string())?)
    }
}

impl Commands {
    /// Reads the event store without the engine's lock: the disk may be slow.
    async fn look_up(&self, question: Question) -> Result<serde_json::Value, String> {
        let (reader, origins) = {
            let engine = self.engine();
            (engine.responder.reader()?, engine.groups.origins.get())
        };
        let explained = |prefix| self.engine().explain(prefix);
        let explanation =
            if let Question::Explain { prefix } = question { Some(explained(prefix)?) } else { None };
        let read = tokio::task::spawn_blocking(move || match question {
            Question::Alerts { since, after, id, limit } => {
                to_value(&records::alerts(&reader, since, after, id, limit)?)
            }
            Question::Incidents { .. } => to_value(&records::incidents(&reader, &question, &origins)?),
            Question::Audit { since, limit } => to_value(&records::audit(&reader, since, limit)?),
            Question::ExplainAlert { id } => to_value(&records::explain(&reader, id)?),
            Question::Explain { .. } => {
                let mut explanation = explanation.ok_or("no prefix to explain")?;
                if let Err(error) = records::complete(&reader, &mut explanation) {
                    warn!(%error, "explanation lacks stored records");
                }
                to_value(&explanation)
            }
        });
        read.await.map_err(|error| error.to_string())?
    }
}

impl Handle for Commands {
    fn handle(
        self: Arc<Self>,
        envelope: Envelope,
        peer: Peer,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        Box::pin(async move {
            if let Some(session) = envelope.ssh.filter(|_| peer.role == Role::Administrator) {
                self.engine().protect_operator(session, &cause_of(&peer), clock::now());
            }
            let done = if let Request::Clients { top, sort, by } = envelope.request {
                match by {
                    None => self.clients(top, sort).await,
                    Some(by) => self.clients_by(by, top, sort).await.and_then(|rows| to_value(&rows)),
                }
            } else if let Request::Routes { top, sort } = envelope.request {
                self.routes(top, sort).await.and_then(|report| to_value(&report))
            } else if let Request::Posture { route, since, draft } = envelope.request {
                self.posture(route, since, draft).await.and_then(|report| to_value(&report))
            } else if let Request::Records { question } = envelope.request {
                self.look_up(question).await
            } else if let Request::Account { name } = envelope.request {
                self.account(name).await.and_then(|report| to_value(&report))
            } else if matches!(envelope.request, Request::AlertsTest) {
                self.test_alerts().await.and_then(|ways| to_value(&ways))
            } else if let Request::BlockPreview { target } = envelope.request {
                self.preview(target).await.and_then(|preview| to_value(&preview))
            } else if let Request::BlockIncident { id, for_ms, reason, fleet } = envelope.request {
                let blocked = self.block_incident(id, (for_ms, reason, fleet), &peer).await;
                blocked.and_then(|blocked| to_value(&blocked))
            } else if let Request::LimitSuggest { since, include_limited, what_if } = envelope.request {
                to_value(&self.suggest(&Ask { since, include_limited, what_if }))
            } else {
                self.change_or_tell(envelope.request, &peer).await
            };
            done.map_or_else(Answer::Refused, Answer::Done)
        })
    }
}

fn to_value<T: Serialize>(value: &T) -> Result<serde_json::Value, String> {
    serde_json::to_value(value).map_err(|error| format!("cannot write the answer: {error}"))
}

/// A request's change, for the audit trail.
fn audited(request: &Request, now: Timestamp) -> Option<(Change, String, Details)> {
    let plain = |what, subject: String| Some((what, subject, Details::default()));
    match request {
        Request::Mode { set: Some(mode) } => plain(Change::ModeSet, mode.to_string()),
        Request::LimitSet { scope, limits, .. } => {
            let detail = to_json(limits).ok();
            Some((Change::LimitSet, scope.to_string(), Details { detail, ..Details::default() }))
        }
        Request::LimitUnset { scope } => plain(Change::LimitUnset, scope.to_string()),
        Request::BlockAdd { prefix, for_ms, reason, fleet: _ } => {
            let until = for_ms.map(|time| now.plus(Duration::from_millis(time)));
            let details = Details { until, detail: reason.clone(), ..Details::default() };
            Some((Change::BlockAdded, prefix.to_string(), details))
        }
        Request::BlockRemove { prefix, fleet: _ } => plain(Change::BlockRemoved, prefix.to_string()),
        Request::AllowAdd { prefix, reason } => {
            let details = Details { detail: reason.clone(), ..Details::default() };
            Some((Change::AllowAdded, prefix.to_string(), details))
        }
        Request::AllowRemove { prefix } => plain(Change::AllowRemoved, prefix.to_string()),
        Request::Status
        | Request::Mode { set: None }
        | Request::LimitList
        | Request::LimitSuggest { .. }
        | Request::Confirm
        | Request::BlockList
        | Request::AllowList
        | Request::Clients { .. }
        | Request::Routes { .. }
        | Request::Posture { .. }
        | Request::Exchanges { .. }
        | Request::Records { .. }
        | Request::Account { .. }
        | Request::AlertsTest
        | Request::BlockPreview { .. }
        // Each of its blocks is recorded individually.
        | Request::BlockIncident { .. }
        | Request::Fleet
        // What the authority says is recorded with the host's name.
        | Request::FleetTell { .. }
        // The reload records itself: a signal may trigger one, too.
        | Request::Reload => None,
    }
}

pub(super) fn cause_of(peer: &Peer) -> Cause {
    Cause::Command { uid: peer.uid, pid: peer.pid.unwrap_or(0), user: peer.user.clone() }
}

impl Engine {
    fn perform(
        &mut self,
        request: Request,
        peer: &Peer,
        now: Timestamp,
    ) -> Result<serde_json::Value, String> {
        let cause = cause_of(peer);
        let audited = audited(&request, now);
        if request.takes() == Role::Administrator {
            info!(?request, uid = peer.uid, user = peer.user, pid = peer.pid, "command");
        }
        let done = self.answer(request, &cause, now)?;
        if let Some((what, subject, details)) = audited {
            self.responder.audit(now, what, &subject, cause, details);
        }
        Ok(done)
    }

    fn answer(
        &mut self,
        request: Request,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<serde_json::Value, String> {
        match request {
            Request::Status => to_value(&self.status(now)?),
            Request::Mode { set } => to_value(&self.mode(set, now)?),
            Request::LimitList => to_value(&self.limit_rows()),
            Request::LimitSet { scope, limits, confirm_ms } => {
                self.set_limits(scope, limits, confirm_ms, now)?;
                to_value(&self.limit_rows())
            }
            Request::LimitUnset { scope } => {
                self.unset_limits(scope, now)?;
                to_value(&self.limit_rows())
            }
            Request::Confirm => to_value(&self.confirm(cause, now)),
            Request::BlockList => to_value(&self.block_rows()),
            Request::BlockAdd { prefix, for_ms, reason, fleet } => {
                self.add_block(prefix, (for_ms, reason, fleet), now)?;
                to_value(&self.block_added(prefix))
            }
            Request::BlockRemove { prefix, fleet } => to_value(&self.remove_block(prefix, fleet, now)?),
            Request::Fleet => to_value(&self.fleet_report()?),
            Request::FleetTell { statement } => to_value(&self.fleet_tell(&statement, cause, now)?),
            Request::AllowList => to_value(&self.allow_rows()),
            Request::AllowAdd { prefix, reason } => {
                self.add_allow(prefix, reason, now)?;
                to_value(&self.allow_row(prefix))
            }
            Request::AllowRemove { prefix } => to_value(&self.remove_allow(prefix, now)?),
            Request::Exchanges { last } => to_value(&self.recent_exchanges(last)?),
            Request::Reload => to_value(&self.reload(now, cause.clone())?),
            Request::Clients { .. }
            | Request::Routes { .. }
            | Request::Posture { .. }
            | Request::Records { .. }
            | Request::Account { .. }
            | Request::AlertsTest
            | Request::BlockPreview { .. }
            | Request::BlockIncident { .. }
            | Request::LimitSuggest { .. } => Err("answered without the engine".to_owned()),
        }
    }

    fn mode(&mut self, set: Option<Mode>, now: Timestamp) -> Result<ModeReport, String> {
        if let Some(mode) = set {
            self.change(now, |policy| policy.set_mode(mode))?;
            self.reconsider(now);
        }
        Ok(ModeReport { mode: self.policy.mode() })
    }

    fn set_limits(
        &mut self,
        scope: Scope,
        limits: Limits,
        confirm_ms: Option<u64>,
        now: Timestamp,
    ) -> Result<(), String> {
        if limits.is_empty() {
            return Err("no limit given; set at least one of packets, bits, connections, requests".to_owned());
        }
        let before = self.policy.commands().limits.get(&scope).copied();
        let first = self.pending.iter().find(|pending| pending.scope == scope).cloned();
        self.pending.retain(|pending| pending.scope != scope);
        if let Some(confirm_ms) = confirm_ms {
            // A second unconfirmed change rolls back to the state before the first.
            let previous = first.as_ref().map_or(before, |pending| pending.previous);
            let deadline = now.plus(Duration::from_millis(confirm_ms));
            self.pending.push(Pending { scope, previous, deadline });
        }
        let base = self.policy.scope(scope).map_or(Limits::default(), |rule| rule.limits);
        let set = self.change(now, |policy| {
            policy.change(|commands| commands.limits.insert(scope, limits.or(base)));
        });
        if set.is_err() {
            self.pending.retain(|pending| pending.scope != scope);
            self.pending.extend(first);
        }
        set
    }

    fn unset_limits(&mut self, scope: Scope, now: Timestamp) -> Result<(), String> {
        if !self.policy.commands().limits.contains_key(&scope) {
            if let Scope::Prefix(prefix) = scope
                && self.policy.decided_limits().contains_key(&prefix)
            {
                self.change(now, |policy| policy.lift_decided_limits(&prefix))?;
                self.note_lifted(&prefix, &[Measure::Limit], now);
                return Ok(());
            }
            return Err(match self.policy.scope(scope) {
                Some(_) => {
                    format!(
                        "the limits of {scope} are set in the configuration; change them there and reload"
                    )
                }
                None => {
                    format!("{scope} has no limits of its own; `sensor limit list` shows scopes that do")
                }
            });
        }
        self.pending.retain(|pending| pending.scope != scope);
        self.change(now, |policy| {
            policy.change(|commands| commands.limits.remove(&scope));
        })
    }

    fn confirm(&mut self, cause: &Cause, now: Timestamp) -> Confirmed {
        let confirmed: Vec<Scope> = self.pending.drain(..).map(|pending| pending.scope).collect();
        self.keep();
        for scope in &confirmed {
            self.responder.audit(now, Change::LimitConfirmed, scope, cause.clone(), Details::default());
        }
        let undone = self.undone.iter().map(|(scope, at)| (*scope, *at));
        let undone = if confirmed.is_empty() { undone.collect() } else { Vec::new() };
        Confirmed { confirmed, undone }
    }
}

//! From a signal, or a change in what may be done, to the action: first in the kernel, then in records.

use std::net::IpAddr;

use ipnet::IpNet;
use tracing::{error, info, warn};

use super::claims::Claims;
use super::engine::Engine;
use super::responder::{Details, Responder};
use crate::clock::{self, Timestamp};
use crate::crowdsec::Report;
use crate::decide::{Action, Cause, Change, Decision, Measure, NeverBlock, Outcome, Surroundings};
use crate::detect::Signal;
use crate::enforce::{Mode, Policy};
use crate::kernel::Dataplane;
use crate::prefix::ClientNet;

struct Around<'a> {
    policy: &'a Policy,
    never_block: &'a NeverBlock,
    dataplane: &'a Dataplane,
    claims: &'a Claims,
}

impl Surroundings for Around<'_> {
    fn enforces(&self) -> bool {
        self.policy.mode() == Mode::Enforce
    }

    fn protection(&self, prefix: &IpNet) -> Option<String> {
        if let Some(found) = self.never_block.conflict(prefix) {
            return Some(found.reason());
        }
        let allow = self.policy.allows_covering(*prefix).next();
        allow.map(|(allowed, _)| format!("{allowed} is allowed"))
    }

    fn reaches(&self, client: ClientNet) -> bool {
        // A client that no outer interface has seen cannot be dropped there.
        let is_known = || self.dataplane.clients().get(client.address()).is_ok_and(|found| found.is_some());
        let is_own = |proxy: IpAddr| self.never_block.is_of_this_host(&proxy.into());
        self.claims.proxy_of(client, clock::now()).is_some_and(is_own)
            && is_known()
            && self.claims.is_connected(client, clock::now())
    }

    fn clients(&self) -> u64 {
        self.dataplane.clients().count()
    }
}

impl Engine {
    /// Decides about a signal, carries the decision out, and reports it.
    pub(super) fn respond(&mut self, signal: &Signal) {
        let Self { policy, never_block, dataplane, responder, .. } = self;
        let claims = &responder.claims.clone();
        let around = Around { policy, never_block, dataplane, claims };
        let response = self.responder.detect.response(signal.threat);
        let tripped = self.responder.decider_stats().tripped;
        let outcome = self.responder.decider.decide(signal, response, &around);
        self.carry_on(outcome, signal.at, signal.decided, tripped);
    }

    /// Re-evaluates open incidents: the mode, a detector's response or the allow rules changed.
    pub(super) fn reconsider(&mut self, now: Timestamp) {
        let Self { policy, never_block, dataplane, responder, .. } = self;
        let claims = &responder.claims.clone();
        let around = Around { policy, never_block, dataplane, claims };
        let Responder { detect, decider, .. } = &mut self.responder;
        let tripped = decider.stats().tripped;
        for outcome in decider.reconsider(now, |threat| detect.response(threat), &around) {
            self.carry_on(outcome, now, None, tripped);
        }
    }

    /// Carries decisions out, stores them, and reports them.
    fn carry_on(&mut self, outcome: Outcome, now: Timestamp, decided: Option<Timestamp>, tripped: bool) {
        let Outcome { mut alert, mut incident, decisions } = outcome;
        let (mut carried, mut refused) = (false, None);
        for decision in decisions {
            match self.carry_out(&decision, decided) {
                Ok(()) => carried = true,
                Err(why) => {
                    if let Some(update) = &mut incident {
                        self.responder.decider.refused(&decision, update, &why);
                    }
                    refused = Some(why);
                }
            }
        }
        if let (Some(alert), Some(why)) = (&mut alert, refused) {
            alert.reason_no_action = Some(why);
            if !carried {
                (alert.action, alert.until) = (Action::None, None);
            }
        }
        if let Some(alert) = &mut alert {
            let involved = incident.iter().flat_map(|update| &update.incident.offenders);
            let mut involved = involved.map(|one| one.client.prefix()).peekable();
            let origins = self.groups.origins.get();
            alert.groups = match involved.peek() {
                Some(_) => origins.shares(involved),
                None => origins.shares(alert.about.prefix().into_iter()),
            };
            if let Some(decided) = decided {
                self.responder.counts.detection.note(clock::now().since(decided));
            }
            self.responder.tell(alert);
            self.push_to_crowdsec(|| Report::of_alert(alert));
            if let Some(clients) = alert.about.prefix() {
                self.observing.name(clients);
            }
        }
        self.responder.keep_incidents(incident);
        if self.responder.decider_stats().tripped && !tripped {
            warn!("a kill switch tripped: clients are limited instead of blocked; see [decide]");
            self.responder.audit(now, Change::KillSwitch, &"", Cause::Daemon, Details::default());
        }
        if let Some(file) = &mut self.responder.deny_file {
            file.sync(now);
        }
    }

    /// Carries a decision out in the kernel, and stores it.
    fn carry_out(&mut self, decision: &Decision, decided: Option<Timestamp>) -> Result<(), String> {
        let (now, prefix) = (decision.since, decision.prefix);
        if decision.measure == Measure::Limit
            && let Some(lifted) = self.policy.make_room_for_limits(&prefix)
        {
            self.note_lifted(&lifted, &[Measure::Limit], now);
        }
        let has_room = self.responder.put(&mut self.policy, decision, &self.config);
        let done = match decision.measure {
            Measure::Block => {
                self.enforcer.apply_block(&mut self.dataplane, &self.policy, &prefix, clock::now())
            }
            Measure::Limit => self.enforcer.apply_limits(&mut self.dataplane, &self.policy, clock::now()),
            Measure::Deny => Ok(()),
        };
        let done = if has_room {
            done.map_err(|error| error.to_string())
        } else {
            Err("detectors have set too many limits already".to_owned())
        };
        if let Err(refused) = done {
            match decision.measure {
                Measure::Block => self.policy.lift_decided_block(&prefix),
                Measure::Limit => self.policy.lift_decided_limits(&prefix),
                Measure::Deny => {}
            }
            self.responder.counts.refused = self.responder.counts.refused.saturating_add(1);
            error!(%prefix, error = %refused, "a decision could not be carried out");
            return Err(refused);
        }
        let counts = &mut self.responder.counts;
        if let (Measure::Block, Some(decided)) = (decision.measure, decided) {
            counts.enforcement.note(clock::now().since(decided));
        }
        let by_threat =
            if decision.measure == Measure::Limit { &mut counts.limits } else { &mut counts.blocks };
        let count = by_threat.entry(decision.threat).or_default();
        *count = count.saturating_add(1);
        info!(%prefix, measure = decision.measure.label(), until = ?decision.until.map(|at| at.to_string()),
            detector = decision.threat.slug(), alert = %decision.alert_id, "decided");
        let what = match decision.measure {
            Measure::Block => Change::BlockAdded,
            Measure::Limit => Change::LimitSet,
            Measure::Deny => Change::DenyAdded,
        };
        let details = Details { alert_id: Some(decision.alert_id), until: decision.until, detail: None };
        let cause = Cause::Detector { detector: decision.threat };
        self.responder.audit(now, what, &prefix, cause, details);
        self.responder.keep(decision.clone());
        if decision.measure == Measure::Block {
            self.push_to_crowdsec(|| Some(Report::of_block(decision)));
        }
        if decision.measure != Measure::Limit {
            let reason = format!("{}, alert {}", decision.threat.slug(), decision.alert_id);
            self.fleet_hold((prefix, decision.measure), decision.until, reason, now);
        }
        self.end_connections(decision);
        Ok(())
    }
}

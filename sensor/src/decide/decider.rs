//! From signals to decisions: alert, limit or block, by severity and confidence, except against what is protected.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;

use super::alert::{About, Action};
use super::config::DecideConfig;
use super::decision::{Decision, Measure};
use super::history::History;
use super::id::{Ids, RecordId};
use super::incident::{Incident, Incidents, News, Participant, Step, Update};
use super::kill_switch::KillSwitch;
use super::outcome::{DeciderStats, Outcome, Surroundings};
use super::verdict::{Grounds, Sum, Verdict};
use crate::clock::Timestamp;
use crate::detect::{Offender, Response, Severity, Signal, Threat};
use crate::prefix::ClientNet;

/// Makes decisions. Pure: the time and the current state are arguments, and nothing is carried out here.
#[derive(Debug)]
pub struct Decider {
    config: DecideConfig,
    ids: Ids,
    incidents: Incidents,
    history: History,
    kill_switch: KillSwitch,
    stats: DeciderStats,
}

impl Decider {
    /// A decider that takes its alerts' identifiers from `ids`.
    #[must_use]
    pub fn new(config: DecideConfig, ids: Ids) -> Self {
        Self {
            config,
            ids,
            incidents: Incidents::default(),
            history: History::default(),
            kill_switch: KillSwitch::default(),
            stats: DeciderStats::default(),
        }
    }

    /// Uses another configuration from now on.
    pub fn reconfigure(&mut self, config: DecideConfig) {
        self.config = config;
    }

    /// Restores the decisions of an earlier run.
    pub fn restore(&mut self, decisions: impl IntoIterator<Item = Decision>) {
        decisions.into_iter().filter(|decision| !decision.lifted).for_each(|decision| {
            self.history.note(&decision, true);
        });
    }

    /// Restores an incident that was open when an earlier run ended, with its participants.
    pub fn restore_incident(&mut self, incident: Incident) {
        self.incidents.restore(incident);
    }

    /// A person lifted the decision about a prefix. Open incidents take no further action against it; returns those
    /// that changed.
    pub fn lift(&mut self, prefix: &IpNet, now: Timestamp) -> Vec<Update> {
        self.history.lift(prefix);
        self.incidents.pardon(prefix, now)
    }

    /// A decision about a prefix is no longer in force, because decisions of its kind are no longer carried out. That
    /// is no pardon.
    pub fn forget(&mut self, prefix: &IpNet) {
        self.history.lift(prefix);
    }

    /// A decision could not be carried out, and is not in force.
    pub fn refused(&mut self, decision: &Decision, update: &mut Update, why: &str) {
        self.history.lift(&decision.prefix);
        let of_prefix = |one: &Participant| one.client.prefix() == decision.prefix;
        let incident = &mut update.incident;
        self.incidents.change(decision.threat, &incident.about, of_prefix, |one| {
            (one.action, one.until, one.reason) = (Action::None, None, Some(why.to_owned()));
        });
        let named: Vec<ClientNet> = incident.offenders.iter().map(|one| one.client).collect();
        let named = |one: &Participant| named.contains(&one.client);
        let about = incident.about.clone();
        if let Some(again) = self.incidents.update(decision.threat, &about, named, decision.since) {
            update.incident = again.incident;
        }
    }

    /// Every open incident, with its participants.
    #[must_use]
    pub fn open_records(&self) -> Vec<Incident> {
        self.incidents.records()
    }

    /// Incidents that a client takes part in, or that are about it.
    #[must_use]
    pub fn incidents_of(&self, prefix: &IpNet) -> Vec<Incident> {
        self.incidents.of(prefix)
    }

    /// Every prefix that takes part in an open incident, with the worst one's severity and identifier.
    #[must_use]
    pub fn marks(&self) -> BTreeMap<IpNet, (Severity, RecordId)> {
        self.incidents.marks()
    }

    /// Open incidents, by threat and severity.
    #[must_use]
    pub fn open_incidents(&self) -> BTreeMap<(Threat, Severity), u64> {
        self.incidents.count()
    }

    /// An identifier for a record other than an alert.
    pub fn next_id(&mut self, at: Timestamp) -> RecordId {
        self.ids.next(at)
    }

    /// Totals.
    #[must_use]
    pub fn stats(&self) -> DeciderStats {
        let evicted = self.incidents.evicted().saturating_add(self.history.evicted());
        DeciderStats { evicted, ..self.stats }
    }

    /// Decides about a signal.
    pub fn decide(&mut self, signal: &Signal, response: Response, around: &impl Surroundings) -> Outcome {
        let ids = &mut self.ids;
        let (news, alert) = self.incidents.note(signal, self.config.incident_quiet, || ids.next(signal.at));
        self.incidents.note_participants(signal);
        let grounds = Grounds {
            threat: signal.threat,
            about: &alert.about,
            severity: signal.severity,
            confidence: signal.confidence,
            response,
            id: alert.id,
            at: signal.at,
        };
        let sum = self.about_offenders(&grounds, &signal.offenders, around);
        let Sum { decisions, action, until, reason } = sum;
        if news == News::Worse {
            self.incidents.told_worse(signal.threat, grounds.about, signal.at);
        }
        let named = |one: &Participant| {
            signal.offenders.iter().any(|who| who.client == one.client)
                || signal.growth.by.iter().any(|(who, _)| who.client == one.client)
        };
        let mut update = self.incidents.update(signal.threat, grounds.about, named, signal.at);
        if let Some(update) = &mut update
            && news == News::Worse
        {
            update.step = Some(Step::Worse);
        }
        let alert = (news != News::Known).then(|| {
            let alert = alert.clone().with_action(action, until);
            match &reason {
                Some(reason) => alert.with_reason(reason),
                None => alert,
            }
        });
        Outcome { alert, incident: update, decisions }
    }

    /// Re-evaluates everybody that open incidents accuse: what may be done about them has changed.
    pub fn reconsider(
        &mut self,
        now: Timestamp,
        response: impl Fn(Threat) -> Response,
        around: &impl Surroundings,
    ) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for (incident, accused) in self.incidents.accused() {
            if accused.is_empty() {
                continue;
            }
            let grounds = Grounds {
                threat: incident.detector,
                about: &incident.about,
                severity: incident.severity,
                confidence: incident.confidence,
                response: response(incident.detector),
                id: incident.id,
                at: now,
            };
            let Sum { decisions, .. } = self.about_offenders(&grounds, &accused, around);
            let all = |one: &Participant| one.accused;
            let incident = self.incidents.update(grounds.threat, grounds.about, all, now);
            outcomes.push(Outcome { alert: None, incident, decisions });
        }
        outcomes
    }

    fn about_offenders(
        &mut self,
        grounds: &Grounds<'_>,
        offenders: &[Offender],
        around: &impl Surroundings,
    ) -> Sum {
        let mut sum = Sum::default();
        let Some(measure) = self.measure(grounds) else {
            sum.reason = Some(self.too_mild(grounds));
            self.incidents.set_reason(grounds.threat, grounds.about, sum.reason.as_deref());
            return sum;
        };
        if offenders.is_empty() && !self.incidents.accuses(grounds.threat, grounds.about) {
            sum.reason = Some(nobody(grounds, around));
            self.incidents.set_reason(grounds.threat, grounds.about, sum.reason.as_deref());
        }
        for offender in offenders {
            let verdict = self.verdict(grounds, *offender, measure, around);
            let (action, until, reason) = sum.add(verdict, grounds, around);
            if let Some(one) = self.incidents.participant(grounds.threat, grounds.about, offender.client) {
                (one.action, one.until, one.reason) = (action, until, reason);
            }
        }
        sum
    }

    /// Why a signal leads to no action, in numbers.
    fn too_mild(&self, grounds: &Grounds<'_>) -> String {
        let DecideConfig { limit_from, limit_confidence, block_from, block_confidence, .. } = self.config;
        let (measure, least, confidence) = if limit_from <= block_from {
            ("limiting", limit_from, limit_confidence)
        } else {
            ("blocking", block_from, block_confidence)
        };
        format!(
            "no action: {} severity ({:.2}); {measure} needs {} ({confidence:.2})",
            grounds.severity.label(),
            grounds.confidence,
            least.label()
        )
    }

    /// The action that severity and confidence call for.
    fn measure(&self, grounds: &Grounds<'_>) -> Option<Measure> {
        let DecideConfig { block_from, block_confidence, limit_from, limit_confidence, .. } = self.config;
        if grounds.severity >= block_from && grounds.confidence >= block_confidence {
            Some(Measure::Block)
        } else if grounds.severity >= limit_from && grounds.confidence >= limit_confidence {
            Some(Measure::Limit)
        } else {
            None
        }
    }

    fn verdict(
        &mut self,
        grounds: &Grounds<'_>,
        offender: Offender,
        measure: Measure,
        around: &impl Surroundings,
    ) -> Verdict {
        let now = grounds.at;
        let prefix = offender.client.prefix();
        if let Some(why) = around.protection(&prefix) {
            self.stats.protected = self.stats.protected.saturating_add(1);
            return Verdict::Refuse(format!("{prefix} is exempt: {why}"));
        }
        let known = self.incidents.participant(grounds.threat, grounds.about, offender.client);
        if known.is_some_and(|participant| participant.pardoned) {
            return Verdict::Refuse("lifted by an operator".to_owned());
        }
        // A proxy's address is shared by all its clients: only the proxy can tell them apart, unless it is on this
        // host.
        let is_out_of_reach = offender.proxied && !around.reaches(offender.client);
        let measure = if is_out_of_reach { Measure::Deny } else { measure };
        let carries = around.enforces() && grounds.response == Response::Enforce;
        if let Some((measure, until)) = self.history.holds(&prefix, measure, carries, now) {
            return Verdict::Known(measure, until);
        }
        let decision = self.decision(grounds, prefix, measure);
        if !carries {
            // Nothing was done, so the next one is not a repetition.
            self.history.note(&Decision { repetition: 0, ..decision }, false);
            let would = if measure == Measure::Limit { Action::WouldLimit } else { Action::WouldBlock };
            let until = decision.until.unwrap_or(now);
            return Verdict::Record(would, until);
        }
        if measure == Measure::Block
            && let Some(why) = self.suppressed(now, around)
        {
            return self.limit_instead(grounds, prefix, why);
        }
        self.history.note(&decision, true);
        Verdict::Carry(decision)
    }

    fn decision(&self, grounds: &Grounds<'_>, prefix: IpNet, measure: Measure) -> Decision {
        let now = grounds.at;
        let repetition = self.history.repetitions(&prefix, measure, self.config.forget_after, now);
        Decision {
            prefix,
            measure,
            since: now,
            until: Some(now.plus(self.lasts(repetition))),
            threat: grounds.threat,
            alert_id: grounds.id,
            repetition,
            lifted: false,
        }
    }

    /// A tripped kill switch holds back blocks, not limits: actual attackers are slowed down, as are clients accused by
    /// mistake.
    fn limit_instead(&mut self, grounds: &Grounds<'_>, prefix: IpNet, why: String) -> Verdict {
        if let Some((measure, until)) = self.history.holds(&prefix, Measure::Limit, true, grounds.at) {
            return Verdict::Known(measure, until);
        }
        let limit = self.decision(grounds, prefix, Measure::Limit);
        self.history.note(&limit, true);
        Verdict::CarryLess(limit, why)
    }

    fn suppressed(&mut self, now: Timestamp, around: &impl Surroundings) -> Option<String> {
        let blocked = self.history.blocks(now);
        let tripped = self.kill_switch.check(&self.config, now, blocked, around.clients());
        self.stats.tripped = tripped.is_some();
        let Some(tripped) = tripped else {
            self.kill_switch.note(now);
            return None;
        };
        if let Some(count) = self.stats.suppressed.get_mut(tripped as usize) {
            *count = count.saturating_add(1);
        }
        Some(format!("kill switch tripped (decide.{}): limited instead of blocked", tripped.label()))
    }

    /// Re-evaluates a tripped kill switch, and ends incidents without recent signals.
    ///
    /// `clients` counts those known, which is only done if it matters: it reads the whole table.
    pub fn advance(&mut self, now: Timestamp, clients: impl FnOnce() -> u64) -> Vec<Update> {
        if self.stats.tripped {
            let blocked = self.history.blocks(now);
            self.stats.tripped = self.kill_switch.check(&self.config, now, blocked, clients()).is_some();
        }
        self.incidents.advance(now, self.config.incident_quiet)
    }

    /// Doubles with each repetition, up to the maximum.
    fn lasts(&self, repetition: u32) -> Duration {
        let factor = 1_u32.checked_shl(repetition).unwrap_or(u32::MAX);
        self.config.block_for.saturating_mul(factor).min(self.config.block_for_max)
    }
}

/// Why no action is taken on an incident that accuses nobody.
fn nobody(grounds: &Grounds<'_>, around: &impl Surroundings) -> String {
    let is_address = match grounds.about {
        About::Client(_) => true,
        About::Subject(_) => grounds.about.prefix().is_some(),
    };
    match (grounds.threat, is_address) {
        (Threat::Flood, _) if around.enforces() => "already dropped by limits or blocks".to_owned(),
        (Threat::Flood, _) => format!("limits or blocks would drop it; {}", around.why_not()),
        (_, true) => "no action: not enough evidence yet".to_owned(),
        (_, false) => "no single address to block".to_owned(),
    }
}

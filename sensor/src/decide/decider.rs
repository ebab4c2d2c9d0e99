//! Signals to decisions: alert, limit, block, by severity and confidence, within what must not be done.

use std::time::Duration;

use ipnet::IpNet;

use super::alert::{Action, Alert};
use super::config::DecideConfig;
use super::decision::{Decision, Measure};
use super::history::History;
use super::id::{Ids, RecordId};
use super::incident::{Incidents, News};
use super::kill_switch::{KillSwitch, Tripped};
use crate::clock::Timestamp;
use crate::detect::{Offender, Response, Signal};
use crate::prefix::ClientNet;

/// What decisions depend on besides the signal, as it is now.
pub trait Surroundings {
    /// Whether decisions are carried out, or only recorded.
    fn enforces(&self) -> bool;
    /// Why they are only recorded.
    fn why_not(&self) -> &'static str {
        "the mode is monitor"
    }
    /// Why nothing may be done about a prefix, if so.
    fn protection(&self, prefix: &IpNet) -> Option<String>;
    /// Clients that the kernel tracks: those that sent at least twice.
    fn clients(&self) -> u64;
}

/// What comes of a signal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What people are told; nothing, where the signal belongs to an incident that they know of.
    pub alert: Option<Alert>,
    /// What is to be carried out, in this order.
    pub decisions: Vec<Decision>,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeciderStats {
    /// Blocks that the kill switches made limits of, in the order of [`Tripped::ALL`].
    pub suppressed: [u64; Tripped::ALL.len()],
    /// Whether a kill switch stands tripped.
    pub tripped: bool,
    /// Offenders that are protected.
    pub protected: u64,
    /// Incidents and decisions that were forgotten for want of room.
    pub evicted: u64,
}

/// Decides. Pure: it is told the time and what holds, and carries nothing out.
#[derive(Debug)]
pub struct Decider {
    config: DecideConfig,
    ids: Ids,
    incidents: Incidents,
    history: History,
    kill_switch: KillSwitch,
    stats: DeciderStats,
}

/// What is done about an offender, or why not.
enum Step {
    Carry(Decision),
    /// Less than was asked for, for this reason.
    CarryLess(Decision, String),
    Record(Action, Timestamp),
    Refuse(String),
    Known,
}

impl Decider {
    /// A decider that gives its alerts identifiers from `ids`.
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

    /// Takes another configuration for what comes.
    pub fn reconfigure(&mut self, config: DecideConfig) {
        self.config = config;
    }

    /// Takes over what an earlier run had decided.
    pub fn restore(&mut self, decisions: impl IntoIterator<Item = Decision>) {
        decisions.into_iter().filter(|decision| !decision.lifted).for_each(|decision| {
            self.history.note(&decision, true);
        });
    }

    /// A person lifted what was decided about a prefix.
    pub fn lift(&mut self, prefix: &IpNet) {
        self.history.lift(prefix);
    }

    /// An identifier for a record that is no alert.
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
        let news = self.incidents.note(signal, self.config.incident_quiet, || ids.next(signal.at));
        let (News::Yes(id) | News::No(id)) = news;
        let (decisions, action, until, reason) = self.about_offenders(signal, response, id, around);
        let alert = matches!(news, News::Yes(_)).then(|| {
            let alert = Alert::from_signal(signal, id).with_action(action, until);
            match reason {
                Some(reason) => alert.with_reason(&reason),
                None => alert,
            }
        });
        Outcome { alert, decisions }
    }

    fn about_offenders(
        &mut self,
        signal: &Signal,
        response: Response,
        id: RecordId,
        around: &impl Surroundings,
    ) -> (Vec<Decision>, Action, Option<Timestamp>, Option<String>) {
        let (mut decisions, mut action, mut until, mut reason) = (Vec::new(), Action::None, None, None);
        let Some(measure) = self.measure(signal) else {
            let why = "the severity or the confidence is below what limits and blocks take";
            return (decisions, action, until, Some(why.to_owned()));
        };
        if signal.offenders.is_empty() {
            reason = Some("there is no single client whose packets could be dropped".to_owned());
        }
        for offender in &signal.offenders {
            match self.step(signal, *offender, measure, response, id, around) {
                Step::Carry(decision) => {
                    (action, until) = match decision.measure {
                        Measure::Block => (Action::Block, decision.until),
                        Measure::Limit => (Action::Limit, decision.until),
                        // Nothing is done here; whoever reads the deny file does it.
                        Measure::Deny => {
                            reason = Some(behind_proxy(offender.client));
                            (action, until)
                        }
                    };
                    decisions.push(decision);
                }
                Step::CarryLess(decision, why) => {
                    if action != Action::Block {
                        (action, until) = (Action::Limit, decision.until);
                    }
                    reason = Some(why);
                    decisions.push(decision);
                }
                Step::Record(would, end) => {
                    if !matches!(action, Action::Block | Action::Limit) {
                        (action, until) = (would, Some(end));
                    }
                    if around.enforces() {
                        reason = Some(format!("the detector {} only watches", signal.threat.slug()));
                    } else {
                        reason = Some(around.why_not().to_owned());
                    }
                }
                Step::Refuse(why) => reason = Some(why),
                Step::Known => {}
            }
        }
        (decisions, action, until, reason)
    }

    /// What a signal's severity and confidence ask for.
    fn measure(&self, signal: &Signal) -> Option<Measure> {
        let DecideConfig { block_from, block_confidence, limit_from, limit_confidence, .. } = self.config;
        if signal.severity >= block_from && signal.confidence >= block_confidence {
            Some(Measure::Block)
        } else if signal.severity >= limit_from && signal.confidence >= limit_confidence {
            Some(Measure::Limit)
        } else {
            None
        }
    }

    fn step(
        &mut self,
        signal: &Signal,
        offender: Offender,
        measure: Measure,
        response: Response,
        alert_id: RecordId,
        around: &impl Surroundings,
    ) -> Step {
        let now = signal.at;
        let prefix = offender.client.prefix();
        if let Some(why) = around.protection(&prefix) {
            self.stats.protected = self.stats.protected.saturating_add(1);
            return Step::Refuse(format!("{prefix} is not touched: {why}"));
        }
        // A proxy's address is everybody's: only the proxy can tell its clients apart.
        let measure = if offender.proxied { Measure::Deny } else { measure };
        let carries = around.enforces() && response == Response::Enforce;
        if self.history.holds(&prefix, measure, carries, now) {
            return Step::Known;
        }
        let repetition = self.history.repetitions(&prefix, self.config.forget_after, now);
        let until = now.plus(self.lasts(repetition));
        let decision = Decision {
            prefix,
            measure,
            since: now,
            until: Some(until),
            threat: signal.threat,
            alert_id,
            repetition,
            lifted: false,
        };
        if !carries {
            // Nothing was done, so the next one is not a repetition.
            self.history.note(&Decision { repetition: 0, ..decision }, false);
            let would = if measure == Measure::Limit { Action::WouldLimit } else { Action::WouldBlock };
            return Step::Record(would, until);
        }
        if measure == Measure::Block
            && let Some(why) = self.suppressed(now, around)
        {
            return self.limit_instead(decision, why);
        }
        self.history.note(&decision, true);
        Step::Carry(decision)
    }

    /// A tripped kill switch holds blocks back, not limits: who is taken for an attacker wrongly is slowed down, and who
    /// is one as well.
    fn limit_instead(&mut self, block: Decision, why: String) -> Step {
        let limit = Decision { measure: Measure::Limit, ..block };
        if self.history.holds(&limit.prefix, Measure::Limit, true, limit.since) {
            return Step::Known;
        }
        self.history.note(&limit, true);
        Step::CarryLess(limit, why)
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
        Some(format!("a kill switch tripped (decide.{}): limited instead of blocked", tripped.label()))
    }

    /// Looks whether a kill switch that tripped still has cause to.
    pub fn advance(&mut self, now: Timestamp, clients: u64) {
        if self.stats.tripped {
            let blocked = self.history.blocks(now);
            self.stats.tripped = self.kill_switch.check(&self.config, now, blocked, clients).is_some();
        }
    }

    /// Twice as long with each repetition, up to the longest.
    fn lasts(&self, repetition: u32) -> Duration {
        let factor = 1_u32.checked_shl(repetition).unwrap_or(u32::MAX);
        self.config.block_for.saturating_mul(factor).min(self.config.block_for_max)
    }
}

fn behind_proxy(client: ClientNet) -> String {
    format!(
        "{client} is behind a trusted proxy, whose address its packets bear; it is in the deny file and the \
         webhook, for the proxy to refuse it"
    )
}

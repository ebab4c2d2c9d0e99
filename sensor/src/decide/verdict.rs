//! The action against one offender, and the sum over all of them.

use super::alert::{About, Action};
use super::decision::{Decision, Measure};
use super::id::RecordId;
use super::outcome::Surroundings;
use crate::clock::Timestamp;
use crate::detect::{Response, Severity, Threat};

/// The action against an offender, or why there is none.
pub(super) enum Verdict {
    Carry(Decision),
    /// Less than requested, for this reason.
    CarryLess(Decision, String),
    Record(Action, Timestamp),
    Refuse(String),
    /// An equal measure is already in force, until then.
    Known(Measure, Timestamp),
}

/// The sum of the actions against offenders.
#[derive(Default)]
pub(super) struct Sum {
    pub(super) decisions: Vec<Decision>,
    pub(super) action: Action,
    pub(super) until: Option<Timestamp>,
    pub(super) reason: Option<String>,
}

/// The basis of a decision: a signal, or the record of an incident that is re-evaluated.
#[derive(Clone, Copy)]
pub(super) struct Grounds<'a> {
    pub(super) threat: Threat,
    pub(super) about: &'a About,
    pub(super) severity: Severity,
    pub(super) confidence: f64,
    pub(super) response: Response,
    pub(super) id: RecordId,
    pub(super) at: Timestamp,
}

impl Sum {
    /// Adds the action against an offender; returns it in the form of the incident's record.
    pub(super) fn add(
        &mut self,
        verdict: Verdict,
        grounds: &Grounds<'_>,
        around: &impl Surroundings,
    ) -> (Action, Option<Timestamp>, Option<String>) {
        let (action, until, reason, decision) = match verdict {
            Verdict::Carry(decision) => {
                // Nothing is done here about a proxy's client; the reader of the deny file does it.
                let reason = (decision.measure == Measure::Deny).then(|| BEHIND_PROXY.to_owned());
                (carried(decision.measure), decision.until, reason, Some(decision))
            }
            Verdict::CarryLess(decision, why) => (Action::Limit, decision.until, Some(why), Some(decision)),
            Verdict::Record(would, until) => {
                let reason = if around.enforces() {
                    format!("[detect.{}] response is monitor", grounds.threat.slug())
                } else {
                    around.why_not().to_owned()
                };
                (would, Some(until), Some(reason), None)
            }
            Verdict::Refuse(why) => (Action::None, None, Some(why), None),
            Verdict::Known(measure, until) => {
                let action = match (around.enforces() && grounds.response == Response::Enforce, measure) {
                    (true, measure) => carried(measure),
                    (false, Measure::Limit) => Action::WouldLimit,
                    (false, Measure::Block | Measure::Deny) => Action::WouldBlock,
                };
                // It was reported with the decision.
                return (action, Some(until), None);
            }
        };
        if action.strength() >= self.action.strength() && action != Action::None {
            (self.action, self.until) = (action, until);
        }
        self.reason = reason.clone().or_else(|| self.reason.take());
        self.decisions.extend(decision);
        (action, until, reason)
    }
}

/// The action in records for a measure that is carried out.
const fn carried(measure: Measure) -> Action {
    match measure {
        Measure::Block => Action::Block,
        Measure::Limit => Action::Limit,
        Measure::Deny => Action::None,
    }
}

const BEHIND_PROXY: &str = "behind a trusted proxy; added to the deny file";

//! What is done about one offender, and what that adds up to.

use super::alert::{About, Action};
use super::decision::{Decision, Measure};
use super::id::RecordId;
use super::outcome::Surroundings;
use crate::clock::Timestamp;
use crate::detect::{Response, Severity, Threat};

/// What is done about an offender, or why not.
pub(super) enum Verdict {
    Carry(Decision),
    /// Less than was asked for, for this reason.
    CarryLess(Decision, String),
    Record(Action, Timestamp),
    Refuse(String),
    /// As much holds already, until then.
    Known(Measure, Timestamp),
}

/// What decisions about one offender after the other add up to.
#[derive(Default)]
pub(super) struct Sum {
    pub(super) decisions: Vec<Decision>,
    pub(super) action: Action,
    pub(super) until: Option<Timestamp>,
    pub(super) reason: Option<String>,
}

/// What a decision rests on: a signal, or what is known of an incident that is decided anew.
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
    /// Adds what is done about an offender; returns it, as it stands in the incident's record.
    pub(super) fn add(
        &mut self,
        verdict: Verdict,
        grounds: &Grounds<'_>,
        around: &impl Surroundings,
    ) -> (Action, Option<Timestamp>, Option<String>) {
        let (action, until, reason, decision) = match verdict {
            Verdict::Carry(decision) => {
                // Nothing is done here about a proxy's client; whoever reads the deny file does it.
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
                // It was told with the decision.
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

/// What a measure that is carried out is in records.
const fn carried(measure: Measure) -> Action {
    match measure {
        Measure::Block => Action::Block,
        Measure::Limit => Action::Limit,
        Measure::Deny => Action::None,
    }
}

const BEHIND_PROXY: &str = "behind a trusted proxy; added to the deny file";

//! Decisions about clients: signals become alerts and decisions, except against what must never be blocked; and the
//! records of what was found, decided and changed.

mod alert;
mod audit;
mod config;
mod decider;
mod decision;
mod history;
mod host;
mod id;
mod incident;
mod kill_switch;
mod never_block;
mod outcome;
mod verdict;

#[cfg(test)]
mod tests;

pub use alert::{About, Action, Alert, Window};
pub use audit::{AuditEntry, Cause, Change};
pub use config::DecideConfig;
pub use decider::Decider;
pub use decision::{Decision, Measure};
pub use id::{IdError, Ids, RecordId};
pub use incident::{Incident, Participant, State, Step, Update};
pub use kill_switch::Tripped;
pub use never_block::{NeverBlock, Protected};
pub use outcome::{DeciderStats, Outcome, Surroundings};

#[cfg(test)]
pub(crate) use alert::tests::signal;

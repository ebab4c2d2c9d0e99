//! Incidents: attacks with a start, a size, a state and an end. The only place that tracks which alert, clients and
//! decisions belong together.
//!
//! ```text
//! signal ── opens ── open ── signal: grows, gets worse ── open ── `incident_quiet` without a signal ── over
//!                      └── change of mode, response or allow rules: decided anew
//! ```
//!
//! Pure: the time is an argument, and nothing is stored or sent here.

mod open;
mod record;

#[cfg(test)]
mod tests;

pub(super) use open::{Incidents, News};
pub use record::{Incident, Participant, State, Step, Update};

//! Incidents: attacks with a beginning, a size, a state and an end. The one place that knows which alert, which clients
//! and which decisions belong together.
//!
//! ```text
//! signal ── opens ── open ── signal: grows, gets worse ── open ── `incident_quiet` without a signal ── over
//!                      └── change of mode, response or allow rules: decided anew
//! ```
//!
//! Pure: it is told the time, keeps nothing on disk and tells nobody.

mod open;
mod record;

#[cfg(test)]
mod tests;

pub(super) use open::{Incidents, News};
pub use record::{Incident, Participant, State, Step, Update};

//! Suggests limits from this host's traffic.
//!
//! A limit has a rate and a burst, and whether it would have affected a client depends on both. So for each client, and
//! each rung of a ladder of rates, the burst is recorded that it would have needed to pass unaffected: the highest
//! level of a bucket that drains at that rate, which is what a GCRA measures. For each scope and dimension the needs of
//! all clients are in quantile sketches, so "which share of clients would `120/min:40` have affected?" is a look-up in
//! one of them.
//!
//! ```text
//! client table, once a second ── Observer ── per client: level and peak on each rung
//!                                   │ after an hour, or when the client leaves
//!                                   ▼
//!                                History: a Tally for each of seven days ── Report
//! ```
//!
//! # Architecture invariant
//!
//! No clock, no input or output: samples come with their time, and data to store is returned as a value.
#![expect(clippy::float_arithmetic, reason = "levels and shares are approximate by nature")]

mod history;
mod ladder;
mod observer;
mod prefixes;
mod report;
mod sketch;
mod track;

#[cfg(test)]
mod tests;

pub use history::{Excluded, History};
pub use observer::{MAX_TRACKED, Observer, Seen, Standing, stride_for};
pub use prefixes::PrefixMap;
pub use report::{Ask, Candidate, DimensionReport, LEAST_CLIENTS, LEAST_TIME, Report, ScopeReport};
pub use sketch::{GROWTH, Sketch};

//! Rates over time, from totals.

use std::collections::VecDeque;
use std::time::Duration;

use crate::control::wire::{InterfaceReport, StatusReport};

/// Seconds kept: more than a terminal has columns for.
const MOST: usize = 600;

/// Events of one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) passed: u64,
    pub(super) dropped: u64,
    pub(super) would_drop: u64,
    pub(super) exchanges: u64,
    pub(super) failures: u64,
}

impl Rates {
    fn totals(report: &StatusReport) -> Self {
        let sum =
            |of: fn(&InterfaceReport) -> u64| report.interfaces.iter().map(of).fold(0, u64::saturating_add);
        let http = |of: fn(&crate::control::wire::HttpReport) -> u64| report.http.as_ref().map_or(0, of);
        Self {
            passed: sum(|row| row.passed),
            dropped: sum(|row| row.dropped),
            would_drop: sum(|row| row.would_drop),
            exchanges: http(|http| http.exchanges),
            failures: http(|http| http.failures),
        }
    }

    /// Packets dropped, or that would have been.
    pub(super) const fn stopped(self) -> u64 {
        self.dropped.saturating_add(self.would_drop)
    }

    fn since(self, before: Self, elapsed: Duration) -> Self {
        let millis = elapsed.as_millis().max(1);
        let rate = |now: u64, before: u64| {
            // A restarted daemon counts from zero.
            let count = u128::from(now.checked_sub(before).unwrap_or(now));
            let rate = count.saturating_mul(1_000).checked_div(millis).unwrap_or(0);
            u64::try_from(rate).unwrap_or(u64::MAX)
        };
        Self {
            passed: rate(self.passed, before.passed),
            dropped: rate(self.dropped, before.dropped),
            would_drop: rate(self.would_drop, before.would_drop),
            exchanges: rate(self.exchanges, before.exchanges),
            failures: rate(self.failures, before.failures),
        }
    }
}

/// The last minutes.
#[derive(Debug, Default)]
pub(super) struct History {
    last: Option<(Duration, Rates)>,
    /// One per second, newest last; none if no daemon answered.
    samples: VecDeque<Option<Rates>>,
}

impl History {
    /// Adds a report received at a time of the monotonic clock.
    pub(super) fn note(&mut self, at: Duration, report: &StatusReport) {
        let totals = Rates::totals(report);
        if let Some((before, earlier)) = self.last {
            self.push(Some(totals.since(earlier, at.saturating_sub(before))));
        }
        self.last = Some((at, totals));
    }

    /// No report arrived.
    pub(super) fn note_gap(&mut self) {
        // What happens meanwhile belongs to no second.
        if self.last.take().is_some() || !self.samples.is_empty() {
            self.push(None);
        }
    }

    fn push(&mut self, sample: Option<Rates>) {
        if self.samples.len() >= MOST {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// The last second.
    pub(super) fn now(&self) -> Rates {
        self.samples.back().copied().flatten().unwrap_or_default()
    }

    /// The last `columns` seconds, newest last, empty before the first.
    pub(super) fn last(&self, columns: usize) -> Vec<Option<Rates>> {
        let missing = columns.saturating_sub(self.samples.len());
        let from = self.samples.len().saturating_sub(columns);
        std::iter::repeat_n(None, missing).chain(self.samples.iter().skip(from).copied()).collect()
    }
}
